//! Bytes of MQTT packets as people read them, as far as a piece of a stream tells.

use std::fmt::Write;

const NAMES: [&str; 16] = [
    "?",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// The packets at the start of `bytes`, and how many bytes are left over.
pub(super) fn describe(mut bytes: &[u8]) -> String {
    let mut text = format!("{} bytes:", bytes.len());
    while let Some((first, header, size)) = split(bytes) {
        let (packet, rest) = bytes.split_at(size);
        let body = packet.get(header..).unwrap_or_default();
        let kind = usize::from(first >> 4);
        let _ = write!(text, " {}", NAMES[kind]);
        match kind {
            3 => describe_publish(first, body, &mut text),
            2 => {
                let _ = write!(text, "{:02x?}", body.get(..2).unwrap_or_default());
            }
            14 | 15 => {
                let _ = write!(text, "{:02x?}", body.first());
            }
            4..=11 => {
                let _ = write!(
                    text,
                    "({}{})",
                    word(body),
                    if body.len() > 2 && kind < 8 { ", with a reason" } else { "" }
                );
            }
            _ => {}
        }
        bytes = rest;
    }
    if !bytes.is_empty() {
        let _ = write!(text, " and {} bytes {:02x?}", bytes.len(), &bytes[..bytes.len().min(8)]);
    }
    text
}

fn describe_publish(first: u8, body: &[u8], text: &mut String) {
    let length = usize::from(word(body));
    let topic = String::from_utf8_lossy(body.get(2..2 + length).unwrap_or_default());
    let rest = body.get(2 + length..).unwrap_or_default();
    let qos = first >> 1 & 3;
    let (id, rest) = if qos > 0 { (word(rest), rest.get(2..).unwrap_or_default()) } else { (0, rest) };
    let payload = String::from_utf8_lossy(rest);
    let payload = payload.trim_matches(|letter: char| letter.is_control() || letter == ' ');
    let short: String = payload.chars().filter(|letter| !letter.is_control()).take(24).collect();
    let duplicate = if first & 8 > 0 { " DUP" } else { "" };
    let retained = if first & 1 > 0 { " RETAIN" } else { "" };
    let _ = write!(text, "({id}{duplicate}{retained} QoS {qos} {topic} {short})");
}

fn word(bytes: &[u8]) -> u16 {
    bytes.get(..2).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// First byte, length of the fixed header and of the whole packet, if it is there.
fn split(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *bytes.first()?;
    let mut length = 0;
    for (index, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let size = index + 2 + length;
            return (size <= bytes.len()).then_some((first, index + 2, size));
        }
    }
    None
}
