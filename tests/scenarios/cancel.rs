//! Futures that are dropped half-way lose nothing.

use std::time::Duration;

use sterna::QoS;
use sterna::protocol::packet::PacketType;
use sterna_simulator::broker::{Fault, OnSend, Options};

use crate::brokers::Setup;
use crate::cell::{ANYWHERE, ON_TEST_BROKER};
use crate::tools::{next, number, poll_once, text};

scenarios! {
    ANYWHERE => dropped_publishes_are_sent, dropped_nexts_lose_nothing;
    ON_TEST_BROKER => a_dropped_subscribe_unsubscribes, a_dropped_next_has_acknowledged;
}

// R: REC-08
async fn dropped_publishes_are_sent(setup: Setup) {
    let broker = setup.broker().await;
    // Mosquitto takes no more of QoS 2 from a 3.x client.
    let client = broker.builder("client").in_flight_limit(20).connect().await.expect("connected");
    let mut stream = client.subscribe("cut").qos(setup.highest_qos()).await.expect("granted");
    let every_qos = setup.every_qos();
    for n in 0..300 {
        let publish = client.publish("cut", n.to_string()).qos(every_qos[n % every_qos.len()]);
        if n % 5 == 4 {
            drop(publish); // never polled: never published
        } else {
            // The answer cannot be there yet: it is dropped half-way, except for QoS 0.
            poll_once(publish).await;
        }
    }
    // Each QoS has its own way through the server: each keeps its own order.
    let mut wanted = vec![Vec::new(); every_qos.len()];
    (0..300).filter(|n| n % 5 != 4).for_each(|n| wanted[n % every_qos.len()].push(n));
    let mut received = vec![Vec::new(); every_qos.len()];
    for _ in 0..240 {
        let n = number(&next(&mut stream).await);
        received[n % every_qos.len()].push(n);
    }
    assert_eq!(received, wanted);
}

async fn dropped_nexts_lose_nothing(setup: Setup) {
    const COUNT: usize = 500;
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut stream = client.subscribe("cut").qos(QoS::AtLeastOnce).await.expect("granted");
    let publisher = client.clone();
    let publishing = setup.spawn(async move {
        for n in 0..COUNT {
            publisher.publish("cut", n.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        }
    });
    let mut cut = 0;
    for n in 0..COUNT {
        let message = loop {
            // Whichever is first; what loses is dropped.
            tokio::select! {
                biased;
                () = tokio::task::yield_now() => cut += 1,
                message = stream.next() => break message.expect("alive"),
            }
            if let Some(message) = poll_once(stream.next()).await {
                break message.expect("alive");
            }
        };
        assert_eq!(number(&message), n);
    }
    assert!(cut > 0, "some were dropped");
    publishing.await;
    client.publish("cut", "the end").await.expect("sent");
    assert_eq!(text(&mut stream).await, "the end");
}

async fn a_dropped_subscribe_unsubscribes(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let client = broker.connect("client").await;
    let withheld = || Fault::sending(PacketType::SubAck, OnSend::Discard).times(1);
    broker.model().with(|model, _| model.add_fault(withheld()));
    assert!(poll_once(client.subscribe("unwanted")).await.is_none(), "there is no answer");
    broker.model().wait_for("client", PacketType::Unsubscribe, 1).await;
    let mut stream = client.subscribe("#").await.expect("granted");
    client.publish("unwanted", "1").await.expect("sent");
    assert_eq!(text(&mut stream).await, "1");
    broker.model().with(|model, _| model.add_fault(withheld()));
    assert!(poll_once(client.subscribe("polled/once")).await.is_none(), "there is no answer");
    // Before its first poll a subscribe is nothing.
    drop(client.subscribe("never/polled"));
    broker.model().wait_for("client", PacketType::Unsubscribe, 2).await;
    let subscribes = broker.model().with(|model, _| {
        let is_subscribe = |packet: &PacketType| *packet == PacketType::Subscribe;
        model.records_of("client").map(|record| record.packet().packet_type()).filter(is_subscribe).count()
    });
    assert_eq!(subscribes, 3);
}

// R: SUB-06
async fn a_dropped_next_has_acknowledged(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let client = broker.connect("client").await;
    let mut stream = client.subscribe("acks").qos(QoS::AtLeastOnce).await.expect("granted");
    broker.connect("publisher").await.publish("acks", "1").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    assert_eq!(text(&mut stream).await, "1");
    // Asking for the next one acknowledges the first, also when nobody waits for it.
    let nothing = tokio::time::timeout(Duration::from_millis(1), stream.next()).await;
    assert!(nothing.is_err());
    broker.model().wait_for("client", PacketType::PubAck, 1).await;
}
