//! Connections that end at any byte.

use sterna::protocol::packet::PacketType;
use sterna::{CleanStart, Event, QoS};
use sterna_simulator::broker::{Fault, OnSend, Options};

use crate::brokers::Setup;
use crate::cell::ON_TEST_BROKER;
use crate::tools::{connected, event, next, number};

scenarios!(ON_TEST_BROKER =>
    cut_in_every_hand_shake,
    cut_in_the_middle_of_packets,
    subscribed_again_after_a_cut,
);

/// Bytes of the wire after which a connection is cut: in the hand-shakes of TLS and of WebSocket, in CONNACK and beyond.
const PLACES: [usize; 14] = [0, 1, 2, 3, 5, 20, 60, 120, 160, 300, 600, 900, 1_500, 2_500];

// R: RUN-05, REC-01, REC-02
async fn cut_in_every_hand_shake(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    for written in PLACES {
        broker.model().cut_next(written);
        let client = broker.builder("first").retry_first(true).connect().await;
        let client = client.expect("the next attempt succeeds");
        assert!(client.statistics().connection.reconnects <= 1, "one cut, one more attempt");
        client.disconnect().await.expect("graceful, or cut");
    }
    // The same to a client that was connected.
    let client = broker.connect("second").await;
    for written in PLACES {
        let id = broker.model().wait_until(|model| model.connection_of("second")).await;
        broker.model().cut_next(written);
        broker.model().with(|model, now| model.drop_connection(now, id));
        // The connection that is to be cut may come up: then it is cut here, or dropped in the next round.
        for _ in 0..3 {
            client
                .publish("a", vec![0; 100])
                .qos(QoS::AtLeastOnce)
                .await
                .expect("acknowledged, now or later");
        }
    }
    assert!(client.statistics().connection.reconnects >= PLACES.len() as u64);
}

// R: REC-04, SUB-06
async fn cut_in_the_middle_of_packets(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let client = broker.builder("client").persistent().connect().await.expect("connected");
    let mut events = client.events();
    let mut stream = client.subscribe("numbers/+").qos(QoS::ExactlyOnce).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for (n, bytes) in [1, 2, 3, 7, 20, 100, 400].into_iter().enumerate() {
        broker.model().with(|model, _| model.add_fault(Fault::close_after_sent(bytes).client("client")));
        // The topic makes it longer than what is sent of it.
        let topic = format!("numbers/{}", "x".repeat(500));
        publisher.publish(topic, n.to_string()).qos(QoS::ExactlyOnce).await.expect("acknowledged");
        assert!(connected(&mut events).await, "the session is kept");
        assert_eq!(number(&next(&mut stream).await), n);
    }
    assert!(stream.try_next().is_none(), "nothing came twice");
}

// R: REC-03
async fn subscribed_again_after_a_cut(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    // Otherwise a server of 5.0 has the session still.
    let client = broker.builder("client").clean_start(CleanStart::Always).connect().await.expect("connected");
    let mut events = client.events();
    let mut stream = client.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");
    for n in 0..5 {
        broker.model().with(|model, _| {
            model.add_fault(Fault::sending(PacketType::PubAck, OnSend::Close).client("client").times(1));
        });
        // Its answer is lost with the connection; it is published again on the next.
        client.publish("numbers", n.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        event(&mut events, |event| match event {
            Event::Resubscribed { reason, .. } => {
                assert!(!reason.is_error());
                Some(())
            }
            _ => None,
        })
        .await;
        client.publish("numbers", (100 + n).to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        while number(&next(&mut stream).await) != 100 + n {}
    }
}
