//! All parts of one run, and time.

use std::collections::BTreeMap;

use sterna_client::{Commit, Config, DialId, Engine, ProtocolVersion, QoS, State, VersionPolicy};

use super::application::{Application, Surroundings};
use super::authentication::Actor;
use super::disk::Disk;
use super::findings::{Findings, Violation};
use super::network::Link;
use super::plan::{Death, Event, Misdeed, Plan};
use super::promises::{Excuses, Promises};
use super::random::Random;
use super::report::{Fault, Report};
use super::route::Route;
use super::servers::Troubles;
use super::setup::{ClientSetup, Setup};
use super::stream::Flag;
use super::trace::Trace;
use super::wire::{Bench, Wire};
use crate::broker::{Broker, Instant};

/// What a client's process has under way in the network.
#[derive(Debug)]
pub(super) enum Io {
    None,
    /// The answer comes then; whether it is good.
    Resolving {
        at: u64,
        succeeds: bool,
    },
    Dialling(Vec<Dial>),
    Up,
}

/// One of the dials under way. As for resolving; `None`: nobody answers.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) id: DialId,
    pub(super) at: u64,
    pub(super) succeeds: Option<bool>,
}

impl Dial {
    /// When it ends.
    pub(super) fn ends(&self) -> Option<u64> {
        self.succeeds.map(|_| self.at)
    }
}

/// A process that is to end in the middle of its work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doom {
    pub(super) steps: u64,
    /// They are not counted yet: a commit must begin first.
    pub(super) waits: bool,
    pub(super) death: Death,
    pub(super) back_after: u64,
}

/// One client: its process, while there is one.
#[allow(clippy::struct_excessive_bools)] // Independent facts.
pub(super) struct Process {
    pub(super) engine: Option<Engine>,
    pub(super) application: Option<Application>,
    /// Raised when the driver is to look.
    pub(super) flag: std::sync::Arc<Flag>,
    pub(super) io: Io,
    pub(super) link: Option<u64>,
    /// What the engine wants of the socket.
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// Our half is closed: what comes is thrown away.
    pub(super) is_lingering: bool,
    pub(super) life: u64,
    pub(super) is_frozen_until: u64,
    pub(super) clock_offset: u64,
    pub(super) doom: Option<Doom>,
    pub(super) back_at: Option<u64>,
    /// Dials fail until then.
    pub(super) is_cut_off_until: u64,
    /// Bytes wait to be written since then.
    pub(super) blocked_since: Option<u64>,
    /// Nothing was read since then, for want of room, with so many packets read before.
    pub(super) held_since: Option<(u64, u64)>,
    /// The application ended the client, and wants it back then.
    pub(super) reconnect_at: Option<u64>,
    pub(super) close_pause: Option<u64>,
    /// All handles are gone; the process is gone then at the latest.
    pub(super) ends_at: Option<u64>,
    pub(super) random: Random,
    pub(super) disk: Disk,
    /// A commit under way, and when it is done.
    pub(super) commit: Option<(u64, Commit)>,
    /// An answer may be missing that nothing but a new connection brings.
    pub(super) needs_reconnect: bool,
    /// The server that was dialled last.
    pub(super) server: u8,
    /// This process's store failed then.
    pub(super) store_failed_at: Option<u64>,
}

/// See the module.
pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) now: u64,
    pub(super) broker: Broker,
    pub(super) links: BTreeMap<u64, Link>,
    pub(super) processes: Vec<Process>,
    pub(super) wires: Vec<Wire>,
    pub(super) routes: Vec<Route>,
    pub(super) actors: Vec<Option<Actor>>,
    pub(super) troubles: Troubles,
    pub(super) promises: Promises,
    pub(super) findings: Findings,
    pub(super) trace: Trace,
    pub(super) report: Report,
    pub(super) seed: u64,
    pub(super) next_link: u64,
    pub(super) broker_down_until: u64,
    /// When the broker reads a connection again.
    pub(super) deaf: BTreeMap<u64, u64>,
    pub(super) may_refuse: bool,
    pub(super) is_settling: bool,
    /// Clients are ended for good.
    pub(super) is_ending: bool,
}

/// More rounds than this without time passing are a livelock.
const ROUNDS: u32 = 20_000;

