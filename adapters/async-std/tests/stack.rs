//! The whole stack over sockets, on both executors. Scenarios in breadth are the suite's in the workspace's `tests/`.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_executor::Executor;
use async_io::Timer;
use futures_lite::future::{block_on, or, poll_fn};
use sterna_async_std::{Runtime, async_std, smol};
use sterna_client::{
    Cause, ClientBuilder, ConnectError, Event, LostKind, MemoryStore, OperationError, ProtocolVersion,
    PublishError, QoS, Reconnect, VersionPolicy,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, Sessions};
use sterna_simulator::{TestBroker, ThreadedBroker};

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
/// A time-out that only a hang reaches.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes builders on one of the executors.
type Builder = fn(&str) -> ClientBuilder<Runtime>;

const BUILDERS: [Builder; 2] = [smol::builder, async_std::builder];

async fn soon<F: Future>(future: F) -> F::Output {
    let hang = async {
        Timer::after(LIMIT).await;
        panic!("it hangs")
    };
    or(future, hang).await
}

// R: RUN-02, CON-02
#[test]
fn publish_and_subscribe_in_each_version() {
    let broker = ThreadedBroker::start().unwrap();
    for (builder, version) in BUILDERS.iter().flat_map(|builder| VERSIONS.map(|version| (builder, version))) {
        block_on(soon(async {
            let client =
                builder(&broker.url()).version(VersionPolicy::Only(version)).connect().await.unwrap();
            let mut inbox = client.subscribe("a/#").qos(QoS::ExactlyOnce).await.unwrap();
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                client.publish("a/b", vec![qos as u8; 300_000]).qos(qos).await.unwrap();
                let message = inbox.next().await.unwrap();
                assert_eq!((message.qos(), message.payload().len()), (qos, 300_000));
            }
            client.disconnect().await.unwrap();
            assert!(inbox.next().await.is_none());
        }));
    }
}

// R: CON-01, CON-12
#[test]
fn a_connection_that_cannot_be_made_says_why() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = block_on(soon(smol::connect(&format!("mqtt://{address}")))).unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Dial);
    assert!(lost.detail.contains(&address.to_string()), "{error}");
    // A name that can have no address [RFC 6761].
    let error = block_on(soon(async_std::connect("mqtt://sterna.invalid"))).unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Resolve);
}

// R: CON-12
#[test]
fn a_server_that_does_not_answer_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://localhost:{}", listener.local_addr().unwrap().port());
    for builder in BUILDERS {
        let connect = builder(&url).connect_timeout(Duration::from_millis(100)).connect();
        assert!(block_on(soon(connect)).is_err());
    }
}

// R: REC-01, REC-03, REC-04
#[test]
fn it_comes_back_after_the_broker_did() {
    for (builder, sessions) in BUILDERS.into_iter().zip([Sessions::Keep, Sessions::Lose]) {
        let broker = ThreadedBroker::start().unwrap();
        let fast =
            Reconnect { minimum: Duration::ZERO, initial: Duration::from_millis(20), ..Reconnect::default() };
        block_on(soon(async {
            let client = builder(&broker.url()).reconnect(fast).connect().await.unwrap();
            let mut events = client.events();
            let mut inbox = client.subscribe("a").qos(QoS::AtLeastOnce).await.unwrap();
            broker.take_down(sessions);
            while events.next().await.expect("the client goes on") != Event::Offline {}
            let delivery = client.publish("a", "while it was gone").qos(QoS::AtLeastOnce).send().unwrap();
            broker.bring_up().unwrap();
            delivery.await.unwrap();
            assert_eq!(inbox.next().await.unwrap().text(), Ok("while it was gone"));
            client.disconnect().await.unwrap();
        }));
    }
}

// R: REC-10
#[test]
fn dropping_the_last_handle_says_goodbye_and_ends_the_task() {
    let broker = ThreadedBroker::start().unwrap();
    for (builder, id) in BUILDERS.into_iter().zip(["smol", "async-std"]) {
        let client = block_on(soon(builder(&broker.url()).client_id(id).connect())).unwrap();
        let mut events = client.events();
        drop(client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap());
        drop(client);
        // They end when the engine is gone, and with it the task's work.
        block_on(soon(async { while events.next().await.is_some() {} }));
        let sent: Vec<_> =
            broker.with(|model, _| model.records_of(id).map(|it| it.packet().packet_type()).collect());
        let expected = [PacketType::Connect, PacketType::Publish, PacketType::PubRel, PacketType::Disconnect];
        assert_eq!(sent, expected);
    }
}

/// A stream that nobody reads holds up neither the others nor the operations.
// R: SUB-07
#[test]
fn an_unread_stream_holds_nothing_up() {
    let broker = ThreadedBroker::start().unwrap();
    for builder in BUILDERS {
        block_on(soon(async {
            let client = builder(&broker.url()).incoming_limit(4, 1 << 20).connect().await.unwrap();
            let mut unread = client.subscribe("unread").qos(QoS::AtLeastOnce).await.unwrap();
            let mut read = client.subscribe("read").qos(QoS::AtLeastOnce).await.unwrap();
            for n in 0..50 {
                client.publish("unread", n.to_string()).qos(QoS::AtLeastOnce).await.unwrap();
            }
            client.publish("read", "here").qos(QoS::AtLeastOnce).await.unwrap();
            assert_eq!(read.next().await.unwrap().text(), Ok("here"));
            for n in 0..50 {
                assert_eq!(unread.next().await.unwrap().text(), Ok(&*n.to_string()));
            }
        }));
    }
}

