//! What a message costs a connected client: no allocation, few calls of the socket, and no memory that stays.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use sterna_client::{
    Client, ClientBuilder, Delivery, Engine, Instant, Message, ProtocolVersion, QoS, Runtime, Step,
    Subscription, VersionPolicy,
};

const TOPIC: &str = "sensors/room-17/temp";
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// How many messages are published before the driver has its turn.
const BATCH: usize = 100;
const QUALITIES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A server that acknowledges, and sends back what is published to it. It keeps its memory.
#[derive(Default)]
struct Server {
    from_client: Vec<u8>,
    to_client: Vec<u8>,
    /// How much of that was read.
    position: usize,
    is_new: bool,
    packet_id: u16,
    echoes: bool,
    /// So many bytes of a payload follow what is in `to_client`.
    generated: usize,
    /// Everything is taken and forgotten.
    swallows: bool,
    reads: usize,
    writes: usize,
}

impl Server {
    fn answer(&mut self, is_newest: bool) {
        let taken = std::mem::take(&mut self.from_client);
        let mut rest = &taken[..];
        while let Some((first, body, next)) = split(rest) {
            self.take(first, body, is_newest);
            rest = next;
        }
        let left = rest.len();
        self.from_client = taken;
        let length = self.from_client.len();
        self.from_client.copy_within(length - left.., 0);
        self.from_client.truncate(left);
    }

    fn take(&mut self, first: u8, body: &[u8], is_newest: bool) {
        let out = &mut self.to_client;
        match first >> 4 {
            1 if is_newest => out.extend_from_slice(&[0x20, 3, 0, 0, 0]),
            1 => out.extend_from_slice(&[0x20, 2, 0, 0]),
            3 => {
                let qos = (first >> 1) & 3;
                let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = [body[topic_end], body[topic_end + 1]];
                if qos > 0 {
                    out.extend_from_slice(&[if qos == 1 { 0x40 } else { 0x50 }, 2, id[0], id[1]]);
                }
                if self.echoes {
                    self.packet_id = self.packet_id % 60_000 + 1;
                    out.extend_from_slice(&[first, body.len() as u8]);
                    out.extend_from_slice(&body[..topic_end]);
                    let start = if qos > 0 { topic_end + 2 } else { topic_end };
                    if qos > 0 {
                        out.extend_from_slice(&self.packet_id.to_be_bytes());
                    }
                    out.extend_from_slice(&body[start..]);
                }
            }
            5 => out.extend_from_slice(&[0x62, 2, body[0], body[1]]),
            6 => out.extend_from_slice(&[0x70, 2, body[0], body[1]]),
            8 if is_newest => out.extend_from_slice(&[0x90, 4, body[0], body[1], 0, 2]),
            8 => out.extend_from_slice(&[0x90, 3, body[0], body[1], 2]),
            _ => {}
        }
    }
}

/// The first packet: its first byte and its body, and what comes behind it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte < 0x80 {
            break;
        }
    }
    let body = bytes.get(at..at + length)?;
    Some((bytes[0], body, &bytes[at + length..]))
}

impl Read for Server {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.to_client[self.position..];
        if waiting.is_empty() && self.generated == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.reads += 1;
        if waiting.is_empty() {
            // As much as a socket gives at once.
            let count = buffer.len().min(self.generated).min(200_000);
            buffer[..count].fill(b'g');
            self.generated -= count;
            return Ok(count);
        }
        let count = waiting.len().min(buffer.len());
        buffer[..count].copy_from_slice(&waiting[..count]);
        self.position += count;
        if self.position == self.to_client.len() {
            self.to_client.clear();
            self.position = 0;
        }
        Ok(count)
    }
}

impl Write for Server {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        if !self.swallows {
            self.from_client.extend_from_slice(data);
            self.answer(self.is_new);
        }
        Ok(data.len())
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut count = 0;
        for slice in data {
            count += self.write(slice)?;
        }
        self.writes -= data.len() - 1;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the engine for the test to drive.
#[derive(Clone, Default)]
struct Bench(Arc<Mutex<Option<Engine>>>);

impl Runtime for Bench {
    type Error = Infallible;

    fn seed(&self) -> u64 {
        7
    }

