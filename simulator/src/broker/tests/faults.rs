//! Misbehaviour on demand, and what a test can see.

use bytes::Bytes;
use sterna_core::packet::{Packet, PacketType, QoS};

use super::*;
use crate::broker::{Fault, OnReceive, OnSend};

#[test]
fn a_connect_is_refused_as_often_as_told() {
    for (version, expected) in
        [(ProtocolVersion::V3_1, "connack 88 new"), (V4, "connack 88 new"), (V5, "connack 88 new")]
    {
        let mut lab = Lab::new();
        let refusal = OnReceive::Answer(ReasonCode::SERVER_UNAVAILABLE);
        lab.broker.add_fault(Fault::receiving(PacketType::Connect, refusal).client("a").times(2));
        assert_eq!(lab.connect(1, connect(version, "a")), [expected, "closed"]);
        assert_eq!(lab.connect(2, connect(version, "a")), [expected, "closed"]);
        lab.join(3, version, "a");
    }
    // A reason that 3.1.1 has no return code for, a refusal shaped like 3.1.1's, and no answer at all.
    let mut lab = Lab::new();
    let always = |action| Fault::receiving(PacketType::Connect, action);
    let banned = lab.broker.add_fault(always(OnReceive::Answer(ReasonCode::BANNED)));
    assert_eq!(lab.connect(1, connect(V4, "a")), ["closed"]);
    lab.broker.remove_fault(banned);
    lab.broker.add_fault(always(OnReceive::SendThenClose(Bytes::from_static(b"\x20\x02\0\x01"))).times(1));
    lab.open(2, V5);
    let mut bytes = Vec::new();
    Packet::Connect(connect(V5, "a")).encode(V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).expect("encodes");
    lab.input(2, &bytes);
    assert_eq!(lab.received_bytes(2), b"\x20\x02\0\x01");
    lab.broker.add_fault(always(OnReceive::Close));
    assert_eq!(lab.connect(3, connect(V5, "a")), ["closed"]);
}

#[test]
fn answers_carry_the_reason_asked_for() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    let answer = |packet| Fault::receiving(packet, OnReceive::Answer(ReasonCode::QUOTA_EXCEEDED));
    for packet in [PacketType::Publish, PacketType::Subscribe, PacketType::Unsubscribe, PacketType::PingReq] {
        lab.broker.add_fault(answer(packet));
    }
    assert_eq!(lab.subscribe(1, "t", QoS::AtMostOnce), ["suback [97]"]);
    assert_eq!(lab.publish(1, "t", "", 1, 1), ["puback #1 97"]);
    assert_eq!(lab.publish(1, "t", "", 2, 1), ["pubrec #1 97"]);
    assert!(lab.publish(1, "t", "", 0, 0).is_empty());
    assert_eq!(lab.send(1, &Packet::PingReq), ["disconnect 97", "closed"]);
}

#[test]
fn acknowledgements_are_withheld_and_still_count() {
    let mut lab = Lab::with(Options { receive_maximum: 2, ..Options::default() });
    lab.join(1, V5, "a");
    lab.broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard));
    lab.broker.add_fault(Fault::sending(PacketType::PingResp, OnSend::Discard));
    assert!(lab.send(1, &Packet::PingReq).is_empty());
    assert!(lab.publish(1, "t", "", 1, 1).is_empty());
    assert!(lab.publish(1, "t", "", 1, 2).is_empty());
    assert_eq!(lab.publish(1, "t", "", 1, 3), ["disconnect 93", "closed"]);
}

#[test]
fn answers_are_delayed_in_virtual_time() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    let delay = OnSend::Delay(Duration::from_secs(2));
    lab.broker.add_fault(Fault::sending(PacketType::PubAck, delay).times(1));
    assert!(lab.publish(1, "t", "", 1, 1).is_empty());
    lab.pass_seconds(1);
    assert!(lab.send(1, &Packet::PingReq).is_empty(), "nothing overtakes");
    lab.pass_seconds(1);
    assert_eq!(lab.received(1), ["puback #1 10", "pingresp"]);
    assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp"]);
}

