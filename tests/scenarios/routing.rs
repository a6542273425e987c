//! Which subscription gets which message.

use std::collections::BTreeSet;

use sterna::protocol::packet::PacketType;
use sterna::{ProtocolVersion, QoS, ReasonCode, SubscribeError, Subscription};
use sterna_simulator::broker::{Fault, OnSend, Options};

use crate::brokers::Setup;
use crate::cell::{ANYWHERE, Kind, ON_TEST_BROKER, ON_V5};
use crate::tools::{EVERY_QOS, FirstCopies, next, number, text};

scenarios! {
    ANYWHERE => unsubscribing, overlapping_filters, a_shared_subscription;
    ON_V5 => overlapping_subscriptions_with_identifiers;
    ON_TEST_BROKER => one_filter_of_many_is_refused, a_subscribe_is_refused;
}

// R: SUB-04
async fn unsubscribing(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("reader").await;
    let mut first = client.subscribe("news").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut second = client.subscribe(["weather", "sport"]).await.expect("granted");
    client.publish("news", "1").await.expect("sent");
    assert_eq!(text(&mut first).await, "1");
    let granted = first.unsubscribe().await.expect("unsubscribed");
    assert_eq!(granted.reasons, [ReasonCode::SUCCESS]);

    client.publish("news", "2").await.expect("sent");
    client.publish("sport", "3").await.expect("sent");
    assert_eq!(next(&mut second).await.topic(), "sport");
    assert_eq!(client.statistics().unclaimed, 0, "the server sends nothing for it any more");

    // By filter: the stream has another one and lives on, then it has none and ends.
    client.unsubscribe("sport").await.expect("unsubscribed");
    client.publish("sport", "4").await.expect("sent");
    client.publish("weather", "5").await.expect("sent");
    assert_eq!(text(&mut second).await, "5");
    client.unsubscribe("weather").await.expect("unsubscribed");
    assert!(second.next().await.is_none());

    let again = client.unsubscribe("weather").await.expect("answered");
    if setup.is_v5() && setup.cell.kind == Kind::TestBroker {
        assert_eq!(again.reasons, [ReasonCode::NO_SUBSCRIPTION_EXISTED]);
    }
}

// R: SUB-05
async fn overlapping_filters(setup: Setup) {
    let broker = setup.broker().await;
    let client = broker.connect("reader").await;
    let mut all = client.subscribe("house/#").qos(setup.highest_qos()).await.expect("granted");
    let mut lights = client.subscribe("house/+/light").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut hall = client.subscribe(["house/hall/light", "house/hall/door"]).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for n in 0..20 {
        let topic = ["house/hall/light", "house/attic/light", "house/hall/door", "house"][n % 4];
        publisher.publish(topic, n.to_string()).qos(setup.highest_qos()).await.expect("acknowledged");
    }
    // All at once: a message is acknowledged when each stream has taken it, and RabbitMQ sends no more than 10 beyond that.
    tokio::join!(
        first_copies(&mut all, (0..20).collect()),
        first_copies(&mut lights, (0..20).filter(|n| n % 4 < 2).collect()),
        first_copies(&mut hall, (0..20).filter(|n| n % 2 == 0).collect()),
    );
}

/// A server may send a copy for each of the overlapping filters, and copies of another QoS on another way: it keeps the
/// order of each topic [MQTT-4.6.0-6].
async fn first_copies(stream: &mut Subscription, wanted: Vec<usize>) {
    let mut topics: [FirstCopies; 4] = Default::default();
    while topics.iter().map(|copies| copies.numbers().len()).sum::<usize>() < wanted.len() {
        let n = number(&next(stream).await);
        topics[n % 4].push(n);
    }
    let mut numbers = topics.iter().flat_map(FirstCopies::numbers).copied().collect::<Vec<_>>();
    numbers.sort_unstable();
    assert_eq!(numbers, wanted);
}

