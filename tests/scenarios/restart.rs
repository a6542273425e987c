//! The server goes away and comes back, with its memory or without.

use sterna::{Client, Event, OperationError, ProtocolVersion, PublishError, QoS, Subscription};

use crate::brokers::{Memory, Setup};
use crate::cell::{ANYWHERE, Kind, SMOKE};
use crate::tools::{FirstCopies, connected, event, next, number};

scenarios! {
    SMOKE => clean_sessions_start_anew;
    ANYWHERE => sessions_are_kept_at_least_once, sessions_are_kept_exactly_once, everything_is_forgotten;
}

async fn sessions_are_kept_at_least_once(setup: Setup) {
    sessions_are_kept(setup, QoS::AtLeastOnce).await;
}

async fn sessions_are_kept_exactly_once(setup: Setup) {
    sessions_are_kept(setup, QoS::ExactlyOnce).await;
}

/// Publishes numbers from the first to before the last, and gives those that were acknowledged.
async fn publish(client: &Client, qos: QoS, numbers: std::ops::Range<usize>) -> Vec<usize> {
    let mut deliveries = Vec::new();
    for n in numbers {
        let delivery = client.publish("numbers", n.to_string()).qos(qos).enqueue().await.expect("accepted");
        deliveries.push((n, delivery));
    }
    let mut acknowledged = Vec::new();
    for (n, delivery) in deliveries {
        match delivery.await {
            Ok(_) => acknowledged.push(n),
            // The server may have it, and forgot that it did.
            Err(PublishError::Failed(OperationError::SessionLost)) => {}
            Err(error) => panic!("{n}: {error}"),
        }
    }
    acknowledged
}

async fn receive(stream: &mut Subscription, copies: &mut FirstCopies, until: usize) {
    while copies.numbers().last() != Some(&until) {
        copies.push(number(&next(stream).await));
    }
}

// R: REC-04, SUB-06
async fn sessions_are_kept(setup: Setup, qos: QoS) {
    const COUNT: usize = 600;
    let mut broker = setup.persistent_broker().await;
    let publisher =
        broker.builder("publisher").persistent().in_flight_limit(20).connect().await.expect("connected");
    let subscriber = broker.builder("subscriber").persistent().connect().await.expect("connected");
    let mut events = subscriber.events();
    let mut stream = subscriber.subscribe("numbers").qos(qos).await.expect("granted");
    let mut copies = FirstCopies::default();
    let publishing = setup.spawn(async move { publish(&publisher, qos, 0..COUNT).await });
    // In the middle of it, with messages under way both to it and from it.
    receive(&mut stream, &mut copies, COUNT / 3).await;
    broker.stop(Memory::Kept).await;
    broker.start().await;
    receive(&mut stream, &mut copies, COUNT - 1).await;
    assert!(connected(&mut events).await, "the server has kept the session");

    let acknowledged = publishing.await;
    assert_eq!(acknowledged.len(), COUNT, "every publish is acknowledged in the end");
    assert_eq!(copies.numbers(), acknowledged);
    // Mosquitto restores no more than its max_inflight_messages, 20, as what they were: it publishes again what is
    // beyond them and was released already (seen with 2.0.11).
    if qos == QoS::ExactlyOnce && setup.cell.kind == Kind::TestBroker {
        assert_eq!(copies.repeated(), 0);
    }
}

/// Sessions were asked for, and the server is killed and forgets them: no operation hangs, the order is kept, and what
/// is missing was either never acknowledged or acknowledged before the server lost its memory.
// R: REC-03, REC-05, REC-08
async fn everything_is_forgotten(setup: Setup) {
    const COUNT: usize = 600;
    let mut broker = setup.broker().await;
    let client =
        broker.builder("client").persistent().in_flight_limit(20).connect().await.expect("connected");
    let mut events = client.events();
    let mut stream = client.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut copies = FirstCopies::default();
    let publishing = setup.spawn({
        let client = client.clone();
        async move { publish(&client, QoS::AtLeastOnce, 0..COUNT).await }
    });
    receive(&mut stream, &mut copies, COUNT / 3).await;
    broker.stop(Memory::Lost).await;
    broker.start().await;
    let session_present = connected(&mut events).await;
    // The CONNACK of 3.1 does not tell.
    assert!(setup.version() == ProtocolVersion::V3_1 || !session_present, "the server knows no session");
    resubscribed(&mut events).await;
    publishing.await;
    // From here on everything arrives again.
    assert_eq!(publish(&client, QoS::AtLeastOnce, COUNT..COUNT + 50).await.len(), 50);
    receive(&mut stream, &mut copies, COUNT + 49).await;
    assert!(copies.numbers().ends_with(&(COUNT..COUNT + 50).collect::<Vec<_>>()));
}

// R: REC-03, REC-07
async fn clean_sessions_start_anew(setup: Setup) {
    let mut broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut events = client.events();
    let mut one = client.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut two = client.subscribe(["other", "numbers/#"]).await.expect("granted");
    broker.stop(Memory::Lost).await;
    event(&mut events, |event| (*event == Event::Offline).then_some(())).await;
    // While the server is away everything is taken, and waits.
    let deliveries: Vec<_> = (0..100)
        .map(|n| client.publish("numbers", n.to_string()).qos(QoS::AtLeastOnce).send().expect("queued"))
        .collect();
    let mut late = client.subscribe("late").send().expect("queued");
    broker.start().await;
    for _ in 0..3 {
        resubscribed(&mut events).await;
    }
    for delivery in deliveries {
        delivery.await.expect("acknowledged");
    }
    late.granted().await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for topic in ["late", "other", "numbers"] {
        publisher.publish(topic, "1000").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    }
    assert_eq!(number(&next(&mut late).await), 1000);
    // `numbers/#` matches `numbers` as well: the queued ones may have come for it, or not, as the server was quick.
    while next(&mut two).await.topic() != "other" {}
    receive(&mut one, &mut FirstCopies::default(), 1000).await;
}

async fn resubscribed(events: &mut sterna::Events) {
    event(events, |event| match event {
        Event::Resubscribed { reason, .. } => {
            assert!(!reason.is_error());
            Some(())
        }
        _ => None,
    })
    .await;
}
