//! PUBLISH.

use alloc::vec::Vec;

use super::error::TOPIC_NAME;
use super::wire::{DUPLICATE, FixedHeader, Reader, integer_length, write_binary, write_header, write_u16};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyId, PropertyOwner, ProtocolVersion, QoS, Sender,
};
use crate::topic::{self, TopicError};

/// PUBLISH: an application message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// DUP: it was sent before.
    pub duplicate: bool,
    /// Its quality of service.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// May be empty on 5.0 where a Topic Alias stands for it.
    pub topic: &'a str,
    /// Zero exactly for [`QoS::AtMostOnce`].
    pub packet_id: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    #[inline]
    pub(super) fn decode(
        header: FixedHeader,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let qos = QoS::from_bits(header.flags >> 1).ok_or(DecodeError::QoS)?;
        let topic = reader.unchecked_string(TOPIC_NAME)?;
        let empty = match topic::validate_name(topic) {
            Ok(()) => false,
            Err(TopicError::Empty) if version == ProtocolVersion::V5 => true,
            Err(TopicError::Null) => return Err(DecodeError::Null(TOPIC_NAME)),
            Err(error) => return Err(DecodeError::Topic { field: TOPIC_NAME, error }),
        };
        let packet_id = match qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                super::read_packet_id(&mut reader, PacketType::Publish, sender)?
            }
        };
        let properties = match version {
            ProtocolVersion::V5 => {
                let owner = match sender {
                    Sender::Client => PropertyOwner::PublishFromClient,
                    Sender::Server => PropertyOwner::PublishFromServer,
                };
                Properties::decode(&mut reader, owner)?
            }
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => Properties::EMPTY,
        };
        if empty && properties.topic_alias().is_none() {
            return Err(DecodeError::TopicMissing);
        }
        Ok(Self {
            duplicate: header.flags & DUPLICATE != 0,
            qos,
            retain: header.flags & 1 != 0,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Appends the packet to `out`. `limit`: the receiver's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_head(version, limit, out)?;
        out.extend_from_slice(self.payload);
        Ok(())
    }

    /// Appends all but the payload's bytes, which the caller sends behind it; of `self.payload` only the length is used.
    ///
    /// # Errors
    /// As [`Publish::encode`].
    #[inline]
    pub fn encode_head(
        &self,
        version: ProtocolVersion,
        limit: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.check(version)?;
        let v5 = version == ProtocolVersion::V5;
        let identified = self.qos != QoS::AtMostOnce;
        let length = self.remaining_length(version);
        let flags =
            if self.duplicate { DUPLICATE } else { 0 } | (self.qos as u8) << 1 | u8::from(self.retain);
        write_header(PacketType::Publish, flags, length, limit, out)?;
        write_binary(self.topic.as_bytes(), out);
        if identified {
            write_u16(self.packet_id, out);
        }
        if v5 {
            self.properties.encode(out);
        }
        Ok(())
    }

    /// What the packet takes in bytes, its fixed header included.
    pub(crate) fn size(&self, version: ProtocolVersion) -> u64 {
        let length = self.remaining_length(version);
        length as u64 + 1 + integer_length(u32::try_from(length).unwrap_or(u32::MAX)) as u64
    }

    #[inline]
    fn remaining_length(&self, version: ProtocolVersion) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = if version == ProtocolVersion::V5 { self.properties.encoded_length() } else { 0 };
        2 + self.topic.len() + packet_id + properties + self.payload.len()
    }

    #[inline]
    fn check(&self, version: ProtocolVersion) -> Result<(), EncodeError> {
        if (self.packet_id == 0) != (self.qos == QoS::AtMostOnce) {
            return Err(EncodeError::PacketId { packet: PacketType::Publish, packet_id: self.packet_id });
        }
        if self.duplicate && self.qos == QoS::AtMostOnce {
            return Err(EncodeError::DuplicateAtMostOnce);
        }
        if !self.properties.is_empty() {
            if version != ProtocolVersion::V5 {
                return Err(EncodeError::UnsupportedByVersion("a property of PUBLISH"));
            }
            self.properties.check(PropertyOwner::PublishFromClient, PropertyOwner::PublishFromServer)?;
        }
        match topic::validate_name(self.topic) {
            Err(TopicError::Empty) if version == ProtocolVersion::V5 => {
                let aliased = self.properties.get(PropertyId::TopicAlias).is_some();
                if aliased { Ok(()) } else { Err(EncodeError::TopicMissing) }
            }
            checked => checked.map_err(EncodeError::Topic),
        }
    }
}
