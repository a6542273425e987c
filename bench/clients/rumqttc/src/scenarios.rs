// Included by both versions: their types differ, their methods do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_common::{Meter, PAYLOAD, TOPIC, Trips};
use bytes::Bytes;
use serde_json::Value;

pub(crate) async fn run(work: &Work) -> Value {
    match work.scenario() {
        "idle" => return idle(work).await,
        "burst" => return burst(work).await,
        "many" => return many(work).await,
        _ => {}
    }
    let (client, event_loop) = connect(work, "rumqttc").await;
    match work.scenario() {
        "pub0" => publish(work, client, event_loop, QoS::AtMostOnce).await,
        "pub1" => publish(work, client, event_loop, QoS::AtLeastOnce).await,
        "pub2" => publish(work, client, event_loop, QoS::ExactlyOnce).await,
        "recv0" => receive(&client, event_loop, QoS::AtMostOnce).await,
        "recv1" => receive(&client, event_loop, QoS::AtLeastOnce).await,
        "trip0" => echo(work, &client, event_loop).await,
        "trip1" => acknowledged(work, &client, event_loop).await,
        _ => work.unknown(),
    }
}

async fn connect(work: &Work, name: &str) -> (AsyncClient, EventLoop) {
    let (client, mut event_loop) = client(work, name);
    while !matches!(incoming(event_loop.poll().await), Some(Packet::ConnAck(_))) {}
    (client, event_loop)
}

async fn send(client: &AsyncClient, best: bool, qos: QoS) {
    let sent = if best {
        client.publish_bytes(TOPIC, qos, false, Bytes::from_static(PAYLOAD)).await
    } else {
        client.publish(TOPIC, qos, false, PAYLOAD.to_vec()).await
    };
    sent.expect("the event loop is there");
}

/// A task publishes; this one drives the event loop, where acknowledgements are seen. What ends the count is one more
/// message, of QoS 1 behind those of QoS 0: when that is acknowledged, all have arrived.
async fn publish(work: &Work, client: AsyncClient, mut event_loop: EventLoop, qos: QoS) -> Value {
    let total = Arc::new(AtomicU64::new(u64::MAX));
    let publisher = {
        let (total, best, mut meter) = (total.clone(), work.best(), Meter::start(work));
        tokio::spawn(async move {
            while meter.more() {
                send(&client, best, qos).await;
            }
            if qos == QoS::AtMostOnce {
                total.store(1, Ordering::SeqCst);
                send(&client, best, QoS::AtLeastOnce).await;
            } else {
                meter.add(1);
                total.store(meter.count(), Ordering::SeqCst);
                send(&client, best, qos).await;
            }
            (client, meter)
        })
    };
    let mut acknowledged = 0;
    while acknowledged < total.load(Ordering::SeqCst) {
        if let Some(Packet::PubAck(_) | Packet::PubComp(_)) = incoming(event_loop.poll().await) {
            acknowledged += 1;
        }
    }
    let (_client, meter) = publisher.await.expect("no panic");
    meter.finish()
}

async fn receive(client: &AsyncClient, mut event_loop: EventLoop, qos: QoS) -> Value {
    client.subscribe(TOPIC, qos).await.expect("the event loop is there");
    let mut meter = Meter::start_unlimited();
    loop {
        if let Some(Packet::Publish(publish)) = incoming(event_loop.poll().await)
            && meter.received(&publish.payload)
        {
            return meter.finish();
        }
    }
}

async fn echo(work: &Work, client: &AsyncClient, mut event_loop: EventLoop) -> Value {
    client.subscribe(TOPIC, QoS::AtMostOnce).await.expect("the event loop is there");
    while !matches!(incoming(event_loop.poll().await), Some(Packet::SubAck(_))) {}
    let mut trips = Trips::start(work);
    while trips.more() {
        send(client, work.best(), QoS::AtMostOnce).await;
        loop {
            if let Some(Packet::Publish(publish)) = incoming(event_loop.poll().await) {
                assert_eq!(publish.payload.len(), PAYLOAD.len(), "what comes back");
                break;
            }
        }
        trips.arrived();
    }
    trips.finish()
}

async fn acknowledged(work: &Work, client: &AsyncClient, mut event_loop: EventLoop) -> Value {
    let mut trips = Trips::start(work);
    while trips.more() {
        send(client, work.best(), QoS::AtLeastOnce).await;
        while !matches!(incoming(event_loop.poll().await), Some(Packet::PubAck(_))) {}
        trips.arrived();
    }
    trips.finish()
}
