//! Operations that wait behind messages of QoS 1 and 2 that the application does not take.

use super::*;
use crate::packet::TopicFilters;

/// Two messages fill the reserve.
fn limited() -> Config {
    let reserve = 2 * (15 + crate::connection::MESSAGE_OVERHEAD);
    Config { keep_alive: 0, incoming_limit: 1, incoming_bytes: 1, incoming_reserve: reserve, ..config() }
}

/// The server sends messages until reading pauses.
fn flood(rig: &mut Rig) {
    let paused = (1..10).find(|id| rig.deliver("t", QoS::ExactlyOnce, *id, false) == Ingress::Paused);
    assert!(paused.is_some(), "the reserve is full");
}

/// The application takes everything, again and again.
fn read_all(rig: &mut Rig) {
    while rig.connection.poll_message().is_some() {
        rig.pump();
        rig.connection.handle_input(rig.now, &mut rig.input);
    }
}

fn subscribed(token: Token) -> Event {
    Event::Subscribed { token, result: Err(OperationError::Stalled) }
}

fn unsubscribe(rig: &mut Rig, filter: &str) -> Token {
    let mut filters = TopicFiltersBuf::default();
    filters.push(filter).unwrap();
    let filters: TopicFilters<'_> = filters.as_filters();
    let unsubscribe = Unsubscribe { filters, properties: Properties::EMPTY, deadline: None };
    rig.connection.unsubscribe(rig.now, unsubscribe).unwrap()
}

// R: REC-03, REC-08
#[test]
fn a_stalled_subscribe_is_taken_back() {
    let mut rig = Rig::connected(limited());
    let token = rig.subscribe(&["s"]);
    assert_eq!(rig.sent(), ["Subscribe 1 s"]);
    flood(&mut rig);
    assert!(rig.connection.is_held_back());
    rig.next_deadline(seconds(60));
    assert!(rig.events().contains(&subscribed(token)));
    assert_eq!(rig.sent(), ["Unsubscribe 2 s"], "the server may have subscribed us");
    read_all(&mut rig);
    assert!(!rig.connection.is_held_back());
    rig.suback(1, &[0]);
    rig.unsuback(2, &[0]);
    assert_eq!(rig.connection.in_flight(), 0);
    rig.sent();
    rig.reconnect(true);
    assert!(rig.sent().iter().all(|packet| !packet.starts_with("Subscribe")), "nobody has its messages");
}

// R: REC-03, REC-08
#[test]
fn a_filter_that_was_granted_before_outlives_a_stalled_subscribe() {
    let mut rig = Rig::connected(limited());
    rig.subscribe(&["s"]);
    rig.sent();
    rig.suback(1, &[0]);
    let token = rig.subscribe(&["s"]);
    assert_eq!(rig.sent(), ["Subscribe 2 s"]);
    rig.events();
    flood(&mut rig);
    rig.next_deadline(seconds(60));
    assert_eq!(rig.events(), [subscribed(token)]);
    assert_eq!(rig.sent(), Vec::<String>::new());
}

// R: REC-08
#[test]
fn what_waits_ends_without_a_deadline_for_answers_too() {
    let mut rig = Rig::connected(Config { ack_timeout: Duration::ZERO, ..limited() });
    let publish = rig.publish("p", QoS::AtLeastOnce);
    let subscribe = rig.subscribe(&["s"]);
    let unsubscribe = unsubscribe(&mut rig, "u");
    rig.sent();
    flood(&mut rig);
    rig.next_deadline(seconds(60));
    assert!(rig.actions().is_empty(), "the connection is not to blame");
    let stalled = OperationError::Stalled;
    let expected = [
        Event::Published { token: publish, result: Err(stalled.clone()) },
        subscribed(subscribe),
        Event::Unsubscribed { token: unsubscribe, result: Err(stalled) },
    ];
    assert_eq!(rig.events(), expected);
    // What comes later has as much time, from the next look at what is unread.
    let later = rig.subscribe(&["later"]);
    rig.sent();
    rig.advance(seconds(30));
    rig.connection.handle_input(rig.now, &mut rig.input);
    assert_eq!(rig.events(), []);
    rig.next_deadline(seconds(60));
    rig.next_deadline(seconds(60));
    assert_eq!(rig.events(), [subscribed(later)]);
    read_all(&mut rig);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.events(), [], "it was told before");
}

// R: REC-08
#[test]
fn what_could_not_be_sent_ends_as_well_but_for_messages_that_must_not_be_lost() {
    let limits = Config { ack_timeout: Duration::ZERO, write_timeout: Duration::ZERO, ..limited() };
    let mut rig = Rig::connected(Config { send_buffer: 1, ..limits });
    // It fills what may wait for the transport, which takes nothing.
    let unwritten = rig.publish("p", QoS::AtMostOnce);
    let at_most_once = rig.publish("p", QoS::AtMostOnce);
    let kept = rig.publish("p", QoS::AtLeastOnce);
    let subscribe = rig.subscribe(&["s"]);
    let unsubscribe = unsubscribe(&mut rig, "u");
    flood(&mut rig);
    rig.next_deadline(seconds(60));
    let mut events = rig.events();
    let stalled = OperationError::Stalled;
    for expected in [
        Event::Published { token: unwritten, result: Err(stalled.clone()) },
        Event::Published { token: at_most_once, result: Err(stalled.clone()) },
        subscribed(subscribe),
        Event::Unsubscribed { token: unsubscribe, result: Err(stalled) },
    ] {
        let at = events.iter().position(|event| *event == expected);
        events.remove(at.unwrap_or_else(|| panic!("{expected:?} in {events:?}")));
    }
    assert_eq!(events, []);
    assert_eq!(rig.sent(), ["Publish 0 q0 p", "Publish 1 q1 p", "Unsubscribe 2 u"]);
    read_all(&mut rig);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.unsuback(2, &[0]);
    assert_eq!(rig.outcomes(), [(kept, Ok(0))]);
}

// R: REC-08
#[test]
fn time_counts_only_while_reading_is_held_back() {
    let mut rig = Rig::connected(Config { ack_timeout: Duration::ZERO, ..limited() });
    rig.subscribe(&["s"]);
    rig.sent();
    flood(&mut rig);
    rig.advance(seconds(59));
    read_all(&mut rig);
    rig.advance(seconds(59));
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.events(), []);
    assert_eq!(rig.connection.poll_timeout(), None);
}
