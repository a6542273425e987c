//! Subscriptions, routing, and what nobody claims.

mod world;

use std::time::Duration;

use sterna_client::{
    CleanStart, ClientBuilder, Event, OperationError, ProtocolVersion, QoS, ReasonCode, RetainHandling,
    SubscribeError, SubscribeOptions, Unclaimed,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, OnSend, Options, Sessions};
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn texts(stream: &mut sterna_client::Subscription) -> Vec<String> {
    std::iter::from_fn(|| stream.try_next()).map(|message| message.text().unwrap().to_owned()).collect()
}

fn unclaimed(stream: &mut sterna_client::Messages) -> Vec<String> {
    std::iter::from_fn(|| stream.try_next()).map(|message| message.text().unwrap().to_owned()).collect()
}

// R: SUB-01, SUB-02
#[test]
fn each_filter_has_its_result_and_one_refusal_leaves_the_others() {
    let options = Options { maximum_qos: QoS::AtLeastOnce, maximum_subscriptions: 2, ..Options::default() };
    let (mut world, client) = World::connected(V5, options, |builder| builder);
    let stream = world.finish(client.subscribe([
        ("a", QoS::ExactlyOnce),
        ("b", QoS::AtMostOnce),
        ("c", QoS::AtMostOnce),
    ]));
    let mut stream = stream.unwrap();
    assert_eq!(
        stream.reasons(),
        [ReasonCode::GRANTED_QOS_1, ReasonCode::GRANTED_QOS_0, ReasonCode::QUOTA_EXCEEDED]
    );
    world.finish(client.publish("b", "x")).unwrap();
    world.settle();
    assert_eq!(texts(&mut stream), ["x"]);

    let refused = world.finish(client.subscribe(vec!["d", "e"])).unwrap_err();
    let SubscribeError::Refused(reasons) = refused else { panic!("{refused}") };
    assert_eq!(reasons, [ReasonCode::QUOTA_EXCEEDED; 2]);
}

// R: SUB-01
#[test]
fn what_is_no_filter_is_refused_here() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    for filter in ["", "a/#/b", "a+", "$share/g", "a\0"] {
        let error = world.finish(client.subscribe(filter)).unwrap_err();
        assert!(matches!(error, SubscribeError::Rejected(_)), "{filter}: {error}");
        assert!(world.finish(client.unsubscribe(filter)).is_err());
    }
    assert_eq!(world.finish(client.subscribe(Vec::<String>::new())).unwrap_err(), SubscribeError::NoFilter);
    let no_local = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    assert!(world.finish(client.subscribe(("$share/g/a", no_local))).is_err());
    world.settle();
    assert!(world.received(PacketType::Subscribe).is_empty());

    let (mut world, client) =
        World::connected(ProtocolVersion::V3_1_1, Options::default(), |builder| builder);
    let error = world.finish(client.subscribe("a").retain_handling(RetainHandling::DoNotSend)).unwrap_err();
    let older = sterna_core::SubscribeError::UnsupportedByVersion("");
    assert!(
        matches!(&error, SubscribeError::Rejected(rejected) if std::mem::discriminant(rejected) == std::mem::discriminant(&older)),
        "{error}"
    );
}

// R: SUB-05
#[test]
fn overlapping_subscriptions_each_get_the_message_once() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut all = world.finish(client.subscribe(["a/#", "a/b"]).qos(QoS::AtLeastOnce)).unwrap();
    let mut one = world.finish(client.subscribe("a/+").qos(QoS::AtLeastOnce)).unwrap();
    let mut shared = world.finish(client.subscribe("$share/g/s/+")).unwrap();
    let mut system = world.finish(client.subscribe("#")).unwrap();
    world.finish(client.publish("a/b", "1").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.publish("a/b/c", "2")).unwrap();
    world.settle();
    assert_eq!(texts(&mut all), ["1", "2"]);
    assert_eq!(texts(&mut one), ["1"]);
    assert_eq!(texts(&mut system), ["1", "2"]);
    world.finish(system.unsubscribe()).unwrap();
    world.finish(client.publish("s/t", "3")).unwrap();
    world.settle();
    assert_eq!(texts(&mut shared), ["3"]);
    assert!(texts(&mut all).is_empty());
}

// R: SUB-04, SUB-05
#[test]
fn the_same_filter_twice_is_one_subscription_at_the_server() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut first = world.finish(client.subscribe("a")).unwrap();
    let second = world.finish(client.subscribe("a")).unwrap();
    let nothing = world.finish(second.unsubscribe()).unwrap();
    assert!(nothing.reasons.is_empty(), "the first one still wants it");
    world.finish(client.publish("a", "x")).unwrap();
    world.settle();
    assert_eq!(texts(&mut first), ["x"]);
    assert!(world.received(PacketType::Unsubscribe).is_empty());
    let granted = world.finish(first.unsubscribe()).unwrap();
    assert_eq!(granted.reasons, [ReasonCode::SUCCESS]);
    let granted = world.finish(client.unsubscribe("a")).unwrap();
    assert_eq!(granted.reasons, [ReasonCode::NO_SUBSCRIPTION_EXISTED]);
}

