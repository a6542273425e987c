//! Topic aliases of our own, sets of many filters, and publishes that are cancelled.

use sterna::{OperationError, PublishError, QoS, TopicAliases};

use crate::brokers::Setup;
use crate::cell::ANYWHERE;
use crate::tools::{next, number};

scenarios!(ANYWHERE => assigned_aliases, many_filters, a_cancelled_publish);

// R: PUB-04
async fn assigned_aliases(setup: Setup) {
    let broker = setup.broker().await;
    let client =
        broker.builder("client").topic_alias(TopicAliases::Assign).connect().await.expect("connected");
    let mut stream = client.subscribe("alias/#").qos(setup.highest_qos()).await.expect("granted");
    let every_qos = setup.every_qos();
    // More topics than any of these servers takes aliases, and each often enough to be named by its alias.
    let topics = || (0..200).map(|n| format!("alias/{}", (n / 3) % 15 + n % 2 * 15));
    for (n, topic) in topics().enumerate() {
        client.publish(topic, n.to_string()).qos(every_qos[n % every_qos.len()]).await.expect("acknowledged");
    }
    // Each QoS has its own way through the server.
    let mut received = Vec::new();
    for _ in topics() {
        let message = next(&mut stream).await;
        received.push((number(&message), message.topic().to_owned()));
    }
    received.sort_unstable();
    assert_eq!(received, topics().enumerate().collect::<Vec<_>>());
}

// R: SUB-03
async fn many_filters(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.builder("client").subscribe_batch(70).connect().await.expect("connected");
    let filters: Vec<String> = (0..500).map(|n| format!("set/{n}")).collect();
    let mut stream = client.subscribe(filters.clone()).qos(QoS::AtLeastOnce).await.expect("granted");
    assert_eq!(stream.reasons().len(), 500);
    for topic in [&filters[0], &filters[69], &filters[70], &filters[499]] {
        client.publish(topic.as_str(), "x").qos(QoS::AtLeastOnce).await.expect("acknowledged");
        assert_eq!(next(&mut stream).await.topic(), topic);
    }
    assert_eq!(stream.unsubscribe().await.expect("unsubscribed").reasons.len(), 500);
}

// R: PUB-05
async fn a_cancelled_publish(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.builder("client").build().expect("lawful");
    let mut stream = client.subscribe("cancel").qos(setup.highest_qos()).send().expect("accepted");
    let every_qos = setup.every_qos();
    let mut deliveries = Vec::new();
    for n in 0..30 {
        let publish = client.publish("cancel", n.to_string()).qos(every_qos[n % every_qos.len()]);
        deliveries.push(publish.send().expect("room"));
    }
    deliveries.iter().step_by(2).for_each(|delivery| delivery.cancel().expect("under way"));
    client.connect().await.expect("connected");
    for (n, delivery) in deliveries.into_iter().enumerate() {
        let outcome = delivery.await;
        let cancelled = Err(PublishError::Failed(OperationError::Cancelled));
        assert!(if n % 2 == 0 { outcome == cancelled } else { outcome.is_ok() }, "{n}: {outcome:?}");
    }
    // Each QoS has its own way through the server.
    let mut received = Vec::new();
    for _ in 0..15 {
        received.push(number(&next(&mut stream).await));
    }
    received.sort_unstable();
    assert_eq!(received, (0..30).filter(|n| n % 2 == 1).collect::<Vec<_>>());
}
