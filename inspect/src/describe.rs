//! Packets in words: what a line of text says about them.

use serde_json::Value;
use sterna_core::packet::{Packet, PacketType, ProtocolVersion, QoS, ReasonCode};

/// How many characters of a payload stand in a line.
const PAYLOAD: usize = 200;

/// What a line says about a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// A topic name, topic filters or a client identifier.
    pub(crate) subject: String,
    pub(crate) payload: String,
    pub(crate) facts: Vec<String>,
    /// It says that something went wrong.
    pub(crate) is_error: bool,
}

/// As the specification writes it.
pub(crate) fn name(packet_type: PacketType) -> String {
    format!("{packet_type:?}").to_ascii_uppercase()
}

pub(crate) fn summary(packet: &Packet<'_>, version: ProtocolVersion) -> Summary {
    let kind = packet.packet_type();
    let mut summary = Summary::default();
    let facts = &mut summary.facts;
    match packet {
        Packet::Connect(connect) => {
            summary.subject = quoted(connect.client_id);
            facts.push(format!("MQTT {}", connect.version));
            let clean = if version == ProtocolVersion::V5 { "clean start" } else { "clean session" };
            facts.extend(connect.clean_start.then(|| clean.to_owned()));
            facts.push(format!("keep alive {} s", connect.keep_alive));
            facts.extend(connect.user_name.map(|user| format!("user {}", quoted(user))));
            facts.extend(connect.password.map(|_| "password".to_owned()));
            if let Some(will) = &connect.will {
                facts.push(format!("will {} {}", clean_text(will.topic), bytes(will.payload)));
            }
        }
        Packet::ConnAck(ack) => {
            facts.extend(ack.session_present.then(|| "session present".to_owned()));
            summary.is_error = reason(ack.reason, kind, facts);
        }
        Packet::Publish(publish) => {
            summary.subject = clean_text(publish.topic);
            summary.payload = bytes(publish.payload);
            facts.extend((publish.qos != QoS::AtMostOnce).then(|| format!("id {}", publish.packet_id)));
            facts.push(format!("QoS {}", publish.qos as u8));
            facts.extend(publish.retain.then(|| "retain".to_owned()));
            facts.extend(publish.duplicate.then(|| "DUP".to_owned()));
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            facts.push(format!("id {}", ack.packet_id));
            if ack.reason != ReasonCode::SUCCESS {
                summary.is_error = reason(ack.reason, kind, facts);
            }
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.iter();
            let filters =
                filters.map(|entry| format!("{} QoS {}", clean_text(entry.filter), entry.options.qos as u8));
            summary.subject = filters.collect::<Vec<_>>().join(", ");
            facts.push(format!("id {}", subscribe.packet_id));
        }
        Packet::Unsubscribe(unsubscribe) => {
            summary.subject = unsubscribe.filters.iter().map(clean_text).collect::<Vec<_>>().join(", ");
            facts.push(format!("id {}", unsubscribe.packet_id));
        }
        Packet::SubAck(ack) => {
            facts.push(format!("id {}", ack.packet_id));
            for code in ack.reasons.iter() {
                summary.is_error |= reason(code, kind, facts);
            }
        }
        Packet::UnsubAck(ack) => {
            facts.push(format!("id {}", ack.packet_id));
            for code in ack.reasons.iter() {
                summary.is_error |= reason(code, kind, facts);
            }
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => summary.is_error = reason(disconnect.reason, kind, facts),
        Packet::Auth(auth) => summary.is_error = reason(auth.reason, kind, facts),
    }
    facts.extend(properties(packet, version));
    summary
}

/// Adds a reason code's name; whether it is an error.
fn reason(code: ReasonCode, packet: PacketType, facts: &mut Vec<String>) -> bool {
    facts.push(code.name(packet).to_owned());
    code.is_error()
}

/// As `name=value`, in the order of the wire.
fn properties(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<String> {
    let json = redacted(packet, version);
    let lists = [json.get("properties"), json.pointer("/will/properties")];
    let properties = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let entries = properties.filter_map(Value::as_object).flatten();
    entries.map(|(name, value)| format!("{name}={}", value_text(value))).collect()
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(pair) => pair.iter().map(value_text).collect::<Vec<_>>().join(":"),
        other => other.to_string(),
    }
}

/// The packet as JSON, without its secrets.
pub(crate) fn redacted(packet: &Packet<'_>, version: ProtocolVersion) -> Value {
    let mut json = sterna_json::to_json(packet, version);
    if let Some(object) = json.as_object_mut() {
        redact(object);
        for entry in object.get_mut("properties").and_then(Value::as_array_mut).into_iter().flatten() {
            entry.as_object_mut().map(redact);
        }
    }
    json
}

/// Whether its bytes have a password or authentication data.
pub(crate) fn has_secrets(packet: &Packet<'_>) -> bool {
    match packet {
        Packet::Connect(connect) => {
            connect.password.is_some() || connect.properties.authentication_data().is_some()
        }
        Packet::ConnAck(ack) => ack.properties.authentication_data().is_some(),
        Packet::Auth(auth) => auth.properties.authentication_data().is_some(),
        _ => false,
    }
}

/// Hides the secrets in any JSON of a recording.
pub(crate) fn redact_all(value: &mut Value) {
    match value {
        Value::Object(object) => {
            redact(object);
            object.values_mut().for_each(redact_all);
        }
        Value::Array(list) => list.iter_mut().for_each(redact_all),
        _ => {}
    }
}

fn redact(object: &mut serde_json::Map<String, Value>) {
    for name in ["password", "authentication_data"] {
        for name in [name.to_owned(), format!("{name}_hex")] {
            if let Some(value) = object.get_mut(&name) {
                *value = Value::String("<redacted>".to_owned());
            }
        }
    }
}

/// Bytes in a line: text in quotes, or digits.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let shown = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => {
            let begin: String = text.chars().take(PAYLOAD).collect();
            let more = if begin.len() < text.len() { "…" } else { "" };
            return format!("{}{more}", quoted(&begin));
        }
        _ => &bytes[..bytes.len().min(PAYLOAD / 4)],
    };
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("0x{}{more}", hex::encode(shown))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", clean_text(text))
}

