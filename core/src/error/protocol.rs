//! What a server does wrong, and which statement of the specification says so.

use crate::packet::{DecodeError, PacketType, ProtocolVersion, ReasonCode};

/// The server broke the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A packet that cannot be decoded.
    #[error(transparent)]
    Decode(DecodeError),
    /// The first packet was not CONNACK.
    #[error("{0:?} before CONNACK")]
    BeforeConnAck(PacketType),
    /// A second CONNACK on one connection.
    #[error("a second CONNACK")]
    SecondConnAck,
    /// AUTH or an Authentication Method, although CONNECT had none.
    #[error("AUTH or an Authentication Method, but CONNECT had no enhanced authentication")]
    UnsolicitedAuth,
    /// AUTH or CONNACK without the Authentication Method of CONNECT.
    #[error("not the Authentication Method of CONNECT")]
    AuthMethod,
    /// AUTH before CONNACK asks for the next step, and for nothing else.
    #[error("AUTH with reason code {0} before CONNACK")]
    AuthReason(ReasonCode),
    /// AUTH or CONNACK before our answer to the last AUTH, or AUTH without an exchange under way.
    #[error("{0:?} out of turn in enhanced authentication")]
    AuthOutOfTurn(PacketType),
    /// Session Present is 1 where no session can be.
    #[error("Session Present is 1, but there is no session here")]
    UnexpectedSession,
    /// An empty client identifier was accepted without assigning one.
    #[error("no Assigned Client Identifier for an empty client identifier")]
    NoAssignedClientId,
    /// An acknowledgement of the wrong kind for an identifier in use.
    #[error("{packet:?} for packet identifier {packet_id}, which waits for another packet")]
    WrongAck {
        /// The packet that came.
        packet: PacketType,
        /// Its packet identifier.
        packet_id: u16,
    },
    /// A SUBACK or UNSUBACK must answer every filter.
    #[error("{packet:?} with {actual} reason codes for {expected} topic filters")]
    AckCount {
        /// SUBACK or UNSUBACK.
        packet: PacketType,
        /// How many filters were sent.
        expected: usize,
        /// How many codes came.
        actual: usize,
    },
    /// A topic alias above the maximum that was announced.
    #[error("topic alias {alias} is above the announced maximum of {maximum}")]
    TopicAliasTooHigh {
        /// The alias.
        alias: u16,
        /// What CONNECT announced.
        maximum: u16,
    },
    /// A topic alias that stands for nothing yet.
    #[error("topic alias {0} was not set on this connection")]
    TopicAliasUnknown(u16),
    /// More unacknowledged QoS 1 and 2 messages than CONNECT announced.
    #[error("more than the announced Receive Maximum of {0} messages unacknowledged")]
    ReceiveMaximumExceeded(u16),
    /// The same packet identifier again for another message before it was free.
    #[error("packet identifier {0} is used again before it was acknowledged")]
    PacketIdInUse(u16),
}

impl ProtocolError {
    /// The statement of the specification that was broken.
    pub fn statement(&self, version: ProtocolVersion) -> &'static str {
        let v5 = version == ProtocolVersion::V5;
        match self {
            Self::Decode(error) => error.statement(version),
            Self::BeforeConnAck(_) => "MQTT-3.2.0-1",
            Self::SecondConnAck => "MQTT-3.2.0-2",
            Self::UnsolicitedAuth => "MQTT-4.12.0-6",
            Self::AuthMethod => "MQTT-4.12.0-5",
            Self::AuthReason(_) => "MQTT-4.12.0-2",
            Self::AuthOutOfTurn(_) => "5.0 §4.12",
            Self::UnexpectedSession => {
                if v5 {
                    "MQTT-3.2.2-4"
                } else {
                    "MQTT-3.2.2-1"
                }
            }
            Self::NoAssignedClientId => "MQTT-3.2.2-16",
            Self::WrongAck { .. } => {
                if v5 {
                    "MQTT-2.2.1-5"
                } else {
                    "MQTT-2.3.1-6"
                }
            }
            Self::AckCount { packet: PacketType::UnsubAck, .. } => "MQTT-3.11.3-1",
            Self::AckCount { .. } => {
                if v5 {
                    "MQTT-3.8.4-6"
                } else {
                    "MQTT-3.8.4-5"
                }
            }
            Self::TopicAliasTooHigh { .. } => "MQTT-3.3.2-11",
            Self::TopicAliasUnknown(_) => "MQTT-3.3.2-7",
            Self::ReceiveMaximumExceeded(_) => "MQTT-3.3.4-9",
            Self::PacketIdInUse(_) => {
                if v5 {
                    "MQTT-2.2.1-4"
                } else {
                    "MQTT-2.3.1-4"
                }
            }
        }
    }

    /// What our DISCONNECT says about it (5.0).
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Decode(error) => error.reason(),
            Self::TopicAliasTooHigh { .. } => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::ReceiveMaximumExceeded(_) => ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
            _ => ReasonCode::PROTOCOL_ERROR,
        }
    }
}
