//! What outlives the process: the records of a session, and how they go to a store and come back.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use crate::error::ConfigError;
use crate::event::Token;
use crate::packet::{Properties, PropertyOwner, ProtocolVersion, QoS, ReasonCode};
use crate::topic;

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

/// Why a session cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The options contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store's records cannot be used with them.
    #[error(transparent)]
    Session(#[from] SessionError),
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

/// Why the records of a store cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// It has records, but no header of ours.
    #[error("these are no records of an MQTT session")]
    Foreign,
    /// The record under this key does not fit the others, such as two messages under one packet identifier.
    #[error("the record {0:?} contradicts the others")]
    Contradiction(Key),
    /// A later version of this library wrote it.
    #[error("the records have format {0}; this version of the library reads up to {FORMAT}")]
    Format(u8),
    /// The record under this key is damaged.
    #[error("the record {0:?} is damaged")]
    Damaged(Key),
    /// The session is another client's.
    #[error("the session belongs to the client identifier {stored:?}, not {configured:?}")]
    OtherClient {
        /// The client identifier in the store.
        stored: Box<str>,
        /// The client identifier in the configuration.
        configured: Box<str>,
    },
}

/// The version of the record format that this library writes.
const FORMAT: u8 = 1;
const MAGIC: &[u8; 6] = b"sterna";

/// A number that is counted up, one at a time, from 0: none comes near the end of its range.
fn sequence(bytes: [u8; 8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes)).filter(|number| *number < u64::MAX / 2)
}

/// The header of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The version that the session was last connected with.
    pub(crate) version: Option<ProtocolVersion>,
    /// Tokens from here on were never given out.
    pub(crate) next_token: u64,
    pub(crate) client_id: Box<str>,
}

impl Header {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        out.push(match self.version {
            None => 0,
            Some(ProtocolVersion::V3_1) => 3,
            Some(ProtocolVersion::V3_1_1) => 4,
            Some(ProtocolVersion::V5) => 5,
        });
        out.extend_from_slice(&self.next_token.to_be_bytes());
        out.extend_from_slice(self.client_id.as_bytes());
    }

    fn read(record: &[u8]) -> Result<Self, SessionError> {
        let rest = record.strip_prefix(MAGIC).ok_or(SessionError::Foreign)?;
        let (format, rest) = rest.split_first().ok_or(SessionError::Foreign)?;
        if *format != FORMAT {
            return Err(SessionError::Format(*format));
        }
        Self::read_fields(rest).ok_or(SessionError::Damaged(Key::Header))
    }

    fn read_fields(fields: &[u8]) -> Option<Self> {
        let (level, rest) = fields.split_first()?;
        let version = match level {
            0 => None,
            3 => Some(ProtocolVersion::V3_1),
            4 => Some(ProtocolVersion::V3_1_1),
            5 => Some(ProtocolVersion::V5),
            _ => return None,
        };
        let (next_token, client_id) = rest.split_first_chunk()?;
        let client_id = core::str::from_utf8(client_id).ok()?.into();
        Some(Self { version, next_token: sequence(*next_token)?, client_id })
    }
}

/// An accepted message of QoS 1 or 2, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredMessage<'a> {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The time of day at which it was accepted, in microseconds since 1970; 0 if that was not known.
    pub(crate) accepted_at: u64,
    pub(crate) topic: &'a str,
    pub(crate) properties: Properties<'a>,
    pub(crate) payload: &'a [u8],
}

impl<'a> StoredMessage<'a> {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.qos as u8 | u8::from(self.retain) << 2);
        out.extend_from_slice(&self.accepted_at.to_be_bytes());
        out.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        out.extend_from_slice(&(self.properties.as_bytes().len() as u32).to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        out.extend_from_slice(self.properties.as_bytes());
        out.extend_from_slice(self.payload);
    }

    fn read(record: &'a [u8]) -> Option<Self> {
        let (flags, rest) = record.split_first()?;
        let (accepted_at, rest) = rest.split_first_chunk()?;
        let (topic_length, rest) = rest.split_first_chunk()?;
        let (properties_length, rest) = rest.split_first_chunk()?;
        let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*topic_length)))?;
        let properties_length = usize::try_from(u32::from_be_bytes(*properties_length)).ok()?;
        let (properties, payload) = rest.split_at_checked(properties_length)?;
        let qos = QoS::try_from(flags & 0b11).ok().filter(|qos| *qos != QoS::AtMostOnce)?;
        let topic = core::str::from_utf8(topic).ok().filter(|topic| topic::validate_name(topic).is_ok())?;
        let properties = Properties::parse(properties, PropertyOwner::PublishFromClient).ok()?;
        (flags & !0b111 == 0).then_some(Self {
            qos,
            retain: flags & 0b100 != 0,
            accepted_at: u64::from_be_bytes(*accepted_at),
            topic,
            properties,
            payload,
        })
    }
}

