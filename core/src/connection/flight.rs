//! One operation with a packet identifier, and what it waits for.

use alloc::boxed::Box;

use super::queue::{Control, Record, Request};
use crate::event::{Attempt, Token};
use crate::packet::{PacketType, PropertiesBuf, QoS, ReasonCode};
use crate::session::PersistId;
use crate::time::Instant;

/// An operation with a packet identifier.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) token: Token,
    /// When its last packet was handed to the driver.
    pub(crate) sent_at: Instant,
    /// The connection that its last packet was sent on.
    pub(crate) sent_on: Attempt,
    pub(crate) stage: Stage,
    /// It was reported to the application already, and only its identifier stays reserved.
    pub(crate) abandoned: bool,
    /// Its packet may have left, on this connection or an earlier one.
    pub(crate) sent: bool,
    /// What must be stored before its next packet may leave.
    pub(crate) stored_by: PersistId,
}

/// What an operation waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBACK, or PUBREC.
    Published(Record),
    /// PUBCOMP. PUBREL is resent in the order of the PUBRECs [MQTT-4.6.0-4]; the PUBREC's reason and properties, if it had
    /// any, are the receipt's.
    Released { order: u64, reason: ReasonCode, properties: Option<Box<PropertiesBuf>> },
    /// Nobody waits for it: its identifier is reserved until its PUBACK or PUBREC, or the end of the session.
    Abandoned { qos: QoS },
    /// SUBACK or UNSUBACK.
    Controlled(Box<Control>),
}

impl InFlight {
    /// Whether the application waits for the answer to something that was sent on this connection. A message of an
    /// earlier one may still wait for the window.
    pub(super) fn waits_on(&self, attempt: Attempt) -> bool {
        !self.abandoned && (self.sent_on == attempt || !matches!(self.stage, Stage::Published(_)))
    }
}

impl Stage {
    /// The acknowledgement that completes it or moves it on.
    pub(crate) fn awaits(&self, packet: PacketType) -> bool {
        match self {
            Self::Published(record) if record.qos == QoS::AtLeastOnce => packet == PacketType::PubAck,
            Self::Abandoned { qos: QoS::AtLeastOnce } => packet == PacketType::PubAck,
            Self::Published(_) | Self::Abandoned { .. } => packet == PacketType::PubRec,
            // A PUBREC may come twice: the server sent it again before it saw the PUBREL.
            Self::Released { .. } => matches!(packet, PacketType::PubComp | PacketType::PubRec),
            Self::Controlled(control) => match control.request {
                Request::Subscribe { .. } => packet == PacketType::SubAck,
                Request::Unsubscribe { .. } => packet == PacketType::UnsubAck,
            },
        }
    }

    /// Of a message.
    pub(crate) fn qos(&self) -> Option<QoS> {
        match self {
            Self::Published(record) => Some(record.qos),
            Self::Abandoned { qos } => Some(*qos),
            Self::Released { .. } => Some(QoS::ExactlyOnce),
            Self::Controlled(_) => None,
        }
    }

    /// Where the part of an operation begins.
    pub(super) fn part(&self) -> usize {
        match self {
            Self::Published(_) | Self::Released { .. } | Self::Abandoned { .. } => 0,
            Self::Controlled(control) => control.order().1,
        }
    }

    /// PUBLISH, SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn operation(&self) -> PacketType {
        match self {
            Self::Published(_) | Self::Released { .. } | Self::Abandoned { .. } => PacketType::Publish,
            Self::Controlled(control) => control.operation(),
        }
    }
}

impl Control {
    /// SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn operation(&self) -> PacketType {
        match self.request {
            Request::Subscribe { .. } => PacketType::Subscribe,
            Request::Unsubscribe { .. } => PacketType::Unsubscribe,
        }
    }
}
