//! The client whose calls block, with a thread of its own and without.

use std::collections::VecDeque;

use bench_common::{Idle, Meter, PAYLOAD, QUIET, TOPIC, Trips, WINDOW, Work};
use serde_json::Value;
use sterna::QoS;
use sterna::blocking::{Call, Client, Subscription};
use sterna::protocol::PublishError;

use super::settings;

/// `here`: the client has no thread of its own, and the calls drive it.
pub(crate) fn run(work: &Work, here: bool) -> Value {
    if work.scenario() == "idle" {
        return idle(work, here);
    }
    let client = connect(work, here);
    match work.scenario() {
        "pub0" => publish_at_most_once(&client, work),
        "pub1" => publish(&client, work, QoS::AtLeastOnce),
        "pub2" => publish(&client, work, QoS::ExactlyOnce),
        "recv0" => receive(&client, QoS::AtMostOnce),
        "recv1" => receive(&client, QoS::AtLeastOnce),
        "trip0" => echo(&client, work),
        "trip1" => acknowledged(&client, work),
        _ => work.unknown(),
    }
}

fn connect(work: &Work, here: bool) -> Client {
    let builder = settings::apply(sterna::blocking::builder(&work.url()), work);
    let builder = if here { builder.on_this_thread() } else { builder };
    builder.connect().expect("connected")
}

/// Hands one over without waiting; only where there is no room it waits for that.
fn send(client: &Client, qos: QoS) -> Call<sterna::Delivery> {
    match client.publish(TOPIC, &PAYLOAD[..]).qos(qos).send() {
        Ok(delivery) => delivery,
        Err(unsent) if matches!(unsent.error, PublishError::Full) => {
            client.call(unsent.publish.enqueue()).wait().expect("accepted")
        }
        Err(unsent) => panic!("{unsent}"),
    }
}

fn publish_at_most_once(client: &Client, work: &Work) -> Value {
    let mut meter = Meter::start(work);
    while meter.more() {
        drop(send(client, QoS::AtMostOnce));
    }
    // Its acknowledgement says that all have arrived.
    client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).wait().expect("acknowledged");
    meter.finish()
}

fn publish(client: &Client, work: &Work, qos: QoS) -> Value {
    let mut under_way: VecDeque<Call<sterna::Delivery>> = VecDeque::with_capacity(WINDOW);
    let mut meter = Meter::start(work);
    while meter.more() {
        if under_way.len() == WINDOW {
            under_way.pop_front().expect("it is full").wait().expect("acknowledged");
        }
        under_way.push_back(send(client, qos));
    }
    for delivery in under_way {
        delivery.wait().expect("acknowledged");
    }
    meter.finish()
}

fn subscribe(client: &Client, qos: QoS) -> Subscription {
    client.subscribe(TOPIC).qos(qos).wait().expect("granted")
}

fn receive(client: &Client, qos: QoS) -> Value {
    let mut subscription = subscribe(client, qos);
    let mut meter = Meter::start_unlimited();
    while let Some(message) = subscription.next() {
        if meter.received(message.payload()) {
            let outcome = meter.finish();
            drop(message);
            subscription.unsubscribe().wait().expect("unsubscribed");
            return outcome;
        }
    }
    panic!("the stream ended")
}

fn echo(client: &Client, work: &Work) -> Value {
    let mut subscription = subscribe(client, QoS::AtMostOnce);
    let mut trips = Trips::start(work);
    while trips.more() {
        drop(client.publish(TOPIC, &PAYLOAD[..]).send().expect("there is room"));
        let message = subscription.next().expect("it comes back");
        assert_eq!(message.payload().len(), PAYLOAD.len(), "what comes back");
        trips.arrived();
    }
    trips.finish()
}

fn acknowledged(client: &Client, work: &Work) -> Value {
    let mut trips = Trips::start(work);
    while trips.more() {
        client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).wait().expect("acknowledged");
        trips.arrived();
    }
    trips.finish()
}

/// Without a thread of its own a client does nothing between calls.
fn idle(work: &Work, here: bool) -> Value {
    let mut clients = vec![connect(work, here)];
    std::thread::sleep(QUIET);
    let mut idle = Idle::start(work);
    while idle.more() {
        clients.push(connect(work, here));
    }
    if here {
        for client in &clients {
            client.run_for(QUIET / work.clients() as u32);
        }
    } else {
        std::thread::sleep(QUIET);
    }
    idle.finish()
}
