//! UNSUBSCRIBE and UNSUBACK.

use alloc::vec::Vec;
use core::fmt;

use super::error::TOPIC_FILTER;
use super::wire::{Reader, write_binary};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, ReasonCodes, Sender,
};
use crate::topic;

/// UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Not zero.
    pub packet_id: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// At least one.
    pub filters: TopicFilters<'a>,
}

impl<'a> Unsubscribe<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet = PacketType::Unsubscribe;
        let (packet_id, properties) =
            super::decode_head(&mut reader, packet, PropertyOwner::Unsubscribe, version, sender)?;
        Ok(Self { packet_id, properties, filters: TopicFilters::decode(reader.rest(), version)? })
    }

    /// Appends it to `out`. `limit`: the server's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let packet = PacketType::Unsubscribe;
        if self.filters.bytes.is_empty() {
            return Err(EncodeError::NoFilters(packet));
        }
        let head =
            super::Head::new(packet, self.packet_id, self.properties, PropertyOwner::Unsubscribe, version)?;
        head.encode(self.filters.bytes, limit, out)
    }
}

/// UNSUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// That of the UNSUBSCRIBE.
    pub packet_id: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// One for each topic filter, in their order; none on 3.x.
    pub reasons: ReasonCodes<'a>,
}

impl<'a> UnsubAck<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let packet = PacketType::UnsubAck;
        let mut reader = Reader::new(body);
        let (packet_id, properties) =
            super::decode_head(&mut reader, packet, PropertyOwner::UnsubAck, version, sender)?;
        Ok(Self { packet_id, properties, reasons: ReasonCodes::decode(reader.rest(), packet, version)? })
    }

    /// Appends it to `out`. `limit`: the client's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let packet = PacketType::UnsubAck;
        super::check_reasons(self.reasons, packet, version)?;
        let head =
            super::Head::new(packet, self.packet_id, self.properties, PropertyOwner::UnsubAck, version)?;
        head.encode(self.reasons.as_bytes(), limit, out)
    }
}

/// A validated list of topic filters in its wire form. A decoded one is never empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TopicFilters<'a> {
    bytes: &'a [u8],
}

impl<'a> TopicFilters<'a> {
    fn decode(bytes: &'a [u8], version: ProtocolVersion) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            super::check_filter(reader.unchecked_string(TOPIC_FILTER)?, version)?;
        }
        if bytes.is_empty() {
            return Err(DecodeError::NoFilters(PacketType::Unsubscribe));
        }
        Ok(Self { bytes })
    }

    /// In the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        // The list was validated: an error cannot occur, and would end it.
        core::iter::from_fn(move || reader.unchecked_string(TOPIC_FILTER).ok())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The wire form.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for TopicFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A list of topic filters that is being made.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TopicFiltersBuf {
    bytes: Vec<u8>,
}

impl TopicFiltersBuf {
    /// An empty list.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a topic filter.
    ///
    /// # Errors
    /// It is no topic filter.
    pub fn push(&mut self, filter: &str) -> Result<(), EncodeError> {
        topic::validate_filter(filter).map_err(EncodeError::Topic)?;
        write_binary(filter.as_bytes(), &mut self.bytes);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps the first `bytes`, which end behind a filter; gives the rest.
    pub(crate) fn split_off(&mut self, bytes: usize) -> Self {
        Self { bytes: self.bytes.split_off(bytes) }
    }

    /// The list.
    pub fn as_filters(&self) -> TopicFilters<'_> {
        TopicFilters { bytes: &self.bytes }
    }
}

impl fmt::Debug for TopicFiltersBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_filters().fmt(f)
    }
}

impl From<TopicFilters<'_>> for TopicFiltersBuf {
    fn from(filters: TopicFilters<'_>) -> Self {
        Self { bytes: filters.bytes.to_vec() }
    }
}
