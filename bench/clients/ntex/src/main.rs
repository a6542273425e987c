//! ntex-mqtt under measure, MQTT 3.1.1, on ntex's runtime over tokio.
//!
//! It has one thread by design. Its defaults are 16 messages in flight; its best setting has as many as are measured and
//! tells of acknowledgements by a callback instead of a future for each.

#[path = "memory.rs"]
mod memory;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bench_common::{Meter, PAYLOAD, TOPIC, Trips, WINDOW, Work, print};
use ntex_bytes::{ByteString, Bytes};
use ntex_mqtt::MqttServiceConfig;
use ntex_mqtt::v3::client::{Connect, MqttConnector, ProtocolMessage};
use ntex_mqtt::v3::{MqttSink, QoS};
use ntex_net::DefaultRuntime;
use ntex_rt::System;
use ntex_service::Pipeline;
use ntex_service::cfg::SharedCfg;
use serde_json::Value;

/// After how many messages of QoS 0 the runtime gets its turn: nothing else holds the publisher up.
const TURN: u64 = 1_000;

pub(crate) fn main() {
    let work = Work::from_arguments();
    let system = System::new("bench", DefaultRuntime);
    let outcome = system.block_on(async move { run(&work).await });
    print(&outcome);
}

async fn run(work: &Work) -> Value {
    match work.scenario() {
        "pub0" => publish_at_most_once(&connect(work, Incoming::default()).await, work).await,
        "pub1" if work.best() => publish_with_callback(&connect(work, Incoming::default()).await, work).await,
        "pub1" => publish(&connect(work, Incoming::default()).await, work).await,
        "pub2" => publish_exactly_once(&connect(work, Incoming::default()).await, work).await,
        "recv0" => receive(work, QoS::AtMostOnce).await,
        "recv1" => receive(work, QoS::AtLeastOnce).await,
        "trip0" => echo(work).await,
        "trip1" => acknowledged(&connect(work, Incoming::default()).await, work).await,
        "idle" => memory::idle(work).await,
        "burst" => memory::burst(work).await,
        "many" => memory::many(work).await,
        _ => work.unknown(),
    }
}

