//! Captures of every kind, with everything that may be wrong with one.

mod support;

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;
use sterna_core::packet::{ProtocolVersion, Sender};
use sterna_inspect::{Carrier, Filter, HtmlOptions, TextOptions, Timeline, What, read_capture};
use support::{CLIENT, FORMATS, Format, LINKS, Link, SERVER, Tcp, file, lines, packet, packets, show};

const V5: ProtocolVersion = ProtocolVersion::V5;
const V4: ProtocolVersion = ProtocolVersion::V3_1_1;

fn connect(version: ProtocolVersion, id: &str) -> Vec<u8> {
    let clean = if version == V5 { "clean_start" } else { "clean_session" };
    packet(&json!({"packet":"CONNECT", clean:true, "keep_alive":30, "client_identifier":id}), version)
}

fn publish(version: ProtocolVersion, qos: u8, id: u16, payload: &str) -> Vec<u8> {
    let mut json = json!({"packet":"PUBLISH", "qos":qos, "topic_name":"home/door", "payload":payload});
    if qos > 0 {
        json["packet_identifier"] = id.into();
    }
    packet(&json, version)
}

fn ack(name: &str, id: u16, version: ProtocolVersion) -> Vec<u8> {
    packet(&json!({"packet":name, "packet_identifier":id}), version)
}

const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";
const CONNACK_4: &[u8] = b"\x20\x02\x00\x00";
const PING: &[u8] = b"\xc0\x00";

/// Connects, publishes at each QoS, and closes.
fn talk(tcp: &mut Tcp) {
    tcp.open();
    tcp.client(&connect(V5, "door"));
    tcp.server(CONNACK);
    tcp.client(&publish(V5, 1, 7, "open"));
    tcp.server(&ack("PUBACK", 7, V5));
    tcp.client(&publish(V5, 2, 8, "shut"));
    tcp.server(&ack("PUBREC", 8, V5));
    tcp.client(&ack("PUBREL", 8, V5));
    tcp.server(&ack("PUBCOMP", 8, V5));
    tcp.client(b"\xe0\x00");
    tcp.close();
}

const TALK: [&str; 12] = [
    "the TCP connection is opened",
    "1 Client CONNECT",
    "1 Server CONNACK answers 2",
    "1 Client PUBLISH",
    "1 Server PUBACK answers 4",
    "1 Client PUBLISH",
    "1 Server PUBREC answers 6",
    "1 Client PUBREL answers 7",
    "1 Server PUBCOMP answers 8",
    "1 Client DISCONNECT",
    "the client closes its side",
    "the server closes its side",
];

// R: DET-04
#[test]
fn every_format_link_and_address_is_read() {
    for (client, server) in [
        ("192.0.2.1:50000", "192.0.2.2:1883"),
        ("[2001:db8::1]:50000", "[2001:db8::2]:1883"),
        ("10.0.0.9:1", "10.0.0.1:4711"),
    ] {
        let mut tcp = Tcp::new(client, server, u32::MAX - 20);
        talk(&mut tcp);
        for format in FORMATS {
            for link in LINKS {
                let timeline = read_capture(&file(&tcp.frames, format, link)[..]).unwrap();
                assert_eq!(lines(&timeline), TALK, "{client} {format:?} {link:?}");
                assert_eq!(timeline.started, Some(support::BEGIN));
                assert_eq!(timeline.entries[4].time, 900, "its segment is the tenth");
                let [connection] = &timeline.connections[..] else { panic!("{timeline:?}") };
                assert_eq!((&connection.client[..], &connection.server[..]), (client, server));
                assert_eq!((connection.version, connection.carrier), (Some(V5), Carrier::Tcp));
                assert_eq!(connection.client_id.as_deref(), Some("door"));
            }
        }
    }
}

#[test]
fn latency_and_what_is_in_flight() {
    let mut tcp = Tcp::plain();
    talk(&mut tcp);
    let timeline = show(&tcp.frames);
    let joined = |number: usize| match &timeline.entries[number - 1].what {
        What::Packet(packet) => packet.joined,
        other => panic!("{other:?}"),
    };
    assert_eq!(joined(5).latency, Some(200));
    assert_eq!((joined(4).in_flight, joined(5).in_flight, joined(8).in_flight), (1, 0, 1));
    assert_eq!((joined(9).exchange, joined(9).in_flight), (Some(5), 0));
    assert_eq!(joined(4).answered_by, Some(4));
}

