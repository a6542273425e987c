//! Sessions on disk: one process ends in the middle of things, the next one goes on.

use std::future::Future;
use std::path::PathBuf;

use sterna::protocol::packet::PacketType;
use sterna::{
    Client, ClientBuilder, ConnectError, OperationError, PublishError, QoS, RedbStore, SessionError,
    StoreOpenError,
};
use sterna_simulator::broker::{Fault, OnSend};
use tokio::sync::oneshot;

use crate::brokers::{Memory, Setup, blocking};
use crate::cell::{ANYWHERE, Kind, ON_TOKIO, Runtime, Scope};
use crate::support::folder::Folder;
use crate::tools::{FirstCopies, next, number, text};

scenarios! {
    ON_TOKIO => what_was_stored_while_the_server_was_away;
    ANYWHERE => a_store_is_free_after_disconnect;
    KILLING => a_receiver_dies_between_pubrec_and_pubrel;
}

const KILLING: Scope = Scope::only(|cell| cell.runtime == Runtime::Tokio && cell.kind == Kind::TestBroker);

fn qos(number: usize) -> QoS {
    if number.is_multiple_of(2) { QoS::ExactlyOnce } else { QoS::AtLeastOnce }
}

/// A process as far as one can be had here: the runtime with all its tasks ends without a word.
async fn process<F: Future<Output = T>, T: Send + 'static>(
    builder: ClientBuilder<Runtime>,
    store: PathBuf,
    life: impl FnOnce(Client) -> F + Send + 'static,
) -> T {
    blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = RedbStore::open(store).expect("the one before has let go");
            let client = builder.store(store).build().expect("the session is this client's");
            life(client).await
        })
    })
    .await
}

// R: STO-01, STO-02, PUB-07, REC-07
async fn what_was_stored_while_the_server_was_away(setup: Setup) {
    const COUNT: usize = 300;
    let folder = Folder::new("stored");
    let mut broker = setup.persistent_broker().await;
    let subscriber = broker.builder("subscriber").persistent().connect().await.expect("connected");
    let mut stream = subscriber.subscribe("numbers").qos(QoS::ExactlyOnce).await.expect("granted");
    broker.stop(Memory::Kept).await;

    let publish = |client: Client| async move {
        let connecting = tokio::spawn(client.connect());
        let mut deliveries = Vec::new();
        for n in 0..COUNT {
            let publish = client.publish("numbers", n.to_string()).qos(qos(n));
            let mut delivery = publish.enqueue().await.expect("accepted");
            delivery.stored().await.expect("stored");
            deliveries.push(delivery);
        }
        connecting.abort();
        deliveries
    };
    let builder = broker.builder("publisher").retry_first(true);
    let deliveries = process(builder, folder.store(), publish).await;
    for delivery in deliveries {
        let error = delivery.await.expect_err("the server was away");
        assert_eq!(error, PublishError::Failed(OperationError::Kept));
    }

    broker.start().await;
    let finish = |client: Client| async move {
        let pending = client.pending();
        client.connect().await.expect("connected");
        let count = pending.len();
        for message in pending {
            assert_eq!(message.topic.as_deref(), Some("numbers"));
            message.delivery.await.expect("acknowledged");
        }
        count
    };
    let builder = broker.builder("publisher").in_flight_limit(20);
    assert_eq!(process(builder, folder.store(), finish).await, COUNT);
    // Mosquitto passes QoS 2 on at PUBREL: the order is that of each QoS.
    let mut copies = [FirstCopies::default(), FirstCopies::default()];
    while copies.iter().map(|copies| copies.numbers().len()).sum::<usize>() < COUNT {
        let message = next(&mut stream).await;
        let number = number(&message);
        assert_eq!(message.qos(), qos(number));
        copies[number % 2].push(number);
    }
    assert!(copies.iter().all(|copies| copies.repeated() == 0), "no connection was lost");
}

// R: STO-02, SUB-06
async fn a_receiver_dies_between_pubrec_and_pubrel(setup: Setup) {
    let folder = Folder::new("stored");
    let broker = setup.broker().await;
    let publisher = broker.connect("publisher").await;
    broker.model().with(|model, _| {
        model.add_fault(Fault::sending(PacketType::PubRel, OnSend::Discard).client("receiver"));
    });
    let (ready, subscribed) = oneshot::channel();
    let (kill, killed) = oneshot::channel::<()>();
    let receive = |client: Client| async move {
        client.connect().await.expect("connected");
        let mut stream = client.subscribe("once").qos(QoS::ExactlyOnce).await.expect("granted");
        ready.send(()).expect("the test listens");
        assert_eq!(text(&mut stream).await, "once");
        // Asking for the next one acknowledges it.
        tokio::spawn(async move { next(&mut stream).await });
        killed.await.expect("the test kills it");
    };
    let first = tokio::spawn(process(broker.builder("receiver"), folder.store(), receive));
    subscribed.await.expect("it lives");
    publisher.publish("once", "once").qos(QoS::ExactlyOnce).await.expect("acknowledged");
    broker.model().wait_for("receiver", PacketType::PubRec, 1).await;
    kill.send(()).expect("it lives");
    first.await.expect("no panic");

    broker.model().with(|model, _| model.clear_faults());
    publisher.publish("once", "next").qos(QoS::ExactlyOnce).await.expect("acknowledged");
    let (kill, killed) = oneshot::channel::<()>();
    let receive = |client: Client| async move {
        let mut messages = client.messages();
        client.connect().await.expect("connected");
        let message = messages.next().await.expect("the client lives");
        killed.await.expect("the test kills it");
        message.text().expect("it is text").to_owned()
    };
    let second = tokio::spawn(process(broker.builder("receiver"), folder.store(), receive));
    broker.model().wait_for("receiver", PacketType::PubComp, 1).await;
    kill.send(()).expect("it lives");
    assert_eq!(
        second.await.expect("no panic"),
        "next",
        "the first one is completed and not handed over again"
    );
}

// R: STO-03
async fn a_store_is_free_after_disconnect(setup: Setup) {
    let folder = Folder::new("stored");
    let broker = setup.broker().await;
    let open = || {
        let path = folder.store();
        blocking(|| RedbStore::open(path))
    };
    let client =
        broker.builder("first").store(open().await.expect("it is made")).connect().await.expect("connected");
    client.publish("a", "x").qos(setup.highest_qos()).await.expect("acknowledged");
    assert!(matches!(open().await, Err(StoreOpenError::Locked)));
    client.disconnect().await.expect("graceful");
    let other = broker.builder("other").store(open().await.expect("it is free"));
    let error = other.build().expect_err("it is the first one's session");
    assert!(matches!(error, ConnectError::Session(SessionError::OtherClient { .. })), "{error}");
    client.connect().await.expect("connected");
    client.publish("a", "y").qos(setup.highest_qos()).await.expect("the store is in use again");
    assert!(matches!(open().await, Err(StoreOpenError::Locked)));
}
