//! Publishing and receiving: quality of service, retained messages, wills.

use sterna::{QoS, Will};

use crate::brokers::Setup;
use crate::cell::{ANYWHERE, OVER_IP, SMOKE};
use crate::differences;
use crate::proxy::{self, Proxy};
use crate::tools::{EVERY_QOS, next, text};

scenarios! {
    SMOKE => each_qos;
    ANYWHERE => retained, no_will_after_disconnect, dropping_all_handles_disconnects;
    OVER_IP => a_will_is_published;
}

// R: PUB-01, SUB-01, SUB-10
async fn each_qos(setup: Setup) {
    let broker = setup.broker().await;
    let publisher = broker.connect("publisher").await;
    let subscriber = broker.connect("subscriber").await;
    for asked in EVERY_QOS {
        let mut stream = subscriber.subscribe("each/+").qos(asked).await.expect("granted");
        let granted = asked.min(setup.highest_qos());
        assert_eq!(stream.reasons()[0].value(), granted as u8);
        for &qos in setup.every_qos() {
            let receipt =
                publisher.publish("each/one", format!("{qos:?}")).qos(qos).await.expect("acknowledged");
            assert!(!receipt.reason.is_error());
            let message = next(&mut stream).await;
            assert_eq!(message.topic(), "each/one");
            assert_eq!(message.text(), Ok(format!("{qos:?}").as_str()));
            assert_eq!(message.qos(), differences::delivered_qos(setup.cell, qos, granted));
            assert!(!message.retain() && !message.duplicate());
        }
        stream.unsubscribe().await.expect("unsubscribed");
    }
}

// R: PUB-01, SUB-10
async fn retained(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("keeper").await;
    let publish = |payload: &'static str| client.publish("state", payload).qos(QoS::AtLeastOnce).retain(true);
    let mut early = client.subscribe("state").await.expect("granted");
    publish("on").await.expect("acknowledged");
    assert!(!next(&mut early).await.retain(), "to those who are there it is an ordinary message");

    let late = broker.connect("late").await;
    let mut stream = late.subscribe("state").qos(QoS::AtLeastOnce).await.expect("granted");
    let message = next(&mut stream).await;
    assert_eq!((message.text(), message.retain(), message.qos()), (Ok("on"), true, QoS::AtLeastOnce));

    publish("").await.expect("acknowledged");
    let later = broker.connect("later").await;
    let mut stream = later.subscribe("state").await.expect("granted");
    client.publish("state", "marker").await.expect("sent");
    assert_eq!(text(&mut stream).await, "marker", "nothing is retained any more");
}

fn will(topic: &str) -> Will {
    let properties = sterna::PropertiesBuf::new();
    Will { topic: topic.into(), payload: (*b"gone").into(), qos: QoS::AtLeastOnce, retain: false, properties }
}

// R: CON-06
async fn a_will_is_published(setup: Setup) {
    let broker = setup.broker().await;
    let watcher = broker.connect("watcher").await;
    let mut stream = watcher.subscribe("wills/#").qos(QoS::AtLeastOnce).await.expect("granted");
    // The line to the server is cut, so that no DISCONNECT can come through.
    let line = Proxy::start(proxy::Kind::Forward(broker.address()), None).await;
    let url = broker.url().replace(&broker.address().to_string(), &line.address().to_string());
    let mortal = setup.builder(&url, "mortal").will(will("wills/mortal")).connect().await.expect("connected");
    line.stop().await;
    let message = next(&mut stream).await;
    assert_eq!((message.topic(), message.text()), ("wills/mortal", Ok("gone")));
    drop(mortal);
}

// R: REC-10
async fn no_will_after_disconnect(setup: Setup) {
    let mut broker = setup.broker().await;
    let watcher = broker.connect("watcher").await;
    let mut stream = watcher.subscribe("wills/#").await.expect("granted");
    let polite = broker.builder("polite").will(will("wills/polite")).connect().await.expect("connected");
    polite.disconnect().await.expect("graceful");
    broker.disconnected("polite").await;
    watcher.publish("wills/marker", "").await.expect("sent");
    assert_eq!(next(&mut stream).await.topic(), "wills/marker");
}

async fn dropping_all_handles_disconnects(setup: Setup) {
    let mut broker = setup.broker().await;
    let watcher = broker.connect("watcher").await;
    let mut stream = watcher.subscribe("wills/#").await.expect("granted");
    let client = broker.builder("dropped").will(will("wills/dropped")).connect().await.expect("connected");
    let mut events = client.events();
    let mut subscription = client.subscribe("something").await.expect("granted");
    drop(client);
    // The subscription is a handle as well: the client is still there for it.
    watcher.publish("something", "still").await.expect("sent");
    assert_eq!(text(&mut subscription).await, "still");
    drop(subscription);
    broker.disconnected("dropped").await;
    while events.next().await.is_some() {}
    watcher.publish("wills/marker", "").await.expect("sent");
    assert_eq!(next(&mut stream).await.topic(), "wills/marker", "it left with a DISCONNECT");
}