// R: DET-04
#[test]
fn several_connections_at_a_time_and_one_behind_another_between_the_same_ends() {
    let mut first = Tcp::new("10.0.0.1:50000", "10.0.0.9:1883", 5);
    let mut second = Tcp::new("10.0.0.2:50000", "10.0.0.9:1883", 99);
    let mut third = Tcp::new("10.0.0.1:50000", "10.0.0.9:1883", 77_777);
    talk(&mut first);
    talk(&mut second);
    third.time = first.time + 1_000_000;
    talk(&mut third);
    let mut frames = [first.frames, second.frames, third.frames].concat();
    frames.sort_by_key(|frame| frame.time);
    let timeline = show(&frames);
    assert_eq!(timeline.connections.len(), 3);
    for connection in 0..3 {
        let own = timeline.entries.iter().filter(|entry| entry.connection == Some(connection));
        assert_eq!(own.count(), TALK.len(), "{:?}", lines(&timeline));
    }
    assert_eq!(packets(&timeline).len(), 27);
}

#[test]
fn a_session_that_goes_on_joins_what_is_sent_again() {
    let mut first = Tcp::new("10.0.0.1:50000", "10.0.0.9:1883", 5);
    first.open();
    first.client(&connect(V4, "door"));
    first.server(CONNACK_4);
    first.client(&publish(V4, 1, 3, "x"));
    first.segment(CLIENT, "RA", b"");
    let mut second = Tcp::new("10.0.0.1:50001", "10.0.0.9:1883", 5);
    second.time = first.time;
    second.open();
    second.client(&connect(V4, "door"));
    second.server(b"\x20\x02\x01\x00");
    let mut again = publish(V4, 1, 3, "x");
    again[0] |= 8;
    second.client(&again);
    second.server(&ack("PUBACK", 3, V4));
    let timeline = show(&[first.frames, second.frames].concat());
    let expected = [
        "the TCP connection is opened",
        "1 Client CONNECT",
        "1 Server CONNACK answers 2",
        "1 Client PUBLISH",
        "the client resets the connection",
        "the TCP connection is opened",
        "2 Client CONNECT",
        "2 Server CONNACK answers 7",
        "2 Client PUBLISH",
        "2 Server PUBACK answers 9",
    ];
    assert_eq!(lines(&timeline), expected);
    let What::Packet(copy) = &timeline.entries[8].what else { panic!() };
    assert_eq!((copy.joined.repeats, copy.joined.exchange, copy.joined.in_flight), (Some(3), Some(3), 1));
}

/// The client's packets of a long conversation, in segments of `sizes`.
fn stream(sizes: &[usize]) -> (Tcp, Vec<u8>) {
    let mut tcp = Tcp::new("127.0.0.1:50000", "127.0.0.1:1883", u32::MAX - 300);
    tcp.open();
    let mut all = connect(V5, "door");
    for id in 1..=20 {
        all.extend(publish(V5, 1, id, &"payload ".repeat(usize::from(id))));
    }
    let mut rest = &all[..];
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (segment, behind) = rest.split_at(size.clamp(1, rest.len()));
        tcp.segment(CLIENT, "A", segment);
        rest = behind;
    }
    (tcp, all)
}

