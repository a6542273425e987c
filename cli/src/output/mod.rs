//! How received messages are printed.

mod format;
mod json;
mod time;

use std::fmt::Write;

use clap::{Args, ValueEnum};
use data_encoding::BASE64;
use sterna_client::Message;

use self::format::Format;
use self::time::Moment;
use crate::exit::say;

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print the topic before the payload
    #[arg(short, long)]
    verbose: bool,
    /// Put no line end behind a message
    #[arg(short = 'N', long = "no-newline")]
    no_newline: bool,
    /// Print each message as this says: %t topic, %p payload, %x and %X payload in hexadecimal digits, %l its length, %q
    /// QoS, %r retained, %m packet identifier, %j JSON, %J JSON with a payload of JSON, %I the time, %U seconds since
    /// 1970, @H and so on for strftime, MQTT 5: %A topic alias, %C content type, %D correlation data, %E expiry, %F
    /// payload format, %P user properties, %R response topic, %S subscription identifier; %-10t and %010l for widths,
    /// %.5t cut off, \n \t \e \0 and so on
    #[arg(short = 'F', long = "format", value_name = "FORMAT", value_parser = Format::parse, conflicts_with = "output")]
    format: Option<Format>,
    /// Print each payload so
    #[arg(long, value_enum, default_value = "raw")]
    output: Encoding,
    /// JSON over several lines
    #[arg(long)]
    pretty: bool,
}

/// How a payload is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Encoding {
    /// The bytes as they are
    Raw,
    /// Text, in which what is none is escaped: safe for terminals
    Text,
    /// Hexadecimal digits
    Hex,
    /// Base64
    Base64,
    /// One JSON object a line, with topic, QoS, time and properties; base64 of a payload that is no text
    Json,
    /// The same over several lines, with a payload of JSON as such
    Pretty,
}

/// What is the same for everything that is printed of one message.
struct Occasion {
    moment: Moment,
    pretty: bool,
    /// Whether the user gave the subscription an identifier. If not, those of the messages are the client's own.
    identified: bool,
}

impl OutputOptions {
    /// Appends what is printed for a message. Says so on standard error where a message cannot be printed like that.
    /// `identified`: the user gave the subscription an identifier.
    pub(crate) fn print(&self, message: &Message, identified: bool, output: &mut Vec<u8>) {
        let pretty = self.pretty || self.output == Encoding::Pretty;
        let occasion = || Occasion { moment: Moment::now(), pretty, identified };
        let result = match (&self.format, self.output) {
            (Some(format), _) => format.print(message, &occasion(), output),
            (None, Encoding::Json) => json::print(message, &occasion(), json::Payload::Text, output),
            (None, Encoding::Pretty) => json::print(message, &occasion(), json::Payload::Any, output),
            (None, encoding) => {
                if self.verbose {
                    output.extend_from_slice(message.topic().as_bytes());
                    output.push(b' ');
                }
                encoding.write(message.payload(), output);
                Ok(())
            }
        };
        if let Err(error) = result {
            say(format_args!("topic {}: {error}", message.topic()));
        }
        if !self.no_newline {
            output.push(b'\n');
        }
    }
}

impl Encoding {
    fn write(self, payload: &[u8], output: &mut Vec<u8>) {
        match self {
            Self::Text => output.extend_from_slice(escape(payload).as_bytes()),
            Self::Hex => output.extend_from_slice(hex::encode(payload).as_bytes()),
            Self::Base64 => output.extend_from_slice(BASE64.encode(payload).as_bytes()),
            Self::Raw | Self::Json | Self::Pretty => output.extend_from_slice(payload),
        }
    }
}

/// Text as it is, with control characters and bytes that are no text as `\x1b`.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\t' => text.push(character),
                '\\' => text.push_str("\\\\"),
                _ if character.is_control() => text.extend(character.escape_default()),
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CLI-02
    #[test]
    fn text_for_a_terminal_cannot_drive_it() {
        assert_eq!(escape("a\u{1b}[2J\u{e4}\n".as_bytes()), "a\\u{1b}[2J\u{e4}\n");
        assert_eq!(escape(b"\xff\\x\0"), "\\xff\\\\x\\u{0}");
    }
}
