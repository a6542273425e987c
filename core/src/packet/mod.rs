//! The fifteen control packets, read and written for MQTT 3.1, 3.1.1 and 5.0, in both directions.
//!
//! A packet is a borrowed view: its strings, payload and lists are slices of the bytes that it was decoded from, and
//! the same struct is what an encoder takes. Lists (properties, topic filters, reason codes) stay in their wire form:
//! they are validated once and then iterated lazily, so that decoding allocates nothing.
//!
//! ```
//! use sterna_core::packet::{
//!     FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties, ProtocolVersion, Publish, QoS, Sender,
//! };
//!
//! let publish = Publish {
//!     duplicate: false,
//!     qos: QoS::AtLeastOnce,
//!     retain: false,
//!     topic: "a/b",
//!     packet_id: 10,
//!     properties: Properties::EMPTY,
//!     payload: b"hello",
//! };
//! let mut bytes = Vec::new();
//! Packet::Publish(publish).encode(ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes)?;
//! assert_eq!(bytes, b"\x32\x0d\x00\x03a/b\x00\x0a\x00hello");
//!
//! let header = FixedHeader::parse(&bytes, ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE)?.unwrap();
//! let body = &bytes[header.header_length.into()..header.packet_size()];
//! let packet = Packet::decode(header, body, ProtocolVersion::V5, Sender::Client)?;
//! assert_eq!(packet, Packet::Publish(publish));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
pub(crate) mod plain;
mod properties;
mod property;
pub(crate) mod publish;
mod reason;
mod subscribe;
mod unsubscribe;
mod wire;

use alloc::vec::Vec;
use core::fmt;

use self::error::TOPIC_FILTER;
use self::wire::{Reader, write_header, write_u16};
use crate::topic::{self, TopicError};

pub use self::ack::Ack;
pub use self::auth::Auth;
pub use self::connack::ConnAck;
pub use self::connect::{Connect, Will};
pub use self::disconnect::Disconnect;
pub use self::error::{DecodeError, EncodeError};
pub use self::properties::{Properties, PropertiesBuf, PropertyIter};
pub use self::property::{Property, PropertyId, PropertyOwner};
pub use self::publish::Publish;

pub use self::reason::{ReasonCode, ReasonCodes};
pub use self::subscribe::{
    Filters, FiltersBuf, RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscribeOptions,
};
pub use self::unsubscribe::{TopicFilters, TopicFiltersBuf, UnsubAck, Unsubscribe};
pub use self::wire::{FixedHeader, MAXIMUM_REMAINING_LENGTH, PROTOCOL_MAXIMUM_PACKET_SIZE};

/// The protocol version that a network connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ProtocolVersion {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V3_1,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    V3_1_1,
    /// MQTT 5.0: protocol name `MQTT`, level 5.
    #[default]
    V5,
}

/// As in `3.1.1`.
impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_1 => "3.1",
            Self::V3_1_1 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

/// Which side of the connection sent a packet: some packets, properties and reason codes are lawful from one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// The quality of service of an application message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum QoS {
    /// At most once.
    #[default]
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// From the lowest two bits; `None` for 3.
    #[inline]
    pub(crate) const fn from_bits(bits: u8) -> Option<Self> {
        match bits & 0b11 {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl TryFrom<u8> for QoS {
    type Error = u8;

    /// From 0, 1 or 2; gives anything else back.
    fn try_from(value: u8) -> Result<Self, u8> {
        if value > 2 { Err(value) } else { Self::from_bits(value).ok_or(value) }
    }
}

/// The control packet types, with their numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // The names are the specification's.
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// Every type, in the order of the numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// Whether `sender` may send it in `version` (Table 2-1). AUTH exists in 5.0 only, and only there does a server send
    /// DISCONNECT.
    pub const fn is_sent_by(self, sender: Sender, version: ProtocolVersion) -> bool {
        let v5 = matches!(version, ProtocolVersion::V5);
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::PingReq => {
                matches!(sender, Sender::Client)
            }
            Self::ConnAck | Self::SubAck | Self::UnsubAck | Self::PingResp => {
                matches!(sender, Sender::Server)
            }
            Self::Publish | Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp => true,
            Self::Disconnect => v5 || matches!(sender, Sender::Client),
            Self::Auth => v5,
        }
    }

    #[inline]
    fn from_number(number: u8, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let index = usize::from(number).wrapping_sub(1);
        match Self::ALL.get(index) {
            Some(Self::Auth) if version != ProtocolVersion::V5 => Err(DecodeError::ReservedType(number)),
            Some(packet) => Ok(*packet),
            None => Err(DecodeError::ReservedType(number)),
        }
    }
}

