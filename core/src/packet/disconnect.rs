//! DISCONNECT.

use alloc::vec::Vec;

use super::ack::{Outcome, decode_outcome};
use super::wire::{Reader, write_header};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, ReasonCode, Sender,
};

/// DISCONNECT; on 3.x it is empty, and only a client sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// Why; on 3.x always Normal disconnection.
    pub reason: ReasonCode,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (reason, properties) = if version == ProtocolVersion::V5 {
            let owner = match sender {
                Sender::Client => PropertyOwner::DisconnectFromClient,
                Sender::Server => PropertyOwner::DisconnectFromServer,
            };
            decode_outcome(&mut reader, PacketType::Disconnect, sender, owner)?
        } else {
            (ReasonCode::NORMAL_DISCONNECTION, Properties::EMPTY)
        };
        reader.end()?;
        Ok(Self { reason, properties })
    }

    /// Appends it to `out` in its shortest form. `limit`: the receiver's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let outcome = Outcome::new(PacketType::Disconnect, self.reason, self.properties, version)?;
        write_header(PacketType::Disconnect, 0, outcome.length(), limit, out)?;
        outcome.encode(out);
        Ok(())
    }
}
