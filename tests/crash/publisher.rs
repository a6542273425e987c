//! The publisher is killed: every message that it reported as stored arrives, in order, and those of QoS 2 once.

use std::collections::HashSet;
use std::time::Duration;

use sterna::{ProtocolVersion, QoS, Subscription};
use tokio::sync::mpsc;

use crate::support::folder::Folder;
use crate::support::mosquitto::Mosquitto;
use crate::victim::{Kind, Role, Victim, builder, qos_of, say};
use crate::{Plan, Random, Report, runtime};

/// Each process counts from its generation times this.
const RANGE: usize = 1_000_000;
/// A process lives up to so many milliseconds.
const LIFETIME: u64 = 150;
/// How long the end may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const TOPIC: &str = "numbers";
const END: &str = "end";

// R: STO-02, PUB-07
pub(crate) fn test(version: ProtocolVersion, plan: Plan) -> Report {
    let broker = Mosquitto::anonymous();
    let folder = Folder::new(&format!("publisher-{version:?}"));
    let runtime = runtime();
    let subscriber = runtime.block_on(async {
        let client = builder(&broker.url(), version).client_id("subscriber").persistent();
        let client = client.connect().await.expect("connected");
        client.subscribe(TOPIC).qos(QoS::ExactlyOnce).await.expect("granted")
    });
    let receiving = runtime.spawn(receive(subscriber));

    let mut random = Random(plan.seed);
    let mut role =
        Role { kind: Kind::Publish, version, generation: 0, url: broker.url(), store: folder.store() };
    let mut accepted = Vec::new();
    for generation in 0..plan.kills {
        role.generation = generation;
        let lines = Victim::start(&role).kill_after(Duration::from_micros(random.below(LIFETIME * 1_000)));
        accepted.extend(lines.iter().map(|line| line.parse::<usize>().expect("it is a number")));
    }
    role.kind = Kind::Finish;
    Victim::start(&role).wait(LIMIT);
    let delivered = runtime.block_on(async { tokio::time::timeout(LIMIT, receiving).await });
    let delivered = delivered.expect("the end comes").expect("no panic");
    judge(version, plan, &accepted, &delivered)
}

fn judge(version: ProtocolVersion, plan: Plan, accepted: &[usize], delivered: &[usize]) -> Report {
    let mut seen = HashSet::new();
    let mut repeated = [0; 2];
    let mut last = [None; 2];
    for &number in delivered {
        let qos = usize::from(qos_of(number) == QoS::ExactlyOnce);
        if seen.insert(number) {
            assert!(last[qos] < Some(number), "{number} comes first after {:?}", last[qos]);
            last[qos] = Some(number);
        } else {
            repeated[qos] += 1;
        }
    }
    let lost: Vec<_> = accepted.iter().filter(|number| !seen.contains(number)).collect();
    let report = format!(
        "{version:?}: {} kills of the publisher; accepted {}, delivered {} (first copies {}), duplicates: QoS 1 {}, \
         QoS 2 {}; lost {}",
        plan.kills,
        accepted.len(),
        delivered.len(),
        seen.len(),
        repeated[0],
        repeated[1],
        lost.len()
    );
    assert!(lost.is_empty() && repeated[1] == 0, "{report}: {lost:?}");
    assert!(accepted.len() > plan.kills, "most processes live long enough: {report}");
    report
}

/// What comes until the end has come with both QoS: it is published last with each.
async fn receive(mut subscription: Subscription) -> Vec<usize> {
    let mut numbers = Vec::new();
    let mut ends = HashSet::new();
    while ends.len() < 2 {
        let message = subscription.next().await.expect("the subscriber lives");
        match message.text().expect("it is text") {
            END => {
                ends.insert(message.qos() as u8);
            }
            number => numbers.push(number.parse().expect("it is a number")),
        }
    }
    numbers
}

/// The victim: publishes as fast as it can, and says each number once it is stored.
pub(crate) async fn publish(role: &Role) {
    let client = role.client();
    // Not awaited: it publishes before, while and after it connects.
    tokio::spawn(client.connect());
    let (deliveries, mut waiting) = mpsc::channel::<(usize, sterna::Delivery)>(64);
    tokio::spawn(async move {
        while let Some((number, mut delivery)) = waiting.recv().await {
            delivery.stored().await.expect("the disk is not full");
            say(&number.to_string());
        }
    });
    for number in role.generation * RANGE.. {
        let publish = client.publish(TOPIC, number.to_string()).qos(qos_of(number));
        let delivery = publish.enqueue().await.expect("accepted");
        deliveries.send((number, delivery)).await.expect("the other task lives");
    }
}

/// Waits for the acknowledgements of what the store has.
pub(crate) async fn finish(role: &Role) {
    let client = role.client();
    let pending = client.pending();
    client.connect().await.expect("connected");
    for message in pending {
        message.delivery.await.expect("acknowledged");
    }
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.publish(TOPIC, END).qos(qos).await.expect("acknowledged");
    }
    client.disconnect().await.expect("graceful");
}
