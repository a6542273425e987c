//! The common half of the futures of publish, subscribe and unsubscribe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker, ready};

use sterna_core::{CancelError, OperationError};

use crate::completion::Answer;
use crate::room::Rejection;
use crate::shared::{Handle, Inner, Ticket};

/// An operation that was handed in. Dropping it cancels nothing that the connection has accepted.
#[derive(Debug)]
pub(crate) struct Operation {
    handle: Arc<Handle>,
    /// `None`: its outcome was taken.
    ticket: Option<Ticket>,
    /// What was sent without being reported is reported since it was cancelled.
    watched: AtomicBool,
}

/// Why an operation has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    Rejected(Rejection),
    Failed(OperationError),
}

impl Operation {
    #[inline]
    pub(crate) fn new(handle: Arc<Handle>, ticket: Ticket) -> Self {
        Self { handle, ticket: Some(ticket), watched: AtomicBool::new(false) }
    }

    /// Takes it back if it still waits for room; whether the connection has accepted it.
    pub(crate) fn withdraw(mut self) -> bool {
        match self.ticket.take() {
            Some(ticket) => self.handle.with(|inner| inner.forget(ticket)),
            None => true,
        }
    }

    /// Ends it, if the connection has accepted it.
    pub(crate) fn cancel(&self) -> Result<(), CancelError> {
        match self.ticket {
            Some(Ticket::Accepted(token)) => self.handle.with(|inner| inner.cancel(token)),
            Some(Ticket::Sent(sent)) => self.handle.with(|inner| {
                if inner.ask_for(sent).is_some() {
                    return Err(CancelError);
                }
                self.watched.store(true, Ordering::Relaxed);
                inner.cancel(sent.token())
            }),
            Some(Ticket::Waiting(_)) | None => Err(CancelError),
        }
    }

    /// Until the connection has accepted it.
    pub(crate) fn poll_accepted(&mut self, waker: &Waker) -> Poll<Result<(), Rejection>> {
        let Self { handle, ticket, .. } = self;
        match *ticket {
            Some(Ticket::Waiting(_)) => handle.with(|inner| {
                inner.waits_during_nap();
                accept(inner, ticket, waker)
            }),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Until the store has it, or it is known that it will not. It still has to be asked for its answer.
    pub(crate) fn poll_stored(&mut self, waker: &Waker) -> Poll<Result<(), Failure>> {
        let Self { handle, ticket, .. } = self;
        handle.with(|inner| {
            if let Err(rejection) = ready!(accept(inner, ticket, waker)) {
                return Poll::Ready(Err(Failure::Rejected(rejection)));
            }
            if let Some(outcome) = watch(inner, ticket) {
                return Poll::Ready(outcome.map(|_| ()));
            }
            match *ticket {
                Some(Ticket::Accepted(token)) => {
                    inner.completions.poll_stored(token, waker).map_err(Failure::Failed)
                }
                // It was asked for its answer already, and has given it.
                _ => Poll::Ready(Err(Failure::Failed(OperationError::Closed))),
            }
        })
    }

    /// Until it has its answer.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<Answer, Failure>> {
        let Self { handle, ticket, .. } = self;
        handle.with(|inner| {
            inner.waits_during_nap();
            poll(inner, ticket, waker)
        })
    }

    /// Begins one by `hand_in`, and polls it: its caller waits for it.
    pub(crate) fn start<E>(
        handle: &Arc<Handle>,
        hand_in: impl FnOnce(&mut Inner) -> Result<Ticket, E>,
        waker: &Waker,
    ) -> Result<(Self, Poll<Result<Answer, Failure>>), E> {
        let mut ticket = handle.with(|inner| {
            let ticket = hand_in(inner)?;
            inner.waits();
            Ok(Some(ticket))
        })?;
        // It may have been written by now.
        let outcome = handle.with(|inner| poll(inner, &mut ticket, waker));
        Ok((Self { handle: handle.clone(), ticket, watched: AtomicBool::new(false) }, outcome))
    }
}

fn poll(inner: &mut Inner, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<Result<Answer, Failure>> {
    if let Err(rejection) = ready!(accept(inner, ticket, waker)) {
        return Poll::Ready(Err(Failure::Rejected(rejection)));
    }
    if let Some(outcome) = watch(inner, ticket) {
        *ticket = None;
        return Poll::Ready(outcome);
    }
    let Some(Ticket::Accepted(token)) = *ticket else {
        return Poll::Ready(Err(Failure::Failed(OperationError::Closed)));
    };
    let outcome = ready!(inner.completions.poll(token, waker));
    *ticket = None;
    Poll::Ready(outcome.map_err(Failure::Failed))
}

fn accept(inner: &mut Inner, ticket: &mut Option<Ticket>, waker: &Waker) -> Poll<Result<(), Rejection>> {
    let Some(Ticket::Waiting(id)) = *ticket else { return Poll::Ready(Ok(())) };
    let outcome = ready!(inner.room.poll(id, waker));
    *ticket = outcome.ok().map(Ticket::Accepted);
    Poll::Ready(outcome.map(|_| ()))
}

/// The outcome of what was sent without being reported, if it has one. If not, it is an operation like any other from now
/// on.
fn watch(inner: &mut Inner, ticket: &mut Option<Ticket>) -> Option<Result<Answer, Failure>> {
    let Some(Ticket::Sent(sent)) = *ticket else { return None };
    let outcome = inner.ask_for(sent);
    if outcome.is_none() {
        *ticket = Some(Ticket::Accepted(sent.token()));
    }
    Some(outcome?.map(Answer::Receipt).map_err(Failure::Failed))
}

impl Operation {
    /// Nobody asks for its outcome any more.
    fn forget(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.handle.with(|inner| {
                inner.forget(ticket);
            });
        }
    }
}

impl Drop for Operation {
    #[inline]
    fn drop(&mut self) {
        let is_unknown = matches!(self.ticket, Some(Ticket::Sent(_))) && !*self.watched.get_mut();
        if !is_unknown {
            self.forget();
        }
    }
}
