//! Every future may be dropped after any poll.

mod world;

use std::future::Future;
use std::pin::Pin;

use sterna_client::{Client, ProtocolVersion, QoS, Subscription};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::Options;
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// A connected client with room for `room` operations.
fn start(room: usize) -> (World, Client) {
    World::connected(V5, Options::default(), |builder| builder.queue_limit(room, 1 << 20).in_flight_limit(1))
}

/// Polls `future` up to `polls` times, letting the world move in between, and drops it; whether it was ready.
fn abandon<F: Future>(world: &mut World, future: F, polls: usize) -> Option<F::Output> {
    let mut future: Pin<Box<F>> = Box::pin(future);
    for n in 0..polls {
        if n > 0 {
            world.settle();
        }
        if let std::task::Poll::Ready(output) = poll(&mut future) {
            return Some(output);
        }
    }
    None
}

/// The client still does everything.
fn check(world: &mut World, client: &Client) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        world.finish(client.publish("check", "x").qos(qos)).unwrap();
    }
    let mut stream = world.finish(client.subscribe("check").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.publish("check", "y").qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("y"));
    world.finish(stream.unsubscribe()).unwrap();
}

fn published(world: &World, payload: &[u8]) -> usize {
    let publishes = world.received(PacketType::Publish);
    publishes
        .iter()
        .filter(|record| matches!(record.packet(), Packet::Publish(publish) if publish.payload == payload))
        .count()
}

#[test]
fn publish_after_any_poll() {
    for room in [1, 1_000] {
        for polls in 0..4 {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let (mut world, client) = start(room);
                let fill: Vec<_> =
                    (0..room.min(3)).map(|_| client.publish("f", "f").qos(QoS::ExactlyOnce).send()).collect();
                abandon(&mut world, client.publish("a", "the one").qos(qos), polls);
                abandon(&mut world, client.publish("a", "the one").qos(qos).enqueue(), polls);
                world.settle();
                let times = published(&world, b"the one");
                assert!(times <= 2 && (polls > 0 || times == 0), "{times}");
                drop(fill);
                check(&mut world, &client);
            }
        }
    }
}

#[test]
fn a_delivery_after_any_poll_changes_nothing() {
    for polls in 0..4 {
        let (mut world, client) = start(1_000);
        let delivery = client.publish("a", "the one").qos(QoS::ExactlyOnce).send().unwrap();
        abandon(&mut world, delivery, polls);
        world.settle();
        assert_eq!(published(&world, b"the one"), 1);
        assert_eq!(world.received(PacketType::PubRel).len(), 1);
        check(&mut world, &client);
    }
}

#[test]
fn subscribe_after_any_poll_leaves_no_subscription() {
    for polls in 0..4 {
        let (mut world, client) = start(1_000);
        let ready = abandon(&mut world, client.subscribe("a").qos(QoS::AtLeastOnce), polls).is_some();
        world.settle();
        let subscribed = world.received(PacketType::Subscribe).len();
        let unsubscribed = world.received(PacketType::Unsubscribe).len();
        if !ready {
            assert_eq!(subscribed, unsubscribed, "after {polls} polls");
            world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
            world.settle();
            assert_eq!(client.statistics().backlog, 0, "nothing is held for it");
        }
        check(&mut world, &client);
    }
}

#[test]
fn next_after_any_poll_loses_no_message() {
    let (mut world, client) = start(1_000);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    let mut seen = 0;
    let mut take = |world: &mut World, stream: &mut Subscription, polls: usize| {
        if let Some(message) = abandon(world, stream.next(), polls) {
            assert_eq!(message.unwrap().text(), Ok(&*seen.to_string()));
            seen += 1;
        }
    };
    for n in 0..50 {
        take(&mut world, &mut stream, n % 3);
        drop(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce).send().unwrap());
        take(&mut world, &mut stream, n % 4);
        if n % 5 == 0 {
            world.settle();
        }
    }
    world.settle();
    for _ in 0..50 {
        take(&mut world, &mut stream, 2);
    }
    assert_eq!(seen, 50);
    world.settle();
    assert_eq!(world.acked(), 50, "and no acknowledgement");
}

#[test]
fn unsubscribe_connect_disconnect_and_events_after_any_poll() {
    for polls in 0..4 {
        let (mut world, client) = start(1_000);
        let mut events = client.events();
        let stream = world.finish(client.subscribe("a")).unwrap();
        abandon(&mut world, stream.unsubscribe(), polls);
        abandon(&mut world, client.unsubscribe("b"), polls);
        abandon(&mut world, client.connect(), polls);
        abandon(&mut world, events.next(), polls);
        check(&mut world, &client);
        abandon(&mut world, client.disconnect(), polls);
        world.settle();
        assert_eq!(world.received(PacketType::Disconnect).len(), usize::from(polls > 0));
        world.finish(client.connect()).unwrap();
        check(&mut world, &client);
    }
}
