//! What happens in a run, and when, as the seed draws it: a list from which single events can be left out.

use sterna_client::{AckMode, QoS};

use super::authentication::AuthenticationEvent;
use super::choices::{Extras, Wishes};
use super::disk::DiskEvent;
use super::random::Random;
use super::servers::ClusterEvent;
use super::setup::{FILTERS, Setup, TOPICS};
use super::{authentication, disk, servers};

/// How the application publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// It awaits the receipt.
    Await,
    /// It waits for room, then keeps the delivery.
    Enqueue,
    /// It never waits.
    Send,
}

/// How long the application waits for a publish; times in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    Endless,
    /// It drops the future.
    DropAfter(u64),
    /// It cancels the message, where it can.
    CancelAfter(u64),
    /// It told the client.
    Deadline(u64),
    /// The message expires after so many seconds, where the version has that.
    Expiry(u32),
}

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Whenever there is something.
    Eager,
    /// One message each so many microseconds.
    Every(u64),
    /// Not at all, until the application is told otherwise.
    Stopped,
}

/// When messages of a stream are acknowledged by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acking {
    AtOnce,
    /// So many microseconds later.
    After(u64),
    /// Several at a time, the latest first.
    Backwards(usize),
    /// Every second one is refused, where the version has that.
    Refusing,
    /// Not before the end of the run.
    Never,
}

/// What becomes of the bytes when a client's process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The operating system sends what it has and closes.
    Closed,
    /// The operating system resets the connection.
    Reset,
    /// The machine is gone: nothing more is heard of it.
    Silent,
}

/// One of the two directions of a network connection, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
    Both,
}

/// What a broker does wrong at one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misdeed {
    CloseOnReceiving(usize),
    CloseOnSending(usize),
    DiscardReceived(usize),
    DiscardSent(usize),
    DelaySent(usize, u64),
    RefuseConnect,
    RefusePublish,
    RefuseSubscribe,
    CloseAfterReceived(u64),
    CloseAfterSent(u64),
}

/// One thing that happens; times in microseconds. `client` is an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Publish {
        client: usize,
        topic: &'static str,
        qos: QoS,
        retain: bool,
        size: usize,
        how: How,
        count: usize,
        patience: Patience,
        extras: Extras,
    },
    /// Publishes requests, whose answers it awaits so long.
    Request {
        client: usize,
        topic: &'static str,
        qos: QoS,
        count: usize,
        timeout: u64,
        drop_after: Option<u64>,
    },
    Subscribe {
        client: usize,
        filter: &'static str,
        qos: QoS,
        mode: AckMode,
        reading: Reading,
        acking: Acking,
        sent: bool,
        drop_after: Option<u64>,
        wishes: Wishes,
    },
    Unsubscribe {
        client: usize,
        filter: &'static str,
        drop_after: Option<u64>,
    },
    EndStream {
        client: usize,
        unsubscribe: bool,
    },
    TakeUnclaimed {
        client: usize,
    },
    Read {
        client: usize,
        reading: Reading,
    },
    Ack {
        client: usize,
        acking: Acking,
    },
    Reconnect {
        client: usize,
    },
    Disconnect {
        client: usize,
        at_once: bool,
        back_after: u64,
    },
    DropHandles {
        client: usize,
        back_after: u64,
    },
    /// `at_commit`: the steps are counted from the next commit of its store on.
    Crash {
        client: usize,
        after_steps: u64,
        at_commit: bool,
        death: Death,
        back_after: u64,
    },
    Freeze {
        client: usize,
        lasts: u64,
    },
    ClockJump {
        client: usize,
        by: u64,
    },
    Reset {
        client: usize,
    },
    HalfOpen {
        client: usize,
        direction: Direction,
    },
    Stall {
        client: usize,
        direction: Direction,
        lasts: u64,
    },
    Partition {
        client: usize,
        lasts: u64,
    },
    BrokerRestart {
        keeps: bool,
        down: u64,
    },
    BrokerDrops {
        client: usize,
    },
    BrokerDisconnects {
        client: usize,
    },
    BrokerStopsReading {
        client: usize,
        lasts: u64,
    },
    BrokerMisbehaves {
        client: usize,
        misdeed: Misdeed,
        after: u64,
        times: u64,
    },
    Cluster(ClusterEvent),
    Authentication(AuthenticationEvent),
    Disk(DiskEvent),
}

/// A run: what there is, and what happens when.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) setup: Setup,
    pub(super) events: Vec<(u64, Event)>,
}

/// The parts of a run that draw floods, and what nobody asks for.
const FLOOD: u64 = 0xF100D;
const UNASKED: u64 = 0xA5CED;
const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;

