//! What happens at the bounds of the queue, and to messages that expire in it.

use super::*;
use crate::config::QueuePolicy;
use crate::connection::Timer;
use crate::error::{PublishError, SubscribeError};

/// A client that is not connected, with room for so many operations.
fn offline(queue_policy: QueuePolicy, queue_limit: usize) -> Rig {
    Rig::new(Config { queue_limit, queue_policy, ..config() })
}

fn go_online(rig: &mut Rig) -> Vec<String> {
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    rig.sent()
}

fn try_publish(rig: &mut Rig, topic: &str, qos: QoS) -> Result<Token, PublishError> {
    rig.connection.publish(rig.now, Publish::new(topic, "payload").qos(qos))
}

/// A message that expires after so many seconds.
fn expiring(rig: &mut Rig, topic: &str, qos: QoS, interval: u32) -> Token {
    let list = properties(&[
        Property::ContentType("text"),
        Property::MessageExpiryInterval(interval),
        Property::UserProperty { name: "a", value: "b" },
    ]);
    let publish = Publish::new(topic, "payload").qos(qos).properties(list.as_properties());
    rig.connection.publish(rig.now, publish).unwrap()
}

fn dropped(token: Token) -> (Token, Result<u8, OperationError>) {
    (token, Err(OperationError::Dropped))
}

fn expired(token: Token) -> (Token, Result<u8, OperationError>) {
    (token, Err(OperationError::Expired))
}

// R: REC-07
#[test]
fn a_full_queue_refuses_what_is_to_wait_or_to_be_rejected() {
    for policy in [QueuePolicy::Wait, QueuePolicy::Reject] {
        let mut rig = offline(policy, 2);
        rig.publish("a", QoS::AtLeastOnce);
        rig.subscribe(&["f"]);
        assert_eq!(try_publish(&mut rig, "b", QoS::AtMostOnce), Err(PublishError::Full));
        let filters = filters_buf(&["g"], SubscribeOptions::default());
        let full = rig.connection.subscribe(rig.now, Subscribe::new(filters.as_filters()));
        assert_eq!(full, Err(SubscribeError::Full));
        assert_eq!(rig.outcomes(), []);
        assert_eq!(go_online(&mut rig), ["Publish 1 q1 a", "Subscribe 2 f"]);
    }
}

// R: REC-07
#[test]
fn the_oldest_message_makes_room_and_nothing_else_does() {
    let mut rig = offline(QueuePolicy::DropOldest, 3);
    rig.subscribe(&["f"]);
    let first = rig.publish("a", QoS::AtMostOnce);
    let second = rig.publish("b", QoS::ExactlyOnce);
    rig.publish("c", QoS::AtMostOnce);
    assert_eq!(rig.outcomes(), [dropped(first)]);
    rig.subscribe(&["g"]);
    assert_eq!(rig.outcomes(), [dropped(second)], "a subscribe finds room as well");
    assert_eq!(go_online(&mut rig), ["Subscribe 1 f", "Publish 0 q0 c", "Subscribe 2 g"]);
    let mut rig = offline(QueuePolicy::DropOldest, 1);
    rig.subscribe(&["f"]);
    assert_eq!(try_publish(&mut rig, "a", QoS::AtLeastOnce), Err(PublishError::Full));
}

// R: REC-07
#[test]
fn what_is_in_flight_is_never_dropped_and_nothing_is_dropped_in_vain() {
    let size = 64 + 1 + 7;
    let mut rig = Rig::connected(Config {
        queue_policy: QueuePolicy::DropOldest,
        queue_bytes: 3 * size,
        in_flight_limit: 2,
        ..config()
    });
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtLeastOnce);
    let waiting = rig.publish("c", QoS::AtLeastOnce);
    rig.publish("d", QoS::AtLeastOnce);
    assert_eq!(rig.outcomes(), [dropped(waiting)]);
    assert_eq!(rig.sent(), ["Publish 1 q1 a", "Publish 2 q1 b"]);

    let mut rig = Rig::connected(Config {
        queue_policy: QueuePolicy::DropOldest,
        queue_bytes: 2 * size,
        in_flight_limit: 2,
        ..config()
    });
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtLeastOnce);
    assert_eq!(try_publish(&mut rig, "c", QoS::AtLeastOnce), Err(PublishError::Full));
    assert_eq!(rig.outcomes(), []);
}

// R: REC-07
#[test]
fn the_newest_message_can_be_the_one_to_go() {
    let mut rig = offline(QueuePolicy::DropNewest, 1);
    rig.publish("a", QoS::AtLeastOnce);
    let newest = rig.publish("b", QoS::AtLeastOnce);
    assert_eq!(rig.outcomes(), [dropped(newest)]);
    assert_eq!(try_publish(&mut rig, "a/#", QoS::AtMostOnce).map_err(drop), Err(()), "still unlawful");
    assert_eq!(go_online(&mut rig), ["Publish 1 q1 a"]);
}

// R: REC-07
#[test]
fn each_topic_can_keep_its_latest_message_alone() {
    let mut rig = offline(QueuePolicy::LatestPerTopic, 3);
    let first = rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtMostOnce);
    let second = rig.publish("a", QoS::AtMostOnce);
    rig.publish("a", QoS::ExactlyOnce);
    assert_eq!(rig.outcomes(), [dropped(first), dropped(second)]);
    let replaced = rig.publish("c", QoS::AtLeastOnce);
    assert_eq!(try_publish(&mut rig, "d", QoS::AtMostOnce), Err(PublishError::Full), "nothing to replace");
    let third = rig.publish("c", QoS::AtLeastOnce);
    assert_eq!((rig.outcomes(), rig.connection.queued()), (vec![dropped(replaced)], 3));
    assert_eq!(go_online(&mut rig), ["Publish 0 q0 b", "Publish 1 q2 a", "Publish 2 q1 c"]);
    rig.publish("a", QoS::AtLeastOnce);
    assert_eq!(rig.sent(), ["Publish 3 q1 a"], "what is in flight is not replaced");
    rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
    let outcomes = rig.outcomes();
    assert!(outcomes.contains(&(third, Ok(0))) && !outcomes.iter().any(|(_, result)| result.is_err()));
}

