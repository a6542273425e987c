//! CONNECT, CONNACK, keep alive, and the ways a connection ends.

use sterna_core::packet::{Packet, Property, ProtocolVersion, QoS, Will};

use super::*;
use crate::broker::Credentials;

/// CONNACK as options that announce nothing but what must be announced give it.
fn quiet() -> Options {
    Options {
        receive_maximum: u16::MAX,
        maximum_packet_size: PROTOCOL_MAXIMUM_PACKET_SIZE,
        topic_alias_maximum: 0,
        ..Options::default()
    }
}

#[test]
fn each_version_connects_and_pings() {
    for version in VERSIONS {
        let mut lab = Lab::with(quiet());
        assert_eq!(lab.connect(1, connect(version, "a")), ["connack 00 new"]);
        assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp"]);
        assert_eq!(lab.send(1, &goodbye()), ["closed"]);
        assert!(!lab.broker.has_session("a"));
    }
}

#[test]
fn a_packet_in_single_bytes_is_the_same_packet() {
    let mut lab = Lab::with(quiet());
    lab.open(1, V4);
    let bytes = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a\xc0\0";
    let mut answers = Vec::new();
    for byte in bytes {
        answers.extend(lab.send_bytes(1, &[*byte]));
    }
    assert_eq!(answers, ["connack 00 new", "pingresp"]);
}

#[test]
fn connack_announces_what_is_limited() {
    let mut lab = Lab::with(Options {
        receive_maximum: 3,
        maximum_packet_size: 1000,
        topic_alias_maximum: 2,
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        subscription_identifiers_available: false,
        shared_subscription_available: false,
        server_keep_alive: Some(7),
        response_information: Some("reply/".to_owned()),
        maximum_session_expiry: 60,
        ..Options::default()
    });
    let asked =
        properties(&[Property::SessionExpiryInterval(u32::MAX), Property::RequestResponseInformation(true)]);
    let answer = lab.connect(1, Connect { properties: asked.as_properties(), ..connect(V5, "") });
    assert_eq!(
        answer,
        ["connack 00 new [SessionExpiryInterval(60), ReceiveMaximum(3), MaximumQoS(AtLeastOnce), \
          RetainAvailable(false), MaximumPacketSize(1000), AssignedClientIdentifier(\"sterna-assigned-1\"), \
          TopicAliasMaximum(2), WildcardSubscriptionAvailable(false), SubscriptionIdentifierAvailable(false), \
          SharedSubscriptionAvailable(false), ServerKeepAlive(7), ResponseInformation(\"reply/\")]"]
    );
    // A server keep alive holds for the broker as well: 10.5 s.
    lab.pass(Duration::from_millis(10_400));
    assert!(lab.received(1).is_empty());
    lab.pass(Duration::from_millis(100));
    assert_eq!(lab.received(1), ["disconnect 8d", "closed"]);
}

#[test]
fn connack_properties_can_be_overridden() {
    let mut lab = Lab::with(Options {
        connack_properties: properties(&[Property::ReceiveMaximum(5), Property::ReasonString("hm")]),
        ..quiet()
    });
    assert_eq!(
        lab.connect(1, connect(V5, "a")),
        ["connack 00 new [ReceiveMaximum(5), ReasonString(\"hm\")]"]
    );
    assert_eq!(lab.connect(2, connect(V4, "b")), ["connack 00 new"]);
}

