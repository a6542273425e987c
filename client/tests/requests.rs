//! Requests and their answers (5.0).

mod world;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use sterna_client::{
    Client, Message, PropertiesBuf, Property, PropertyId, ProtocolVersion, PublishError, QoS, ReasonCode,
    RequestError, RespondError, SubscribeError, Subscription,
};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Fault, OnSend, Options, Sessions};
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

type Request = Pin<Box<dyn Future<Output = Result<Message, RequestError>>>>;

/// A client that has a service at `service`.
fn with_service(options: Options) -> (World, Client, Subscription) {
    let (mut world, client) = World::connected(V5, options, |builder| builder);
    let service = world.finish(client.subscribe("service").qos(QoS::ExactlyOnce)).unwrap();
    (world, client, service)
}

/// A request that has been sent.
fn sent(world: &mut World, client: &Client, payload: &str) -> Request {
    let mut request: Request = Box::pin(client.request("service", payload.to_owned()));
    assert!(poll(&mut request).is_pending());
    world.settle();
    request
}

fn text(message: Result<Message, RequestError>) -> String {
    message.unwrap().text().unwrap().to_owned()
}

/// The topic filters that the server was asked for.
fn filters(world: &World) -> Vec<String> {
    let filters = |packet: Packet<'_>| match packet {
        Packet::Subscribe(subscribe) => {
            subscribe.filters.iter().map(|filter| filter.filter.to_owned()).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    world.received(PacketType::Subscribe).iter().flat_map(|record| filters(record.packet())).collect()
}

// R: PUB-08
#[test]
fn answers_are_matched_in_any_order_over_one_subscription() {
    for overlapping_copies in [false, true] {
        let (mut world, client, mut service) =
            with_service(Options { overlapping_copies, ..Options::default() });
        let mut everything = world.finish(client.subscribe("#")).unwrap();
        let requests: Vec<_> = (0..100).map(|n| sent(&mut world, &client, &n.to_string())).collect();
        let mut asked: Vec<_> = std::iter::from_fn(|| service.try_next()).collect();
        assert_eq!(asked.len(), 100);
        asked.reverse();
        for question in asked {
            let payload = format!("answer to {}", question.text().unwrap());
            let answer = question.respond(payload).unwrap();
            drop(answer.send().unwrap());
        }
        for (n, request) in requests.into_iter().enumerate() {
            assert_eq!(text(world.finish(request)), format!("answer to {n}"));
        }
        assert_eq!(filters(&world), ["service", "#", "sterna/response/client"]);
        assert_eq!(client.statistics().unmatched_responses, 0);
        let seen = std::iter::from_fn(|| everything.try_next()).count();
        assert_eq!(seen, 200, "others get the answers too, once");
    }
}

// R: PUB-08
#[test]
fn late_foreign_and_second_answers_are_counted_and_dropped() {
    let (mut world, client, mut service) = with_service(Options::default());
    let request = sent(&mut world, &client, "1");
    let question = service.try_next().unwrap();
    let respond = |payload| drop(question.respond(payload).unwrap().send().unwrap());
    respond("in time");
    respond("again");
    assert_eq!(text(world.finish(request)), "in time");
    // Somebody else's, and one without Correlation Data.
    let mut properties = PropertiesBuf::new();
    properties.push(Property::CorrelationData(&[7; 16])).unwrap();
    world.finish(client.publish("sterna/response/client", "?").properties(properties)).unwrap();
    world.finish(client.publish("sterna/response/client", "?")).unwrap();
    // The time is virtual, and exact.
    let before = world.now;
    let mut request = Box::pin(client.request("service", "2").timeout(Duration::from_secs(7)));
    assert_eq!(world.finish(&mut request).unwrap_err(), RequestError::TimedOut);
    assert_eq!(world.now - before, Duration::from_secs(7));
    drop(service.try_next().unwrap().respond("late").unwrap().send().unwrap());
    world.settle();
    assert_eq!(client.statistics().unmatched_responses, 4);
    assert_eq!(client.statistics().backlog, 0);
}

// R: PUB-08
#[test]
fn a_request_waits_for_the_connection_and_over_reconnects() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    let mut service = client.subscribe("service").qos(QoS::AtLeastOnce).send().unwrap();
    let mut request: Request = Box::pin(client.request("service", "x").timeout(Duration::from_secs(600)));
    assert!(poll(&mut request).is_pending());
    world.settle();
    world.finish(client.connect()).unwrap();
    assert!(poll(&mut request).is_pending());
    world.settle();
    let question = service.try_next().unwrap();
    // The server forgets everything: the subscription is made again before the answer is published.
    world
        .broker
        .restart(sterna_simulator::broker::Instant::from_micros(world.now.as_micros()), Sessions::Lose);
    world.pass(Duration::from_secs(10));
    drop(question.respond("after all").unwrap().send().unwrap());
    assert_eq!(text(world.finish(request)), "after all");
}

