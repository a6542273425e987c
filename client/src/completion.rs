//! The fate of operations that somebody waits for.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::task::{Poll, Waker};

use sterna_core::{Granted, OperationError, Receipt, Token};

use crate::lock::{Wakers, register};

/// What an operation ended with.
#[derive(Debug)]
pub(crate) enum Answer {
    Receipt(Receipt),
    Granted(Granted),
}

type Outcome = Result<Answer, OperationError>;

/// Whether the store has an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storing {
    /// It never will: there is none, or it is none of the operations that are stored.
    Never,
    Pending,
    Stored,
}

#[derive(Debug)]
enum Entry {
    Waiting { waker: Option<Waker>, storing: Storing },
    Done(Outcome),
}

/// Tokens are a sequence already: one multiplication spreads them.
#[derive(Debug, Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

/// The operations that somebody waits for, by token.
#[derive(Debug, Default)]
pub(crate) struct Completions(HashMap<Token, Entry, BuildHasherDefault<TokenHasher>>);

impl Completions {
    pub(crate) fn expect(&mut self, token: Token, storing: Storing) {
        self.0.insert(token, Entry::Waiting { waker: None, storing });
    }

    /// The store has it.
    pub(crate) fn stored(&mut self, token: Token, wakers: &mut Wakers) {
        if let Some(Entry::Waiting { waker, storing }) = self.0.get_mut(&token) {
            *storing = Storing::Stored;
            wakers.push(waker.take());
        }
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&mut self, token: Token) {
        self.0.remove(&token);
    }

    pub(crate) fn complete(&mut self, token: Token, outcome: Outcome, wakers: &mut Wakers) {
        if let Some(entry) = self.0.get_mut(&token)
            && let Entry::Waiting { waker, .. } = std::mem::replace(entry, Entry::Done(outcome))
        {
            wakers.push(waker);
        }
    }

    pub(crate) fn poll(&mut self, token: Token, waker: &Waker) -> Poll<Outcome> {
        match self.0.get_mut(&token) {
            Some(Entry::Waiting { waker: slot, .. }) => {
                register(slot, waker);
                return Poll::Pending;
            }
            Some(Entry::Done(_)) => {}
            None => return Poll::Ready(Err(OperationError::Closed)),
        }
        match self.0.remove(&token) {
            Some(Entry::Done(outcome)) => Poll::Ready(outcome),
            _ => Poll::Ready(Err(OperationError::Closed)),
        }
    }

    /// Until it is stored, or ends without that. Its outcome stays.
    pub(crate) fn poll_stored(&mut self, token: Token, waker: &Waker) -> Poll<Result<(), OperationError>> {
        Poll::Ready(match self.0.get_mut(&token) {
            Some(Entry::Waiting { storing: Storing::Pending, waker: slot }) => {
                register(slot, waker);
                return Poll::Pending;
            }
            Some(Entry::Waiting { .. } | Entry::Done(Ok(_) | Err(OperationError::Kept))) => Ok(()),
            Some(Entry::Done(Err(error))) => Err(error.clone()),
            None => Err(OperationError::Closed),
        })
    }

    /// The client is gone: all that still wait end so. What the store has stays there.
    pub(crate) fn close(&mut self, wakers: &mut Wakers) {
        for entry in self.0.values_mut() {
            if let Entry::Waiting { waker, storing } = entry {
                wakers.push(waker.take());
                let kept = *storing == Storing::Stored;
                *entry = Entry::Done(Err(if kept { OperationError::Kept } else { OperationError::Closed }));
            }
        }
    }
}
