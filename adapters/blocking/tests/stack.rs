//! The whole stack over sockets, with a thread for the client and without. Scenarios in breadth are the suite's in the
//! workspace's `tests/`.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sterna_blocking::{Call, Client, Events, Runtime, Subscription};
use sterna_client::{
    Blocking, Cause, ClientBuilder, ConnectError, Delivery, Event, LostKind, MemoryStore, OperationError,
    ProtocolVersion, PublishError, QoS, Reconnect, VersionPolicy,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, Sessions};
use sterna_simulator::{TestBroker, ThreadedBroker};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
/// A time-out that only a hang reaches.
const LIMIT: Duration = Duration::from_secs(60);

type Builder = ClientBuilder<Runtime, Blocking>;

/// Who drives the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    OwnThread,
    Callers,
}

const MODES: [Mode; 2] = [Mode::OwnThread, Mode::Callers];

impl Mode {
    fn builder(self, url: &str) -> Builder {
        let reconnect =
            Reconnect { minimum: Duration::ZERO, initial: Duration::from_millis(20), ..Reconnect::default() };
        self.of(sterna_blocking::builder(url)).reconnect(reconnect)
    }

    fn of(self, builder: Builder) -> Builder {
        match self {
            Self::OwnThread => builder,
            Self::Callers => builder.on_this_thread(),
        }
    }
}

fn delivered(delivery: Call<Delivery>) {
    delivery.wait_timeout(LIMIT).unwrap().unwrap();
}

fn next_text(subscription: &mut Subscription) -> String {
    subscription.recv_timeout(LIMIT).unwrap().text().unwrap().to_owned()
}

fn wait_for_event(events: &mut Events, wanted: impl Fn(&Event) -> bool) {
    while !wanted(&events.recv_timeout(LIMIT).unwrap()) {}
}

// R: RUN-03, CON-02
#[test]
fn publish_and_subscribe_in_each_version() {
    let broker = ThreadedBroker::start().unwrap();
    for (mode, version) in MODES.into_iter().flat_map(|mode| VERSIONS.map(|version| (mode, version))) {
        let client = mode.builder(&broker.url()).version(VersionPolicy::Only(version)).connect().unwrap();
        let mut inbox = client.subscribe("a/#").qos(QoS::ExactlyOnce).wait().unwrap();
        for qos in QOS {
            client.publish("a/b", vec![qos as u8; 300_000]).qos(qos).wait().unwrap();
            let message = inbox.recv().unwrap();
            assert_eq!((message.qos(), message.payload().len()), (qos, 300_000));
        }
        assert!(matches!(inbox.try_recv(), Err(TryRecvError::Empty)), "{mode:?}");
        client.disconnect().wait().unwrap();
        assert!(inbox.recv().is_err());
        assert!(matches!(inbox.try_recv(), Err(TryRecvError::Disconnected)));
        assert_eq!(inbox.count(), 0, "it is an iterator that has ended");
    }
}

// R: CON-01, CON-12
#[test]
fn a_connection_that_cannot_be_made_says_why() {
    for mode in MODES {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = mode.builder(&format!("mqtt://{address}")).connect().unwrap_err();
        let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
        assert_eq!(lost.kind, LostKind::Dial);
        assert!(lost.detail.contains(&address.to_string()), "{error}");
        // A name that can have no address [RFC 6761].
        let error = mode.builder("mqtt://sterna.invalid").connect().unwrap_err();
        let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
        assert_eq!(lost.kind, LostKind::Resolve);
    }
}

// R: CON-12
#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for mode in MODES {
        let url = format!("mqtt://localhost:{}", listener.local_addr().unwrap().port());
        let timeout = Duration::from_millis(100);
        assert!(mode.builder(&url).connect_timeout(timeout).connect().is_err());
    }
}

