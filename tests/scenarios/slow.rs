//! Applications that read slowly, and those that publish and subscribe while they read.

use std::future::IntoFuture;
use std::time::Duration;

use sterna::protocol::packet::PacketType;
use sterna::{AckMode, Event, OnFull, OperationError, PublishError, QoS, SubscribeError, Subscription};
use sterna_simulator::broker::Options;

use crate::brokers::{Broker, Setup};
use crate::cell::{ANYWHERE, Kind, Scope, Transport};
use crate::tools::{event, next, number, text};

scenarios! {
    ANYWHERE =>
        a_slow_consumer_holds_nothing_up,
        publishing_in_the_receive_loop,
        a_stream_that_keeps_the_latest,
        an_unread_stream_beside_one_that_is_awaited,
        a_message_that_is_never_acknowledged,
        an_unread_flood_holds_no_operation_up,
        operations_behind_a_flood_beyond_the_reserve_end,
        a_subscribe_whose_own_messages_fill_the_reserve;
    ON_PATIENT => many_retained_messages_before_the_suback;
}

/// Not Mosquitto on a Unix socket: while that is full, which is soon, Mosquitto 2.0.11 leaves out a retained message that a
/// further subscription asks for.
const ON_PATIENT: Scope =
    Scope::only(|cell| cell.kind != Kind::Mosquitto || cell.transport != Transport::Unix);

