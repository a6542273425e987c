//! gneiss-mqtt under measure, MQTT 5.0, on tokio. It has no setting that changes what is measured: default and best differ
//! in the runtime, of several threads and of one.

#[path = "memory.rs"]
mod memory;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bench_common::{Meter, PAYLOAD, TOPIC, Trips, WINDOW, Work, print};
use gneiss_mqtt::client::{
    AsyncClient, AsyncClientHandle, AsyncPublishResult, ClientEvent, TokioClientBuilder,
};
use gneiss_mqtt::mqtt::{PublishPacket, QualityOfService, SubscribePacket};
use serde_json::Value;
use tokio::sync::Notify;

pub(crate) fn main() {
    let work = Work::from_arguments();
    let runtime = if work.variant() == "current" {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let outcome = runtime
        .expect("a runtime")
        .block_on(async { tokio::spawn(async move { run(&work).await }).await.expect("no panic") });
    print(&outcome);
}

async fn run(work: &Work) -> Value {
    match work.scenario() {
        "idle" => return memory::idle(work).await,
        "burst" => return memory::burst(work).await,
        "many" => return memory::many(work).await,
        _ => {}
    }
    let incoming = Arc::new(Incoming::default());
    let client = connect(work, incoming.clone()).await;
    match work.scenario() {
        "pub0" => publish(&client, work, QualityOfService::AtMostOnce).await,
        "pub1" => publish(&client, work, QualityOfService::AtLeastOnce).await,
        "pub2" => publish(&client, work, QualityOfService::ExactlyOnce).await,
        "recv0" => receive(&client, &incoming, QualityOfService::AtMostOnce).await,
        "recv1" => receive(&client, &incoming, QualityOfService::AtLeastOnce).await,
        "trip0" => echo(&client, &incoming, work).await,
        "trip1" => acknowledged(&client, work).await,
        _ => work.unknown(),
    }
}

/// What its listener counts. Each call has a task of its own, so the last message may be told of before others.
#[derive(Default)]
struct Incoming {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    connected: bool,
    came: u64,
    /// How many there are, once the last one has come.
    expected: Option<u64>,
}

impl Incoming {
    fn event(&self, event: &ClientEvent) {
        let mut state = self.state.lock().expect("no panic");
        match event {
            ClientEvent::ConnectionSuccess(_) => state.connected = true,
            ClientEvent::PublishReceived(received) => {
                let payload = received.publish.payload().expect("a payload");
                if let Some(count) = bench_common::flood_end(payload) {
                    state.expected = Some(count);
                } else {
                    assert_eq!(payload.len(), PAYLOAD.len(), "the payload's length");
                    state.came += 1;
                }
                if state.expected.is_some_and(|expected| expected != state.came) {
                    return;
                }
            }
            _ => return,
        }
        drop(state);
        self.wake.notify_one();
    }

    async fn until(&self, done: impl Fn(&State) -> bool) {
        while !done(&self.state.lock().expect("no panic")) {
            self.wake.notified().await;
        }
    }
}

async fn connect(work: &Work, incoming: Arc<Incoming>) -> AsyncClientHandle {
    let client = TokioClientBuilder::new("127.0.0.1", work.port()).build().expect("a client");
    let listener = incoming.clone();
    client.start(Some(Arc::new(move |event: Arc<ClientEvent>| listener.event(&event)))).expect("started");
    incoming.until(|state| state.connected).await;
    client
}

fn send(client: &AsyncClientHandle, qos: QualityOfService) -> AsyncPublishResult {
    let packet = PublishPacket::builder(TOPIC.to_owned(), qos).with_payload(PAYLOAD.to_vec()).build();
    client.publish(packet, None)
}

async fn publish(client: &AsyncClientHandle, work: &Work, qos: QualityOfService) -> Value {
    let mut meter = Meter::start(work);
    publish_all(client, &mut meter, qos).await;
    meter.finish()
}

/// It has no bound on what waits: also with QoS 0 as many are under way as are with QoS 1, and one of QoS 1 is behind them.
async fn publish_all(client: &AsyncClientHandle, meter: &mut Meter, qos: QualityOfService) {
    let mut under_way: VecDeque<AsyncPublishResult> = VecDeque::with_capacity(WINDOW);
    while meter.more() {
        if under_way.len() == WINDOW {
            under_way.pop_front().expect("it is full").await.expect("published");
        }
        under_way.push_back(send(client, qos));
    }
    for result in under_way {
        result.await.expect("published");
    }
    if qos == QualityOfService::AtMostOnce {
        send(client, QualityOfService::AtLeastOnce).await.expect("published");
    }
}

async fn subscribe(client: &AsyncClientHandle, qos: QualityOfService) {
    let packet = SubscribePacket::builder().with_subscription_simple(TOPIC.to_owned(), qos).build();
    client.subscribe(packet, None).await.expect("subscribed");
}

async fn receive(client: &AsyncClientHandle, incoming: &Incoming, qos: QualityOfService) -> Value {
    let mut meter = Meter::start_unlimited();
    subscribe(client, qos).await;
    incoming.until(|state| state.expected == Some(state.came)).await;
    meter.add(incoming.state.lock().expect("no panic").came);
    let outcome = meter.finish();
    // What it still has to acknowledge goes out before its answer comes.
    send(client, QualityOfService::AtMostOnce).await.expect("published");
    outcome
}

async fn echo(client: &AsyncClientHandle, incoming: &Incoming, work: &Work) -> Value {
    subscribe(client, QualityOfService::AtMostOnce).await;
    let mut trips = Trips::start(work);
    let mut count = 0;
    while trips.more() {
        count += 1;
        let sent = send(client, QualityOfService::AtMostOnce);
        incoming.until(|state| state.came == count).await;
        sent.await.expect("published");
        trips.arrived();
    }
    trips.finish()
}

async fn acknowledged(client: &AsyncClientHandle, work: &Work) -> Value {
    let mut trips = Trips::start(work);
    while trips.more() {
        send(client, QualityOfService::AtLeastOnce).await.expect("published");
        trips.arrived();
    }
    trips.finish()
}