// R: REC-01, REC-03, REC-04
#[test]
fn it_comes_back_after_the_broker_did() {
    for (mode, sessions) in
        MODES.into_iter().flat_map(|mode| [(mode, Sessions::Keep), (mode, Sessions::Lose)])
    {
        let broker = ThreadedBroker::start().unwrap();
        let client = mode.builder(&broker.url()).connect().unwrap();
        let mut events = client.events();
        let mut inbox = client.subscribe("a").qos(QoS::AtLeastOnce).wait().unwrap();
        broker.take_down(sessions);
        wait_for_event(&mut events, |event| *event == Event::Offline);
        let delivery = client.publish("a", "while it was gone").qos(QoS::AtLeastOnce).send().unwrap();
        broker.bring_up().unwrap();
        delivered(delivery);
        assert_eq!(next_text(&mut inbox), "while it was gone");
        client.disconnect().wait().unwrap();
    }
}

/// A time-out gives the call back, and it goes on: the same publish, no other.
// R: RUN-03
#[test]
fn a_time_out_loses_neither_a_call_nor_a_message() {
    for mode in MODES {
        let broker = ThreadedBroker::start().unwrap();
        let client = mode.builder(&broker.url()).client_id("patient").connect().unwrap();
        let mut inbox = client.subscribe("a").qos(QoS::ExactlyOnce).wait().unwrap();
        broker.with(|model, _| {
            model.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard).times(1));
        });
        let call = client.publish("a", "late").qos(QoS::ExactlyOnce);
        let call = call.wait_timeout(Duration::from_millis(30)).unwrap_err().0;
        assert_eq!(inbox.recv_timeout(Duration::from_millis(10)).unwrap_err(), RecvTimeoutError::Timeout);
        let call = call.wait_timeout(Duration::ZERO).unwrap_err().0;
        assert!(broker.wait_for(LIMIT, "patient", PacketType::Publish, 1).is_some());
        client.reconnect();
        call.wait_timeout(LIMIT).unwrap().unwrap();
        assert_eq!(next_text(&mut inbox), "late");
        assert_eq!(inbox.try_recv().unwrap_err(), TryRecvError::Empty);
        let sent = broker.with(|model, _| {
            model.records_of("patient").filter(|it| it.packet().packet_type() == PacketType::Publish).count()
        });
        assert_eq!(sent, 2, "one that was ignored, and one again after the reconnect");
    }
}

/// Giving a subscribe up takes it back.
// R: RUN-03
#[test]
fn a_call_that_is_dropped_is_a_future_that_is_dropped() {
    let broker = ThreadedBroker::start().unwrap();
    for (index, mode) in MODES.into_iter().enumerate() {
        let id = format!("hasty{index}");
        let client = mode.builder(&broker.url()).client_id(&*id).connect().unwrap();
        broker.with(|model, _| {
            model.add_fault(Fault::receiving(PacketType::Subscribe, OnReceive::Discard).times(1));
        });
        let call = client.subscribe("a").wait_timeout(Duration::from_millis(30)).unwrap_err();
        assert!(call.to_string().contains("no outcome yet"));
        assert!(broker.wait_for(LIMIT, &id, PacketType::Subscribe, 1).is_some());
        drop(call);
        client.publish("b", "").qos(QoS::AtLeastOnce).wait().unwrap();
        assert!(broker.wait_for(LIMIT, &id, PacketType::Unsubscribe, 1).is_some());
    }
}

// R: REC-10
#[test]
fn dropping_the_last_handle_says_goodbye_and_ends_the_thread() {
    let broker = ThreadedBroker::start().unwrap();
    let client = Mode::OwnThread.builder(&broker.url()).client_id("leaver").connect().unwrap();
    let mut events = client.events();
    drop(client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap());
    drop(client);
    assert!(broker.wait_for(LIMIT, "leaver", PacketType::Disconnect, 1).is_some());
    // Events end when the engine is gone, and with it the thread's work.
    wait_for_event(&mut events, |event| matches!(event, Event::Closed { cause: Cause::Requested }));
    while events
        .recv_timeout(LIMIT)
        .map_err(|error| assert_eq!(error, RecvTimeoutError::Disconnected))
        .is_ok()
    {}
    let expected = [PacketType::Connect, PacketType::Publish, PacketType::PubRel, PacketType::Disconnect];
    let sent: Vec<_> =
        broker.with(|model, _| model.records_of("leaver").map(|it| it.packet().packet_type()).collect());
    assert_eq!(sent, expected);
}

