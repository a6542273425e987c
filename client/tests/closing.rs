//! What becomes of incoming messages when the client closes, and of unclaimed ones where the client fell back to 3.1.1.

mod world;

use std::time::Duration;

use sterna_client::{
    AckError, AckMode, Client, ClientBuilder, ProtocolVersion, QoS, ReasonCode, State, VersionPolicy,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Options, Sessions};
use world::{Bench, World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn by_hand(builder: ClientBuilder<Bench>) -> ClientBuilder<Bench> {
    builder.persistent().ack(AckMode::Manual)
}

// R: SUB-06, REC-05
#[test]
fn messages_that_a_close_left_unacknowledged_are_handed_over_once_and_acknowledged_when_they_come_again() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (mut world, client) = World::connected(V5, Options::default(), by_hand);
        let mut stream = world.finish(client.subscribe("a").qos(qos)).unwrap();
        for text in ["0", "1", "2", "3"] {
            world.finish(client.publish("a", text).qos(qos)).unwrap();
        }
        let first = world.finish(stream.next()).unwrap();
        world.finish(client.disconnect().at_once()).unwrap();
        assert_eq!(client.state(), State::Closed);

        // What was handed over stays, and what was queued is still handed over.
        assert_eq!(first.text(), Ok("0"));
        let second = world.finish(stream.next()).unwrap();
        assert_eq!((second.text(), second.redelivered()), (Ok("1"), false));
        assert_eq!((second.ack(), second.ack()), (Ok(()), Err(AckError::from(sterna_core::AckError::Stale))));
        world.settle();
        assert_eq!(world.acked(), 0, "there is nobody to tell");

        // The server's session has all of them, and sends them again: that only makes the acknowledgements due.
        world.finish(client.connect()).unwrap();
        world.settle();
        assert_eq!(world.acked(), 0, "the first one comes first [MQTT-4.6.0-2]");
        assert_eq!(first.ack(), Ok(()));
        world.settle();
        assert_eq!(world.acked(), 2);
        for text in ["2", "3"] {
            let message = world.finish(stream.next()).unwrap();
            assert_eq!(message.text(), Ok(text));
            assert_eq!(message.ack(), Ok(()));
        }
        world.settle();
        assert_eq!(world.acked(), 4);
        assert!(poll(&mut Box::pin(stream.next())).is_pending(), "each once");
    }
}

// R: SUB-06, SUB-07
#[test]
fn a_stream_ends_with_the_client_when_everything_is_read() {
    let (mut world, client) = World::connected(V5, Options::default(), by_hand);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce)).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::ExactlyOnce)).unwrap();
    world.finish(client.disconnect().at_once()).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("x"));
    assert!(world.finish(stream.next()).is_none());
}

/// The session has ended: nobody sends them again.
// R: REC-06, SUB-06
#[test]
fn messages_that_a_close_left_are_not_lost_with_the_session() {
    let (mut world, client) = World::connected(V5, Options::default(), by_hand);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce)).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::ExactlyOnce)).unwrap();
    world.finish(client.disconnect().at_once()).unwrap();
    world
        .broker
        .restart(sterna_simulator::broker::Instant::from_micros(world.now.as_micros()), Sessions::Lose);
    world.finish(client.connect()).unwrap();
    world.settle();
    let message = world.finish(stream.next()).unwrap();
    assert_eq!(message.text(), Ok("x"));
    assert_eq!(message.ack(), Err(AckError::from(sterna_core::AckError::Stale)));
    assert!(poll(&mut Box::pin(stream.next())).is_pending(), "once");
}

// R: SUB-06
#[test]
fn what_was_on_its_way_when_the_client_closed_follows_what_it_has() {
    let options = Options { maximum_in_flight: 1, ..Options::default() };
    let (mut world, client) = World::connected(V5, options, by_hand);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    for text in ["sent", "kept"] {
        world.finish(client.publish("a", text).qos(QoS::AtLeastOnce)).unwrap();
    }
    let sent = world.finish(stream.next()).unwrap();
    assert_eq!(sent.text(), Ok("sent"));
    world.finish(client.disconnect().at_once()).unwrap();
    world.finish(client.connect()).unwrap();
    sent.ack().unwrap();
    let kept = world.finish(stream.next()).unwrap();
    assert_eq!((kept.text(), kept.redelivered()), (Ok("kept"), false));
}

