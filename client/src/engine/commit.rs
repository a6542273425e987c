//! The store's place in the engine, and its work as a value that another thread can carry out.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sterna_core::{Batch, Instant, PersistId, StoreError};

use crate::shared::Inner;
use crate::store::Store;

/// Work for the store. [`run`](Self::run) may block: it waits for the disk.
///
/// It carries the store itself. Dropping it, as a runtime does that is shut down, loses nothing that was reported as
/// stored.
#[must_use = "what it has is stored only when it is run"]
pub struct Commit {
    store: Box<dyn Store>,
    batch: Batch,
    work: Work,
}

/// A [`Commit`] that was carried out, for [`Engine::handle_committed`](super::Engine::handle_committed).
#[must_use = "the engine waits for it"]
pub struct Committed {
    store: Box<dyn Store>,
    batch: Batch,
    work: Work,
    result: Result<(), StoreError>,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    /// The changes of the batch.
    Persist(PersistId),
    /// The client has closed.
    Release,
}

impl Commit {
    /// Has the store do the work, and waits for it. A store that panics has failed.
    pub fn run(mut self) -> Committed {
        let result = catch_unwind(AssertUnwindSafe(|| match self.work {
            Work::Persist(_) => self.store.commit(&self.batch),
            Work::Release => self.store.close(),
        }));
        let result = result.unwrap_or_else(|_| Err(StoreError("the store panicked".into())));
        Committed { store: self.store, batch: self.batch, work: self.work, result }
    }
}

/// A client's store, as the engine has it.
#[derive(Debug)]
pub(super) struct Storage {
    /// `None` while it is at work.
    store: Option<Box<dyn Store>>,
    /// Empty; kept for its memory.
    batch: Batch,
    /// What was carried out, and the connection does not know yet.
    done: Option<(Work, Result<(), StoreError>)>,
    /// Nothing was committed since it was released.
    released: bool,
    /// Until when a client that has closed waits for it to be released.
    release_by: Option<Instant>,
}

impl Storage {
    pub(super) fn new(store: Box<dyn Store>) -> Self {
        Self { store: Some(store), batch: Batch::new(), done: None, released: false, release_by: None }
    }

    pub(super) fn handle_committed(&mut self, committed: Committed) {
        self.store = Some(committed.store);
        self.batch = committed.batch;
        self.done = Some((committed.work, committed.result));
    }

    /// Tells the connection what was carried out.
    pub(super) fn report(&mut self, inner: &mut Inner, now: Instant) {
        match self.done.take() {
            Some((Work::Persist(id), result)) => inner.connection.handle_persisted(now, id, result),
            Some((Work::Release, result)) => inner.store_released(result),
            None => {}
        }
    }

    /// Has a client that has closed say so although its store is at work: the connection has waited long enough for what
    /// was to be stored, or this has for the release. The store is released when it comes back.
    pub(super) fn watch(&mut self, inner: &mut Inner, now: Instant) {
        if !inner.is_releasing() || self.store.is_some() {
            self.release_by = None;
        } else if !self.released {
            // Only a connection that has given the store up ends while that is storing.
            if inner.has_lost_store() {
                inner.announce_closed();
            }
        } else {
            let patience = inner.connection.config().store_patience();
            if *self.release_by.get_or_insert(now + patience) <= now {
                self.release_by = None;
                inner.store_released(Err(StoreError("it did not let go in time".into())));
            }
        }
    }

    /// A store that has failed and let go is asked for nothing any more: a client that was to be started again all the
    /// same says at once that it has closed.
    pub(super) fn stays_released(&self, inner: &mut Inner) {
        if self.released && self.store.is_some() && inner.has_lost_store() {
            inner.announce_closed();
        }
    }

    /// When to [`watch`](Self::watch) again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.release_by
    }

    /// The next work: what waits to be stored, or, when the client closes, has lost it or is `finished`, to let go.
    pub(super) fn next(&mut self, inner: &mut Inner, finished: bool) -> Option<Commit> {
        let store = self.store.take()?;
        let work = if let Some(id) = inner.connection.poll_persist(&mut self.batch) {
            self.released = false;
            Work::Persist(id)
        } else if inner.is_releasing() || ((finished || inner.has_lost_store()) && !self.released) {
            self.released = true;
            Work::Release
        } else {
            self.store = Some(store);
            return None;
        };
        Some(Commit { store, batch: std::mem::take(&mut self.batch), work })
    }

    /// Whether nothing is left to do.
    pub(super) fn is_idle(&self) -> bool {
        self.store.is_some() && self.done.is_none()
    }

    /// The engine goes: what waits is carried out here and now, unless another thread has the store.
    pub(super) fn finish(&mut self, inner: &mut Inner, now: Instant) {
        self.report(inner, now);
        while let Some(commit) = self.next(inner, true) {
            self.handle_committed(commit.run());
            self.report(inner, now);
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("work", &self.work).finish_non_exhaustive()
    }
}

impl fmt::Debug for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committed")
            .field("work", &self.work)
            .field("result", &self.result)
            .finish_non_exhaustive()
    }
}
