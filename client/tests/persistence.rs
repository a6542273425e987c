//! A client with a store that is slow, fails, or loses what it was told to do.

mod world;

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use sterna_client::{
    AfterPubRec, Batch, Cause, Client, ClientBuilder, ClientId, ConnectError, DisconnectError, InDoubt, Key,
    MemoryStore, OperationError, ProtocolVersion, PublishError, QoS, SessionError, SessionLoss, State, Store,
    StoreError,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, Options};
use world::{Bench, World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// A store that can be told to fail, and tells what was asked of it.
#[derive(Debug, Clone, Default)]
struct Watched {
    records: MemoryStore,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    commits: usize,
    largest: usize,
    closes: usize,
    fail: bool,
    panic: bool,
}

impl Watched {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap()
    }
}

impl Store for Watched {
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
        self.records.load(each)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let fail = {
            let mut asked = self.asked();
            asked.commits += 1;
            asked.largest = asked.largest.max(batch.iter().len());
            (asked.fail, asked.panic)
        };
        assert!(!fail.1, "the store has a bug");
        if fail.0 {
            return Err(StoreError("the disk is full".into()));
        }
        self.records.commit(batch)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.asked().closes += 1;
        Ok(())
    }
}

fn with(store: &Watched) -> impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench> {
    let store = store.clone();
    move |builder| builder.store(store)
}

/// What the broker has received of the numbers that were published, in order.
fn received(world: &World) -> Vec<String> {
    let publishes = world.received(PacketType::Publish);
    let payload = |record: &&sterna_simulator::broker::Record| match record.packet() {
        sterna_core::packet::Packet::Publish(publish) => {
            String::from_utf8(publish.payload.to_vec()).expect("it is text")
        }
        _ => unreachable!("it is a PUBLISH"),
    };
    publishes.iter().map(payload).collect()
}

/// The next process: another client with the same store and the same broker.
fn restart(mut world: World, client: Client, store: &Watched) -> (World, Client) {
    world.cut();
    world.settle();
    let World { broker, now, .. } = world;
    drop(client);
    let (mut next, client) = World::new(V5, Options::default(), with(store));
    next.broker = broker;
    next.now = now;
    next.connect_after(100);
    (next, client)
}

// R: PUB-07, STO-02
#[test]
fn a_publish_leaves_when_it_is_stored() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.slow_store = true;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let before = received(&world).len();
        let mut delivery = client.publish("a", "x").qos(qos).send().unwrap();
        world.settle();
        assert_eq!(received(&world).len(), before, "{qos:?}");
        assert!(poll(&mut Box::pin(delivery.stored())).is_pending());
        assert!(poll(&mut Box::pin(&mut delivery)).is_pending());
        assert!(world.store());
        assert_eq!(poll(&mut Box::pin(delivery.stored())), Poll::Ready(Ok(())));
        assert_eq!(received(&world).len(), before + 1);
        world.slow_store = false;
        world.store();
        world.finish(&mut delivery).unwrap();
        world.slow_store = true;
    }
}

// R: PUB-07
#[test]
fn without_a_store_nothing_waits_for_one() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut delivery = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
    assert_eq!(poll(&mut Box::pin(delivery.stored())), Poll::Ready(Ok(())));
    world.finish(&mut delivery).unwrap();

    let (mut world, client) = World::connected(V5, Options::default(), with(&Watched::default()));
    world.slow_store = true;
    let mut delivery = client.publish("a", "x").send().unwrap();
    assert_eq!(poll(&mut Box::pin(delivery.stored())), Poll::Ready(Ok(())));
    world.finish(&mut delivery).unwrap();
}

// R: STO-01
#[test]
fn what_piles_up_during_a_commit_is_the_next_one() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.slow_store = true;
    let before = store.asked().commits;
    let mut deliveries = Vec::new();
    for n in 0..100 {
        deliveries.push(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce).send().unwrap());
        world.settle();
    }
    world.store();
    world.store();
    assert_eq!(store.asked().commits - before, 2);
    assert!(store.asked().largest >= 99);
    for delivery in &mut deliveries {
        assert_eq!(poll(&mut Box::pin(delivery.stored())), Poll::Ready(Ok(())));
    }
    assert_eq!(received(&world).len(), 100);
}