// R: PUB-08
#[test]
fn the_time_of_a_request_that_waits_for_a_connection_runs() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    let request = client.request("service", "x").timeout(Duration::from_secs(3));
    assert_eq!(world.finish(request).unwrap_err(), RequestError::TimedOut);
    assert!(world.received(PacketType::Publish).is_empty());
}

// R: PUB-08
#[test]
fn the_response_topic_is_the_servers_or_the_prefix() {
    let options = Options { response_information: Some("replies/here/".into()), ..Options::default() };
    let (mut world, client) = World::connected(V5, options, |builder| {
        builder.client_id("a+b#").request_response_information(true).response_prefix("mine")
    });
    let mut service = world.finish(client.subscribe("service")).unwrap();
    let request = sent(&mut world, &client, "x");
    let question = service.try_next().unwrap();
    assert_eq!(question.properties().response_topic(), Some("replies/here/a_b_"));
    drop(question.respond("y").unwrap().send().unwrap());
    assert_eq!(text(world.finish(request)), "y");

    // Another server: another topic, and the first one is not needed any more.
    world
        .broker
        .restart(sterna_simulator::broker::Instant::from_micros(world.now.as_micros()), Sessions::Keep);
    world.broker.options_mut().response_information = None;
    world.pass(Duration::from_secs(10));
    let request = sent(&mut world, &client, "x");
    let question = service.try_next().unwrap();
    assert_eq!(question.properties().response_topic(), Some("mine/a_b_"));
    drop(question.respond("z").unwrap().send().unwrap());
    assert_eq!(text(world.finish(request)), "z");
    assert_eq!(world.received(PacketType::Unsubscribe).len(), 1);
}

// R: PUB-08
#[test]
fn what_cannot_be_answered_fails_at_once() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.request_limit(1));
    assert_eq!(world.finish(client.request("nobody", "x")).unwrap_err(), RequestError::NobodyListens);
    let mut own = PropertiesBuf::new();
    own.push(Property::CorrelationData(b"own")).unwrap();
    let error = world.finish(client.request("service", "x").properties(own)).unwrap_err();
    let duplicate = sterna_core::packet::EncodeError::DuplicateProperty(PropertyId::CorrelationData);
    let duplicate = PublishError::Rejected(sterna_core::PublishError::Encode(duplicate));
    assert_eq!(error, RequestError::Publish(duplicate));
    let error = world.finish(client.request("a/#", "x")).unwrap_err();
    assert!(matches!(error, RequestError::Publish(_)), "{error}");

    let _service = world.finish(client.subscribe("service")).unwrap();
    let waiting = sent(&mut world, &client, "x");
    assert_eq!(world.finish(client.request("service", "y")).unwrap_err(), RequestError::Full);
    drop(waiting);
    let waiting = sent(&mut world, &client, "z");
    world.finish(client.disconnect().at_once()).unwrap();
    assert_eq!(world.finish(waiting).unwrap_err(), RequestError::Closed);
    assert_eq!(world.finish(client.request("service", "x")).unwrap_err(), RequestError::Closed);
}

/// The acknowledgement that said who listened is lost; that of the copy is about the copy.
// R: PUB-08
#[test]
fn nobody_who_listens_to_a_copy_says_nothing_of_the_first() {
    let (mut world, client, mut service) = with_service(Options::default());
    world.broker.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard).times(1));
    let mut request = sent(&mut world, &client, "x");
    let question = service.try_next().unwrap();
    world.finish(service.unsubscribe()).unwrap();
    world.cut();
    world.pass(Duration::from_secs(10));
    let published = world.received(PacketType::Publish);
    let copies: Vec<_> = published.iter().map(|record| record.packet()).collect();
    assert!(matches!(copies[..], [_, Packet::Publish(copy)] if copy.duplicate), "{copies:?}");
    assert!(poll(&mut request).is_pending(), "the first may be answered");
    drop(question.respond("y").unwrap().send().unwrap());
    assert_eq!(text(world.finish(request)), "y");
    // Before it was ever sent, a reconnect changes nothing.
    world.cut();
    assert_eq!(world.finish(client.request("service", "z")).unwrap_err(), RequestError::NobodyListens);
}

