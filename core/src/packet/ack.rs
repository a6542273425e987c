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
