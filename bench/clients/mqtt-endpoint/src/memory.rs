//! What endpoints have in memory.

use std::sync::Arc;

use bench_common::{AT_ONCE, BURST, Idle, Meter, QUIET, Work};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Endpoint, Qos, connect, publish_all, receive};

pub(crate) async fn idle(work: &Work) -> Value {
    let mut endpoints = vec![connect(work, "first").await];
    endpoints.reserve(work.clients());
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    while idle.more() {
        endpoints.push(connect(work, &format!("endpoint{}", endpoints.len())).await);
    }
    sleep(QUIET).await;
    idle.finish()
}

/// Each of them publishes and receives that many, all at the same time, and is idle then.
pub(crate) async fn burst(work: &Work) -> Value {
    let _first = connect(work, "first").await;
    sleep(QUIET).await;
    let mut idle = Idle::start(work);
    let mut connected = Vec::new();
    while idle.more() {
        connected.push(Arc::new(connect(work, &format!("endpoint{}", connected.len())).await));
    }
    let bursts: JoinSet<Arc<Endpoint>> = connected.into_iter().map(one_burst).collect();
    let endpoints = bursts.join_all().await;
    sleep(QUIET).await;
    let outcome = idle.finish();
    drop(endpoints);
    outcome
}

async fn one_burst(endpoint: Arc<Endpoint>) -> Arc<Endpoint> {
    publish_all(&endpoint, &mut Meter::start_messages(BURST as u64)).await;
    receive(&endpoint, Qos::AtMostOnce).await;
    endpoint
}

/// It does not connect again by itself.
pub(crate) async fn many(work: &Work) -> Value {
    bench_common::end_with_input();
    let mut endpoints = Vec::with_capacity(work.clients());
    while endpoints.len() < work.clients() {
        let mut connecting = JoinSet::new();
        for number in 0..AT_ONCE.min(work.clients() - endpoints.len()) {
            let (work, name) = (work.clone(), format!("endpoint{}", endpoints.len() + number));
            connecting.spawn(async move { connect(&work, &name).await });
        }
        endpoints.extend(connecting.join_all().await);
    }
    std::future::pending().await
}