pub(super) fn qos(random: &mut Random) -> QoS {
    random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

impl Plan {
    /// The run of `seed`.
    pub(super) fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let setup = Setup::draw(&mut random, seed);
        let count = random.pick(&[10, 25, 50, 100]);
        let pace = random.pick(&[MILLISECOND, 50 * MILLISECOND, SECOND, 20 * SECOND]);
        // Which kinds of trouble this run knows: one alone shows more than all at once.
        let troubles = if random.percent(30) { u64::MAX } else { random.next() & random.next() };
        let mut at = 0;
        let mut events = Vec::with_capacity(count);
        while events.len() < count {
            at += random.span(1, pace);
            if random.percent(1) {
                at += random.span(SECOND, 3 * HOUR);
            }
            events.push((at, draw_event(&mut random, &setup, troubles)));
        }
        draw_extras(&mut Random::of(seed, 3_000), &setup, &mut events, at);
        let mut plan = Self { seed, setup, events };
        super::flood::add(&mut plan, &mut Random::of(seed, FLOOD));
        super::unasked::add(&mut plan, &mut Random::of(seed, UNASKED));
        plan
    }
}

/// What happens only in some runs, besides the rest: to several servers, to authentications and to disks.
fn draw_extras(random: &mut Random, setup: &Setup, events: &mut Vec<(u64, Event)>, end: u64) {
    let clients = setup.clients.len();
    let stored: Vec<usize> = (0..clients).filter(|client| setup.clients[*client].has_store).collect();
    let mut add = |count: u64, random: &mut Random, draw: &mut dyn FnMut(&mut Random) -> Event| {
        for _ in 0..count {
            events.push((random.below(end + 1), draw(random)));
        }
    };
    if setup.cluster.servers > 1 {
        let count = random.within(1, 12);
        let mut draw =
            |random: &mut Random| Event::Cluster(servers::draw_event(random, &setup.cluster, clients));
        add(count, random, &mut draw);
    }
    if setup.exchange.is_some() {
        let count = random.within(1, 12);
        let mut draw =
            |random: &mut Random| Event::Authentication(authentication::draw_event(random, clients));
        add(count, random, &mut draw);
    }
    if !stored.is_empty() && random.percent(20) {
        let count = random.within(1, 5);
        let mut draw = |random: &mut Random| Event::Disk(disk::draw_event(random, &stored));
        add(count, random, &mut draw);
    }
    events.sort_by_key(|(at, _)| *at);
}

fn draw_event(random: &mut Random, setup: &Setup, troubles: u64) -> Event {
    let client = random.below(setup.clients.len() as u64) as usize;
    if setup.crashes && random.percent(25) {
        return draw_crash(random, client, SECOND);
    }
    if random.percent(55) {
        let mut event = draw_publish(random, client);
        if let (Event::Publish { qos, topic, count, .. }, true) =
            (&mut event, setup.crashes && random.percent(70))
        {
            (*qos, *topic, *count) = (QoS::ExactlyOnce, "t/0", *count + 2);
        }
        return event;
    }
    loop {
        let kind = random.below(70);
        // Each trouble has one bit, which is on or off for the whole run.
        if kind < 40 && troubles & (1 << kind) == 0 {
            if random.percent(10) {
                return draw_publish(random, client);
            }
            continue;
        }
        // Where nothing is let go of, every message is accounted for to the last.
        if setup.crashes && matches!(kind, 32 | 33 | 40..52 | 64..) {
            continue;
        }
        return match kind {
            0..20 => draw_network_trouble(random, client, kind),
            20..40 => draw_broker_or_process_trouble(random, client, kind),
            _ => draw_use(random, client, kind),
        };
    }
}

fn draw_publish(random: &mut Random, client: usize) -> Event {
    let is_flood = random.percent(4);
    Event::Publish {
        client,
        topic: random.pick(&TOPICS),
        qos: qos(random),
        retain: random.percent(5),
        size: if random.percent(90) { random.below(60) as usize } else { random.pick(&[200, 1_500, 5_000]) },
        how: random.pick(&[How::Await, How::Enqueue, How::Send]),
        count: if is_flood { random.within(10, 60) as usize } else { random.pick(&[1, 1, 1, 2, 5]) },
        patience: draw_patience(random),
        extras: Extras::draw(random),
    }
}

fn draw_patience(random: &mut Random) -> Patience {
    match random.below(30) {
        0..=2 => Patience::DropAfter(random.span(1, SECOND)),
        3 => Patience::CancelAfter(random.span(1, 10 * SECOND)),
        4 => Patience::Deadline(random.span(1, 30 * SECOND)),
        5 => Patience::Expiry(random.span(1, 60) as u32),
        _ => Patience::Endless,
    }
}

