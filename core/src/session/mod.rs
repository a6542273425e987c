//! What outlives the process: the records of a session, and how they go to a store and come back.

mod batch;
mod places;
mod record;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::ConfigError;
use crate::event::Token;
use crate::packet::QoS;

pub use self::batch::{Batch, Key, PersistId, StoreError, StoreOp};
use self::record::FORMAT;
pub use self::record::StoredMessage;
pub(crate) use self::record::{Header, StoredFlight, StoredStage};

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
        let released =
            |flight: &StoredFlight| matches!(flight.stage, StoredStage::Released { abandoned: false, .. });
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
