//! The fifteen control packets, read and written for MQTT 3.1, 3.1.1 and 5.0, in both directions.
//!
//! A packet is a borrowed view: its strings, payload and lists are slices of the bytes that it was decoded
//! from, and the same struct is what an encoder takes. Lists (properties, topic filters, reason codes) stay in
//! their wire form: they are validated once and then iterated lazily, so nothing is allocated per packet.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod properties;
mod publish;
mod reason;
mod subscribe;
mod unsubscribe;
mod wire;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::{DecodeError, EncodeError};
pub use properties::{Properties, PropertiesBuf, Property, PropertyId, PropertyOwner, PropertyIter};
pub use publish::Publish;
pub use reason::{ReasonCode, ReasonCodes};
pub use subscribe::{Filters, FiltersBuf, RetainHandling, SubAck, Subscribe, SubscribeOptions, SubscribeFilter};
pub use unsubscribe::{TopicFilters, TopicFiltersBuf, UnsubAck, Unsubscribe};
pub use wire::{FixedHeader, MAXIMUM_REMAINING_LENGTH, PROTOCOL_MAXIMUM_PACKET_SIZE};

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

/// Which side of the connection sent a packet: some packets, flags, properties and reason codes are lawful
/// from one side only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender { Client, Server }

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

/// The control packet types, with their numbers on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType { Connect = 1, ConnAck = 2, Publish = 3, PubAck = 4, PubRec = 5, PubRel = 6, PubComp = 7,
    Subscribe = 8, SubAck = 9, Unsubscribe = 10, UnsubAck = 11, PingReq = 12, PingResp = 13, Disconnect = 14, Auth = 15 }

/// Any control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    Connect(Connect<'a>), ConnAck(ConnAck<'a>), Publish(Publish<'a>),
    PubAck(Ack<'a>), PubRec(Ack<'a>), PubRel(Ack<'a>), PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>), SubAck(SubAck<'a>), Unsubscribe(Unsubscribe<'a>), UnsubAck(UnsubAck<'a>),
    PingReq, PingResp, Disconnect(Disconnect<'a>), Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Decodes the body of one packet (everything after the fixed header). `body.len()` must be
    /// `header.remaining_length`. For a CONNECT the version is read from the packet and `version` is ignored.
    pub fn decode(header: FixedHeader, body: &'a [u8], version: ProtocolVersion, sender: Sender) -> Result<Self, DecodeError> { todo!() }
    pub fn packet_type(&self) -> PacketType { todo!() }
    /// Appends the packet to `out`; on an error `out` is as it was. A CONNECT is written for its own version.
    /// `limit`: the peer's Maximum Packet Size (`PROTOCOL_MAXIMUM_PACKET_SIZE` when there is none).
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut alloc::vec::Vec<u8>) -> Result<(), EncodeError> { todo!() }
}
