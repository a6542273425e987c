//! What a driver carries from a client to its store: named records, put and deleted in batches.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::places::Places;

/// Names one record in a store. Its order is the one in which a store gives the records back: the header first,
/// then messages in the order of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Format, client identifier, protocol version and the next token.
    Header,
    /// A message of QoS 1 or 2 that was accepted, by its token. It does not change until it is deleted.
    Message(u64),
    /// The packet identifier of a message that may have been sent, and how far it is, by the message's token.
    Flight(u64),
    /// A QoS 2 message that was received and not completed, by its packet identifier.
    Incoming(u16),
}

impl Key {
    /// How many bytes [`to_bytes`](Self::to_bytes) gives.
    pub const LENGTH: usize = 9;

    /// The key as bytes, which sort as the keys do.
    ///
    /// ```
    /// use sterna_core::Key;
    ///
    /// let key = Key::Message(7);
    /// assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
    /// assert!(Key::Header.to_bytes() < key.to_bytes() && key.to_bytes() < Key::Message(300).to_bytes());
    /// ```
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let (kind, number) = self.parts();
        let mut bytes = [kind; Self::LENGTH];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// Its kind, and its number among those of its kind.
    pub(super) const fn parts(self) -> (u8, u64) {
        match self {
            Self::Header => (0, 0),
            Self::Message(token) => (1, token),
            Self::Flight(token) => (2, token),
            Self::Incoming(packet_id) => (3, packet_id as u64),
        }
    }

    /// The key that [`to_bytes`](Self::to_bytes) made these bytes of; `None` if it did not.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, number) = bytes.split_first()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        match kind {
            0 if number == 0 => Some(Self::Header),
            1 => Some(Self::Message(number)),
            2 => Some(Self::Flight(number)),
            3 => u16::try_from(number).ok().map(Self::Incoming),
            _ => None,
        }
    }
}

/// One change of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOp<'a> {
    /// Keeps `record` under `key`, in place of what was there.
    Put {
        /// Its name.
        key: Key,
        /// Its bytes.
        record: &'a [u8],
    },
    /// Removes what is under `key`, if anything.
    Delete {
        /// Its name.
        key: Key,
    },
}

/// Changes that go to the store as one commit: all of them or none, in their order.
///
/// A record is in it at most once. A later change takes the place of an earlier one, and of a record that no earlier
/// batch has, its removal leaves nothing at all: while a store is slow, a batch grows with what there is to be kept,
/// not with what happens. What was replaced takes memory for a while, never more than the rest and 4 KiB.
#[derive(Debug, Default)]
pub struct Batch {
    /// In their order.
    changes: Vec<Change>,
    /// Where in them each key stands last.
    places: Places,
    /// The records, in the order of the changes.
    bytes: Vec<u8>,
    /// How many changes are something.
    count: usize,
    /// What they cost, and what was replaced.
    live: usize,
    waste: usize,
}

#[derive(Debug)]
struct Change {
    key: Key,
    what: What,
    /// The store does not have the record before this batch.
    is_new: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// The place of the record among the bytes.
    Put(Range<usize>),
    Delete,
    /// There is a later change, or the record is gone before any store had it.
    Nothing,
}

impl What {
    /// What the change takes, roughly.
    fn cost(&self) -> usize {
        size_of::<Change>() + if let Self::Put(range) = self { range.len() } else { 0 }
    }
}

/// A batch that grew beyond this gives its memory back once it is empty.
const KEEP_CAPACITY: usize = 64 << 10;
/// So much may always be wasted.
const WASTE: usize = 4 << 10;

impl Batch {
    /// An empty one; it allocates nothing yet.
    pub const fn new() -> Self {
        Self { changes: Vec::new(), places: Places::new(), bytes: Vec::new(), count: 0, live: 0, waste: 0 }
    }

    /// The changes, in their order: each key comes once.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StoreOp<'_>> {
        Iter { batch: self, next: 0, left: self.count }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Forgets the changes; small buffers are kept for reuse.
    pub fn clear(&mut self) {
        let changes = self.changes.capacity() * size_of::<Change>();
        if self.bytes.capacity().max(changes).max(self.places.size()) > KEEP_CAPACITY {
            *self = Self::new();
            return;
        }
        self.changes.clear();
        self.places.clear();
        self.bytes.clear();
        (self.count, self.live, self.waste) = (0, 0, 0);
    }

    /// Adds a record, which `write` appends.
    pub fn put(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.write(key, write, false);
    }

    /// Adds a record that no store has once all earlier batches are carried out. If it is removed before this one is
    /// taken, no trace is left of it.
    pub(crate) fn put_new(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.write(key, write, true);
    }

    /// Adds the removal of a record.
    pub fn delete(&mut self, key: Key) {
        if !self.replace(key).unwrap_or(false) {
            self.push(key, What::Delete, false);
        }
        self.compact_if_wasteful();
    }

    fn write(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>), is_new: bool) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let is_new = self.replace(key).unwrap_or(is_new);
        self.push(key, What::Put(start..self.bytes.len()), is_new);
        self.compact_if_wasteful();
    }

    /// Takes an earlier change of this record back. Whether the record is new, if it has one.
    fn replace(&mut self, key: Key) -> Option<bool> {
        let place = self.places.get(key, |place| self.changes[place].key)?;
        let change = &mut self.changes[place];
        if change.what != What::Nothing {
            let cost = change.what.cost();
            self.live -= cost;
            self.waste += cost;
            self.count -= 1;
            change.what = What::Nothing;
        }
        Some(change.is_new)
    }

    fn push(&mut self, key: Key, what: What, is_new: bool) {
        if !self.places.has_room(self.changes.len() + 1) {
            self.places.reset(self.changes.len() + 1);
            self.enter_all();
        }
        self.live += what.cost();
        self.count += 1;
        self.places.set(key, self.changes.len(), |place| self.changes[place].key);
        self.changes.push(Change { key, what, is_new });
    }

    fn enter_all(&mut self) {
        for (place, change) in self.changes.iter().enumerate() {
            self.places.set(change.key, place, |place| self.changes[place].key);
        }
    }

    /// Moves together what is left once as much was replaced: a change costs no more than a fixed number of moves.
    fn compact_if_wasteful(&mut self) {
        if self.waste <= self.live + WASTE {
            return;
        }
        let mut end = 0;
        for change in &mut self.changes {
            if let What::Put(range) = &mut change.what {
                let start = end;
                end += range.len();
                self.bytes.copy_within(range.clone(), start);
                *range = start..end;
            }
        }
        self.bytes.truncate(end);
        self.changes.retain(|change| change.what != What::Nothing);
        self.waste = 0;
        self.places.clear();
        self.enter_all();
    }
}

/// The changes of a batch that are something.
struct Iter<'a> {
    batch: &'a Batch,
    next: usize,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = StoreOp<'a>;

    fn next(&mut self) -> Option<StoreOp<'a>> {
        loop {
            let Change { key, what, .. } = self.batch.changes.get(self.next)?;
            self.next += 1;
            let op = match what {
                What::Put(range) => StoreOp::Put { key: *key, record: &self.batch.bytes[range.clone()] },
                What::Delete => StoreOp::Delete { key: *key },
                What::Nothing => continue,
            };
            self.left -= 1;
            return Some(op);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Numbers the batches of one client, from 1. What a batch has is stored once it or a later one was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PersistId(pub(crate) u64);

impl PersistId {
    /// The batch with this number, such as one that was written down.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The store could not keep or give back what it was told to; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub Box<str>);
