//! AUTH, of 5.0 only.

use alloc::vec::Vec;

use super::ack::{Outcome, decode_outcome};
use super::wire::{Reader, write_header};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, ReasonCode, Sender,
};

/// AUTH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> {
    /// What step of the exchange it is.
    pub reason: ReasonCode,
    /// Its properties.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    pub(super) fn decode(body: &'a [u8], sender: Sender) -> Result<Self, DecodeError> {
        let packet = PacketType::Auth;
        let mut reader = Reader::new(body);
        let (reason, properties) = decode_outcome(&mut reader, packet, sender, PropertyOwner::Auth)?;
        reader.end()?;
        if !reason.is_allowed_in(packet, sender) {
            // Left out, it is Success: a client never sends that.
            return Err(DecodeError::ReasonCode { packet, code: reason.value() });
        }
        Ok(Self { reason, properties })
    }

    /// Appends it to `out` in its shortest form. `limit`: the receiver's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version != ProtocolVersion::V5 {
            return Err(EncodeError::UnsupportedByVersion("AUTH"));
        }
        let outcome = Outcome::new(PacketType::Auth, self.reason, self.properties, version)?;
        write_header(PacketType::Auth, 0, outcome.length(), limit, out)?;
        outcome.encode(out);
        Ok(())
    }
}
