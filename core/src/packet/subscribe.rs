//! SUBSCRIBE and SUBACK.

use alloc::vec::Vec;
use core::fmt;

use super::error::TOPIC_FILTER;
use super::wire::{Reader, write_binary};
use super::{
    DecodeError, EncodeError, PacketType, Properties, PropertyOwner, ProtocolVersion, QoS, ReasonCodes,
    Sender,
};
use crate::topic;

/// The bits of the subscription options.
mod option {
    pub(super) const QOS: u8 = 0b0000_0011;
    pub(super) const NO_LOCAL: u8 = 0b0000_0100;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
    pub(super) const RESERVED: u8 = 0b1100_0000;
}

/// SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Not zero.
    pub packet_id: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// At least one.
    pub filters: Filters<'a>,
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (packet_id, properties) = super::decode_head(
            &mut reader,
            PacketType::Subscribe,
            PropertyOwner::Subscribe,
            version,
            sender,
        )?;
        Ok(Self { packet_id, properties, filters: Filters::decode(reader.rest(), version)? })
    }

    /// Appends it to `out`. `limit`: the server's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let packet = PacketType::Subscribe;
        if self.filters.bytes.is_empty() {
            return Err(EncodeError::NoFilters(packet));
        }
        if version != ProtocolVersion::V5 && self.filters.iter().any(|filter| filter.options.needs_5()) {
            return Err(EncodeError::UnsupportedByVersion("a subscription option besides QoS"));
        }
        let head =
            super::Head::new(packet, self.packet_id, self.properties, PropertyOwner::Subscribe, version)?;
        head.encode(self.filters.bytes, limit, out)
    }
}

/// SUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: u16,
    /// Always empty on 3.x.
    pub properties: Properties<'a>,
    /// One for each topic filter, in their order.
    pub reasons: ReasonCodes<'a>,
}

impl<'a> SubAck<'a> {
    pub(super) fn decode(
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let packet = PacketType::SubAck;
        let mut reader = Reader::new(body);
        let (packet_id, properties) =
            super::decode_head(&mut reader, packet, PropertyOwner::SubAck, version, sender)?;
        Ok(Self { packet_id, properties, reasons: ReasonCodes::decode(reader.rest(), packet, version)? })
    }

    /// Appends it to `out`. `limit`: the client's Maximum Packet Size in bytes.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let packet = PacketType::SubAck;
        super::check_reasons(self.reasons, packet, version)?;
        let head = super::Head::new(packet, self.packet_id, self.properties, PropertyOwner::SubAck, version)?;
        head.encode(self.reasons.as_bytes(), limit, out)
    }
}

/// What a server does with retained messages when a subscription is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// It sends them.
    #[default]
    SendAtSubscribe = 0,
    /// It sends them if the subscription did not exist.
    SendIfNew = 1,
    /// It does not send them.
    DoNotSend = 2,
}

/// The options of one subscription; all but `qos` are of 5.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscribeOptions {
    /// The highest QoS that messages are delivered with.
    pub qos: QoS,
    /// No Local: not what this client itself publishes.
    pub no_local: bool,
    /// Retain As Published: messages keep the RETAIN flag that they were published with.
    pub retain_as_published: bool,
    /// What to do with retained messages.
    pub retain_handling: RetainHandling,
}

impl SubscribeOptions {
    fn decode(options: u8, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let reserved = if version == ProtocolVersion::V5 { option::RESERVED } else { !option::QOS };
        let qos = QoS::from_bits(options).ok_or(DecodeError::SubscribeOptions(options))?;
        if options & reserved != 0 {
            return Err(DecodeError::SubscribeReserved(options));
        }
        let retain_handling = match options >> 4 {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::SubscribeOptions(options)),
        };
        Ok(Self {
            qos,
            no_local: options & option::NO_LOCAL != 0,
            retain_as_published: options & option::RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    fn encode(self) -> u8 {
        let set = |condition: bool, bit: u8| if condition { bit } else { 0 };
        self.qos as u8
            | set(self.no_local, option::NO_LOCAL)
            | set(self.retain_as_published, option::RETAIN_AS_PUBLISHED)
            | (self.retain_handling as u8) << 4
    }

    fn needs_5(self) -> bool {
        self.encode() & !option::QOS != 0
    }
}

/// A topic filter with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscribeFilter<'a> {
    /// The topic filter.
    pub filter: &'a str,
    /// Its options.
    pub options: SubscribeOptions,
}

/// A validated list of topic filters with options, in its wire form. A decoded one is never empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Filters<'a> {
    bytes: &'a [u8],
}

impl<'a> Filters<'a> {
    fn decode(bytes: &'a [u8], version: ProtocolVersion) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let SubscribeFilter { filter, options } = read(&mut reader, version)?;
            super::check_filter(filter, version)?;
            if options.no_local && topic::split_shared(filter).is_some() {
                return Err(DecodeError::NoLocalOnShared);
            }
        }
        if bytes.is_empty() {
            return Err(DecodeError::NoFilters(PacketType::Subscribe));
        }
        Ok(Self { bytes })
    }

    /// In the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = SubscribeFilter<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        // The list was validated: an error cannot occur, and would end it. 5.0 reads the options of all versions.
        core::iter::from_fn(move || read(&mut reader, ProtocolVersion::V5).ok())
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

fn read<'a>(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<SubscribeFilter<'a>, DecodeError> {
    let filter = reader.unchecked_string(TOPIC_FILTER)?;
    let options = SubscribeOptions::decode(reader.u8("subscription options")?, version)?;
    Ok(SubscribeFilter { filter, options })
}

impl fmt::Debug for Filters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A list of topic filters with options that is being made.
///
/// ```
/// use sterna_core::packet::{FiltersBuf, QoS, SubscribeFilter, SubscribeOptions};
///
/// let mut filters = FiltersBuf::new();
/// let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
/// filters.push(SubscribeFilter { filter: "sport/#", options })?;
/// assert_eq!(filters.as_filters().len(), 1);
/// # Ok::<(), sterna_core::packet::EncodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FiltersBuf {
    bytes: Vec<u8>,
}

impl FiltersBuf {
    /// An empty list.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a topic filter.
    ///
    /// # Errors
    /// It is no topic filter, or No Local is set for a shared subscription [MQTT-3.8.3-4].
    pub fn push(&mut self, filter: SubscribeFilter<'_>) -> Result<(), EncodeError> {
        let SubscribeFilter { filter, options } = filter;
        topic::validate_filter(filter).map_err(EncodeError::Topic)?;
        if options.no_local && topic::split_shared(filter).is_some() {
            return Err(EncodeError::NoLocalOnShared);
        }
        write_binary(filter.as_bytes(), &mut self.bytes);
        self.bytes.push(options.encode());
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
    pub fn as_filters(&self) -> Filters<'_> {
        Filters { bytes: &self.bytes }
    }
}

impl fmt::Debug for FiltersBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_filters().fmt(f)
    }
}

impl From<Filters<'_>> for FiltersBuf {
    fn from(filters: Filters<'_>) -> Self {
        Self { bytes: filters.bytes.to_vec() }
    }
}