// R: SUB-05
#[test]
fn unclaimed_messages_that_were_held_come_once_after_a_new_start() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (mut world, client) = World::connected(V5, Options::default(), by_hand);
        let stream = world.finish(client.subscribe("a").qos(qos)).unwrap();
        drop(stream);
        world.finish(client.publish("a", "x").qos(qos)).unwrap();
        world.settle();
        assert_eq!((client.statistics().backlog, world.acked()), (1, 0));
        world.finish(client.disconnect().at_once()).unwrap();
        let mut rest = client.messages();
        world.finish(client.connect()).unwrap();
        let message = world.finish(rest.next()).unwrap();
        assert_eq!(message.text(), Ok("x"));
        message.ack().unwrap();
        world.settle();
        assert_eq!((world.acked(), rest.try_next().is_none()), (1, true));
    }
}

/// A client that falls back to 3.1.1, of whose session an earlier process left one message.
fn fallen_back(session_expiry: Duration) -> (World, Client) {
    let options = Options { maximum_version: ProtocolVersion::V3_1_1, ..Options::default() };
    let falls_back = |builder: ClientBuilder<Bench>| {
        builder.version(VersionPolicy::Automatic { on_close: false }).session_expiry(session_expiry)
    };
    let (mut world, client) = World::connected(V5, options.clone(), falls_back);
    assert_eq!(client.server().unwrap().version, ProtocolVersion::V3_1_1);
    let stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!(world.acked(), 0, "nobody has read it");
    // The process ends without a word.
    world.cut();
    world.engine = None;
    drop((stream, client));
    let (mut next, client) = World::new(V5, options, falls_back);
    next.broker = world.broker;
    next.connect_after(100);
    next.finish(client.connect()).unwrap();
    next.settle();
    (next, client)
}

// R: SUB-05
#[test]
fn unclaimed_messages_are_held_where_falling_back_keeps_the_session() {
    let (mut world, client) = fallen_back(Duration::from_secs(100));
    assert_eq!((client.statistics().backlog, client.statistics().unclaimed, world.acked()), (1, 0, 0));
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    let message = world.finish(stream.next()).unwrap();
    assert_eq!((message.text(), message.redelivered()), (Ok("x"), true));
    drop(stream);
    world.settle();
    assert_eq!((world.acked(), client.statistics().backlog), (1, 0));
}

// R: SUB-05
#[test]
fn falling_back_without_a_session_leaves_nothing_unclaimed() {
    let (mut world, client) = fallen_back(Duration::ZERO);
    assert_eq!((client.statistics().backlog, world.acked()), (0, 0));
    assert_eq!(world.received(PacketType::Connect).len(), 4, "each process tried 5.0 first");
    // What nobody claims is not kept for a session that ends with its connection.
    drop(world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap());
    world.finish(client.publish("a", "y").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!((client.statistics().backlog, client.statistics().unclaimed, world.acked()), (0, 1, 1));
}

/// One owner of a message answered while the server could be told a reason, and the other one no more.
// R: SUB-06, CON-02
#[test]
fn a_reason_from_before_falling_back_does_not_hold_the_acknowledgement_up() {
    for reason in [ReasonCode::NO_MATCHING_SUBSCRIBERS, ReasonCode::QUOTA_EXCEEDED] {
        let by_hand = |builder| by_hand(builder).version(VersionPolicy::Automatic { on_close: false });
        let (mut world, client) = World::connected(V5, Options::default(), by_hand);
        let mut all = world.finish(client.subscribe("#").qos(QoS::AtLeastOnce)).unwrap();
        let mut one = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
        world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
        let (first, second) = (world.finish(all.next()).unwrap(), world.finish(one.next()).unwrap());
        first.ack_with(reason).unwrap();
        world.settle();
        assert_eq!(world.acked(), 0, "the other one still has it");

        world.broker.options_mut().maximum_version = ProtocolVersion::V3_1_1;
        world.cut();
        world.pass(Duration::from_secs(60));
        assert_eq!(client.server().unwrap().version, ProtocolVersion::V3_1_1);
        second.ack().unwrap();
        world.settle();
        assert_eq!(world.acked(), 1);
    }
}