#[test]
fn everything_else_goes_on_during_a_commit() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        with(&store)(builder).keep_alive(Duration::from_secs(10))
    });
    let mut stream = world.finish(client.subscribe("b")).unwrap();
    world.slow_store = true;
    let waiting = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
    world.settle();
    world.finish(client.publish("b", "now")).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("now"));
    let pings = world.received(PacketType::PingReq).len();
    world.pass(Duration::from_secs(120));
    assert!(world.received(PacketType::PingReq).len() > pings + 3);
    assert_eq!(client.state(), State::Connected);
    world.slow_store = false;
    world.store();
    world.finish(waiting).unwrap();
}

// R: STO-01, REC-08
#[test]
fn a_store_that_fails_ends_the_client() {
    for panic in [false, true] {
        let store = Watched::default();
        let (mut world, client) = World::connected(V5, Options::default(), with(&store));
        let mut stored = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
        world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
        world.settle();
        assert_eq!(poll(&mut Box::pin(stored.stored())), Poll::Ready(Ok(())));
        (store.asked().fail, store.asked().panic) = (!panic, panic);
        let mut failing = client.publish("a", "y").qos(QoS::ExactlyOnce).send().unwrap();
        let error = world.finish(failing.stored()).unwrap_err();
        let PublishError::Failed(OperationError::Store(failure)) = error else { panic!("{error}") };
        assert!(failure.to_string().contains(if panic { "panicked" } else { "full" }), "{failure}");
        assert!(matches!(world.finish(failing), Err(PublishError::Failed(OperationError::Store(_)))));
        assert_eq!(world.finish(stored).unwrap_err(), PublishError::Failed(OperationError::Kept));
        world.settle();
        assert_eq!(client.state(), State::Closed);
        let commits = store.asked().commits;
        let ConnectError::Closed(Cause::Store(_)) = world.finish(client.connect()).unwrap_err() else {
            panic!("the store is not asked again")
        };
        client.publish("a", "z").qos(QoS::AtLeastOnce).send().unwrap_err();
        assert_eq!(store.asked().commits, commits);
        assert!(!received(&world).contains(&"y".to_owned()), "what was not stored was not sent");
    }
}

// R: STO-01, REC-08
#[test]
fn a_client_whose_store_failed_stays_closed_and_does_not_ask_it_again() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    store.asked().fail = true;
    let failing = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
    world.finish(failing).unwrap_err();
    world.settle();
    assert_eq!((client.state(), store.asked().closes), (State::Closed, 1));
    // Were it asked, nothing would come back for a while.
    world.slow_store = true;
    client.reconnect();
    world.settle();
    assert_eq!((client.state(), store.asked().closes), (State::Closed, 1));
    assert!(matches!(world.finish(client.connect()), Err(ConnectError::Closed(Cause::Store(_)))));
    assert!(!world.store(), "it has let go already");
    client.reconnect();
    drop(client);
    world.settle();
    assert!(world.engine.is_none(), "it has finished");
}

// R: REC-10, REC-08, STO-01
#[test]
fn disconnecting_waits_for_the_store_and_keeps_what_is_not_acknowledged() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    world.slow_store = true;
    let one = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    let two = client.publish("a", "2").qos(QoS::ExactlyOnce).send().unwrap();
    let mut disconnect = Box::pin(client.disconnect().at_once());
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(5));
    assert!(poll(&mut disconnect).is_pending());
    assert_eq!((client.state(), store.asked().closes), (State::Disconnecting, 0));
    while world.store() {}
    assert_eq!(poll(&mut disconnect), Poll::Ready(Ok(())));
    assert_eq!((client.state(), store.asked().closes), (State::Closed, 1));
    for delivery in [one, two] {
        assert_eq!(world.finish(delivery).unwrap_err(), PublishError::Failed(OperationError::Kept));
    }

    // The next process.
    world.slow_store = false;
    world.broker.clear_faults();
    let (mut world, client) = restart(world, client, &store);
    let pending = client.pending();
    let known: Vec<_> = pending.iter().map(|message| (message.topic.as_deref(), message.qos)).collect();
    assert_eq!(known, [(Some("a"), QoS::AtLeastOnce), (Some("a"), QoS::ExactlyOnce)]);
    assert!(client.pending().is_empty(), "they are given once");
    world.finish(client.connect()).unwrap();
    for mut message in pending {
        assert_eq!(poll(&mut Box::pin(message.delivery.stored())), Poll::Ready(Ok(())));
        world.finish(message.delivery).unwrap();
    }
    assert!(received(&world).ends_with(&["1".to_owned(), "2".to_owned()]));
}