#[test]
fn a_connection_breaks_at_a_packet_or_a_byte() {
    let mut lab = Lab::new();
    lab.broker.add_fault(Fault::receiving_any(OnReceive::Close).after(3));
    lab.join(1, V5, "a");
    assert_eq!(lab.publish(1, "t", "", 1, 1), ["puback #1 10"]);
    assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp"]);
    assert_eq!(lab.send(1, &Packet::PingReq), ["closed"]);
    lab.broker.clear_faults();
    lab.broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Close));
    lab.join(2, V5, "a");
    assert_eq!(lab.publish(2, "t", "", 1, 1), ["closed"]);
    lab.broker.clear_faults();
    lab.join(3, V4, "a");
    lab.broker.add_fault(Fault::close_after_sent(5));
    assert_eq!(lab.publish(3, "t", "", 1, 1), ["puback #1 00"]);
    assert_eq!(lab.publish(3, "t", "", 1, 1), ["bytes [40]", "closed"]);
    lab.join(4, V4, "a");
    lab.broker.add_fault(Fault::close_after_received(2));
    assert_eq!(lab.send(4, &Packet::PingReq), ["pingresp"]);
    assert_eq!(lab.send(4, &Packet::PingReq), ["closed"]);
}

#[test]
fn raw_bytes_and_replacements_are_sent_as_they_are() {
    let mut lab = Lab::new();
    lab.join(1, V4, "a");
    lab.broker.send_raw(lab.now, ConnectionId(1), b"\xff");
    assert_eq!(lab.received_bytes(1), b"\xff");
    let other = Bytes::from_static(b"\x40\x02\0\x63");
    lab.broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Replace(other)));
    assert_eq!(lab.publish(1, "t", "", 1, 1), ["puback #99 00"]);
    lab.broker.add_fault(Fault::receiving(
        PacketType::PingReq,
        OnReceive::Send(Bytes::from_static(b"\xd0\0\xd0\0")),
    ));
    assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp", "pingresp"]);
    lab.broker.add_fault(Fault::receiving(PacketType::Subscribe, OnReceive::Discard));
    assert!(lab.subscribe(1, "t", QoS::AtMostOnce).is_empty());
    lab.broker.disconnect(lab.now, ConnectionId(1), ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(lab.received(1), ["closed"]);
    lab.join(2, V5, "a");
    lab.broker.disconnect(lab.now, ConnectionId(2), ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(lab.received(2), ["disconnect 8b", "closed"]);
}

#[test]
fn reading_can_stop_and_go_on() {
    let mut lab = Lab::new();
    lab.connect(1, Connect { keep_alive: 10, ..connect(V4, "a") });
    lab.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::StopReading).times(1));
    assert_eq!(lab.publish(1, "t", "", 1, 1), ["puback #1 00"]);
    lab.pass_seconds(100);
    assert!(lab.send(1, &Packet::PingReq).is_empty());
    assert_eq!(lab.input(1, b""), Reading::Paused);
    lab.broker.set_reading(lab.now, ConnectionId(1), true);
    assert_eq!(lab.input(1, b""), Reading::Continue);
    assert_eq!(lab.received(1), ["pingresp"]);
    lab.pass_seconds(15);
    assert_eq!(lab.received(1), ["closed"]);
}

#[test]
fn received_packets_can_be_looked_at() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    lab.join(2, V4, "b");
    let duplicate = Publish { duplicate: true, ..publish("t", "x", 1, 5) };
    lab.send(1, &Packet::Publish(duplicate));
    lab.send(2, &Packet::PingReq);
    let of_a: Vec<_> = lab.broker.records_of("a").collect();
    assert_eq!(of_a.iter().map(|record| record.sequence).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(of_a[1].packet(), Packet::Publish(duplicate));
    assert_eq!((of_a[1].connection, of_a[1].at, of_a[1].version), (ConnectionId(1), lab.now, V5));
    assert_eq!(lab.broker.records().count(), 4);
}
