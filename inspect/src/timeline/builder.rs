//! Making a time-line from whatever an importer finds.

use sterna_core::packet::{FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender};

use super::{
    Connection, Entry, Joined, Local, MalformedBytes, PacketEntry, PacketType, Timeline, What, decode, join,
};
use crate::splitter::Found;

/// How many entries a time-line has at most.
const ENTRIES: usize = 1_000_000;
/// How many connections.
const CONNECTIONS: usize = 65_536;

/// A time-line that is being made. Its entries may come in any order of time, and their times count from any origin.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    connections: Vec<Connection>,
    entries: Vec<Entry>,
    clock: Clock,
}

/// What the times mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Clock {
    /// Microseconds since 1970.
    #[default]
    Date,
    /// Microseconds since anything.
    Origin,
    /// Nothing but an order.
    Order,
}

impl Builder {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= ENTRIES || self.connections.len() >= CONNECTIONS
    }

    /// Adds a connection; `None` if there are too many.
    pub(crate) fn connection(&mut self, connection: Connection) -> Option<usize> {
        let index = self.connections.len();
        (index < CONNECTIONS).then(|| {
            self.connections.push(connection);
            index
        })
    }

    /// The version of a connection, as far as it is known.
    pub(crate) fn version(&self, connection: usize) -> Option<ProtocolVersion> {
        self.connections.get(connection)?.version
    }

    /// Sets the version of a connection that may lack a CONNECT.
    pub(crate) fn set_version(&mut self, connection: usize, version: ProtocolVersion) {
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.version = Some(version);
        }
    }

    pub(crate) fn note(&mut self, time: u64, connection: Option<usize>, text: &str) {
        // The importers' own closing words are few.
        if self.entries.len() < ENTRIES + 16 {
            self.entries.push(Entry { time, connection, what: What::Note(text.to_owned()) });
        }
    }

    pub(crate) fn local(&mut self, time: u64, connection: Option<usize>, local: Local) {
        self.push(time, connection, What::Local(local));
    }

    /// What a splitter found on a connection.
    pub(crate) fn found(&mut self, time: u64, connection: usize, sender: Sender, found: Found) {
        let from = if sender == Sender::Client { "client" } else { "server" };
        let malformed =
            |bytes, error, statement| What::Malformed(MalformedBytes { sender, bytes, error, statement });
        let what = match found {
            Found::Packet(bytes) => return self.packet(time, connection, sender, bytes),
            Found::Malformed { bytes, error } => {
                let statement = error.statement(self.version(connection).unwrap_or_default());
                malformed(bytes, error.to_string(), Some(statement))
            }
            Found::Damaged { bytes, size: Some(size), missing } => {
                let error = format!("{missing} of the packet's {size} bytes are missing");
                malformed(bytes, error, None)
            }
            Found::Damaged { bytes, size: None, .. } => {
                malformed(bytes, "the rest of the packet is missing".to_owned(), None)
            }
            Found::TooLarge { size } => {
                What::Note(format!("a packet of {size} bytes from the {from}: it is too large to be shown"))
            }
            Found::Skipped(bytes) => {
                let why = "it is not known where their packets begin";
                What::Note(format!("left out from the {from}, up to here: {bytes} bytes, since {why}"))
            }
        };
        self.push(time, Some(connection), what);
    }

    /// A whole packet, whose body may be malformed.
    pub(crate) fn packet(&mut self, time: u64, connection: usize, sender: Sender, bytes: Vec<u8>) {
        self.learn(connection, sender, &bytes);
        let version = self.version(connection).unwrap_or_default();
        let Ok(Some(header)) = FixedHeader::parse(&bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE) else {
            return self.push(time, Some(connection), malformed(sender, bytes, version));
        };
        let packet_type = header.packet_type;
        let packet = PacketEntry { sender, packet_type, version, bytes, joined: Joined::default() };
        self.push(time, Some(connection), What::Packet(packet));
    }

    /// Reads what a connection's first packets say about it.
    fn learn(&mut self, connection: usize, sender: Sender, bytes: &[u8]) {
        // CONNECT and CONNACK only.
        if !matches!(bytes.first(), Some(0x10 | 0x20)) {
            return;
        }
        let Some(connection) = self.connections.get_mut(connection) else { return };
        match decode(bytes, connection.version.unwrap_or_default(), sender) {
            Ok(Packet::Connect(connect)) => {
                connection.version = Some(connect.version);
                connection.client_id = Some(connect.client_id.to_owned());
            }
            Ok(Packet::ConnAck(ack)) => {
                if let Some(id) = ack.properties.assigned_client_identifier() {
                    connection.client_id = Some(id.to_owned());
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, time: u64, connection: Option<usize>, what: What) {
        if self.entries.len() < ENTRIES {
            self.entries.push(Entry { time, connection, what });
        }
    }

    /// The time-line, in order and joined.
    pub(crate) fn finish(mut self) -> Timeline {
        self.guess_versions();
        let mut entries = self.entries;
        entries.sort_by_key(|entry| entry.time);
        let origin = entries.first().map_or(0, |entry| entry.time);
        for entry in &mut entries {
            entry.time -= origin;
            let version = entry.connection.and_then(|index| self.connections[index].version);
            if let What::Packet(packet) = &mut entry.what {
                packet.version = version.unwrap_or(packet.version);
                if packet.packet().is_none() {
                    let bytes = std::mem::take(&mut packet.bytes);
                    entry.what = malformed(packet.sender, bytes, packet.version);
                }
            }
        }
        let started = (self.clock == Clock::Date).then_some(origin);
        let is_timed = self.clock != Clock::Order;
        let mut timeline = Timeline { started, is_timed, connections: self.connections, entries };
        join::join(&mut timeline);
        timeline
    }

    /// Chooses a version for connections without a CONNECT: the one that decodes the most packets.
    fn guess_versions(&mut self) {
        const CANDIDATES: [ProtocolVersion; 2] = [ProtocolVersion::V3_1_1, ProtocolVersion::V5];
        let mut scores = vec![[0_usize; 2]; self.connections.len()];
        for entry in &self.entries {
            let (Some(index), What::Packet(packet)) = (entry.connection, &entry.what) else { continue };
            if self.connections[index].version.is_some() {
                continue;
            }
            for (score, version) in scores[index].iter_mut().zip(CANDIDATES) {
                *score += usize::from(decode(&packet.bytes, version, packet.sender).is_ok());
            }
            // Where it has properties, it is seldom anything else by chance.
            let tells = !matches!(packet.packet_type, PacketType::PingReq | PacketType::PingResp)
                && packet.bytes.len() > 4
                && decode(&packet.bytes, ProtocolVersion::V5, packet.sender).is_ok();
            scores[index][1] += usize::from(tells);
        }
        for (connection, [older, newer]) in self.connections.iter_mut().zip(scores) {
            if connection.version.is_none() && older + newer > 0 {
                let version = if newer > older { ProtocolVersion::V5 } else { ProtocolVersion::V3_1_1 };
                connection.version = Some(version);
                connection.is_version_guessed = true;
            }
        }
    }
}

/// A packet that does not decode.
fn malformed(sender: Sender, mut bytes: Vec<u8>, version: ProtocolVersion) -> What {
    let (error, statement) = match decode(&bytes, version, sender) {
        Err(error) => (error.to_string(), Some(error.statement(version))),
        Ok(_) => (String::new(), None),
    };
    bytes.truncate(4096);
    What::Malformed(MalformedBytes { sender, bytes, error, statement })
}
