//! No client: bytes that are encoded beforehand, through tokio-rustls and tokio-tungstenite, and through Sterna's own
//! layers, by the same loops over the same sockets. What a client uses beyond this is its own.

mod bytes_stream;
mod layers;
mod tls;
mod websocket;

use bench_common::{
    CONNECT, Meter, PAYLOAD, PUBACK_LENGTH, TOPIC, Work, flood_end, print, publish, publish_into,
};
use bytes::{Buf, Bytes, BytesMut};
use serde_json::Value;
use tokio::net::TcpStream;

/// How much is written at once, and how much room there is for what is read.
const CHUNK: usize = 64 * 1_024;
const VERSION: u8 = 4;

/// What carries MQTT's bytes.
trait Stream {
    /// All of them, in one record or frame if they fit into one, until the socket has taken them.
    async fn send(&mut self, bytes: &Bytes);

    /// Appends what comes next.
    async fn receive(&mut self, input: &mut BytesMut);
}

fn main() {
    let work = Work::from_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let outcome = runtime.block_on(async {
        let run = async move {
            let socket = TcpStream::connect(("127.0.0.1", work.port())).await.expect("the sink listens");
            socket.set_nodelay(true).expect("a socket");
            match (work.variant(), work.find("scheme").unwrap_or("mqtt")) {
                ("layers", scheme) => exchange(layers::open(socket, scheme, &work).await, &work).await,
                (_, "mqtt") => exchange(socket, &work).await,
                (_, "mqtts") => exchange(tls::connect(socket, &work).await, &work).await,
                (_, "ws") => exchange(websocket::open(socket).await, &work).await,
                (_, "wss") => exchange(websocket::open(tls::connect(socket, &work).await).await, &work).await,
                _ => work.unknown(),
            }
        };
        tokio::spawn(run).await.expect("no panic")
    });
    print(&outcome);
}

async fn exchange(mut stream: impl Stream, work: &Work) -> Value {
    let mut input = BytesMut::new();
    stream.send(&Bytes::from_static(CONNECT)).await;
    // CONNACK.
    receive_exactly(&mut stream, &mut input, 4).await;
    match work.scenario() {
        "pub0" | "single0" => publish_all(stream, input, work).await,
        "recv0" => receive_all(stream, input).await,
        _ => work.unknown(),
    }
}

/// Nothing else comes.
async fn receive_exactly(stream: &mut impl Stream, input: &mut BytesMut, length: usize) {
    while input.len() < length {
        stream.receive(input).await;
    }
    assert_eq!(input.len(), length, "bytes that came");
    input.clear();
}

async fn publish_all(mut stream: impl Stream, mut input: BytesMut, work: &Work) -> Value {
    let (batch, messages) = batch(work);
    let mut meter = Meter::start(work);
    while meter.more() {
        stream.send(&batch).await;
        meter.add(messages - 1);
    }
    stream.send(&publish(1, 1, PAYLOAD, VERSION).into()).await;
    receive_exactly(&mut stream, &mut input, PUBACK_LENGTH).await;
    meter.finish()
}

async fn receive_all(mut stream: impl Stream, mut input: BytesMut) -> Value {
    let mut meter = Meter::start_unlimited();
    stream.send(&subscribe()).await;
    loop {
        stream.receive(&mut input).await;
        if count(&mut input, &mut meter) {
            return meter.finish();
        }
    }
}

/// What is written at once: one message, or as many as there is room for; and how many these are.
fn batch(work: &Work) -> (Bytes, u64) {
    let mut batch = Vec::with_capacity(CHUNK);
    let mut messages = 0;
    loop {
        publish_into(&mut batch, 0, 0, PAYLOAD, VERSION);
        messages += 1;
        if work.scenario() == "single0" || batch.len() + 88 > CHUNK {
            return (batch.into(), messages);
        }
    }
}

fn subscribe() -> Bytes {
    let mut packet = vec![0x82, TOPIC.len() as u8 + 5, 0, 1, 0, TOPIC.len() as u8];
    packet.extend_from_slice(TOPIC.as_bytes());
    packet.push(0);
    packet.into()
}

/// Counts what comes by the lengths of packets; whether that was the last one.
fn count(input: &mut BytesMut, meter: &mut Meter) -> bool {
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
    input.advance(taken);
    ended
}