    fn start(self, engine: Engine) -> Result<(), Infallible> {
        *self.0.lock().unwrap() = Some(engine);
        Ok(())
    }
}

struct World {
    client: Client,
    engine: Engine,
    server: Server,
    now: Instant,
}

impl World {
    fn connected(version: ProtocolVersion) -> Self {
        let bench = Bench::default();
        let client = ClientBuilder::new("mqtt://127.0.0.1", bench.clone())
            .version(VersionPolicy::Only(version))
            .build()
            .unwrap();
        let engine = bench.0.lock().unwrap().take().unwrap();
        let server = Server { is_new: version == ProtocolVersion::V5, ..Server::default() };
        let mut world = Self { client, engine, server, now: Instant::from_micros(1) };
        let connecting = world.client.connect();
        world.finish(connecting).unwrap();
        world
    }

    /// Drives the client until it waits.
    fn drive(&mut self) {
        let Self { engine, server, .. } = self;
        loop {
            match engine.poll(self.now) {
                Step::Resolve { port, .. } => {
                    let address: SocketAddr = ([127, 0, 0, 1], port).into();
                    engine.handle_resolved(Ok::<_, Infallible>([address]));
                }
                Step::Dial { dial, .. } => engine.handle_dialled(dial, Ok::<(), Infallible>(())),
                Step::Transfer { read, write } => {
                    let written = write && engine.write(server);
                    let moved = read && engine.read(server);
                    if !(written || moved) && engine.sleep(Waker::noop()) {
                        return;
                    }
                }
                step => panic!("{step:?}"),
            }
        }
    }

    fn finish<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = Box::pin(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            self.drive();
        }
    }

    fn subscribed(version: ProtocolVersion) -> (Self, Subscription) {
        let mut world = Self::connected(version);
        let subscribing = world.client.subscribe("sensors/#").qos(QoS::ExactlyOnce);
        let inbox = world.finish(subscribing).unwrap();
        (world, inbox)
    }

    fn send(&mut self, qos: QoS) -> Delivery {
        self.client.publish(TOPIC, &PAYLOAD).qos(qos).send().unwrap()
    }

    /// Time passes, and nothing else happens.
    fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.engine.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.drive();
        }
        self.now = end;
        self.drive();
    }
}

fn is_delivered(delivery: &mut Delivery) -> bool {
    match Pin::new(delivery).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.is_ok(),
        Poll::Pending => false,
    }
}

/// Publishes a batch and takes it back, of which the application keeps as many messages as `kept` has room for.
fn round(
    world: &mut World,
    inbox: &mut Subscription,
    qos: QoS,
    deliveries: &mut Vec<Delivery>,
    kept: &mut VecDeque<Message>,
) {
    for _ in 0..BATCH {
        deliveries.push(world.send(qos));
    }
    world.drive();
    let mut taken = 0;
    while let Some(message) = inbox.try_next() {
        assert_eq!((message.topic(), message.payload()), (TOPIC, &PAYLOAD[..]));
        if kept.len() == kept.capacity() {
            kept.pop_front();
        }
        kept.push_back(message);
        taken += 1;
    }
    assert_eq!(taken, BATCH);
    assert!(deliveries.iter_mut().all(is_delivered));
    deliveries.clear();
    world.drive();
}

fn steady(version: ProtocolVersion, qos: QoS) -> (AllocationInfo, Server) {
    let (mut world, mut inbox) = World::subscribed(version);
    world.server.echoes = true;
    let (mut deliveries, mut kept) = (Vec::with_capacity(BATCH), VecDeque::with_capacity(1_000));
    let mut rounds = |world: &mut World, count| {
        for _ in 0..count {
            round(world, &mut inbox, qos, &mut deliveries, &mut kept);
        }
    };
    rounds(&mut world, 100);
    (world.server.reads, world.server.writes) = (0, 0);
    let info = measure(|| rounds(&mut world, 50));
    (info, world.server)
}

// R: PUB-02
#[test]
fn nothing_is_allocated_for_a_message_in_the_steady_state() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        for qos in QUALITIES {
            let (info, _) = steady(version, qos);
            assert_eq!(info.count_total, 0, "{version:?}, {qos:?}: {info:?}");
        }
    }
}

#[test]
fn messages_share_the_calls_of_the_socket() {
    for qos in QUALITIES {
        let (_, server) = steady(ProtocolVersion::V5, qos);
        // Of each batch: the messages; what answers them, some of it when the application asks for the next message.
        let bound = 50 * if qos == QoS::ExactlyOnce { 8 } else { 4 };
        assert!(server.writes <= bound, "{qos:?}: {} writes of {} messages", server.writes, 50 * BATCH);
        assert!(server.reads <= bound, "{qos:?}: {} reads of {} messages", server.reads, 50 * BATCH);
    }
}