/// How far a message is that may have been sent, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredFlight {
    pub(crate) packet_id: u16,
    pub(crate) stage: StoredStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoredStage {
    /// PUBLISH may have been sent.
    Published,
    /// PUBREC has come, as the `order`th of its client.
    Released { order: u64, reason: ReasonCode },
    /// Nobody waits for it, and only its packet identifier stays reserved. Its message is deleted.
    Abandoned { exactly_once: bool },
}

impl StoredFlight {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (stage, order, reason) = match self.stage {
            StoredStage::Published => (0, 0, 0),
            StoredStage::Released { order, reason } => (1, order, reason.value()),
            StoredStage::Abandoned { exactly_once } => (2 + u8::from(exactly_once), 0, 0),
        };
        out.push(stage);
        out.extend_from_slice(&self.packet_id.to_be_bytes());
        out.extend_from_slice(&order.to_be_bytes());
        out.push(reason);
    }

    fn read(record: &[u8]) -> Option<Self> {
        let (stage, rest) = record.split_first()?;
        let (packet_id, rest) = rest.split_first_chunk()?;
        let (order, rest) = rest.split_first_chunk()?;
        let [reason] = rest else { return None };
        let packet_id = Some(u16::from_be_bytes(*packet_id)).filter(|id| *id != 0)?;
        let stage = match stage {
            0 => StoredStage::Published,
            1 => {
                let reason = ReasonCode::from_value(*reason)?;
                StoredStage::Released { order: sequence(*order)?, reason }
            }
            2 => StoredStage::Abandoned { exactly_once: false },
            3 => StoredStage::Abandoned { exactly_once: true },
            _ => return None,
        };
        Some(Self { packet_id, stage })
    }
}

/// What a store holds of a client's session: fed record by record, then given to
/// [`Connection::restore`](crate::Connection::restore).
///
/// ```
/// use sterna_core::{Batch, ClientId, Config, Connection, Instant, Publish, Session, StoreOp, packet::QoS};
///
/// let config = Config { client_id: ClientId::Given("thermometer".into()), ..Config::new(1) };
/// let now = Instant::ZERO;
/// let mut connection = Connection::restore(config.clone(), Session::new(), now)?;
/// let token = connection.publish(now, Publish::new("a/b", "21.5").qos(QoS::AtLeastOnce))?;
///
/// // The driver has the store carry out what waits, then confirms it.
/// let mut batch = Batch::new();
/// let id = connection.poll_persist(&mut batch).expect("something to store");
/// // The process dies here. Another one reads the store:
/// let mut session = Session::new();
/// for op in batch.iter() {
///     if let StoreOp::Put { key, record } = op {
///         session.load(key, record)?;
///     }
/// }
/// let connection = Connection::restore(config, session, now)?;
/// assert_eq!(connection.queued(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub(crate) header: Option<Header>,
    messages: BTreeMap<u64, Vec<u8>>,
    pub(crate) flights: BTreeMap<u64, StoredFlight>,
    pub(crate) incoming: BTreeSet<u16>,
    wall_clock: Option<Duration>,
}

/// A message that a store holds; see [`Session::pending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending<'a> {
    /// Its token, the same as when it was accepted.
    pub token: Token,
    /// Its topic; `None` once the server has taken the message and only the end of its QoS 2 exchange is missing.
    pub topic: Option<&'a str>,
    /// Its quality of service.
    pub qos: QoS,
}

