//! Operations that are cancelled, or whose deadline passes.

use super::*;
use crate::connection::Timer;
use crate::error::CancelError;

fn cancelled(token: Token) -> (Token, Result<u8, OperationError>) {
    (token, Err(OperationError::Cancelled))
}

fn cancel(rig: &mut Rig, token: Token) {
    rig.connection.cancel(rig.now, token).unwrap();
}

fn with_deadline(rig: &mut Rig, qos: QoS, deadline: u64) -> Token {
    rig.connection.publish(rig.now, Publish::new("a", "x").qos(qos).deadline(seconds(deadline))).unwrap()
}

// R: PUB-05
#[test]
fn what_was_not_sent_is_gone() {
    let mut rig = Rig::new(config());
    let tokens = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(|qos| rig.publish("t", qos));
    let kept = rig.publish("kept", QoS::AtLeastOnce);
    for token in tokens {
        cancel(&mut rig, token);
        assert_eq!(rig.outcomes(), [cancelled(token)], "at once");
        assert_eq!(rig.connection.cancel(rig.now, token), Err(CancelError));
    }
    assert_eq!(rig.connection.queued(), 1);
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 1 q1 kept"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(kept, Ok(0))]);
    assert_eq!(rig.connection.cancel(rig.now, kept), Err(CancelError), "it has completed");
    assert_eq!(rig.connection.queue.bytes(), 0);
}

// R: PUB-05
#[test]
fn what_was_sent_keeps_its_identifier_until_its_acknowledgement() {
    let mut rig = Rig::connected(Config { in_flight_limit: 2, ..config() });
    let tokens = [rig.publish("a", QoS::AtLeastOnce), rig.publish("b", QoS::ExactlyOnce)];
    rig.publish("c", QoS::AtLeastOnce);
    assert_eq!(rig.sent(), ["Publish 1 q1 a", "Publish 2 q2 b"]);
    for token in tokens {
        cancel(&mut rig, token);
        assert_eq!(rig.outcomes(), [cancelled(token)]);
    }
    assert_eq!((rig.sent(), rig.connection.in_flight()), (vec![], 2), "they still count for the server");
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 3 q1 c"]);
    rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubRel 2 0x00"]);
    rig.ack(PacketType::PubComp, 2, ReasonCode::SUCCESS);
    assert_eq!((rig.outcomes(), rig.connection.in_flight()), (vec![], 1));
}

// R: PUB-05
#[test]
fn what_was_cancelled_is_never_resent_and_its_identifier_never_used_in_this_session() {
    let mut rig = Rig::connected(config());
    let [one, two, released] =
        [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce].map(|qos| rig.publish("a", qos));
    rig.sent();
    rig.ack(PacketType::PubRec, 3, ReasonCode::SUCCESS);
    rig.sent();
    for token in [one, two, released] {
        cancel(&mut rig, token);
    }
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["PubRel 3 0x00"], "an exchange past its PUBREC is brought to its end");
    rig.ack(PacketType::PubComp, 3, ReasonCode::SUCCESS);
    rig.connection.in_flight.restart_ids();
    rig.publish("b", QoS::AtLeastOnce);
    assert_eq!(rig.sent(), ["Publish 3 q1 b"], "1 and 2 are reserved");
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Publish 4 q1 b"]);
    assert_eq!(rig.connection.in_flight(), 1, "with the session they are free");
}

// R: PUB-05
#[test]
fn qos_0_that_was_encoded_leaves_nevertheless_and_completes_once() {
    let mut rig = Rig::connected(config());
    let [first, second] = ["a", "b"].map(|topic| rig.publish(topic, QoS::AtMostOnce));
    cancel(&mut rig, second);
    assert_eq!(rig.connection.cancel(rig.now, second), Err(CancelError));
    assert_eq!(rig.sent(), ["Publish 0 q0 a", "Publish 0 q0 b"]);
    assert_eq!(rig.outcomes(), [cancelled(second), (first, Ok(0))]);
    let third = rig.publish("c", QoS::AtMostOnce);
    cancel(&mut rig, third);
    rig.lose();
    assert_eq!(rig.outcomes(), [cancelled(third)]);
}