fn concatenated(timeline: &Timeline) -> Vec<u8> {
    packets(timeline).concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    // R: DET-04
    #[test]
    fn segments_in_any_order_with_copies_give_the_same_packets(
        sizes in proptest::collection::vec(1_usize..400, 1..20),
        order in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
        copies in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..20),
    ) {
        let (mut tcp, all) = stream(&sizes);
        // The hand-shake stays in front: what comes before it is not known to belong to it.
        let data = &mut tcp.frames[3..];
        for (one, other) in order {
            let (one, other) = (one.index(data.len()), other.index(data.len()));
            data.swap(one, other);
        }
        for (which, place) in copies {
            let copy = tcp.frames[3 + which.index(tcp.frames.len() - 3)].clone();
            let place = 3 + place.index(tcp.frames.len() - 3);
            tcp.frames.insert(place, copy);
        }
        for (index, frame) in tcp.frames.iter_mut().enumerate() {
            frame.time = support::BEGIN + index as u64;
        }
        prop_assert_eq!(concatenated(&show(&tcp.frames)), all);
    }

    /// What is shown of a stream with holes is nothing but whole packets of it, and the holes are said.
    #[test]
    fn lost_segments_lose_only_what_they_touch(
        sizes in proptest::collection::vec(20_usize..400, 1..10),
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let (mut tcp, all) = stream(&sizes);
        for which in lost {
            // The first has the CONNECT, or its beginning.
            if tcp.frames.len() > 5 {
                let index = 4 + which.index(tcp.frames.len() - 4);
                tcp.frames.remove(index);
            }
        }
        let timeline = show(&tcp.frames);
        for shown in packets(&timeline) {
            prop_assert!(all.windows(shown.len()).any(|window| window == shown), "{:?}", lines(&timeline));
        }
    }

    // R: SEC-01
    #[test]
    fn bytes_of_any_kind_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000), magic in 0..5_usize) {
        let heads: [&[u8]; 5] = [
            b"",
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0",
            b"\xa1\xb2\x3c\x4d\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\x65",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
              \x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0",
        ];
        let _ = read_capture(&[heads[magic], &bytes].concat()[..]);
    }

    #[test]
    fn damaged_captures_do_no_harm(
        format in 0..FORMATS.len(),
        link in 0..LINKS.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
        end in any::<prop::sample::Index>(),
    ) {
        let mut tcp = Tcp::new("[2001:db8::1]:50000", "[2001:db8::2]:1883", 7);
        talk(&mut tcp);
        let mut bytes = file(&tcp.frames, FORMATS[format], LINKS[link]);
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if end.index(4) == 0 {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(timeline) = read_capture(&bytes[..]) {
            let mut out = Vec::new();
            sterna_inspect::write_json(&timeline, &Filter::default(), false, &mut out).unwrap();
            sterna_inspect::write_html(&timeline, &HtmlOptions::default(), &mut out).unwrap();
            sterna_inspect::write_text(&timeline, &TextOptions::default(), &mut out).unwrap();
        }
    }

    /// Packets whose every byte may be wrong, in lawful segments.
    #[test]
    fn damaged_streams_do_no_harm(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        websocket in any::<bool>(),
    ) {
        let mut tcp = if websocket { websocket_talk() } else { stream(&[100, 7, 333]).0 };
        for (place, value) in damage {
            let frame = place.index(tcp.frames.len());
            let ip = &mut tcp.frames[frame].ip;
            // Behind the headers.
            if ip.len() > 40 {
                let at = 40 + place.index(ip.len() - 40);
                ip[at] = value;
            }
        }
        show(&tcp.frames);
    }
}

#[test]
fn a_missing_segment_is_said_and_reading_goes_on() {
    // Inside a packet: the length says where the next one begins.
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&connect(V5, "door"));
    tcp.server(CONNACK);
    let long = publish(V5, 1, 1, &"x".repeat(300));
    tcp.client(&long[..100]);
    let lost = tcp.frames.len();
    tcp.client(&long[100..200]);
    tcp.client(&long[200..]);
    tcp.client(PING);
    tcp.server(b"\xd0\x00");
    tcp.frames.remove(lost);
    let expected = [
        "the TCP connection is opened",
        "1 Client CONNECT",
        "1 Server CONNACK answers 2",
        "missing from the client: 100 bytes",
        "Client malformed: 100 of the packet's 317 bytes are missing",
        "1 Client PINGREQ",
        "1 Server PINGRESP answers 6",
    ];
    assert_eq!(lines(&show(&tcp.frames)), expected);
    // Over the end of a packet: a segment that begins with a packet is looked for.
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&connect(V5, "door"));
    let lost = tcp.frames.len();
    tcp.client(&[&long[..], &long[..50]].concat());
    tcp.client(&long[50..]);
    tcp.client(PING);
    tcp.frames.remove(lost);
    let timeline = show(&tcp.frames);
    let expected = [
        "the TCP connection is opened",
        "1 Client CONNECT",
        "missing from the client: 367 bytes",
        "left out from the client, up to here: 267 bytes, since it is not known where their packets begin",
        "1 Client PINGREQ",
    ];
    assert_eq!(lines(&timeline), expected);
}

#[test]
fn frames_that_were_cut_and_an_end_that_is_missing_are_said() {
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&connect(V5, "door"));
    tcp.segment(CLIENT, "A", &publish(V5, 0, 0, &"x".repeat(300)));
    let last = tcp.frames.len() - 1;
    tcp.frames[last].cut = 250;
    tcp.segment(SERVER, "A", b"");
    tcp.client(PING);
    tcp.segment(CLIENT, "A", &publish(V5, 0, 0, "half of it")[..7]);
    let expected = [
        "the TCP connection is opened",
        "1 Client CONNECT",
        "missing from the client: 250 bytes",
        "Client malformed: 250 of the packet's 315 bytes are missing",
        "1 Client PINGREQ",
        "Client malformed: 17 of the packet's 24 bytes are missing",
    ];
    assert_eq!(lines(&show(&tcp.frames)), expected);
    // The file itself ends inside a frame.
    let whole = file(&tcp.frames, Format::Pcap, Link::Ethernet);
    let timeline = read_capture(&whole[..whole.len() - 3]).unwrap();
    let last = lines(&timeline).pop().unwrap();
    assert_eq!(last, "the capture is damaged behind frame 9: the file ends inside a block");
}