/// What happens with messages: they are counted, and somebody is woken up by the last one, or by each.
#[derive(Default)]
struct Incoming {
    meter: RefCell<Option<Meter>>,
    arrived: Cell<u64>,
    ended: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Incoming {
    fn message(&self, payload: &[u8]) {
        self.arrived.set(self.arrived.get() + 1);
        match &mut *self.meter.borrow_mut() {
            Some(meter) => {
                // One that came in two parts is handed over by another task than the ones behind it.
                if !meter.received_in_any_order(payload) {
                    return;
                }
                self.ended.set(true);
            }
            None => assert_eq!(payload.len(), PAYLOAD.len(), "what comes back"),
        }
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    async fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        poll_fn(|cx: &mut Context<'_>| {
            if done(self) {
                return Poll::Ready(());
            }
            *self.waiting.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

async fn connect(work: &Work, incoming: Incoming) -> MqttSink {
    connect_with(work, Rc::new(incoming)).await
}

async fn connect_with(work: &Work, incoming: Rc<Incoming>) -> MqttSink {
    let mut config = MqttServiceConfig::new();
    if work.best() {
        config = config.set_max_send(WINDOW as u16);
    }
    let config: SharedCfg = SharedCfg::new("bench").add(config).into();
    let connect = Connect::new(format!("127.0.0.1:{}", work.port())).client_id("ntex").clean_session();
    let client = Pipeline::new(config, MqttConnector::new()).call(connect).await.expect("connected");
    let sink = client.sink();
    ntex_rt::spawn(client.start(async move |message: ProtocolMessage| {
        if let ProtocolMessage::Publish(publish) = &message {
            let payload = publish.read_all().await.expect("a payload");
            incoming.message(&payload);
        }
        Ok::<_, ()>(message.ack())
    }));
    sink
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx: &mut Context<'_>| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn publish_at_most_once(sink: &MqttSink, work: &Work) -> Value {
    let mut meter = Meter::start(work);
    publish_all(sink, &mut meter).await;
    meter.finish()
}

/// As many of QoS 0 as there are to be, and one of QoS 1 behind them.
async fn publish_all(sink: &MqttSink, meter: &mut Meter) {
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::from_static(PAYLOAD));
    while meter.more() {
        sink.publish(topic.clone()).send_at_most_once(payload.clone()).expect("sent");
        if meter.count().is_multiple_of(TURN) {
            yield_now().await;
            assert!(sink.ready().await, "still connected");
        }
    }
    sink.publish(topic).send_at_least_once(payload).await.expect("acknowledged");
}

async fn publish_with_callback(sink: &MqttSink, work: &Work) -> Value {
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::from_static(PAYLOAD));
    let seen = Rc::new(Incoming::default());
    let in_callback = seen.clone();
    sink.publish_ack_cb(move |_, disconnected| {
        assert!(!disconnected, "still connected");
        in_callback.arrived.set(in_callback.arrived.get() + 1);
        in_callback.wake();
    });
    let mut meter = Meter::start(work);
    while meter.more() {
        // Its own future for this is not woken up where a callback is set.
        seen.until(|_| sink.is_ready()).await;
        sink.publish(topic.clone()).send_at_least_once_no_block(payload.clone()).expect("sent");
    }
    let count = meter.count();
    seen.until(|seen| seen.arrived.get() == count).await;
    meter.finish()
}

/// One after the other: it keeps the way to the outcome of a release in one place for all messages
/// (`MqttSharedQueues::rx`), so the second of two under way fails with `UnexpectedRelease`.
async fn publish_exactly_once(sink: &MqttSink, work: &Work) -> Value {
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::from_static(PAYLOAD));
    let mut meter = Meter::start_slow(work);
    while meter.more() {
        let received =
            sink.publish(topic.clone()).send_exactly_once(payload.clone()).await.expect("received");
        received.release().await.expect("complete");
    }
    meter.finish()
}

/// As many tasks as messages are under way, each of which waits for the outcome of one after the other.
async fn publish(sink: &MqttSink, work: &Work) -> Value {
    let meter = Rc::new(RefCell::new(Some(Meter::start(work))));
    let tasks: Vec<_> = (0..WINDOW)
        .map(|_| {
            let (meter, sink) = (meter.clone(), sink.clone());
            ntex_rt::spawn(async move {
                while meter.borrow_mut().as_mut().is_some_and(Meter::more) {
                    let publish = sink.publish(ByteString::from_static(TOPIC));
                    publish.send_at_least_once(Bytes::from_static(PAYLOAD)).await.expect("acknowledged");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let meter = meter.borrow_mut().take().expect("it is there");
    meter.finish()
}

async fn subscribe(sink: &MqttSink, qos: QoS) {
    sink.subscribe().topic_filter(ByteString::from_static(TOPIC), qos).send().await.expect("subscribed");
}

async fn receive(work: &Work, qos: QoS) -> Value {
    let incoming = Rc::new(Incoming::default());
    let sink = connect_with(work, incoming.clone()).await;
    *incoming.meter.borrow_mut() = Some(Meter::start_unlimited());
    subscribe(&sink, qos).await;
    incoming.until(|incoming| incoming.ended.get()).await;
    let meter = incoming.meter.borrow_mut().take().expect("it is there");
    let outcome = meter.finish();
    sink.close();
    outcome
}

async fn echo(work: &Work) -> Value {
    let incoming = Rc::new(Incoming::default());
    let sink = connect_with(work, incoming.clone()).await;
    subscribe(&sink, QoS::AtMostOnce).await;
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::from_static(PAYLOAD));
    let mut trips = Trips::start(work);
    while trips.more() {
        let before = incoming.arrived.get();
        sink.publish(topic.clone()).send_at_most_once(payload.clone()).expect("sent");
        incoming.until(|incoming| incoming.arrived.get() > before).await;
        trips.arrived();
    }
    trips.finish()
}

async fn acknowledged(sink: &MqttSink, work: &Work) -> Value {
    let (topic, payload) = (ByteString::from_static(TOPIC), Bytes::from_static(PAYLOAD));
    let mut trips = Trips::start(work);
    while trips.more() {
        sink.publish(topic.clone()).send_at_least_once(payload.clone()).await.expect("acknowledged");
        trips.arrived();
    }
    trips.finish()
}
