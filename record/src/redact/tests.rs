//! What is redacted, and what stays.

use sterna_core::packet::{
    Connect, Disconnect, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties, PropertiesBuf,
    Property, ProtocolVersion, Publish, QoS, ReasonCode, Sender, Will,
};
use sterna_core::topic;

use super::names::Names;
use super::{Key, Kind, Redactor, Values};
use crate::data::Hex;
use crate::entry::{Connected, End, Entry, Input, Output};
use crate::header::Redacted;

const V5: ProtocolVersion = ProtocolVersion::V5;
const ALL: Redacted = Redacted { secrets: true, user_names: true, topics: true, payloads: true };

fn values(redacted: Redacted) -> Values {
    Values { redacted, names: Names::new(&Key::new([7; 32])), farewell: None }
}

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &[u8], sender: Sender) -> Packet<'_> {
    let header = FixedHeader::parse(bytes, V5, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
    Packet::decode(header, &bytes[usize::from(header.header_length)..], V5, sender).unwrap()
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

fn publish(payload: &str) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ResponseTopic("private/answers")).unwrap();
    properties.push(Property::CorrelationData(b"ticket-77")).unwrap();
    properties.push(Property::UserProperty { name: "patient", value: "Mrs Smith" }).unwrap();
    encode(&Packet::Publish(Publish {
        duplicate: false,
        qos: QoS::AtLeastOnce,
        retain: true,
        topic: "ward/3/bed",
        packet_id: 9,
        properties: properties.as_properties(),
        payload: payload.as_bytes(),
    }))
}

fn connect() -> Vec<u8> {
    encode(&Packet::Connect(Connect {
        version: V5,
        bridge: false,
        clean_start: true,
        keep_alive: 60,
        properties: Properties::EMPTY,
        client_id: "monitor",
        will: Some(Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: "ward/gone",
            payload: b"farewell",
        }),
        user_name: Some("nurse"),
        password: Some(b"thunder"),
    }))
}

// R: DET-01
#[test]
fn a_connect_shows_no_password_and_on_request_nothing_private() {
    let mut bytes = connect();
    values(Redacted { secrets: true, ..Redacted::default() }).sent(&mut bytes, V5);
    let Packet::Connect(decoded) = decode(&bytes, Sender::Client) else { panic!() };
    assert_eq!((decoded.user_name, decoded.password), (Some("nurse"), Some(&b"*******"[..])));
    assert_eq!(decoded.will.unwrap().topic, "ward/gone");

    let mut bytes = connect();
    let length = bytes.len();
    assert_eq!(values(ALL).sent(&mut bytes, ProtocolVersion::V3_1_1), Some(V5));
    assert_eq!(bytes.len(), length);
    for private in ["nurse", "thunder", "ward", "gone", "farewell"] {
        assert!(!contains(&bytes, private), "{private}");
    }
    let Packet::Connect(decoded) = decode(&bytes, Sender::Client) else { panic!() };
    assert_eq!(decoded.client_id, "monitor");
}

// R: DET-01
#[test]
fn a_publish_keeps_its_lengths_and_its_meaning() {
    let original = publish("97 beats");
    let mut bytes = original.clone();
    values(ALL).sent(&mut bytes, V5);
    assert_eq!(bytes.len(), original.len());
    for private in ["ward", "bed", "97 beats", "private", "answers", "ticket", "patient", "Smith"] {
        assert!(!contains(&bytes, private), "{private}");
    }
    let Packet::Publish(decoded) = decode(&bytes, Sender::Client) else { panic!() };
    assert_eq!((decoded.packet_id, decoded.retain, decoded.payload.len()), (9, true, 8));
    assert_eq!(decoded.topic.split('/').map(str::len).collect::<Vec<_>>(), [4, 1, 3]);
    // And the same goes for a message of the same content.
    let mut again = original;
    values(ALL).sent(&mut again, V5);
    assert_eq!(again, bytes, "the key alone decides");
}

// R: DET-01
#[test]
fn a_filter_matches_what_it_matched() {
    let mut values = values(ALL);
    let mut hidden = |text: &str| values.hidden_text(Kind::Topic, text);
    let names = [
        "a",
        "a/b",
        "a/b/c",
        "b/b",
        "$SYS/broker/load",
        "/",
        "a//c",
        "straße/büro",
        "measurement/of/something/long",
    ];
    let filters = [
        "a",
        "a/+",
        "a/#",
        "+/b",
        "#",
        "+",
        "$SYS/#",
        "/+",
        "a//+",
        "straße/+",
        "+/of/#",
        "$share/group/a/+",
        "$share/group/#",
    ];
    for filter in filters {
        let redacted = hidden(filter);
        assert_eq!(redacted.len(), filter.len());
        assert_eq!(topic::validate_filter(&redacted), Ok(()), "{filter} → {redacted}");
        for name in names {
            assert_eq!(
                topic::matches(&redacted, &hidden(name)),
                topic::matches(filter, name),
                "{filter} {name}"
            );
        }
    }
    assert_eq!(hidden("$share/g/a").split('/').next(), Some("$share"));
    assert_eq!(hidden("a+b\0c").matches(['+', '\0']).collect::<String>(), "+\0", "what is unlawful stays so");
}

// R: DET-01
#[test]
fn short_levels_stay_apart() {
    let mut values = values(ALL);
    let letters = (b'!'..=b'~').map(char::from).filter(|letter| !"/+#$".contains(*letter));
    let mut hidden: Vec<_> =
        letters.map(|letter| values.hidden_text(Kind::Topic, &letter.to_string())).collect();
    let numbers: Vec<_> = (0..20_000).map(|n| values.hidden_text(Kind::Topic, &n.to_string())).collect();
    hidden.extend(numbers);
    let count = hidden.len() - 10; // The digits come twice.
    hidden.sort();
    hidden.dedup();
    assert_eq!(hidden.len(), count);
}

