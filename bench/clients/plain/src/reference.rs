//! The reference design: publishers encode into a buffer behind a mutex, and one tokio task writes it; another task
//! reads, and hands owned messages to the application in batches. No session, no acknowledgements, no options.

use std::sync::{Arc, Mutex};

use bench_common::{CONNECT, Meter, PAYLOAD, PUBACK_LENGTH, TOPIC, Work, publish_into};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// How many bytes may wait for the socket.
const BOUND: usize = 256 * 1_024;
/// How many messages may wait for the application.
const MESSAGES: usize = 4_096;
const READ: usize = 64 * 1_024;
const VERSION: u8 = 4;

pub(crate) async fn run(work: Work) -> Value {
    let mut socket = TcpStream::connect(("127.0.0.1", work.port())).await.expect("the sink listens");
    socket.set_nodelay(true).expect("a socket");
    socket.write_all(CONNECT).await.expect("the sink takes it");
    socket.read_exact(&mut [0; 4]).await.expect("CONNACK");
    let (input, output) = socket.into_split();
    match work.scenario() {
        "pub0" => publish_at_most_once(input, output, &work).await,
        "recv0" => receive(input, output).await,
        _ => work.unknown(),
    }
}

#[derive(Default)]
struct Outgoing {
    bytes: Mutex<(Vec<u8>, Sleeping)>,
    wake: Notify,
    room: Notify,
}

/// Who has to be woken up.
#[derive(Default)]
struct Sleeping {
    writer: bool,
    publisher: bool,
}

impl Outgoing {
    /// Whether there was room.
    fn send(&self, qos: u8) -> bool {
        let mut guard = self.bytes.lock().expect("no panic");
        let (bytes, sleeping) = &mut *guard;
        if bytes.len() >= BOUND {
            sleeping.publisher = true;
            return false;
        }
        publish_into(bytes, qos, 1, PAYLOAD, VERSION);
        let wakes = std::mem::take(&mut sleeping.writer);
        drop(guard);
        if wakes {
            self.wake.notify_one();
        }
        true
    }

    async fn write(&self, mut output: OwnedWriteHalf) {
        let mut batch = Vec::new();
        loop {
            batch.clear();
            let wakes = {
                let mut guard = self.bytes.lock().expect("no panic");
                let (bytes, sleeping) = &mut *guard;
                std::mem::swap(bytes, &mut batch);
                sleeping.writer = batch.is_empty();
                std::mem::take(&mut sleeping.publisher)
            };
            if wakes {
                self.room.notify_one();
            }
            if batch.is_empty() {
                self.wake.notified().await;
            } else {
                output.write_all(&batch).await.expect("the sink takes it");
            }
        }
    }
}

async fn publish_at_most_once(mut input: OwnedReadHalf, output: OwnedWriteHalf, work: &Work) -> Value {
    let outgoing = Arc::new(Outgoing::default());
    let writer = outgoing.clone();
    tokio::spawn(async move { writer.write(output).await });
    let mut meter = Meter::start(work);
    while meter.more() {
        while !outgoing.send(0) {
            outgoing.room.notified().await;
        }
    }
    while !outgoing.send(1) {
        outgoing.room.notified().await;
    }
    input.read_exact(&mut [0; PUBACK_LENGTH]).await.expect("acknowledged");
    meter.finish()
}

/// One slice of what was read, and where the topic and the payload are in it.
struct Message {
    packet: Bytes,
    payload: usize,
}

#[derive(Default)]
struct Incoming {
    messages: Mutex<Vec<Message>>,
    wake: Notify,
    room: Notify,
}

async fn receive(input: OwnedReadHalf, mut output: OwnedWriteHalf) -> Value {
    let mut subscribe = vec![0x82, TOPIC.len() as u8 + 5, 0, 1, 0, TOPIC.len() as u8];
    subscribe.extend_from_slice(TOPIC.as_bytes());
    subscribe.push(0);
    let incoming = Arc::new(Incoming::default());
    let reader = incoming.clone();
    let mut meter = Meter::start_unlimited();
    output.write_all(&subscribe).await.expect("the sink takes it");
    tokio::spawn(async move { read(input, &reader).await });
    let mut batch = Vec::new();
    loop {
        std::mem::swap(&mut *incoming.messages.lock().expect("no panic"), &mut batch);
        if batch.is_empty() {
            incoming.wake.notified().await;
            continue;
        }
        incoming.room.notify_one();
        for message in batch.drain(..) {
            if meter.received(&message.packet[message.payload..]) {
                return meter.finish();
            }
        }
    }
}

async fn read(mut input: OwnedReadHalf, incoming: &Incoming) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        if input.read_buf(&mut buffer).await.expect("the sink sends") == 0 {
            return;
        }
        let mut came = Vec::new();
        while buffer.len() >= 2 {
            let length = 2 + usize::from(buffer[1]);
            if buffer.len() < length {
                break;
            }
            let packet = buffer.split_to(length).freeze();
            if packet[0] >> 4 == 3 {
                let payload = 4 + usize::from(u16::from_be_bytes([packet[2], packet[3]]));
                came.push(Message { packet, payload });
            }
        }
        while incoming.messages.lock().expect("no panic").len() > MESSAGES {
            incoming.room.notified().await;
        }
        let mut messages = incoming.messages.lock().expect("no panic");
        let wakes = messages.is_empty();
        messages.append(&mut came);
        drop(messages);
        if wakes {
            incoming.wake.notify_one();
        }
    }
}
