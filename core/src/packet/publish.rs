//! PUBLISH.

use alloc::vec::Vec;

use super::error::TOPIC_NAME;
use super::wire::{FixedHeader, Reader, integer_length, write_header_and_topic, write_u16};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyId, PropertyOwner, ProtocolVersion, QoS, Sender,
};
use crate::text;
use crate::topic::{self, TopicError};

/// The DUP bit of the fixed header.
pub(crate) const DUPLICATE: u8 = 0b1000;
/// The RETAIN bit.
pub(crate) const RETAIN: u8 = 0b0001;

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

/// A PUBLISH as it was received: validated, and its topic not made a string yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) duplicate: bool,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// UTF-8, and a topic name unless it is empty.
    pub(crate) topic: &'a [u8],
    /// Zero for QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) properties: Properties<'a>,
    pub(crate) alias: Option<u16>,
    pub(crate) payload: &'a [u8],
}

impl<'a> Received<'a> {
    /// As [`Packet::decode`](super::Packet::decode), of a PUBLISH.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(crate) fn decode(
        header: FixedHeader,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let qos = QoS::from_bits(header.flags >> 1).ok_or(DecodeError::QoS)?;
        let topic = reader.binary(TOPIC_NAME)?;
        if topic.is_empty() || !text::is_plain_name(topic) {
            check_topic(topic, version)?;
        }
        let packet_id = match qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                super::read_packet_id(&mut reader, PacketType::Publish, sender)?
            }
        };
        let (properties, seen) = match version {
            ProtocolVersion::V5 => {
                let owner = match sender {
                    Sender::Client => PropertyOwner::PublishFromClient,
                    Sender::Server => PropertyOwner::PublishFromServer,
                };
                Properties::decode_seen(&mut reader, owner)?
            }
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => (Properties::EMPTY, 0),
        };
        let has_alias = seen & PropertyId::TopicAlias.bit() != 0;
        let alias = if has_alias { properties.topic_alias() } else { None };
        if topic.is_empty() && alias.is_none() {
            return Err(DecodeError::TopicMissing);
        }
        Ok(Self {
            duplicate: header.flags & DUPLICATE != 0,
            qos,
            retain: header.flags & RETAIN != 0,
            topic,
            packet_id,
            properties,
            alias,
            payload: reader.rest(),
        })
    }
}

/// A PUBLISH as most are: its topic is plain ASCII, and it has no properties, and less than 16 KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain {
    pub(crate) qos: QoS,
    pub(crate) duplicate: bool,
    /// What the whole packet takes.
    pub(crate) size: u32,
    /// Where the topic begins, and how long it is.
    pub(crate) topic: u32,
    pub(crate) topic_length: u16,
    /// Zero for QoS 0.
    pub(crate) packet_id: u16,
    /// Where the payload begins.
    pub(crate) payload: u32,
}

impl Plain {
    /// Whether a lawful PUBLISH begins with this byte.
    #[inline]
    pub(crate) fn begins(first: u8) -> bool {
        // By its flags: DUP, two bits of QoS, RETAIN. Not QoS 3, nor DUP at QoS 0.
        const LAWFUL: u16 = 0b0011_1100_0011_1111;
        first >> 4 == PacketType::Publish as u8 && LAWFUL >> (first & 0x0F) & 1 != 0
    }

    /// The packet that `input` begins with, if it is one of these and whole: a quick look, for what
    /// [`Received::decode`] would take too.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(crate) fn read(input: &[u8], version: ProtocolVersion) -> Option<Self> {
        let (first, length, header) = match *input {
            [first, low @ 0..=0x7F, ..] => (first, usize::from(low), 2),
            [first, low, high @ 1..=0x7F, ..] => (first, usize::from(low & 0x7F) | usize::from(high) << 7, 3),
            _ => return None,
        };
        if !Self::begins(first) {
            return None;
        }
        let body = input.get(header..header + length)?;
        let (topic_length, rest) = body.split_first_chunk()?;
        let topic_length = u16::from_be_bytes(*topic_length);
        let (topic, mut rest) = rest.split_at_checked(topic_length.into())?;
        let (qos, mut packet_id) = (QoS::from_bits(first >> 1)?, 0);
        if qos != QoS::AtMostOnce {
            let (bytes, behind) = rest.split_first_chunk()?;
            (packet_id, rest) = (u16::from_be_bytes(*bytes), behind);
            if packet_id == 0 {
                return None;
            }
        }
        if version == ProtocolVersion::V5 {
            rest = rest.strip_prefix(&[0])?;
        }
        if topic.is_empty() || !text::is_plain_name(topic) {
            return None;
        }
        let size = header + length;
        Some(Self {
            qos,
            duplicate: first & DUPLICATE != 0,
            size: size as u32,
            topic: header as u32 + 2,
            topic_length,
            packet_id,
            payload: (size - rest.len()) as u32,
        })
    }
}

/// A closer look at a topic that is not plain ASCII.
fn check_topic(topic: &[u8], version: ProtocolVersion) -> Result<(), DecodeError> {
    let topic = core::str::from_utf8(topic).map_err(|_| DecodeError::Utf8(TOPIC_NAME))?;
    match topic::validate_name(topic) {
        Ok(()) => Ok(()),
        Err(TopicError::Empty) if version == ProtocolVersion::V5 => Ok(()),
        Err(TopicError::Null) => Err(DecodeError::Null(TOPIC_NAME)),
        Err(error) => Err(DecodeError::Topic { field: TOPIC_NAME, error }),
    }
}

