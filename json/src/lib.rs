//! MQTT control packets as JSON, and back.
//!
//! One JSON object is one packet; its fields carry the specification's names in snake case, in the order of
//! the wire. `tests/vectors/README.md` in the repository is the reference of the format. The command line, the
//! wire vectors and recordings all use it.
//!
//! ```
//! use sterna_core::packet::{FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender};
//!
//! let version = ProtocolVersion::V3_1_1;
//! let json = serde_json::json!({
//!     "packet": "PUBLISH", "dup": false, "qos": 1, "retain": false,
//!     "topic_name": "a/b", "packet_identifier": 10, "payload": "Hello"
//! });
//! let bytes = sterna_json::from_json(&json, version)?;
//! assert_eq!(bytes, b"\x32\x0c\x00\x03a/b\x00\x0aHello");
//!
//! let header = FixedHeader::parse(&bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE)?.expect("a whole header");
//! let body = &bytes[usize::from(header.header_length)..];
//! let packet = Packet::decode(header, body, version, Sender::Client)?;
//! assert_eq!(sterna_json::to_json(&packet, version), json);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod binary;
mod error;
mod fields;
mod properties;
mod read;
mod write;

pub use error::JsonError;
pub use properties::{properties_from_json, properties_to_json};
pub use read::from_json;
pub use write::to_json;

use sterna_core::packet::PacketType;

/// The packets by the names that the specification gives them.
const PACKET_NAMES: [(PacketType, &str); 15] = [
    (PacketType::Connect, "CONNECT"),
    (PacketType::ConnAck, "CONNACK"),
    (PacketType::Publish, "PUBLISH"),
    (PacketType::PubAck, "PUBACK"),
    (PacketType::PubRec, "PUBREC"),
    (PacketType::PubRel, "PUBREL"),
    (PacketType::PubComp, "PUBCOMP"),
    (PacketType::Subscribe, "SUBSCRIBE"),
    (PacketType::SubAck, "SUBACK"),
    (PacketType::Unsubscribe, "UNSUBSCRIBE"),
    (PacketType::UnsubAck, "UNSUBACK"),
    (PacketType::PingReq, "PINGREQ"),
    (PacketType::PingResp, "PINGRESP"),
    (PacketType::Disconnect, "DISCONNECT"),
    (PacketType::Auth, "AUTH"),
];
