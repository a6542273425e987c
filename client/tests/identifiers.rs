//! Routing by subscription identifier, with servers that send one copy of a message or one for each subscription.

mod world;

use std::time::Duration;

use sterna_client::{ClientBuilder, PropertiesBuf, Property, ProtocolVersion, QoS, Subscription};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Options, Sessions};
use world::World;

const V5: ProtocolVersion = ProtocolVersion::V5;

fn servers() -> [Options; 2] {
    [false, true].map(|overlapping_copies| Options { overlapping_copies, ..Options::default() })
}

fn texts(stream: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| stream.try_next()).map(|message| message.text().unwrap().to_owned()).collect()
}

/// The identifiers of the SUBSCRIBEs that the server received.
fn identifiers(world: &World) -> Vec<Option<u32>> {
    let identifier = |packet| match packet {
        Packet::Subscribe(subscribe) => subscribe.properties.subscription_identifiers().next(),
        other => panic!("{other:?}"),
    };
    world.received(PacketType::Subscribe).iter().map(|record| identifier(record.packet())).collect()
}

fn identified(identifier: u32) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SubscriptionIdentifier(identifier)).unwrap();
    properties
}

// R: SUB-05
#[test]
fn overlapping_subscriptions_get_a_message_once_from_either_kind_of_server() {
    for options in servers() {
        let (mut world, client) = World::connected(V5, options, |builder| builder);
        let mut all = world.finish(client.subscribe("a/#").qos(QoS::ExactlyOnce)).unwrap();
        let mut one = world.finish(client.subscribe(["a/b", "c"]).qos(QoS::AtLeastOnce)).unwrap();
        let mut same = world.finish(client.subscribe("a/b").qos(QoS::ExactlyOnce)).unwrap();
        let mut level = world.finish(client.subscribe("+/b")).unwrap();
        assert_eq!(identifiers(&world), [Some(1), Some(2), Some(3), Some(4)]);
        for (n, topic) in ["a/b", "a/c", "c", "x/b", "a/b"].into_iter().enumerate() {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3];
            world.finish(client.publish(topic, n.to_string()).qos(qos)).unwrap();
        }
        world.settle();
        assert_eq!(texts(&mut all), ["0", "1", "4"]);
        assert_eq!(texts(&mut one), ["0", "2", "4"]);
        assert_eq!(texts(&mut same), ["0", "4"]);
        assert_eq!(texts(&mut level), ["0", "3", "4"]);
        assert_eq!(client.statistics().unclaimed, 0);
    }
}

