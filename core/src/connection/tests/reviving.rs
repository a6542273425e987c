//! Ending and starting again.

use super::*;
use crate::command::Disconnect;
use crate::connection::{State, Timer};

// R: REC-10
#[test]
fn disconnecting_a_closed_client_leaves_no_deadline_for_its_next_life() {
    let mut rig = Rig::connected(config());
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    assert_eq!(rig.closed_because(), Cause::Requested);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.connection.poll_timeout(), None);
    rig.sent();
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    rig.advance(seconds(11));
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.connection.state(), State::Connected);
}

// R: REC-10
#[test]
fn asking_again_for_a_graceful_end_does_not_delay_it() {
    let mut rig = Rig::connected(config());
    rig.publish("t", QoS::AtLeastOnce);
    rig.sent();
    let end = rig.now + seconds(10);
    for _ in 0..3 {
        rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
        rig.connection.handle_timeout(rig.now);
        assert_eq!(rig.connection.poll_timeout(), Some((end, Timer::Drain)));
        rig.advance(seconds(2));
    }
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    assert_eq!(rig.sent(), ["Disconnect 0x00"]);
    assert_eq!(rig.closed_because(), Cause::Requested);
}

// R: REC-06
#[test]
fn the_session_of_a_random_identifier_is_ended_with_the_client() {
    let mut rig = Rig::connected(config());
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.pump();
    // DISCONNECT, remaining length 7, reason 0, 5 bytes of properties: Session Expiry Interval 0.
    assert_eq!(rig.wire, b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00");
}

// R: REC-10
#[test]
fn reason_and_properties_of_the_disconnect_are_sent() {
    let id = crate::config::ClientId::Given("anna".into());
    let mut rig = Rig::connected(Config { client_id: id, ..config() });
    let set = properties(&[Property::SessionExpiryInterval(7)]);
    let disconnect = Disconnect {
        reason: ReasonCode::DISCONNECT_WITH_WILL,
        properties: set.as_properties(),
        ..Disconnect::default()
    };
    rig.connection.disconnect(rig.now, disconnect).unwrap();
    rig.pump();
    assert_eq!(rig.wire, b"\xe0\x07\x04\x05\x11\x00\x00\x00\x07");
}

// R: CON-12
#[test]
fn a_closed_client_can_be_started_again_and_restores_its_subscriptions() {
    let mut rig = Rig::connected(config());
    rig.subscribe(&["a"]);
    rig.sent();
    rig.suback(1, &[0]);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.expect(&[PacketType::Disconnect]);
    assert_eq!(rig.closed_because(), Cause::Requested);
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
}

// R: REC-03
#[test]
fn ending_in_the_middle_of_resubscribing_keeps_the_set() {
    let mut rig = Rig::connected(config());
    rig.subscribe(&["a"]);
    rig.sent();
    rig.suback(1, &[0]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    assert_eq!(rig.closed_because(), Cause::Requested);
    rig.sent();
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 3 a"]);
}
