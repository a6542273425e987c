//! Everything has an end.

use sterna_core::packet::{Packet, Property, QoS};

use super::*;

#[test]
fn a_queue_drops_its_newest() {
    for bounds in [
        Options { maximum_queued_messages: 2, ..Options::default() },
        Options { maximum_queued_bytes: 4, ..Options::default() },
    ] {
        let mut lab = Lab::with(bounds);
        let absent = Connect { clean_start: false, ..connect(V4, "s") };
        lab.connect(2, absent);
        lab.subscribe(2, "t", QoS::AtLeastOnce);
        lab.lose(2);
        lab.join(1, V4, "p");
        for n in 1..=4 {
            lab.publish(1, "t", &n.to_string(), 1, n);
        }
        assert_eq!(lab.broker.dropped_messages(), 2);
        assert_eq!(lab.connect(2, absent)[1..], ["publish q1 #1 t=1", "publish q1 #2 t=2"]);
    }
}

#[test]
fn retained_messages_are_limited() {
    for bounds in [
        Options { maximum_retained_messages: 1, ..Options::default() },
        Options { maximum_retained_bytes: 3, ..Options::default() },
    ] {
        let mut lab = Lab::with(bounds);
        lab.join(1, V4, "p");
        for (topic, payload) in [("a", "1"), ("b", "2"), ("a", "3")] {
            lab.send(1, &Packet::Publish(Publish { retain: true, ..publish(topic, payload, 0, 0) }));
        }
        assert_eq!(lab.subscribe(1, "#", QoS::AtMostOnce), ["suback [00]", "publish q0 retain a=3"]);
    }
}

#[test]
fn connections_and_sessions_are_limited() {
    let mut lab = Lab::with(Options { maximum_connections: 2, maximum_sessions: 1, ..Options::default() });
    lab.join(1, V4, "a");
    assert_eq!(lab.connect(2, connect(V5, "b"))[0].get(..10), Some("connack 88"));
    lab.open(3, V4);
    lab.open(4, V4);
    assert_eq!(lab.received(4), ["closed"]);
    assert!(lab.received(3).is_empty());
}

#[test]
fn a_client_that_takes_nothing_is_not_read_and_gets_no_more_qos_0() {
    let mut lab = Lab::with(Options { maximum_unsent: 20, ..Options::default() });
    lab.join(1, V4, "p");
    lab.join(2, V4, "s");
    lab.subscribe(2, "t", QoS::AtLeastOnce);
    // Outputs are not taken while these come in.
    let mut bytes = Vec::new();
    for n in 1..=9 {
        Packet::Publish(publish("t", "12345", u8::from(n % 2 == 0), u16::from(n % 2 == 0)))
            .encode(V4, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes)
            .expect("encodes");
    }
    assert_eq!(lab.input(1, &bytes), Reading::Continue);
    let dropped = lab.broker.dropped_messages();
    assert_eq!(dropped, 4);
    let received = lab.received(2);
    assert_eq!(received.iter().filter(|word| word.contains("q1")).count(), 4, "{received:?}");
    assert_eq!(received.len() as u64, 9 - dropped);
    // Each answer to a ping is two bytes: the eleventh ping waits in the input.
    let pings = b"\xc0\0".repeat(15);
    assert_eq!(lab.input(2, &pings), Reading::Paused);
    assert_eq!(lab.received(2).len(), 10);
    assert_eq!(lab.input(2, b""), Reading::Continue);
    assert_eq!(lab.received(2).len(), 5);
}

#[test]
fn records_are_limited() {
    for bounds in [
        Options { maximum_records: 2, ..Options::default() },
        Options { maximum_record_bytes: 5, ..Options::default() },
        Options { maximum_records: 0, ..Options::default() },
    ] {
        let expected: &[u64] = if bounds.maximum_records == 0 { &[] } else { &[2, 3] };
        let mut lab = Lab::with(bounds);
        lab.join(1, V4, "a");
        for _ in 0..3 {
            lab.send(1, &Packet::PingReq);
        }
        assert_eq!(lab.broker.records().map(|record| record.sequence).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn identifiers_run_out_safely_when_nothing_is_ever_completed() {
    let mut lab = Lab::with(Options { maximum_in_flight: u16::MAX, ..Options::default() });
    let stays = properties(&[Property::SessionExpiryInterval(100)]);
    let connect = Connect { clean_start: false, properties: stays.as_properties(), ..connect(V5, "s") };
    lab.connect(1, connect);
    lab.subscribe(1, "t", QoS::ExactlyOnce);
    let mut publish_bytes = Vec::new();
    Packet::Publish(publish("t", "", 1, 1))
        .encode(V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut publish_bytes)
        .expect("encodes");
    lab.join(2, V5, "p");
    let burst = publish_bytes.repeat(10_000);
    for _ in 0..7 {
        lab.input(2, &burst);
        lab.received_bytes(1);
        lab.received_bytes(2);
    }
    lab.lose(1);
    let again = lab.connect(1, connect);
    assert_eq!(again.len(), 65_000 + 1);
}