// R: SUB-05
#[test]
fn overlapping_filters_of_one_subscription_give_a_message_once_and_equal_messages_each() {
    for options in servers() {
        let (mut world, client) = World::connected(V5, options, |builder| builder);
        let mut stream = world
            .finish(client.subscribe([
                ("a/#", QoS::AtLeastOnce),
                ("a/b", QoS::ExactlyOnce),
                ("+/b", QoS::AtMostOnce),
            ]))
            .unwrap();
        assert_eq!(stream.reasons().iter().map(|reason| reason.value()).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(identifiers(&world), [Some(1), Some(2), Some(3)]);
        let payloads = ["on", "on", "off", "on", "on"];
        for payload in payloads {
            drop(client.publish("a/b", payload).qos(QoS::ExactlyOnce).send().unwrap());
        }
        world.finish(client.publish("a/c", "alone")).unwrap();
        world.settle();
        let mut got = texts(&mut stream);
        let mut wanted = [&payloads[..], &["alone"]].concat();
        // Copies of another quality of service may overtake.
        got.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(got, wanted);
        world.settle();
        assert_eq!(client.statistics().backlog, 0);
        let unsubscribed = world.finish(stream.unsubscribe()).unwrap();
        assert_eq!(unsubscribed.reasons, [sterna_client::ReasonCode::SUCCESS; 3]);
    }
}

// R: SUB-05
#[test]
fn a_subscription_that_ends_leaves_its_copies_to_nobody_else() {
    for options in servers() {
        let (mut world, client) = World::connected(V5, options, |builder| builder);
        let mut all = world.finish(client.subscribe("a/#").qos(QoS::AtLeastOnce)).unwrap();
        let one = world.finish(client.subscribe("a/b").qos(QoS::AtLeastOnce)).unwrap();
        // Published before the server hears of the end: its copy comes after it.
        drop(client.publish("a/b", "1").qos(QoS::AtLeastOnce).send().unwrap());
        world.finish(one.unsubscribe()).unwrap();
        world.finish(client.publish("a/b", "2").qos(QoS::AtLeastOnce)).unwrap();
        world.settle();
        assert_eq!(texts(&mut all), ["1", "2"]);
    }
}

// R: SUB-05
#[test]
fn identifiers_of_an_earlier_process_leave_it_to_matching() {
    let (mut world, client) = World::connected(V5, Options::default(), ClientBuilder::persistent);
    for filter in ["x", "y", "a/+", "a/b"] {
        drop(world.finish(client.subscribe(filter).qos(QoS::AtLeastOnce)).unwrap());
    }
    world.finish(client.disconnect()).unwrap();
    let (mut other, publisher) = World::new(V5, Options::default(), |builder| builder.client_id("publisher"));
    std::mem::swap(&mut other.broker, &mut world.broker);
    other.connect_after(100);
    other.finish(publisher.connect()).unwrap();
    other.finish(publisher.publish("a/b", "kept").qos(QoS::AtLeastOnce)).unwrap();
    other.finish(publisher.disconnect()).unwrap();

    let (mut again, client) = World::new(V5, Options::default(), ClientBuilder::persistent);
    std::mem::swap(&mut again.broker, &mut other.broker);
    again.connect_after(200);
    let mut first = client.subscribe("a/b").qos(QoS::AtLeastOnce).send().unwrap();
    let mut second = client.subscribe("#").qos(QoS::AtLeastOnce).send().unwrap();
    again.finish(client.connect()).unwrap();
    again.settle();
    assert_eq!((texts(&mut first), texts(&mut second)), (vec!["kept".into()], vec!["kept".into()]));
}

// R: SUB-05
#[test]
fn a_users_own_identifier_is_used_as_given_and_not_given_to_others() {
    for options in servers() {
        let (mut world, client) = World::connected(V5, options, |builder| builder);
        let mut own = world.finish(client.subscribe("a/#").properties(identified(2))).unwrap();
        let mut first = world.finish(client.subscribe("a/+")).unwrap();
        let mut second = world.finish(client.subscribe("a/b")).unwrap();
        assert_eq!(identifiers(&world), [Some(2), Some(1), Some(3)]);
        world.finish(client.publish("a/b", "x")).unwrap();
        world.settle();
        for stream in [&mut own, &mut first, &mut second] {
            assert_eq!(texts(stream), ["x"]);
        }
    }
}

// R: SUB-05, REC-03
#[test]
fn subscribing_again_keeps_the_identifier_and_every_kind_of_server_gets_what_it_takes() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut all = world.finish(client.subscribe("a/#").qos(QoS::AtLeastOnce)).unwrap();
    let mut one = world.finish(client.subscribe("a/b").qos(QoS::AtLeastOnce)).unwrap();
    // A server that takes none, then one that sends a copy for each.
    for (round, takes) in [false, true].into_iter().enumerate() {
        let now = sterna_simulator::broker::Instant::from_micros(world.now.as_micros());
        world.broker.restart(now, Sessions::Lose);
        let options = world.broker.options_mut();
        options.subscription_identifiers_available = takes;
        options.overlapping_copies = takes;
        world.pass(Duration::from_secs(5));
        let mut last = identifiers(&world).split_off(2 + round);
        last.sort_unstable();
        assert_eq!(
            last,
            if takes { vec![Some(1), Some(2)] } else { vec![None] },
            "{:?}",
            identifiers(&world)
        );
        world.finish(client.publish("a/b", round.to_string()).qos(QoS::AtLeastOnce)).unwrap();
        world.settle();
        assert_eq!((texts(&mut all), texts(&mut one)), (vec![round.to_string()], vec![round.to_string()]));
    }
}

// R: SUB-05, CON-02
#[test]
fn older_versions_route_by_matching_alone() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1] {
        let (mut world, client) = World::connected(version, Options::default(), |builder| builder);
        let mut all = world.finish(client.subscribe("a/#")).unwrap();
        let mut one = world.finish(client.subscribe("a/b")).unwrap();
        world.finish(client.publish("a/b", "x")).unwrap();
        world.settle();
        assert_eq!((texts(&mut all), texts(&mut one)), (vec!["x".into()], vec!["x".into()]));
        assert_eq!(identifiers(&world), [None, None]);
    }
}
