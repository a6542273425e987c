//! Why bytes are no packet, and why a packet cannot be written.
use super::ReasonCode;
/// A malformed packet or a protocol error found in a single packet. Every variant names what is wrong, where needed in which field,
/// and `statement` the requirement that it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    #[error("to be filled")]
    Todo,
}
impl DecodeError {
    /// The statement of the specification, such as `MQTT-3.3.1-4` (5.0 numbering for `V5`, 3.1.1's otherwise), or a section such as
    /// `5.0 §2.2.2.2` where no statement is numbered.
    pub fn statement(&self, version: super::ProtocolVersion) -> &'static str { todo!() }
    /// What a DISCONNECT for it says: 0x81 Malformed Packet, 0x82 Protocol Error, 0x94, 0x95.
    pub fn reason(&self) -> ReasonCode { todo!() }
}
/// Why a packet cannot be encoded; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The whole packet would be larger than the peer takes.
    #[error("packet of {size} bytes exceeds the limit of {limit}")]
    PacketTooLarge { size: u64, limit: u32 },
}
