//! A client, its engine and the model broker in one thread, under virtual time: no runtime, no socket.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part of it.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sterna_client::{
    Client, ClientBuilder, Commit, DialId, Engine, Instant, Outlet, ProtocolVersion, Runtime, Step, Target,
    VersionPolicy,
};
use sterna_core::packet::{Packet, PacketType, Properties, Publish, QoS};
use sterna_simulator::broker::{Broker, ConnectionId, Options, Output, Record};

/// Keeps the engine for the test to drive.
#[derive(Clone, Default)]
pub struct Bench(Arc<Mutex<Option<Engine>>>);

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

/// Counts how often it was woken.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Gives an answer when it has read enough.
pub type Gate = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>>>;

/// What is written beside the driver, on its way to the broker.
#[derive(Default)]
pub struct Beside {
    now: AtomicU64,
    /// As [`World::write_limit`]; what it takes is gone from it.
    room: AtomicUsize,
    written: Mutex<Vec<u8>>,
}

impl Outlet for Beside {
    fn now(&self) -> Instant {
        Instant::from_micros(self.now.load(Ordering::Relaxed))
    }

    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.room.load(Ordering::Relaxed);
        let mut written = self.written.lock().unwrap();
        let mut count = 0;
        for piece in data {
            let part = &piece[..piece.len().min(room - count)];
            written.extend_from_slice(part);
            count += part.len();
        }
        if count > 0 { Ok(count) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

#[allow(clippy::struct_excessive_bools)] // Independent switches.
pub struct World {
    pub broker: Broker,
    pub engine: Option<Engine>,
    pub now: Instant,
    /// The names that can be resolved, and those that were asked for, with their ports.
    pub known: Vec<String>,
    pub resolved: Vec<String>,
    /// Addresses that the name resolves to, and whether each answers at all, and how.
    pub dialled: Vec<std::net::SocketAddr>,
    pub dead_addresses: usize,
    pub dead_addresses_refuse: bool,
    pub all_addresses_refuse: bool,
    pub no_address_answers: bool,
    /// How often the adapter was to drop everything.
    pub closes: usize,
    /// How many bytes one write takes at most; zero: the socket is full.
    pub write_limit: usize,
    /// Counts the driver's wake-ups by commands.
    pub wakes: Arc<Count>,
    /// How often the engine was polled.
    pub polls: usize,
    /// The store works only when the test has it: see [`World::commit`].
    pub slow_store: bool,
    /// What the store is to do.
    pub commit: Option<Commit>,
    /// What stands before the broker, and how many answers it gives until the way is free.
    pub gate: Option<Gate>,
    pub gate_answers: usize,
    answered: usize,
    connection: Option<ConnectionId>,
    connections: u64,
    to_broker: BytesMut,
    to_client: BytesMut,
    closed_by_broker: bool,
    read: bool,
    beside: Arc<Beside>,
}

impl World {
    /// A client that speaks `version` to a broker with `options`; it is not connected yet.
    pub fn new(
        version: ProtocolVersion,
        options: Options,
        configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>,
    ) -> (Self, Client) {
        let bench = Bench::default();
        let builder = ClientBuilder::new("mqtt://broker", bench.clone())
            .client_id("client")
            .version(VersionPolicy::Only(version));
        let client = configure(builder).build().expect("the options are lawful");
        let world = Self {
            broker: Broker::new(options),
            engine: bench.0.lock().unwrap().take(),
            now: Instant::from_micros(1_000_000),
            known: vec!["broker".to_owned()],
            resolved: Vec::new(),
            dialled: Vec::new(),
            dead_addresses: 0,
            dead_addresses_refuse: false,
            all_addresses_refuse: false,
            no_address_answers: false,
            closes: 0,
            write_limit: usize::MAX,
            wakes: Arc::default(),
            polls: 0,
            slow_store: false,
            commit: None,
            gate: None,
            gate_answers: 1,
            answered: 0,
            connection: None,
            connections: 0,
            to_broker: BytesMut::new(),
            to_client: BytesMut::new(),
            closed_by_broker: false,
            read: false,
            beside: Arc::default(),
        };
        (world, client)
    }

    /// The connections of a broker that was another world's go on with this number.
    pub fn connect_after(&mut self, connections: u64) {
        self.connections = connections;
    }

    /// The same, connected.
    pub fn connected(
        version: ProtocolVersion,
        options: Options,
        configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>,
    ) -> (Self, Client) {
        let (mut world, client) = Self::new(version, options, configure);
        world.finish(client.connect()).expect("the broker takes everybody");
        (world, client)
    }

    /// Lets everything happen that can without time passing. The driver sleeps after it.
    pub fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100_000, "a livelock");
            let moved = self.drive();
            let served = self.serve();
            if !moved && !served {
                return;
            }
        }
    }

    /// Lets `duration` pass, stopping at each deadline on the way.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            self.settle();
            let broker = self.broker.poll_timeout().map(from_broker);
            let engine = self.engine.as_ref().and_then(Engine::deadline);
            match [broker, engine].into_iter().flatten().filter(|at| *at > self.now).min() {
                Some(at) if at <= end => self.now = at,
                _ => break,
            }
            self.broker.handle_timeout(to_broker(self.now));
        }
        self.now = end;
        self.settle();
    }

    /// Drives until `future` is ready, at most a day.
    pub fn finish<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = Box::pin(future);
        let day = self.now + Duration::from_secs(86_400);
        loop {
            self.settle();
            if let Poll::Ready(output) = poll(&mut future) {
                if self.take_direct() {
                    self.serve();
                }
                return output;
            }
            self.settle();
            if let Poll::Ready(output) = poll(&mut future) {
                if self.take_direct() {
                    self.serve();
                }
                return output;
            }
            let deadline = [
                self.engine.as_ref().and_then(Engine::deadline),
                self.broker.poll_timeout().map(from_broker),
            ];
            let next = deadline.into_iter().flatten().filter(|at| *at > self.now).min();
            let next = next.expect("a future hangs: nothing will ever happen");
            assert!(next < day, "a future hangs");
            self.pass(next - self.now);
        }
    }

    /// Has the store do what it is to do; whether there was anything.
    pub fn store(&mut self) -> bool {
        let (Some(commit), Some(engine)) = (self.commit.take(), &mut self.engine) else { return false };
        engine.handle_committed(commit.run());
        self.settle();
        true
    }

    /// Loses the network connection without a word.
    pub fn cut(&mut self) {
        if let Some(id) = self.connection.take() {
            self.broker.disconnected(to_broker(self.now), id);
            self.closed_by_broker = true;
            self.to_broker.clear();
        }
    }

    /// The network connection at the broker.
    pub fn connection(&self) -> ConnectionId {
        self.connection.expect("connected")
    }

    /// How many bytes have arrived and were not read.
    pub fn unread(&self) -> usize {
        self.to_client.len()
    }

    /// What the broker has received of this type.
    pub fn received(&self, packet: PacketType) -> Vec<&Record> {
        self.broker.records().filter(|record| record.packet().packet_type() == packet).collect()
    }

    /// Acknowledgements of messages that the broker has received.
    pub fn acked(&self) -> usize {
        self.received(PacketType::PubAck).len() + self.received(PacketType::PubRec).len()
    }

    /// Sends a packet as the server.
    pub fn send(&mut self, packet: &Packet<'_>, version: ProtocolVersion) {
        let mut bytes = Vec::new();
        packet
            .encode(version, sterna_core::packet::PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes)
            .expect("lawful");
        let id = self.connection.expect("connected");
        self.broker.send_raw(to_broker(self.now), id, &bytes);
    }

    /// The broker sends QoS 0 messages, in 5.0 and whatever it was told of subscriptions.
    pub fn flood(&mut self, topic: &str, payloads: impl IntoIterator<Item = String>) {
        for payload in payloads {
            let publish = Publish {
                duplicate: false,
                qos: QoS::AtMostOnce,
                retain: false,
                topic,
                packet_id: 0,
                properties: Properties::EMPTY,
                payload: payload.as_bytes(),
            };
            self.send(&Packet::Publish(publish), ProtocolVersion::V5);
        }
    }

    /// Carries out the engine's steps until it sleeps; whether anything moved.
    pub fn drive(&mut self) -> bool {
        let taken = self.take_direct();
        let Some(mut engine) = self.engine.take() else { return taken };
        let waker = Waker::from(self.wakes.clone());
        let mut moved = self.transfer(&mut engine, false) | taken;
        for round in 0.. {
            assert!(round < 100_000, "the engine does not come to rest");
            self.polls += 1;
            match engine.poll(self.now) {
                Step::Resolve { host, port } => {
                    self.resolved.push(format!("{host}:{port}"));
                    if !self.known.contains(&host.clone().into()) {
                        engine.handle_resolved(Err::<Vec<_>, _>("no such host"));
                        moved = true;
                        continue;
                    }
                    let addresses = (0..=self.dead_addresses).map(|n| ([10, 0, 0, n as u8], port).into());
                    engine.handle_resolved(Ok::<_, Infallible>(addresses.collect::<Vec<_>>()));
                }
                Step::Dial { dial, target } => self.dial(&mut engine, dial, &target),
                Step::Transfer { read, write } => {
                    self.read = read;
                    if self.transfer(&mut engine, write) {
                        moved = true;
                    } else if engine.sleep(&waker) {
                        break;
                    }
                    continue;
                }
                Step::Commit(commit) if self.slow_store => {
                    assert!(self.commit.replace(commit).is_none(), "there is one at a time");
                }
                Step::Commit(commit) => engine.handle_committed(commit.run()),
                Step::Shutdown => {
                    while self.write(&mut engine) {}
                    self.serve();
                    if let Some(id) = self.connection.take() {
                        self.broker.disconnected(to_broker(self.now), id);
                    }
                    self.closed_by_broker = true;
                }
                Step::Close => {
                    self.closes += 1;
                    self.cut();
                }
                Step::Finished => return true,
            }
            moved = true;
        }
        self.engine = Some(engine);
        moved
    }

    /// What was written beside the driver is on its way; whether there was anything.
    fn take_direct(&mut self) -> bool {
        self.beside.now.store(self.now.as_micros(), Ordering::Relaxed);
        self.beside.room.store(self.write_limit, Ordering::Relaxed);
        let written = std::mem::take(&mut *self.beside.written.lock().unwrap());
        if self.connection.is_some() {
            self.to_broker.extend_from_slice(&written);
        }
        !written.is_empty()
    }

    fn dial(&mut self, engine: &mut Engine, dial: DialId, target: &Target) {
        let Target::Tcp(address) = target else { panic!("{target}") };
        self.dialled.push(*address);
        let is_last = address.ip() == std::net::IpAddr::from([10, 0, 0, self.dead_addresses as u8]);
        if self.all_addresses_refuse || (!is_last && self.dead_addresses_refuse) {
            engine.handle_dialled(dial, Err("refused"));
        } else if is_last && !self.no_address_answers {
            self.connections += 1;
            let id = ConnectionId(self.connections);
            self.connection = Some(id);
            self.closed_by_broker = false;
            self.to_client.clear();
            self.to_broker.clear();
            self.answered = 0;
            self.broker.connected(to_broker(self.now), id);
            engine.set_outlet(self.beside.clone());
            engine.handle_dialled(dial, Ok::<_, Infallible>(()));
        }
    }

    fn transfer(&mut self, engine: &mut Engine, write: bool) -> bool {
        let written = write && self.write(engine);
        written | (self.read && self.read(engine))
    }

    fn write(&mut self, engine: &mut Engine) -> bool {
        engine.write(&mut Wire(self))
    }

    fn read(&mut self, engine: &mut Engine) -> bool {
        let ends = self.to_client.is_empty() && self.closed_by_broker;
        let moved = engine.read(&mut Wire(self));
        if ends && moved {
            self.read = false;
            self.closed_by_broker = false;
        }
        moved
    }

    /// Has the broker work; whether anything moved.
    pub fn serve(&mut self) -> bool {
        let mut moved = false;
        if let Some(gate) = self.gate.as_mut().filter(|_| self.answered < self.gate_answers) {
            let Some(answer) = gate(&self.to_broker) else { return false };
            self.to_client.extend_from_slice(&answer);
            self.answered += 1;
            if self.answered == self.gate_answers {
                self.to_broker.clear();
            }
            return true;
        }
        if let Some(id) = self.connection {
            let before = self.to_broker.len();
            self.broker.input(to_broker(self.now), id, &mut self.to_broker);
            moved = self.to_broker.len() != before;
        }
        // What the client does not read stays in the broker, as it would in the network.
        while self.to_client.len() < 1 << 20 {
            match self.broker.poll_output() {
                Some((_, Output::Send(bytes))) => self.to_client.extend_from_slice(&bytes),
                Some((_, Output::Close)) => {
                    self.connection = None;
                    self.closed_by_broker = true;
                }
                None => break,
            }
            moved = true;
        }
        moved
    }
}

/// The client's end of the network.
struct Wire<'a>(&'a mut World);

impl io::Write for Wire<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = data.len().min(self.0.write_limit);
        if self.0.connection.is_some() {
            self.0.to_broker.extend_from_slice(&data[..count]);
        }
        if count > 0 { Ok(count) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl io::Read for Wire<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.0.to_client.len().min(room.len());
        if count == 0 && !self.0.closed_by_broker {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.to_client.copy_to_slice(&mut room[..count]);
        Ok(count)
    }
}

fn to_broker(now: Instant) -> sterna_simulator::broker::Instant {
    sterna_simulator::broker::Instant::from_micros(now.as_micros())
}

fn from_broker(now: sterna_simulator::broker::Instant) -> Instant {
    Instant::from_micros(now.as_micros())
}

/// Polls once, for nobody.
pub fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Payloads that count from 0.
pub fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| n.to_string())
}
