//! What a TCP connection carries: which protocol, and for MQTT its packets.

use std::net::SocketAddr;

use sterna_core::packet::{ProtocolVersion, Sender};

use super::assembler::Piece;
use super::websocket::{Part, WebSocket};
use crate::splitter::{Found, Splitter, looks_like_packets};
use crate::timeline::{Builder, Carrier, Connection};

/// How much of a connection is looked at before it counts as something else, in bytes for each direction.
const LOOKED_AT: usize = 16 * 1024;
/// And in pieces.
const PIECES: usize = 1024;
/// The registered ports: with TLS the second.
const PORTS: [u16; 2] = [1883, 8883];

/// A direction of a TCP connection: from the end that spoke first, or to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forth = 0,
    Back = 1,
}

impl Way {
    fn other(self) -> Self {
        match self {
            Self::Forth => Self::Back,
            Self::Back => Self::Forth,
        }
    }
}

/// The two ends, and whether it is known that the first one opened the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) first: SocketAddr,
    pub(super) second: SocketAddr,
    pub(super) is_opened: bool,
}

/// What a connection carries.
#[derive(Debug)]
pub(super) struct Conversation {
    ends: Ends,
    protocol: Protocol,
}

#[derive(Debug)]
enum Protocol {
    /// Not decided: the pieces that came, by direction.
    Open {
        early: Vec<(Way, Early)>,
        seen: [usize; 2],
    },
    Mqtt(Mqtt),
    /// TLS, of which the time-line says only that it is there.
    Unreadable,
    Other,
}

#[derive(Debug)]
enum Early {
    Data { time: u64, bytes: Vec<u8> },
    Missing { time: u64, bytes: u64 },
}

/// An MQTT connection, whatever carries it.
#[derive(Debug)]
struct Mqtt {
    connection: usize,
    client: Way,
    /// For what the client sends, and what the server sends.
    splitters: [Splitter; 2],
    websockets: Option<[WebSocket; 2]>,
}

impl Conversation {
    pub(super) fn new(ends: Ends) -> Self {
        Self { ends, protocol: Protocol::Open { early: Vec::new(), seen: [0; 2] } }
    }

    /// Whether it carries MQTT, or may.
    pub(super) fn is_wanted(&self) -> bool {
        !matches!(self.protocol, Protocol::Other)
    }

    /// Whether nothing more can be read of it.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.protocol, Protocol::Other | Protocol::Unreadable)
    }

    /// The connection in the time-line, if it is one of MQTT.
    pub(super) fn connection(&self) -> Option<(usize, Way)> {
        match &self.protocol {
            Protocol::Mqtt(mqtt) => Some((mqtt.connection, mqtt.client)),
            _ => None,
        }
    }

    pub(super) fn receive(&mut self, way: Way, piece: Piece<'_>, out: &mut Builder) {
        let (early, seen) = match &mut self.protocol {
            Protocol::Open { early, seen } => (early, seen),
            Protocol::Mqtt(mqtt) => return mqtt.receive(way, piece, out),
            Protocol::Unreadable | Protocol::Other => return,
        };
        match piece {
            Piece::Missing { time, bytes } => {
                early.push((way, Early::Missing { time, bytes }));
                if early.len() > PIECES {
                    self.protocol = Protocol::Other;
                }
            }
            Piece::Data { time, bytes } => {
                let is_first = seen[way as usize] == 0 && self.ends.is_opened;
                seen[way as usize] += bytes.len();
                early.push((way, Early::Data { time, bytes: bytes.to_vec() }));
                let begun = if is_first || self.ends.is_opened { beginning(early, way) } else { Vec::new() };
                let verdict = if way == Way::Forth && !begun.is_empty() {
                    judge_beginning(&begun, self.ends)
                } else {
                    judge_middle(bytes, way, self.ends)
                };
                let is_over = early.len() > PIECES || seen.iter().any(|&seen| seen >= LOOKED_AT);
                match verdict {
                    Verdict::Unknown if is_over => self.protocol = Protocol::Other,
                    Verdict::Unknown => {}
                    verdict => self.decide(&verdict, time, out),
                }
            }
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, time: u64, out: &mut Builder) {
        if let Protocol::Mqtt(mqtt) = &mut self.protocol {
            mqtt.finish(time, out);
        }
    }

    fn decide(&mut self, verdict: &Verdict, time: u64, out: &mut Builder) {
        let Protocol::Open { early, .. } = std::mem::replace(&mut self.protocol, Protocol::Other) else {
            return;
        };
        let (carrier, client) = match verdict {
            Verdict::Mqtt { client } => (Carrier::Tcp, *client),
            Verdict::WebSocket => (Carrier::WebSocket, Way::Forth),
            Verdict::Tls { client } => (Carrier::Tls, *client),
            Verdict::Other | Verdict::Unknown => return,
        };
        let (from, to) = match client {
            Way::Forth => (self.ends.first, self.ends.second),
            Way::Back => (self.ends.second, self.ends.first),
        };
        let begin = early.iter().map(|(_, piece)| piece.time()).min().unwrap_or(time);
        let connection = Connection::new(from.to_string(), to.to_string(), carrier);
        let Some(connection) = out.connection(connection) else { return };
        if carrier == Carrier::Tls {
            out.note(begin, Some(connection), "TLS: what it carries cannot be read");
            self.protocol = Protocol::Unreadable;
            return;
        }
        if !self.ends.is_opened {
            out.note(begin, Some(connection), "the beginning of the connection is not in the capture");
        }
        let splitter = |sender| match carrier {
            // In a WebSocket the pieces that frames give say nothing about packets.
            Carrier::Tcp if !self.ends.is_opened => Splitter::lost(sender),
            _ => Splitter::new(sender),
        };
        let mut mqtt = Mqtt {
            connection,
            client,
            splitters: [splitter(Sender::Client), splitter(Sender::Server)],
            websockets: (carrier == Carrier::WebSocket)
                .then(|| [WebSocket::new(Sender::Client), WebSocket::new(Sender::Server)]),
        };
        for (way, piece) in &early {
            mqtt.receive(*way, piece.as_piece(), out);
        }
        self.protocol = Protocol::Mqtt(mqtt);
    }
}

