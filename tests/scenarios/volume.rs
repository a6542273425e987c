//! Large messages, and many.

use sterna::QoS;

use crate::brokers::Setup;
use crate::cell::{ANYWHERE, Cell, Kind, ON_EVERY_RUNTIME, SMOKE, Scope};
use crate::tools::{next, number};

scenarios! {
    SMOKE => large_payloads;
    TO_MANY_MEBIBYTES => sixteen_mebibytes;
    ANYWHERE =>
        ten_thousand_at_most_once,
        ten_thousand_at_least_once,
        ten_thousand_exactly_once,
        a_small_receive_maximum,
        both_acknowledged_qualities_of_service;
    ON_EVERY_RUNTIME => many_tasks_publish;
}

/// Mosquitto 2.0.11 sends 4 KiB of a packet over WebSocket, then waits for 100 ms or for something to read.
const TO_MANY_MEBIBYTES: Scope = Scope::only(|cell| !is_slow(cell));

fn is_slow(cell: Cell) -> bool {
    cell.kind == Kind::Mosquitto && cell.transport.is_websocket()
}

async fn large_payloads(setup: Setup) {
    let bytes = if is_slow(setup.cell) { 32 << 10 } else { 1 << 20 };
    large(setup, bytes, setup.every_qos()).await;
}

async fn sixteen_mebibytes(setup: Setup) {
    large(setup, 16 << 20, &[QoS::AtLeastOnce]).await;
}

// R: PUB-01
async fn large(setup: Setup, bytes: u32, every_qos: &[QoS]) {
    let broker = setup.roomy_broker().await;
    let client = broker.connect("client").await;
    let mut stream = client.subscribe("large").qos(setup.highest_qos()).await.expect("granted");
    // No two blocks of it are alike, so that nothing can be swapped.
    let payload: Vec<u8> = (0..bytes / 4).flat_map(|n| n.wrapping_mul(0x9e37_79b1).to_be_bytes()).collect();
    for &qos in every_qos {
        client.publish("large", &payload).qos(qos).await.expect("acknowledged");
        assert!(next(&mut stream).await.payload() == payload, "{qos:?}");
    }
}

async fn ten_thousand_at_most_once(setup: Setup) {
    ten_thousand(setup, QoS::AtMostOnce).await;
}

async fn ten_thousand_at_least_once(setup: Setup) {
    ten_thousand(setup, QoS::AtLeastOnce).await;
}

async fn ten_thousand_exactly_once(setup: Setup) {
    ten_thousand(setup, QoS::ExactlyOnce).await;
}

// R: PUB-02, PUB-03
async fn ten_thousand(setup: Setup, qos: QoS) {
    const COUNT: usize = 10_000;
    let broker = setup.broker().await;
    // Mosquitto closes the connection of a 3.x client with more than its max_inflight_messages of QoS 2 under way,
    // 20 by default, and has no way of telling.
    let publisher = broker.builder("publisher").in_flight_limit(20).connect().await.expect("connected");
    // And it goes beyond any Receive Maximum that a 5.0 client announces, once messages wait and acknowledgements
    // come (seen with 2.0.11), so the subscriber announces none.
    let subscriber =
        broker.builder("subscriber").receive_maximum(u16::MAX).connect().await.expect("connected");
    let mut stream = subscriber.subscribe("many").qos(qos).await.expect("granted");
    let publish = async {
        let mut deliveries = Vec::with_capacity(COUNT);
        for n in 0..COUNT {
            deliveries
                .push(publisher.publish("many", n.to_string()).qos(qos).enqueue().await.expect("accepted"));
        }
        for delivery in deliveries {
            delivery.await.expect("acknowledged");
        }
    };
    let receive = async {
        for n in 0..COUNT {
            let message = next(&mut stream).await;
            assert_eq!((number(&message), message.qos(), message.duplicate()), (n, qos, false));
        }
    };
    tokio::join!(publish, receive);
    publisher.publish("many", "the end").qos(qos).await.expect("acknowledged");
    assert_eq!(next(&mut stream).await.text(), Ok("the end"), "nothing came twice");
}

/// Mosquitto 2.0.11 exceeds a small Receive Maximum when QoS 2 messages wait: the connection is closed for that, but
/// not again and again.
// R: SUB-08
async fn a_small_receive_maximum(setup: Setup) {
    const COUNT: usize = 500;
    let broker = setup.broker().await;
    let subscriber = broker.builder("subscriber").persistent().receive_maximum(5);
    let subscriber = subscriber.connect().await.expect("connected");
    let mut stream = subscriber.subscribe("many").qos(setup.highest_qos()).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    let publish = async {
        let mut deliveries = Vec::with_capacity(COUNT);
        for n in 0..COUNT {
            let publish = publisher.publish("many", n.to_string()).qos(setup.highest_qos());
            deliveries.push(publish.enqueue().await.expect("accepted"));
        }
        for delivery in deliveries {
            delivery.await.expect("acknowledged");
        }
    };
    let receive = async {
        for n in 0..COUNT {
            assert_eq!(number(&next(&mut stream).await), n);
        }
    };
    tokio::join!(publish, receive);
    assert!(subscriber.statistics().connection.reconnects <= 1, "it connects again once, if at all");
}

/// Mosquitto refuses a message of QoS 1 too while a 3.x client has 20 of QoS 2 under way, and closes the connection.
// R: PUB-02, PUB-03
async fn both_acknowledged_qualities_of_service(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("client").await;
    let mut deliveries = Vec::new();
    for n in 0..500 {
        let qos = if n % 50 < 30 { setup.highest_qos() } else { QoS::AtLeastOnce };
        deliveries.push(client.publish("mixed", n.to_string()).qos(qos).send().expect("there is room"));
    }
    for delivery in deliveries {
        delivery.await.expect("acknowledged");
    }
    assert_eq!(client.statistics().connection.reconnects, 0);
}

/// With short queues; and who reads them publishes as well.
// R: PUB-02, SUB-07
async fn many_tasks_publish(setup: Setup) {
    const TASKS: usize = 8;
    const EACH: usize = 250;
    let broker = setup.broker().await;
    let builder = broker.builder("client").receive_maximum(u16::MAX);
    let builder = builder.incoming_limit(64, 1 << 20).queue_limit(32, 1 << 20);
    let client = builder.connect().await.expect("connected");
    let mut stream = client.subscribe("tasks/+").qos(QoS::AtLeastOnce).await.expect("granted");
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let client = client.clone();
            setup.spawn(async move {
                let topic = format!("tasks/{task}");
                // Each QoS has its own way through the server [MQTT-4.6.0-6].
                let qos = [QoS::AtLeastOnce, setup.highest_qos()][task % 2];
                for n in 0..EACH {
                    let publish = client.publish(&topic, n.to_string()).qos(qos);
                    if n % 7 == 0 {
                        publish.await.expect("acknowledged");
                    } else {
                        drop(publish.enqueue().await.expect("there is room"));
                    }
                }
            })
        })
        .collect();
    let mut counts = [0; TASKS];
    for n in 0..TASKS * EACH {
        let message = next(&mut stream).await;
        if n % 100 == 0 {
            client.publish("other", "from the loop").qos(QoS::AtLeastOnce).await.expect("acknowledged");
        }
        let task: usize = message.topic()["tasks/".len()..].parse().expect("the task's number");
        assert_eq!(number(&message), counts[task], "each task's messages come in its order");
        counts[task] += 1;
    }
    for task in tasks {
        task.await;
    }
}
