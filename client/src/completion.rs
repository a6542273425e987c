//! The fate of operations that somebody waits for.

use std::collections::{HashMap, VecDeque};
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

/// How many places in a row the recent operations have at most.
const RECENT: usize = 4_096;
/// So many tokens in a row that nobody waits for are given places nevertheless.
const GAP: u64 = 64;

/// The operations that somebody waits for, by token. Tokens are a sequence: recent ones stand in a row, where finding one
/// is a subtraction, and what waits longer than that is moved to a map.
#[derive(Debug, Default)]
pub(crate) struct Completions {
    /// The token of the first place.
    first: u64,
    recent: VecDeque<Option<Entry>>,
    older: HashMap<u64, Entry>,
    /// How many of them have a task that is to be woken.
    waiters: usize,
    /// Nothing has moved for a while: memory is given back as soon as nobody waits any more.
    rests: bool,
}

impl Completions {
    /// Somebody waits for this operation, of a token later than all before.
    pub(crate) fn expect(&mut self, token: Token, storing: Storing) {
        let token = token.sequence();
        let entry = Entry::Waiting { waker: None, storing };
        let end = self.first + self.recent.len() as u64;
        if token < end {
            // One that is asked for late.
            return self.put(token, entry);
        }
        if self.recent.is_empty() || token - end > GAP {
            while !self.recent.is_empty() {
                self.set_aside();
            }
            self.first = token;
        } else {
            self.recent.extend((end..token).map(|_| None));
        }
        self.recent.push_back(Some(entry));
        while self.recent.len() > RECENT {
            self.set_aside();
        }
    }

    fn put(&mut self, token: u64, entry: Entry) {
        match self.place(token) {
            Some(place) => *place = Some(entry),
            None => drop(self.older.insert(token, entry)),
        }
    }

    /// Moves the oldest of the recent ones to the others.
    fn set_aside(&mut self) {
        if let Some(entry) = self.recent.pop_front().flatten() {
            self.older.insert(self.first, entry);
        }
        self.first += 1;
    }

    fn place(&mut self, token: u64) -> Option<&mut Option<Entry>> {
        let index = usize::try_from(token.checked_sub(self.first)?).ok()?;
        self.recent.get_mut(index)
    }

    fn get_mut(&mut self, token: Token) -> Option<&mut Entry> {
        let Self { first, recent, older, .. } = self;
        let token = token.sequence();
        match token.checked_sub(*first).and_then(|index| recent.get_mut(usize::try_from(index).ok()?)) {
            Some(place) => place.as_mut(),
            None if older.is_empty() => None,
            None => older.get_mut(&token),
        }
    }

    fn remove(&mut self, token: Token) -> Option<Entry> {
        let token = token.sequence();
        let entry = match self.place(token) {
            Some(place) => place.take(),
            None => self.older.remove(&token),
        };
        if let Some(Entry::Waiting { waker: Some(_), .. }) = entry {
            self.waiters -= 1;
        }
        while let Some(None) = self.recent.front() {
            self.recent.pop_front();
            self.first += 1;
        }
        if self.rests && self.recent.is_empty() && self.older.is_empty() {
            self.shrink();
        }
        entry
    }

    /// Whether somebody waits for it.
    pub(crate) fn expects(&mut self, token: Token) -> bool {
        self.get_mut(token).is_some()
    }

    /// The store has it.
    pub(crate) fn stored(&mut self, token: Token, wakers: &mut Wakers) {
        if let Some(Entry::Waiting { waker, storing }) = self.get_mut(token) {
            *storing = Storing::Stored;
            let waker = waker.take();
            self.waiters -= usize::from(waker.is_some());
            wakers.push(waker);
        }
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&mut self, token: Token) {
        self.remove(token);
    }

    pub(crate) fn complete(&mut self, token: Token, outcome: Outcome, wakers: &mut Wakers) {
        if let Some(entry) = self.get_mut(token)
            && let Entry::Waiting { waker, .. } = std::mem::replace(entry, Entry::Done(outcome))
        {
            self.waiters -= usize::from(waker.is_some());
            wakers.push(waker);
        }
    }