impl<'a> Publish<'a> {
    #[inline]
    pub(super) fn decode(
        header: FixedHeader,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let Received { duplicate, qos, retain, topic, packet_id, properties, payload, .. } =
            Received::decode(header, body, version, sender)?;
        let topic = core::str::from_utf8(topic).map_err(|_| DecodeError::Utf8(TOPIC_NAME))?;
        Ok(Self { duplicate, qos, retain, topic, packet_id, properties, payload })
    }

    /// Appends the packet to `out`. `limit`: the receiver's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_head(version, limit, out)?;
        out.extend_from_slice(self.payload);
        Ok(())
    }

    /// Appends all but the payload's bytes, which the caller sends behind it; of `self.payload` only the length is used.
    ///
    /// # Errors
    /// As [`Publish::encode`].
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub fn encode_head(
        &self,
        version: ProtocolVersion,
        limit: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.check(version)?;
        let length = self.remaining_length(version);
        let flags =
            if self.duplicate { DUPLICATE } else { 0 } | (self.qos as u8) << 1 | u8::from(self.retain);
        write_header_and_topic(flags, length, limit, self.topic, out)?;
        if self.qos != QoS::AtMostOnce {
            write_u16(self.packet_id, out);
        }
        if version == ProtocolVersion::V5 {
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
            self.check_properties(version)?;
        }
        match topic::validate_name(self.topic) {
            Ok(()) => Ok(()),
            Err(error) => self.check_without_topic(version, error),
        }
    }

    fn check_properties(&self, version: ProtocolVersion) -> Result<(), EncodeError> {
        if version != ProtocolVersion::V5 {
            return Err(EncodeError::UnsupportedByVersion("a property of PUBLISH"));
        }
        self.properties.check(PropertyOwner::PublishFromClient, PropertyOwner::PublishFromServer)
    }

    /// An alias may stand in for an empty topic.
    #[cold]
    fn check_without_topic(&self, version: ProtocolVersion, error: TopicError) -> Result<(), EncodeError> {
        if error != TopicError::Empty || version != ProtocolVersion::V5 {
            return Err(EncodeError::Topic(error));
        }
        let aliased = self.properties.get(PropertyId::TopicAlias).is_some();
        if aliased { Ok(()) } else { Err(EncodeError::TopicMissing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::PROTOCOL_MAXIMUM_PACKET_SIZE;

    /// What a close look says of a packet that `input` begins with.
    fn closely(input: &[u8], version: ProtocolVersion) -> Option<(FixedHeader, Received<'_>)> {
        let header = FixedHeader::parse(input, version, PROTOCOL_MAXIMUM_PACKET_SIZE).ok()??;
        let body = input.get(header.header_length.into()..header.packet_size())?;
        let is_publish = header.packet_type == PacketType::Publish;
        is_publish
            .then(|| Received::decode(header, body, version, Sender::Server).ok().map(|it| (header, it)))?
    }

    /// Whether a quick look takes what `input` begins with; then a close one says the same.
    fn check(input: &[u8], version: ProtocolVersion) -> bool {
        let Some(plain) = Plain::read(input, version) else { return false };
        let (header, publish) = closely(input, version).unwrap_or_else(|| panic!("{version}: {input:x?}"));
        let [topic, payload] = [plain.topic, plain.payload].map(|at| at as usize);
        assert_eq!(plain.size as usize, header.packet_size());
        assert_eq!(&input[topic..][..plain.topic_length.into()], publish.topic);
        assert_eq!(&input[payload..plain.size as usize], publish.payload);
        assert_eq!(
            (plain.qos, plain.duplicate, plain.packet_id),
            (publish.qos, publish.duplicate, publish.packet_id)
        );
        assert!(publish.properties.is_empty() && publish.alias.is_none());
        true
    }

    // R: SUB-08
    #[test]
    fn a_quick_look_takes_nothing_that_a_close_one_refuses() {
        let packets: [&[u8]; 5] = [
            b"\x30\x08\x00\x03a/b\x00hi",
            b"\x3b\x0a\x00\x03a/b\x00\x07\x00hi",
            b"\x34\x0f\x00\x08a/b/c/de\x01\x00\x00hi",
            b"\x30\x88\x00\x00\x03a/b\x00hi",
            b"\x30\x0b\x00\x03a/b\x03\x23\x00\x01hi",
        ];
        for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            let mut taken = 0;
            for packet in packets {
                for place in 0..packet.len() {
                    for byte in 0..=u8::MAX {
                        let mut changed = packet.to_vec();
                        changed[place] = byte;
                        taken += usize::from(check(&changed, version));
                    }
                    assert!(!check(&packet[..place], version), "it is not whole");
                }
            }
            assert!(taken > 4_000, "{version}: {taken}");
        }
    }

    #[test]
    fn a_quick_look_knows_two_bytes_of_length() {
        for length in [5, 6, 127, 128, 129, 16_383] {
            let mut packet = Vec::new();
            let payload = vec![b'x'; length - 5];
            let publish = Publish {
                duplicate: false,
                qos: QoS::AtMostOnce,
                retain: true,
                topic: "a/b",
                packet_id: 0,
                properties: Properties::EMPTY,
                payload: &payload,
            };
            publish.encode(ProtocolVersion::V3_1_1, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut packet).unwrap();
            assert!(check(&packet, ProtocolVersion::V3_1_1), "{length}");
        }
    }
}