/// Any control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the specification's.
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes the body of one packet: the `header.remaining_length` bytes behind its fixed header. A CONNECT says its
    /// version itself; `version` is not used for it.
    ///
    /// # Errors
    /// The packet is malformed, or breaks the protocol by itself.
    #[inline]
    pub fn decode(
        header: FixedHeader,
        body: &'a [u8],
        version: ProtocolVersion,
        sender: Sender,
    ) -> Result<Self, DecodeError> {
        let packet = header.packet_type;
        if !packet.is_sent_by(sender, version) {
            return Err(DecodeError::WrongSender { packet, sender });
        }
        let ack = || Ack::decode(packet, body, version, sender);
        Ok(match packet {
            PacketType::Publish => Self::Publish(Publish::decode(header, body, version, sender)?),
            PacketType::PubAck => Self::PubAck(ack()?),
            PacketType::PubRec => Self::PubRec(ack()?),
            PacketType::PubRel => Self::PubRel(ack()?),
            PacketType::PubComp => Self::PubComp(ack()?),
            PacketType::Connect => Self::Connect(Connect::decode(body)?),
            PacketType::ConnAck => Self::ConnAck(ConnAck::decode(body, version)?),
            PacketType::Subscribe => Self::Subscribe(Subscribe::decode(body, version, sender)?),
            PacketType::SubAck => Self::SubAck(SubAck::decode(body, version, sender)?),
            PacketType::Unsubscribe => Self::Unsubscribe(Unsubscribe::decode(body, version, sender)?),
            PacketType::UnsubAck => Self::UnsubAck(UnsubAck::decode(body, version, sender)?),
            PacketType::PingReq => Reader::new(body).end().map(|()| Self::PingReq)?,
            PacketType::PingResp => Reader::new(body).end().map(|()| Self::PingResp)?,
            PacketType::Disconnect => Self::Disconnect(Disconnect::decode(body, version, sender)?),
            PacketType::Auth => Self::Auth(Auth::decode(body, sender)?),
        })
    }

    /// Its type.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }

    /// Appends the packet to `out`. A CONNECT is written for its own version. `limit`: the receiver's Maximum Packet Size
    /// in bytes; [`PROTOCOL_MAXIMUM_PACKET_SIZE`] where there is none.
    ///
    /// # Errors
    /// The packet would not be lawful, or larger than `limit`; `out` is as it was.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(packet) => packet.encode(limit, out),
            Self::ConnAck(packet) => packet.encode(version, limit, out),
            Self::Publish(packet) => packet.encode(version, limit, out),
            Self::PubAck(packet) | Self::PubRec(packet) | Self::PubRel(packet) | Self::PubComp(packet) => {
                packet.encode(self.packet_type(), version, limit, out)
            }
            Self::Subscribe(packet) => packet.encode(version, limit, out),
            Self::SubAck(packet) => packet.encode(version, limit, out),
            Self::Unsubscribe(packet) => packet.encode(version, limit, out),
            Self::UnsubAck(packet) => packet.encode(version, limit, out),
            Self::PingReq | Self::PingResp => write_header(self.packet_type(), 0, 0, limit, out),
            Self::Disconnect(packet) => packet.encode(version, limit, out),
            Self::Auth(packet) => packet.encode(version, limit, out),
        }
    }
}

