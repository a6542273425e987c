//! The fates of publishes.

mod world;

use std::task::Poll;
use std::time::Duration;

use sterna_client::{
    OperationError, Properties, PropertiesBuf, Property, ProtocolVersion, PublishError, QoS, ReasonCode,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, OnSend, Options};
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

// R: PUB-01, PUB-02
#[test]
fn a_refusal_is_the_outcome_and_frees_its_place() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (mut world, client) =
            World::connected(V5, Options::default(), |builder| builder.in_flight_limit(1));
        let refusal = OnReceive::Answer(ReasonCode::NOT_AUTHORIZED);
        world.broker.add_fault(Fault::receiving(PacketType::Publish, refusal).times(1));
        let refused = world.finish(client.publish("a", "1").qos(qos));
        let Err(PublishError::Failed(OperationError::Refused(refusal))) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(refusal.reason, ReasonCode::NOT_AUTHORIZED);
        let receipt = world.finish(client.publish("a", "2").qos(qos)).unwrap();
        assert_eq!(receipt.reason, ReasonCode::NO_MATCHING_SUBSCRIBERS, "which is a success");
    }
}

// R: PUB-06
#[test]
fn an_unlawful_topic_is_refused_before_anything_is_sent() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    for topic in ["a/#", "+", "", "a\0b"] {
        let error = world.finish(client.publish(topic, "x")).unwrap_err();
        assert!(matches!(error, PublishError::Rejected(_)), "{error}");
        assert!(client.publish(topic, "x").send().is_err());
    }
    world.settle();
    assert!(world.received(PacketType::Publish).is_empty());
}

// R: PUB-01
#[test]
fn properties_on_an_older_connection_are_an_error() {
    let (mut world, client) =
        World::connected(ProtocolVersion::V3_1_1, Options::default(), |builder| builder);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text/plain")).unwrap();
    let error = world.finish(client.publish("a", "x").properties(properties.as_properties())).unwrap_err();
    assert!(
        matches!(error, PublishError::Rejected(sterna_core::PublishError::UnsupportedByVersion(_))),
        "{error}"
    );
    world.finish(client.publish("a", "x").properties(Properties::EMPTY)).unwrap();
}

// R: PUB-02
#[test]
fn send_never_waits_and_hands_the_publish_back() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.queue_limit(2, 1 << 20));
    let first = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    let second = client.publish("a", "2").qos(QoS::AtLeastOnce).send().unwrap();
    let unsent = client.publish("a", "3").qos(QoS::AtLeastOnce).send().unwrap_err();
    assert_eq!(unsent.error, sterna_core::PublishError::Full);
    world.finish(client.connect()).unwrap();
    world.finish(first).unwrap();
    drop(second);
    world.finish(*unsent.publish).unwrap();
    let payloads: Vec<_> =
        world.received(PacketType::Publish).iter().map(|record| record.bytes().last().copied()).collect();
    assert_eq!(payloads, [Some(b'1'), Some(b'2'), Some(b'3')], "dropping a delivery cancels nothing");
}

// R: PUB-02, REC-07
#[test]
fn publishes_wait_for_room_in_the_order_of_the_calls() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.queue_limit(1, 1 << 20));
    let mut publishes: Vec<_> =
        (0..5).map(|n| Box::pin(client.publish("a", vec![b'0' + n]).qos(QoS::AtLeastOnce))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    // One that gives up is not sent; one that was accepted already is.
    drop(publishes.remove(2));
    drop(publishes.remove(0));
    let mut enqueue = Box::pin(client.publish("a", "e").enqueue());
    assert!(poll(&mut enqueue).is_pending());
    assert_eq!(client.publish("a", "x").send().unwrap_err().error, sterna_core::PublishError::Full);

    world.finish(client.connect()).unwrap();
    // Nobody polls the futures: what waits is put in all the same.
    world.settle();
    let payloads: Vec<_> =
        world.received(PacketType::Publish).iter().map(|record| *record.bytes().last().unwrap()).collect();
    assert_eq!(payloads, *b"0134e");
    for publish in publishes {
        world.finish(publish).unwrap();
    }
    world.finish(enqueue).unwrap();
}

// R: REC-08
#[test]
fn a_delivery_outlives_reconnects() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    world.broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard).times(1));
    let mut delivery = Box::pin(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    world.settle();
    assert!(poll(&mut delivery).is_pending());
    world.cut();
    world.pass(Duration::from_secs(5));
    assert!(matches!(poll(&mut delivery), Poll::Ready(Ok(_))));
    assert_eq!(world.received(PacketType::Publish).len(), 2);
}

// R: REC-08
#[test]
fn every_operation_resolves_when_the_client_closes() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.queue_limit(2, 1 << 20));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    world.broker.add_fault(Fault::receiving(PacketType::Subscribe, OnReceive::Discard));
    world.broker.add_fault(Fault::receiving(PacketType::Unsubscribe, OnReceive::Discard));
    let mut publishes: Vec<_> =
        (0..4).map(|_| Box::pin(client.publish("a", "x").qos(QoS::ExactlyOnce))).collect();
    let mut subscribe = Box::pin(client.subscribe("a"));
    let mut unsubscribe = Box::pin(client.unsubscribe("b"));
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    assert!(poll(&mut subscribe).is_pending());
    assert!(poll(&mut unsubscribe).is_pending());
    world.settle();
    world.finish(client.disconnect().at_once()).unwrap();
    for mut publish in publishes {
        let Poll::Ready(Err(error)) = poll(&mut publish) else { panic!("it hangs") };
        assert!(matches!(
            error,
            PublishError::Failed(OperationError::Closed)
                | PublishError::Rejected(sterna_core::PublishError::Closed)
        ));
    }
    assert!(matches!(poll(&mut subscribe), Poll::Ready(Err(_))));
    assert!(matches!(poll(&mut unsubscribe), Poll::Ready(Err(_))));
    assert!(matches!(client.publish("a", "x").send().unwrap_err().error, sterna_core::PublishError::Closed));
}

// R: REC-08
#[test]
fn dropping_the_engine_resolves_everything() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.queue_limit(1, 1 << 20));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let mut inbox = world.finish(client.subscribe("b")).unwrap();
    let mut events = client.events();
    world.cut();
    world.settle();
    let mut publishes: Vec<_> =
        (0..3).map(|_| Box::pin(client.publish("a", "x").qos(QoS::AtLeastOnce))).collect();
    for publish in &mut publishes {
        assert!(poll(publish).is_pending());
    }
    let mut next = Box::pin(inbox.next());
    assert!(poll(&mut next).is_pending());
    let mut disconnect = Box::pin(client.disconnect());
    let mut connect = Box::pin(client.connect());
    assert!(poll(&mut connect).is_pending());
    world.engine = None;
    for publish in &mut publishes {
        assert!(matches!(poll(publish), Poll::Ready(Err(_))));
    }
    assert!(matches!(poll(&mut next), Poll::Ready(None)));
    assert!(poll(&mut connect).is_ready());
    assert!(poll(&mut disconnect).is_ready());
    assert!(matches!(poll(&mut Box::pin(client.subscribe("c"))), Poll::Ready(Err(_))));
    let mut last = Box::pin(async { while events.next().await.is_some() {} });
    assert!(poll(&mut last).is_ready());
}
