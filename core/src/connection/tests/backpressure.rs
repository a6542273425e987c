//! Back-pressure: reading pauses when nothing is awaited, and goes on into the reserve when something is.

use super::*;
use crate::connection::Backlog;

/// Takes two messages before it pauses, and six more while an operation waits.
fn limited() -> Config {
    Config { incoming_limit: 2, incoming_reserve: 8 * SIZE, ..config() }
}

/// What one message of `deliver` counts: its packet of 13 bytes, or 15 with an identifier, and the overhead.
const SIZE: usize = 15 + crate::connection::MESSAGE_OVERHEAD;
const MORE: Ingress = Ingress::NeedData { missing: 1 };

fn go_on(rig: &mut Rig) -> Ingress {
    rig.connection.handle_input(rig.now, &mut rig.input)
}

// R: PUB-02
#[test]
fn reading_pauses_at_the_count_when_nothing_is_awaited() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::connected(limited());
        let mut packet_id = 0;
        let mut deliver = |rig: &mut Rig, topic: &str| {
            packet_id += u16::from(qos != QoS::AtMostOnce);
            rig.deliver(topic, qos, packet_id, false)
        };
        assert_eq!([deliver(&mut rig, "a"), deliver(&mut rig, "b")], [MORE; 2]);
        assert_eq!(deliver(&mut rig, "c"), Ingress::Paused);
        assert_eq!(go_on(&mut rig), Ingress::Paused);
        assert_eq!(rig.connection.poll_message().unwrap().topic(), "a");
        assert_eq!(go_on(&mut rig), MORE);
        assert_eq!(rig.topics(), ["b", "c"]);
        assert_eq!(rig.connection.statistics().dropped_messages, 0);
    }
}

// R: PUB-02
#[test]
fn reading_pauses_at_the_bytes() {
    let mut rig = Rig::connected(Config { incoming_bytes: 2 * SIZE, ..config() });
    for packet_id in [1, 2] {
        assert_eq!(rig.deliver("t", QoS::AtLeastOnce, packet_id, false), MORE);
    }
    assert_eq!(rig.deliver("t", QoS::AtLeastOnce, 3, false), Ingress::Paused);
    assert_eq!(rig.topics().len(), 2);
    assert_eq!(go_on(&mut rig), MORE);
}

// R: PUB-02
#[test]
fn answers_are_read_while_messages_wait() {
    for packet_id in [0, 1] {
        let qos = if packet_id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let mut rig = Rig::connected(limited());
        let token = rig.publish("p", QoS::AtLeastOnce);
        rig.sent();
        for step in 0..7 {
            assert_eq!(rig.deliver("t", qos, packet_id * (step + 1), false), MORE);
        }
        rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
        assert_eq!(rig.outcomes(), [(token, Ok(0))]);
        assert_eq!(rig.deliver("t", qos, packet_id * 8, false), Ingress::Paused, "nothing is awaited now");
    }
}

// R: SUB-07
#[test]
fn qos_0_is_dropped_and_counted_when_the_reserve_is_full() {
    let mut rig = Rig::connected(limited());
    let token = rig.subscribe(&["s"]);
    rig.sent();
    for _ in 0..20 {
        assert_eq!(rig.deliver("t", QoS::AtMostOnce, 0, false), MORE);
    }
    let dropped = rig.connection.statistics().dropped_messages;
    assert!((11..=13).contains(&dropped), "{dropped}");
    rig.suback(1, &[0]);
    let events = rig.events();
    let counted: u64 = events
        .iter()
        .filter_map(|event| if let Event::Dropped { messages } = event { Some(*messages) } else { None })
        .sum();
    assert_eq!(counted, dropped);
    assert!(matches!(events.last(), Some(Event::Subscribed { token: done, .. }) if *done == token));
    assert_eq!(rig.topics().len() as u64, 20 - dropped);
}

// R: SUB-07
#[test]
fn qos_1_and_2_pause_at_the_reserve_and_are_never_dropped() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::connected(limited());
        rig.publish("p", QoS::AtLeastOnce);
        rig.sent();
        let results: Vec<_> = (1..=9).map(|id| rig.deliver("t", qos, id, false)).collect();
        assert_eq!(results[..8], [MORE; 8]);
        assert_eq!(results[8], Ingress::Paused);
        assert_eq!(rig.topics().len(), 8);
        assert_eq!(go_on(&mut rig), MORE);
        assert_eq!(rig.topics().len(), 1);
    }
}

// R: PUB-02
#[test]
fn a_new_operation_lets_a_paused_connection_read_on() {
    let mut rig = Rig::connected(limited());
    for _ in 0..3 {
        rig.deliver("t", QoS::AtMostOnce, 0, false);
    }
    assert_eq!(go_on(&mut rig), Ingress::Paused);
    let token = rig.publish("p", QoS::AtLeastOnce);
    rig.sent();
    assert_eq!(go_on(&mut rig), MORE);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(token, Ok(0))]);
}