// R: REC-10, REC-08, STO-01
#[test]
fn disconnecting_does_not_wait_for_ever_for_a_commit_that_hangs() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let mut kept = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    world.finish(kept.stored()).unwrap();
    world.slow_store = true;
    let unknown = client.publish("a", "2").qos(QoS::AtLeastOnce).send().unwrap();
    let mut disconnect = Box::pin(client.disconnect().at_once());
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(9));
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(2));
    let ended = poll(&mut disconnect);
    assert!(matches!(ended, Poll::Ready(Err(DisconnectError::Ended(Cause::Store(_))))), "{ended:?}");
    assert_eq!(client.state(), State::Closed);
    assert_eq!(world.finish(kept).unwrap_err(), PublishError::Failed(OperationError::Kept));
    let error = world.finish(unknown).unwrap_err();
    assert!(matches!(error, PublishError::Failed(OperationError::Store(_))), "{error}");
    world.finish(client.connect()).unwrap_err();
    // The disk has found its way back: the store lets go of its file.
    assert!(world.store() && world.store());
    assert_eq!((store.asked().closes, world.store()), (1, false));
    world.slow_store = false;
    world.broker.clear_faults();
    let (_world, client) = restart(world, client, &store);
    assert_eq!(client.pending().len(), 2, "it had the second one after all");
}

// R: REC-10, STO-01
#[test]
fn disconnecting_does_not_wait_for_ever_for_a_store_that_does_not_let_go() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.slow_store = true;
    let mut disconnect = Box::pin(client.disconnect());
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(9));
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(2));
    let ended = poll(&mut disconnect);
    assert!(matches!(ended, Poll::Ready(Err(DisconnectError::Ended(Cause::Store(_))))), "{ended:?}");
    assert!(world.store());
    world.slow_store = false;
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(client.disconnect()).unwrap();
    assert_eq!(store.asked().closes, 2);
}

#[test]
fn the_store_is_used_again_when_the_client_is_connected_again() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    for n in 1..=3 {
        let kept = client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap();
        world.finish(kept).unwrap();
        world.finish(client.disconnect()).unwrap();
        assert_eq!(store.asked().closes, n);
        world.finish(client.connect()).unwrap();
    }
    // And when that is asked for before it has let go.
    world.slow_store = true;
    client.publish("a", "y").qos(QoS::AtLeastOnce).send().unwrap();
    let mut disconnect = Box::pin(client.disconnect().at_once());
    assert!(poll(&mut disconnect).is_pending());
    world.settle();
    let mut connect = Box::pin(client.connect());
    assert!(poll(&mut connect).is_pending());
    while world.store() {}
    world.slow_store = false;
    world.finish(connect).unwrap();
    assert_eq!(poll(&mut disconnect), Poll::Ready(Ok(())));
    world.finish(client.publish("a", "z").qos(QoS::AtLeastOnce)).unwrap();
}

