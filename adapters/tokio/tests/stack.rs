//! The whole stack over sockets. Scenarios in breadth are the suite's in the workspace's `tests/`.

use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sterna_client::{
    Cause, ConnectError, Event, LostKind, ProtocolVersion, QoS, Reconnect, State, VersionPolicy,
};
use sterna_core::packet::PacketType;
use sterna_simulator::TestBroker;
use sterna_simulator::broker::Sessions;

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];

/// A time-out that only a hang reaches.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it hangs")
}

// R: RUN-01, CON-02
#[tokio::test]
async fn publish_and_subscribe_in_each_version() {
    let broker = TestBroker::start().await.unwrap();
    for version in VERSIONS {
        let client = sterna_tokio::builder(&broker.url()).version(VersionPolicy::Only(version)).connect();
        let client = soon(client).await.unwrap();
        let mut inbox = soon(client.subscribe("a/#").qos(QoS::ExactlyOnce)).await.unwrap();
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let payload = vec![qos as u8; 300_000];
            soon(client.publish("a/b", payload).qos(qos)).await.unwrap();
            let message = soon(inbox.next()).await.unwrap();
            assert_eq!((message.qos(), message.payload().len()), (qos, 300_000));
        }
        soon(client.disconnect()).await.unwrap();
        assert!(soon(inbox.next()).await.is_none());
    }
}

#[test]
fn outside_of_a_runtime_is_a_clear_error() {
    let mut connect = Box::pin(sterna_tokio::connect("mqtt://127.0.0.1"));
    let Poll::Ready(Err(error)) = connect.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it needs no network to tell")
    };
    assert!(matches!(error, ConnectError::Runtime(_)));
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

// R: CON-01, CON-12
#[tokio::test]
async fn a_connection_that_cannot_be_made_says_why() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = soon(sterna_tokio::connect(&format!("mqtt://{address}"))).await.unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Dial);
    assert!(lost.detail.contains(&address.to_string()), "{error}");

    let error = soon(sterna_tokio::connect("http://127.0.0.1")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(_)), "{error}");
    // A name that can have no address [RFC 6761].
    let error = soon(sterna_tokio::connect("mqtt://sterna.invalid")).await.unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = &error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Resolve);
}

// R: REC-01, REC-03, REC-04
#[tokio::test]
async fn it_comes_back_after_the_broker_did() {
    for sessions in [Sessions::Keep, Sessions::Lose] {
        let broker = TestBroker::start().await.unwrap();
        let fast =
            Reconnect { minimum: Duration::ZERO, initial: Duration::from_millis(20), ..Reconnect::default() };
        let client = sterna_tokio::builder(&broker.url()).reconnect(fast).connect();
        let client = soon(client).await.unwrap();
        let mut events = client.events();
        let mut inbox = soon(client.subscribe("a").qos(QoS::AtLeastOnce)).await.unwrap();
        broker.take_down(sessions).await;
        let lost = soon(async {
            loop {
                match events.next().await {
                    Some(Event::Offline) => break,
                    Some(_) => {}
                    None => panic!("the client ended"),
                }
            }
        });
        lost.await;
        let delivery = client.publish("a", "while it was gone").qos(QoS::AtLeastOnce).send().unwrap();
        broker.bring_up().await.unwrap();
        soon(delivery).await.unwrap();
        assert_eq!(soon(inbox.next()).await.unwrap().text(), Ok("while it was gone"));
        soon(client.disconnect()).await.unwrap();
    }
}

// R: REC-10
#[tokio::test]
async fn dropping_the_last_handle_says_goodbye() {
    let broker = TestBroker::start().await.unwrap();
    let client = soon(sterna_tokio::builder(&broker.url()).client_id("leaver").connect()).await.unwrap();
    drop(client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap());
    drop(client);
    soon(broker.wait_for("leaver", PacketType::Disconnect, 1)).await;
    let sent = broker.with(|broker, _| {
        broker.records_of("leaver").map(|record| record.packet().packet_type()).collect::<Vec<_>>()
    });
    let expected = [PacketType::Connect, PacketType::Publish, PacketType::PubRel, PacketType::Disconnect];
    assert_eq!(sent, expected);
}

// R: REC-08
#[test]
fn a_runtime_that_ends_ends_the_client() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = runtime.block_on(async {
        let broker = TestBroker::start().await.unwrap();
        sterna_tokio::connect(&broker.url()).await.unwrap()
    });
    drop(runtime);
    assert!(client.publish("a", "x").send().is_err());
    assert_ne!(client.state(), State::Idle);
}
