//! The time-line: what was said on which connection, when, and what answers what.

mod builder;
mod join;

use std::fmt;

use serde_json::Value;
use sterna_core::packet::{
    FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, ProtocolVersion, Sender,
};

pub(crate) use self::builder::{Builder, Clock};

/// MQTT traffic in the order of time.
///
/// It has 1,000,000 entries and 65,536 connections at most; what a source has beyond that is left out, and an entry says
/// so.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// When it begins, in microseconds since 1970; `None` where the source has no date.
    pub started: Option<u64>,
    /// The entries' times are measured; if not, they are only an order.
    pub is_timed: bool,
    /// The network connections, in the order in which they begin.
    pub connections: Vec<Connection>,
    /// In the order of time. Their numbers, which begin at 1, are those that `show` prints.
    pub entries: Vec<Entry>,
}

/// A network connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The client's end, such as `192.0.2.1:50000`.
    pub client: String,
    /// The server's end.
    pub server: String,
    /// What lies between TCP and MQTT.
    pub carrier: Carrier,
    /// What its CONNECT said, or else what fits its packets.
    pub version: Option<ProtocolVersion>,
    /// No CONNECT is there: the version was guessed.
    pub is_version_guessed: bool,
    /// Of its CONNECT, or assigned by the server.
    pub client_id: Option<String>,
}

/// What carries MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A TCP connection without TLS, or unknown.
    Tcp,
    /// WebSocket over TCP.
    WebSocket,
    /// TLS, which cannot be read in a capture.
    Tls,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::WebSocket => "WebSocket",
            Self::Tls => "TLS",
        })
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Microseconds since the time-line's beginning.
    pub time: u64,
    /// The connection's index in [`Timeline::connections`].
    pub connection: Option<usize>,
    /// What it was.
    pub what: What,
}

/// What an entry tells.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A control packet.
    Packet(PacketEntry),
    /// Bytes that are no packet, or not all of one.
    Malformed(MalformedBytes),
    /// Something about the source: a connection's begin or end, missing bytes, what cannot be read.
    Note(String),
    /// Something inside the client, which only a recording knows.
    Local(Local),
}

/// A control packet in a time-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketEntry {
    /// Who sent it.
    pub sender: Sender,
    /// Its type.
    pub packet_type: PacketType,
    /// The version that it is decoded with.
    pub version: ProtocolVersion,
    /// Its bytes; they are well-formed.
    pub bytes: Vec<u8>,
    /// What it belongs to.
    pub joined: Joined,
}

/// How a packet belongs to others: indices into [`Timeline::entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Joined {
    /// The first packet of its exchange, such as the PUBLISH for a PUBCOMP; itself for that packet.
    pub exchange: Option<usize>,
    /// What it answers.
    pub answers: Option<usize>,
    /// From that packet to this one, in microseconds.
    pub latency: Option<u64>,
    /// What answers it.
    pub answered_by: Option<usize>,
    /// The earlier copy, if it was sent before.
    pub repeats: Option<usize>,
    /// QoS 1 and 2 from the client that are not acknowledged in full, behind this packet.
    pub in_flight: u32,
    /// QoS 1 and 2 from the server that are not.
    pub in_flight_to_client: u32,
}

/// Bytes that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedBytes {
    /// Who sent them.
    pub sender: Sender,
    /// The beginning of them: 4096 at most.
    pub bytes: Vec<u8>,
    /// What is wrong.
    pub error: String,
    /// The statement of the specification that they break.
    pub statement: Option<&'static str>,
}

/// Something inside the client.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// What sort of thing.
    pub kind: LocalKind,
    /// In words.
    pub text: String,
    /// All of it; null where the words are all.
    pub detail: Value,
    /// Operations that wait to be sent, as long as the client does what was recorded.
    pub queued: Option<u32>,
    /// A deadline that was told before on this connection and only moves: text leaves it out unless it is asked for.
    pub is_routine: bool,
}

/// The sort of a thing inside the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKind {
    /// The application asks the client for something.
    Command,
    /// The application is told something, or given a message.
    Event,
    /// The client asks its driver for something, or the driver reports.
    Driver,
    /// A deadline is set, or has passed.
    Timer,
    /// The store.
    Store,
}

impl LocalKind {
    /// One word, as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Event => "event",
            Self::Driver => "driver",
            Self::Timer => "timer",
            Self::Store => "store",
        }
    }
}

impl Connection {
    pub(crate) fn new(client: String, server: String, carrier: Carrier) -> Self {
        Self { client, server, carrier, version: None, is_version_guessed: false, client_id: None }
    }
}

impl PacketEntry {
    /// The packet, decoded.
    pub fn packet(&self) -> Option<Packet<'_>> {
        decode(&self.bytes, self.version, self.sender).ok()
    }
}

/// The one packet in `bytes`.
pub(crate) fn decode(
    bytes: &[u8],
    version: ProtocolVersion,
    sender: Sender,
) -> Result<Packet<'_>, sterna_core::packet::DecodeError> {
    use sterna_core::packet::DecodeError::Truncated;
    let header = FixedHeader::parse(bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE)?;
    let header = header.ok_or(Truncated("fixed header"))?;
    let body = bytes.get(header.header_length.into()..header.packet_size()).ok_or(Truncated("packet"))?;
    Packet::decode(header, body, version, sender)
}
