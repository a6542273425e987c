//! Operations that wait while messages of QoS 1 and 2 that nobody reads hold reading back.

mod world;

use std::task::Poll;
use std::time::Duration;

use sterna_client::{
    Client, ClientBuilder, OperationError, ProtocolVersion, PublishError, QoS, ReasonCode, SubscribeError,
    Subscription,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::Options;
use world::{Bench, World, poll};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const COUNT: usize = 40;

/// Some messages fill the reserve, and nothing ends by itself for want of an answer.
fn limited(builder: ClientBuilder<Bench>) -> ClientBuilder<Bench> {
    let builder = builder.incoming_limit(2, 1 << 20).incoming_reserve(1 << 10).keep_alive(Duration::ZERO);
    builder.ack_timeout(Duration::ZERO).write_timeout(Duration::ZERO)
}

/// A broker that has so many retained messages, and sends them before it answers a subscribe.
fn retaining(version: ProtocolVersion, qos: QoS) -> (World, Client) {
    let options = Options { retained_before_suback: true, ..Options::default() };
    let (mut world, client) = World::connected(version, options, limited);
    for n in 0..COUNT {
        let publish = client.publish(format!("many/{n}"), n.to_string()).retain(true).qos(qos);
        world.finish(publish).unwrap();
    }
    (world, client)
}

fn read(world: &mut World, stream: &mut Subscription, count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count)
        .map(|_| world.finish(stream.next()).expect("more").text().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

// R: SUB-07
#[test]
fn a_subscribe_does_not_wait_for_an_answer_behind_messages_that_it_alone_can_give_out() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut world, client) = retaining(version, qos);
            let mut many = world.finish(client.subscribe("many/#").qos(qos)).unwrap();
            assert!(many.reasons().is_empty(), "the answer is behind the messages");
            assert_eq!(read(&mut world, &mut many, COUNT), (0..COUNT).collect::<Vec<_>>());
            let granted = world.finish(many.granted()).unwrap();
            assert_eq!(granted.reasons, many.reasons());
            assert!(!granted.reasons[0].is_error());
            world.finish(client.publish("many/more", "77").qos(qos)).unwrap();
            assert_eq!(read(&mut world, &mut many, 1), [77]);
        }
    }
}

// R: SUB-07, REC-08
#[test]
fn a_subscribe_whose_messages_nobody_reads_is_taken_back() {
    for version in VERSIONS {
        let (mut world, client) = retaining(version, QoS::AtLeastOnce);
        let mut many = world.finish(client.subscribe("many/#").qos(QoS::AtLeastOnce)).unwrap();
        let stalled = world.finish(many.granted()).unwrap_err();
        assert_eq!(stalled, SubscribeError::Failed(OperationError::Stalled));
        // What is there can be read; then it ends, and what still comes is acknowledged and nobody's.
        let mut left = 0;
        while world.finish(many.next()).is_some() {
            left += 1;
        }
        assert!((2..COUNT).contains(&left), "{left}");
        world.settle();
        assert_eq!(world.received(PacketType::Unsubscribe).len(), 1);
        assert_eq!(world.acked(), COUNT);
        assert_eq!(client.statistics().backlog, 0);
        let mut again = world.finish(client.subscribe("many/7")).unwrap();
        assert_eq!(read(&mut world, &mut again, 1), [7], "all is well again");
    }
}

// R: SUB-07, REC-08
#[test]
fn operations_end_behind_another_streams_messages_and_all_goes_on_when_they_are_read() {
    for version in VERSIONS {
        let (mut world, client) = World::connected(version, Options::default(), limited);
        let mut unread = world.finish(client.subscribe("unread").qos(QoS::AtLeastOnce)).unwrap();
        let sent: Vec<_> = (0..COUNT)
            .map(|n| client.publish("unread", n.to_string()).qos(QoS::AtLeastOnce).send().unwrap())
            .collect();
        world.settle();
        let stalled = OperationError::Stalled;
        let before = world.now;
        let subscribing = world.finish(client.subscribe("other")).unwrap_err();
        assert_eq!(subscribing, SubscribeError::Failed(stalled.clone()));
        let publish = client.publish("other", "x").qos(QoS::ExactlyOnce);
        assert_eq!(world.finish(publish).unwrap_err(), PublishError::Failed(stalled.clone()));
        let unsubscribing = world.finish(client.unsubscribe("elsewhere")).unwrap_err();
        assert_eq!(unsubscribing, SubscribeError::Failed(stalled));
        assert!(world.now - before < Duration::from_secs(6 * 60));
        assert_eq!(read(&mut world, &mut unread, COUNT), (0..COUNT).collect::<Vec<_>>());
        drop(sent);
        world.finish(client.publish("other", "x").qos(QoS::ExactlyOnce)).unwrap();
        let other = world.finish(client.subscribe("other")).unwrap();
        assert!(!other.reasons()[0].is_error());
        world.settle();
        assert_eq!(client.statistics().in_flight, 0);
    }
}

// R: SUB-07, REC-08
#[test]
fn what_waits_for_room_ends_too_and_what_was_accepted_stays() {
    let configure = |builder| limited(builder).in_flight_limit(1).queue_limit(2, 1 << 20);
    let (mut world, client) = World::connected(ProtocolVersion::V5, Options::default(), configure);
    let mut unread = world.finish(client.subscribe("unread").qos(QoS::AtLeastOnce)).unwrap();
    let text = "0".repeat(400);
    for _ in 0..2 {
        world.finish(client.publish("unread", text.clone()).qos(QoS::AtLeastOnce)).unwrap();
    }
    // These fill the reserve, the window and the queue.
    let publish = |text: &str| client.publish("unread", text.to_owned()).qos(QoS::AtLeastOnce);
    let mut accepted: Vec<_> = Vec::new();
    while let Ok(delivery) = publish(&text).send() {
        accepted.push(delivery);
        world.settle();
        assert!(accepted.len() < 20, "it never fills");
    }
    assert_eq!(client.statistics().queued, 2);
    let mut enqueuing = Box::pin(publish(&text).enqueue());
    let mut subscribing = Box::pin(client.subscribe("other"));
    assert!(poll(&mut enqueuing).is_pending() && poll(&mut subscribing).is_pending());
    world.pass(Duration::from_secs(130));
    let stalled = OperationError::Stalled;
    let Poll::Ready(Err(enqueued)) = poll(&mut enqueuing) else { panic!("it waits") };
    assert_eq!(enqueued, PublishError::Failed(stalled.clone()));
    let Poll::Ready(Err(subscribed)) = poll(&mut subscribing) else { panic!("it waits") };
    assert_eq!(subscribed, SubscribeError::Failed(stalled));
    assert_eq!(client.statistics().queued, 2);
    assert_eq!(read(&mut world, &mut unread, 2 + accepted.len()).len(), 2 + accepted.len());
    let last = accepted.pop().unwrap();
    assert_eq!(world.finish(last).unwrap().reason, ReasonCode::SUCCESS);
}