#[test]
fn a_connection_without_its_beginning_is_guessed() {
    for (version, from_client, payload) in
        [(V4, true, "21.5"), (V5, true, "21.5"), (V4, false, "{}"), (V5, false, "x")]
    {
        // The server's end is told by its packets, whatever the ports are.
        let mut tcp = Tcp::new("10.0.0.1:4711", "10.0.0.2:1234", 123);
        if from_client {
            tcp.client(&publish(version, 1, 5, payload));
            tcp.client(PING);
            tcp.server(&ack("PUBACK", 5, version));
        } else {
            tcp.server(&packet(
                &json!({"packet":"SUBACK", "packet_identifier":3,
                (if version == V5 { "reason_codes" } else { "return_codes" }):[1]}),
                version,
            ));
            tcp.server(&publish(version, 1, 5, payload));
            tcp.client(&ack("PUBACK", 5, version));
        }
        let timeline = show(&tcp.frames);
        let [connection] = &timeline.connections[..] else { panic!("{:?}", lines(&timeline)) };
        assert_eq!(connection.version, Some(version), "{:?}", lines(&timeline));
        assert!(connection.is_version_guessed);
        assert_eq!(packets(&timeline).len(), 3, "{:?}", lines(&timeline));
        assert!(!timeline.entries.iter().any(|entry| matches!(entry.what, What::Malformed(_))));
        if !from_client {
            assert!(connection.client.starts_with("10.0.0.1"), "{connection:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut tls = Tcp::new("10.0.0.1:50000", "10.0.0.2:8883", 9);
    tls.open();
    tls.client(b"\x16\x03\x01\x00\x05hello");
    tls.server(b"\x16\x03\x03\x00\x05hello");
    let mut other = Tcp::new("10.0.0.1:50001", "10.0.0.2:22", 9);
    other.open();
    other.server(b"SSH-2.0-x\r\n");
    other.client(b"SSH-2.0-y\r\n");
    let mut garbage = Tcp::new("10.0.0.1:50002", "10.0.0.2:1883", 9);
    garbage.open();
    garbage.client(b"\x00\x00\x00");
    let timeline = show(&[tls.frames, other.frames, garbage.frames].concat());
    let all = lines(&timeline);
    assert_eq!(timeline.connections.len(), 2, "{all:?}");
    assert_eq!(timeline.connections[0].carrier, Carrier::Tls);
    for expected in [
        "TLS: what it carries cannot be read",
        "Client malformed: packet type 0 is reserved",
        "1 TCP connections carry no MQTT",
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected}: {all:?}");
    }
    assert!(read_capture(&b"no capture at all"[..]).is_err());
    assert!(read_capture(&b""[..]).is_err());
}

/// A frame of a WebSocket.
fn websocket_frame(opcode: u8, mask: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode];
    let bit = if mask { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => frame.push(bit | length as u8),
        length => {
            frame.push(bit | 0x7E);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    let key = [0x12, 0x34, 0xFE, 0x00];
    if mask {
        frame.extend(key);
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        frame.extend(payload);
    }
    frame
}

fn websocket_talk() -> Tcp {
    let mut tcp = Tcp::new("10.0.0.1:50000", "10.0.0.2:9001", 9);
    tcp.open();
    tcp.client(b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-");
    tcp.client(b"Protocol: mqtt\r\n\r\n");
    tcp.server(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
    );
    tcp.client(&websocket_frame(0x82, true, &connect(V5, "web")));
    tcp.server(&websocket_frame(0x82, false, CONNACK));
    // Two packets in one frame, one packet in two frames with a ping between them, in segments of their own.
    tcp.client(&websocket_frame(0x82, true, &[publish(V5, 0, 0, "a"), publish(V5, 0, 0, "b")].concat()));
    let long = publish(V5, 1, 4, &"long ".repeat(100));
    let first = websocket_frame(0x02, true, &long[..300]);
    tcp.client(&first[..5]);
    tcp.client(&first[5..]);
    tcp.client(&websocket_frame(0x89, true, b"hi"));
    tcp.client(&websocket_frame(0x80, true, &long[300..]));
    tcp.server(&websocket_frame(0x82, false, &ack("PUBACK", 4, V5)));
    tcp.client(&websocket_frame(0x88, true, b"\x03\xe8bye"));
    tcp
}

// R: DET-04
#[test]
fn mqtt_in_a_websocket_is_read() {
    let tcp = websocket_talk();
    let timeline = show(&tcp.frames);
    let expected = [
        "the TCP connection is opened",
        "WebSocket: GET /mqtt, subprotocol mqtt",
        "WebSocket: 101 Switching Protocols, subprotocol mqtt",
        "1 Client CONNECT",
        "1 Server CONNACK answers 4",
        "1 Client PUBLISH",
        "1 Client PUBLISH",
        "from the client: WebSocket ping of 2 bytes",
        "1 Client PUBLISH",
        "1 Server PUBACK answers 9",
        "from the client: WebSocket close 1000 bye",
    ];
    assert_eq!(lines(&timeline), expected);
    assert_eq!(timeline.connections[0].carrier, Carrier::WebSocket);
    // Without the segment that has most of the long packet's first frame.
    let mut holed = tcp;
    holed.frames.retain(|frame| frame.ip.len() < 300);
    let all = lines(&show(&holed.frames));
    assert!(all.contains(&"missing from the client: 303 bytes".to_owned()), "{all:?}");
    let expected = [
        "from the client: WebSocket ping of 2 bytes",
        "1 Server PUBACK",
        "from the client: WebSocket close 1000 bye",
        "left out from the client, up to here: 217 bytes, since it is not known where their packets begin",
    ];
    assert_eq!(all[all.len() - 4..], expected);
}

#[test]
fn a_refused_websocket_and_a_compressed_one_are_said() {
    for (answer, expected) in [
        (&b"HTTP/1.1 403 Forbidden\r\n\r\n"[..], "the server refused the WebSocket: 403 Forbidden"),
        (b"HTTP/1.1 101 OK\r\n\r\n\xc2\x01x", "the frames are compressed, or use another extension"),
        (
            b"HTTP/1.1 101 OK\r\n\r\n\x82\x81\0\0\0\0x",
            "exactly a client's frames are masked, and this is otherwise",
        ),
    ] {
        let mut tcp = Tcp::new("10.0.0.1:50000", "10.0.0.2:80", 9);
        tcp.open();
        tcp.client(b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n");
        tcp.server(answer);
        let all = lines(&show(&tcp.frames));
        let expected = format!("the rest from the server cannot be read: {expected}");
        assert!(all.contains(&expected), "{all:?}");
    }
}

/// A capture that promises much and holds little takes little.
#[test]
fn what_is_announced_takes_no_memory() {
    let mut tcp = Tcp::plain();
    tcp.open();
    tcp.client(&connect(V4, "door"));
    tcp.client(b"\x30\xff\xff\xff\x7f\x00\x01a");
    for _ in 0..100 {
        tcp.client(&[b'x'; 1000]);
    }
    let all = lines(&show(&tcp.frames));
    let expected = "a packet of 268435460 bytes from the client: it is too large to be shown";
    assert_eq!(all[2], expected, "{all:?}");
    assert_eq!(all.len(), 3);
}

/// What `tshark` printed of the same capture; see the README beside it.
// R: DET-04
#[test]
fn a_real_capture_is_shown_as_tshark_dissects_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/captures");
    for name in ["mosquitto.pcap", "websocket.pcapng"] {
        let capture = std::fs::File::open(format!("{folder}/{name}")).unwrap();
        let timeline = read_capture(capture).unwrap();
        let mut shown = String::new();
        for entry in &timeline.entries {
            let What::Packet(packet) = &entry.what else { continue };
            let decoded = packet.packet().unwrap();
            let json = sterna_json::to_json(&decoded, packet.version);
            let text = |name: &str| {
                json.get(name).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
            };
            let payload = match &decoded {
                sterna_core::packet::Packet::Publish(publish) => hex::encode(publish.payload),
                _ => String::new(),
            };
            let micros = timeline.started.unwrap() + entry.time;
            let direction = if packet.sender == Sender::Client { '>' } else { '<' };
            writeln!(
                shown,
                "{}.{:06}\t{direction}\t{}\t{}\t{}\t{payload}",
                micros / 1_000_000,
                micros % 1_000_000,
                packet.packet_type as u8,
                text("packet_identifier").unwrap_or_default(),
                text("topic_name").unwrap_or_default(),
            )
            .unwrap();
        }
        let expected = std::fs::read_to_string(format!("{folder}/{name}.tsv")).unwrap();
        assert_eq!(shown, expected, "{name}");
    }
}