impl Early {
    fn time(&self) -> u64 {
        match self {
            Self::Data { time, .. } | Self::Missing { time, .. } => *time,
        }
    }

    fn as_piece(&self) -> Piece<'_> {
        match self {
            Self::Data { time, bytes } => Piece::Data { time: *time, bytes },
            Self::Missing { time, bytes } => Piece::Missing { time: *time, bytes: *bytes },
        }
    }
}

impl Mqtt {
    fn receive(&mut self, way: Way, piece: Piece<'_>, out: &mut Builder) {
        let sender = if way == self.client { Sender::Client } else { Sender::Server };
        let (Piece::Data { time, .. } | Piece::Missing { time, .. }) = piece;
        let splitter = &mut self.splitters[sender as usize];
        let mut lane = Lane { connection: self.connection, sender, time, out };
        let Some(websockets) = &mut self.websockets else {
            match piece {
                Piece::Data { bytes, .. } => lane.bytes(splitter, bytes),
                Piece::Missing { bytes, .. } => {
                    lane.note(&format!("missing from the {}: {}", lane.name(), size(bytes)));
                    lane.missing(splitter, bytes);
                }
            }
            return;
        };
        let websocket = &mut websockets[sender as usize];
        match piece {
            Piece::Data { bytes, .. } => websocket.receive(bytes, &mut |part| lane.part(splitter, part)),
            Piece::Missing { bytes, .. } => {
                lane.note(&format!("missing from the {}: {}", lane.name(), size(bytes)));
                websocket.miss(bytes, &mut |part| lane.part(splitter, part));
            }
        }
    }

    fn finish(&mut self, time: u64, out: &mut Builder) {
        for sender in [Sender::Client, Sender::Server] {
            let mut lane = Lane { connection: self.connection, sender, time, out };
            let version = lane.out.version(self.connection);
            self.splitters[sender as usize].finish(version, &mut |found| lane.found(found));
        }
    }
}

/// So many bytes, in words.
fn size(bytes: u64) -> String {
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// One direction of an MQTT connection at one time.
struct Lane<'o> {
    connection: usize,
    sender: Sender,
    time: u64,
    out: &'o mut Builder,
}

impl Lane<'_> {
    fn name(&self) -> &'static str {
        match self.sender {
            Sender::Client => "client",
            Sender::Server => "server",
        }
    }

    fn version(&self) -> Option<ProtocolVersion> {
        self.out.version(self.connection)
    }

    fn note(&mut self, text: &str) {
        self.out.note(self.time, Some(self.connection), text);
    }

    fn bytes(&mut self, splitter: &mut Splitter, bytes: &[u8]) {
        let version = self.version();
        splitter.receive(bytes, version, &mut |found| self.found(found));
    }

    fn missing(&mut self, splitter: &mut Splitter, missing: u64) {
        let version = self.version();
        splitter.miss(missing, version, &mut |found| self.found(found));
    }

    fn part(&mut self, splitter: &mut Splitter, part: Part<'_>) {
        match part {
            Part::Data(bytes) => self.bytes(splitter, bytes),
            Part::Missing(missing) => self.missing(splitter, missing),
            Part::Head { line, subprotocol } => {
                let subprotocol = subprotocol.map(|name| format!(", subprotocol {name}")).unwrap_or_default();
                self.note(&format!("WebSocket: {line}{subprotocol}"));
            }
            Part::Note(text) => {
                self.note(&format!("from the {}: {text}", self.name()));
            }
            Part::End(why) => {
                self.note(&format!("the rest from the {} cannot be read: {why}", self.name()));
            }
        }
    }

    fn found(&mut self, found: Found) {
        self.out.found(self.time, self.connection, self.sender, found);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Mqtt { client: Way },
    WebSocket,
    Tls { client: Way },
    Other,
}

