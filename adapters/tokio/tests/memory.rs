//! What a client on tokio has allocated over TCP, its task and what the runtime keeps for it included.

use std::future::Future;
use std::time::Duration;

use allocation_counter::measure;
use sterna_client::{Client, QoS, Subscription};
use sterna_simulator::TestBroker;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

const IDLE: i64 = 6 << 10;
/// As much again for a subscription, and what is still owed to the server.
const AFTER_BURST: i64 = 2 * IDLE;
const BURST: usize = 2_000;
const PAYLOAD: [u8; 64] = [b'x'; 64];

/// A broker on a thread of its own: what is allocated there does not count.
struct Elsewhere {
    url: String,
    /// It ends with this.
    _end: oneshot::Sender<()>,
}

fn broker() -> Elsewhere {
    let (end, ended) = oneshot::channel();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let broker = TestBroker::start().await.unwrap();
            tell.send(broker.url()).unwrap();
            let _ = ended.await;
        });
    });
    Elsewhere { url: told.recv().unwrap(), _end: end }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// What is live of that which came into being in `work`, when nothing moves any more.
fn rest_after<T>(runtime: &Runtime, work: impl Future<Output = T>) -> (i64, T) {
    let mut left = None;
    let info = measure(|| {
        left = Some(runtime.block_on(async {
            let left = tokio::time::timeout(Duration::from_secs(60), work).await.expect("it hangs");
            // From here on nothing but the client's own timers is under way.
            tokio::time::pause();
            tokio::time::sleep(Duration::from_secs(3)).await;
            tokio::time::resume();
            left
        }));
    });
    (info.bytes_current, left.unwrap())
}

async fn connect(url: &str) -> Client {
    sterna_tokio::builder(url).connect().await.unwrap()
}

/// What the runtime needs for the first client is not each one's.
fn first(runtime: &Runtime, url: &str) -> Client {
    rest_after(runtime, connect(url)).1
}

/// Publishes many messages without waiting for each, and takes all of them back; it does not ask for one more.
async fn burst(url: &str, qos: QoS) -> (Client, Subscription) {
    let client = connect(url).await;
    // The others are still subscribed to theirs.
    let topic = &format!("sensors/room-17/{qos:?}");
    let mut inbox = client.subscribe(topic).qos(qos).await.unwrap();
    for _ in 0..BURST {
        drop(client.publish(topic, &PAYLOAD).qos(qos).send().unwrap());
    }
    for _ in 0..BURST {
        assert_eq!(inbox.next().await.unwrap().payload(), PAYLOAD);
    }
    // The acknowledgements have left with the first, and the server's answers to them have come before that to the second.
    for _ in 0..2 {
        client.publish("other", "").qos(QoS::AtLeastOnce).await.unwrap();
    }
    (client, inbox)
}

#[test]
fn an_idle_client_needs_little() {
    let (broker, runtime) = (broker(), runtime());
    let _first = first(&runtime, &broker.url);
    let (bytes, _client) = rest_after(&runtime, connect(&broker.url));
    assert!(bytes < IDLE, "{bytes}");
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let (broker, runtime) = (broker(), runtime());
    let _first = first(&runtime, &broker.url);
    // None ends while another one is measured.
    let mut bursts = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let (bytes, held) = rest_after(&runtime, burst(&broker.url, qos));
        assert!(bytes < AFTER_BURST, "{qos:?}: {bytes}");
        bursts.push(held);
    }
}