impl Session {
    /// A session without records: that of an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time of day, since 1970, at which the session is restored: message expiry goes on over a restart. If it
    /// is not given, no time passes while the process is not there.
    #[must_use]
    pub fn wall_clock(mut self, since_epoch: Duration) -> Self {
        self.wall_clock = Some(since_epoch);
        self
    }

    /// Takes one record of the store, in any order.
    ///
    /// # Errors
    /// The record is not one that this library wrote, or a later version wrote it. A session that has refused a
    /// record is not to be used.
    pub fn load(&mut self, key: Key, record: &[u8]) -> Result<(), SessionError> {
        let damaged = SessionError::Damaged(key);
        match key {
            Key::Header => self.header = Some(Header::read(record)?),
            Key::Message(token) => {
                StoredMessage::read(record).ok_or(damaged)?;
                self.messages.insert(token, record.to_vec());
            }
            Key::Flight(token) => {
                self.flights.insert(token, StoredFlight::read(record).ok_or(damaged)?);
            }
            Key::Incoming(packet_id) => {
                if packet_id == 0 || !record.is_empty() {
                    return Err(damaged);
                }
                self.incoming.insert(packet_id);
            }
        }
        Ok(())
    }

    /// The client identifier that the session belongs to; `None` for an empty store.
    pub fn client_id(&self) -> Option<&str> {
        self.header.as_ref().map(|header| &*header.client_id)
    }