    pub(crate) fn poll(&mut self, token: Token, waker: &Waker) -> Poll<Outcome> {
        if let Some(Entry::Waiting { waker: slot, .. }) = self.get_mut(token) {
            let is_one_more = slot.is_none();
            register(slot, waker);
            self.waiters += usize::from(is_one_more);
            return Poll::Pending;
        }
        match self.remove(token) {
            Some(Entry::Done(outcome)) => Poll::Ready(outcome),
            _ => Poll::Ready(Err(OperationError::Closed)),
        }
    }

    /// Until it is stored, or ends without that. Its outcome stays.
    pub(crate) fn poll_stored(&mut self, token: Token, waker: &Waker) -> Poll<Result<(), OperationError>> {
        Poll::Ready(match self.get_mut(token) {
            Some(Entry::Waiting { storing: Storing::Pending, waker: slot }) => {
                let is_one_more = slot.is_none();
                register(slot, waker);
                self.waiters += usize::from(is_one_more);
                return Poll::Pending;
            }
            Some(Entry::Waiting { .. } | Entry::Done(Ok(_) | Err(OperationError::Kept))) => Ok(()),
            Some(Entry::Done(Err(error))) => Err(error.clone()),
            None => Err(OperationError::Closed),
        })
    }

    /// Whether any task is to be woken when its operation ends.
    pub(crate) fn has_waiters(&self) -> bool {
        self.waiters > 0
    }

    /// The client is gone: all that still wait end so. What the store has stays there.
    pub(crate) fn close(&mut self, wakers: &mut Wakers) {
        self.waiters = 0;
        for entry in self.recent.iter_mut().flatten().chain(self.older.values_mut()) {
            if let Entry::Waiting { waker, storing } = entry {
                wakers.push(waker.take());
                let kept = *storing == Storing::Stored;
                *entry = Entry::Done(Err(if kept { OperationError::Kept } else { OperationError::Closed }));
            }
        }
    }

    /// Something moves again.
    pub(crate) fn stir(&mut self) {
        self.rests = false;
    }

    /// Gives memory back that is not needed now, and later what becomes free.
    pub(crate) fn rest(&mut self) {
        self.rests = true;
        self.shrink();
    }

    fn shrink(&mut self) {
        self.recent.shrink_to_fit();
        self.older.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn token(sequence: u64) -> Token {
        Token::from_sequence(sequence)
    }

    fn is_pending(completions: &mut Completions, sequence: u64) -> bool {
        completions.poll(token(sequence), Waker::noop()).is_pending()
    }

    #[test]
    fn each_is_found_whatever_lies_between() {
        let mut completions = Completions::default();
        let mut expected = BTreeSet::new();
        let mut wakers = Wakers::default();
        let mut sequence = 1;
        for round in 0..20_000_u64 {
            sequence += match round % 1_000 {
                0 => 1_000,
                17 => GAP,
                18 => GAP + 1,
                19 => GAP + 2,
                step => 1 + step % 3,
            };
            completions.expect(token(sequence), Storing::Never);
            expected.insert(sequence);
            if round % 3 > 0 {
                // The oldest and, now and then, one in the middle.
                let gone = if round % 2 == 0 {
                    expected.first().copied().unwrap()
                } else {
                    expected.range(sequence / 2..).next().copied().unwrap()
                };
                expected.remove(&gone);
                completions.forget(token(gone));
            }
        }
        assert!(completions.recent.len() <= RECENT && expected.len() > RECENT);
        for sequence in 0..sequence + 10 {
            assert_eq!(is_pending(&mut completions, sequence), expected.contains(&sequence), "{sequence}");
        }
        for &sequence in &expected {
            completions.complete(token(sequence), Err(OperationError::Lost), &mut wakers);
        }
        for sequence in expected {
            let outcome = completions.poll(token(sequence), Waker::noop());
            assert!(matches!(outcome, Poll::Ready(Err(OperationError::Lost))));
        }
        assert!(completions.recent.is_empty() && completions.older.is_empty());
    }

    #[test]
    fn one_that_is_asked_for_late_has_its_place() {
        let mut completions = Completions::default();
        for sequence in [100, 104, 5_000] {
            completions.expect(token(sequence), Storing::Never);
        }
        completions.expect(token(102), Storing::Never);
        completions.expect(token(4_999), Storing::Never);
        completions.expect(token(3), Storing::Never);
        for sequence in 0..6_000 {
            let is_expected = [3, 100, 102, 104, 4_999, 5_000].contains(&sequence);
            assert_eq!(is_pending(&mut completions, sequence), is_expected, "{sequence}");
        }
    }
}