#[test]
fn qos_0_that_nobody_waits_for_is_one_write_for_a_batch() {
    let mut world = World::connected(ProtocolVersion::V5);
    world.server.writes = 0;
    for _ in 0..10 {
        for _ in 0..BATCH {
            drop(world.send(QoS::AtMostOnce));
        }
        world.drive();
    }
    assert_eq!(world.server.writes, 10);
}

const LARGE: usize = 64 << 20;

// R: CFG-04
#[test]
fn a_large_message_is_sent_without_a_copy() {
    let mut world = World::connected(ProtocolVersion::V5);
    world.server.swallows = true;
    let payload = Bytes::from(vec![b'p'; LARGE]);
    let info = measure(|| {
        drop(world.client.publish(TOPIC, payload.clone()).send().unwrap());
        world.drive();
    });
    assert!(info.bytes_max < 1 << 20, "{info:?}");
    assert_eq!(world.engine.pending(), 0);
}

// R: CFG-04
#[test]
fn a_large_message_is_received_where_it_stays() {
    let (mut world, mut inbox) = World::subscribed(ProtocolVersion::V3_1_1);
    let body = 2 + TOPIC.len() + LARGE;
    let mut header = vec![0x30];
    header.extend((0..4).map(|at| (body >> (7 * at)) as u8 & 0x7f | if at < 3 { 0x80 } else { 0 }));
    header.extend_from_slice(&(TOPIC.len() as u16).to_be_bytes());
    header.extend_from_slice(TOPIC.as_bytes());
    world.server.to_client = header;
    world.server.generated = LARGE;
    let mut message = None;
    let info = measure(|| {
        world.drive();
        message = inbox.try_next();
    });
    let message = message.unwrap();
    assert_eq!(message.payload().len(), LARGE);
    assert!(message.payload().chunks(4_096).all(|chunk| chunk == &[b'g'; 4_096][..chunk.len()]));
    // It is doubled as it comes, which this counts as a copy; large allocations grow where they are.
    assert!(info.bytes_total < 2 * (LARGE as u64) + (1 << 20), "{info:?}");
}

/// Has the server send so many small messages.
fn flood(world: &mut World, count: usize) {
    for _ in 0..count {
        let out = &mut world.server.to_client;
        out.extend_from_slice(&[0x30, (2 + TOPIC.len() + PAYLOAD.len()) as u8, 0, TOPIC.len() as u8]);
        out.extend_from_slice(TOPIC.as_bytes());
        out.extend_from_slice(&PAYLOAD);
    }
}

#[test]
fn few_kept_messages_do_not_keep_much_memory() {
    let (mut world, mut inbox) = World::subscribed(ProtocolVersion::V3_1_1);
    world.server.to_client.reserve(1 << 20);
    let mut kept = Vec::with_capacity(200);
    let mut count = 0;
    let info = measure(|| {
        while kept.len() < 200 {
            flood(&mut world, 700);
            world.drive();
            while let Some(message) = inbox.try_next() {
                count += 1;
                if count % 700 == 0 {
                    kept.push(message);
                }
            }
            world.drive();
            if kept.len() % 50 == 0 {
                // Giving memory back must not make it forget what is kept.
                world.wait(Duration::from_secs(3));
            }
        }
    });
    let kept_bytes: usize = kept.iter().map(|message| message.size()).sum();
    let bound = i64::try_from(kept_bytes + (4 << 20)).unwrap();
    assert!(info.bytes_current < bound, "{info:?} for {kept_bytes}");
}

#[test]
fn a_client_that_was_busy_gives_its_memory_back() {
    let (mut world, mut inbox) = (None, None);
    let info = measure(|| {
        let (mut connected, mut messages) = World::subscribed(ProtocolVersion::V5);
        connected.server.echoes = true;
        for qos in QUALITIES {
            let (mut deliveries, mut kept) = (Vec::new(), VecDeque::with_capacity(10));
            for _ in 0..100 {
                round(&mut connected, &mut messages, qos, &mut deliveries, &mut kept);
            }
        }
        connected.server = Server { is_new: true, ..Server::default() };
        connected.wait(Duration::from_secs(2));
        (world, inbox) = (Some(connected), Some(messages));
    });
    assert!(info.bytes_current < 12 << 10, "{info:?}");
}