// R: REC-10
#[test]
fn without_a_thread_dropping_the_last_handle_says_goodbye_if_it_can_do_so_at_once() {
    let broker = ThreadedBroker::start().unwrap();
    let client = Mode::Callers.builder(&broker.url()).client_id("leaver").connect().unwrap();
    drop(client.subscribe("a").wait().unwrap());
    drop(client);
    assert!(broker.wait_for(LIMIT, "leaver", PacketType::Disconnect, 1).is_some());
}

/// LESSONS 18: a drop that waits, with operations pending and a server that says nothing.
#[test]
fn no_drop_waits_for_the_server() {
    for mode in MODES {
        let broker = ThreadedBroker::start().unwrap();
        let client = mode.builder(&broker.url()).connect().unwrap();
        broker.with(|model, _| {
            model.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
        });
        let delivery = client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap();
        let inbox = client.subscribe("a").wait().unwrap();
        // The drain time-out is 10 s.
        let start = Instant::now();
        drop(inbox);
        drop(delivery);
        drop(client);
        assert!(start.elapsed() < Duration::from_secs(5), "{mode:?}: {:?}", start.elapsed());
    }
}

// R: PUB-02, SUB-07
/// LESSONS 13 and 18: publishing and subscribing from the receive loop, under a flood, with small queues.
#[test]
fn many_threads_publish_while_one_reads_and_publishes_itself() {
    const THREADS: usize = 4;
    const MESSAGES: usize = 300;
    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let client = mode
            .builder(&broker.url())
            .incoming_limit(64, 1 << 20)
            .queue_limit(32, 1 << 20)
            .connect()
            .unwrap();
        let mut inbox = client.subscribe("thread/+").qos(QoS::ExactlyOnce).wait().unwrap();
        let publish = |number: usize| {
            let client = client.clone();
            let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][number % 2];
            thread::spawn(move || {
                for n in 0..MESSAGES {
                    let publish = client.publish(format!("thread/{number}"), n.to_string()).qos(qos);
                    if n % 7 == 0 {
                        publish.wait().unwrap();
                    } else {
                        drop(publish.enqueue().wait().unwrap());
                    }
                }
            })
        };
        let threads: Vec<_> = (0..THREADS).map(publish).collect();
        let mut next = [0; THREADS];
        for n in 0..THREADS * MESSAGES {
            let message = inbox.recv_timeout(LIMIT).unwrap();
            let number: usize = message.topic()["thread/".len()..].parse().unwrap();
            assert_eq!(
                message.text(),
                Ok(&*next[number].to_string()),
                "each thread's messages keep their order"
            );
            next[number] += 1;
            if n % 100 == 0 {
                client.publish("other", "from the receive loop").qos(QoS::AtLeastOnce).wait().unwrap();
                drop(client.subscribe(format!("more/{n}")).wait().unwrap());
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
        client.disconnect().wait().unwrap();
    }
}

/// A stream that nobody reads holds up neither the others nor the operations.
// R: SUB-07
#[test]
fn an_unread_stream_holds_nothing_up() {
    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let client = mode.builder(&broker.url()).incoming_limit(4, 1 << 20).connect().unwrap();
        let mut unread = client.subscribe("unread").qos(QoS::AtLeastOnce).wait().unwrap();
        let mut read = client.subscribe("read").qos(QoS::AtLeastOnce).wait().unwrap();
        for n in 0..50 {
            client.publish("unread", n.to_string()).qos(QoS::AtLeastOnce).wait().unwrap();
        }
        client.publish("read", "here").qos(QoS::AtLeastOnce).wait().unwrap();
        assert_eq!(next_text(&mut read), "here");
        for n in 0..50 {
            assert_eq!(next_text(&mut unread), n.to_string());
        }
    }
}