// R: SUB-04
#[test]
fn unsubscribing_by_filter_ends_the_streams_that_have_no_other() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut one = world.finish(client.subscribe("a")).unwrap();
    let mut two = world.finish(client.subscribe(["a", "b"])).unwrap();
    world.finish(client.publish("a", "before")).unwrap();
    world.finish(client.unsubscribe(["a"])).unwrap();
    assert_eq!(world.finish(one.next()).unwrap().text(), Ok("before"));
    assert!(world.finish(one.next()).is_none());
    world.finish(client.publish("b", "after")).unwrap();
    world.settle();
    assert_eq!(texts(&mut two), ["before", "after"]);
}

// R: SUB-05
#[test]
fn messages_before_the_suback_are_kept() {
    let options = Options { retained_before_suback: true, ..Options::default() };
    let (mut world, client) = World::connected(V5, options, |builder| builder);
    for n in 0..10 {
        world.finish(client.publish(format!("a/{n}"), "x").retain(true)).unwrap();
    }
    let mut stream = world.finish(client.subscribe("a/+")).unwrap();
    world.settle();
    assert_eq!(texts(&mut stream).len(), 10);
}

#[test]
fn a_subscribe_that_is_given_up_is_unsubscribed() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let kept = world.finish(client.subscribe("kept")).unwrap();
    let mut subscribe = Box::pin(client.subscribe(["a", "kept"]));
    assert!(poll(&mut subscribe).is_pending());
    drop(subscribe);
    world.settle();
    let unsubscribes = world.received(PacketType::Unsubscribe);
    let [unsubscribe] = &unsubscribes[..] else { panic!("{unsubscribes:?}") };
    let sterna_core::packet::Packet::Unsubscribe(unsubscribe) = unsubscribe.packet() else { panic!() };
    assert_eq!(unsubscribe.filters.iter().collect::<Vec<_>>(), ["a"]);
    drop(kept);

    // Not handed in yet: nothing to undo.
    drop(client.subscribe("never"));
    world.settle();
    assert_eq!(world.received(PacketType::Subscribe).len(), 2);
}

// R: SUB-06
#[test]
fn unclaimed_messages_of_a_session_wait_for_whoever_claims_them() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    drop(world.finish(client.subscribe("a/+").qos(QoS::ExactlyOnce)).unwrap());
    for (topic, qos) in [("a/1", QoS::AtLeastOnce), ("a/2", QoS::ExactlyOnce), ("a/3", QoS::AtMostOnce)] {
        world.finish(client.publish(topic, topic).qos(qos)).unwrap();
    }
    world.settle();
    assert_eq!((world.acked(), client.statistics().unclaimed), (0, 1), "QoS 0 is dropped and counted");
    let mut stream = world.finish(client.subscribe("a/1")).unwrap();
    assert_eq!(texts(&mut stream), ["a/1"]);
    world.settle();
    assert_eq!(world.acked(), 1);
    let mut rest = client.messages();
    assert_eq!(unclaimed(&mut rest), ["a/2"]);
    world.finish(client.publish("a/4", "a/4")).unwrap();
    world.settle();
    assert_eq!(unclaimed(&mut rest), ["a/4"]);
    world.settle();
    assert_eq!(world.acked(), 2);
}

// R: SUB-06
#[test]
fn unclaimed_messages_are_dropped_by_option_without_a_session_and_when_unsubscribed() {
    for (version, clean, policy) in [
        (V5, CleanStart::FirstConnection, Unclaimed::Drop),
        (ProtocolVersion::V3_1_1, CleanStart::Always, Unclaimed::Hold),
    ] {
        let (mut world, client) = World::connected(version, Options::default(), |builder| {
            builder.clean_start(clean).unclaimed(policy)
        });
        drop(world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap());
        world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
        world.settle();
        assert_eq!((world.acked(), client.statistics().unclaimed), (1, 1));
    }
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    drop(world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap());
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!(world.acked(), 0);
    world.finish(client.unsubscribe("a")).unwrap();
    world.settle();
    assert_eq!(world.acked(), 1);
}