impl World {
    pub(super) fn new(plan: &Plan, verbose: bool) -> Self {
        let setup = plan.setup.clone();
        let mut broker = Broker::new(setup.broker.clone());
        broker.keep_ledger();
        let misdeeds = || {
            plan.events.iter().filter_map(|(_, event)| match event {
                Event::BrokerMisbehaves { misdeed, .. } => Some(*misdeed),
                _ => None,
            })
        };
        let options = &setup.broker;
        let limits = options.maximum_qos != QoS::ExactlyOnce
            || !options.retain_available
            || options.maximum_packet_size < 10_000
            || !options.wildcard_subscription_available;
        let excuses =
            Excuses { limits, refusals: misdeeds().any(|misdeed| misdeed == Misdeed::RefusePublish) };
        let may_refuse = limits || misdeeds().any(|misdeed| misdeed == Misdeed::RefuseSubscribe);
        let count = setup.clients.len();
        let falls_back = |client: &ClientSetup| matches!(client.version, VersionPolicy::Automatic { .. });
        let route = |client: &ClientSetup| {
            Route::new(&setup.cluster, falls_back(client), client.choices.stable_after)
        };
        let routes = setup.clients.iter().map(route).collect();
        let mut world = Self {
            now: 0,
            broker,
            links: BTreeMap::new(),
            processes: (0..count).map(|client| Process::new(plan.seed, client)).collect(),
            wires: setup.clients.iter().enumerate().map(|(client, setup)| Wire::new(client, setup)).collect(),
            routes,
            actors: (0..count).map(|_| setup.exchange.clone().map(Actor::new)).collect(),
            troubles: vec![None; usize::from(setup.cluster.servers)],
            promises: Promises::new(&setup.clients, excuses),
            findings: Findings::default(),
            trace: Trace::new(verbose),
            report: Report::default(),
            seed: plan.seed,
            next_link: 0,
            broker_down_until: 0,
            deaf: BTreeMap::new(),
            may_refuse,
            is_settling: false,
            is_ending: false,
            setup,
        };
        for client in 0..count {
            if world.setup.exchange.is_some() {
                world.wires[client].authenticates();
            }
            world.begin_life(client);
        }
        world
    }

    /// Runs the plan, ends all trouble and lets everything come to rest.
    pub(super) fn run(mut self, plan: &Plan) -> (Result<Report, Violation>, Trace) {
        for (at, event) in &plan.events {
            self.pass_until(*at);
            if self.findings.first.is_some() {
                break;
            }
            self.apply(event);
        }
        self.settle();
        let mut report = self.report;
        report.simulated = self.now;
        report.offered = self.promises.offered();
        report.delivered = self.promises.delivered;
        report.redelivered = self.promises.redelivered;
        report.requests = self.promises.requests;
        report.dropped = self.promises.dropped;
        report.lost = self.promises.lost;
        report.unasked = self.promises.unasked;
        report.steps = self.trace.steps;
        report.hash = self.trace.hash();
        let result = self.findings.first.map_or(Ok(report), Err);
        (result, self.trace)
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.report.faults[fault as usize] += 1;
    }

    /// Lets everything happen that is due before `end`, and makes it `end`.
    pub(super) fn pass_until(&mut self, end: u64) {
        loop {
            self.work();
            if self.findings.first.is_some() {
                return;
            }
            match self.next() {
                Some(at) if at < end => self.set_now(at),
                _ => break,
            }
        }
        self.set_now(end.max(self.now));
    }

    pub(super) fn set_now(&mut self, now: u64) {
        self.now = now;
        self.findings.now = now;
    }

    /// Lets time pass to the next thing that happens by itself; false if there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(at) = self.next() else { return false };
        self.set_now(at);
        true
    }

    /// Does all that can be done without time passing.
    pub(super) fn work(&mut self) {
        for round in 0.. {
            if self.findings.first.is_some() {
                return;
            }
            if round > ROUNDS {
                return self.findings.violated("a livelock", "nothing comes to rest");
            }
            let mut moved = self.serve();
            for client in 0..self.processes.len() {
                moved |= self.attend(client);
            }
            if !moved {
                break;
            }
        }
        for client in 0..self.processes.len() {
            self.check_client(client);
        }
    }

    /// When the next thing happens by itself.
    pub(super) fn next(&self) -> Option<u64> {
        let now = self.now;
        let broker = self.broker.poll_timeout().map(|at| at.as_micros().max(now + 1));
        let links = self.links.values().filter_map(|link| link.next(now));
        let deaf = self.deaf.values().copied();
        let processes = self.processes.iter().filter_map(|process| process.next(now));
        let all = links.chain(deaf).chain(processes).chain(broker);
        all.filter(|at| *at > now).min()
    }

    pub(super) fn broker_now(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// One turn of a client's process; whether anything moved.
    fn attend(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[client];
        if process.back_at.is_some_and(|at| at <= now) {
            self.begin_life(client);
            return true;
        }
        if process.is_frozen_until > now {
            return false;
        }
        if process.ends_at.is_some_and(|at| at <= now) {
            self.kill(client, Death::Closed, Some(1));
            return true;
        }
        if process.reconnect_at.is_some_and(|at| at <= now) {
            process.reconnect_at = None;
            self.connect_again(client);
        }
        let driven = self.is_ready(client) && self.drive(client);
        let Some(mut application) = self.processes[client].application.take() else { return driven };
        self.check_state(client, &application);
        let ran = application.run(&mut self.surroundings(client));
        self.processes[client].application = Some(application);
        self.notice_close(client);
        driven | ran
    }

    pub(super) fn surroundings(&mut self, client: usize) -> Surroundings<'_> {
        Surroundings {
            now: self.now,
            client,
            findings: &mut self.findings,
            promises: &mut self.promises,
            may_refuse: self.may_refuse,
            setup: &self.setup.clients[client],
            store_failed: self.processes[client].store_failed_at.is_some(),
        }
    }

    /// The wire of a client, and what it judges with.
    pub(super) fn wire(&mut self, client: usize) -> (&mut Wire, Bench<'_>) {
        let now = self.now + self.processes[client].clock_offset;
        let bench = Bench { now, findings: &mut self.findings, promises: &mut self.promises };
        (&mut self.wires[client], bench)
    }

    /// A client is closed by its application, by a server that does not want it, or by its store.
    fn check_state(&mut self, client: usize, application: &Application) {
        let is_explained =
            self.is_ending || self.promises.has_closed(client) || application.client.state() != State::Closed;
        self.findings.require(is_explained, "a client closed without reason", || format!("c{client}"));
    }

    /// The keep alive that holds for a client, in seconds.
    pub(super) fn keep_alive(&self, client: usize) -> u16 {
        let setup = &self.setup.clients[client];
        let is_v5 = setup.version == VersionPolicy::Only(ProtocolVersion::V5);
        self.setup.broker.server_keep_alive.filter(|_| is_v5).unwrap_or(setup.keep_alive)
    }
}

