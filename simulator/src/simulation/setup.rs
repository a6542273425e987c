//! What one run is made of: the network, the broker and its clients, as the seed draws them.

use std::time::Duration;

use sterna_client::{
    AckMode, CleanStart, ProtocolVersion, QoS, QueuePolicy, TopicAliases, Unclaimed, VersionPolicy,
};

use super::authentication::Exchange;
use super::choices::{Choices, Wishes};
use super::random::Random;
use super::servers::Cluster;
use crate::broker::Options;

/// Filters that clients subscribe to, and how many topics each matches.
pub(super) const FILTERS: [&str; 7] =
    ["t/#", "t/+", "t/0", "t/1", "+/1", "u/a-topic-with-a-long-name/#", "$share/g/t/#"];
/// Topics that clients publish to.
pub(super) const TOPICS: [&str; 5] =
    ["t/0", "t/1", "t/2", "u/a-topic-with-a-long-name/0", "u/a-topic-with-a-long-name/1"];

/// How the network behaves when nothing in particular goes wrong; times in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Network {
    pub(super) delay: u64,
    pub(super) jitter: u64,
    /// Bytes under way in one direction, beyond which a sender waits.
    pub(super) window: usize,
    /// In so many of 100 cases a write or read moves only a part of what it could.
    pub(super) splits: u64,
    /// In so many of 100 cases an attempt to connect fails, or is not answered.
    pub(super) refusals: u64,
    pub(super) silences: u64,
}

/// How the client finds the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    Number,
    /// A name, with this many addresses that do not answer before the one that does.
    Name(u8),
}

/// One client's options.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Independent options.
pub(super) struct ClientSetup {
    pub(super) id: String,
    pub(super) address: Address,
    pub(super) version: VersionPolicy,
    pub(super) clean_start: CleanStart,
    pub(super) session_expiry: u32,
    pub(super) keep_alive: u16,
    pub(super) receive_maximum: u16,
    pub(super) in_flight_limit: u16,
    pub(super) exactly_once_limit: u16,
    pub(super) queue_limit: usize,
    pub(super) queue_bytes: usize,
    pub(super) queue_qos0: bool,
    pub(super) send_buffer: usize,
    pub(super) incoming_limit: usize,
    pub(super) incoming_bytes: usize,
    pub(super) incoming_reserve: usize,
    pub(super) topic_alias_maximum: u16,
    pub(super) topic_alias: TopicAliases,
    pub(super) queue_policy: QueuePolicy,
    pub(super) connect_timeout: u64,
    pub(super) ping_timeout: u64,
    pub(super) ack_timeout: u64,
    pub(super) write_timeout: u64,
    pub(super) drain_timeout: u64,
    pub(super) reconnect_minimum: u64,
    pub(super) reconnect_initial: u64,
    pub(super) reconnect_maximum: u64,
    pub(super) ack: AckMode,
    pub(super) unclaimed: Unclaimed,
    pub(super) packet_events: bool,
    pub(super) will: bool,
    /// Its session outlives the process.
    pub(super) has_store: bool,
    pub(super) choices: Choices,
    /// What each life of it subscribes to at once.
    pub(super) subscriptions: Vec<(&'static str, QoS)>,
}

/// Everything that does not happen at a certain time.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) network: Network,
    pub(super) broker: Options,
    pub(super) clients: Vec<ClientSetup>,
    pub(super) cluster: Cluster,
    /// What every client has to say before it is let in, and what it is told.
    pub(super) exchange: Option<Exchange>,
    /// Processes with stores die again and again.
    pub(super) crashes: bool,
    #[cfg(feature = "planted-bugs")]
    pub(super) bug: Option<sterna_core::Bug>,
    /// What clients are recorded on.
    #[cfg(feature = "record")]
    pub(super) tapes: Option<super::tapes::Tapes>,
}

const SECOND: u64 = 1_000_000;

pub(super) fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