/// The stream is full and reading pauses; keep alive and publishing go on, and nothing is lost.
// R: SUB-07
async fn a_slow_consumer_holds_nothing_up(setup: Setup) {
    const COUNT: usize = 2_000;
    let broker = setup.broker().await;
    let slow = broker
        .builder("slow")
        .incoming_limit(32, 64 << 10)
        .receive_maximum(u16::MAX)
        .keep_alive(setup.short_keep_alive())
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
    let publishing = setup.spawn(async move {
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
    drop(publishing.await);
}

/// The answer to a subscribe comes through although it is behind more messages than may wait.
// R: SUB-07
async fn many_retained_messages_before_the_suback(setup: Setup) {
    const COUNT: usize = 20_000;
    let broker = match setup.cell.kind {
        Kind::Mosquitto | Kind::Other(_) => setup.broker().await,
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

/// A stream with a policy of its own loses the oldest, and is nobody's burden.
// R: SUB-07
async fn a_stream_that_keeps_the_latest(setup: Setup) {
    // With a slow server each lost message is an event of its own: fewer than a listener may be behind.
    const COUNT: usize = 200;
    let broker = setup.broker().await;
    let client = broker.builder("reader").incoming_limit(8, 64 << 10).connect().await.expect("connected");
    let mut events = client.events();
    let latest = OnFull::DropOldest { messages: 5, bytes: 64 << 10 };
    let mut latest = client.subscribe("fast").qos(QoS::AtLeastOnce).on_full(latest).await.expect("granted");
    for n in 0..COUNT {
        client.publish("fast", n.to_string()).qos(QoS::AtLeastOnce).enqueue().await.expect("accepted");
    }
    let mut told = 0;
    while told < COUNT as u64 - 5 {
        told += event(&mut events, |event| match event {
            Event::Lagging { messages, .. } => Some(*messages),
            _ => None,
        })
        .await;
    }
    assert_eq!((told, latest.dropped()), (COUNT as u64 - 5, COUNT as u64 - 5));
    for n in COUNT - 5..COUNT {
        assert_eq!(number(&next(&mut latest).await), n);
    }
}

/// Nothing waits for an operation, and yet what one stream does not read holds back no other's message.
// R: SUB-07
async fn an_unread_stream_beside_one_that_is_awaited(setup: Setup) {
    const COUNT: usize = 3_000;
    let broker = setup.broker().await;
    let client = broker.builder("reader").incoming_limit(16, 64 << 10).connect().await.expect("connected");
    let mut unread = client.subscribe("unread").await.expect("granted");
    let mut awaited = client.subscribe("awaited").await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for n in 0..COUNT {
        publisher.publish("unread", n.to_string()).await.expect("sent");
    }
    publisher.publish("awaited", "here").await.expect("sent");
    assert_eq!(text(&mut awaited).await, "here");
    for n in 0..COUNT {
        assert_eq!(number(&next(&mut unread).await), n, "it is all in the reserve");
    }
    assert_eq!(client.statistics().dropped, 0);
}

/// The message that stops all others is named.
// R: SUB-07
async fn a_message_that_is_never_acknowledged(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker
        .builder("reader")
        .receive_maximum(4)
        .ack(AckMode::Manual)
        .ack_blocked_after(Duration::from_millis(200));
    let client = client.connect().await.expect("connected");
    let mut events = client.events();
    let mut stream = client.subscribe("jobs/+").qos(QoS::AtLeastOnce).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for n in 0..10 {
        publisher.publish(format!("jobs/{n}"), n.to_string()).qos(QoS::AtLeastOnce).await.expect("taken");
    }
    let first = next(&mut stream).await;
    let named = event(&mut events, |event| match event {
        Event::AckBlocked { id, topic, filters } => Some((*id, topic.clone(), filters.clone())),
        _ => None,
    })
    .await;
    assert_eq!(named, (first.id().expect("QoS 1"), "jobs/0".into(), vec!["jobs/+".into()].into()));
    first.ack().expect("owed");
    for n in 1..10 {
        let message = next(&mut stream).await;
        assert_eq!(number(&message), n);
        message.ack().expect("owed");
    }
}

/// How many messages a flood has, and how large they are.
const FLOOD: usize = 300;
const SIZE: usize = 200;

/// Publishes a flood, all of which the broker has when this returns.
async fn flood(broker: &Broker, topic: &str) {
    let publisher = broker.connect("publisher").await;
    let payload = |n| format!("{n:SIZE$}");
    for n in 0..FLOOD - 1 {
        publisher.publish(topic, payload(n)).qos(QoS::AtLeastOnce).enqueue().await.expect("accepted");
    }
    publisher.publish(topic, payload(FLOOD - 1)).qos(QoS::AtLeastOnce).await.expect("acknowledged");
}

/// Reads a whole flood, in order.
async fn read_flood(stream: &mut Subscription) {
    for n in 0..FLOOD {
        let message = next(stream).await;
        assert_eq!(message.text().expect("it is text").trim().parse(), Ok(n));
    }
}

/// An operation that must not take as long as the client waits for answers.
async fn soon<F: IntoFuture>(operation: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), operation.into_future()).await.expect("it hangs")
}

/// Far more waits than the application may have unread, and everything that it does is answered nevertheless.
// R: SUB-07
async fn an_unread_flood_holds_no_operation_up(setup: Setup) {
    let broker = setup.broker().await;
    // Mosquitto 2.0.11 sends beyond a small Receive Maximum here, and would be disconnected for that.
    let client = broker.builder("reader").incoming_limit(4, 1 << 20).incoming_reserve(1 << 20);
    let client = client.connect().await.expect("connected");
    let mut unread = client.subscribe("flood").qos(QoS::AtLeastOnce).await.expect("granted");
    flood(&broker, "flood").await;
    let mut other = soon(client.subscribe("other").qos(QoS::AtLeastOnce)).await.expect("granted");
    soon(client.publish("other", "7").qos(setup.highest_qos())).await.expect("acknowledged");
    soon(client.unsubscribe("elsewhere")).await.expect("answered");
    read_flood(&mut unread).await;
    assert_eq!(number(&next(&mut other).await), 7);
    assert_eq!((client.statistics().dropped, client.statistics().connection.reconnects), (0, 0));
}

/// What the server may send at once is more than the reserve holds: operations end in time, and nothing is lost.
// R: SUB-07, REC-08
async fn operations_behind_a_flood_beyond_the_reserve_end(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.builder("reader").incoming_limit(1, 1 << 20).incoming_reserve(1 << 10);
    // Some brokers take their time to answer, and an answer that comes later than this ends the connection.
    let patience = if matches!(setup.cell.kind, Kind::Other(_)) { 3_000 } else { 200 };
    let client = client.ack_timeout(Duration::from_millis(patience)).connect().await.expect("connected");
    let mut unread = client.subscribe("flood").qos(QoS::AtLeastOnce).await.expect("granted");
    flood(&broker, "flood").await;
    let stalled = OperationError::Stalled;
    let publish = soon(client.publish("other", "x").qos(setup.highest_qos())).await;
    assert_eq!(publish.expect_err("its answer is unread"), PublishError::Failed(stalled.clone()));
    let subscribe = soon(client.subscribe("other")).await;
    assert_eq!(subscribe.expect_err("its answer is unread"), SubscribeError::Failed(stalled.clone()));
    let unsubscribe = soon(client.unsubscribe("elsewhere")).await;
    assert_eq!(unsubscribe.expect_err("its answer is unread"), SubscribeError::Failed(stalled));
    read_flood(&mut unread).await;
    let mut other = soon(client.subscribe("other").qos(QoS::AtLeastOnce)).await.expect("granted");
    soon(client.publish("other", "7").qos(QoS::AtLeastOnce)).await.expect("acknowledged");
    assert_eq!(number(&next(&mut other).await), 7);
    assert_eq!((client.statistics().dropped, client.statistics().connection.reconnects), (0, 0));
}

/// The messages that come before the answer fill the reserve, and the application gets them all.
// R: SUB-07
async fn a_subscribe_whose_own_messages_fill_the_reserve(setup: Setup) {
    let broker = match setup.cell.kind {
        Kind::Mosquitto | Kind::Other(_) => setup.broker().await,
        Kind::TestBroker => {
            setup.test_broker(Options { retained_before_suback: true, ..Options::default() }).await
        }
    };
    let publisher = broker.connect("publisher").await;
    for n in 0..FLOOD {
        let publish = publisher.publish(format!("many/{n}"), n.to_string()).retain(true);
        publish.qos(QoS::AtLeastOnce).await.expect("acknowledged");
    }
    let client = broker.builder("reader").incoming_limit(1, 1 << 20).incoming_reserve(1 << 10);
    let client = client.ack_timeout(Duration::ZERO).connect().await.expect("connected");
    let mut many = soon(client.subscribe("many/#").qos(QoS::AtLeastOnce)).await.expect("it gives its stream");
    let mut seen = vec![0; FLOOD];
    while seen.contains(&0) {
        seen[number(&next(&mut many).await)] += 1;
    }
    assert_eq!(seen, vec![1; FLOOD]);
    let granted = soon(many.granted()).await.expect("granted");
    assert!(granted.reasons.iter().all(|reason| !reason.is_error()), "{granted:?}");
}
