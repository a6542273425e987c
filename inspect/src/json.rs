//! The time-line as JSON lines.

use std::io::{self, Write};

use serde_json::{Map, Value, json};
use sterna_core::packet::Sender;

use crate::filter::Filter;
use crate::timeline::{Connection, Entry, PacketEntry, Timeline, What};
use crate::{describe, filter};

/// The version of the JSON. It counts up with every change that makes a reader of the older one fail.
pub const FORMAT_VERSION: u32 = 1;

/// Writes a line about the time-line, then one for each entry that `filter` takes. `docs/show.md` in the repository
/// describes the fields. With `secrets` passwords and authentication data are written, which are redacted otherwise.
///
/// # Errors
/// Writing failed.
pub fn write_json(
    timeline: &Timeline,
    filter: &Filter,
    secrets: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut head = header(timeline);
    head.insert("connections".to_owned(), timeline.connections.iter().map(connection).collect());
    writeln!(out, "{}", Value::from(head))?;
    for index in filter.select(timeline) {
        writeln!(out, "{}", Value::from(entry(timeline, index, secrets)))?;
    }
    Ok(())
}

pub(crate) fn header(timeline: &Timeline) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("timeline".to_owned(), FORMAT_VERSION.into());
    if let Some(started) = timeline.started {
        head.insert("started".to_owned(), describe::date(started).into());
    }
    head
}

pub(crate) fn connection(connection: &Connection) -> Value {
    let mut object = Map::new();
    object.insert("client".to_owned(), connection.client.clone().into());
    object.insert("server".to_owned(), connection.server.clone().into());
    object.insert("carrier".to_owned(), connection.carrier.to_string().into());
    if let Some(version) = connection.version {
        object.insert("version".to_owned(), version.to_string().into());
    }
    if connection.is_version_guessed {
        object.insert("version_guessed".to_owned(), true.into());
    }
    if let Some(client_id) = &connection.client_id {
        object.insert("client_identifier".to_owned(), client_id.clone().into());
    }
    object.into()
}

pub(crate) fn sender_name(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "client",
        Sender::Server => "server",
    }
}

/// An entry. Indices become numbers, which begin at 1.
pub(crate) fn entry(timeline: &Timeline, index: usize, secrets: bool) -> Map<String, Value> {
    let entry: &Entry = &timeline.entries[index];
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("number", (index + 1).into());
    if timeline.is_timed {
        put("time_us", entry.time.into());
    }
    if let Some(connection) = entry.connection {
        put("connection", (connection + 1).into());
    }
    match &entry.what {
        What::Packet(packet) => put_packet(&mut object, packet, secrets),
        What::Malformed(malformed) => {
            put("kind", "malformed".into());
            put("sender", sender_name(malformed.sender).into());
            put("error", malformed.error.clone().into());
            if let Some(statement) = malformed.statement {
                put("statement", statement.into());
            }
            put("hex", hex::encode(&malformed.bytes).into());
        }
        What::Note(text) => {
            put("kind", "note".into());
            put("text", text.clone().into());
        }
        What::Local(local) => {
            put("kind", filter::kind_of(entry).into());
            put("text", local.text.clone().into());
            if !local.detail.is_null() {
                put("detail", local.detail.clone());
            }
            if let Some(queued) = local.queued {
                put("queued", queued.into());
            }
        }
    }
    object
}

fn put_packet(object: &mut Map<String, Value>, entry: &PacketEntry, secrets: bool) {
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("kind", "packet".into());
    put("sender", sender_name(entry.sender).into());
    put("version", entry.version.to_string().into());
    put("size", entry.bytes.len().into());
    let joined = &entry.joined;
    let number = |index: usize| json!(index + 1);
    let links = [
        ("exchange", joined.exchange.map(number)),
        ("answers", joined.answers.map(number)),
        ("latency_us", joined.latency.map(Value::from)),
        ("answered_by", joined.answered_by.map(number)),
        ("repeats", joined.repeats.map(number)),
    ];
    for (name, value) in links {
        if let Some(value) = value {
            put(name, value);
        }
    }
    put("in_flight", joined.in_flight.into());
    put("in_flight_to_client", joined.in_flight_to_client.into());
    if let Some(packet) = entry.packet() {
        let packet = if secrets {
            sterna_json::to_json(&packet, entry.version)
        } else {
            describe::redacted(&packet, entry.version)
        };
        put("packet", packet);
    }
}