impl Setup {
    pub(super) fn draw(random: &mut Random, seed: u64) -> Self {
        let old_broker = random.percent(8);
        let count = random.pick(&[1, 2, 2, 2, 3, 3, 4]);
        let mut clients: Vec<_> =
            (0..count).map(|index| ClientSetup::draw(random, index, old_broker)).collect();
        // A server can tell only 5.0 what it does not take, and every other client would try for ever.
        let is_v5 = |client: &ClientSetup| client.version == VersionPolicy::Only(ProtocolVersion::V5);
        let has_limits = clients.iter().all(is_v5) && random.percent(15);
        let mut broker = draw_broker(random, old_broker, has_limits);
        let crashes = random.percent(20);
        if crashes {
            // A packet identifier is free and given out again within one crash.
            broker.maximum_in_flight = random.pick(&[1, 1, 2, 10]);
            broker.lowest_packet_identifiers = random.percent(80);
        }
        for client in clients.iter_mut().filter(|_| crashes) {
            client.has_store = true;
            client.clean_start = CleanStart::Never;
            // As for every client that may be told of a session which it does not know.
            client.choices.strict_session = false;
            client.session_expiry = u32::MAX;
            client.ack = AckMode::OnNext;
            client.subscriptions = vec![("t/#", QoS::ExactlyOnce)];
            client.choices.wishes = Wishes::default();
        }
        for client in clients.iter_mut().filter(|_| has_limits) {
            // A will that the server does not take ends every attempt.
            client.will = false;
        }
        // They do not change what else a seed draws.
        let extras = &mut Random::of(seed, 2_000);
        let cluster = Cluster::draw(extras);
        let authenticates = !old_broker && extras.percent(15);
        let exchange = authenticates.then(|| Exchange::draw(extras));
        for client in clients.iter_mut().filter(|_| authenticates) {
            client.version = VersionPolicy::Only(ProtocolVersion::V5);
            client.choices.bridge = false;
        }
        broker.authentication = exchange.as_ref().map(Exchange::model);
        Self {
            network: Network::draw(random),
            broker,
            clients,
            cluster,
            exchange,
            crashes,
            #[cfg(feature = "planted-bugs")]
            bug: None,
            #[cfg(feature = "record")]
            tapes: None,
        }
    }
}

impl Network {
    /// Quick and wide enough for every time-out that a client may have.
    pub(super) fn healed(&self) -> Self {
        let (delay, jitter) = (self.delay.min(5_000), self.jitter.min(5_000));
        Self { delay, jitter, window: 65_536, splits: 0, refusals: 0, silences: 0 }
    }

    fn draw(random: &mut Random) -> Self {
        let is_calm = random.percent(25);
        Self {
            delay: random.pick(&[0, 1, 200, 5_000, 40_000, 300_000]),
            jitter: random.pick(&[0, 1, 100, 3_000, 50_000]),
            window: random.pick(&[64, 300, 2_000, 16_000, 65_536]),
            splits: if is_calm { 0 } else { random.pick(&[5, 30, 90]) },
            refusals: if is_calm { 0 } else { random.pick(&[0, 5, 30]) },
            silences: if is_calm { 0 } else { random.pick(&[0, 0, 5, 20]) },
        }
    }
}

fn draw_policy(random: &mut Random) -> QueuePolicy {
    match random.below(12) {
        0 => QueuePolicy::Reject,
        1 => QueuePolicy::DropOldest,
        2 => QueuePolicy::DropNewest,
        3 => QueuePolicy::LatestPerTopic,
        _ => QueuePolicy::Wait,
    }
}

fn draw_broker(random: &mut Random, old: bool, has_limits: bool) -> Options {
    let mut options = Options {
        receive_maximum: random.pick(&[1, 2, 3, 10, 1_000, u16::MAX]),
        topic_alias_maximum: random.pick(&[0, 1, 2, 16]),
        outgoing_topic_aliases: random.pick(&[0, 1, 2, 16]),
        maximum_session_expiry: random.pick(&[u32::MAX, u32::MAX, 3_600, 60]),
        overlapping_copies: random.percent(15),
        lowest_packet_identifiers: random.percent(50),
        retained_before_suback: random.percent(30),
        maximum_in_flight: random.pick(&[1, 2, 10, 1_000]),
        maximum_unsent: random.pick(&[100, 2_000, 65_536]),
        maximum_records: 0,
        ..Options::default()
    };
    if old {
        options.maximum_version = ProtocolVersion::V3_1_1;
    }
    if random.percent(20) {
        options.response_information = Some("info".into());
    }
    if random.percent(10) {
        options.server_keep_alive = Some(random.pick(&[1, 5, 30]));
    }
    if has_limits {
        match random.below(4) {
            0 => options.maximum_qos = random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce]),
            1 => options.retain_available = false,
            2 => options.maximum_packet_size = random.pick(&[100, 400]),
            _ => options.wildcard_subscription_available = false,
        }
    }
    options
}