#[test]
fn a_version_that_is_not_spoken_is_refused_in_its_words() {
    let mut lab = Lab::new();
    for (level, answer) in [(2, &b"\x20\x02\0\x01"[..]), (6, &b"\x20\x03\0\x84\0"[..])] {
        lab.open(level, V5);
        let mut bytes = b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a".to_vec();
        bytes[8] = level as u8;
        lab.input(level, &bytes);
        assert!(lab.received_bytes(level).starts_with(&answer[..1]));
        lab.open(level, V5);
        lab.input(level, &bytes);
        let received = lab.received_bytes(level);
        assert_eq!(received[2..4], answer[2..4], "{received:02x?}");
        assert_eq!(lab.received(level), ["closed"]);
    }
    let mut old = Lab::with(Options { maximum_version: V4, ..Options::default() });
    old.open(1, V4);
    let mut bytes = Vec::new();
    Packet::Connect(connect(V5, "a")).encode(V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).expect("encodes");
    old.input(1, &bytes);
    assert_eq!(old.received_bytes(1), b"\x20\x02\0\x01");
    let mut new = Lab::with(Options { minimum_version: V5, ..Options::default() });
    new.open(1, V4);
    let mut bytes = Vec::new();
    Packet::Connect(connect(V4, "a")).encode(V4, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).expect("encodes");
    new.input(1, &bytes);
    assert_eq!(new.received_bytes(1), b"\x20\x02\0\x01");
}

