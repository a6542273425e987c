//! The primitive data types of the wire: integers, strings, and the fixed header.

use alloc::vec::Vec;

use super::publish::DUPLICATE;
use super::{DecodeError, EncodeError, PacketType, ProtocolVersion};

/// The largest remaining length: 268,435,455.
pub const MAXIMUM_REMAINING_LENGTH: u32 = 268_435_455;
/// The largest packet, its fixed header included: 268,435,460 bytes.
pub const PROTOCOL_MAXIMUM_PACKET_SIZE: u32 = MAXIMUM_REMAINING_LENGTH + 5;

/// The flags of each packet type's fixed header, by its number (Table 2-2); `None` for PUBLISH, whose flags are its
/// own, and for the reserved type 0.
#[rustfmt::skip]
const FLAGS: [Option<u8>; 16] = [
    /* reserved    */ None,
    /* CONNECT     */ Some(0b0000),
    /* CONNACK     */ Some(0b0000),
    /* PUBLISH     */ None,
    /* PUBACK      */ Some(0b0000),
    /* PUBREC      */ Some(0b0000),
    /* PUBREL      */ Some(0b0010),
    /* PUBCOMP     */ Some(0b0000),
    /* SUBSCRIBE   */ Some(0b0010),
    /* SUBACK      */ Some(0b0000),
    /* UNSUBSCRIBE */ Some(0b0010),
    /* UNSUBACK    */ Some(0b0000),
    /* PINGREQ     */ Some(0b0000),
    /* PINGRESP    */ Some(0b0000),
    /* DISCONNECT  */ Some(0b0000),
    /* AUTH        */ Some(0b0000),
];

/// The fixed header of a control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedHeader {
    /// The packet's type.
    pub packet_type: PacketType,
    /// The low four bits of the first byte, checked already.
    pub flags: u8,
    /// How many bytes follow the fixed header.
    pub remaining_length: u32,
    /// How long the fixed header itself is: 2 to 5 bytes.
    pub header_length: u8,
}

impl FixedHeader {
    /// Reads a fixed header from the start of `input`; `Ok(None)` while more bytes are needed.
    ///
    /// # Errors
    /// Found at the earliest byte: a wrong type or wrong flags with the first one, a packet larger than `limit` (its
    /// fixed header included) as soon as its length is known, before anything of it is there.
    #[inline]
    pub fn parse(input: &[u8], version: ProtocolVersion, limit: u32) -> Result<Option<Self>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else { return Ok(None) };
        let (packet_type, flags) = (PacketType::from_number(first >> 4, version)?, first & 0x0F);
        check_flags(packet_type, flags, version)?;
        let Some((remaining_length, length)) = read_integer(rest)? else { return Ok(None) };
        if length > 1 && version == ProtocolVersion::V5 && length > integer_length(remaining_length) {
            return Err(DecodeError::IntegerNotMinimal);
        }
        let header_length = length as u8 + 1;
        let size = remaining_length + u32::from(header_length);
        if size > limit {
            return Err(DecodeError::TooLarge { size, limit });
        }
        Ok(Some(Self { packet_type, flags, remaining_length, header_length }))
    }

    /// The size of the whole packet in bytes.
    pub fn packet_size(&self) -> usize {
        self.remaining_length as usize + usize::from(self.header_length)
    }
}

fn check_flags(packet: PacketType, flags: u8, version: ProtocolVersion) -> Result<(), DecodeError> {
    match FLAGS[packet as usize] {
        None if flags >> 1 & 0b11 == 3 => Err(DecodeError::QoS),
        None if flags & (DUPLICATE | 0b0110) == DUPLICATE => Err(DecodeError::DuplicateAtMostOnce),
        None => Ok(()),
        Some(expected) if flags == expected => Ok(()),
        // 3.1 sets DUP when one of these is sent again.
        Some(expected @ 0b0010) if version == ProtocolVersion::V3_1 && flags == expected | DUPLICATE => {
            Ok(())
        }
        Some(_) => Err(DecodeError::Flags { packet, flags }),
    }
}

/// Reads a variable byte integer: its value, and how many bytes it takes. `Ok(None)`: `input` ends within it.
#[inline]
fn read_integer(input: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    match input {
        [] => Ok(None),
        [byte @ 0..=0x7F, ..] => Ok(Some((u32::from(*byte), 1))),
        input => read_long_integer(input),
    }
}

fn read_long_integer(input: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for index in 0..4 {
        let Some(&byte) = input.get(index) else { return Ok(None) };
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    Err(DecodeError::IntegerTooLong)
}

/// How many bytes a variable byte integer needs.
#[inline]
pub(super) const fn integer_length(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Reads fields from the front of a packet's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn bytes(&mut self, length: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated(field))?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.bytes(1, field).map(|bytes| bytes[0])
    }

    #[inline]
    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.bytes(2, field).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    #[inline]
    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.bytes(4, field).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Whether the next byte is zero, which is passed over then.
    #[inline]
    pub(super) fn skip_zero(&mut self) -> bool {
        let rest = self.rest.strip_prefix(&[0]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A variable byte integer of 5.0: in as few bytes as possible [MQTT-1.5.5-1].
    #[inline]
    pub(super) fn integer(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let (value, length) = read_integer(self.rest)?.ok_or(DecodeError::Truncated(field))?;
        if length > integer_length(value) {
            return Err(DecodeError::IntegerNotMinimal);
        }
        self.rest = &self.rest[length..];
        Ok(value)
    }

    #[inline]
    pub(super) fn binary(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.u16(field)?;
        self.bytes(usize::from(length), field)
    }

    /// A string, well-formed and without U+0000.
    pub(super) fn string(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let text = self.unchecked_string(field)?;
        if text.as_bytes().contains(&0) { Err(DecodeError::Null(field)) } else { Ok(text) }
    }

    /// A well-formed string whose characters the caller checks.
    #[inline]
    pub(super) fn unchecked_string(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.binary(field)?).map_err(|_| DecodeError::Utf8(field))
    }

    /// All that is left.
    #[inline]
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Nothing may be left.
    #[inline]
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }
}

