//! The end of everything but the handles.

use std::time::Duration;

use sterna::protocol::packet::PacketType;
use sterna::{Event, OperationError, PublishError, QoS, SubscribeError};
use sterna_simulator::broker::{Fault, OnSend, Options};

use crate::brokers::{Setup, blocking};
use crate::cell::{Kind, ON_EVERY_RUNTIME, Runtime, Scope};

scenarios! {
    ENDING => a_runtime_that_ends_with_operations_pending;
    ON_EVERY_RUNTIME => a_function_that_panics;
}

/// Where a runtime can be ended, and answers withheld.
const ENDING: Scope = Scope::only(|cell| cell.runtime == Runtime::Tokio && cell.kind == Kind::TestBroker);

/// Every operation that waits ends, every stream does, and what is called later fails at once.
// R: REC-08, RUN-01
async fn a_runtime_that_ends_with_operations_pending(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    broker.model().with(|model, _| {
        for packet in [PacketType::PubAck, PacketType::SubAck, PacketType::UnsubAck] {
            model.add_fault(Fault::sending(packet, OnSend::Discard).client("orphan"));
        }
    });
    let builder = broker.builder("orphan");
    let (client, publish, subscribe, unsubscribe, mut messages, mut events) = blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = builder.connect().await.expect("connected");
            let events = client.events();
            let messages = client.messages();
            let publish = client.publish("a", "x").qos(QoS::AtLeastOnce).send().expect("queued");
            let subscribe = client.subscribe("b").send().expect("queued");
            let unsubscribe = tokio::spawn({
                let client = client.clone();
                async move { client.unsubscribe("b").await }
            });
            tokio::time::timeout(Duration::from_millis(10), std::future::pending::<()>())
                .await
                .expect_err("time");
            (client, publish, subscribe, unsubscribe, messages, events)
        })
    })
    .await;
    assert!(unsubscribe.await.expect_err("it went with its runtime").is_cancelled());
    let closed = publish.await.expect_err("there is nobody left to send it");
    assert_eq!(closed, PublishError::Failed(OperationError::Closed));
    let mut subscribe = subscribe;
    assert!(matches!(subscribe.granted().await, Err(SubscribeError::Failed(OperationError::Closed))));
    assert!(subscribe.next().await.is_none() && messages.next().await.is_none());
    client.publish("a", "y").await.expect_err("there is nobody left to send it");
    client.connect().await.expect_err("nor anybody to connect");
    while let Some(event) = events.next().await {
        assert!(!matches!(event, Event::Connected { .. }), "it is gone");
    }
}

/// A function of the application's that panics in the client's driver ends the client, and whoever waits is told.
// R: REC-08
async fn a_function_that_panics(setup: Setup) {
    let broker = setup.broker().await;
    let builder = broker.builder("c").before_connect(|_| async { panic!("no password at hand") });
    let client = builder.build().expect("lawful options");
    let publish = client.publish("a", "x").qos(QoS::AtLeastOnce).send().expect("queued");
    let error = client.connect().await.expect_err("nobody connects it");
    assert!(error.to_string().contains("the client's driver panicked: no password at hand"), "{error}");
    assert_eq!(publish.await, Err(PublishError::Failed(OperationError::Closed)));
    client.publish("a", "y").await.expect_err("nobody sends it");
}