impl Process {
    fn new(seed: u64, client: usize) -> Self {
        Self {
            engine: None,
            application: None,
            flag: Flag::raised(),
            io: Io::None,
            link: None,
            reads: false,
            writes: false,
            is_lingering: false,
            life: 0,
            is_frozen_until: 0,
            clock_offset: 0,
            doom: None,
            back_at: None,
            is_cut_off_until: 0,
            blocked_since: None,
            held_since: None,
            reconnect_at: None,
            close_pause: None,
            ends_at: None,
            random: Random::of(seed, 1_000 + client as u64),
            disk: Disk::default(),
            commit: None,
            needs_reconnect: false,
            server: 0,
            store_failed_at: None,
        }
    }

    fn next(&self, now: u64) -> Option<u64> {
        if let Some(at) = self.back_at {
            return Some(at.max(now + 1));
        }
        if self.is_frozen_until > now {
            return Some(self.is_frozen_until);
        }
        let deadline = self.engine.as_ref().and_then(Engine::deadline);
        let deadline = deadline.map(|at| at.as_micros().saturating_sub(self.clock_offset).max(now + 1));
        let io = match &self.io {
            Io::Resolving { at, .. } => Some(*at),
            Io::Dialling(dials) => dials.iter().filter_map(Dial::ends).min(),
            Io::None | Io::Up => None,
        };
        let application = self.application.as_ref().and_then(|application| application.next(now));
        let commit = self.commit.as_ref().map(|(at, _)| (*at).max(now + 1));
        [deadline, io, application, commit, self.reconnect_at, self.ends_at].into_iter().flatten().min()
    }
}

/// The options of a client as the core has them.
pub(super) fn configure(config: &mut Config, setup: &ClientSetup) {
    use super::setup::micros;
    config.version = setup.version;
    config.clean_start = setup.clean_start;
    config.session_expiry = setup.session_expiry;
    config.keep_alive = setup.keep_alive;
    config.receive_maximum = setup.receive_maximum;
    config.in_flight_limit = setup.in_flight_limit;
    config.exactly_once_limit = setup.exactly_once_limit;
    config.queue_limit = setup.queue_limit;
    config.queue_bytes = setup.queue_bytes;
    config.queue_qos0 = setup.queue_qos0;
    config.send_buffer = setup.send_buffer;
    config.incoming_limit = setup.incoming_limit;
    config.incoming_bytes = setup.incoming_bytes;
    config.incoming_reserve = setup.incoming_reserve;
    config.topic_alias_maximum = setup.topic_alias_maximum;
    config.connect_timeout = micros(setup.connect_timeout);
    config.ping_timeout = micros(setup.ping_timeout);
    config.ack_timeout = micros(setup.ack_timeout);
    config.write_timeout = micros(setup.write_timeout);
    config.drain_timeout = micros(setup.drain_timeout);
    config.reconnect.minimum = micros(setup.reconnect_minimum);
    config.reconnect.initial = micros(setup.reconnect_initial);
    config.reconnect.maximum = micros(setup.reconnect_maximum);
    config.reconnect.first = true;
    config.reconnect.retry = super::wire::retries;
    config.packet_events = setup.packet_events;
    config.topic_alias = setup.topic_alias;
    config.queue_policy = setup.queue_policy;
    setup.choices.configure(config);
}