fn draw_network_trouble(random: &mut Random, client: usize, kind: u64) -> Event {
    let direction = random.pick(&[Direction::Up, Direction::Down, Direction::Both]);
    match kind {
        0..6 => Event::Reset { client },
        6..9 => Event::HalfOpen { client, direction },
        9..13 => Event::Stall { client, direction, lasts: random.span(MILLISECOND, 100 * SECOND) },
        13..15 => Event::Partition { client, lasts: random.span(MILLISECOND, 100 * SECOND) },
        15..17 => Event::Freeze { client, lasts: random.span(MILLISECOND, HOUR) },
        _ => Event::ClockJump { client, by: random.span(MILLISECOND, HOUR) },
    }
}

fn draw_broker_or_process_trouble(random: &mut Random, client: usize, kind: u64) -> Event {
    let back_after = random.span(1, 30 * SECOND);
    match kind {
        20..25 => draw_crash(random, client, 30 * SECOND),
        25 => Event::BrokerRestart { keeps: true, down: random.span(1, 30 * SECOND) },
        26 => Event::BrokerRestart { keeps: false, down: random.span(1, 30 * SECOND) },
        27 | 28 => Event::BrokerDrops { client },
        29 => Event::BrokerDisconnects { client },
        30 => Event::BrokerStopsReading { client, lasts: random.span(MILLISECOND, 100 * SECOND) },
        31 => Event::Reconnect { client },
        32 => Event::Disconnect { client, at_once: random.percent(50), back_after },
        33 => Event::DropHandles { client, back_after },
        _ => Event::BrokerMisbehaves {
            client,
            misdeed: draw_misdeed(random),
            after: random.span(1, 16) - 1,
            times: random.pick(&[1, 1, 2, 5]),
        },
    }
}

fn draw_crash(random: &mut Random, client: usize, longest: u64) -> Event {
    Event::Crash {
        client,
        after_steps: random.span(1, 64),
        at_commit: random.percent(50),
        death: random.pick(&[Death::Closed, Death::Closed, Death::Reset, Death::Silent]),
        back_after: random.span(1, longest),
    }
}

fn draw_misdeed(random: &mut Random) -> Misdeed {
    let packet = random.below(4) as usize;
    match random.below(12) {
        0 => Misdeed::CloseOnReceiving(packet),
        1 => Misdeed::CloseOnSending(packet),
        2 => Misdeed::DiscardReceived(packet),
        3 => Misdeed::DiscardSent(packet),
        4 => Misdeed::DelaySent(packet, random.span(MILLISECOND, 60 * SECOND)),
        5 | 6 => Misdeed::RefuseConnect,
        7 | 8 => Misdeed::RefusePublish,
        9 => Misdeed::RefuseSubscribe,
        10 => Misdeed::CloseAfterReceived(random.span(1, 2_000)),
        _ => Misdeed::CloseAfterSent(random.span(1, 2_000)),
    }
}

fn draw_use(random: &mut Random, client: usize, kind: u64) -> Event {
    let reading = match random.below(5) {
        0 => Reading::Stopped,
        1 => Reading::Every(random.span(100, 5 * SECOND)),
        _ => Reading::Eager,
    };
    let acking = match random.below(7) {
        0 => Acking::After(random.span(1, 30 * SECOND)),
        1 => Acking::Backwards(random.within(2, 5) as usize),
        2 => Acking::Refusing,
        3 => Acking::Never,
        _ => Acking::AtOnce,
    };
    let drop_after = random.percent(20).then(|| random.span(1, SECOND));
    match kind {
        40..47 => Event::Subscribe {
            client,
            filter: random.pick(&FILTERS),
            qos: qos(random),
            mode: random.pick(&[AckMode::OnNext, AckMode::Manual, AckMode::OnReceipt]),
            reading,
            acking,
            sent: random.percent(50),
            drop_after,
            wishes: Wishes::draw(random),
        },
        47 | 48 => Event::Unsubscribe { client, filter: random.pick(&FILTERS), drop_after },
        49 | 50 => Event::EndStream { client, unsubscribe: random.percent(50) },
        51 => Event::TakeUnclaimed { client },
        52..58 => Event::Read { client, reading },
        64.. => Event::Request {
            client,
            topic: random.pick(&TOPICS),
            qos: qos(random),
            count: random.pick(&[1, 1, 2, 5]),
            timeout: if random.percent(50) { 60 * SECOND } else { random.span(MILLISECOND, 60 * SECOND) },
            drop_after,
        },
        _ => Event::Ack { client, acking },
    }
}

impl Plan {
    /// What there is and what happens, a line each.
    pub(super) fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("seed {}", self.seed), format!("{:?}", self.setup.network)];
        lines.push(format!("{:?}", self.setup.broker));
        lines.extend(self.setup.clients.iter().map(|client| format!("{client:?}")));
        let event = |(at, event): &(u64, Event)| format!("{:>14.6} {event:?}", *at as f64 / 1e6);
        lines.extend(self.events.iter().map(event));
        lines
    }
}
