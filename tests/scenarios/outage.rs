//! Mosquitto is away for three seconds, under a subscriber with a session and a publisher that does not stop.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sterna::{Client, Delivery, Event, Events, QoS, Subscription};

use crate::brokers::{Memory, Setup, blocking};
use crate::cell::{Kind, Runtime, Scope};
use crate::tools::{FirstCopies, next, number};

/// How long the broker is away.
const OUTAGE: Duration = Duration::from_secs(3);
/// A message is published this often.
const PERIOD: Duration = Duration::from_millis(10);
/// So often in an outage.
const TICKS: usize = (OUTAGE.as_millis() / PERIOD.as_millis()) as usize;
/// Messages before and after the outage.
const MARGIN: usize = 30;

scenarios!(MEASURING => three_seconds_without_a_broker);

/// CPU time is measured where a runtime has one thread.
const MEASURING: Scope = Scope::only(|cell| cell.runtime == Runtime::Tokio && cell.kind == Kind::Mosquitto);

/// The clients have one thread to themselves, so that its CPU time is theirs. What else the process does is not in it.
async fn three_seconds_without_a_broker(setup: Setup) {
    blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(outage(setup));
    })
    .await;
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("time is positive")
}

// R: REC-01, REC-04, REC-07, REC-09
async fn outage(setup: Setup) {
    let mut broker = setup.persistent_broker().await;
    let publisher =
        broker.builder("publisher").persistent().in_flight_limit(20).connect().await.expect("connected");
    let subscriber =
        broker.builder("subscriber").persistent().receive_maximum(20).connect().await.expect("connected");
    let (mut published, mut received) = (publisher.events(), subscriber.events());
    let mut stream = subscriber.subscribe("numbers").qos(QoS::AtLeastOnce).await.expect("granted");

    let mut deliveries = Vec::new();
    let mut copies = FirstCopies::default();
    publish(&publisher, &mut deliveries, MARGIN).await;
    receive(&mut stream, &mut copies, MARGIN).await;
    broker.stop(Memory::Kept).await;
    let before = cpu_time();
    publish(&publisher, &mut deliveries, TICKS).await;
    let spent = cpu_time().saturating_sub(before);
    broker.start().await;
    publish(&publisher, &mut deliveries, MARGIN).await;

    let count = deliveries.len();
    for delivery in deliveries {
        delivery.await.expect("acknowledged, sooner or later");
    }
    receive(&mut stream, &mut copies, count).await;
    assert_eq!(copies.numbers(), (0..count).collect::<Vec<_>>(), "each arrived, first copies in order");
    let attempts = [attempts(&mut published).await, attempts(&mut received).await];
    // Waking up every 10 ms costs time as well, and that is the test's own.
    let ticking = {
        let before = cpu_time();
        tick(TICKS / 3, |_| {}).await;
        cpu_time().saturating_sub(before) * 3
    };
    println!(
        "{:?}: {count} messages, {} repeated; attempts of the publisher and the subscriber: {attempts:?}; CPU time in \
         an outage of {OUTAGE:?}: {spent:?}, of which {ticking:?} for ticking alone",
        setup.version(),
        copies.repeated()
    );
    // Pauses of up to 500 ms: neither one long one nor a busy loop.
    assert!(attempts.iter().all(|attempts| (2..100).contains(attempts)), "{attempts:?}");
    // It is about 1 % or less (see what is printed). A busy loop would be near 100 %; between the two is room for slow and
    // busy machines and instrumented builds.
    let clients = spent.saturating_sub(ticking);
    assert!(clients < OUTAGE / 10, "{clients:?} of CPU time in {OUTAGE:?}");
}

/// Does something every 10 ms. Real time passes: that is what this is about.
async fn tick(count: usize, mut work: impl FnMut(usize)) {
    let mut interval = tokio::time::interval(PERIOD);
    for n in 0..count {
        interval.tick().await;
        work(n);
    }
}

async fn publish(client: &Client, deliveries: &mut Vec<Delivery>, count: usize) {
    tick(count, |_| {
        let publish = client.publish("numbers", deliveries.len().to_string()).qos(QoS::AtLeastOnce);
        deliveries.push(publish.send().expect("there is room"));
    })
    .await;
}

async fn receive(stream: &mut Subscription, copies: &mut FirstCopies, count: usize) {
    while copies.numbers().len() < count {
        copies.push(number(&next(stream).await));
    }
}

/// How many attempts it took until the connection was there again.
async fn attempts(events: &mut Events) -> usize {
    let mut attempts = 0;
    loop {
        match events.next().await.expect("the client lives") {
            Event::Connecting { .. } => attempts += 1,
            Event::Disconnected { cause, retry_in, .. } => assert!(retry_in.is_some(), "{cause}"),
            Event::Connected { .. } => return attempts,
            _ => {}
        }
    }
}