#[inline]
fn read_packet_id(reader: &mut Reader<'_>, packet: PacketType, sender: Sender) -> Result<u16, DecodeError> {
    match reader.u16("packet identifier")? {
        0 => Err(DecodeError::PacketIdZero { packet, sender }),
        packet_id => Ok(packet_id),
    }
}

/// Reads what begins SUBSCRIBE, UNSUBSCRIBE and their acknowledgements: packet identifier and properties.
fn decode_head<'a>(
    reader: &mut Reader<'a>,
    packet: PacketType,
    owner: PropertyOwner,
    version: ProtocolVersion,
    sender: Sender,
) -> Result<(u16, Properties<'a>), DecodeError> {
    let packet_id = read_packet_id(reader, packet, sender)?;
    let properties = match version {
        ProtocolVersion::V5 => Properties::decode(reader, owner)?,
        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => Properties::EMPTY,
    };
    Ok((packet_id, properties))
}

/// What begins them, to be written.
struct Head<'a> {
    packet: PacketType,
    packet_id: u16,
    /// `None` on 3.x.
    properties: Option<Properties<'a>>,
}

impl<'a> Head<'a> {
    fn new(
        packet: PacketType,
        packet_id: u16,
        properties: Properties<'a>,
        owner: PropertyOwner,
        version: ProtocolVersion,
    ) -> Result<Self, EncodeError> {
        if packet_id == 0 {
            return Err(EncodeError::PacketId { packet, packet_id });
        }
        if version == ProtocolVersion::V5 {
            properties.check(owner, owner)?;
            return Ok(Self { packet, packet_id, properties: Some(properties) });
        }
        if !properties.is_empty() {
            return Err(EncodeError::UnsupportedByVersion("a property"));
        }
        Ok(Self { packet, packet_id, properties: None })
    }

    /// Writes the packet with its list behind the head.
    fn encode(&self, list: &[u8], limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let properties = self.properties.map_or(0, |properties| properties.encoded_length());
        write_header(self.packet, 0, 2 + properties + list.len(), limit, out)?;
        write_u16(self.packet_id, out);
        if let Some(properties) = &self.properties {
            properties.encode(out);
        }
        out.extend_from_slice(list);
        Ok(())
    }
}

/// What a SUBSCRIBE or UNSUBSCRIBE takes whose filters take `list` bytes.
pub(crate) fn list_size(properties: Properties<'_>, list: usize, version: ProtocolVersion) -> u64 {
    let properties = if version == ProtocolVersion::V5 { properties.encoded_length() } else { 0 };
    let length = 2 + properties + list;
    length as u64 + 1 + wire::integer_length(u32::try_from(length).unwrap_or(u32::MAX)) as u64
}

/// Checks a topic filter that came in. 3.x knows no shared subscriptions.
fn check_filter(filter: &str, version: ProtocolVersion) -> Result<(), DecodeError> {
    let checked = match version {
        ProtocolVersion::V5 => topic::validate_filter(filter),
        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => topic::validate_plain_filter(filter),
    };
    checked.map_err(|error| match error {
        TopicError::Null => DecodeError::Null(TOPIC_FILTER),
        error => DecodeError::Topic { field: TOPIC_FILTER, error },
    })
}

/// Checks reason codes that may have been made for another packet or version.
fn check_reasons(
    reasons: ReasonCodes<'_>,
    packet: PacketType,
    version: ProtocolVersion,
) -> Result<(), EncodeError> {
    match ReasonCodes::decode(reasons.as_bytes(), packet, version) {
        Ok(_) => Ok(()),
        Err(DecodeError::ReasonCode { packet, code }) => Err(EncodeError::ReasonCode { packet, code }),
        Err(DecodeError::TrailingBytes(_)) => {
            Err(EncodeError::UnsupportedByVersion("a reason code of UNSUBACK"))
        }
        Err(_) => Err(EncodeError::NoReasonCodes(packet)),
    }
}
