//! The asynchronous client, on whichever runtime.

use std::collections::VecDeque;

use bench_common::{Meter, PAYLOAD, TOPIC, Trips, WINDOW, Work};
use serde_json::Value;
use sterna::protocol::PublishError;
use sterna::{Client, ClientBuilder, Delivery, QoS, Runtime, Subscription};

use super::{memory, settings};

pub(crate) async fn run<R: Runtime + Send>(work: Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    if let Some(outcome) = memory::run(&work, builder).await {
        return outcome;
    }
    let client = connect(&work, builder).await;
    match work.scenario() {
        "pub0" => publish_at_most_once(&client, &work).await,
        "single0" => publish_singly(&client, &work).await,
        "pub1" => publish(&client, &work, QoS::AtLeastOnce).await,
        "pub2" => publish(&client, &work, QoS::ExactlyOnce).await,
        "recv0" => receive(&client, QoS::AtMostOnce).await,
        "recv1" => receive(&client, QoS::AtLeastOnce).await,
        "trip0" => echo(&client, &work).await,
        "trip1" => acknowledged(&client, &work).await,
        _ => work.unknown(),
    }
}

pub(crate) async fn connect<R: Runtime>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Client {
    settings::apply(builder(&work.url()), work).connect().await.expect("connected")
}

/// Hands one over without waiting; only where there is no room it waits for that.
pub(crate) async fn send(client: &Client, qos: QoS) -> Delivery {
    match client.publish(TOPIC, &PAYLOAD[..]).qos(qos).send() {
        Ok(delivery) => delivery,
        Err(unsent) if matches!(unsent.error, PublishError::Full) => {
            unsent.publish.enqueue().await.expect("accepted")
        }
        Err(unsent) => panic!("{unsent}"),
    }
}

async fn publish_at_most_once(client: &Client, work: &Work) -> Value {
    let mut meter = Meter::start(work);
    while meter.more() {
        drop(send(client, QoS::AtMostOnce).await);
    }
    // Its acknowledgement says that all have arrived.
    client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).await.expect("acknowledged");
    meter.finish()
}

/// Each is written before there is the next one.
async fn publish_singly(client: &Client, work: &Work) -> Value {
    let mut meter = Meter::start(work);
    while meter.more() {
        client.publish(TOPIC, &PAYLOAD[..]).await.expect("written");
    }
    client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).await.expect("acknowledged");
    meter.finish()
}

async fn publish(client: &Client, work: &Work, qos: QoS) -> Value {
    let mut under_way = VecDeque::with_capacity(WINDOW);
    let mut meter = Meter::start(work);
    while meter.more() {
        if under_way.len() == WINDOW {
            let delivery: Delivery = under_way.pop_front().expect("it is full");
            delivery.await.expect("acknowledged");
        }
        under_way.push_back(send(client, qos).await);
    }
    for delivery in under_way {
        delivery.await.expect("acknowledged");
    }
    meter.finish()
}

pub(crate) async fn subscribe(client: &Client, qos: QoS) -> Subscription {
    client.subscribe(TOPIC).qos(qos).await.expect("granted")
}

async fn receive(client: &Client, qos: QoS) -> Value {
    let mut subscription = subscribe(client, qos).await;
    let mut meter = Meter::start_unlimited();
    while let Some(message) = subscription.next().await {
        if meter.received(message.payload()) {
            let outcome = meter.finish();
            // The last acknowledgement leaves before the connection does.
            drop(message);
            subscription.unsubscribe().await.expect("unsubscribed");
            return outcome;
        }
    }
    panic!("the stream ended")
}

async fn echo(client: &Client, work: &Work) -> Value {
    let mut subscription = subscribe(client, QoS::AtMostOnce).await;
    let mut trips = Trips::start(work);
    while trips.more() {
        client.publish(TOPIC, &PAYLOAD[..]).send().expect("there is room");
        let message = subscription.next().await.expect("it comes back");
        assert_eq!(message.payload().len(), PAYLOAD.len(), "what comes back");
        trips.arrived();
    }
    trips.finish()
}

async fn acknowledged(client: &Client, work: &Work) -> Value {
    let mut trips = Trips::start(work);
    while trips.more() {
        client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        trips.arrived();
    }
    trips.finish()
}
