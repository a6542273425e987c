//! The Mosquitto that the other tests stand on: it starts, refuses, keeps and forgets as they expect.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::mosquitto::{Mosquitto, Persistence};

/// CONNECT of MQTT 3.1.1 by client `fixture`, CleanSession 0, keep alive 60 s.
const CONNECT: &[u8] = b"\x10\x13\x00\x04MQTT\x04\x00\x00\x3c\x00\x07fixture";
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const ACCEPTED_SESSION_PRESENT: [u8; 4] = [0x20, 2, 1, 0];
const NOT_AUTHORISED: [u8; 4] = [0x20, 2, 0, 5];

/// Connects, sends `connect` and returns what must be a CONNACK, with the connection.
fn connect(broker: &Mosquitto, connect: &[u8]) -> ([u8; 4], TcpStream) {
    let mut stream = TcpStream::connect(broker.address()).expect("the broker listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time limit");
    stream.write_all(connect).expect("CONNECT is sent");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("a CONNACK comes");
    (connack, stream)
}

#[test]
fn serves_and_stops() {
    let mut broker = Mosquitto::anonymous();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED);

    broker.stop();
    let refused = TcpStream::connect(broker.address()).expect_err("a stopped broker does not listen");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    broker.start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED, "without persistence the session is lost");
}

#[test]
fn sessions_outlive_sigterm_with_persistence() {
    let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED);
    broker.stop();
    broker.start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED_SESSION_PRESENT);
}

#[test]
fn sessions_are_lost_with_sigkill() {
    let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED);
    broker.kill();
    broker.start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED);
}

#[test]
fn retained_messages_are_saved_at_changes() {
    let mut broker = Mosquitto::options().persistence(Persistence::OnChange).start();
    let (connack, mut stream) = connect(&broker, CONNECT);
    assert_eq!(connack, ACCEPTED);
    // Retained, QoS 1, topics `a` to `d`: each is a change, and its PUBACK comes before the next is sent.
    for (id, topic) in (1..).zip(*b"abcd") {
        stream.write_all(&[0x33, 6, 0, 1, topic, 0, id, b'x']).expect("PUBLISH is sent");
        let mut puback = [0; 4];
        stream.read_exact(&mut puback).expect("a PUBACK comes");
        assert_eq!(puback, [0x40, 2, 0, id]);
    }
    broker.kill();
    assert!(broker.log().contains("Saving in-memory database"), "nothing was saved:\n{}", broker.log());
    broker.start();
    assert_eq!(connect(&broker, CONNECT).0, ACCEPTED_SESSION_PRESENT);
}

#[test]
fn users_are_asked_for_their_password() {
    let broker = Mosquitto::options().user("tern", "secret").start();
    assert_eq!(connect(&broker, CONNECT).0, NOT_AUTHORISED);
    // User name and password flags, and both fields.
    let right = b"\x10\x21\x00\x04MQTT\x04\xc0\x00\x3c\x00\x07fixture\x00\x04tern\x00\x06secret";
    assert_eq!(connect(&broker, right).0, ACCEPTED);
    let wrong = b"\x10\x21\x00\x04MQTT\x04\xc0\x00\x3c\x00\x07fixture\x00\x04tern\x00\x06SECRET";
    assert_eq!(connect(&broker, wrong).0, NOT_AUTHORISED);
}

#[test]
fn a_long_keep_alive_is_shortened() {
    let broker = Mosquitto::options().max_keepalive(30).start();
    // CONNECT of MQTT 5.0, Clean Start 1, keep alive 60 s, no properties.
    let (head, mut stream) = connect(&broker, b"\x10\x14\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x07fixture");
    assert_eq!((head[0], head[3]), (0x20, 0), "it is a CONNACK with reason code Success");
    let mut properties = vec![0; usize::from(head[1]) - 2];
    stream.read_exact(&mut properties).expect("the CONNACK's properties come");
    let server_keep_alive = [0x13, 0, 30];
    assert!(properties.windows(3).any(|bytes| bytes == server_keep_alive), "{properties:x?}");
}

#[test]
fn each_test_has_its_own() {
    let brokers: Vec<_> = (0..3).map(|_| Mosquitto::anonymous()).collect();
    assert_ne!(brokers[0].port(), brokers[1].port());
    for broker in &brokers {
        assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", broker.port()));
        assert_eq!(connect(broker, CONNECT).0, ACCEPTED);
    }
}
