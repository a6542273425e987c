//! The differences that `differences.rs` declares: that they are still there, and what the client makes of them.

use std::time::Duration;

use sterna::{Cause, Event, OperationError, ProtocolVersion, PublishError, QoS};

use crate::brokers::Setup;
use crate::cell::{Cell, Kind, Scope};
use crate::differences;
use crate::other_brokers::Make;
use crate::tools::{event, next, text};

scenarios! {
    ON_UNSHARED => nothing_comes_for_a_shared_subscription;
    ON_NATS => a_publish_of_qos_2_closes_the_connection;
    ON_RABBITMQ =>
        a_publish_of_qos_2_is_answered_as_one_of_qos_1,
        no_retained_messages_for_wildcards,
        dots_become_slashes;
    ON_AMQTT => retained_messages_for_the_filters_of_others;
    ON_RUMQTTD => one_alias_for_all_topics_of_a_filter;
    ON_MQTTV5_311 => retained_messages_begin_with_properties;
    ON_MQTTV5 => a_user_property_is_added;
}

const ON_UNSHARED: Scope = Scope::only(
    |cell| matches!(cell.kind, Kind::Other(make) if !differences::has_shared_subscriptions(make)),
);
const ON_NATS: Scope = Scope::only(|cell| is_of(cell, Make::Nats));
const ON_RABBITMQ: Scope = Scope::only(|cell| is_of(cell, Make::RabbitMq));
const ON_AMQTT: Scope = Scope::only(|cell| is_of(cell, Make::Amqtt));
const ON_RUMQTTD: Scope =
    Scope::only(|cell| is_of(cell, Make::Rumqttd) && cell.version == ProtocolVersion::V5);
const ON_MQTTV5_311: Scope =
    Scope::only(|cell| is_of(cell, Make::Mqttv5) && cell.version == ProtocolVersion::V3_1_1);
const ON_MQTTV5: Scope = Scope::only(|cell| is_of(cell, Make::Mqttv5) && cell.version == ProtocolVersion::V5);

fn is_of(cell: Cell, make: Make) -> bool {
    cell.kind == Kind::Other(make)
}

/// MQTT 3.x has none: to these brokers it is a filter like any other, which they grant.
async fn nothing_comes_for_a_shared_subscription(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("worker").await;
    let mut shared = client.subscribe("$share/workers/jobs/#").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut marker = client.subscribe("marker").qos(QoS::AtLeastOnce).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for topic in ["jobs/job", "marker"] {
        publisher.publish(topic, "x").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    }
    assert_eq!(text(&mut marker).await, "x");
    assert!(shared.try_next().is_none());
}

/// Nothing in MQTT 3.x tells the client why. With a session that lives on it tries again, until a deadline or for ever.
async fn a_publish_of_qos_2_closes_the_connection(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let publish = client.publish("a", "x").qos(QoS::ExactlyOnce).await;
    assert_eq!(publish, Err(PublishError::Failed(OperationError::SessionLost)));
    client.publish("a", "y").qos(QoS::AtLeastOnce).await.expect("acknowledged on the next connection");

    let lasting = broker.builder("lasting").persistent().connect().await.expect("connected");
    let publish = lasting.publish("a", "x").qos(QoS::ExactlyOnce).deadline(Duration::from_millis(500)).await;
    assert_eq!(publish, Err(PublishError::Failed(OperationError::DeadlinePassed)));
    lasting.publish("a", "y").qos(QoS::AtLeastOnce).await.expect("acknowledged on the next connection");
}

