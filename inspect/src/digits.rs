//! Hexadecimal digits: packets somebody copied from a log, or what `xxd` and `hexdump -C` print.

use sterna_core::packet::{
    FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, ProtocolVersion, Sender,
};

use crate::splitter::{Found, Splitter};
use crate::timeline::{Builder, Carrier, Clock, Connection, Timeline, decode};

/// How digits are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct HexOptions {
    /// The version before the first CONNECT; without one, what fits the packets.
    pub version: Option<ProtocolVersion>,
    /// Who sent what does not say so; without one, whoever may send it.
    pub sender: Option<Sender>,
}

/// The text is no hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{word}` is no hexadecimal digits")]
pub struct HexError {
    /// Counted from 1.
    pub line: usize,
    /// The word that is none.
    pub word: String,
}

/// Makes a time-line of packets in hexadecimal digits, which has no times: entry by entry as they stand.
///
/// White space does not count, and a word may begin with `0x`. A word `>` says that the client sent what follows, `<`
/// that the server did. Lines as `xxd` and `hexdump -C` print them are understood. A line that begins with `#` is a
/// comment.
///
/// # Errors
/// A word that is neither digits nor one of these signs. Bytes that are no packets are none: the time-line shows them.
pub fn read_hex(text: &str, options: HexOptions) -> Result<Timeline, HexError> {
    let mut out = Builder::new(Clock::Order);
    let connection = Connection::new("client".to_owned(), "server".to_owned(), Carrier::Tcp);
    let Some(connection) = out.connection(connection) else { return Ok(Timeline::default()) };
    if let Some(version) = options.version {
        out.set_version(connection, version);
    }
    let mut time = 0;
    for (sender, bytes) in runs(text, options.sender)? {
        match sender {
            Some(sender) => read_run(&mut time, connection, sender, &bytes, &mut out),
            None => read_undirected(&mut time, connection, &bytes, &mut out),
        }
    }
    Ok(out.finish())
}

/// The bytes between two signs, and who sent them.
type Run = (Option<Sender>, Vec<u8>);

/// All of them, in order.
fn runs(text: &str, first: Option<Sender>) -> Result<Vec<Run>, HexError> {
    let mut runs = Vec::new();
    let mut sender = first;
    let mut digits = String::new();
    let mut place = (1, String::new());
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for word in without_dump(line).split_whitespace() {
            let error = || HexError { line: index + 1, word: word.chars().take(40).collect() };
            let next = match word {
                ">" => Some(Sender::Client),
                "<" => Some(Sender::Server),
                _ => None,
            };
            if next.is_some() {
                runs.push((sender, unhex(&digits, &place)?));
                digits.clear();
                sender = next;
                continue;
            }
            let word = word.strip_prefix("0x").or(word.strip_prefix("0X")).unwrap_or(word);
            if !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(error());
            }
            digits.push_str(word);
            place = (index + 1, word.chars().take(40).collect());
        }
    }
    runs.push((sender, unhex(&digits, &place)?));
    Ok(runs)
}

/// An odd digit stands at `place`, the last word.
fn unhex(digits: &str, place: &(usize, String)) -> Result<Vec<u8>, HexError> {
    hex::decode(digits).map_err(|_| HexError { line: place.0, word: place.1.clone() })
}

/// The digits of a line of `xxd` or `hexdump -C`: without the offset, and without the characters at its end.
fn without_dump(line: &str) -> &str {
    let is_offset = |word: &str| word.len() >= 7 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some((offset, rest)) = line.split_once(": ")
        && is_offset(offset.trim())
    {
        return rest.split("  ").next().unwrap_or_default();
    }
    if let Some((digits, _)) = line.split_once('|') {
        return digits.split_once(' ').map_or("", |(_, digits)| digits);
    }
    // The last line of a dump is its length.
    if line.trim().len() == 8 && line.starts_with("0000") { "" } else { line }
}

fn read_run(time: &mut u64, connection: usize, sender: Sender, bytes: &[u8], out: &mut Builder) {
    let mut splitter = Splitter::new(sender);
    let mut found = Vec::new();
    let version = out.version(connection);
    splitter.receive(bytes, version, &mut |what| found.push(what));
    splitter.finish(version, &mut |what| found.push(what));
    for what in found {
        out.found(*time, connection, sender, what);
        *time += 1;
    }
}

/// Packets that may come from either side.
fn read_undirected(time: &mut u64, connection: usize, bytes: &[u8], out: &mut Builder) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let version = out.version(connection);
        let header = FixedHeader::parse(rest, version.unwrap_or_default(), PROTOCOL_MAXIMUM_PACKET_SIZE);
        let packet = match header {
            Ok(Some(header)) => rest.get(..header.packet_size()).map(|packet| (packet, header.packet_type)),
            _ => None,
        };
        let Some((packet, packet_type)) = packet else {
            read_run(time, connection, Sender::Client, rest, out);
            return;
        };
        let sender = likely_sender(packet, packet_type, version.unwrap_or_default());
        out.found(*time, connection, sender, Found::Packet(packet.to_vec()));
        *time += 1;
        rest = &rest[packet.len()..];
    }
}

/// The side that may send it; for what both may send, the client, if the packet is lawful from it.
fn likely_sender(bytes: &[u8], packet_type: PacketType, version: ProtocolVersion) -> Sender {
    let may = |sender: Sender| -> Option<Packet<'_>> { decode(bytes, version, sender).ok() };
    match packet_type {
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            Sender::Server
        }
        _ if may(Sender::Client).is_none() && may(Sender::Server).is_some() => Sender::Server,
        _ => Sender::Client,
    }
}
