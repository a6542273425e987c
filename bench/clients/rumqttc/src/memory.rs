// Included by both versions: what clients have in memory.

use std::time::Duration;

use bench_common::{AT_ONCE, BURST, Idle, QUIET};
use tokio::task::JoinSet;

/// How long an application waits that sees a connection break, before it polls the event loop again, which connects.
const PAUSE: Duration = Duration::from_secs(1);

/// A task drives each event loop, and connects again.
fn drive(mut event_loop: EventLoop) {
    tokio::spawn(async move {
        loop {
            if event_loop.poll().await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
    });
}

async fn idle(work: &Work) -> Value {
    let connect = async |name: String| {
        let (client, event_loop) = connect(work, &name).await;
        drive(event_loop);
        client
    };
    let mut clients = vec![connect("first".into()).await];
    clients.reserve(work.clients());
    tokio::time::sleep(QUIET).await;
    let mut idle = Idle::start(work);
    while idle.more() {
        clients.push(connect(format!("client{}", clients.len())).await);
    }
    tokio::time::sleep(QUIET).await;
    idle.finish()
}

/// Each of them publishes and receives that many, all at the same time, and is idle then.
async fn burst(work: &Work) -> Value {
    let (_first, event_loop) = connect(work, "first").await;
    drive(event_loop);
    tokio::time::sleep(QUIET).await;
    let mut idle = Idle::start(work);
    let mut connected = Vec::new();
    while idle.more() {
        connected.push(connect(work, &format!("client{}", connected.len())).await);
    }
    let mut bursts = JoinSet::new();
    for (client, event_loop) in connected {
        bursts.spawn(one_burst(client, event_loop, work.best()));
    }
    let clients = bursts.join_all().await;
    tokio::time::sleep(QUIET).await;
    let outcome = idle.finish();
    drop(clients);
    outcome
}

async fn one_burst(client: AsyncClient, mut event_loop: EventLoop, best: bool) -> AsyncClient {
    let publisher = tokio::spawn(async move {
        for _ in 0..BURST {
            send(&client, best, QoS::AtMostOnce).await;
        }
        send(&client, best, QoS::AtLeastOnce).await;
        client
    });
    while !matches!(incoming(event_loop.poll().await), Some(Packet::PubAck(_))) {}
    let client = publisher.await.expect("no panic");
    client.subscribe(TOPIC, QoS::AtMostOnce).await.expect("the event loop is there");
    let mut meter = Meter::start_unlimited();
    loop {
        if let Some(Packet::Publish(publish)) = incoming(event_loop.poll().await)
            && meter.received(&publish.payload)
        {
            break;
        }
    }
    drive(event_loop);
    client
}

async fn many(work: &Work) -> Value {
    bench_common::end_with_input();
    let mut clients = Vec::with_capacity(work.clients());
    while clients.len() < work.clients() {
        let mut connecting = JoinSet::new();
        for number in 0..AT_ONCE.min(work.clients() - clients.len()) {
            let (work, name) = (work.clone(), format!("client{}", clients.len() + number));
            connecting.spawn(async move {
                let (client, event_loop) = connect(&work, &name).await;
                drive(event_loop);
                client
            });
        }
        clients.extend(connecting.join_all().await);
    }
    std::future::pending().await
}
