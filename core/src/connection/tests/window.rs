//! Our receive window held up by the application.

use super::*;
use crate::config::Acknowledge;

fn narrow() -> Config {
    Config { receive_maximum: 2, acknowledge: Acknowledge::Explicit, keep_alive: 0, ..config() }
}

/// The topics of the messages that hold the window up, as they are reported.
fn blocked(rig: &mut Rig) -> Vec<String> {
    let blocked = |event| match event {
        Event::AckBlocked { topic, .. } => Some(topic.into_string()),
        _ => None,
    };
    rig.events().into_iter().filter_map(blocked).collect()
}

// R: SUB-07
#[test]
fn a_full_window_names_the_message_that_is_not_acknowledged_once() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::connected(narrow());
        rig.deliver("a/first", qos, 7, false);
        assert_eq!(rig.connection.poll_timeout(), None, "the window is not full");
        rig.advance(seconds(100));
        rig.deliver("a/second", qos, 8, false);
        let messages = rig.messages();
        assert_eq!(
            rig.connection.poll_timeout(),
            Some((rig.now + seconds(10), super::super::Timer::AckBlocked))
        );
        rig.next_deadline(seconds(10));
        let events = rig.events();
        let expected = Event::AckBlocked { id: messages[0].id().unwrap(), topic: "a/first".into() };
        assert_eq!(events, [expected]);
        assert_eq!(rig.connection.poll_timeout(), None, "it is said once");
        rig.connection.handle_timeout(rig.now + seconds(100));
        assert!(blocked(&mut rig).is_empty());
    }
}

// R: SUB-07
#[test]
fn the_time_starts_anew_for_the_next_message_that_holds_it_up() {
    let mut rig = Rig::connected(narrow());
    rig.deliver("a", QoS::AtLeastOnce, 1, false);
    rig.deliver("b", QoS::AtLeastOnce, 2, false);
    let ids: Vec<_> = rig.messages().iter().map(|message| message.id().unwrap()).collect();
    rig.advance(seconds(9));
    rig.connection.acknowledge(rig.now, ids[0], ReasonCode::SUCCESS).unwrap();
    assert_eq!(rig.connection.poll_timeout(), None, "there is room");
    rig.deliver("c", QoS::AtLeastOnce, 1, false);
    rig.advance(seconds(9));
    rig.connection.handle_timeout(rig.now);
    assert!(blocked(&mut rig).is_empty());
    rig.next_deadline(seconds(1));
    assert_eq!(blocked(&mut rig), ["b"]);
    // Acknowledged out of order, the other one does not free its place.
    let c = rig.messages()[0].id().unwrap();
    rig.connection.acknowledge(rig.now, c, ReasonCode::SUCCESS).unwrap();
    assert_eq!(rig.connection.poll_timeout(), None);
    rig.lose();
    assert!(rig.connection.poll_timeout().is_some_and(|(_, timer)| timer != super::super::Timer::AckBlocked));
}

// R: SUB-07
#[test]
fn a_server_that_does_not_release_is_no_fault_of_the_application() {
    let mut rig = Rig::connected(narrow());
    for packet_id in [1, 2] {
        rig.deliver("a", QoS::ExactlyOnce, packet_id, false);
    }
    for message in rig.messages() {
        rig.connection.acknowledge(rig.now, message.id().unwrap(), ReasonCode::SUCCESS).unwrap();
    }
    rig.expect(&[PacketType::PubRec, PacketType::PubRec]);
    assert_eq!(rig.connection.poll_timeout(), None);
    rig.ack(PacketType::PubRel, 1, ReasonCode::SUCCESS);
    rig.deliver("b", QoS::AtLeastOnce, 3, false);
    rig.next_deadline(seconds(10));
    assert_eq!(blocked(&mut rig), ["b"]);
}

// R: SUB-07
#[test]
fn on_3_x_the_number_is_a_threshold_and_a_moving_window_is_not_blocked() {
    let mut rig =
        Rig::connected(Config { version: VersionPolicy::Only(ProtocolVersion::V3_1_1), ..narrow() });
    for packet_id in 1..=4 {
        rig.deliver(&format!("t/{packet_id}"), QoS::AtLeastOnce, packet_id, false);
    }
    let mut messages = rig.messages().into_iter();
    for _ in 0..2 {
        rig.advance(seconds(9));
        let id = messages.next().unwrap().id().unwrap();
        rig.connection.acknowledge(rig.now, id, ReasonCode::SUCCESS).unwrap();
        rig.connection.handle_timeout(rig.now);
    }
    assert!(blocked(&mut rig).is_empty());
    rig.next_deadline(seconds(10));
    assert_eq!(blocked(&mut rig), ["t/3"]);

    let mut rig = Rig::connected(Config { ack_blocked_after: Duration::ZERO, ..narrow() });
    rig.deliver("a", QoS::AtLeastOnce, 1, false);
    rig.deliver("b", QoS::AtLeastOnce, 2, false);
    assert_eq!(rig.connection.poll_timeout(), None, "off");
}