// R: PUB-05, REC-03
#[test]
fn a_subscribe_that_was_cancelled_is_not_desired_any_more() {
    let mut rig = Rig::connected(Config { subscribe_batch: 1, ..config() });
    rig.subscribe(&["old"]);
    rig.sent();
    rig.suback(1, &[0]);
    rig.events();
    let sent = rig.subscribe(&["a", "b"]);
    rig.sent();
    rig.suback(2, &[0]);
    cancel(&mut rig, sent);
    assert_eq!(rig.connection.cancel(rig.now, sent), Err(CancelError));
    assert_eq!(rig.granted(), [(sent, Err(OperationError::Cancelled))]);
    rig.lose();
    let unsent = rig.subscribe(&["c", "d", "old"]);
    cancel(&mut rig, unsent);
    let unsubscribe = rig.unsubscribe(&["e"]);
    cancel(&mut rig, unsubscribe);
    let cancelled = || Err(OperationError::Cancelled);
    assert_eq!(rig.granted(), [(unsent, cancelled()), (unsubscribe, cancelled())]);
    rig.next_deadline(seconds(60));
    rig.accept(false, Properties::EMPTY);
    let sent = rig.sent();
    assert!(
        sent[0].ends_with(" old") && sent[1].ends_with(" a") && sent.len() == 2,
        "what was granted before stays"
    );
    assert_eq!(rig.connection.queued(), 0);
}

/// The server would send messages that nobody claims, and whose acknowledgement would be missing for ever.
// R: PUB-05, REC-08, SUB-07
#[test]
fn a_subscribe_that_was_withdrawn_after_it_was_sent_is_taken_back() {
    let mut rig = Rig::connected(config());
    let sent = rig.subscribe(&["a", "b"]);
    rig.sent();
    rig.subscribe(&["b"]);
    cancel(&mut rig, sent);
    assert_eq!(rig.sent(), ["Subscribe 2 b", "Unsubscribe 3 a"], "others want b");
    let lost = rig.subscribe(&["c"]);
    rig.sent();
    rig.lose();
    cancel(&mut rig, lost);
    rig.next_deadline(seconds(60));
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 5 b", "Unsubscribe 6 a", "Unsubscribe 7 c"], "it may have arrived");
}

// R: PUB-05
#[test]
fn a_late_answer_to_a_cancelled_subscribe_is_taken_in_silence() {
    let mut rig = Rig::connected(Config { subscribe_batch: 1, ..config() });
    let token = rig.subscribe(&["a", "b"]);
    rig.sent();
    cancel(&mut rig, token);
    rig.granted();
    rig.suback(1, &[0]);
    rig.suback(2, &[0x80]);
    assert_eq!((rig.granted(), rig.connection.in_flight()), (vec![], 2), "two UNSUBSCRIBEs");
    assert_eq!(rig.sent(), ["Unsubscribe 3 a", "Unsubscribe 4 b"]);
    rig.unsuback(3, &[0]);
    rig.unsuback(4, &[0]);
    rig.events();
    assert_eq!((rig.connection.in_flight(), rig.connection.queue.bytes()), (0, 0));
    let ended = rig.connection.disconnect(rig.now, Disconnect::default());
    assert_eq!((ended, rig.sent()), (Ok(()), vec!["Disconnect 0x00".to_string()]));
}

// R: PUB-05
#[test]
fn a_graceful_end_does_not_wait_for_what_was_cancelled() {
    let mut rig = Rig::connected(config());
    let token = rig.publish("a", QoS::AtLeastOnce);
    rig.sent();
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.sent(), [""; 0]);
    cancel(&mut rig, token);
    assert_eq!(rig.sent(), ["Disconnect 0x00"]);
}

