//! mqtt-endpoint-tokio under measure, MQTT 3.1.1: an endpoint of packets, whose application has the acknowledgements come by
//! as packets. Default: its read buffer of 4 KiB, Nagle's algorithm on. Best: 64 KiB, Nagle off.

#[path = "memory.rs"]
mod memory;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bench_common::{Meter, PAYLOAD, TOPIC, Trips, WINDOW, Work, print};
use mqtt_endpoint_tokio::mqtt_ep;
use mqtt_ep::packet::v3_1_1::{Connect, Publish, Subscribe};
use mqtt_ep::packet::{Packet, Qos, SubEntry, SubOpts};
use serde_json::Value;
use tokio::sync::Semaphore;

type Endpoint = mqtt_ep::Endpoint<mqtt_ep::role::Client>;

pub(crate) fn main() {
    let work = Work::from_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
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
    let endpoint = Arc::new(connect(work, "endpoint").await);
    match work.scenario() {
        "pub0" => publish_at_most_once(&endpoint, work).await,
        "pub1" => publish(&endpoint, work, Qos::AtLeastOnce).await,
        "pub2" => publish(&endpoint, work, Qos::ExactlyOnce).await,
        "recv0" => receive(&endpoint, Qos::AtMostOnce).await,
        "recv1" => receive(&endpoint, Qos::AtLeastOnce).await,
        "trip0" => echo(&endpoint, work).await,
        "trip1" => acknowledged(&endpoint, work).await,
        _ => work.unknown(),
    }
}

async fn connect(work: &Work, name: &str) -> Endpoint {
    let endpoint = Endpoint::new(mqtt_ep::Version::V3_1_1);
    let address = format!("127.0.0.1:{}", work.port());
    let stream = mqtt_ep::transport::connect_helper::connect_tcp(&address, None).await.expect("it listens");
    let mut options = mqtt_ep::connection_option::ConnectionOption::builder();
    if work.best() {
        stream.set_nodelay(true).expect("a socket");
        options = options.recv_buffer_size(64 * 1_024_usize);
    }
    let transport = mqtt_ep::transport::TcpTransport::from_stream(stream);
    let options = options.build().expect("options");
    endpoint.attach_with_options(transport, mqtt_ep::Mode::Client, options).await.expect("attached");
    let connect = Connect::builder().client_id(name).expect("a name").clean_session(true);
    endpoint.send(connect.build().expect("a packet")).await.expect("sent");
    assert!(matches!(endpoint.recv().await, Ok(Packet::V3_1_1Connack(_))), "connected");
    endpoint
}

async fn packet(endpoint: &Endpoint, qos: Qos) -> Publish {
    let builder = Publish::builder().topic_name(TOPIC).expect("a topic").qos(qos).payload(&PAYLOAD[..]);
    let builder = if qos == Qos::AtMostOnce {
        builder
    } else {
        builder.packet_id(endpoint.acquire_packet_id().await.expect("an identifier"))
    };
    builder.build().expect("a packet")
}

type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// With its first poll it is handed in. As many are under way as are with QoS 1.
async fn send(endpoint: &Arc<Endpoint>, qos: Qos, under_way: &mut VecDeque<Sending>) {
    if under_way.len() == WINDOW {
        under_way.pop_front().expect("it is full").await;
    }
    let packet = packet(endpoint, qos).await;
    let endpoint = endpoint.clone();
    let mut sending: Sending = Box::pin(async move { endpoint.send(packet).await.expect("sent") });
    if poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await.is_pending() {
        under_way.push_back(sending);
    }
}

async fn publish_at_most_once(endpoint: &Arc<Endpoint>, work: &Work) -> Value {
    let mut meter = Meter::start(work);
    publish_all(endpoint, &mut meter).await;
    meter.finish()
}

/// As many of QoS 0 as there are to be, and one of QoS 1 behind them.
async fn publish_all(endpoint: &Arc<Endpoint>, meter: &mut Meter) {
    let mut under_way = VecDeque::with_capacity(WINDOW);
    while meter.more() {
        send(endpoint, Qos::AtMostOnce, &mut under_way).await;
    }
    for sending in under_way {
        sending.await;
    }
    endpoint.send(packet(endpoint, Qos::AtLeastOnce).await).await.expect("sent");
    assert!(matches!(endpoint.recv().await, Ok(Packet::V3_1_1Puback(_))), "acknowledged");
}

async fn publish(endpoint: &Arc<Endpoint>, work: &Work, qos: Qos) -> Value {
    let room = Arc::new(Semaphore::new(WINDOW));
    let receiver = {
        let (endpoint, room) = (endpoint.clone(), room.clone());
        tokio::spawn(async move {
            loop {
                if let Packet::V3_1_1Puback(_) | Packet::V3_1_1Pubcomp(_) =
                    endpoint.recv().await.expect("connected")
                {
                    room.add_permits(1);
                }
            }
        })
    };
    let mut under_way = VecDeque::with_capacity(WINDOW);
    let mut meter = Meter::start(work);
    while meter.more() {
        room.acquire().await.expect("it is open").forget();
        send(endpoint, qos, &mut under_way).await;
    }
    for sending in under_way {
        sending.await;
    }
    // All have been acknowledged.
    drop(room.acquire_many(WINDOW as u32).await.expect("it is open"));
    let outcome = meter.finish();
    receiver.abort();
    outcome
}

async fn subscribe(endpoint: &Endpoint, qos: Qos) {
    let entry = SubEntry::new(TOPIC, SubOpts::new().set_qos(qos)).expect("a filter");
    let id = endpoint.acquire_packet_id().await.expect("an identifier");
    let packet = Subscribe::builder().packet_id(id).entries(vec![entry]).build().expect("a packet");
    endpoint.send(packet).await.expect("sent");
    assert!(matches!(endpoint.recv().await, Ok(Packet::V3_1_1Suback(_))), "subscribed");
}

async fn receive(endpoint: &Endpoint, qos: Qos) -> Value {
    let mut meter = Meter::start_unlimited();
    subscribe(endpoint, qos).await;
    loop {
        if let Packet::V3_1_1Publish(publish) = endpoint.recv().await.expect("connected")
            && meter.received(publish.payload().as_slice())
        {
            return meter.finish();
        }
    }
}

async fn echo(endpoint: &Endpoint, work: &Work) -> Value {
    subscribe(endpoint, Qos::AtMostOnce).await;
    let mut trips = Trips::start(work);
    while trips.more() {
        endpoint.send(packet(endpoint, Qos::AtMostOnce).await).await.expect("sent");
        assert!(matches!(endpoint.recv().await, Ok(Packet::V3_1_1Publish(_))), "it comes back");
        trips.arrived();
    }
    trips.finish()
}

async fn acknowledged(endpoint: &Endpoint, work: &Work) -> Value {
    let mut trips = Trips::start(work);
    while trips.more() {
        endpoint.send(packet(endpoint, Qos::AtLeastOnce).await).await.expect("sent");
        assert!(matches!(endpoint.recv().await, Ok(Packet::V3_1_1Puback(_))), "acknowledged");
        trips.arrived();
    }
    trips.finish()
}
