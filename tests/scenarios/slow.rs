//! Applications that read slowly, and those that publish and subscribe while they read.

use std::time::Duration;

use sterna::protocol::packet::PacketType;
use sterna::{Event, QoS};
use sterna_simulator::broker::Options;

use crate::brokers::{Kind, Setup};
use crate::tools::{event, next, number, text};

scenarios!(
    a_slow_consumer_holds_nothing_up,
    publishing_in_the_receive_loop,
    many_retained_messages_before_the_suback,
);

/// The stream is full and reading pauses; keep alive and publishing go on, and nothing is lost.
// R: SUB-07
async fn a_slow_consumer_holds_nothing_up(setup: Setup) {
    const COUNT: usize = 2_000;
    let broker = setup.broker().await;
    let slow = broker
        .builder("slow")
        .incoming_limit(32, 64 << 10)
        .receive_maximum(u16::MAX)
        .keep_alive(Duration::from_secs(1))
        .packet_events(true);
    let slow = slow.connect().await.expect("connected");
    let mut stream = slow.subscribe("fast").qos(QoS::AtLeastOnce).await.expect("granted");
    let publisher = broker.builder("publisher").in_flight_limit(20).connect().await.expect("connected");
    for n in 0..COUNT {
        publisher.publish("fast", n.to_string()).qos(QoS::AtLeastOnce).enqueue().await.expect("accepted");
    }
    publisher.publish("fast", COUNT.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");

    // Nobody reads the stream for some intervals of keep alive: the pings go out, and the connection stays.
    let mut events = slow.events();
    for _ in 0..2 {
        event(&mut events, |event| match event {
            Event::PacketSent(info) => (info.packet == PacketType::PingReq).then_some(()),
            Event::Disconnected { cause, .. } => panic!("{cause}"),
            _ => None,
        })
        .await;
    }
    let waiting = slow.statistics().backlog;
    assert!(waiting <= 64, "{waiting} messages wait, the bound is 32");
    slow.publish("elsewhere", "hello").qos(QoS::AtLeastOnce).await.expect("acknowledged in spite of it");
    for n in 0..=COUNT {
        assert_eq!(number(&next(&mut stream).await), n);
    }
    assert_eq!(slow.statistics().connection.reconnects, 0);
}

/// A publish that is awaited inside the receive loop gets its answer, however many messages are before it.
// R: SUB-07
async fn publishing_in_the_receive_loop(setup: Setup) {
    const COUNT: usize = 10_000;
    let broker = setup.broker().await;
    let client = broker.builder("echo").incoming_limit(64, 64 << 10).connect().await.expect("connected");
    let mut flood = client.subscribe("flood").await.expect("granted");
    let observer = broker.builder("observer").receive_maximum(u16::MAX).connect().await.expect("connected");
    let mut echoes = observer.subscribe("echo").qos(QoS::AtLeastOnce).await.expect("granted");
    let publishing = tokio::spawn(async move {
        for n in 0..COUNT {
            observer.publish("flood", n.to_string()).await.expect("sent");
        }
        observer
    });
    for n in 0..COUNT {
        let message = next(&mut flood).await;
        assert_eq!(number(&message), n);
        if n % 50 == 0 {
            client.publish("echo", n.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
        }
    }
    for n in (0..COUNT).step_by(50) {
        assert_eq!(number(&next(&mut echoes).await), n);
    }
    drop(publishing.await.expect("no panic"));
}

/// The answer to a subscribe comes through although it is behind more messages than may wait.
// R: SUB-07
async fn many_retained_messages_before_the_suback(setup: Setup) {
    const COUNT: usize = 20_000;
    let broker = match setup.kind {
        Kind::Mosquitto => setup.broker().await,
        Kind::TestBroker => {
            setup.test_broker(Options { retained_before_suback: true, ..Options::default() }).await
        }
    };
    let publisher = broker.connect("publisher").await;
    for n in 0..COUNT {
        let publish = publisher.publish(format!("many/{n}"), n.to_string()).retain(true);
        publish.enqueue().await.expect("accepted");
    }
    publisher.publish("marker", "").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    let client = broker.builder("reader").incoming_limit(64, 64 << 10).connect().await.expect("connected");
    let mut all = client.subscribe("many/#").await.expect("granted");
    // A second one, while the first one's messages wait.
    let mut one = client.subscribe("many/7").await.expect("granted");
    let mut seen = vec![0_u8; COUNT];
    while seen.contains(&0) {
        for _ in 0..100 {
            let Some(message) = all.try_next() else { break };
            seen[number(&message)] += 1;
        }
        if seen.contains(&0) {
            seen[number(&next(&mut all).await)] += 1;
        }
    }
    assert_eq!(text(&mut one).await, "7", "its message was behind those that nobody had taken");
    assert_eq!(client.statistics().connection.dropped_messages, 0);
}
