//! PUBACK, PUBREC, PUBREL and PUBCOMP: one shape.

use alloc::vec::Vec;

use super::wire::{Reader, write_header, write_short, write_u16};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, ReasonCode, Sender,
};

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// That of the PUBLISH.
    pub packet_id: u16,
    /// Always Success on 3.x.
    pub reason: ReasonCode,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
}

/// The size of a [`plain`] one, in bytes.
pub(crate) const PLAIN_SIZE: usize = 4;

/// The packet at the front of `input`, if it is an acknowledgement in its shortest form, as most are.
#[inline]
pub(crate) fn plain(input: &[u8]) -> Option<(PacketType, u16)> {
    let [first, 2, high, low] = *input.first_chunk::<PLAIN_SIZE>()? else { return None };
    let packet = match first {
        0x40 => PacketType::PubAck,
        0x50 => PacketType::PubRec,
        0x62 => PacketType::PubRel,
        0x70 => PacketType::PubComp,
        _ => return None,
    };
    let packet_id = u16::from_be_bytes([high, low]);
    (packet_id != 0).then_some((packet, packet_id))
}

impl<'a> Ack<'a> {
    pub(super) fn decode(
        packet: PacketType,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = super::read_packet_id(&mut reader, packet, sender)?;
        let (reason, properties) = if version == ProtocolVersion::V5 {
            decode_outcome(&mut reader, packet, sender, owner(packet))?
        } else {
            (ReasonCode::SUCCESS, Properties::EMPTY)
        };
        reader.end()?;
        Ok(Self { packet_id, reason, properties })
    }

    /// Appends it to `out` as `packet`: on 5.0 in its shortest form. `limit`: the receiver's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    #[inline]
    pub fn encode(
        &self,
        packet: PacketType,
        version: ProtocolVersion,
        limit: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if self.packet_id == 0 {
            return Err(EncodeError::PacketId { packet, packet_id: 0 });
        }
        if self.reason == ReasonCode::SUCCESS && self.properties.is_empty() {
            return write_short(packet, self.packet_id, limit, out);
        }
        let outcome = Outcome::new(packet, self.reason, self.properties, version)?;
        write_header(packet, 0, 2 + outcome.length(), limit, out)?;
        write_u16(self.packet_id, out);
        outcome.encode(out);
        Ok(())
    }
}

/// Reads the reason code and properties that end acknowledgements, DISCONNECT and AUTH; both may be left out.
pub(super) fn decode_outcome<'a>(
    reader: &mut Reader<'a>,
    packet: PacketType,
    sender: Sender,
    owner: PropertyOwner,
) -> Result<(ReasonCode, Properties<'a>), DecodeError> {
    if reader.is_empty() {
        return Ok((ReasonCode::SUCCESS, Properties::EMPTY));
    }
    let reason = ReasonCode::decode(reader.u8("reason code")?, packet, sender)?;
    if reader.is_empty() {
        return Ok((reason, Properties::EMPTY));
    }
    Ok((reason, Properties::decode(reader, owner)?))
}

/// A reason code and properties to be written in their shortest form.
pub(super) struct Outcome<'a> {
    reason: ReasonCode,
    properties: Properties<'a>,
}

impl<'a> Outcome<'a> {
    /// Checks them for this packet and version.
    #[inline]
    pub(super) fn new(
        packet: PacketType,
        reason: ReasonCode,
        properties: Properties<'a>,
        version: ProtocolVersion,
    ) -> Result<Self, EncodeError> {
        if reason != ReasonCode::SUCCESS {
            if version != ProtocolVersion::V5 {
                return Err(EncodeError::UnsupportedByVersion("a reason code"));
            }
            if !reason.is_lawful_in(packet) {
                return Err(EncodeError::ReasonCode { packet, code: reason.value() });
            }
        }
        if !properties.is_empty() {
            if version != ProtocolVersion::V5 {
                return Err(EncodeError::UnsupportedByVersion("a property"));
            }
            // Only DISCONNECT's properties differ by its sender.
            let other = match packet {
                PacketType::Disconnect => PropertyOwner::DisconnectFromServer,
                packet => owner(packet),
            };
            properties.check(owner(packet), other)?;
        }
        Ok(Self { reason, properties })
    }

    #[inline]
    pub(super) fn length(&self) -> usize {
        match (self.reason, self.properties.is_empty()) {
            (ReasonCode::SUCCESS, true) => 0,
            (_, true) => 1,
            (_, false) => 1 + self.properties.encoded_length(),
        }
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let length = self.length();
        if length > 0 {
            out.push(self.reason.value());
        }
        if length > 1 {
            self.properties.encode(out);
        }
    }
}

fn owner(packet: PacketType) -> PropertyOwner {
    match packet {
        PacketType::PubAck => PropertyOwner::PubAck,
        PacketType::PubRec => PropertyOwner::PubRec,
        PacketType::PubRel => PropertyOwner::PubRel,
        PacketType::PubComp => PropertyOwner::PubComp,
        PacketType::Auth => PropertyOwner::Auth,
        _ => PropertyOwner::DisconnectFromClient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet};

    #[test]
    fn plain_ones_are_what_the_decoder_says() {
        for first in 0..=u8::MAX {
            for (length, packet_id) in [(2, 1), (2, 0x1234), (2, 0), (3, 1), (1, 1)] {
                let [high, low] = u16::to_be_bytes(packet_id);
                let input = [first, length, high, low, 0, 0];
                let Some((packet, packet_id)) = plain(&input) else { continue };
                for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
                    let header =
                        FixedHeader::parse(&input, version, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
                    assert_eq!(header.packet_size(), PLAIN_SIZE);
                    let decoded =
                        Packet::decode(header, &input[2..PLAIN_SIZE], version, Sender::Server).unwrap();
                    let (Packet::PubAck(ack)
                    | Packet::PubRec(ack)
                    | Packet::PubRel(ack)
                    | Packet::PubComp(ack)) = decoded
                    else {
                        panic!("{decoded:?}")
                    };
                    let expected =
                        Ack { packet_id, reason: ReasonCode::SUCCESS, properties: Properties::EMPTY };
                    assert_eq!((decoded.packet_type(), ack), (packet, expected));
                }
            }
        }
        let is_plain = |packet: &[u8]| plain(packet).is_some();
        assert!(
            [b"\x40\x02\x00\x01", b"\x50\x02\x00\x01", b"\x62\x02\x00\x01", b"\x70\x02\x00\x01"]
                .iter()
                .all(|ack| is_plain(*ack))
        );
        assert!(
            !is_plain(b"\x40\x02\x00") && !is_plain(b"\x40\x02\x00\x00") && !is_plain(b"\x60\x02\x00\x01")
        );
    }
}