// R: REC-07
#[test]
fn the_index_of_topics_holds_only_what_waits() {
    let mut rig =
        Rig::connected(Config { queue_policy: QueuePolicy::LatestPerTopic, in_flight_limit: 1, ..config() });
    for number in 0..100 {
        rig.publish(&format!("t/{number}"), QoS::AtLeastOnce);
        let newer = rig.publish(&format!("t/{number}"), QoS::AtLeastOnce);
        assert!(number == 0 || rig.outcomes().iter().any(|(token, _)| *token < newer));
    }
    for packet_id in 1..=101 {
        rig.pump();
        rig.ack(PacketType::PubAck, packet_id, ReasonCode::SUCCESS);
    }
    assert_eq!((rig.connection.queued(), rig.connection.in_flight()), (0, 0));
    assert_eq!(rig.connection.queue.bytes(), 0);
    rig.wire.clear();
    rig.publish("t/5", QoS::AtLeastOnce);
    rig.expect(&[PacketType::Publish]);
}

// R: REC-07
#[test]
fn the_remaining_interval_is_sent_rounded_up() {
    let mut rig = Rig::new(config());
    expiring(&mut rig, "a", QoS::AtMostOnce, 10);
    expiring(&mut rig, "b", QoS::AtLeastOnce, 3);
    rig.connection.handle_timeout(rig.now);
    rig.advance(Duration::from_millis(2_001));
    assert_eq!(go_online(&mut rig), ["Publish 0 q0 a expiry=8", "Publish 1 q1 b expiry=1"]);
    expiring(&mut rig, "c", QoS::AtMostOnce, 10);
    assert_eq!(rig.sent(), ["Publish 0 q0 c expiry=10"]);
    // In flight it is not ours to drop any more.
    rig.advance(seconds(100));
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup b expiry=1"]);
}

// R: REC-07
#[test]
fn a_message_that_expires_ends_at_that_moment_and_frees_its_room() {
    let mut rig = offline(QueuePolicy::Reject, 2);
    let later = expiring(&mut rig, "a", QoS::AtLeastOnce, 7);
    let sooner = expiring(&mut rig, "b", QoS::AtMostOnce, 5);
    assert!(rig.connection.has_output(), "the driver is woken to count");
    let called = rig.now;
    rig.advance(seconds(1));
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.connection.poll_timeout(), Some((called + seconds(6), Timer::Operation)));
    assert!(!rig.connection.has_output());
    rig.next_deadline(seconds(6));
    assert_eq!(rig.outcomes(), [expired(sooner)], "counted from the driver's call");
    rig.publish("c", QoS::AtMostOnce);
    rig.next_deadline(seconds(2));
    assert_eq!(rig.outcomes(), [expired(later)]);
    assert_eq!(rig.connection.poll_timeout(), None);
    assert_eq!(go_online(&mut rig), ["Publish 0 q0 c"]);
}

// R: REC-07
#[test]
fn an_expired_message_is_not_sent_even_if_the_timer_is_late() {
    let mut rig = Rig::new(config());
    let tokens = [QoS::AtMostOnce, QoS::AtLeastOnce].map(|qos| expiring(&mut rig, "a", qos, 1));
    rig.connection.handle_timeout(rig.now);
    rig.connection.connect(rig.now);
    rig.dial();
    rig.version = rig.connection.version();
    rig.expect(&[PacketType::Connect]);
    rig.advance(seconds(1));
    let reason = ReasonCode::SUCCESS;
    rig.send(&Packet::ConnAck(ConnAck { session_present: false, reason, properties: Properties::EMPTY }));
    assert_eq!(rig.sent(), [""; 0]);
    assert_eq!(rig.outcomes(), tokens.map(expired));
}

// R: REC-07, REC-05
#[test]
fn what_is_published_again_expires_again() {
    let mut rig = Rig::connected(config());
    let short = expiring(&mut rig, "a", QoS::AtLeastOnce, 5);
    expiring(&mut rig, "b", QoS::AtLeastOnce, 60);
    rig.sent();
    rig.advance(seconds(1));
    rig.connection.handle_timeout(rig.now);
    rig.advance(seconds(9));
    rig.reconnect(false);
    let sent = rig.sent();
    assert!(sent.len() == 1 && sent[0].starts_with("Publish 3 q1 b expiry="), "{sent:?}");
    assert_eq!(rig.outcomes(), [expired(short)]);
}

// R: REC-07
#[test]
fn a_newer_message_of_qos_0_takes_the_place_of_one_that_waits_for_the_window() {
    let queue_policy = QueuePolicy::LatestPerTopic;
    let mut rig = Rig::connected(Config { in_flight_limit: 1, queue_policy, ..config() });
    rig.publish("other", QoS::AtLeastOnce);
    let older = rig.publish("a", QoS::AtLeastOnce);
    rig.publish("a", QoS::AtMostOnce);
    assert_eq!(rig.sent(), ["Publish 1 q1 other", "Publish 0 q0 a"]);
    assert!(rig.outcomes().contains(&dropped(older)));
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), Vec::<String>::new(), "the older one does not come after the newer one");
}
