//! The connection's events as they stand in a recording.

use serde::{Deserialize, Serialize};
use sterna_core::packet::{PropertiesBuf, ProtocolVersion, ReasonCode};
use sterna_core::{OperationError, PacketInfo};

use crate::data::PropertyList;
use crate::entry::MessageName;
use crate::failure::{Failure, name_of};

/// What [`poll_event`](sterna_core::Connection::poll_event) gave; see [`sterna_core::Event`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // The fields are those of `sterna_core::Event`.
pub enum Event {
    /// An attempt to connect begins.
    Connecting { attempt: u32 },
    /// The server accepted the connection.
    Connected { attempt: u32, session_present: bool },
    /// A connection was lost, or an attempt failed. `retry_at`: in microseconds since the client's origin.
    Disconnected {
        attempt: u32,
        cause: Failure,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<u64>,
    },
    /// A connection that was up is gone.
    Offline,
    /// The client has ended.
    Closed { cause: Failure },
    /// A message of QoS 1 or 2 is in the store.
    Stored { token: u64 },
    /// A publish completed.
    Published { token: u64, outcome: Outcome },
    /// A subscribe completed.
    Subscribed { token: u64, outcome: Outcome },
    /// An unsubscribe completed.
    Unsubscribed { token: u64, outcome: Outcome },
    /// A filter was subscribed again.
    Resubscribed { filter: String, reason: u8 },
    /// A step of enhanced authentication is the application's.
    Authenticate { attempt: u32, accepted: bool, properties: PropertyList },
    /// A re-authentication ended.
    Reauthenticated { token: u64, outcome: Outcome },
    /// Incoming QoS 0 messages were dropped.
    Dropped { messages: u64 },
    /// An acknowledgement by the application is missing.
    AckBlocked { message: MessageName, topic: String },
    /// A packet was sent.
    PacketSent(Packet),
    /// A packet came in.
    PacketReceived(Packet),
    /// One that this version of the library does not know better; its `Debug` form.
    Other(String),
}

/// The outcome of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// The server has answered.
    Ok {
        /// Its reason codes: one for each filter, or one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        reasons: Vec<u8>,
        /// The properties of its answer.
        #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
        properties: PropertyList,
    },
    /// It failed.
    Error(Failure),
}

/// What an event tells of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packet {
    /// Its type, such as `publish`.
    pub packet: String,
    /// Its packet identifier, or 0.
    pub packet_identifier: u16,
    /// Its size in bytes.
    pub size: u32,
}

impl Packet {
    fn new(info: PacketInfo) -> Self {
        Self { packet: name_of(&info.packet), packet_identifier: info.packet_id, size: info.size }
    }
}

impl Outcome {
    fn new<'a, T>(
        result: &'a Result<T, OperationError>,
        parts: impl FnOnce(&'a T) -> (Vec<ReasonCode>, &'a PropertiesBuf),
    ) -> Self {
        match result {
            Ok(answer) => {
                let (reasons, properties) = parts(answer);
                let reasons = reasons.into_iter().map(ReasonCode::value).collect();
                Self::Ok { reasons, properties: properties.into() }
            }
            Err(error) => Self::Error(Failure::of_operation(error)),
        }
    }
}

impl Event {
    /// `version`: what the connection speaks.
    pub(crate) fn new(event: &sterna_core::Event, version: ProtocolVersion) -> Self {
        use sterna_core::Event as Core;
        match event {
            Core::Connecting { attempt } => Self::Connecting { attempt: attempt.number() },
            Core::Connected { attempt, session_present } => {
                Self::Connected { attempt: attempt.number(), session_present: *session_present }
            }
            Core::Disconnected { attempt, cause, retry_at } => Self::Disconnected {
                attempt: attempt.number(),
                cause: Failure::of_cause(cause, version),
                retry_at: retry_at.map(sterna_core::Instant::as_micros),
            },
            Core::Offline => Self::Offline,
            Core::Closed { cause } => Self::Closed { cause: Failure::of_cause(cause, version) },
            Core::Stored { token } => Self::Stored { token: token.sequence() },
            Core::Published { token, result } => Self::Published {
                token: token.sequence(),
                outcome: Outcome::new(result, |receipt| (vec![receipt.reason], &receipt.properties)),
            },
            Core::Subscribed { token, result } => Self::Subscribed {
                token: token.sequence(),
                outcome: Outcome::new(result, |granted| (granted.reasons.clone(), &granted.properties)),
            },
            Core::Unsubscribed { token, result } => Self::Unsubscribed {
                token: token.sequence(),
                outcome: Outcome::new(result, |granted| (granted.reasons.clone(), &granted.properties)),
            },
            Core::Resubscribed { filter, reason } => {
                Self::Resubscribed { filter: filter.to_string(), reason: reason.value() }
            }
            Core::Authenticate { attempt, accepted, properties } => Self::Authenticate {
                attempt: attempt.number(),
                accepted: *accepted,
                properties: properties.into(),
            },
            Core::Reauthenticated { token, result } => Self::Reauthenticated {
                token: token.sequence(),
                outcome: Outcome::new(result, |properties| (Vec::new(), properties)),
            },
            Core::Dropped { messages } => Self::Dropped { messages: *messages },
            Core::AckBlocked { id, topic } => {
                Self::AckBlocked { message: MessageName::new(*id), topic: topic.to_string() }
            }
            Core::PacketSent(info) => Self::PacketSent(Packet::new(*info)),
            Core::PacketReceived(info) => Self::PacketReceived(Packet::new(*info)),
            other => Self::Other(format!("{other:?}")),
        }
    }
}