/// Each subscription has an identifier of its own, so that each gets a message once, whether the server sends one copy or
/// one for each subscription.
// R: SUB-05
async fn overlapping_subscriptions_with_identifiers(setup: Setup) {
    let broker = match setup.cell.kind {
        Kind::Mosquitto | Kind::Other(_) => setup.broker().await,
        Kind::TestBroker => {
            setup.test_broker(Options { overlapping_copies: true, ..Options::default() }).await
        }
    };
    let client = broker.connect("reader").await;
    let mut all = client.subscribe("house/#").qos(QoS::ExactlyOnce).await.expect("granted");
    let mut lights = client.subscribe("house/+/light").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut hall = client.subscribe("house/hall/light").await.expect("granted");
    let mut same = client.subscribe("house/hall/light").qos(QoS::ExactlyOnce).await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for n in 0..30 {
        let topic = ["house/hall/light", "house/attic/light", "house"][n % 3];
        publisher.publish(topic, n.to_string()).qos(EVERY_QOS[n / 3 % 3]).await.expect("acknowledged");
    }
    publisher.publish("house/hall/light", "30").qos(QoS::ExactlyOnce).await.expect("acknowledged");
    for (stream, wanted) in [
        (&mut all, (0..=30).collect::<Vec<_>>()),
        (&mut lights, (0..=30).filter(|n| n % 3 < 2).collect()),
        (&mut hall, (0..=30).filter(|n| n % 3 == 0).collect()),
        (&mut same, (0..=30).filter(|n| n % 3 == 0).collect()),
    ] {
        let mut numbers = Vec::new();
        while numbers.len() < wanted.len() {
            numbers.push(number(&next(stream).await));
        }
        numbers.sort_unstable();
        assert_eq!(numbers, wanted);
        assert!(stream.try_next().is_none());
    }
}

async fn a_shared_subscription(setup: Setup) {
    let broker = setup.broker().await;
    let (one, two) = (broker.connect("one").await, broker.connect("two").await);
    let mut first = one.subscribe("$share/workers/jobs/#").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut second = two.subscribe("$share/workers/jobs/#").qos(QoS::AtLeastOnce).await.expect("granted");
    let mut observer = one.subscribe("jobs/observed").await.expect("granted");
    let publisher = broker.connect("publisher").await;
    for n in 0..100 {
        publisher.publish("jobs/job", n.to_string()).qos(QoS::AtLeastOnce).await.expect("acknowledged");
    }
    let mut jobs = BTreeSet::new();
    let (mut at_one, mut at_two) = (0, 0);
    while jobs.len() < 100 {
        let message = tokio::select! {
            message = first.next() => { at_one += 1; message }
            message = second.next() => { at_two += 1; message }
        };
        assert!(jobs.insert(number(&message.expect("alive"))), "each job goes to one worker");
    }
    assert!(at_one > 0 && at_two > 0, "{at_one} and {at_two}");
    publisher.publish("jobs/observed", "yes").await.expect("sent");
    assert_eq!(text(&mut observer).await, "yes");
}

// R: SUB-02
async fn one_filter_of_many_is_refused(setup: Setup) {
    let broker = setup.test_broker(Options { maximum_subscriptions: 2, ..Options::default() }).await;
    let client = broker.connect("reader").await;
    let mut stream = client.subscribe(["a", "b", "c"]).await.expect("two are granted");
    let refused = match setup.version() {
        ProtocolVersion::V5 => ReasonCode::QUOTA_EXCEEDED,
        _ => ReasonCode::UNSPECIFIED_ERROR,
    };
    assert_eq!(stream.reasons(), [ReasonCode::SUCCESS, ReasonCode::SUCCESS, refused]);
    for topic in ["c", "b", "a"] {
        client.publish(topic, topic).await.expect("sent");
    }
    assert_eq!(text(&mut stream).await, "b");
    assert_eq!(text(&mut stream).await, "a");
    // A reconnect does not ask for the refused one again.
    let mut events = client.events();
    client.reconnect();
    crate::tools::connected(&mut events).await;
    client.publish("a", "again").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    assert_eq!(text(&mut stream).await, "again");
    let asked_for_c = broker.model().with(|model, _| {
        let subscribes = model.records_of("reader").filter(|record| {
            matches!(record.packet(), sterna::protocol::packet::Packet::Subscribe(subscribe)
                if subscribe.filters.iter().any(|filter| filter.filter == "c"))
        });
        subscribes.count()
    });
    assert_eq!(asked_for_c, 1);
}

async fn a_subscribe_is_refused(setup: Setup) {
    let broker = setup.test_broker(Options { maximum_subscriptions: 0, ..Options::default() }).await;
    let client = broker.connect("reader").await;
    let error = client.subscribe(["a", "b"]).await.expect_err("all are refused");
    assert!(matches!(&error, SubscribeError::Refused(reasons) if reasons.len() == 2), "{error}");
    // An answer that never comes ends with the connection, and the resent SUBSCRIBE is answered.
    broker.model().with(|model, _| {
        model.options_mut().maximum_subscriptions = 10;
        model.add_fault(Fault::sending(PacketType::SubAck, OnSend::Close).times(1));
    });
    let mut stream = client.subscribe("a").await.expect("granted on the next connection");
    client.publish("a", "here").await.expect("sent");
    assert_eq!(text(&mut stream).await, "here");
}
