//! Who wakes whom, and who writes: a driver beside busy publishers leaves the writing to them, and nobody waits for that who
//! is not busy.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use sterna_client::driver::{self, Dialled, Driver, Network, Others, Pending};
use sterna_client::{
    Client, ClientBuilder, Commit, Committed, Engine, Instant, Outlet, ProtocolVersion, QoS, Runtime,
    SocketOptions, Target, VersionPolicy,
};

const TOPIC: &str = "sensors/room-17/temp";
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// What those who publish write by themselves at a time, if nobody waits for it.
const BULK: usize = 64 << 10;
/// No pause is longer than this, and no other deadline of these clients is shorter.
const PAUSE: Duration = Duration::from_millis(1);

/// A server that takes everything and acknowledges it.
#[derive(Default)]
struct Server {
    from_client: Vec<u8>,
    to_client: Vec<u8>,
    reader: Option<Waker>,
    /// How many publishes have come, in how many writes.
    published: usize,
    writes: usize,
    /// Of these, those that were made beside the driver.
    direct: usize,
    /// It takes no more than so many bytes.
    room: Option<usize>,
    writer: Option<Waker>,
    /// Called at each write: the work of a publisher that runs beside the driver.
    beside: Option<Box<dyn FnMut() + Send>>,
}

impl Server {
    /// As far as there is room.
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.room.map_or(data.len(), |room| room.min(data.len()));
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(room) = &mut self.room {
            *room -= count;
        }
        self.writes += 1;
        self.take(&data[..count]);
        Ok(count)
    }

    fn take(&mut self, data: &[u8]) {
        self.from_client.extend_from_slice(data);
        let mut at = 0;
        while let Some(&[first, length]) = self.from_client.get(at..at + 2) {
            assert!(length < 0x80, "packets are short");
            let end = at + 2 + usize::from(length);
            let Some(body) = self.from_client.get(at + 2..end) else { break };
            match first >> 4 {
                1 => self.to_client.extend_from_slice(&[0x20, 2, 0, 0]),
                3 => self.published += 1,
                _ => {}
            }
            if first & 0b10 > 0 {
                let id = 2 + TOPIC.len();
                self.to_client.extend_from_slice(&[0x40, 2, body[id], body[id + 1]]);
            }
            at = end;
        }
        self.from_client.drain(..at);
        if !self.to_client.is_empty()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
    }
}

/// What server, driver and test have in common.
#[derive(Clone, Default)]
struct Wire(Arc<Mutex<Server>>);

