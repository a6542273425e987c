//! The primitive data types of the wire: integers, strings, and the fixed header.
use super::{DecodeError, PacketType, ProtocolVersion};

/// The largest remaining length: 268,435,455.
pub const MAXIMUM_REMAINING_LENGTH: u32 = 268_435_455;
/// The largest packet, its fixed header included: 268,435,460 bytes.
pub const PROTOCOL_MAXIMUM_PACKET_SIZE: u32 = MAXIMUM_REMAINING_LENGTH + 5;

/// The fixed header of a control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedHeader {
    pub packet_type: PacketType,
    /// The low four bits of the first byte; already checked against Table 2-2 (for PUBLISH: QoS is not 3).
    pub flags: u8,
    pub remaining_length: u32,
    /// How long the fixed header itself is: 2 to 5 bytes.
    pub header_length: u8,
}
impl FixedHeader {
    /// Reads a fixed header from the start of `input`; `Ok(None)` while more bytes are needed. Errors are found
    /// at the earliest byte: a wrong type or flags with the first one, a packet above `limit` (total size, the
    /// header included) as soon as its length is known, before anything of it is buffered.
    pub fn parse(input: &[u8], version: ProtocolVersion, limit: u32) -> Result<Option<Self>, DecodeError> { todo!() }
    /// The size of the whole packet.
    pub fn packet_size(&self) -> usize { self.remaining_length as usize + self.header_length as usize }
}
// + pub(super) Reader<'a> over a slice: u8, u16, u32, variable byte integer, binary, utf8 string, rest
// + pub(super) writers and the length helpers
