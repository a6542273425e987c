//! Captures made by the tests: whole TCP connections as frames, which a test may lose, double and reorder.
#![allow(dead_code, unreachable_pub)] // Each test file uses a part.

use std::net::{IpAddr, SocketAddr};

use etherparse::PacketBuilder;
use serde_json::Value;
use sterna_core::packet::ProtocolVersion;
use sterna_inspect::{Entry, MalformedBytes, Timeline, What, read_capture};

/// Some moment in 2026, in microseconds since 1970.
pub const BEGIN: u64 = 1_780_000_000_000_000;

/// An IP packet and its time.
#[derive(Debug, Clone)]
pub struct Frame {
    pub time: u64,
    pub ip: Vec<u8>,
    /// How many bytes of its end are not captured.
    pub cut: usize,
}

/// A TCP connection, both ends of it.
#[derive(Debug)]
pub struct Tcp {
    pub ends: [SocketAddr; 2],
    /// The next sequence number of either end.
    pub next: [u32; 2],
    pub time: u64,
    pub frames: Vec<Frame>,
}

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

impl Tcp {
    pub fn new(client: &str, server: &str, sequence: u32) -> Self {
        let ends = [client.parse().unwrap(), server.parse().unwrap()];
        Self { ends, next: [sequence, sequence.wrapping_mul(3)], time: BEGIN, frames: Vec::new() }
    }

    /// Port 1883 on loopback.
    pub fn plain() -> Self {
        Self::new("127.0.0.1:50000", "127.0.0.1:1883", 1000)
    }

    pub fn segment(&mut self, from: usize, flags: &str, payload: &[u8]) {
        let (source, destination) = (self.ends[from], self.ends[1 - from]);
        let sequence = self.next[from];
        self.frame(source, destination, sequence, self.next[1 - from], flags, payload);
        let numbers = payload.len() as u32 + u32::from(flags.contains(['S', 'F']));
        self.next[from] = sequence.wrapping_add(numbers);
    }

    pub fn frame(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        sequence: u32,
        acknowledgement: u32,
        flags: &str,
        payload: &[u8],
    ) {
        let ip = match (source.ip(), destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                PacketBuilder::ipv4(source.octets(), destination.octets(), 64)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                PacketBuilder::ipv6(source.octets(), destination.octets(), 64)
            }
            _ => panic!("one version"),
        };
        let mut tcp = ip.tcp(source.port(), destination.port(), sequence, 65_535);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                _ => tcp.ack(acknowledgement),
            };
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, payload).unwrap();
        self.frames.push(Frame { time: self.time, ip: bytes, cut: 0 });
        self.time += 100;
    }

    pub fn open(&mut self) {
        self.segment(CLIENT, "S", b"");
        self.segment(SERVER, "SA", b"");
        self.segment(CLIENT, "A", b"");
    }

    pub fn client(&mut self, payload: &[u8]) {
        self.segment(CLIENT, "A", payload);
        self.segment(SERVER, "A", b"");
    }

    pub fn server(&mut self, payload: &[u8]) {
        self.segment(SERVER, "A", payload);
        self.segment(CLIENT, "A", b"");
    }

    pub fn close(&mut self) {
        self.segment(CLIENT, "FA", b"");
        self.segment(SERVER, "FA", b"");
        self.segment(CLIENT, "A", b"");
    }
}

/// The kinds of file and link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Pcap,
    PcapBigEndian,
    PcapNanoseconds,
    PcapNg,
}

pub const FORMATS: [Format; 4] =
    [Format::Pcap, Format::PcapBigEndian, Format::PcapNanoseconds, Format::PcapNg];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Ethernet,
    Vlan,
    TwoVlans,
    Raw,
    Loopback,
    Cooked,
    Cooked2,
}

pub const LINKS: [Link; 7] =
    [Link::Ethernet, Link::Vlan, Link::TwoVlans, Link::Raw, Link::Loopback, Link::Cooked, Link::Cooked2];

impl Link {
    fn number(self) -> u32 {
        match self {
            Self::Ethernet | Self::Vlan | Self::TwoVlans => 1,
            Self::Raw => 101,
            Self::Loopback => 0,
            Self::Cooked => 113,
            Self::Cooked2 => 276,
        }
    }

