//! Every wire vector of `tests/vectors`, through the decoder, the JSON and the encoder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sterna_core::packet::{
    DecodeError, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender,
};

/// So that the files cannot vanish and nobody notice.
const LEAST_FILES: usize = 9;
const LEAST_VECTORS: usize = 2000;

struct Vector {
    /// File, line and name.
    label: String,
    version: ProtocolVersion,
    sender: Sender,
    bytes: Vec<u8>,
    expected: Expected,
}

enum Expected {
    Packet { json: Value, reencoded: Vec<u8> },
    Error { statement: String, reason: u64 },
    Incomplete,
}

#[test]
fn every_vector_decodes_as_it_says() {
    let complaints = check_all(|vector| match (&vector.expected, decode(&vector.bytes, vector)) {
        (Expected::Packet { json, .. }, Ok(Some(packet))) => {
            let found = sterna_json::to_json(&packet, version_of(&packet, vector));
            differ(json, &found)
        }
        (Expected::Error { statement, reason }, Err(error)) => {
            let expected = (statement.as_str(), *reason);
            differ(&expected, &(error.statement(vector.version), u64::from(error.reason().value())))
        }
        (Expected::Incomplete, Ok(None)) => None,
        (_, Ok(found)) => Some(format!("decoded to {found:?}")),
        (_, Err(error)) => Some(format!("refused: {error} [{}]", error.statement(vector.version))),
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn packets_are_written_back_to_the_same_bytes_or_their_shortest_form() {
    let complaints = check_all(|vector| {
        let Expected::Packet { json, reencoded } = &vector.expected else {
            return None;
        };
        match sterna_json::from_json(json, vector.version) {
            Ok(bytes) => differ(&hex::encode(reencoded), &hex::encode(bytes)),
            Err(error) => Some(format!("refused: {error}")),
        }
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_packet_cut_anywhere_is_incomplete_and_never_an_error() {
    let complaints = check_all(|vector| {
        let Expected::Packet { .. } = vector.expected else {
            return None;
        };
        let prefixes = (0..vector.bytes.len()).map(|length| &vector.bytes[..length]);
        let mut wrong = prefixes.filter(|prefix| !matches!(decode(prefix, vector), Ok(None)));
        wrong.next().map(|prefix| format!("cut to {} bytes it is not incomplete", prefix.len()))
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What `check` says about each vector it is not content with.
fn check_all(check: impl Fn(&Vector) -> Option<String>) -> Vec<String> {
    let complaint = |vector: &Vector| check(vector).map(|text| format!("{}: {text}", vector.label));
    read_all().iter().filter_map(complaint).collect()
}

fn differ<T: PartialEq + std::fmt::Debug>(expected: &T, found: &T) -> Option<String> {
    (expected != found).then(|| format!("\n  expected {expected:?}\n  found    {found:?}"))
}

fn decode<'a>(bytes: &'a [u8], vector: &Vector) -> Result<Option<Packet<'a>>, DecodeError> {
    let Some(header) = FixedHeader::parse(bytes, vector.version, PROTOCOL_MAXIMUM_PACKET_SIZE)? else {
        return Ok(None);
    };
    let Some(body) = bytes.get(usize::from(header.header_length)..header.packet_size()) else {
        return Ok(None);
    };
    assert_eq!(header.packet_size(), bytes.len(), "{}: more than one packet", vector.label);
    Packet::decode(header, body, vector.version, vector.sender).map(Some)
}

fn version_of(packet: &Packet<'_>, vector: &Vector) -> ProtocolVersion {
    if let Packet::Connect(connect) = packet { connect.version } else { vector.version }
}

fn read_all() -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    assert!(files.len() >= LEAST_FILES, "only {} files of vectors in {}", files.len(), folder.display());

    let mut names = BTreeSet::new();
    let mut vectors = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a readable file");
        for (index, line) in text.lines().enumerate() {
            let json: Value = serde_json::from_str(line).expect("one JSON object a line");
            let name = json["name"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "two vectors are called {name}");
            let file = file.file_name().unwrap_or_default().display();
            vectors.push(read(format!("{file}:{}: {name}", index + 1), json));
        }
    }
    assert!(vectors.len() >= LEAST_VECTORS, "only {} vectors", vectors.len());
    vectors
}

/// Takes a vector apart, and panics where it is not as the README says.
fn read(label: String, mut json: Value) -> Vector {
    let fields = json.as_object_mut().expect("an object");
    let mut take = |name: &str| fields.shift_remove(name);
    let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
    let bytes = |value| hex::decode(text(value).expect("hexadecimal digits")).expect("hexadecimal digits");

    take("name");
    let version = match text(take("protocol")).as_deref() {
        Some("3.1") => ProtocolVersion::V3_1,
        Some("3.1.1") => ProtocolVersion::V3_1_1,
        Some("5") => ProtocolVersion::V5,
        other => panic!("{label}: protocol {other:?}"),
    };
    let sender = match text(take("sender")).as_deref() {
        Some("client") => Sender::Client,
        Some("server") => Sender::Server,
        other => panic!("{label}: sender {other:?}"),
    };
    let wire = bytes(take("hex"));
    let mut statement = text(take("statement"));
    let expected = match (take("packet"), take("error"), take("incomplete")) {
        (Some(json), None, None) => {
            let canonical = take("canonical").and_then(|value| value.as_bool()).expect("canonical");
            let reencoded = if canonical { wire.clone() } else { bytes(take("reencoded")) };
            assert!(canonical || reencoded != wire, "{label}: canonical after all");
            Expected::Packet { json, reencoded }
        }
        (None, Some(error), None) => {
            statement = text(error.get("statement").cloned());
            let reason = error["reason_code"].as_u64().expect("a reason code");
            Expected::Error { statement: statement.clone().unwrap_or_default(), reason }
        }
        (None, None, Some(Value::Bool(true))) => Expected::Incomplete,
        _ => panic!("{label}: neither a packet, nor an error, nor incomplete"),
    };
    let statement = statement.unwrap_or_default();
    assert!(statement.starts_with("MQTT-") || statement.contains('§'), "{label}: statement {statement:?}");
    assert!(fields.is_empty(), "{label}: unknown fields {fields:?}");
    Vector { label, version, sender, bytes: wire, expected }
}