/// LESSONS 17: there is no reactor to be missed, and another thread's call is heard while the reader waits.
#[test]
fn a_reader_that_waits_hears_of_other_threads() {
    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let client = mode.builder(&broker.url()).connect().unwrap();
        let mut inbox = client.subscribe("a").wait().unwrap();
        let (started, is_started) = mpsc::channel();
        let reader = thread::spawn(move || {
            started.send(()).unwrap();
            next_text(&mut inbox)
        });
        is_started.recv().unwrap();
        // Sent without waiting: it leaves although this thread drives nothing.
        drop(client.publish("a", "x").send().unwrap());
        assert_eq!(reader.join().unwrap(), "x");
    }
}

/// Several threads wait on one client without a thread: whoever has its answer leaves the driving to another.
#[test]
fn threads_relieve_each_other() {
    let broker = ThreadedBroker::start().unwrap();
    let client = Mode::Callers.builder(&broker.url()).connect().unwrap();
    let inboxes: Vec<_> = (0..8).map(|n| client.subscribe(format!("a/{n}")).wait().unwrap()).collect();
    let readers: Vec<_> =
        inboxes.into_iter().map(|mut inbox| thread::spawn(move || next_text(&mut inbox))).collect();
    for n in 0..8 {
        client.publish(format!("a/{n}"), n.to_string()).qos(QoS::AtLeastOnce).wait().unwrap();
    }
    for (n, reader) in readers.into_iter().enumerate() {
        assert_eq!(reader.join().unwrap(), n.to_string());
    }
}

/// Without a thread the keep alive runs inside of calls: `run_for` is one.
// R: RUN-03
#[test]
fn run_for_keeps_the_connection_alive() {
    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let client = mode
            .builder(&broker.url())
            .client_id("sleeper")
            .keep_alive(Duration::from_secs(1))
            .connect()
            .unwrap();
        client.run_for(Duration::from_millis(2_500));
        assert!(broker.wait_for(LIMIT, "sleeper", PacketType::PingReq, 2).is_some());
        assert_eq!(client.statistics().connection.reconnects, 0);
        client.disconnect().wait().unwrap();
    }
}

/// A function that panics in the driver ends the client, and whoever waits is told.
// R: RUN-03
#[test]
fn a_panic_in_the_driver_reaches_the_caller() {
    struct Broken;

    impl sterna_client::Authenticator for Broken {
        fn start(&mut self) -> Option<Vec<u8>> {
            panic!("no password at hand")
        }

        fn step(&mut self, _: Option<&[u8]>) -> Result<Option<Vec<u8>>, sterna_client::ReasonCode> {
            Ok(None)
        }
    }

    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let client = mode.builder(&broker.url()).authentication("x", Broken).build().unwrap();
        let waiting = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
        let error = client.connect().wait().unwrap_err().to_string();
        assert!(error.contains("the client's driver panicked: no password at hand"), "{error}");
        assert_eq!(waiting.wait().unwrap_err(), PublishError::Failed(OperationError::Closed));
        assert!(client.publish("a", "x").wait().is_err());
    }
}

/// A stream of its own: a socket that counts.
struct Counted {
    stream: sterna_blocking::mio::net::TcpStream,
    bytes: Arc<AtomicUsize>,
}

impl io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl io::Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.stream.write(buffer)?;
        self.bytes.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl sterna_blocking::mio::event::Source for Counted {
    fn register(
        &mut self,
        registry: &sterna_blocking::mio::Registry,
        token: sterna_blocking::mio::Token,
        interests: sterna_blocking::mio::Interest,
    ) -> io::Result<()> {
        self.stream.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &sterna_blocking::mio::Registry,
        token: sterna_blocking::mio::Token,
        interests: sterna_blocking::mio::Interest,
    ) -> io::Result<()> {
        self.stream.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &sterna_blocking::mio::Registry) -> io::Result<()> {
        self.stream.deregister(registry)
    }
}

impl sterna_blocking::Stream for Counted {
    fn shut_down(&mut self) -> io::Result<()> {
        sterna_blocking::Stream::shut_down(&mut self.stream)
    }
}

