//! The records: their fields as bytes, and back.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Key, SessionError};
use crate::packet::{Properties, PropertyOwner, ProtocolVersion, QoS, ReasonCode};
use crate::topic;

/// The version of the record format that this library writes.
pub(super) const FORMAT: u8 = 1;
pub(super) const MAGIC: &[u8; 6] = b"sterna";

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

    pub(super) fn read(record: &[u8]) -> Result<Self, SessionError> {
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
pub struct StoredMessage<'a> {
    /// Its quality of service.
    pub qos: QoS,
    /// Whether the server retains it.
    pub retain: bool,
    /// The time of day at which it was accepted, in microseconds since 1970; 0 if that was not known.
    pub accepted_at: u64,
    /// Its topic name.
    pub topic: &'a str,
    /// Its properties.
    pub properties: Properties<'a>,
    /// Its payload.
    pub payload: &'a [u8],
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

    /// Reads the record under a [`Key::Message`]; `None` if it is damaged.
    pub fn read(record: &'a [u8]) -> Option<Self> {
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
    /// PUBREC has come, as the `order`th of its client. `abandoned`: nobody waits for PUBCOMP.
    Released { order: u64, reason: ReasonCode, abandoned: bool },
    /// Nobody waits for it, and only its packet identifier stays reserved. Its message is deleted.
    Abandoned { exactly_once: bool },
}

impl StoredFlight {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let (stage, order, reason) = match self.stage {
            StoredStage::Published => (0, 0, 0),
            StoredStage::Released { order, reason, abandoned: false } => (1, order, reason.value()),
            StoredStage::Released { order, reason, abandoned: true } => (4, order, reason.value()),
            StoredStage::Abandoned { exactly_once } => (2 + u8::from(exactly_once), 0, 0),
        };
        out.push(stage);
        out.extend_from_slice(&self.packet_id.to_be_bytes());
        out.extend_from_slice(&order.to_be_bytes());
        out.push(reason);
    }

    pub(super) fn read(record: &[u8]) -> Option<Self> {
        let (stage, rest) = record.split_first()?;
        let (packet_id, rest) = rest.split_first_chunk()?;
        let (order, rest) = rest.split_first_chunk()?;
        let [reason] = rest else { return None };
        let packet_id = Some(u16::from_be_bytes(*packet_id)).filter(|id| *id != 0)?;
        let stage = match stage {
            0 => StoredStage::Published,
            1 | 4 => {
                let reason = ReasonCode::from_value(*reason)?;
                StoredStage::Released { order: sequence(*order)?, reason, abandoned: *stage == 4 }
            }
            2 => StoredStage::Abandoned { exactly_once: false },
            3 => StoredStage::Abandoned { exactly_once: true },
            _ => return None,
        };
        Some(Self { packet_id, stage })
    }
}