/// A time-out drops the future, as it does everywhere: the publish goes on, and no message is lost.
#[test]
fn a_time_out_loses_neither_a_publish_nor_a_message() {
    for builder in BUILDERS {
        let broker = ThreadedBroker::start().unwrap();
        block_on(soon(async {
            let client = builder(&broker.url()).client_id("patient").connect().await.unwrap();
            let mut inbox = client.subscribe("a").qos(QoS::ExactlyOnce).await.unwrap();
            broker.with(|model, _| {
                model.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard).times(1));
            });
            let late = async {
                Timer::after(Duration::from_millis(30)).await;
                None
            };
            let publish = client.publish("a", "late").qos(QoS::ExactlyOnce);
            assert!(or(async { Some(publish.await) }, late).await.is_none());
            let late = async {
                Timer::after(Duration::from_millis(10)).await;
                None
            };
            assert!(or(inbox.next(), late).await.is_none());
            assert!(broker.wait_for(LIMIT, "patient", PacketType::Publish, 1).is_some());
            client.reconnect();
            assert_eq!(inbox.next().await.unwrap().text(), Ok("late"));
        }));
    }
}

// R: REC-08
#[test]
fn an_executor_that_ends_ends_the_client() {
    let broker = ThreadedBroker::start().unwrap();
    broker.with(|model, _| model.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard)));
    let executor = Arc::new(Executor::new());
    let spawner = executor.clone();
    let runtime = Runtime::on(move |task| spawner.spawn(task).detach());
    let connect = ClientBuilder::new(&broker.url(), runtime).connect();
    let client = block_on(executor.run(soon(connect))).unwrap();
    let waiting = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
    let mut inbox = block_on(executor.run(soon(client.subscribe("a")))).unwrap();
    drop(executor);
    assert_eq!(block_on(soon(waiting)).unwrap_err(), PublishError::Failed(OperationError::Closed));
    assert!(block_on(soon(inbox.next())).is_none());
    assert!(client.publish("a", "x").send().is_err());
    assert!(block_on(soon(client.connect())).is_err());
}

/// The store's work is done by other threads.
// R: STO-01
#[test]
fn what_is_stored_is_sent() {
    let broker = ThreadedBroker::start().unwrap();
    for builder in BUILDERS {
        block_on(soon(async {
            let client = builder(&broker.url()).store(MemoryStore::new()).connect().await.unwrap();
            let mut delivery = client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap();
            delivery.stored().await.unwrap();
            delivery.await.unwrap();
            client.disconnect().await.unwrap();
        }));
    }
}

// R: CON-14
#[test]
fn a_stream_of_ones_own() {
    let broker = ThreadedBroker::start().unwrap();
    let address = broker.address();
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let builder = smol::builder_over("mqtt://nowhere.invalid:7", move |endpoint| {
        assert_eq!((&*endpoint.host, endpoint.port), ("nowhere.invalid", 7));
        let attempt = count.fetch_add(1, Ordering::Relaxed);
        async move {
            if attempt == 0 {
                return Err(io::Error::other("not yet"));
            }
            async_net::TcpStream::connect(address).await
        }
    });
    let client = builder.build().unwrap();
    block_on(soon(async {
        let error = client.connect().await.unwrap_err();
        assert!(error.to_string().contains("not yet"), "{error}");
        client.connect().await.unwrap();
        let mut inbox = client.subscribe("a").await.unwrap();
        client.publish("a", "by hand").await.unwrap();
        assert_eq!(inbox.next().await.unwrap().text(), Ok("by hand"));
        client.disconnect().await.unwrap();
    }));
    assert_eq!(attempts.load(Ordering::Relaxed), 2);
}

// R: CON-16
#[cfg(unix)]
#[test]
fn over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sterna-async-{}.socket", std::process::id()));
    let broker = ThreadedBroker::run(TestBroker::builder().unix(path)).unwrap();
    for builder in BUILDERS {
        block_on(soon(async {
            let client = builder(&broker.url()).connect().await.unwrap();
            let mut inbox = client.subscribe("a").await.unwrap();
            client.publish("a", "x").qos(QoS::ExactlyOnce).await.unwrap();
            assert_eq!(inbox.next().await.unwrap().text(), Ok("x"));
            client.disconnect().await.unwrap();
        }));
    }
    let error = block_on(soon(smol::connect("unix:///nowhere/at/all"))).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}

/// How often an idle client's task is polled, once its buffers are given back.
fn polls_while_idle(keep_alive: Duration, window: Duration) -> usize {
    let broker = ThreadedBroker::start().unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    let runtime = Runtime::on(move |mut task| {
        let counted = poll_fn(move |cx| {
            count.fetch_add(1, Ordering::Relaxed);
            task.as_mut().poll(cx)
        });
        ::smol::spawn(counted).detach();
    });
    let connect = ClientBuilder::new(&broker.url(), runtime).keep_alive(keep_alive).connect();
    let client = block_on(soon(connect)).unwrap();
    block_on(soon(client.publish("a", "x"))).unwrap();
    std::thread::sleep(Duration::from_millis(2_500));
    polls.store(0, Ordering::Relaxed);
    std::thread::sleep(window);
    let polls = polls.load(Ordering::Relaxed);
    drop(client);
    polls
}

#[test]
fn an_idle_client_is_not_polled_between_its_deadlines() {
    assert_eq!(polls_while_idle(Duration::ZERO, Duration::from_secs(2)), 0);
    // For each ping: its deadline, its answer, and two looks at whether the buffers are idle.
    let polls = polls_while_idle(Duration::from_secs(2), Duration::from_secs(5));
    assert!((2..=3 * 6).contains(&polls), "{polls} polls");
}
