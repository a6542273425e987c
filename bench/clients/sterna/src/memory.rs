//! What clients have in memory.

use std::io::Read;
use std::sync::Arc;

use bench_common::{Idle, Large, PAYLOAD, QUIET, TOPIC, Work};
use bytes::Bytes;
use serde_json::Value;
use sterna::{Client, ClientBuilder, QoS, Runtime};

use super::asynchronous::{connect, send, subscribe};

/// How many connect at a time: a listener's queue is short.
const AT_ONCE: usize = 64;
/// Messages of a burst.
const BURST: usize = 10_000;

/// Runs what has no client of its own yet.
pub(crate) async fn run<R: Runtime + Send>(
    work: &Work,
    builder: fn(&str) -> ClientBuilder<R>,
) -> Option<Value> {
    Some(match work.scenario() {
        "idle" => idle(work, builder).await,
        "burst" => burst(work, builder).await,
        "many" => many(work, builder).await,
        "large-pub" => publish_large(work, builder).await,
        "large-recv" => receive_large(work, builder).await,
        _ => return None,
    })
}

/// Lets the runtime do what it has to.
async fn quiet() {
    smol::Timer::after(QUIET).await;
}

async fn idle<R: Runtime>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    let mut clients = vec![connect(work, builder).await];
    clients.reserve(work.clients());
    quiet().await;
    let mut idle = Idle::start(work);
    while idle.more() {
        clients.push(connect(work, builder).await);
    }
    quiet().await;
    idle.finish()
}

/// Each of them publishes and receives that many, all at the same time, and is idle then.
async fn burst<R: Runtime + Send>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    let first = connect(work, builder).await;
    quiet().await;
    let mut idle = Idle::start(work);
    let mut clients = vec![first];
    while idle.more() {
        clients.push(connect(work, builder).await);
    }
    let bursts: Vec<_> = clients[1..].iter().map(|client| Box::pin(one_burst(client))).collect();
    let subscriptions = together(bursts).await;
    quiet().await;
    let outcome = idle.finish();
    drop(subscriptions);
    outcome
}

async fn one_burst(client: &Client) -> sterna::Subscription {
    for _ in 0..BURST {
        drop(send(client, QoS::AtMostOnce).await);
    }
    client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).await.expect("acknowledged");
    let mut subscription = subscribe(client, QoS::AtMostOnce).await;
    let mut meter = bench_common::Meter::start_unlimited();
    while let Some(message) = subscription.next().await {
        if meter.received(message.payload()) {
            return subscription;
        }
    }
    panic!("the stream ended")
}

/// All of them, polled on this task.
async fn together<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs = Vec::with_capacity(futures.len());
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| match std::pin::Pin::new(future).poll(cx) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}

/// Stays until its input ends: whoever started this watches it from outside.
async fn many<R: Runtime>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    let mut clients: Vec<Client> = Vec::with_capacity(work.clients());
    while clients.len() < work.clients() {
        let count = AT_ONCE.min(work.clients() - clients.len());
        let connecting: Vec<_> = (0..count).map(|_| Box::pin(connect(work, builder))).collect();
        clients.extend(together(connecting).await);
    }
    smol::unblock(|| std::io::stdin().read_to_end(&mut Vec::new())).await.expect("an input");
    let mut outcome = Idle::start(work).finish();
    outcome["cpu"] = bench_common::cpu_time().as_secs_f64().into();
    outcome
}

async fn publish_large<R: Runtime>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    let client = connect(work, builder).await;
    let large = Large::start(work.size());
    let payload = Bytes::from(vec![b'x'; work.size()]);
    client.publish(TOPIC, payload).qos(QoS::AtLeastOnce).await.expect("acknowledged");
    large.finish()
}

async fn receive_large<R: Runtime>(work: &Work, builder: fn(&str) -> ClientBuilder<R>) -> Value {
    let client = Arc::new(connect(work, builder).await);
    let large = Large::start(work.size());
    let mut subscription = subscribe(&client, QoS::AtLeastOnce).await;
    let message = subscription.next().await.expect("a message");
    assert_eq!(message.payload().len(), work.size(), "the payload's length");
    let outcome = large.finish();
    drop(message);
    // The end of the flood: all is acknowledged.
    let end = subscription.next().await.expect("a message");
    assert_eq!(bench_common::flood_end(end.payload()), Some(1), "how many messages there were");
    subscription.unsubscribe().await.expect("unsubscribed");
    outcome
}
