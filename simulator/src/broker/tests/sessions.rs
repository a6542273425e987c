//! Sessions over several network connections.

use sterna_core::packet::{Packet, Property, QoS};

use super::*;
use crate::broker::Sessions;

/// A CONNECT that asks for a session that stays.
fn persistent(version: ProtocolVersion, properties: &PropertiesBuf) -> Connect<'_> {
    let properties = if version == V5 { properties.as_properties() } else { Properties::EMPTY };
    Connect { clean_start: false, properties, ..connect(version, "s") }
}

fn session_present(version: ProtocolVersion) -> &'static str {
    // 3.1 cannot say it.
    if version == ProtocolVersion::V3_1 { "connack 00 new" } else { "connack 00 present" }
}

// R: REC-04
#[test]
fn unacknowledged_messages_come_again_in_order() {
    let stays = properties(&[Property::SessionExpiryInterval(100)]);
    for version in VERSIONS {
        let mut lab = Lab::new();
        lab.connect(2, persistent(version, &stays));
        lab.subscribe(2, "t", QoS::ExactlyOnce);
        lab.join(1, V5, "p");
        for (n, qos) in [(1, 1), (2, 2), (3, 2), (4, 1), (5, 0)] {
            lab.publish(1, "t", &n.to_string(), qos, if qos == 0 { 0 } else { n });
        }
        assert_eq!(lab.received(2).len(), 5);
        lab.send(2, &Packet::PubRec(ack(2)));
        lab.lose(2);
        lab.publish(1, "t", "6", 1, 6);
        lab.publish(1, "t", "7", 0, 0);
        let again = lab.connect(2, persistent(version, &stays));
        assert!(again[0].starts_with(session_present(version)), "{again:?}");
        assert_eq!(
            again[1..],
            [
                "pubrel #2 00",
                "publish q1 #1 dup t=1",
                "publish q2 #3 dup t=3",
                "publish q1 #4 dup t=4",
                "publish q1 #5 t=6"
            ]
        );
        lab.send(2, &Packet::PubComp(ack(2)));
        lab.send(2, &Packet::PubAck(ack(1)));
        // An acknowledgement may also answer what an earlier connection sent.
        assert_eq!(lab.send(2, &Packet::PubRec(ack(3))), ["pubrel #3 00"]);
    }
}

#[test]
fn resending_keeps_within_a_smaller_receive_maximum() {
    let mut lab = Lab::new();
    let stays = properties(&[Property::SessionExpiryInterval(100)]);
    lab.connect(2, persistent(V5, &stays));
    lab.subscribe(2, "t", QoS::ExactlyOnce);
    lab.join(1, V5, "p");
    for n in 1..=4 {
        lab.publish(1, "t", &n.to_string(), 2, n);
    }
    lab.send(2, &Packet::PubRec(ack(3)));
    lab.lose(2);
    let small = properties(&[Property::SessionExpiryInterval(100), Property::ReceiveMaximum(1)]);
    let again = lab.connect(2, persistent(V5, &small));
    assert_eq!(again[1..], ["pubrel #3 00", "publish q2 #1 dup t=1"]);
    assert!(lab.send(2, &Packet::PubComp(ack(3))).is_empty());
    lab.send(2, &Packet::PubRec(ack(1)));
    assert_eq!(lab.send(2, &Packet::PubComp(ack(1))), ["publish q2 #2 dup t=2"]);
}

#[test]
fn received_qos_2_identifiers_outlive_the_connection() {
    let mut lab = Lab::new();
    lab.connect(2, Connect { clean_start: false, ..connect(V4, "p") });
    lab.join(1, V4, "s");
    lab.subscribe(1, "t", QoS::AtMostOnce);
    lab.publish(2, "t", "x", 2, 5);
    lab.lose(2);
    lab.connect(2, Connect { clean_start: false, ..connect(V4, "p") });
    let duplicate = Publish { duplicate: true, ..publish("t", "x", 2, 5) };
    assert_eq!(lab.send(2, &Packet::Publish(duplicate)), ["pubrec #5 00"]);
    assert_eq!(lab.send(2, &Packet::PubRel(ack(5))), ["pubcomp #5 00"]);
    assert_eq!(lab.received(1), ["publish q0 t=x"]);
}

#[test]
fn a_session_expires_when_it_should() {
    let mut lab = Lab::new();
    let stays = properties(&[Property::SessionExpiryInterval(10)]);
    lab.connect(1, persistent(V5, &stays));
    lab.pass_seconds(20);
    lab.lose(1);
    lab.pass_seconds(9);
    assert!(lab.connect(1, persistent(V5, &stays))[0].starts_with("connack 00 present"));
    // DISCONNECT may change the interval.
    let shorter = properties(&[Property::SessionExpiryInterval(2)]);
    let properties = shorter.as_properties();
    lab.send(1, &Packet::Disconnect(Disconnect { reason: ReasonCode::NORMAL_DISCONNECTION, properties }));
    lab.pass_seconds(1);
    assert!(lab.broker.has_session("s"));
    lab.pass_seconds(1);
    assert!(!lab.broker.has_session("s"));
    assert!(lab.connect(1, persistent(V5, &stays))[0].starts_with("connack 00 new"));
}

#[test]
fn a_clean_start_ends_the_session_that_is_there() {
    for version in VERSIONS {
        let mut lab = Lab::new();
        let stays = properties(&[Property::SessionExpiryInterval(10)]);
        lab.connect(1, persistent(version, &stays));
        lab.subscribe(1, "t", QoS::AtMostOnce);
        lab.send(1, &goodbye());
        lab.join(2, version, "s");
        lab.publish(2, "t", "x", 0, 0);
        assert!(lab.received(2).is_empty());
        lab.lose(2);
        assert!(!lab.broker.has_session("s"));
    }
}

#[test]
fn the_same_client_identifier_takes_over() {
    for (version, farewell) in [(V4, &["closed"][..]), (V5, &["disconnect 8e", "closed"][..])] {
        let mut lab = Lab::new();
        let stays = properties(&[Property::SessionExpiryInterval(10)]);
        lab.connect(1, persistent(version, &stays));
        let answer = lab.connect(2, persistent(version, &stays));
        assert!(answer[0].starts_with("connack 00 present"), "{answer:?}");
        assert_eq!(lab.received(1), farewell);
        assert_eq!(lab.broker.connection_of("s"), Some(ConnectionId(2)));
    }
}

// R: REC-05
#[test]
fn a_restart_keeps_or_loses_what_it_is_told() {
    for (sessions, expected) in [(Sessions::Keep, 3), (Sessions::Lose, 1)] {
        let mut lab = Lab::new();
        let stays = properties(&[Property::SessionExpiryInterval(10)]);
        lab.connect(1, persistent(V5, &stays));
        lab.subscribe(1, "t", QoS::AtLeastOnce);
        let retained = Publish { retain: true, ..publish("t", "x", 1, 1) };
        lab.send(1, &Packet::Publish(retained));
        lab.broker.restart(lab.now, sessions);
        assert_eq!(lab.received(1), ["closed"]);
        let mut again = lab.connect(2, persistent(V5, &stays));
        again.extend(
            lab.subscribe(2, "other", QoS::AtMostOnce).into_iter().filter(|word| !word.starts_with("suback")),
        );
        again
            .extend(lab.connect(3, connect(V5, "n")).into_iter().filter(|word| !word.starts_with("connack")));
        again.extend(
            lab.subscribe(3, "t", QoS::AtMostOnce).into_iter().filter(|word| !word.starts_with("suback")),
        );
        assert_eq!(again.len(), expected, "{again:?}");
    }
}
