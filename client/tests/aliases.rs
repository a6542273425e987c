//! Topic aliases of our own.

mod world;

use sterna_client::{ProtocolVersion, QoS, TopicAliases};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Options, Record};
use world::World;

const V5: ProtocolVersion = ProtocolVersion::V5;

/// How a PUBLISH named its topic.
fn named(record: &Record) -> (String, Option<u16>) {
    let Packet::Publish(publish) = record.packet() else { panic!("no PUBLISH") };
    (publish.topic.to_owned(), publish.properties.topic_alias())
}

// R: PUB-04
#[test]
fn an_alias_by_hand_outlives_the_connection() {
    let options = Options { topic_alias_maximum: 5, ..Options::default() };
    let (mut world, client) = World::connected(V5, options, |builder| builder);
    let mut inbox = world.finish(client.subscribe("#")).unwrap();
    world.finish(client.publish("a", "1").topic_alias(2)).unwrap();
    world.finish(client.publish("", "2").topic_alias(2)).unwrap();
    world.cut();
    world.settle();
    let offline = client.publish("", "3").qos(QoS::AtLeastOnce).topic_alias(2).send().unwrap();
    world.finish(offline).unwrap();
    let names: Vec<_> = world.received(PacketType::Publish).into_iter().map(named).collect();
    let full = ("a".to_owned(), Some(2));
    assert_eq!(names, [full.clone(), (String::new(), Some(2)), full]);
    for payload in ["1", "2", "3"] {
        let message = world.finish(inbox.next()).unwrap();
        assert_eq!((message.topic(), message.text().unwrap()), ("a", payload));
    }
}

// R: PUB-04
#[test]
fn aliases_are_assigned_when_that_was_chosen() {
    let options = Options { topic_alias_maximum: 5, ..Options::default() };
    let (mut world, client) =
        World::connected(V5, options, |builder| builder.topic_alias(TopicAliases::Assign));
    for _ in 0..2 {
        world.finish(client.publish("a", "x")).unwrap();
    }
    let names: Vec<_> = world.received(PacketType::Publish).into_iter().map(named).collect();
    assert_eq!(names, [("a".to_owned(), Some(1)), (String::new(), Some(1))]);
}
