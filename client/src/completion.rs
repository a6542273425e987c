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

#[derive(Debug)]
enum Entry {
    Waiting(Option<Waker>),
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
    pub(crate) fn expect(&mut self, token: Token) {
        self.0.insert(token, Entry::Waiting(None));
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&mut self, token: Token) {
        self.0.remove(&token);
    }

    pub(crate) fn complete(&mut self, token: Token, outcome: Outcome, wakers: &mut Wakers) {
        if let Some(entry) = self.0.get_mut(&token)
            && let Entry::Waiting(waker) = std::mem::replace(entry, Entry::Done(outcome))
        {
            wakers.push(waker);
        }
    }

    pub(crate) fn poll(&mut self, token: Token, waker: &Waker) -> Poll<Outcome> {
        match self.0.get_mut(&token) {
            Some(Entry::Waiting(slot)) => {
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

    /// The client is gone: all that still wait end so.
    pub(crate) fn close(&mut self, wakers: &mut Wakers) {
        for entry in self.0.values_mut() {
            if let Entry::Waiting(waker) = entry {
                wakers.push(waker.take());
                *entry = Entry::Done(Err(OperationError::Closed));
            }
        }
    }
}