// R: REC-08
#[test]
fn a_deadline_ends_what_waits_and_what_was_sent() {
    let mut rig = Rig::connected(Config { in_flight_limit: 1, ..config() });
    let sent = with_deadline(&mut rig, QoS::ExactlyOnce, 5);
    let waiting = with_deadline(&mut rig, QoS::AtLeastOnce, 4);
    assert_eq!(rig.sent(), ["Publish 1 q2 a"]);
    let passed = |token| (token, Err(OperationError::DeadlinePassed));
    rig.next_deadline(seconds(4));
    assert_eq!(rig.outcomes(), [passed(waiting)]);
    rig.next_deadline(seconds(1));
    assert_eq!(rig.outcomes(), [passed(sent)]);
    assert_eq!((rig.connection.queued(), rig.connection.in_flight()), (0, 1));
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubRel 1 0x00"]);
    rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
    assert_eq!((rig.outcomes(), rig.connection.in_flight()), (vec![], 0));
}

// R: REC-08
#[test]
fn a_deadline_past_the_pubrec_counts_as_well() {
    let mut rig = Rig::connected(config());
    let token = with_deadline(&mut rig, QoS::ExactlyOnce, 5);
    rig.sent();
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.sent();
    rig.next_deadline(seconds(5));
    assert_eq!(rig.outcomes(), [(token, Err(OperationError::DeadlinePassed))]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["PubRel 1 0x00"]);
}

// R: REC-08
#[test]
fn a_deadline_that_was_met_leaves_no_timer() {
    let mut rig = Rig::connected(Config { keep_alive: 0, ack_timeout: Duration::ZERO, ..config() });
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        with_deadline(&mut rig, qos, 5);
    }
    rig.sent();
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    assert!(matches!(rig.connection.poll_timeout(), Some((_, Timer::Operation))));
    rig.sent();
    rig.ack(PacketType::PubComp, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes().len(), 3);
    assert_eq!(rig.connection.poll_timeout(), None);
}

// R: REC-08
#[test]
fn a_deadline_counts_from_the_drivers_next_call_and_while_offline() {
    let mut rig = Rig::new(config());
    let token = with_deadline(&mut rig, QoS::AtLeastOnce, 5);
    rig.advance(seconds(100));
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.outcomes(), []);
    rig.next_deadline(seconds(5));
    assert_eq!(rig.outcomes(), [(token, Err(OperationError::DeadlinePassed))]);
}

// R: REC-08, SUB-03
#[test]
fn a_deadline_ends_a_subscribe_with_all_its_parts() {
    let mut rig = Rig::connected(Config { subscribe_batch: 1, ..config() });
    let filters = filters_buf(&["a", "b", "c"], SubscribeOptions::default());
    let subscribe = Subscribe { deadline: Some(seconds(5)), ..Subscribe::new(filters.as_filters()) };
    let token = rig.connection.subscribe(rig.now, subscribe).unwrap();
    rig.sent();
    rig.suback(1, &[0]);
    rig.next_deadline(seconds(5));
    assert_eq!(rig.granted(), [(token, Err(OperationError::DeadlinePassed))]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Unsubscribe 6 b", "Unsubscribe 7 c"], "they may have been granted");
    assert_eq!(rig.granted(), []);
}

// R: REC-08
#[test]
fn a_closed_client_has_no_timer_left() {
    let mut rig = Rig::new(config());
    with_deadline(&mut rig, QoS::AtLeastOnce, 5);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.connection.poll_timeout(), None);
    assert_eq!(rig.outcomes().len(), 1);
}

// R: REC-08
#[test]
fn any_number_of_subscribes_may_be_taken_back_at_once() {
    const COUNT: usize = 4_000;
    let mut rig = Rig::connected(Config { keep_alive: 0, ..config() });
    for index in 0..COUNT {
        let name = format!("f/{index}");
        let filters = filters_buf(&[&name], SubscribeOptions::default());
        let subscribe = Subscribe { deadline: Some(seconds(5)), ..Subscribe::new(filters.as_filters()) };
        rig.connection.subscribe(rig.now, subscribe).unwrap();
        rig.pump();
    }
    rig.wire.clear();
    rig.next_deadline(seconds(5));
    let late = |(_, result): &(Token, Result<Vec<u8>, OperationError>)| {
        *result == Err(OperationError::DeadlinePassed)
    };
    assert_eq!(rig.granted().iter().filter(|outcome| late(outcome)).count(), COUNT);
    let sent = rig.sent();
    assert_eq!(sent.len(), COUNT);
    assert!(sent.iter().all(|packet| packet.starts_with("Unsubscribe ")), "{}", sent[0]);
}