    fn wrap(self, ip: &[u8]) -> Vec<u8> {
        let ether_type: [u8; 2] = if ip[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xDD] };
        let mac = [2_u8; 12];
        let head = match self {
            Self::Ethernet => [&mac[..], &ether_type].concat(),
            Self::Vlan => [&mac[..], &[0x81, 0x00, 0x00, 0x07], &ether_type].concat(),
            Self::TwoVlans => {
                [&mac[..], &[0x88, 0xA8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08], &ether_type].concat()
            }
            Self::Raw => Vec::new(),
            Self::Loopback => vec![if ip[0] >> 4 == 4 { 2 } else { 30 }, 0, 0, 0],
            Self::Cooked => [&[0, 0, 0, 1, 0, 6][..], &[2; 8], &ether_type].concat(),
            Self::Cooked2 => [&ether_type[..], &[0; 18]].concat(),
        };
        let mut frame = [&head[..], ip].concat();
        // Ethernet pads short frames.
        if self == Self::Ethernet && frame.len() < 60 {
            frame.resize(60, 0);
        }
        frame
    }
}

/// The frames as a file.
pub fn file(frames: &[Frame], format: Format, link: Link) -> Vec<u8> {
    let mut file = Vec::new();
    let big = format == Format::PcapBigEndian;
    let four = |number: u32| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    let two = |number: u16| if big { number.to_be_bytes() } else { number.to_le_bytes() };
    if format == Format::PcapNg {
        let block = |kind: u32, body: &[u8]| {
            let length = (body.len() + 12) as u32;
            [&four(kind)[..], &four(length), body, &four(length)].concat()
        };
        file.extend(block(0x0A0D_0D0A, &[&four(0x1A2B_3C4D)[..], &[1, 0, 0, 0], &[0xFF; 8]].concat()));
        // A resolution of nanoseconds.
        let options = [9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0];
        let interface = [&two(link.number() as u16)[..], &[0, 0], &four(0), &options].concat();
        file.extend(block(1, &interface));
        for frame in frames {
            let whole = link.wrap(&frame.ip);
            let bytes = &whole[..whole.len() - frame.cut];
            let time = frame.time * 1000;
            let mut body = [
                &four(0)[..],
                &four((time >> 32) as u32),
                &four(time as u32),
                &four(bytes.len() as u32),
                &four(whole.len() as u32),
                bytes,
            ]
            .concat();
            body.resize(body.len().next_multiple_of(4), 0);
            file.extend(block(6, &body));
        }
        return file;
    }
    let magic = if format == Format::PcapNanoseconds { 0xA1B2_3C4D } else { 0xA1B2_C3D4 };
    for number in
        [four(magic), [two(2), two(4)].concat().try_into().unwrap(), four(0), four(0), four(262_144)]
    {
        file.extend(number);
    }
    file.extend(four(link.number()));
    for frame in frames {
        let whole = link.wrap(&frame.ip);
        let bytes = &whole[..whole.len() - frame.cut];
        let fraction = (frame.time % 1_000_000) as u32;
        let fraction = if format == Format::PcapNanoseconds { fraction * 1000 } else { fraction };
        for number in [(frame.time / 1_000_000) as u32, fraction, bytes.len() as u32, whole.len() as u32] {
            file.extend(four(number));
        }
        file.extend(bytes);
    }
    file
}

/// The time-line of frames on an Ethernet.
pub fn show(frames: &[Frame]) -> Timeline {
    read_capture(&file(frames, Format::Pcap, Link::Ethernet)[..]).unwrap()
}

/// A packet's bytes.
pub fn packet(json: &Value, version: ProtocolVersion) -> Vec<u8> {
    sterna_json::from_json(json, version).unwrap()
}

/// A line for an entry: who sent which packet, and where it belongs.
pub fn line(entry: &Entry) -> String {
    match &entry.what {
        What::Packet(packet) => {
            let name = format!("{:?}", packet.packet_type).to_uppercase();
            let connection = entry.connection.map_or(0, |index| index + 1);
            let answers = packet.joined.answers.map(|at| format!(" answers {}", at + 1)).unwrap_or_default();
            format!("{connection} {:?} {name}{answers}", packet.sender)
        }
        What::Malformed(MalformedBytes { sender, error, .. }) => format!("{sender:?} malformed: {error}"),
        What::Note(text) => text.clone(),
        What::Local(local) => format!("{:?} {}", local.kind, local.text),
    }
}

pub fn lines(timeline: &Timeline) -> Vec<String> {
    timeline.entries.iter().map(line).collect()
}

/// What the packets are, without notes.
pub fn packets(timeline: &Timeline) -> Vec<Vec<u8>> {
    let entries = timeline.entries.iter();
    entries
        .filter_map(|entry| match &entry.what {
            What::Packet(packet) => Some(packet.bytes.clone()),
            _ => None,
        })
        .collect()
}
