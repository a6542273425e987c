//! What waits: policies at the bound, expiry, deadlines, and cancelling.

mod world;

use std::task::Poll;
use std::time::Duration;

use sterna_client::{
    CancelError, InDoubt, OperationError, PropertiesBuf, Property, ProtocolVersion, PublishError, QoS,
    QueuePolicy, SessionLoss, SubscribeError,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, Options, Sessions};
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;
const ONCE: QoS = QoS::AtLeastOnce;

fn payloads(world: &World) -> String {
    let publishes = world.received(PacketType::Publish);
    publishes.iter().filter_map(|record| record.bytes().last()).map(|byte| char::from(*byte)).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

// R: REC-07
#[test]
fn only_under_the_waiting_policy_a_publish_waits() {
    for (policy, expected) in [
        (QueuePolicy::Wait, "123"),
        (QueuePolicy::Reject, "12"),
        (QueuePolicy::DropOldest, "23"),
        (QueuePolicy::DropNewest, "12"),
        (QueuePolicy::LatestPerTopic, "3"),
    ] {
        let (mut world, client) = World::new(V5, Options::default(), |builder| {
            builder.queue_limit(2, 1 << 20).queue_policy(policy)
        });
        let mut first = Box::pin(client.publish("a", "1").qos(ONCE));
        let mut second = Box::pin(client.publish("a", "2").qos(ONCE));
        let mut third = Box::pin(client.publish("a", "3").qos(ONCE));
        let polled = [poll(&mut first), poll(&mut second), poll(&mut third)];
        world.settle();
        let dropped = Err(PublishError::Failed(OperationError::Dropped));
        let full = Err(PublishError::Rejected(sterna_core::PublishError::Full));
        match policy {
            QueuePolicy::Reject => assert_eq!(polled[2], Poll::Ready(full)),
            QueuePolicy::DropOldest => assert_eq!(world.finish(first), dropped),
            QueuePolicy::DropNewest => assert_eq!(world.finish(third), dropped),
            QueuePolicy::LatestPerTopic => {
                assert_eq!((world.finish(first), world.finish(second)), (dropped.clone(), dropped));
            }
            QueuePolicy::Wait => assert_eq!(polled, [Poll::Pending, Poll::Pending, Poll::Pending]),
        }
        world.finish(client.connect()).unwrap();
        world.settle();
        assert_eq!(payloads(&world), expected, "{policy:?}");
    }
}

// R: REC-07
#[test]
fn a_message_expires_while_the_client_is_offline_and_nothing_else_happens() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(5)).unwrap();
    let mut publish = Box::pin(client.publish("a", "1").qos(ONCE).properties(properties));
    assert!(poll(&mut publish).is_pending());
    world.pass(Duration::from_millis(4_999));
    assert!(poll(&mut publish).is_pending());
    world.pass(Duration::from_millis(1));
    let expired = Err(PublishError::Failed(OperationError::Expired));
    assert_eq!(poll(&mut publish), Poll::Ready(expired));
    world.finish(client.connect()).unwrap();
    assert_eq!(payloads(&world), "");
}

// R: REC-08
#[test]
fn a_deadline_passes_for_what_waits_for_room_for_the_connection_and_for_the_server() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.queue_limit(1, 1 << 20));
    let mut queued = Box::pin(client.publish("a", "1").qos(ONCE).deadline(seconds(5)));
    let mut waits = Box::pin(client.publish("a", "2").qos(ONCE).deadline(seconds(3)));
    let mut later = Box::pin(client.publish("a", "3").qos(ONCE).deadline(seconds(60)));
    let mut subscribe = Box::pin(client.subscribe("f").deadline(seconds(4)));
    assert!(poll(&mut queued).is_pending() && poll(&mut waits).is_pending());
    assert!(poll(&mut later).is_pending() && poll(&mut subscribe).is_pending());
    let passed = OperationError::DeadlinePassed;
    let mut ended = Vec::new();
    for second in 1..=5 {
        world.pass(seconds(1));
        for (name, publish) in [("waits", &mut waits), ("queued", &mut queued)] {
            if !ended.iter().any(|(ended, _)| *ended == name)
                && let Poll::Ready(result) = poll(publish)
            {
                assert_eq!(result, Err(PublishError::Failed(passed.clone())));
                ended.push((name, second));
            }
        }
        if second == 4 {
            let Poll::Ready(Err(SubscribeError::Failed(error))) = poll(&mut subscribe) else { panic!() };
            assert_eq!(error, passed);
        }
    }
    assert_eq!(ended, [("waits", 3), ("queued", 5)]);
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    world.finish(client.connect()).unwrap();
    world.settle();
    assert_eq!(payloads(&world), "3", "the room of those before it is free");
    world.pass(seconds(54));
    assert!(poll(&mut later).is_pending());
    world.pass(seconds(1));
    assert_eq!(
        poll(&mut later),
        Poll::Ready(Err(PublishError::Failed(passed))),
        "its time went on throughout"
    );
}

// R: PUB-05
#[test]
fn a_delivery_can_be_cancelled_before_and_after_it_was_sent() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    let unsent = client.publish("a", "1").qos(ONCE).send().unwrap();
    let kept = client.publish("a", "2").qos(ONCE).send().unwrap();
    unsent.cancel().unwrap();
    assert_eq!(unsent.cancel(), Err(CancelError));
    let cancelled = || Err(PublishError::Failed(OperationError::Cancelled));
    assert_eq!(world.finish(unsent), cancelled());
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard).times(1));
    world.finish(client.connect()).unwrap();
    world.settle();
    kept.cancel().unwrap();
    assert_eq!(world.finish(kept), cancelled());
    world.cut();
    world.pass(seconds(60));
    assert_eq!(payloads(&world), "2", "it is not sent again");
    let delivery = client.publish("a", "3").qos(ONCE).send().unwrap();
    world.settle();
    assert_eq!(delivery.cancel(), Err(CancelError), "it has ended");
    world.finish(delivery).unwrap();
}

// R: REC-05
#[test]
fn qos_0_that_was_not_written_is_sent_on_the_next_connection() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    world.write_limit = 0;
    let lost = client.publish("a", "1").send().unwrap();
    let again = client.publish("a", "2").requeue(true).send().unwrap();
    world.settle();
    world.cut();
    assert_eq!(world.finish(lost), Err(PublishError::Failed(OperationError::Lost)));
    world.write_limit = usize::MAX;
    world.finish(again).unwrap();
    assert_eq!(payloads(&world), "2");
}

// R: REC-05
#[test]
fn what_a_lost_session_means_can_be_chosen() {
    let loss = SessionLoss { at_least_once: InDoubt::Fail, ..SessionLoss::default() };
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.session_loss(loss));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard).times(1));
    let publish = client.publish("a", "1").qos(ONCE).send().unwrap();
    world.settle();
    let now = sterna_simulator::broker::Instant::from_micros(world.now.as_micros());
    world.broker.restart(now, Sessions::Lose);
    world.cut();
    assert_eq!(world.finish(publish), Err(PublishError::Failed(OperationError::SessionLost)));
    assert_eq!(payloads(&world), "1");
}
