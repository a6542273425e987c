//! More messages than a client may have unread, and operations that wait behind them.

use sterna_client::{AckMode, QoS};

use super::choices::{Extras, Wishes};
use super::plan::{Acking, Event, How, Patience, Plan, Reading};
use super::random::Random;
use super::setup::{ClientSetup, FILTERS, TOPICS};

const SECOND: u64 = 1_000_000;

/// Some runs have one: a client with little room, whose streams nobody reads for a while, or only slowly.
pub(super) fn add(plan: &mut Plan, random: &mut Random) {
    // Where nothing is let go of, nothing may stall either.
    if !random.percent(12) || plan.setup.crashes {
        return;
    }
    let count = plan.setup.clients.len() as u64;
    let (client, publisher) = (random.below(count) as usize, random.below(count) as usize);
    narrow(&mut plan.setup.clients[client], random);
    plan.setup.broker.maximum_in_flight = random.pick(&[10, 1_000]);
    plan.setup.broker.receive_maximum = random.pick(&[10, 1_000]);
    plan.setup.broker.retained_before_suback = random.percent(60);
    let last = plan.events.last().map_or(SECOND, |(at, _)| *at);
    let begin = random.below(last + 1);
    let mut at = begin;
    let mut events = vec![(at, Event::Read { client, reading: Reading::Stopped })];
    let later = |at: &mut u64, random: &mut Random| {
        *at += random.span(1, SECOND);
        *at
    };
    if random.percent(60) {
        let unread = subscribe(random, client, true);
        events.push((later(&mut at, random), unread));
    }
    for _ in 0..random.within(1, 5) {
        events.push((later(&mut at, random), flood(random, publisher)));
    }
    for _ in 0..random.within(1, 4) {
        let event = match random.below(8) {
            0 => Event::Unsubscribe { client, filter: random_filter(random), drop_after: None },
            1 => publish(random, client, 1, 10),
            2 => flood(random, publisher),
            3 => subscribe(random, client, true),
            _ => subscribe(random, client, false),
        };
        events.push((later(&mut at, random), event));
    }
    if random.percent(50) {
        let reading = random.pick(&[Reading::Eager, Reading::Every(SECOND)]);
        events.push((at + random.span(SECOND, 1_000 * SECOND), Event::Read { client, reading }));
    }
    plan.events.append(&mut events);
    plan.events.sort_by_key(|(at, _)| *at);
}

/// Little room for unread messages, and none of the bounds that would keep the server from filling it.
fn narrow(setup: &mut ClientSetup, random: &mut Random) {
    setup.incoming_limit = random.pick(&[1, 2, 5]);
    setup.incoming_bytes = 1 << 20;
    setup.incoming_reserve = random.pick(&[0, 300, 1_000, 10_000]);
    setup.receive_maximum = random.pick(&[20, 1_000]);
    setup.ack_timeout = random.pick(&[0, 0, 2 * SECOND, 60 * SECOND]);
    if random.percent(50) {
        setup.write_timeout = 0;
    }
    if random.percent(50) {
        setup.queue_limit = random.pick(&[1, 3]);
    }
}

fn random_filter(random: &mut Random) -> &'static str {
    if random.percent(60) { random.pick(&["t/#", "t/0", "t/+"]) } else { random.pick(&FILTERS) }
}

fn random_qos(random: &mut Random) -> QoS {
    random.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn subscribe(random: &mut Random, client: usize, sent: bool) -> Event {
    Event::Subscribe {
        client,
        filter: random_filter(random),
        qos: random_qos(random),
        mode: random.pick(&[AckMode::OnNext, AckMode::Manual]),
        reading: random.pick(&[Reading::Stopped, Reading::Stopped, Reading::Every(SECOND), Reading::Eager]),
        acking: random.pick(&[Acking::AtOnce, Acking::After(10 * SECOND), Acking::Never]),
        sent,
        drop_after: None,
        wishes: Wishes::default(),
    }
}

fn flood(random: &mut Random, publisher: usize) -> Event {
    let count = random.within(10, 60) as usize;
    let size = random.pick(&[10, 100, 1_000]);
    publish(random, publisher, count, size)
}

fn publish(random: &mut Random, client: usize, count: usize, size: usize) -> Event {
    Event::Publish {
        client,
        topic: if random.percent(70) { "t/0" } else { random.pick(&TOPICS) },
        qos: random_qos(random),
        retain: random.percent(20),
        size,
        how: random.pick(&[How::Await, How::Enqueue, How::Send]),
        count,
        patience: Patience::Endless,
        extras: Extras::default(),
    }
}