// R: SUB-07
#[test]
fn what_was_handed_over_and_waits_outside_counts() {
    let mut rig = Rig::connected(limited());
    rig.connection.handle_backlog(Backlog { messages: 1, ..Backlog::default() });
    assert_eq!(rig.deliver("a", QoS::AtMostOnce, 0, false), MORE);
    assert_eq!(rig.deliver("b", QoS::AtMostOnce, 0, false), Ingress::Paused);
    rig.connection.handle_backlog(Backlog { bytes: 1 << 20, ..Backlog::default() });
    assert_eq!(go_on(&mut rig), Ingress::Paused, "by its bytes");
    rig.connection.handle_backlog(Backlog::default());
    assert_eq!(go_on(&mut rig), MORE);
}

// R: SUB-07
#[test]
fn reading_goes_on_into_the_reserve_for_those_who_wait_for_messages() {
    let mut rig = Rig::connected(limited());
    rig.connection.handle_backlog(Backlog { messages: 2, starving: true, ..Backlog::default() });
    assert_eq!(rig.deliver("t", QoS::AtMostOnce, 0, false), MORE);
    rig.connection.handle_backlog(Backlog { messages: 2, ..Backlog::default() });
    assert_eq!(rig.deliver("t", QoS::AtMostOnce, 0, false), Ingress::Paused);
}

// R: SUB-07
#[test]
fn at_the_reserve_older_messages_of_qos_0_make_room() {
    let mut rig = Rig::connected(limited());
    let full = Backlog { messages: 100, bytes: 8 * SIZE, starving: true, ..Backlog::default() };
    rig.connection.handle_backlog(Backlog { expendable: Some(2 * SIZE), ..full });
    for packet_id in [1, 2] {
        assert_eq!(rig.deliver("k", QoS::AtLeastOnce, packet_id, false), MORE);
    }
    assert_eq!(rig.connection.poll_excess(), 2 * SIZE);
    assert_eq!(rig.connection.poll_excess(), 0);
    assert_eq!(rig.topics(), ["k", "k"]);
    rig.connection.handle_dropped(3);
    assert_eq!(rig.events(), [Event::Dropped { messages: 3 }]);
    // What was not handed over must be, before the driver can choose among all.
    rig.connection.handle_backlog(Backlog { expendable: Some(SIZE), ..full });
    assert_eq!(rig.deliver("t", QoS::AtMostOnce, 0, false), MORE);
    assert_eq!(rig.deliver("t", QoS::AtMostOnce, 0, false), Ingress::Paused);
    assert_eq!((rig.topics().len(), rig.connection.poll_excess()), (1, SIZE - 2));
    // Nothing can make room any more: QoS 0 is dropped, and QoS 1 pauses.
    rig.connection.handle_backlog(Backlog { expendable: Some(0), ..full });
    assert_eq!(go_on(&mut rig), MORE);
    assert_eq!(rig.deliver("dropped", QoS::AtMostOnce, 0, false), MORE);
    assert_eq!(rig.deliver("paused", QoS::AtLeastOnce, 3, false), Ingress::Paused);
    assert_eq!((rig.connection.poll_excess(), rig.topics().len()), (0, 0));
    assert_eq!(rig.connection.statistics().dropped_messages, 5);
}

// R: SUB-07
#[test]
fn nothing_makes_room_once_the_client_has_ended() {
    let mut rig = Rig::connected(limited());
    let full =
        Backlog { messages: 100, bytes: 8 * SIZE, starving: true, expendable: Some(2 * SIZE), bounded: 0 };
    rig.connection.handle_backlog(full);
    assert_eq!(rig.deliver("k", QoS::AtLeastOnce, 1, false), MORE);
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    rig.closed_because();
    assert_eq!(rig.connection.poll_excess(), 0);
}

// R: PUB-02
#[test]
fn pausing_ends_with_the_connection() {
    let mut rig = Rig::connected(limited());
    for topic in ["a", "b", "lost"] {
        rig.deliver(topic, QoS::AtMostOnce, 0, false);
    }
    rig.reconnect(true);
    assert_eq!(rig.topics(), ["a", "b"], "what was taken stays");
    assert_eq!(rig.deliver("c", QoS::AtMostOnce, 0, false), MORE);
    assert_eq!(rig.topics(), ["c"]);
}

// R: SUB-07
#[test]
fn small_messages_that_wait_do_not_pin_large_read_buffers() {
    let mut rig = Rig::connected(config());
    let pointer = |message: &Message| message.payload_bytes().as_ptr() as usize;
    for _ in 0..100 {
        rig.input.reserve(64 << 10);
        rig.deliver("t", QoS::AtMostOnce, 0, false);
    }
    let messages = rig.messages();
    let start = rig.input.as_ptr() as usize;
    let pinning = messages.iter().filter(|message| pointer(message).abs_diff(start) < 64 << 10).count();
    assert!(pinning <= 32, "{pinning} of {} share the read buffer", messages.len());
}
