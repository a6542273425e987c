//! QoS 0 that an application hands over without asking for its outcome, or before it does.

use sterna_client::{QoS, QueuePolicy, TopicAliases};

use super::choices::Extras;
use super::plan::{Event, How, Patience, Plan};
use super::random::Random;
use super::setup::{ClientSetup, TOPICS};

/// When the application asks for the outcome of a message that the client has accepted; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Asking {
    #[default]
    AtOnce,
    /// So much later.
    After(u64),
    /// It cancels it then, without having asked before.
    CancelAfter(u64),
    /// It lets go of it.
    Never,
}

const SECOND: u64 = 1_000_000;

/// Half of what is published at QoS 0 is like that. Some runs have bursts of it, which wait for the transport when their
/// connection is lost.
pub(super) fn add(plan: &mut Plan, random: &mut Random) {
    change(plan, random);
    if random.percent(15) {
        burst(plan, random);
    }
}

fn change(plan: &mut Plan, random: &mut Random) {
    for (_, event) in &mut plan.events {
        let Event::Publish { qos: QoS::AtMostOnce, size, how, count, patience, extras, .. } = event else {
            continue;
        };
        if random.percent(50) {
            continue;
        }
        *how = random.pick(&[How::Send, How::Send, How::Send, How::Enqueue]);
        *patience = Patience::Endless;
        *extras = Extras { asking: draw(random), typed: extras.typed, ..Extras::default() };
        if random.percent(10) {
            *count = random.within(10, 60) as usize;
            *size = random.pick(&[1, 10, 50, 200]);
        }
    }
}

fn burst(plan: &mut Plan, random: &mut Random) {
    let client = random.below(plan.setup.clients.len() as u64) as usize;
    widen(&mut plan.setup.clients[client], random);
    plan.setup.network.window = random.pick(&[300, 2_000, 2_000]);
    plan.setup.network.delay = random.pick(&[40_000, 300_000]);
    let last = plan.events.last().map_or(SECOND, |(at, _)| *at);
    let mut at = random.below(last + 1);
    for _ in 0..random.within(1, 3) {
        let first = publish(random, client);
        plan.events.push((at, first));
        at += random.span(1_000, 8 * SECOND);
        if random.percent(30) {
            let second = publish(random, client);
            plan.events.push((at, second));
            at += random.span(1_000, 8 * SECOND);
        }
        let loss = match random.below(4) {
            0 => Event::BrokerDrops { client },
            1 => Event::Reconnect { client },
            _ => Event::Reset { client },
        };
        plan.events.push((at, loss));
        at += random.span(1_000, 20 * SECOND);
    }
    plan.events.sort_by_key(|(at, _)| *at);
}

/// Nothing keeps messages from being encoded while they wait, and they do not wait for long unencoded.
fn widen(setup: &mut ClientSetup, random: &mut Random) {
    setup.queue_policy = QueuePolicy::Wait;
    setup.queue_limit = 65_536;
    setup.queue_bytes = 64 << 20;
    setup.send_buffer = random.pick(&[1, 500, 500, 5_000, 5_000, 256 << 10]);
    setup.topic_alias = TopicAliases::Manual;
    setup.packet_events = false;
}

fn publish(random: &mut Random, client: usize) -> Event {
    let after = random.within(SECOND, 60 * SECOND);
    let asking =
        random.pick(&[Asking::Never, Asking::Never, Asking::After(after), Asking::CancelAfter(after)]);
    Event::Publish {
        client,
        topic: random.pick(&TOPICS),
        qos: QoS::AtMostOnce,
        retain: false,
        size: random.pick(&[50, 200, 800]),
        how: How::Send,
        count: random.within(30, 80) as usize,
        patience: Patience::Endless,
        extras: Extras { asking, ..Extras::default() },
    }
}

fn draw(random: &mut Random) -> Asking {
    let after = random.span(1, 20 * SECOND);
    match random.below(10) {
        0 => Asking::AtOnce,
        1..6 => Asking::After(after),
        6 | 7 => Asking::CancelAfter(after),
        _ => Asking::Never,
    }
}
