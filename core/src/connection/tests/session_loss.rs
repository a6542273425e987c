//! What becomes of messages when the server has lost the session, and of QoS 0 that was not written.

use super::*;
use crate::config::{AfterPubRec, InDoubt, QueuePolicy, SessionLoss};
use crate::error::PublishError;

type Outcomes = Vec<(Token, Result<u8, OperationError>)>;

const QOS: [QoS; 3] = [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce];

/// Loses the session with a message in each state; gives their tokens, what is sent then, and the outcomes.
fn lose_session(session_loss: SessionLoss) -> ([Token; 3], Vec<String>, Outcomes) {
    let mut rig = Rig::connected(Config { session_loss, ..config() });
    let tokens = QOS.map(|qos| rig.publish("a", qos));
    rig.sent();
    rig.ack(PacketType::PubRec, 3, ReasonCode::NO_MATCHING_SUBSCRIBERS);
    rig.sent();
    rig.lose();
    rig.publish("unsent", QoS::ExactlyOnce);
    rig.next_deadline(seconds(60));
    rig.accept(false, Properties::EMPTY);
    (tokens, rig.sent(), rig.outcomes())
}

// R: REC-05
#[test]
fn by_default_only_qos_1_is_published_again() {
    let ([_, two, released], sent, outcomes) = lose_session(SessionLoss::default());
    assert_eq!(sent, ["Publish 4 q1 a", "Publish 5 q2 unsent"]);
    assert_eq!(outcomes, [(two, Err(OperationError::SessionLost)), (released, Ok(0x10))]);
}

// R: REC-05
#[test]
fn each_choice_can_be_made_otherwise() {
    let ([one, _, released], sent, outcomes) = lose_session(SessionLoss {
        at_least_once: InDoubt::Fail,
        exactly_once: InDoubt::PublishAgain,
        after_pubrec: AfterPubRec::Fail,
    });
    assert_eq!(sent, ["Publish 4 q2 a", "Publish 5 q2 unsent"], "in the order of the calls, as new messages");
    let lost = || Err(OperationError::SessionLost);
    assert_eq!(outcomes, [(one, lost()), (released, lost())]);
}

fn requeued(rig: &mut Rig, topic: &str) -> Token {
    rig.connection.publish(rig.now, Publish::new(topic, "x").requeue(true)).unwrap()
}

// R: REC-05
#[test]
fn qos_0_that_was_not_written_is_queued_again_on_request() {
    let mut rig = Rig::connected(config());
    let written = requeued(&mut rig, "written");
    rig.sent();
    let lost = rig.publish("lost", QoS::AtMostOnce);
    let half = requeued(&mut rig, "half");
    let none = requeued(&mut rig, "none");
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    rig.connection.handle_written(rig.now, 20);
    rig.lose();
    assert_eq!(rig.outcomes(), [(written, Ok(0)), (lost, Ok(0))]);
    let later = rig.publish("later", QoS::AtMostOnce);
    rig.next_deadline(seconds(60));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 0 q0 half", "Publish 0 q0 none", "Publish 0 q0 later"]);
    assert_eq!(rig.outcomes(), [(half, Ok(0)), (none, Ok(0)), (later, Ok(0))]);
    assert_eq!(rig.connection.queue.bytes(), 0);
}

// R: REC-05, REC-07
#[test]
fn qos_0_that_may_be_queued_again_counts_against_the_bound_of_the_queue() {
    for queue_policy in [QueuePolicy::Wait, QueuePolicy::DropOldest] {
        let mut rig = Rig::connected(Config { queue_limit: 3, queue_policy, ..config() });
        for topic in ["a", "b"] {
            requeued(&mut rig, topic);
        }
        rig.sent();
        assert_eq!(rig.outcomes().len(), 2);
        let tokens = ["a", "b", "c"].map(|topic| requeued(&mut rig, topic));
        let full = rig.connection.publish(rig.now, Publish::new("d", "x").requeue(true));
        assert_eq!(full, Err(PublishError::Full), "what was encoded cannot be dropped");
        rig.connection.cancel(rig.now, tokens[1]).unwrap();
        requeued(&mut rig, "d");
        assert!(!rig.connection.has_room());
        rig.lose();
        assert_eq!(rig.connection.queued(), 3);
        assert!(!rig.connection.has_room());
        rig.next_deadline(seconds(60));
        rig.accept(false, Properties::EMPTY);
        assert_eq!(rig.sent(), ["Publish 0 q0 a", "Publish 0 q0 c", "Publish 0 q0 d"]);
        assert!(rig.connection.has_room());
    }
}

// R: REC-05, PUB-05
#[test]
fn qos_0_that_was_cancelled_is_not_queued_again() {
    let mut rig = Rig::connected(config());
    let token = requeued(&mut rig, "a");
    rig.connection.cancel(rig.now, token).unwrap();
    rig.lose();
    assert_eq!(rig.outcomes(), [(token, Err(OperationError::Cancelled))]);
    assert_eq!((rig.connection.queued(), rig.connection.queue.bytes()), (0, 0));
}