/// Text that cannot do anything to a terminal: control characters, and those that turn the direction of writing, are
/// escaped.
pub(crate) fn clean_text(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.extend(character.escape_default()),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => clean.extend(character.escape_unicode()),
            _ if character.is_control() => clean.extend(character.escape_unicode()),
            _ => clean.push(character),
        }
    }
    clean
}

/// A time span in a unit that suits it.
pub(crate) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        _ => format!("{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000),
    }
}

/// A date and time (UTC) from microseconds since 1970, as in RFC 3339.
pub(crate) fn date(micros: u64) -> String {
    let timestamp =
        i64::try_from(micros).ok().and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    // What no calendar has stays a number.
    timestamp.map_or_else(|| format!("{micros} µs"), |timestamp| format!("{timestamp:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_spans() {
        assert_eq!(date(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(date(951_782_400_000_001), "2000-02-29T00:00:00.000001Z");
        assert_eq!(date(1_709_251_199_999_999), "2024-02-29T23:59:59.999999Z");
        assert_eq!(date(u64::MAX), "18446744073709551615 µs");
        assert_eq!(span(999), "999 µs");
        assert_eq!(span(1_239), "1.23 ms");
        assert_eq!(span(61_050_000), "61.050 s");
    }

    // R: CLI-04
    #[test]
    fn text_does_nothing_to_a_terminal() {
        assert_eq!(clean_text("a\x1b[31m\r\n\u{202e}\u{9b}é"), "a\\u{1b}[31m\\r\\n\\u{202e}\\u{9b}é");
        assert_eq!(bytes(b"\"x\x07\""), "\"\"x\\u{7}\"\"");
        assert_eq!(bytes(b"\xff\x00"), "0xff00");
        assert!(bytes(&[b'x'; 1000]).chars().count() < PAYLOAD + 10);
    }
}