impl ClientSetup {
    /// Whether it speaks 5.0 and nothing else.
    pub(super) fn is_v5(&self) -> bool {
        self.version == VersionPolicy::Only(ProtocolVersion::V5)
    }

    fn draw(random: &mut Random, index: usize, old_broker: bool) -> Self {
        let version = match random.below(if old_broker { 4 } else { 10 }) {
            0 => VersionPolicy::Automatic { on_close: true },
            1 => VersionPolicy::Only(ProtocolVersion::V3_1),
            2 | 3 => VersionPolicy::Only(ProtocolVersion::V3_1_1),
            _ => VersionPolicy::Only(ProtocolVersion::V5),
        };
        let mut setup = Self::draw_limits(random);
        setup.id = format!("c{index}");
        setup.version = version;
        setup.address =
            if random.percent(80) { Address::Number } else { Address::Name(random.below(3) as u8) };
        setup.clean_start = random.pick(&[
            CleanStart::Never,
            CleanStart::Never,
            CleanStart::FirstConnection,
            CleanStart::Always,
        ]);
        setup.session_expiry = random.pick(&[u32::MAX, u32::MAX, 3_600, 100, 3, 0]);
        if setup.has_store {
            setup.clean_start = CleanStart::Never;
        }
        setup.ack = random.pick(&[AckMode::OnNext, AckMode::OnNext, AckMode::Manual, AckMode::OnReceipt]);
        setup.unclaimed = random.pick(&[Unclaimed::Hold, Unclaimed::Drop]);
        setup.choices = Choices::draw(random, version, setup.clean_start);
        let wanted = random.pick(&[0, 1, 1, 1, 2, 3]);
        for _ in 0..wanted {
            let subscription = (random.pick(&FILTERS), super::plan::qos(random));
            if setup.subscriptions.iter().all(|(filter, _)| *filter != subscription.0) {
                setup.subscriptions.push(subscription);
            }
        }
        setup
    }

    fn draw_limits(random: &mut Random) -> Self {
        let incoming_bytes = random.pick(&[200, 3_000, 1 << 20]);
        Self {
            id: String::new(),
            address: Address::Number,
            version: VersionPolicy::Only(ProtocolVersion::V5),
            clean_start: CleanStart::Never,
            session_expiry: u32::MAX,
            keep_alive: random.pick(&[0, 1, 5, 20, 60, 600]),
            receive_maximum: random.pick(&[1, 2, 5, 1_000, u16::MAX]),
            in_flight_limit: random.pick(&[1, 2, 3, 5, 100, 1_024]),
            exactly_once_limit: random.pick(&[1, 2, 20]),
            queue_limit: random.pick(&[1, 3, 10, 50, 65_536]),
            queue_bytes: random.pick(&[500, 5_000, 64 << 20]),
            queue_qos0: random.percent(80),
            send_buffer: random.pick(&[1, 60, 500, 256 << 10]),
            incoming_limit: random.pick(&[1, 2, 5, 50, 4_096]),
            incoming_bytes,
            incoming_reserve: incoming_bytes + random.pick(&[0, 500, 10_000, 16 << 20]),
            topic_alias_maximum: random.pick(&[0, 1, 2, 16]),
            topic_alias: random.pick(&[TopicAliases::Manual, TopicAliases::Use, TopicAliases::Assign]),
            queue_policy: draw_policy(random),
            connect_timeout: random.pick(&[1, 5, 30]) * SECOND,
            ping_timeout: random.pick(&[1, 3, 10]) * SECOND,
            ack_timeout: random.pick(&[0, 2, 10, 60]) * SECOND,
            write_timeout: random.pick(&[0, 2, 10, 30]) * SECOND,
            drain_timeout: random.pick(&[1, 10]) * SECOND,
            reconnect_minimum: random.pick(&[1, 100_000, SECOND]),
            reconnect_initial: random.pick(&[1_000, SECOND, 5 * SECOND]),
            reconnect_maximum: random.pick(&[SECOND, 10 * SECOND, 60 * SECOND]),
            ack: AckMode::OnNext,
            unclaimed: Unclaimed::Hold,
            packet_events: random.percent(10),
            will: random.percent(10),
            has_store: random.percent(50),
            choices: Choices::draw(random, VersionPolicy::Only(ProtocolVersion::V5), CleanStart::Never),
            subscriptions: Vec::new(),
        }
    }
}