impl Wire {
    fn server(&self) -> MutexGuard<'_, Server> {
        self.0.lock().unwrap()
    }

    fn run_beside(&self) {
        let beside = self.server().beside.take();
        if let Some(mut beside) = beside {
            beside();
            self.server().beside = Some(beside);
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut server = self.server();
        let count = server.to_client.len().min(buffer.len());
        if count == 0 {
            server.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buffer[..count].copy_from_slice(&server.to_client[..count]);
        server.to_client.drain(..count);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.run_beside();
        let mut server = self.server();
        match server.write(data) {
            Err(_) => {
                server.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The way round the driver.
struct Beside(Wire, Clock);

impl Outlet for Beside {
    fn now(&self) -> Instant {
        self.1.now()
    }

    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.run_beside();
        let mut server = self.0.server();
        let written = server.write(&data.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>())?;
        server.direct += 1;
        Ok(written)
    }
}

/// The network, and a time that stands still unless the test moves it.
struct Net {
    wire: Wire,
    others: Others,
    has_outlet: bool,
    clock: Clock,
    deadline: Option<Instant>,
}

/// Microseconds.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> Instant {
        Instant::from_micros(1_000_000 + self.0.load(Ordering::Relaxed))
    }

    fn advance(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Network for Net {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn poll_deadline(&mut self, deadline: Option<Instant>, _: &mut Context<'_>) -> Poll<()> {
        self.deadline = deadline;
        if deadline.is_some_and(|at| at <= self.now()) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn resolve(&mut self, _: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    }

    fn dial(&mut self, _: Target, _: SocketOptions) -> Pending<Dialled> {
        let stream: Box<dyn driver::Stream> = Box::new(self.wire.clone());
        let outlet = self.has_outlet.then(|| Arc::new(Beside(self.wire.clone(), self.clock.clone())) as _);
        Box::pin(async move { Ok(Dialled { stream, outlet }) })
    }

    fn commit(&mut self, _: Commit) -> Pending<Committed> {
        unreachable!("there is no store")
    }

    fn gives_way_to(&self) -> Others {
        self.others
    }
}

#[derive(Clone, Default)]
struct Bench(Arc<Mutex<Option<Engine>>>);

impl Runtime for Bench {
    type Error = std::convert::Infallible;

    fn start(self, engine: Engine) -> Result<(), Self::Error> {
        *self.0.lock().unwrap() = Some(engine);
        Ok(())
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A driver without a thread, which the test polls.
struct Rig {
    client: Client,
    wire: Wire,
    driver: Driver<Net>,
    wakes: Arc<Count>,
}

fn client(wire: &Wire, others: Others, has_outlet: bool) -> (Client, Driver<Net>) {
    let bench = Bench::default();
    let builder = ClientBuilder::new("mqtt://server", bench.clone())
        .version(VersionPolicy::Only(ProtocolVersion::V3_1_1))
        .keep_alive(Duration::ZERO);
    let client = builder.build().unwrap();
    let engine = bench.0.lock().unwrap().take().unwrap();
    let net = Net { wire: wire.clone(), others, has_outlet, clock: Clock::default(), deadline: None };
    (client, Driver::new(engine, net))
}

impl Rig {
    fn connected(others: Others, has_outlet: bool) -> Self {
        let wire = Wire::default();
        let (client, driver) = client(&wire, others, has_outlet);
        let mut rig = Self { client, wire, driver, wakes: Arc::default() };
        let connecting = rig.client.connect();
        rig.poll();
        let mut connecting = pin!(connecting);
        loop {
            let polled = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            rig.poll();
            if let Poll::Ready(result) = polled {
                result.unwrap();
                break;
            }
        }
        rig.wire.server().writes = 0;
        rig
    }

    /// Polls as often as the driver is woken.
    fn poll(&mut self) {
        let waker = Waker::from(self.wakes.clone());
        loop {
            self.wakes.take();
            assert!(Pin::new(&mut self.driver).poll(&mut Context::from_waker(&waker)).is_pending());
            if self.wakes.take() == 0 {
                return;
            }
        }
    }

    /// Whether the driver lets publishers get ahead.
    fn pauses(&self) -> bool {
        let net = self.driver.network();
        net.deadline.is_some_and(|at| at - net.now() <= PAUSE)
    }

    fn end_pause(&mut self) {
        let net = self.driver.network();
        net.clock.advance(net.deadline.unwrap() - net.now());
        self.poll();
    }

    fn send(&self, count: usize) {
        for _ in 0..count {
            drop(self.client.publish(TOPIC, &PAYLOAD[..]).send().unwrap());
        }
    }

    fn counts(&self) -> (usize, usize) {
        let server = self.wire.server();
        (server.published, server.writes)
    }

    /// Writes that were made beside the driver since this was asked last.
    fn direct(&self) -> usize {
        std::mem::take(&mut self.wire.server().direct)
    }

    /// The socket takes so much more.
    fn give_room(&self, room: usize) {
        let mut server = self.wire.server();
        server.room = Some(room);
        if let Some(writer) = server.writer.take() {
            writer.wake();
        }
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const ALL: [(Others, bool); 6] = [
    (Others::Nobody, false),
    (Others::Threads, false),
    (Others::Tasks, false),
    (Others::Nobody, true),
    (Others::Threads, true),
    (Others::Tasks, true),
];

#[test]
fn a_message_that_comes_while_the_driver_sleeps_is_written_by_the_poll_that_it_causes() {
    for (others, has_outlet) in ALL {
        let mut rig = Rig::connected(others, has_outlet);
        for count in 1..=1_000 {
            rig.send(1);
            assert_eq!(rig.wakes.take(), 1, "{others:?}: it was woken");
            let waker = Waker::from(rig.wakes.clone());
            let _ = Pin::new(&mut rig.driver).poll(&mut Context::from_waker(&waker));
            assert_eq!(rig.counts(), (count, count), "{others:?}");
            assert_eq!(rig.wakes.take(), 0, "{others:?}: it sleeps");
            assert!(!rig.pauses());
        }
    }
}

/// A publisher that is faster than the driver: for each write there is one more message.
fn beside(client: &Client, left: usize) -> Box<dyn FnMut() + Send> {
    let (client, mut left) = (client.clone(), left);
    Box::new(move || {
        if left > 0 {
            left -= 1;
            drop(client.publish(TOPIC, &PAYLOAD[..]).send().unwrap());
        }
    })
}

#[test]
fn a_publisher_that_runs_beside_the_driver_gets_ahead_of_it() {
    const ROUNDS: usize = 200;
    const AT_A_TIME: usize = 100;
    let mut rig = Rig::connected(Others::Tasks, false);
    rig.wire.server().beside = Some(beside(&rig.client, 10_000));
    rig.send(1);
    rig.poll();
    assert!(rig.pauses(), "the driver waits for more");
    let (published, writes) = rig.counts();
    assert!(writes < 8, "{writes} writes before that");
    for _ in 0..ROUNDS {
        rig.send(AT_A_TIME);
        assert_eq!(rig.wakes.take(), 0, "nobody wakes it");
        rig.end_pause();
        assert!(rig.pauses(), "there is more already");
    }
    let now = rig.counts();
    assert!(now.0 - published >= ROUNDS * AT_A_TIME, "{} of {}", now.0 - published, ROUNDS * AT_A_TIME);
    assert!(now.1 - writes <= ROUNDS, "{} writes", now.1 - writes);
    // The publisher ends: what is left goes out when the pause is over, and the driver sleeps.
    rig.wire.server().beside = None;
    rig.end_pause();
    assert!(!rig.pauses());
    assert_eq!(rig.counts().1, now.1 + 1);
    // The next one finds it asleep.
    let (published, writes) = rig.counts();
    rig.send(1);
    assert_eq!(rig.wakes.take(), 1);
    rig.poll();
    assert_eq!(rig.counts(), (published + 1, writes + 1));
}

/// The driver naps, and has written what there was.
fn napping() -> Rig {
    let mut rig = Rig::connected(Others::Nobody, true);
    rig.wire.server().beside = Some(beside(&rig.client, 10));
    rig.send(1);
    rig.poll();
    rig.wire.server().beside = None;
    assert!(rig.pauses(), "the driver waits for more");
    assert_eq!(rig.direct(), 0);
    rig
}

#[test]
fn who_publishes_much_without_waiting_writes_it_while_the_driver_naps() {
    let mut rig = napping();
    let before = rig.counts();
    rig.send(10_000);
    assert_eq!(rig.wakes.take(), 0);
    let (published, writes) = rig.counts();
    let size = 4 + TOPIC.len() + PAYLOAD.len();
    assert!((published - before.0) * size > 10_000 * size - BULK);
    assert!(writes - before.1 <= 10_000 * size / BULK + 1, "{} writes", writes - before.1);
    assert_eq!(rig.direct(), writes - before.1);
    // The rest is the driver's, and it naps again, until nothing more comes.
    rig.end_pause();
    assert_eq!(rig.counts().0, before.0 + 1 + 10_000, "with the one that the driver had left");
    assert!(rig.pauses());
    rig.end_pause();
    assert!(!rig.pauses());
}

#[test]
fn who_waits_writes() {
    let mut rig = Rig::connected(Others::Nobody, true);
    for round in 1..=100 {
        let mut at_most_once = pin!(rig.client.publish(TOPIC, &PAYLOAD[..]).into_future());
        assert!(matches!(poll_once(at_most_once.as_mut()), Poll::Ready(Ok(_))), "it has left");
        let mut acknowledged =
            pin!(rig.client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).into_future());
        assert!(poll_once(acknowledged.as_mut()).is_pending());
        assert_eq!(rig.counts(), (2 * round, 2 * round), "it has left too");
        assert_eq!(rig.direct(), 2);
        rig.poll();
        assert!(matches!(poll_once(acknowledged), Poll::Ready(Ok(_))));
    }
}

#[test]
fn others_publish_while_somebody_writes() {
    let mut rig = Rig::connected(Others::Nobody, true);
    // It would wait for ever for a lock that is held meanwhile.
    rig.wire.server().beside = Some(beside(&rig.client, 1));
    let mut first = pin!(rig.client.publish(TOPIC, &PAYLOAD[..]).into_future());
    assert!(poll_once(first.as_mut()).is_ready());
    assert_eq!((rig.counts(), rig.direct(), rig.wakes.take()), ((1, 1), 1, 1), "the other is the driver's");
    rig.poll();
    assert_eq!(rig.counts(), (2, 2));
}

/// The driver runs while somebody else writes.
#[test]
fn what_the_driver_finds_away_it_has_again() {
    for count in [1, 2_000] {
        let mut rig = Rig::connected(Others::Nobody, true);
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = std::sync::mpsc::channel();
        rig.wire.server().beside = Some(Box::new(move || {
            if begun.send(()).is_ok() {
                let _ = receiver.recv();
            }
        }));
        let client = rig.client.clone();
        let publishing = thread::spawn(move || {
            let mut publish = pin!(client.publish(TOPIC, &PAYLOAD[..]).into_future());
            poll_once(publish.as_mut()).is_ready()
        });
        begins.recv().unwrap();
        // Now somebody writes.
        rig.send(count);
        rig.poll();
        let mut disconnecting = pin!(rig.client.disconnect());
        assert!(poll_once(disconnecting.as_mut()).is_pending());
        rig.poll();
        assert_eq!(rig.counts(), (0, 0), "the order of what is written holds");
        drop((sender, begins));
        assert!(publishing.join().unwrap());
        rig.poll();
        assert_eq!(rig.counts().0, 1 + count);
    }
}

#[test]
fn where_many_wait_the_driver_writes_for_all_of_them() {
    let mut rig = Rig::connected(Others::Nobody, true);
    let before = rig.counts();
    let mut waiting: Vec<_> = (0..100)
        .map(|_| Box::pin(rig.client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).into_future()))
        .collect();
    for publish in &mut waiting {
        assert!(poll_once(publish.as_mut()).is_pending());
    }
    assert_eq!(rig.direct(), 1, "only the first one");
    rig.poll();
    let now = rig.counts();
    assert_eq!((now.0 - before.0, now.1 - before.1), (100, 2));
    for publish in waiting {
        block_on(publish).unwrap();
    }
}

#[test]
fn what_the_socket_does_not_take_is_left_to_the_driver_and_nothing_is_lost() {
    let mut rig = napping();
    let before = rig.counts().0;
    for room in [0, 1, 87, 5_000, 70_000] {
        rig.give_room(room);
        rig.poll();
        rig.send(2_000);
        rig.wakes.take();
        // Whoever waits hears of it when the socket has taken it.
        let mut last = pin!(rig.client.publish(TOPIC, &PAYLOAD[..]).into_future());
        assert!(poll_once(last.as_mut()).is_pending());
        rig.poll();
        assert!(poll_once(last.as_mut()).is_pending());
        rig.give_room(usize::MAX);
        rig.poll();
        assert!(poll_once(last).is_ready());
    }
    assert_eq!(rig.counts().0, before + 1 + 5 * 2_001, "with the one that the driver had left");
}

// R: REC-08
#[test]
fn a_deadline_counts_though_the_socket_is_full() {
    let mut rig = Rig::connected(Others::Nobody, true);
    rig.give_room(10);
    rig.send(1);
    rig.poll();
    rig.send(1);
    assert_eq!(rig.wakes.take(), 0, "it waits for the socket");
    let late =
        rig.client.publish(TOPIC, &PAYLOAD[..]).qos(QoS::AtLeastOnce).deadline(Duration::from_millis(100));
    let late = late.send().unwrap();
    assert_eq!(rig.wakes.take(), 1, "its time begins");
    rig.poll();
    rig.driver.network().clock.advance(Duration::from_millis(101));
    rig.poll();
    assert!(matches!(poll_once(pin!(late)), Poll::Ready(Err(_))));
}

#[test]
fn a_driver_that_had_no_turn_for_long_has_one() {
    let mut rig = Rig::connected(Others::Nobody, true);
    let publish = |rig: &Rig| poll_once(pin!(rig.client.publish(TOPIC, &PAYLOAD[..]).into_future()));
    assert!(publish(&rig).is_ready());
    assert_eq!(rig.wakes.take(), 0);
    rig.driver.network().clock.advance(Duration::from_millis(11));
    assert!(publish(&rig).is_pending());
    assert_eq!(rig.wakes.take(), 1);
    rig.poll();
    assert!(publish(&rig).is_ready());
    assert_eq!(rig.wakes.take(), 0);
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

/// Drives on this thread, and has the time that its deadlines ask for.
fn drive(mut driver: Driver<Net>) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut last = std::time::Instant::now();
    loop {
        let now = std::time::Instant::now();
        driver.network().clock.advance(now - last);
        last = now;
        if Pin::new(&mut driver).poll(&mut Context::from_waker(&waker)).is_ready() {
            return;
        }
        let net = driver.network();
        match net.deadline {
            Some(at) => thread::park_timeout(at - net.now()),
            None => thread::park(),
        }
    }
}

/// Whoever is not woken waits for ever.
#[test]
fn nobody_waits_for_a_wake_that_does_not_come() {
    const THREADS: usize = 3;
    const MESSAGES: usize = 5_000;
    const WINDOW: usize = 50;
    for (others, has_outlet) in ALL {
        let wire = Wire::default();
        let (client, driver) = client(&wire, others, has_outlet);
        let driving = thread::spawn(move || drive(driver));
        block_on(client.connect()).unwrap();
        let publishing = (0..THREADS).map(|index| {
            let client = client.clone();
            thread::spawn(move || {
                let mut under_way = std::collections::VecDeque::new();
                for count in 0..MESSAGES {
                    // Bursts, and one at a time.
                    let window = if (count / 500 + index) % 2 == 0 { WINDOW } else { 1 };
                    while under_way.len() >= window {
                        let delivery: sterna_client::Delivery = under_way.pop_front().unwrap();
                        block_on(delivery).unwrap();
                    }
                    let qos = if count % 7 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
                    under_way
                        .push_back(block_on(client.publish(TOPIC, &PAYLOAD[..]).qos(qos).enqueue()).unwrap());
                }
                for delivery in under_way {
                    block_on(delivery).unwrap();
                }
            })
        });
        let publishing: Vec<_> = publishing.collect();
        for thread in publishing {
            thread.join().unwrap();
        }
        assert_eq!(wire.server().published, THREADS * MESSAGES, "{others:?}");
        drop(client);
        driving.join().unwrap();
    }
}