/// Runs entries through a redactor.
fn redact(redacted: Redacted, limit: usize, entries: Vec<Entry>) -> Vec<Entry> {
    let mut redactor = Redactor::new(redacted, &Key::new([7; 32]), limit);
    let mut written = Vec::new();
    for entry in entries {
        let goes_on = redactor.entry(entry, &mut |entry| {
            written.push(entry.clone());
            Ok(())
        });
        if !goes_on.unwrap() {
            break;
        }
    }
    written
}

fn received(at: u64, bytes: &[u8]) -> Entry {
    Entry::input(at, Input::Received { bytes: Hex::copy(bytes), cleared: false }, Some(Output::Missing(1)))
}

fn session(pieces: Vec<Entry>) -> Vec<Entry> {
    let mut entries = vec![
        Entry::input(1, Input::Connected(Connected { attempt: 1, ..Connected::default() }), None),
        Entry::output(1, Output::Transmit { bytes: connect().into() }),
    ];
    entries.extend(pieces);
    entries.push(Entry::output(99, Output::End(End::Closed)));
    entries
}

// R: DET-01
#[test]
fn a_packet_in_pieces_is_redacted_as_a_whole() {
    let mut stream = publish("97 beats");
    stream.extend(publish("103 beats"));
    let mut whole = stream.clone();
    values(ALL).sent(&mut whole, V5);
    for size in 1..stream.len() {
        let pieces = stream.chunks(size).zip(2..).map(|(piece, at)| received(at, piece)).collect();
        let entries = session(pieces);
        let written = redact(ALL, 1 << 20, entries.clone());
        assert_eq!(written.len(), entries.len());
        assert!(
            written.iter().zip(&entries).all(|(written, entry)| written.at == entry.at),
            "in their order"
        );
        let bytes = written.iter().filter_map(|entry| match &entry.input {
            Some(Input::Received { bytes, .. }) => Some(bytes.to_vec()),
            _ => None,
        });
        assert_eq!(bytes.collect::<Vec<_>>().concat(), whole, "pieces of {size}");
    }
}

// R: DET-01
#[test]
fn what_never_becomes_a_packet_is_not_shown() {
    let bytes = publish("97 beats");
    let pieces = vec![received(2, &bytes[..bytes.len() - 1])];
    let written = redact(ALL, 1 << 20, session(pieces));
    let Some(Input::Received { bytes: shown, .. }) = &written[2].input else { panic!() };
    assert_eq!(shown.len(), bytes.len() - 1);
    assert_eq!(shown[..2], bytes[..2], "the fixed header says what was missing");
    assert!(shown[2..].iter().all(|byte| *byte == 0));
}

// R: DET-01
#[test]
fn holding_back_is_bounded_and_only_done_where_it_must_be() {
    let bytes = publish(&"x".repeat(10_000));
    let pieces =
        |bytes: &[u8]| bytes.chunks(100).zip(2..).map(|(piece, at)| received(at, piece)).collect::<Vec<_>>();
    let half = &bytes[..5_000];
    let written = redact(ALL, 4_000, session(pieces(half)));
    assert_eq!(written.last().unwrap().output, Some(Output::End(End::Overflow)));
    assert!(!written.iter().any(|entry| matches!(entry.input, Some(Input::Received { .. }))));
    let secrets = Redacted { secrets: true, ..Redacted::default() };
    let written = redact(secrets, 4_000, session(pieces(half)));
    assert_eq!(written.last().unwrap().output, Some(Output::End(End::Closed)), "a PUBLISH has no secrets");
    assert_eq!(written.len(), 2 + 50 + 1);
}

// R: DET-01
#[test]
fn a_malformed_packet_fails_in_the_same_way_and_hides_its_payload() {
    let mut bytes = publish("97 beats");
    let topic = bytes.windows(4).position(|part| part == b"ward").unwrap();
    bytes[topic + 1] = b'#';
    let written = redact(ALL, 1 << 20, session(vec![received(2, &bytes)]));
    let Some(Input::Received { bytes: shown, .. }) = &written[2].input else { panic!() };
    let fails = |bytes: &[u8]| {
        let header = FixedHeader::parse(bytes, V5, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
        Packet::decode(header, &bytes[usize::from(header.header_length)..], V5, Sender::Server).unwrap_err()
    };
    assert_eq!(fails(shown), fails(&bytes));
    assert!(!contains(shown, "beats") && !contains(shown, "Smith"));
}

/// What the connection says of a server's fault is no secret, and a replay says it again.
// R: DET-01
#[test]
fn only_the_applications_own_farewell_is_hidden() {
    let farewell = |text: &str| {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::ReasonString(text)).unwrap();
        properties
    };
    let mut values = values(ALL);
    values.disconnects(&crate::data::PropertyList(farewell("gone to ward 3")));
    for (text, is_hidden) in [("gone to ward 3", true), ("not a packet [MQTT-2.1.3-1]", false)] {
        let properties = farewell(text);
        let properties = properties.as_properties();
        let mut bytes =
            encode(&Packet::Disconnect(Disconnect { reason: ReasonCode::MALFORMED_PACKET, properties }));
        values.sent(&mut bytes, V5);
        assert_eq!(contains(&bytes, text), !is_hidden, "{text}");
    }
}
