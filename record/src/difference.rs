//! What differs in a replay, for people: both outputs decoded, and the state around them.

use std::fmt;

use serde_json::Value;
use sterna_core::packet::{FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender};
use sterna_core::{Instant, State};

use crate::entry::{Entry, Input, Output};
use crate::failure::{name_of, timer_name};
use crate::replay::Replay;

/// The first entry whose output is another than was recorded. Its `Display` form has everything, over several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The number of its line, from 1.
    pub line: u64,
    /// The entry as it was recorded.
    pub entry: Entry,
    /// What came out in the place of its output.
    pub actual: Option<Output>,
    /// The state after its call.
    pub context: Context,
}

/// Where a replay is: the state of its connection, and what led there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The number of the line that was replayed last, from 1.
    pub line: u64,
    /// Its time, in microseconds since the client's origin.
    pub at: u64,
    /// The protocol version.
    pub version: Option<ProtocolVersion>,
    /// Where the client stands.
    pub state: Option<State>,
    /// The number of the network connection.
    pub attempt: u32,
    /// How many operations wait for the server's answer.
    pub in_flight: usize,
    /// How many operations wait to be sent.
    pub queued: usize,
    /// The next deadline, in microseconds since the client's origin, and what it is for.
    pub deadline: Option<(u64, String)>,
    /// The last entries, the latest at the end.
    pub recent: Vec<Entry>,
}

impl Context {
    pub(crate) fn new(replay: &Replay) -> Self {
        let connection = replay.connection();
        Self {
            line: replay.line(),
            at: replay.at(),
            version: connection.map(sterna_core::Connection::version),
            state: connection.map(sterna_core::Connection::state),
            attempt: connection.map_or(0, |connection| connection.attempt().number()),
            in_flight: connection.map_or(0, sterna_core::Connection::in_flight),
            queued: connection.map_or(0, sterna_core::Connection::queued),
            deadline: connection
                .and_then(sterna_core::Connection::poll_timeout)
                .map(|(at, timer)| (Instant::as_micros(at), timer_name(timer))),
            recent: replay.recent().iter().cloned().collect(),
        }
    }
}

impl Difference {
    pub(crate) fn new(line: u64, entry: Entry, actual: Option<Output>, context: Context) -> Self {
        Self { line, entry, actual, context }
    }

    /// The names of what was recorded and of what came out that is not the same, packet by packet.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.context.version.unwrap_or(ProtocolVersion::V5);
        let recorded = lines(self.entry.output.as_ref(), version);
        let actual = lines(self.actual.as_ref(), version);
        let same = recorded.iter().zip(&actual).take_while(|(recorded, actual)| recorded == actual).count();
        if same > 0 {
            writeln!(f, "  the same      {same} packet(s) before")?;
        }
        writeln!(f, "  recorded      {}", recorded.get(same).map_or("nothing", String::as_str))?;
        writeln!(f, "  came out      {}", actual.get(same).map_or("nothing", String::as_str))?;
        if let (Some(Output::Transmit { bytes }), Some(Output::Transmit { bytes: actual })) =
            (&self.entry.output, &self.actual)
        {
            let at =
                bytes.iter().zip(actual.iter()).take_while(|(recorded, actual)| recorded == actual).count();
            writeln!(
                f,
                "  first at byte {at} of {} recorded and {} that came out",
                bytes.len(),
                actual.len()
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, entry, .. } = self;
        let what = entry.input.as_ref().map_or("what was polled", |_| "the answer of a call");
        writeln!(f, "line {line}, at {}: {what} differs", seconds(entry.at))?;
        self.describe(f)?;
        if entry.input.is_some() {
            writeln!(f, "  the call      {}", summary(entry, self.context.version))?;
        }
        self.context.fmt(f)
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.map_or_else(|| "not begun".into(), |state| name_of(&state));
        write!(f, "after line {}, at {}: {state}", self.line, seconds(self.at))?;
        if let Some(version) = self.version {
            write!(f, ", MQTT {version}")?;
        }
        writeln!(f, ", network connection {}", self.attempt)?;
        writeln!(f, "  in flight     {}", self.in_flight)?;
        writeln!(f, "  queued        {}", self.queued)?;
        match &self.deadline {
            Some((at, timer)) => writeln!(f, "  next deadline {timer} at {}", seconds(*at))?,
            None => writeln!(f, "  next deadline none")?,
        }
        let first = self.line.saturating_sub(self.recent.len() as u64) + 1;
        for (line, entry) in (first..).zip(&self.recent) {
            writeln!(f, "  line {line:<8} {} {}", seconds(entry.at), summary(entry, self.version))?;
        }
        Ok(())
    }
}

/// Micro-seconds as seconds.
fn seconds(micros: u64) -> String {
    format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}

/// How much of an entry is shown on its line.
const LONGEST: usize = 300;

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// An entry in one line, its packets decoded as far as they are whole.
fn summary(entry: &Entry, version: Option<ProtocolVersion>) -> String {
    let version = version.unwrap_or(ProtocolVersion::V5);
    let mut parts = Vec::new();
    match &entry.input {
        Some(Input::Received { bytes, .. }) => {
            parts.push(format!("received {}", packets(bytes, version, Sender::Server).join(", ")));
        }
        Some(input) => parts.push(json(input)),
        None => {}
    }
    if entry.output.is_some() {
        parts.push(format!("→ {}", lines(entry.output.as_ref(), version).join(", ")));
    }
    cut(parts.join(" "))
}

/// An output, one line for each of its packets.
fn lines(output: Option<&Output>, version: ProtocolVersion) -> Vec<String> {
    match output {
        None => Vec::new(),
        Some(Output::Transmit { bytes }) if bytes.is_empty() => vec!["nothing to send".to_owned()],
        Some(Output::Transmit { bytes }) => packets(bytes, version, Sender::Client),
        Some(output) => vec![json(output)],
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| error.to_string())
}

/// The packets that `bytes` have, as JSON; what is none as hexadecimal digits.
fn packets(bytes: &[u8], version: ProtocolVersion, sender: Sender) -> Vec<String> {
    let mut rest = bytes;
    let mut packets = Vec::new();
    while let Some((packet, size)) = first_packet(rest, version, sender) {
        packets.push(packet.to_string());
        rest = &rest[size..];
    }
    if !rest.is_empty() {
        packets.push(hex::encode(rest));
    }
    packets
}

fn first_packet(bytes: &[u8], version: ProtocolVersion, sender: Sender) -> Option<(Value, usize)> {
    let header = FixedHeader::parse(bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE).ok()??;
    let size = header.packet_size();
    let body = bytes.get(usize::from(header.header_length)..size)?;
    let packet = Packet::decode(header, body, version, sender).ok()?;
    Some((sterna_json::to_json(&packet, version), size))
}