// R: PUB-08
#[test]
fn a_refused_response_topic_fails_its_requests_and_is_asked_for_again() {
    let (mut world, client, mut service) = with_service(Options::default());
    world.broker.options_mut().maximum_subscriptions = 1;
    let error = world.finish(client.request("service", "x")).unwrap_err();
    let refused = SubscribeError::Refused(vec![ReasonCode::QUOTA_EXCEEDED]);
    assert_eq!(error, RequestError::Subscribe(refused));
    world.broker.options_mut().maximum_subscriptions = 10;
    let request = sent(&mut world, &client, "y");
    while let Some(question) = service.try_next() {
        let answer = question.text().unwrap().to_owned();
        drop(question.respond(answer).unwrap().send().unwrap());
    }
    assert_eq!(text(world.finish(request)), "y");
    assert_eq!(client.statistics().unmatched_responses, 1, "that of the first one");
}

// R: PUB-08, CON-02
#[test]
fn older_versions_have_no_requests() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1] {
        let (mut world, client) = World::connected(version, Options::default(), |builder| builder);
        let mut stream = world.finish(client.subscribe("a")).unwrap();
        let error = world.finish(client.request("a", "x")).unwrap_err();
        assert_eq!(error, RequestError::UnsupportedByVersion);
        world.finish(client.publish("a", "x")).unwrap();
        let message = world.finish(stream.next()).unwrap();
        assert_eq!(message.respond("y").unwrap_err(), RespondError::NoResponseTopic);
    }
    // The same when it turns out only later.
    let options = Options { maximum_version: ProtocolVersion::V3_1_1, ..Options::default() };
    let (mut world, client) = World::new(V5, options, |builder| {
        builder.version(sterna_client::VersionPolicy::Automatic { on_close: false })
    });
    let mut request: Request = Box::pin(client.request("a", "x"));
    assert!(poll(&mut request).is_pending());
    world.finish(client.connect()).unwrap();
    assert_eq!(world.finish(request).unwrap_err(), RequestError::UnsupportedByVersion);
}

// R: PUB-08
#[test]
fn an_answer_keeps_its_correlation_data_whatever_else_it_has() {
    let (mut world, client, mut service) = with_service(Options::default());
    let request = sent(&mut world, &client, "x");
    let question = service.try_next().unwrap();
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text/plain")).unwrap();
    drop(question.respond("y").unwrap().properties(properties).send().unwrap());
    let answer = world.finish(request).unwrap();
    assert_eq!((answer.text(), answer.properties().content_type()), (Ok("y"), Some("text/plain")));
    assert_eq!(answer.qos(), QoS::AtLeastOnce, "as the request");
}

// R: PUB-08, SUB-07
#[test]
fn an_answer_does_not_wait_behind_unread_messages() {
    let (mut world, client, mut service) = with_service(Options::default());
    let mut unread = world.finish(client.subscribe("flood")).unwrap();
    let request = sent(&mut world, &client, "x");
    let question = service.try_next().unwrap();
    for n in 0..6_000 {
        drop(client.publish("flood", n.to_string()).send().unwrap());
    }
    drop(question.respond("through").unwrap().send().unwrap());
    assert_eq!(text(world.finish(request)), "through");
    for n in 0..6_000 {
        assert_eq!(world.finish(unread.next()).unwrap().text(), Ok(&*n.to_string()));
    }
}

// R: PUB-08
#[test]
fn dropping_a_request_at_any_poll_leaves_nothing_behind() {
    for polls in 0..4 {
        let (mut world, client, mut service) = with_service(Options::default());
        let mut request: Request = Box::pin(client.request("service", "x"));
        for _ in 0..polls {
            assert!(poll(&mut request).is_pending());
            world.settle();
        }
        drop(request);
        world.settle();
        if let Some(question) = service.try_next() {
            drop(question.respond("nobody waits").unwrap().send().unwrap());
        }
        world.pass(Duration::from_secs(600));
        let request = sent(&mut world, &client, "y");
        let question = service.try_next().unwrap();
        drop(question.respond("z").unwrap().send().unwrap());
        assert_eq!(text(world.finish(request)), "z");
    }
}