// R: STO-02, REC-07
#[test]
fn what_was_accepted_offline_is_sent_in_order_by_the_next_process() {
    let store = Watched::default();
    let (mut world, client) = World::new(V5, Options::default(), with(&store));
    let qos = |n: usize| if n.is_multiple_of(3) { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
    for n in 0..200 {
        let mut delivery = client.publish("a", n.to_string()).qos(qos(n)).send().unwrap();
        world.finish(delivery.stored()).unwrap();
    }
    // Nobody disconnects: it is as if the process were killed.
    std::mem::forget(world.engine.take());
    let (mut world, client) = restart(world, client, &store);
    let pending = client.pending();
    assert_eq!(pending.len(), 200);
    world.finish(client.connect()).unwrap();
    for message in pending {
        world.finish(message.delivery).unwrap();
    }
    assert_eq!(received(&world), (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    world.settle();
    assert_eq!(store.records.len(), 1, "only the header is left");
}

// R: STO-02, REC-08
#[test]
fn a_commit_that_a_dying_runtime_drops_loses_nothing_that_was_stored() {
    let store = Watched::default();
    let (mut world, client) = World::new(V5, Options::default(), with(&store));
    let mut one = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    world.finish(one.stored()).unwrap();
    world.slow_store = true;
    let two = client.publish("a", "2").qos(QoS::AtLeastOnce).send().unwrap();
    world.settle();
    drop(world.commit.take().expect("it is on its way"));
    world.engine = None;
    assert_eq!(world.finish(one).unwrap_err(), PublishError::Failed(OperationError::Kept));
    assert_eq!(world.finish(two).unwrap_err(), PublishError::Failed(OperationError::Closed));
    let (_world, client) = restart(world, client, &store);
    assert_eq!(client.pending().len(), 1);
}

// R: STO-01
#[test]
fn an_engine_that_is_dropped_stores_what_it_has() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    let mut delivery = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    world.engine = None;
    assert_eq!(poll(&mut Box::pin(delivery.stored())), Poll::Ready(Ok(())));
    assert_eq!(world.finish(delivery).unwrap_err(), PublishError::Failed(OperationError::Kept));
    assert_eq!(store.asked().closes, 1);
    let (_world, client) = restart(world, client, &store);
    assert_eq!(client.pending().len(), 1);
}

// R: SUB-06, STO-02
#[test]
fn a_qos_2_message_is_handed_over_once_by_both_processes() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    let mut stream = world.finish(client.subscribe("b").qos(QoS::ExactlyOnce)).unwrap();
    // PUBREC arrives, and PUBREL does not.
    world.broker.add_fault(Fault::receiving(PacketType::PubRec, OnReceive::Discard));
    world.finish(client.publish("b", "once").qos(QoS::ExactlyOnce)).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("once"));
    assert!(poll(&mut Box::pin(stream.next())).is_pending(), "asking for the next acknowledges");
    world.settle();
    assert_eq!(world.received(PacketType::PubRec).len(), 1);
    std::mem::forget(world.engine.take());
    std::mem::forget(stream);
    world.broker.clear_faults();
    let (mut world, client) = restart(world, client, &store);
    let mut stream = client.subscribe("b").qos(QoS::ExactlyOnce).send().unwrap();
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("b", "next").qos(QoS::ExactlyOnce)).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().text(), Ok("next"));
    assert_eq!(world.received(PacketType::PubComp).len(), 1, "the first one is completed");
}