// R: SUB-06
#[test]
fn a_message_that_a_dropped_subscription_wants_too_is_not_late_for_one_that_was_unsubscribed() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    drop(world.finish(client.subscribe("a/b").qos(QoS::AtLeastOnce)).unwrap());
    let all = world.finish(client.subscribe("a/#").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(all.unsubscribe()).unwrap();
    world.finish(client.publish("a/b", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!((world.acked(), client.statistics().backlog), (0, 1));
}

// R: SUB-06
#[test]
fn what_a_dropped_subscription_had_queued_goes_to_messages() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut rest = client.messages();
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    for n in 0..4 {
        world.finish(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce)).unwrap();
    }
    world.settle();
    assert_eq!(stream.try_next().unwrap().text(), Ok("0"));
    assert_eq!(stream.try_next().unwrap().text(), Ok("1"));
    drop(stream);
    world.settle();
    assert_eq!(world.acked(), 2, "those that were handed over");
    assert_eq!(unclaimed(&mut rest), ["2", "3"]);
    world.settle();
    assert_eq!(world.acked(), 4);
}

// R: CON-12, REC-06
#[test]
fn a_stream_made_before_connecting_gets_what_the_session_kept() {
    let (mut world, client) = World::connected(V5, Options::default(), ClientBuilder::persistent);
    let stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.disconnect()).unwrap();
    drop(stream);
    let mut broker = world.broker;

    // Another client publishes meanwhile.
    let (mut other, publisher) = World::new(V5, Options::default(), |builder| builder.client_id("publisher"));
    std::mem::swap(&mut other.broker, &mut broker);
    other.connect_after(100);
    other.finish(publisher.connect()).unwrap();
    other.finish(publisher.publish("a", "kept").qos(QoS::AtLeastOnce)).unwrap();
    other.finish(publisher.disconnect()).unwrap();

    let (mut again, client) = World::new(V5, Options::default(), ClientBuilder::persistent);
    std::mem::swap(&mut again.broker, &mut other.broker);
    again.connect_after(200);
    let mut stream = client.subscribe("a").qos(QoS::AtLeastOnce).send().unwrap();
    again.finish(client.connect()).unwrap();
    assert!(client.server().unwrap().session_present);
    assert_eq!(again.finish(stream.next()).unwrap().text(), Ok("kept"));
    let granted = again.finish(stream.granted()).unwrap();
    assert_eq!(granted.reasons, [ReasonCode::GRANTED_QOS_1]);
}

// R: REC-03
#[test]
fn a_filter_that_is_refused_on_resubscribing_ends_its_stream_alone() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut events = client.events();
    let mut gone = world.finish(client.subscribe("a")).unwrap();
    let mut kept = world.finish(client.subscribe("b")).unwrap();
    world
        .broker
        .restart(sterna_simulator::broker::Instant::from_micros(world.now.as_micros()), Sessions::Lose);
    world.broker.options_mut().maximum_subscriptions = 1;
    world.pass(Duration::from_secs(3));
    let mut refused = Vec::new();
    while let std::task::Poll::Ready(Some(event)) = poll(&mut Box::pin(events.next())) {
        if let Event::Resubscribed { filter, reason } = event {
            refused.push((filter, reason.is_error()));
        }
    }
    assert_eq!(refused, [("a".into(), false), ("b".into(), true)]);
    assert!(world.finish(kept.next()).is_none(), "refused");
    world.finish(client.publish("a", "x")).unwrap();
    world.settle();
    assert_eq!(texts(&mut gone), ["x"]);
}

// R: REC-08
#[test]
fn a_subscribe_survives_the_loss_of_its_suback() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    world.broker.add_fault(Fault::sending(PacketType::SubAck, OnSend::Close).times(1));
    let stream = world.finish(client.subscribe("a")).unwrap();
    assert_eq!(stream.reasons(), [ReasonCode::GRANTED_QOS_0]);
    world.broker.add_fault(Fault::receiving(PacketType::Subscribe, OnReceive::Discard));
    let mut subscribe = Box::pin(client.subscribe("b"));
    assert!(poll(&mut subscribe).is_pending());
    world.settle();
    world.finish(client.disconnect().at_once()).unwrap();
    let std::task::Poll::Ready(Err(error)) = poll(&mut subscribe) else { panic!("it hangs") };
    assert_eq!(error, SubscribeError::Failed(OperationError::Closed));
}

// R: SUB-03
#[test]
fn a_large_set_goes_out_in_parts_and_has_one_answer() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.subscribe_batch(2));
    let mut inbox = world.finish(client.subscribe(["a", "b", "c", "d", "e"])).unwrap();
    assert_eq!(world.received(PacketType::Subscribe).len(), 3);
    assert_eq!(inbox.reasons(), [ReasonCode::SUCCESS; 5]);
    for topic in ["a", "e"] {
        world.finish(client.publish(topic, "x")).unwrap();
        assert_eq!(world.finish(inbox.next()).unwrap().topic(), topic);
    }
    world.finish(inbox.unsubscribe()).unwrap();
    assert_eq!(world.received(PacketType::Unsubscribe).len(), 3);
}