/// The client names the fault, and does not publish it again in the session that lives on.
async fn a_publish_of_qos_2_is_answered_as_one_of_qos_1(setup: Setup) {
    let broker = setup.broker().await;
    let watcher = broker.connect("watcher").await;
    let mut stream = watcher.subscribe("a").qos(QoS::ExactlyOnce).await.expect("granted");
    let client = broker.builder("client").persistent().connect().await.expect("connected");
    let mut events = client.events();
    let publish = client.publish("a", "once").qos(QoS::ExactlyOnce).await;
    assert_eq!(publish, Err(PublishError::Failed(OperationError::Downgraded)));
    let cause = event(&mut events, |event| match event {
        Event::Disconnected { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert!(matches!(cause, Cause::Protocol(_)), "{cause}");
    client.publish("a", "later").qos(QoS::AtLeastOnce).await.expect("acknowledged on the next connection");
    assert_eq!(text(&mut stream).await, "once");
    assert_eq!(text(&mut stream).await, "later", "nothing came twice");
    assert_eq!(client.statistics().connection.reconnects, 1);
}

async fn no_retained_messages_for_wildcards(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("keeper").await;
    client.publish("kept/state", "on").qos(QoS::AtLeastOnce).retain(true).await.expect("acknowledged");
    let mut exact = client.subscribe("kept/state").await.expect("granted");
    assert_eq!(text(&mut exact).await, "on");
    exact.unsubscribe().await.expect("unsubscribed");
    let mut wild = client.subscribe("kept/+").await.expect("granted");
    client.publish("kept/marker", "").await.expect("sent");
    assert_eq!(next(&mut wild).await.topic(), "kept/marker");
}

async fn dots_become_slashes(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut stream = client.subscribe("version/#").await.expect("granted");
    client.publish("version/1.2", "").await.expect("sent");
    assert_eq!(next(&mut stream).await.topic(), "version/1/2");
}

/// The client subscribes to nothing, and another one does.
async fn retained_messages_for_the_filters_of_others(setup: Setup) {
    let broker = setup.broker().await;
    let keeper = broker.connect("keeper").await;
    let mut state = keeper.subscribe("state").await.expect("granted");
    keeper.publish("state", "on").qos(QoS::AtLeastOnce).retain(true).await.expect("acknowledged");
    assert_eq!(text(&mut state).await, "on");
    let stranger = broker.builder("stranger").build().expect("a client");
    let mut messages = stranger.messages();
    stranger.connect().await.expect("connected");
    let message = messages.next().await.expect("the client lives");
    assert_eq!((message.topic(), message.text(), message.retain()), ("state", Ok("on"), true));
}

/// What comes under a topic alias is of another topic than the client is told. Without aliases everything is well.
async fn one_alias_for_all_topics_of_a_filter(setup: Setup) {
    let broker = setup.broker().await;
    let publisher = broker.connect("publisher").await;
    let aliased = broker.connect("aliased").await;
    let plain = broker.builder("plain").topic_alias_maximum(0).connect().await.expect("connected");
    for (client, second) in [(aliased, "wild/first"), (plain, "wild/second")] {
        let mut wild = client.subscribe("wild/+").qos(QoS::AtLeastOnce).await.expect("granted");
        for topic in ["wild/first", "wild/second"] {
            publisher.publish(topic, topic).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        }
        assert_eq!(next(&mut wild).await.topic(), "wild/first");
        let message = next(&mut wild).await;
        assert_eq!((message.topic(), message.text()), (second, Ok("wild/second")));
        client.disconnect().await.expect("graceful");
    }
}

/// Properties of 5.0, which 3.1.1 does not have.
async fn retained_messages_begin_with_properties(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    client.publish("kept", "on").qos(QoS::AtLeastOnce).retain(true).await.expect("acknowledged");
    let mut kept = client.subscribe("kept").await.expect("granted");
    let message = next(&mut kept).await;
    assert!(message.payload().ends_with(b"x-mqtt-client-id\0\x06clienton"), "{message:?}");
}

async fn a_user_property_is_added(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut stream = client.subscribe("a").await.expect("granted");
    client.publish("a", "").await.expect("sent");
    let message = next(&mut stream).await;
    let added: Vec<_> = message.properties().user_properties().collect();
    assert_eq!(added, [("x-mqtt-client-id", "client")]);
}