/// Writes the fixed header.
pub(super) fn write_header(
    packet: PacketType,
    flags: u8,
    remaining_length: usize,
    limit: u32,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    write_first(first_byte(packet, flags), remaining_length, limit, out)
}

/// Writes a packet that has nothing but its identifier.
#[inline]
pub(super) fn write_short(
    packet: PacketType,
    packet_id: u16,
    limit: u32,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if limit < 4 {
        return Err(EncodeError::PacketTooLarge { size: 4, limit });
    }
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[first_byte(packet, 0), 2, high, low]);
    Ok(())
}

#[inline]
fn first_byte(packet: PacketType, flags: u8) -> u8 {
    (packet as u8) << 4 | FLAGS[packet as usize].unwrap_or(flags)
}

/// Writes the fixed header of a PUBLISH and its topic, whose length was checked.
#[allow(clippy::inline_always)] // Most of what a small message costs is calls.
#[inline(always)]
pub(super) fn write_header_and_topic(
    flags: u8,
    remaining_length: usize,
    limit: u32,
    topic: &str,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let first = first_byte(PacketType::Publish, flags);
    let [high, low] = (topic.len() as u16).to_be_bytes();
    if remaining_length <= 0x7F && remaining_length + 2 <= limit as usize {
        out.extend_from_slice(&[first, remaining_length as u8, high, low]);
    } else {
        write_first(first, remaining_length, limit, out)?;
        out.extend_from_slice(&[high, low]);
    }
    out.extend_from_slice(topic.as_bytes());
    Ok(())
}

fn write_first(first: u8, remaining_length: usize, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let length = u32::try_from(remaining_length).unwrap_or(u32::MAX);
    let size = remaining_length as u64 + 1 + integer_length(length) as u64;
    let limit = limit.min(PROTOCOL_MAXIMUM_PACKET_SIZE);
    if length > MAXIMUM_REMAINING_LENGTH || size > u64::from(limit) {
        return Err(EncodeError::PacketTooLarge { size, limit });
    }
    out.push(first);
    write_integer(length, out);
    Ok(())
}

#[inline]
pub(super) fn write_integer(value: u32, out: &mut Vec<u8>) {
    if value <= 0x7F { out.push(value as u8) } else { write_long_integer(value, out) }
}

fn write_long_integer(mut value: u32, out: &mut Vec<u8>) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(super) fn write_u16(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes binary data or a string whose length was checked.
#[inline]
pub(super) fn write_binary(data: &[u8], out: &mut Vec<u8>) {
    write_u16(data.len() as u16, out);
    out.extend_from_slice(data);
}

/// Checks that binary data fits its two-byte length.
pub(super) fn check_length(field: &'static str, data: &[u8]) -> Result<(), EncodeError> {
    match data.len() {
        0..=0xFFFF => Ok(()),
        length => Err(EncodeError::TooLong { field, length }),
    }
}

/// Checks that a string can be sent.
pub(super) fn check_string(field: &'static str, text: &str) -> Result<(), EncodeError> {
    check_length(field, text.as_bytes())?;
    if text.as_bytes().contains(&0) { Err(EncodeError::Null(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length() {
        for (value, length) in [
            (0, 1),
            (127, 1),
            (128, 2),
            (16_383, 2),
            (16_384, 3),
            (2_097_151, 3),
            (2_097_152, 4),
            (268_435_455, 4),
        ] {
            let mut out = Vec::new();
            write_integer(value, &mut out);
            assert_eq!(out.len(), length);
            assert_eq!(integer_length(value), length);
            assert_eq!(read_integer(&out), Ok(Some((value, length))));
            assert_eq!(read_integer(&out[..length - 1]), Ok(None));
        }
        assert_eq!(read_integer(&[0x80, 0x80, 0x80, 0x80]), Err(DecodeError::IntegerTooLong));
    }

    // R: SUB-08
    #[test]
    fn a_packet_over_the_limit_is_refused_by_its_header() {
        let announced = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
        let limit = 1 << 20;
        let error = DecodeError::TooLarge { size: PROTOCOL_MAXIMUM_PACKET_SIZE, limit };
        assert_eq!(FixedHeader::parse(&announced, ProtocolVersion::V5, limit), Err(error));
        assert_eq!(error.reason().value(), 0x95);
        let header = FixedHeader::parse(&announced, ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE);
        assert_eq!(header.unwrap().unwrap().packet_size(), 268_435_460);
    }

    #[test]
    fn the_first_byte_alone_tells_wrong_types_and_flags() {
        for first in 0..=u8::MAX {
            for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
                let alone = FixedHeader::parse(&[first], version, PROTOCOL_MAXIMUM_PACKET_SIZE);
                let whole = FixedHeader::parse(&[first, 0], version, PROTOCOL_MAXIMUM_PACKET_SIZE);
                match alone {
                    Ok(header) => assert!(header.is_none() && matches!(whole, Ok(Some(_)))),
                    Err(error) => assert_eq!(whole, Err(error)),
                }
            }
        }
    }
}
