//! What clients have in memory.

use std::sync::Arc;

use bench_common::{AT_ONCE, BURST, Idle, Meter, QUIET, Work};
use gneiss_mqtt::client::AsyncClientHandle;
use gneiss_mqtt::mqtt::QualityOfService;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Incoming, connect, publish_all, subscribe};

pub(crate) async fn idle(work: &Work) -> Value {
    let mut clients = vec![connect(work, Arc::default()).await];
    clients.reserve(work.clients());
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    while idle.more() {
        clients.push(connect(work, Arc::default()).await);
    }
    sleep(QUIET).await;
    idle.finish()
}

/// Each of them publishes and receives that many, all at the same time, and is idle then.
pub(crate) async fn burst(work: &Work) -> Value {
    let _first = connect(work, Arc::default()).await;
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    let mut connected = Vec::new();
    while idle.more() {
        let incoming = Arc::new(Incoming::default());
        connected.push((connect(work, incoming.clone()).await, incoming));
    }
    let bursts: JoinSet<_> =
        connected.into_iter().map(|(client, incoming)| one_burst(client, incoming)).collect();
    let clients = bursts.join_all().await;
    sleep(QUIET).await;
    let outcome = idle.finish();
    drop(clients);
    outcome
}

async fn one_burst(client: AsyncClientHandle, incoming: Arc<Incoming>) -> AsyncClientHandle {
    let mut meter = Meter::start_messages(BURST as u64);
    publish_all(&client, &mut meter, QualityOfService::AtMostOnce).await;
    subscribe(&client, QualityOfService::AtMostOnce).await;
    incoming.until(|state| state.expected == Some(state.came)).await;
    client
}

pub(crate) async fn many(work: &Work) -> Value {
    bench_common::end_with_input();
    let mut clients = Vec::with_capacity(work.clients());
    while clients.len() < work.clients() {
        let mut connecting = JoinSet::new();
        for _ in 0..AT_ONCE.min(work.clients() - clients.len()) {
            let work = work.clone();
            connecting.spawn(async move { connect(&work, Arc::default()).await });
        }
        clients.extend(connecting.join_all().await);
    }
    std::future::pending().await
}