/// All that came in a direction before the first hole.
fn beginning(early: &[(Way, Early)], way: Way) -> Vec<u8> {
    let pieces = early.iter().filter(|(of, _)| *of == way);
    let mut begun = Vec::new();
    for (_, piece) in pieces {
        let Early::Data { bytes, .. } = piece else { break };
        begun.extend_from_slice(bytes);
    }
    begun
}

/// From the first bytes of the end that opened the connection.
fn judge_beginning(begun: &[u8], ends: Ends) -> Verdict {
    const CLIENT: Way = Way::Forth;
    if ends.second.port() == PORTS[0] || begins_connect(begun) == Some(true) {
        return Verdict::Mqtt { client: CLIENT };
    }
    if begins_connect(begun).is_none() {
        return Verdict::Unknown;
    }
    if starts(begun, b"GET ") {
        let text = begun.to_ascii_lowercase();
        let asks = text.windows(9).any(|window| window == b"websocket");
        let is_whole = text.windows(4).any(|window| window == b"\r\n\r\n");
        return match (asks, is_whole) {
            (true, _) => Verdict::WebSocket,
            (false, true) => Verdict::Other,
            (false, false) => Verdict::Unknown,
        };
    }
    match begun {
        [0x16, 0x03, ..] => Verdict::Tls { client: CLIENT },
        [0x16] => Verdict::Unknown,
        begun if b"GET ".starts_with(begun) => Verdict::Unknown,
        _ => Verdict::Other,
    }
}

fn starts(begun: &[u8], with: &[u8]) -> bool {
    begun.starts_with(with)
}

/// Whether it is a CONNECT, as far as it came; `None` while that cannot be told.
fn begins_connect(begun: &[u8]) -> Option<bool> {
    let [first, rest @ ..] = begun else { return None };
    if *first != 0x10 {
        return Some(false);
    }
    let length = rest.iter().position(|byte| byte & 0x80 == 0).map(|at| at + 1);
    let Some(length) = length else { return if rest.len() < 4 { None } else { Some(false) } };
    let name = &rest[length..];
    let names = [&b"\x00\x04MQTT"[..], b"\x00\x06MQIsdp"];
    if names.iter().any(|known| name.starts_with(known)) {
        return Some(true);
    }
    if names.iter().any(|known| known.starts_with(name)) { None } else { Some(false) }
}

/// From a piece in the middle of a connection.
fn judge_middle(bytes: &[u8], way: Way, ends: Ends) -> Verdict {
    if begins_connect(bytes) == Some(true) && !ends.is_opened {
        return Verdict::Mqtt { client: way };
    }
    let client = guess_client(ends);
    if ends.is_opened {
        return Verdict::Unknown;
    }
    if let [0x14..=0x17, 0x03, 0x00..=0x04, high, low, rest @ ..] = bytes
        && usize::from(u16::from_be_bytes([*high, *low])) <= rest.len()
        && (ends.first.port() == PORTS[1] || ends.second.port() == PORTS[1])
    {
        return Verdict::Tls { client };
    }
    let may_send = |sender| looks_like_packets(bytes, sender, None);
    match (may_send(Sender::Client), may_send(Sender::Server)) {
        (true, true) => Verdict::Mqtt { client },
        (true, false) => Verdict::Mqtt { client: way },
        (false, true) => Verdict::Mqtt { client: way.other() },
        (false, false) => Verdict::Unknown,
    }
}

/// The end that is not at a server's port; else the one with the larger port, which is seldom a server's.
fn guess_client(ends: Ends) -> Way {
    let is_server = |end: SocketAddr| PORTS.contains(&end.port());
    match (is_server(ends.first), is_server(ends.second)) {
        (true, false) => Way::Back,
        (false, true) => Way::Forth,
        _ if ends.first.port() < ends.second.port() => Way::Back,
        _ => Way::Forth,
    }
}