// R: CON-14
#[test]
fn a_stream_of_ones_own() {
    let broker = ThreadedBroker::start().unwrap();
    let address = broker.address();
    for mode in MODES {
        let bytes = Arc::new(AtomicUsize::new(0));
        let (counter, attempts) = (bytes.clone(), AtomicUsize::new(0));
        let builder = sterna_blocking::builder_over("mqtt://nowhere.invalid:7", move |endpoint| {
            assert_eq!((&*endpoint.host, endpoint.port), ("nowhere.invalid", 7));
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
                return Err(io::Error::other("not yet"));
            }
            // This function may block.
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nonblocking(true)?;
            let stream = sterna_blocking::mio::net::TcpStream::from_std(stream);
            Ok(Counted { stream, bytes: counter.clone() })
        });
        let mut client = mode.of(builder).build().unwrap();
        let error = client.connect().wait().unwrap_err();
        assert!(error.to_string().contains("not yet"), "{error}");
        client.connect().wait().unwrap();
        let mut inbox = client.subscribe("a").wait().unwrap();
        client.publish("a", "by hand").wait().unwrap();
        assert_eq!(next_text(&mut inbox), "by hand");
        assert!(bytes.load(Ordering::Relaxed) > 40);
        client = client.clone();
        client.disconnect().wait().unwrap();
    }
}

/// The store's work is done by another thread.
// R: STO-01
#[test]
fn what_is_stored_is_sent() {
    let broker = ThreadedBroker::start().unwrap();
    for mode in MODES {
        let store = MemoryStore::new();
        let client = mode.builder(&broker.url()).client_id("keeper").store(store.clone()).build().unwrap();
        let mut delivery = client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap();
        delivery.stored().unwrap();
        client.disconnect().wait().unwrap();
        assert_eq!(delivery.wait().unwrap_err(), PublishError::Failed(OperationError::Kept));

        let client = mode.builder(&broker.url()).client_id("keeper").store(store.clone()).connect().unwrap();
        let pending = client.pending().pop().unwrap();
        assert_eq!((pending.topic.as_deref(), pending.qos), (Some("a"), QoS::ExactlyOnce));
        delivered(pending.delivery);
        client.disconnect().wait().unwrap();
    }
}

/// LESSONS 17: the thread that waits, and drives, uses no time while nothing happens.
#[test]
fn a_caller_that_waits_and_drives_does_not_spin() {
    let cpu_time = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
    };
    let broker = ThreadedBroker::start().unwrap();
    let client = Mode::Callers.builder(&broker.url()).connect().unwrap();
    let mut inbox = client.subscribe("a").wait().unwrap();
    let start = cpu_time();
    assert_eq!(inbox.recv_timeout(Duration::from_secs(3)).unwrap_err(), RecvTimeoutError::Timeout);
    let used = cpu_time().checked_sub(start).unwrap();
    assert!(used < Duration::from_millis(100), "{used:?} in 3 s");
}

/// An async client on the driver's thread, with an executor that knows nothing of I/O.
#[test]
fn it_drives_an_async_client_too() {
    let broker = ThreadedBroker::start().unwrap();
    futures_lite::future::block_on(async {
        let client = ClientBuilder::new(&broker.url(), Runtime::default()).connect().await.unwrap();
        let mut inbox = client.subscribe("a").await.unwrap();
        client.publish("a", "x").await.unwrap();
        assert_eq!(inbox.next().await.unwrap().text(), Ok("x"));
        client.disconnect().await.unwrap();
    });
}

// R: CON-16
#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sterna-blocking-{}.socket", std::process::id()));
    let broker = ThreadedBroker::run(TestBroker::builder().unix(path)).unwrap();
    for mode in MODES {
        let client = mode.builder(&broker.url()).connect().unwrap();
        let mut inbox = client.subscribe("a").wait().unwrap();
        client.publish("a", "x").qos(QoS::ExactlyOnce).wait().unwrap();
        assert_eq!(next_text(&mut inbox), "x");
        client.disconnect().wait().unwrap();
    }
    let error = sterna_blocking::connect("unix:///nowhere/at/all").unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

/// A handle may be sent to and used by any thread.
#[test]
fn handles_are_for_any_thread() {
    fn any<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    any::<Client>();
    sent::<Subscription>();
    sent::<Call<Delivery>>();
}
