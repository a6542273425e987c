//! No client: tokio-rustls and tokio-tungstenite with bytes that are encoded beforehand, in the same batches over the same
//! sockets. What a client uses beyond this is its own.

mod tls;
mod websocket;

use bench_common::{Meter, PAYLOAD, TOPIC, Work, flood_end, print, publish_into};

/// How much is written at once.
const CHUNK: usize = 64 * 1_024;
const VERSION: u8 = 4;

fn main() {
    let work = Work::from_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        let run = async move {
            match work.get("scheme") {
                "mqtts" => tls::run(&work).await,
                "ws" => websocket::run(&work).await,
                _ => work.unknown(),
            }
        };
        tokio::spawn(run).await.expect("no panic")
    });
    print(&outcome);
}

/// What is written at once: one message, or as many as there is room for; and how many these are.
fn batch(work: &Work) -> (Vec<u8>, u64) {
    let mut batch = Vec::with_capacity(CHUNK);
    let mut messages = 0;
    loop {
        publish_into(&mut batch, 0, 0, PAYLOAD, VERSION);
        messages += 1;
        if work.scenario() == "single0" || batch.len() + 88 > CHUNK {
            return (batch, messages);
        }
    }
}

fn subscribe() -> Vec<u8> {
    let mut packet = vec![0x82, TOPIC.len() as u8 + 5, 0, 1, 0, TOPIC.len() as u8];
    packet.extend_from_slice(TOPIC.as_bytes());
    packet.push(0);
    packet
}

/// Counts what comes by the lengths of packets; whether that was the last one.
fn count(input: &mut Vec<u8>, meter: &mut Meter) -> bool {
    let mut taken = 0;
    let mut ended = false;
    while let Some(packet) = input.get(taken..).filter(|rest| rest.len() >= 2) {
        let length = 2 + usize::from(packet[1]);
        let Some(packet) = packet.get(..length) else { break };
        taken += length;
        if packet[0] >> 4 == 3 {
            let payload = &packet[4 + TOPIC.len()..];
            if let Some(count) = flood_end(payload) {
                assert_eq!(meter.count(), count, "messages received");
                ended = true;
            } else {
                meter.add(1);
            }
        }
    }
    input.drain(..taken);
    ended
}
