//! Topic aliases of our own: when they are set, used and forgotten.

use super::*;
use crate::config::TopicAliases;
use crate::error::{PublishError, ServerLimit};
use crate::packet::{EncodeError, PropertyId};

fn rig(topic_alias: TopicAliases, maximum: u16) -> Rig {
    Rig::connected_to(Config { topic_alias, ..config() }, &[Property::TopicAliasMaximum(maximum)])
}

fn publish(rig: &mut Rig, topic: &str, alias: u16) -> Result<Token, PublishError> {
    rig.connection.publish(rig.now, Publish::new(topic, "").topic_alias(alias))
}

// R: PUB-04
#[test]
fn an_alias_by_hand_is_declared_once_and_used_from_then_on() {
    let mut rig = rig(TopicAliases::Manual, 3);
    publish(&mut rig, "a", 3).unwrap();
    publish(&mut rig, "", 3).unwrap();
    publish(&mut rig, "a", 3).unwrap();
    rig.publish("a", QoS::AtMostOnce);
    assert_eq!(
        rig.sent(),
        ["Publish 0 q0 a alias=3", "Publish 0 q0  alias=3", "Publish 0 q0  alias=3", "Publish 0 q0 a",]
    );
}

// R: PUB-04
#[test]
fn an_alias_that_is_not_lawful_is_refused() {
    let mut rig = rig(TopicAliases::Manual, 3);
    assert_eq!(publish(&mut rig, "", 1), Err(PublishError::UnknownAlias(1)));
    let zero = EncodeError::PropertyValue { property: PropertyId::TopicAlias, value: 0 };
    assert_eq!(publish(&mut rig, "a", 0), Err(PublishError::Encode(zero)));
    publish(&mut rig, "a/#", 1).unwrap_err();
    assert_eq!(publish(&mut rig, "", 1), Err(PublishError::UnknownAlias(1)), "that one was not accepted");
    let mut older = Rig::connected(config_of(ProtocolVersion::V3_1_1));
    let unsupported = PublishError::UnsupportedByVersion(PropertyId::TopicAlias);
    assert_eq!(publish(&mut older, "a", 1), Err(unsupported));
}

// R: PUB-04
#[test]
fn beyond_the_servers_maximum_the_topic_is_sent_alone() {
    for topic_alias in [TopicAliases::Manual, TopicAliases::Use, TopicAliases::Assign] {
        let mut rig = rig(topic_alias, 0);
        publish(&mut rig, "a", 1).unwrap();
        publish(&mut rig, "", 1).unwrap();
        assert_eq!(rig.sent(), ["Publish 0 q0 a", "Publish 0 q0 a"]);
    }
}

// R: PUB-04
#[test]
fn a_queued_message_that_had_only_an_alias_keeps_its_topic() {
    let mut rig = Rig::new(config());
    publish(&mut rig, "a", 1).unwrap();
    publish(&mut rig, "", 1).unwrap();
    publish(&mut rig, "b", 1).unwrap();
    publish(&mut rig, "", 1).unwrap();
    rig.connection.connect(rig.now);
    rig.accept(false, properties(&[Property::TopicAliasMaximum(1)]).as_properties());
    assert_eq!(
        rig.sent(),
        [
            "Publish 0 q0 a alias=1",
            "Publish 0 q0  alias=1",
            "Publish 0 q0 b alias=1",
            "Publish 0 q0  alias=1",
        ]
    );
}

// R: PUB-04
#[test]
fn every_connection_starts_without_aliases() {
    let mut rig = rig(TopicAliases::Assign, 2);
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("a", QoS::ExactlyOnce);
    assert_eq!(rig.sent(), ["Publish 1 q1 a alias=1", "Publish 2 q2  alias=1"]);
    rig.reconnect_to(true, &[Property::TopicAliasMaximum(2)]);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a alias=1", "Publish 2 q2 dup  alias=1"]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a", "Publish 2 q2 dup a"], "this server takes none");
    rig.reconnect_to(true, &[Property::TopicAliasMaximum(1)]);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a alias=1", "Publish 2 q2 dup  alias=1"]);
}

// R: PUB-04
#[test]
fn what_waits_gets_its_alias_in_the_order_of_the_wire() {
    let mut rig = Rig::connected_to(
        Config { topic_alias: TopicAliases::Assign, in_flight_limit: 1, ..config() },
        &[Property::TopicAliasMaximum(1)],
    );
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtMostOnce);
    assert_eq!(rig.sent(), ["Publish 1 q1 a alias=1", "Publish 0 q0 b alias=1"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 2 q1 a alias=1"], "b has taken it in between");
}

// R: PUB-04
#[test]
fn sizes_are_those_of_what_is_sent() {
    let topic = "t".repeat(40);
    // PUBLISH of QoS 0 with that topic and nothing else takes 2 + 2 + 40 + 1 bytes; an alias adds three.
    for (limit, expected) in [(48, " alias=1"), (47, "")] {
        let list = [Property::TopicAliasMaximum(1), Property::MaximumPacketSize(limit)];
        let mut rig = Rig::connected_to(Config { topic_alias: TopicAliases::Assign, ..config() }, &list);
        rig.connection.publish(rig.now, Publish::new(&topic, "")).unwrap();
        assert_eq!(rig.sent(), [format!("Publish 0 q0 {topic}{expected}")], "{limit}");
    }
    let list = [Property::TopicAliasMaximum(1), Property::MaximumPacketSize(48)];
    let mut rig = Rig::connected_to(Config { topic_alias: TopicAliases::Assign, ..config() }, &list);
    rig.connection.publish(rig.now, Publish::new(&topic, "")).unwrap();
    let payload = [0; 30];
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        rig.connection.publish(rig.now, Publish::new(&topic, &payload).qos(qos)).unwrap();
    }
    let too_large = rig.connection.publish(rig.now, Publish::new("u", &[0; 50]).qos(QoS::AtLeastOnce));
    assert!(matches!(too_large, Err(PublishError::Limit(ServerLimit::MaximumPacketSize { .. }))));
    rig.sent();
    rig.reconnect_to(true, &[Property::MaximumPacketSize(48)]);
    let outcomes = rig.outcomes();
    let Some((_, Err(OperationError::Limit(limit)))) = outcomes.last() else { panic!("{outcomes:?}") };
    assert_eq!(
        *limit,
        ServerLimit::MaximumPacketSize { size: 77, limit: 48 },
        "without its alias it is too large"
    );
}
