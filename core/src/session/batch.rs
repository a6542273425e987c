//! What a driver carries from a client to its store: named records, put and deleted in batches.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

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
        let (kind, number) = match self {
            Self::Header => (0, 0),
            Self::Message(token) => (1, token),
            Self::Flight(token) => (2, token),
            Self::Incoming(packet_id) => (3, u64::from(packet_id)),
        };
        let mut bytes = [kind; Self::LENGTH];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
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
#[derive(Debug, Default)]
pub struct Batch {
    ops: Vec<(Key, Option<Range<usize>>)>,
    bytes: Vec<u8>,
}

/// A batch that grew beyond this gives its memory back once it is empty.
const KEEP_CAPACITY: usize = 64 << 10;

impl Batch {
    /// An empty one; it allocates nothing yet.
    pub const fn new() -> Self {
        Self { ops: Vec::new(), bytes: Vec::new() }
    }

    /// The changes, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StoreOp<'_>> {
        self.ops.iter().map(|(key, record)| match record {
            Some(range) => StoreOp::Put { key: *key, record: &self.bytes[range.clone()] },
            None => StoreOp::Delete { key: *key },
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Forgets the changes; small buffers are kept for reuse.
    pub fn clear(&mut self) {
        self.ops.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEEP_CAPACITY {
            *self = Self::new();
        }
    }

    /// Adds a record, which `write` appends.
    pub fn put(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.ops.push((key, Some(start..self.bytes.len())));
    }

    /// Adds the removal of a record.
    pub fn delete(&mut self, key: Key) {
        self.ops.push((key, None));
    }
}

/// Numbers the batches of one client, from 1. What a batch has is stored once it or a later one was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PersistId(pub(crate) u64);

impl PersistId {
    /// The number itself.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The store could not keep or give back what it was told to; for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub Box<str>);
