//! The disk of one client: it keeps what was committed when its process ends, and nothing else. It can fail at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sterna_client::{Batch, Key, Store, StoreError, StoreOp};
use sterna_core::StoredMessage;

use super::random::Random;
use super::report::Fault;
use super::wire::number_of;
use super::world::World;

/// How a disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nothing of the commit is kept.
    Refuses,
    /// It is kept, but nobody can know.
    Doubts,
    /// Nothing is kept, and the store panics.
    Panics,
    /// The store does not let go properly.
    FailsToClose,
    /// The next process cannot read it.
    Unreadable,
}

/// A client's disk fails, at the commit (or whatever it is) after so many that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskEvent {
    client: usize,
    failure: Failure,
    after: u32,
}

pub(super) fn draw_event(random: &mut Random, clients: &[usize]) -> DiskEvent {
    use Failure::{Doubts, FailsToClose, Panics, Refuses, Unreadable};
    DiskEvent {
        client: random.pick(clients),
        failure: random.pick(&[Refuses, Refuses, Refuses, Doubts, Doubts, Panics, FailsToClose, Unreadable]),
        after: random.pick(&[0, 0, 1, 2, 5, 20]),
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    records: BTreeMap<Key, Vec<u8>>,
    /// What is to fail, and how often it works before.
    failure: Option<(Failure, u32)>,
    /// A commit has failed.
    has_failed: bool,
    /// And there was another.
    was_asked_again: bool,
    /// It could not be read the last time.
    was_unreadable: bool,
}

impl State {
    /// Whether this is the moment for one of these failures.
    fn strikes(&mut self, kinds: &[Failure]) -> Option<Failure> {
        let (failure, left) = self.failure.as_mut().filter(|(failure, _)| kinds.contains(failure))?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let failure = *failure;
        self.failure = None;
        Some(failure)
    }
}

/// See the module. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as the next process finds it: what the one before does from now on does not reach it.
    pub(super) fn left_behind(&self) -> Self {
        let state = State { has_failed: false, was_asked_again: false, ..self.state().clone() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// The numbers of the messages on it.
    pub(super) fn messages(&self) -> BTreeSet<u32> {
        let state = self.state();
        let records = state.records.iter().filter(|(key, _)| matches!(key, Key::Message(_)));
        let messages = records.filter_map(|(_, record)| StoredMessage::read(record));
        messages.filter_map(|message| number_of(message.payload)).collect()
    }

    /// Nothing fails from now on.
    pub(super) fn heal(&self) {
        self.state().failure = None;
    }

    /// Whether a commit of this process has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.state().has_failed
    }

    /// Whether it could not be read when it was last.
    pub(super) fn was_unreadable(&self) -> bool {
        self.state().was_unreadable
    }

    pub(super) fn was_asked_again(&self) -> bool {
        self.state().was_asked_again
    }
}

fn error() -> StoreError {
    StoreError("the disk is broken".into())
}

impl Store for Disk {
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
        let mut state = self.state();
        // Half of it may be read before.
        let unreadable = state.strikes(&[Failure::Unreadable]).is_some();
        state.was_unreadable = unreadable;
        let count = if unreadable { state.records.len() / 2 } else { state.records.len() };
        state.records.iter().take(count).for_each(|(key, record)| each(*key, record));
        if unreadable { Err(error()) } else { Ok(()) }
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut state = self.state();
        state.was_asked_again |= state.has_failed;
        let failure = state.strikes(&[Failure::Refuses, Failure::Doubts, Failure::Panics]);
        state.has_failed |= failure.is_some();
        match failure {
            Some(Failure::Refuses) => return Err(error()),
            Some(Failure::Panics) => {
                drop(state);
                // Without the message of a panic that nobody expected.
                resume_unwind(Box::new("the disk is broken"))
            }
            _ => {}
        }
        for op in batch.iter() {
            match op {
                StoreOp::Put { key, record } => state.records.insert(key, record.to_vec()),
                StoreOp::Delete { key } => state.records.remove(&key),
            };
        }
        if failure.is_some() { Err(error()) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), StoreError> {
        match self.state().strikes(&[Failure::FailsToClose]) {
            Some(_) => Err(error()),
            None => Ok(()),
        }
    }
}

/// How long a client may take to close after its store failed; longer than it waits for the server to close too.
const CLOSING: u64 = 1_000_000;

impl World {
    pub(super) fn break_disk(&mut self, event: DiskEvent) {
        let DiskEvent { client, failure, after } = event;
        // How often a process begins or ends is soon counted.
        let after =
            if matches!(failure, Failure::FailsToClose | Failure::Unreadable) { after % 2 } else { after };
        self.processes[client].disk.state().failure = Some((failure, after));
    }

    /// After a commit: whether the store has failed is known from now on.
    pub(super) fn look_at_disk(&mut self, client: usize) {
        let process = &mut self.processes[client];
        if process.disk.was_asked_again() {
            self.findings.violated("a store that failed is asked again", format!("c{client}"));
        }
        if process.disk.has_failed() && process.store_failed_at.is_none() {
            process.store_failed_at = Some(self.now);
            self.promises.store_failed(client);
            self.promises.closed(client);
            self.wires[client].ends_itself();
            self.routes[client].disturbed();
            self.fault(Fault::StoreFails);
        }
    }

    /// A client whose store failed has closed soon after.
    pub(super) fn check_store(&mut self, client: usize) {
        let process = &self.processes[client];
        let (Some(failed_at), Some(application)) = (process.store_failed_at, &process.application) else {
            return;
        };
        let is_late = self.now > failed_at.max(process.is_frozen_until) + CLOSING;
        let state = application.client.state();
        let holds = !is_late || state == sterna_client::State::Closed;
        self.findings
            .require(holds, "a client goes on though its store failed", || format!("c{client}: {state:?}"));
    }
}
