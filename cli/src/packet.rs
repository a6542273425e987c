//! `sterna packet decode` and `sterna packet encode`: hexadecimal digits to JSON lines, and back.

use std::io::{self, BufRead, Read, Write};

use clap::{Args, Subcommand};
use sterna_core::packet::{
    DecodeError, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, ProtocolVersion, Sender,
};

use crate::args::{Protocol, Side};
use crate::exit::Failure;

const DECODE_EXAMPLES: &str = "\
Exit status: 0 all decoded, 1 a malformed packet, 2 wrong usage or no hexadecimal digits, 3 the input ends inside a packet. \
The packets before the place of an error are printed all the same.

Examples:
  sterna packet decode 300700036162632121
  sterna packet decode --protocol 3.1.1 --sender client 320c0003612f62000a48656c6c6f
  xxd -p capture.bin | sterna packet decode";

const ENCODE_EXAMPLES: &str = "\
Exit status: 0 all encoded, 1 a line is no packet, 2 wrong usage. The packets before that line are printed all the same.

Examples:
  echo '{\"packet\": \"PINGREQ\"}' | sterna packet encode
  sterna packet decode d000 | sterna packet encode";

/// Control packets as JSON, and back.
#[derive(Debug, Subcommand)]
pub(crate) enum PacketCommand {
    /// Print the packets in hexadecimal digits as JSON, one object a line.
    #[command(after_help = DECODE_EXAMPLES)]
    Decode(DecodeArguments),
    /// Print the packets in JSON lines from standard input in hexadecimal digits, one packet a line.
    #[command(after_help = ENCODE_EXAMPLES)]
    Encode(EncodeArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArguments {
    /// Protocol version [default: that of the last CONNECT in the input, 5 before the first one]
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// Who sent the packets [default: whichever side may send them]
    #[arg(long, value_enum)]
    sender: Option<Side>,
    /// Hexadecimal digits of one or more packets; white space and a leading 0x are ignored; none, or -, reads
    /// standard input
    #[arg(value_name = "HEX")]
    hex: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EncodeArguments {
    /// Protocol version [default: that of the last CONNECT in the input, 5 before the first one]
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
}

/// Carries out a subcommand of `sterna packet`.
pub(crate) fn run(command: &PacketCommand) -> Result<(), Failure> {
    match command {
        PacketCommand::Decode(arguments) => decode(arguments),
        PacketCommand::Encode(arguments) => encode(arguments),
    }
}

fn decode(arguments: &DecodeArguments) -> Result<(), Failure> {
    let bytes = parse_hex(&read_hex(&arguments.hex)?)?;
    let mut version = VersionInUse::new(arguments.protocol);
    let mut output = io::stdout().lock();
    let mut offset = 0;
    while let Some(input) = bytes.get(offset..).filter(|input| !input.is_empty()) {
        match decode_first(input, version.get(), arguments.sender.map(Sender::from)) {
            Ok(Some((packet, size))) => {
                let json = sterna_json::to_json(&packet, version.note(&packet));
                writeln!(output, "{json}").map_err(|error| Failure::of_output(&error))?;
                offset += size;
            }
            Ok(None) => {
                let length = input.len();
                return Err(Failure::Incomplete(format!(
                    "the packet at byte {offset} is incomplete: {length} bytes are not all of it"
                )));
            }
            Err(error) => {
                let statement = error.statement(version.get());
                return Err(Failure::Failed(format!("the packet at byte {offset}: {error} [{statement}]")));
            }
        }
    }
    Ok(())
}

fn encode(arguments: &EncodeArguments) -> Result<(), Failure> {
    let mut version = VersionInUse::new(arguments.protocol);
    let mut output = io::stdout().lock();
    for (index, line) in io::stdin().lock().lines().enumerate() {
        let at_line = |error: &dyn std::fmt::Display| Failure::Failed(format!("line {}: {error}", index + 1));
        let line = line.map_err(|error| at_line(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        let json = serde_json::from_str(&line).map_err(|error| at_line(&error))?;
        let bytes = sterna_json::from_json(&json, version.get()).map_err(|error| at_line(&error))?;
        writeln!(output, "{}", hex::encode(&bytes)).map_err(|error| Failure::of_output(&error))?;
        if let Ok(Some((packet, _))) = decode_first(&bytes, version.get(), None) {
            version.note(&packet);
        }
    }
    Ok(())
}

/// The protocol version of the next packet: the one asked for, or else that of the last CONNECT.
struct VersionInUse {
    asked_for: Option<ProtocolVersion>,
    connected: ProtocolVersion,
}

impl VersionInUse {
    fn new(asked_for: Option<Protocol>) -> Self {
        Self { asked_for: asked_for.map(ProtocolVersion::from), connected: ProtocolVersion::default() }
    }

    fn get(&self) -> ProtocolVersion {
        self.asked_for.unwrap_or(self.connected)
    }

    /// Takes note of the next packet, and gives that packet's own version.
    fn note(&mut self, packet: &Packet<'_>) -> ProtocolVersion {
        if let Packet::Connect(connect) = packet {
            self.connected = connect.version;
            return connect.version;
        }
        self.get()
    }
}

/// The packet at the start of `input` and its size; `None` while bytes of it are missing.
fn decode_first(
    input: &[u8],
    version: ProtocolVersion,
    sender: Option<Sender>,
) -> Result<Option<(Packet<'_>, usize)>, DecodeError> {
    let Some(header) = FixedHeader::parse(input, version, PROTOCOL_MAXIMUM_PACKET_SIZE)? else {
        return Ok(None);
    };
    let size = header.packet_size();
    let Some(body) = input.get(usize::from(header.header_length)..size) else {
        return Ok(None);
    };
    let decode_from = |sender| Packet::decode(header, body, version, sender);
    let (likely, other) = match sender {
        Some(sender) => (sender, None),
        None => possible_senders(header.packet_type),
    };
    let packet = decode_from(likely).or_else(|error| match other {
        // Where neither side may send it, the error of the likelier one says more.
        Some(other) => decode_from(other).map_err(|_| error),
        None => Err(error),
    })?;
    Ok(Some((packet, size)))
}

/// Who may send such a packet: first the side that may send the most forms of it.
fn possible_senders(packet: PacketType) -> (Sender, Option<Sender>) {
    match packet {
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
            (Sender::Client, None)
        }
        PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp => {
            (Sender::Server, None)
        }
        PacketType::Disconnect => (Sender::Client, Some(Sender::Server)),
        PacketType::Publish
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubRel
        | PacketType::PubComp
        | PacketType::Auth => (Sender::Server, Some(Sender::Client)),
    }
}

/// The digits from the command line, or from standard input.
fn read_hex(arguments: &[String]) -> Result<String, Failure> {
    if !arguments.is_empty() && arguments != ["-"] {
        return Ok(arguments.join(" "));
    }
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::Usage("standard input is not hexadecimal digits".to_owned()),
        _ => Failure::Failed(format!("standard input: {error}")),
    })?;
    Ok(text)
}

/// The bytes that words of hexadecimal digits stand for; a word may start with 0x.
fn parse_hex(text: &str) -> Result<Vec<u8>, Failure> {
    let words = text.split_whitespace();
    let digits: String =
        words.map(|word| word.strip_prefix("0x").or(word.strip_prefix("0X")).unwrap_or(word)).collect();
    hex::decode(&digits).map_err(|error| Failure::Usage(format!("hexadecimal digits: {error}")))
}