#[test]
fn a_malformed_connect_is_refused_or_closed_by_version() {
    // The reserved connect flag is set.
    let mut lab = Lab::new();
    lab.open(1, V4);
    assert_eq!(lab.send_bytes(1, b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01a"), ["closed"]);
    lab.open(2, V5);
    let answer = lab.send_bytes(2, b"\x10\x0e\0\x04MQTT\x05\x03\0\0\0\0\x01a");
    assert!(answer[0].starts_with("connack 81 new"), "{answer:?}");
    assert_eq!(answer[1], "closed");
    // Another protocol, and another packet, before any CONNECT.
    lab.open(3, V5);
    assert_eq!(lab.send_bytes(3, b"GET / HTTP/1.1\r\n\r\n"), ["closed"]);
    lab.open(4, V5);
    assert_eq!(lab.send_bytes(4, b"\xc0\0"), ["closed"]);
}

#[test]
fn client_identifiers_follow_the_version() {
    let mut lab = Lab::with(quiet());
    let long = "a".repeat(24);
    let mut id = 0;
    for (version, client_id, clean_start, expected) in [
        (ProtocolVersion::V3_1, long.as_str(), true, "connack 85 new"),
        (V4, long.as_str(), false, "connack 00 new"),
        (V4, "", false, "connack 85 new"),
        (V4, "", true, "connack 00 new"),
        (V5, "", false, "connack 00 new [AssignedClientIdentifier(\"sterna-assigned-2\")]"),
    ] {
        id += 1;
        lab.open(id, version);
        // Written by hand, since an encoder may refuse what a broker must.
        let (name, level): (&[u8], u8) = match version {
            ProtocolVersion::V3_1 => (b"\0\x06MQIsdp", 3),
            V4 => (b"\0\x04MQTT", 4),
            ProtocolVersion::V5 => (b"\0\x04MQTT", 5),
        };
        let mut body = name.to_vec();
        body.extend([level, u8::from(clean_start) << 1, 0, 0]);
        body.extend((version == V5).then_some(0));
        body.extend([0, client_id.len() as u8]);
        body.extend(client_id.as_bytes());
        let mut bytes = vec![0x10, body.len() as u8];
        bytes.extend(body);
        let answer = lab.send_bytes(id, &bytes);
        assert_eq!(answer[0], expected, "{version:?} {client_id}");
    }
}

#[test]
fn credentials_and_authentication_methods_are_checked() {
    let credentials = Credentials::default().allow("anna", "secret");
    assert!(!format!("{credentials:?}").contains("secret"));
    let mut lab = Lab::with(Options { credentials, ..quiet() });
    let with = |user, password| Connect { user_name: user, password, ..connect(V5, "a") };
    assert_eq!(lab.connect(1, with(None, None))[0], "connack 86 new");
    assert_eq!(lab.connect(2, with(Some("anna"), Some(b"secreT")))[0], "connack 86 new");
    assert_eq!(lab.connect(3, with(Some("anna"), Some(b"secret"))), ["connack 00 new"]);
    let mut open = Lab::new();
    let method = properties(&[Property::AuthenticationMethod("SCRAM-SHA-256")]);
    let answer = open.connect(1, Connect { properties: method.as_properties(), ..connect(V5, "a") });
    assert_eq!(answer, ["connack 8c new", "closed"]);
}

#[test]
fn a_will_that_cannot_be_kept_is_refused() {
    let mut lab = Lab::with(Options { maximum_qos: QoS::AtLeastOnce, retain_available: false, ..quiet() });
    let will = |qos, retain| Will { qos, retain, properties: Properties::EMPTY, topic: "w", payload: b"" };
    let with = |version, will| Connect { will: Some(will), ..connect(version, "a") };
    assert_eq!(lab.connect(1, with(V5, will(QoS::ExactlyOnce, false))), ["connack 9b new", "closed"]);
    assert_eq!(lab.connect(2, with(V5, will(QoS::AtLeastOnce, true))), ["connack 9a new", "closed"]);
    // 3.1.1 has no return code for it.
    assert_eq!(lab.connect(3, with(V4, will(QoS::ExactlyOnce, false))), ["closed"]);
}

#[test]
fn a_second_connect_and_a_stray_auth_are_protocol_errors() {
    for (version, expected) in [(V4, &["closed"][..]), (V5, &["disconnect 82", "closed"][..])] {
        let mut lab = Lab::new();
        lab.join(1, version, "a");
        assert_eq!(lab.send(1, &Packet::Connect(connect(version, "a"))), expected);
    }
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    assert_eq!(lab.send_bytes(1, b"\xf0\x02\x19\0"), ["disconnect 82", "closed"]);
}

#[test]
fn malformed_packets_end_the_connection_with_their_reason() {
    for (bytes, reason) in [
        (&b"\x30\xff\xff\xff\xff\x01"[..], "disconnect 81"), // a remaining length of five bytes
        (&b"\x36\x05\0\x01a\0\x01"[..], "disconnect 81"),    // QoS 3
        (&b"\x30\xff\xff\xff\x7f"[..], "disconnect 95"),     // 256 MiB
        (&b"\x82\x03\0\x01\0"[..], "disconnect 82"),         // SUBSCRIBE without a filter
    ] {
        let mut lab = Lab::new();
        lab.join(1, V5, "a");
        assert_eq!(lab.send_bytes(1, bytes), [reason, "closed"], "{bytes:02x?}");
        lab.join(2, V4, "a");
        assert_eq!(lab.send_bytes(2, bytes), ["closed"], "{bytes:02x?}");
    }
}

// R: CON-04
#[test]
fn silence_for_one_and_a_half_times_the_keep_alive_ends_the_connection() {
    for (version, expected) in [(V4, &["closed"][..]), (V5, &["disconnect 8d", "closed"][..])] {
        let mut lab = Lab::new();
        lab.connect(1, Connect { keep_alive: 10, ..connect(version, "a") });
        lab.pass_seconds(14);
        assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp"]);
        lab.pass_seconds(14);
        assert!(lab.received(1).is_empty());
        lab.pass_seconds(1);
        assert_eq!(lab.received(1), expected);
    }
    let mut lab = Lab::new();
    lab.join(1, V4, "a");
    lab.pass_seconds(1_000_000);
    assert!(lab.received(1).is_empty());
}

#[test]
fn a_connection_without_connect_is_closed() {
    let mut lab = Lab::new();
    lab.open(1, V5);
    lab.pass_seconds(9);
    assert!(lab.received(1).is_empty());
    lab.pass_seconds(1);
    assert_eq!(lab.received(1), ["closed"]);
}

#[test]
fn disconnect_may_not_prolong_a_session_that_was_to_end() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    let properties = properties(&[Property::SessionExpiryInterval(5)]);
    let packet = Packet::Disconnect(Disconnect {
        reason: ReasonCode::NORMAL_DISCONNECTION,
        properties: properties.as_properties(),
    });
    assert_eq!(lab.send(1, &packet), ["disconnect 82", "closed"]);
}