    /// The messages that are not completed, in the order in which they were accepted. Their fate will be reported
    /// under these tokens.
    pub fn pending(&self) -> impl Iterator<Item = Pending<'_>> {
        let mut tokens: Vec<u64> = self.messages.keys().copied().collect();
        let released = |flight: &StoredFlight| matches!(flight.stage, StoredStage::Released { .. });
        tokens.extend(self.flights.iter().filter(|(_, flight)| released(flight)).map(|(token, _)| *token));
        tokens.sort_unstable();
        tokens.dedup();
        tokens.into_iter().map(|token| {
            let message = self.message(token);
            Pending {
                token: Token(token),
                topic: message.map(|message| message.topic),
                qos: message.map_or(QoS::ExactlyOnce, |message| message.qos),
            }
        })
    }

    pub(crate) fn message(&self, token: u64) -> Option<StoredMessage<'_>> {
        StoredMessage::read(self.messages.get(&token)?)
    }

    /// The messages that never entered the in-flight window.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = u64> {
        self.messages.keys().copied().filter(|token| !self.flights.contains_key(token))
    }

    /// The time of day in microseconds since 1970, if it is known.
    pub(crate) fn wall_clock_micros(&self) -> Option<u64> {
        self.wall_clock.map(|since_epoch| u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
    }

    /// Whether the records belong together.
    pub(crate) fn validate(&self) -> Result<(), SessionError> {
        let Some(header) = &self.header else {
            let empty = self.messages.is_empty() && self.flights.is_empty() && self.incoming.is_empty();
            return if empty { Ok(()) } else { Err(SessionError::Foreign) };
        };
        let mut ids = BTreeSet::new();
        for (token, flight) in &self.flights {
            let message = self.message(*token);
            let complete = match flight.stage {
                StoredStage::Published => message.is_some(),
                StoredStage::Released { .. } | StoredStage::Abandoned { .. } => message.is_none(),
            };
            if !complete || !ids.insert(flight.packet_id) || *token >= header.next_token {
                return Err(SessionError::Contradiction(Key::Flight(*token)));
            }
        }
        match self.messages.last_key_value().filter(|(token, _)| **token >= header.next_token) {
            Some((token, _)) => Err(SessionError::Contradiction(Key::Message(*token))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{PropertiesBuf, Property};
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    fn header(next_token: u64) -> Vec<u8> {
        let header = Header { version: Some(ProtocolVersion::V5), next_token, client_id: "me".into() };
        written(|out| header.write(out))
    }

    fn message() -> Vec<u8> {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::ContentType("text")).unwrap();
        let message = StoredMessage {
            qos: QoS::ExactlyOnce,
            retain: true,
            accepted_at: 7,
            topic: "a/b",
            properties: properties.as_properties(),
            payload: b"payload",
        };
        let record = written(|out| message.write(out));
        assert_eq!(StoredMessage::read(&record), Some(message));
        record
    }

    fn flight(packet_id: u16, stage: StoredStage) -> Vec<u8> {
        let flight = StoredFlight { packet_id, stage };
        let record = written(|out| flight.write(out));
        assert_eq!(StoredFlight::read(&record), Some(flight));
        record
    }

    // R: STO-01
    #[test]
    fn records_come_back_as_they_were_written() {
        let mut session = Session::new();
        session.load(Key::Message(5), &message()).unwrap();
        session.load(Key::Message(6), &message()).unwrap();
        session.load(Key::Flight(5), &flight(9, StoredStage::Published)).unwrap();
        let released = StoredStage::Released { order: 3, reason: ReasonCode::SUCCESS };
        session.load(Key::Flight(2), &flight(8, released)).unwrap();
        let gone = StoredStage::Abandoned { exactly_once: true };
        session.load(Key::Flight(3), &flight(7, gone)).unwrap();
        session.load(Key::Incoming(77), &[]).unwrap();
        session.load(Key::Header, &header(7)).unwrap();
        session.validate().unwrap();
        assert_eq!(session.client_id(), Some("me"));
        assert_eq!(session.unsent().collect::<Vec<_>>(), [6]);
        let pending: Vec<_> = session.pending().map(|pending| (pending.token.0, pending.topic)).collect();
        assert_eq!(pending, [(2, None), (5, Some("a/b")), (6, Some("a/b"))]);
    }

    // R: STO-03
    #[test]
    fn what_is_not_ours_is_refused() {
        let mut session = Session::new();
        assert_eq!(session.load(Key::Header, b"SQLite format 3"), Err(SessionError::Foreign));
        let mut later = header(1);
        later[MAGIC.len()] = 9;
        assert_eq!(session.load(Key::Header, &later), Err(SessionError::Format(9)));
        session.load(Key::Message(1), &message()).unwrap();
        assert_eq!(session.validate(), Err(SessionError::Foreign), "records without a header");
    }

    // R: STO-03
    #[test]
    fn records_that_contradict_each_other_are_refused() {
        let contradiction = |records: &[(Key, Vec<u8>)]| {
            let mut session = Session::new();
            session.load(Key::Header, &header(9)).unwrap();
            for (key, record) in records {
                session.load(*key, record).unwrap();
            }
            session.validate()
        };
        let published = |id| flight(id, StoredStage::Published);
        let refused = |key| Err(SessionError::Contradiction(key));
        assert_eq!(contradiction(&[(Key::Flight(1), published(1))]), refused(Key::Flight(1)));
        assert_eq!(contradiction(&[(Key::Message(9), message())]), refused(Key::Message(9)));
        let both = [1, 2].map(|token| [(Key::Message(token), message()), (Key::Flight(token), published(4))]);
        assert_eq!(contradiction(&both.concat()), refused(Key::Flight(2)));
    }

    // R: STO-03
    #[test]
    fn numbers_that_no_client_reaches_are_damage() {
        let mut session = Session::new();
        let damaged = |key| Err(SessionError::Damaged(key));
        assert_eq!(session.load(Key::Header, &header(u64::MAX)), damaged(Key::Header));
        let released = StoredStage::Released { order: u64::MAX, reason: ReasonCode::SUCCESS };
        let record = written(|out| StoredFlight { packet_id: 1, stage: released }.write(out));
        assert_eq!(session.load(Key::Flight(1), &record), damaged(Key::Flight(1)));
    }

    proptest! {
        // R: STO-03
        #[test]
        fn no_bytes_panic(kind in 0..4_u8, number in any::<u16>(), record in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = [0; Key::LENGTH];
            bytes[0] = kind;
            bytes[7..].copy_from_slice(&number.to_be_bytes());
            if let Some(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
                let mut session = Session::new();
                let _ = session.load(key, &record);
                let _ = session.validate();
                let _ = session.pending().count();
            }
        }

        // R: STO-03
        #[test]
        fn a_shortened_record_is_damaged(cut in 1..20_usize) {
            let record = message();
            let mut session = Session::new();
            let shorter = &record[..(record.len() - "payload".len()).saturating_sub(cut)];
            prop_assert_eq!(session.load(Key::Message(1), shorter), Err(SessionError::Damaged(Key::Message(1))));
        }
    }
}
