//! What becomes of incoming messages when the client closes, and of unclaimed ones where the client fell back to 3.1.1.

mod world;

use std::time::Duration;

use sterna_client::{
    AckError, AckMode, Client, ClientBuilder, ProtocolVersion, QoS, ReasonCode, State, VersionPolicy,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::Options;
use world::{Bench, World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn by_hand(builder: ClientBuilder<Bench>) -> ClientBuilder<Bench> {
    builder.persistent().ack(AckMode::Manual)
}

// R: SUB-06, REC-05
#[test]
fn messages_that_a_close_left_unacknowledged_can_be_read_and_not_acknowledged() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (mut world, client) = World::connected(V5, Options::default(), by_hand);
        let mut stream = world.finish(client.subscribe("a").qos(qos)).unwrap();
        for text in ["0", "1", "2"] {
            world.finish(client.publish("a", text).qos(qos)).unwrap();
        }
        let first = world.finish(stream.next()).unwrap();
        let acker = first.acker().unwrap();
        world.finish(client.disconnect().at_once()).unwrap();
        assert_eq!(client.state(), State::Closed);

        // What was handed over stays, and what was queued is still handed over; then the stream ends.
        assert_eq!(first.text(), Ok("0"));
        let second = world.finish(stream.next()).unwrap();
        assert_eq!((second.text(), second.redelivered()), (Ok("1"), false));
        let stale = AckError::from(sterna_core::AckError::Stale);
        assert_eq!((first.ack(), acker.ack(), second.ack()), (Err(stale), Err(stale), Err(stale)));
        assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("2"));
        assert!(world.finish(stream.next()).is_none());
        assert_eq!(world.acked(), 0);

        // The server's session has all of them: they come again, and are known as such.
        // A subscription that lives goes on.
        world.finish(client.connect()).unwrap();
        for text in ["0", "1", "2"] {
            let message = world.finish(stream.next()).unwrap();
            assert_eq!((message.text(), message.redelivered()), (Ok(text), true));
            // Not by the copy of the life before.
            assert_eq!((first.ack(), second.ack()), (Err(stale), Err(stale)));
            assert_eq!(message.ack(), Ok(()));
            assert_eq!(message.ack(), Err(stale));
        }
        world.settle();
        assert_eq!(world.acked(), 3);
        assert!(poll(&mut Box::pin(stream.next())).is_pending(), "each once");
    }
}

// R: SUB-06
#[test]
fn what_was_on_its_way_when_the_client_closed_comes_without_the_mark() {
    let options = Options { maximum_in_flight: 1, ..Options::default() };
    let (mut world, client) = World::connected(V5, options, by_hand);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    for text in ["sent", "kept"] {
        world.finish(client.publish("a", text).qos(QoS::AtLeastOnce)).unwrap();
    }
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("sent"));
    world.finish(client.disconnect().at_once()).unwrap();
    world.finish(client.connect()).unwrap();
    for (text, redelivered) in [("sent", true), ("kept", false)] {
        let message = world.finish(stream.next()).unwrap();
        assert_eq!((message.text(), message.redelivered()), (Ok(text), redelivered));
        message.ack().unwrap();
    }
}

// R: SUB-05
#[test]
fn unclaimed_messages_that_were_held_come_once_after_a_new_start() {
    let (mut world, client) = World::connected(V5, Options::default(), by_hand);
    let stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    drop(stream);
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!((client.statistics().backlog, world.acked()), (1, 0));
    world.finish(client.disconnect().at_once()).unwrap();
    assert_eq!(client.statistics().backlog, 0, "it could not be acknowledged any more");
    assert!(client.messages().try_next().is_none());
    let mut rest = client.messages();
    world.finish(client.connect()).unwrap();
    let message = world.finish(rest.next()).unwrap();
    assert_eq!((message.text(), message.redelivered()), (Ok("x"), true));
    message.ack().unwrap();
    world.settle();
    assert_eq!((world.acked(), rest.try_next().is_none()), (1, true));
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