/// More than the queues of a client that is not busy have room for.
const BURST: usize = 1_000;
/// What a client with a stream has live besides that of the test's server, when nothing moves.
const REST: i64 = 8 << 10;

/// What is live when a burst is over and nothing moves any more, of a client that came into being in `work`; in this test's
/// world, which is what `work` gives back.
fn rest_after<T>(work: impl FnOnce() -> (World, T)) -> (i64, (World, T)) {
    let mut left = None;
    let info = measure(|| {
        let (mut world, held) = work();
        world.server = Server { is_new: world.server.is_new, ..Server::default() };
        world.wait(Duration::from_secs(2));
        left = Some((world, held));
    });
    (info.bytes_current, left.unwrap())
}

#[test]
fn publishing_a_burst_leaves_no_memory_behind() {
    for qos in QUALITIES {
        let (bytes, _) = rest_after(|| {
            let mut world = World::connected(ProtocolVersion::V5);
            let mut deliveries: Vec<_> = (0..BURST).map(|_| world.send(qos)).collect();
            world.drive();
            assert!(deliveries.iter_mut().all(is_delivered), "{qos:?}");
            (world, ())
        });
        assert!(bytes < REST, "{qos:?}: {bytes}");
    }
}

/// A burst waits for the application, and then it takes all of it; it never asks for more. Acknowledgements are owed for the
/// last message.
fn take_a_burst(qos: QoS) -> (World, Subscription) {
    let (mut world, mut inbox) = World::subscribed(ProtocolVersion::V5);
    world.server.echoes = true;
    // The server's window is full by that.
    for _ in 0..BURST {
        drop(world.send(qos));
    }
    world.drive();
    for _ in 0..BURST {
        assert_eq!(inbox.try_next().unwrap().payload(), PAYLOAD, "{qos:?}");
    }
    world.drive();
    (world, inbox)
}

#[test]
fn an_application_that_has_taken_a_burst_holds_no_memory_of_it() {
    for qos in QUALITIES {
        let (bytes, _) = rest_after(|| take_a_burst(qos));
        assert!(bytes < REST, "{qos:?}: {bytes}");
    }
}

#[test]
fn what_is_taken_late_is_not_kept() {
    for qos in QUALITIES {
        let (bytes, _) = rest_after(|| {
            let (mut world, mut inbox) = World::subscribed(ProtocolVersion::V5);
            world.server.echoes = true;
            let mut deliveries: Vec<_> = (0..BURST).map(|_| world.send(qos)).collect();
            world.drive();
            world.server.echoes = false;
            world.wait(Duration::from_secs(5));
            for _ in 0..BURST {
                assert!(inbox.try_next().is_some());
            }
            assert!(deliveries.iter_mut().all(is_delivered));
            world.drive();
            (world, inbox)
        });
        assert!(bytes < REST, "{qos:?}: {bytes}");
    }
}

/// What many operations that wait for room need is given back as well.
#[test]
fn those_who_waited_for_room_leave_no_memory_behind() {
    let (bytes, _) = rest_after(|| {
        let mut world = World::connected(ProtocolVersion::V5);
        while world.client.publish(TOPIC, &PAYLOAD).qos(QoS::AtLeastOnce).send().is_ok() {}
        let mut entering: Vec<_> = (0..BURST)
            .map(|_| Box::pin(world.client.publish(TOPIC, &PAYLOAD).qos(QoS::AtLeastOnce).enqueue()))
            .collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(entering.iter_mut().all(|entering| entering.as_mut().poll(&mut cx).is_pending()));
        world.drive();
        assert!(entering.iter_mut().all(|entering| entering.as_mut().poll(&mut cx).is_ready()));
        (world, ())
    });
    assert!(bytes < REST, "{bytes}");
}

#[test]
fn memory_that_is_used_again_and_again_is_kept() {
    for qos in QUALITIES {
        let (mut world, mut inbox) = World::subscribed(ProtocolVersion::V5);
        world.server.echoes = true;
        let (mut deliveries, mut kept) = (Vec::with_capacity(BATCH), VecDeque::with_capacity(10));
        let mut seconds = |world: &mut World, count| {
            for _ in 0..10 * count {
                round(world, &mut inbox, qos, &mut deliveries, &mut kept);
                world.wait(Duration::from_millis(100));
            }
        };
        seconds(&mut world, 10);
        let info = measure(|| seconds(&mut world, 10));
        assert_eq!(info.count_total, 0, "{qos:?}: {info:?}");
    }
}
