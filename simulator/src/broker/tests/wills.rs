//! Will messages.

use sterna_core::packet::{Packet, Property, QoS, Will};

use super::*;

/// A broker with a subscriber to the will's topic on connection 9.
fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.join(9, V5, "watcher");
    lab.subscribe(9, "will", QoS::AtMostOnce);
    lab
}

fn with_will<'a>(connect: Connect<'a>, properties: &'a PropertiesBuf) -> Connect<'a> {
    let will = Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: properties.as_properties(),
        topic: "will",
        payload: b"gone",
    };
    Connect { will: Some(will), ..connect }
}

// R: CON-06
#[test]
fn a_will_is_published_unless_the_client_says_goodbye() {
    let none = PropertiesBuf::new();
    for version in VERSIONS {
        let mut lab = lab();
        lab.connect(1, with_will(connect(version, "a"), &none));
        lab.send(1, &goodbye());
        assert!(lab.received(9).is_empty());
        lab.connect(2, with_will(connect(version, "a"), &none));
        lab.lose(2);
        assert_eq!(lab.received(9), ["publish q0 will=gone"]);
        // The server ends it: keep alive, and a malformed packet.
        lab.connect(3, with_will(Connect { keep_alive: 1, ..connect(version, "a") }, &none));
        lab.pass_seconds(2);
        assert_eq!(lab.received(9), ["publish q0 will=gone"]);
        lab.connect(4, with_will(connect(version, "a"), &none));
        lab.send_bytes(4, b"\0\0");
        assert_eq!(lab.received(9), ["publish q0 will=gone"]);
    }
    let mut lab = lab();
    lab.connect(1, with_will(connect(V5, "a"), &none));
    let reason = ReasonCode::DISCONNECT_WITH_WILL;
    lab.send(1, &Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY }));
    assert_eq!(lab.received(9), ["publish q0 will=gone"]);
}

#[test]
fn a_delayed_will_waits_for_the_client_to_come_back() {
    let delay = properties(&[Property::WillDelayInterval(5), Property::MessageExpiryInterval(60)]);
    let stays = properties(&[Property::SessionExpiryInterval(10)]);
    let mut lab = lab();
    let persistent = Connect { clean_start: false, properties: stays.as_properties(), ..connect(V5, "a") };
    lab.connect(1, with_will(persistent, &delay));
    lab.lose(1);
    lab.pass_seconds(4);
    lab.connect(1, with_will(persistent, &delay));
    lab.pass_seconds(20);
    assert!(lab.received(9).is_empty());
    lab.lose(1);
    lab.pass_seconds(4);
    assert!(lab.received(9).is_empty());
    lab.pass_seconds(1);
    assert_eq!(lab.received(9), ["publish q0 will=gone [MessageExpiryInterval(60)]"]);
    lab.pass_seconds(20);
    assert!(lab.received(9).is_empty());
}

#[test]
fn a_delayed_will_is_published_when_its_session_ends_first() {
    let delay = properties(&[Property::WillDelayInterval(50)]);
    let stays = properties(&[Property::SessionExpiryInterval(10)]);
    let mut lab = lab();
    let persistent = Connect { properties: stays.as_properties(), ..connect(V5, "a") };
    lab.connect(1, with_will(persistent, &delay));
    lab.lose(1);
    lab.pass_seconds(9);
    assert!(lab.received(9).is_empty());
    lab.pass_seconds(1);
    assert_eq!(lab.received(9), ["publish q0 will=gone"]);
    // A clean start ends it as well.
    lab.connect(1, with_will(persistent, &delay));
    lab.lose(1);
    lab.join(2, V5, "a");
    assert_eq!(lab.received(9), ["publish q0 will=gone"]);
}

#[test]
fn a_take_over_publishes_the_will_without_delay() {
    let mut lab = lab();
    lab.connect(1, with_will(connect(V4, "a"), &PropertiesBuf::new()));
    lab.join(2, V4, "a");
    assert_eq!(lab.received(9), ["publish q0 will=gone"]);
}