// R: REC-05, STO-02
#[test]
fn what_is_chosen_for_a_lost_session_holds_for_messages_of_an_earlier_process() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.broker.add_fault(Fault::receiving(PacketType::PubRel, OnReceive::Discard));
    let received_there = client.publish("a", "received").qos(QoS::ExactlyOnce).send().unwrap();
    world.settle();
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let once = client.publish("a", "at least once").qos(QoS::AtLeastOnce).send().unwrap();
    let exactly = client.publish("a", "exactly once").qos(QoS::ExactlyOnce).send().unwrap();
    world.settle();
    world.cut();
    world.settle();
    let mut unsent = client.publish("a", "unsent").qos(QoS::AtLeastOnce).send().unwrap();
    world.finish(unsent.stored()).unwrap();
    std::mem::forget(world.engine.take());
    drop((received_there, once, exactly, unsent, client));

    // The next process finds a server that knows nothing.
    let choice = SessionLoss {
        at_least_once: InDoubt::Fail,
        exactly_once: InDoubt::PublishAgain,
        after_pubrec: AfterPubRec::Fail,
    };
    let (mut world, client) =
        World::new(V5, Options::default(), |builder| with(&store)(builder).session_loss(choice));
    let pending = client.pending();
    let topics: Vec<_> = pending.iter().map(|message| (message.topic.is_some(), message.qos)).collect();
    let expected = [
        (false, QoS::ExactlyOnce),
        (true, QoS::AtLeastOnce),
        (true, QoS::ExactlyOnce),
        (true, QoS::AtLeastOnce),
    ];
    assert_eq!(topics, expected);
    world.finish(client.connect()).unwrap();
    let ends: Vec<_> = pending.into_iter().map(|message| world.finish(message.delivery)).collect();
    let lost = PublishError::Failed(OperationError::SessionLost);
    assert_eq!(ends[0].as_ref().unwrap_err(), &lost);
    assert_eq!(ends[1].as_ref().unwrap_err(), &lost);
    assert!(ends[2].is_ok() && ends[3].is_ok(), "{ends:?}");
    assert_eq!(received(&world), ["exactly once", "unsent"]);
    for record in world.received(PacketType::Publish) {
        let sterna_core::packet::Packet::Publish(publish) = record.packet() else { unreachable!() };
        assert!(!publish.duplicate, "it is new in this session [MQTT-3.3.1-1]");
    }
    world.settle();
    assert_eq!(store.records.len(), 1, "only the header is left");

    // And what ended is not there a third time.
    let (_world, client) = restart(world, client, &store);
    assert!(client.pending().is_empty());
}

// R: STO-03
#[test]
fn a_random_client_identifier_is_kept_and_another_is_refused() {
    let store = Watched::default();
    let random = |store: &Watched| {
        let store = store.clone();
        move |builder: ClientBuilder<Bench>| {
            builder.store(store).configure(|config| config.client_id = ClientId::Random)
        }
    };
    let (mut world, client) = World::new(V5, Options::default(), random(&store));
    world.settle();
    let drawn = client.client_id();
    drop((world, client));
    let different_seed = |builder: ClientBuilder<Bench>| random(&store)(builder).seed(99);
    let (_world, client) = World::new(V5, Options::default(), different_seed);
    assert_eq!(client.client_id(), drawn);

    let commits = store.asked().commits;
    let builder =
        ClientBuilder::new("mqtt://broker", Bench::default()).client_id("other").store(store.clone());
    let error = builder.build().unwrap_err();
    let ConnectError::Session(SessionError::OtherClient { stored, configured }) = &error else {
        panic!("{error}")
    };
    assert_eq!((&**stored, &**configured), (&*drawn, "other"));
    assert_eq!(store.asked().commits, commits, "nothing was changed");
}

// R: STO-01
#[test]
fn by_option_nothing_is_kept_when_the_client_closes() {
    let store = Watched::default();
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| with(&store)(builder).discard_on_close(true));
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let one = client.publish("a", "1").qos(QoS::AtLeastOnce).send().unwrap();
    world.settle();
    world.finish(client.disconnect().at_once()).unwrap();
    assert_eq!(world.finish(one).unwrap_err(), PublishError::Failed(OperationError::Closed));
    world.broker.clear_faults();
    let (mut world, client) = restart(world, client, &store);
    assert_eq!(client.pending().len(), 0);
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "2").qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(received(&world).last().unwrap(), "2");
    assert_eq!(received(&world).iter().filter(|payload| *payload == "1").count(), 1);
}

#[test]
fn an_engine_is_finished_when_its_store_has_let_go() {
    let store = Watched::default();
    let (mut world, client) = World::connected(V5, Options::default(), with(&store));
    world.slow_store = true;
    drop(client);
    world.pass(Duration::from_secs(20));
    assert!(world.engine.is_some(), "the store is not done");
    while world.store() {}
    world.settle();
    assert!(world.engine.is_none());
    assert_eq!(store.asked().closes, 1);

    // It was never connected.
    let store = Watched::default();
    let (mut world, client) = World::new(V5, Options::default(), with(&store));
    drop(client);
    world.settle();
    assert!(world.engine.is_none());
    assert_eq!(store.asked().closes, 1);
}
