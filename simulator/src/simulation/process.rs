//! Driving one client as an adapter does, with a place to die after every single step.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use sterna_client::{
    CleanStart, ClientBuilder, ConnectError, Engine, Instant, Runtime, State, Step, VersionPolicy,
};

use super::application::Application;
use super::authentication::METHOD;
use super::plan::{Acking, Death, Reading};
use super::report::Fault;
use super::servers::{address, name};
use super::setup::Address;
use super::stream::{Flag, Habits};
use super::world::{Dial, Doom, Io, World, configure};

/// Keeps the engine for the world to drive.
struct Bench {
    seed: u64,
    engine: Arc<Mutex<Option<Engine>>>,
}

impl Runtime for Bench {
    type Error = Infallible;

    fn seed(&self) -> u64 {
        self.seed
    }

    fn start(self, engine: Engine) -> Result<(), Infallible> {
        if let Ok(mut slot) = self.engine.lock() {
            *slot = Some(engine);
        }
        Ok(())
    }
}

/// More steps than this without an end are a livelock.
const STEPS: u32 = 20_000;
/// How often a driver may be kept from sleeping while nothing moves.
const RESTLESS: u32 = 8;

impl World {
    /// Starts a process of this client, with nothing but what its disk has.
    pub(super) fn begin_life(&mut self, client: usize) {
        let setup = self.setup.clients[client].clone();
        let process = &mut self.processes[client];
        process.back_at = None;
        process.life += 1;
        let slot = Arc::new(Mutex::new(None));
        let bench = Bench { seed: process.random.next(), engine: slot.clone() };
        let cluster = &self.setup.cluster;
        let is_number = setup.address == Address::Number;
        let host = |server| if is_number { address(server).to_string() } else { name(server) };
        let mut urls = cluster.list(client).map(|server| format!("mqtt://{}", host(server)));
        let first = ClientBuilder::new(&urls.next().unwrap_or_default(), bench);
        let mut builder = urls
            .fold(first, |builder, url| builder.server(&url))
            .shuffle_servers(cluster.shuffled)
            .redirects(cluster.redirects)
            .client_id(setup.id.as_str())
            .ack(setup.ack)
            .unclaimed(setup.unclaimed)
            .request_limit(setup.choices.request_limit)
            .configure(|config| {
                configure(config, &setup);
                #[cfg(feature = "planted-bugs")]
                {
                    config.bug = self.setup.bug;
                }
            });
        if let Some(actor) = &self.actors[client] {
            builder = builder.authentication(METHOD, actor.clone());
        }
        if setup.has_store {
            builder = builder.store(process.disk.clone());
        }
        if setup.will {
            builder = builder.will(setup.choices.will.will());
        }
        #[cfg(feature = "record")]
        if let Some(tapes) = &self.setup.tapes {
            builder = builder.record(tapes.recorder());
        }
        let client_handle = match builder.build() {
            Ok(handle) => handle,
            Err(ConnectError::Store(_)) if process.disk.was_unreadable() => {
                process.back_at = Some(self.now + process.random.span(1, 10_000_000));
                return self.fault(Fault::StoreUnreadable);
            }
            Err(error) => return self.findings.violated("a lawful configuration is refused", error),
        };
        process.engine = slot.lock().ok().and_then(|mut slot| slot.take());
        process.flag = Flag::raised();
        process.io = Io::None;
        process.link = None;
        process.store_failed_at = None;
        (process.reads, process.writes, process.is_lingering) = (false, false, false);
        process.blocked_since = None;
        process.held_since = None;
        process.application = Some(Application::new(client_handle, process.life));
        let life = process.life;
        self.trace.note(self.now, "begins life", client as u64, || life.to_string());
        self.set_up(client);
        if self.is_settling {
            self.claim_everything(client);
        }
    }

    /// What each life of the application begins with.
    pub(super) fn set_up(&mut self, client: usize) {
        let setup = self.setup.clients[client].clone();
        let Some(mut application) = self.processes[client].application.take() else { return };
        let mut around = self.surroundings(client);
        // A client that has closed takes nothing before it is started again.
        application.connect(&mut around);
        application.await_restored(&mut around);
        let is_alone = setup.subscriptions.len() == 1;
        for (filter, qos) in setup.subscriptions {
            let wishes = setup.choices.wishes;
            let habits = Habits {
                filter: Some(filter),
                mode: setup.ack,
                reading: Reading::Eager,
                acking: Acking::AtOnce,
            };
            application.subscribe(qos, habits, wishes, true, None, &mut around);
            if is_alone && wishes.is_bounded() {
                around.promises.watch(client, filter);
            }
        }
        self.processes[client].application = Some(application);
    }

    /// The process ends, wherever it is.
    pub(super) fn kill(&mut self, client: usize, death: Death, back_after: Option<u64>) {
        let now = self.now;
        let process = &mut self.processes[client];
        self.trace.note(now, "dies", client as u64, || format!("{death:?}"));
        process.doom = None;
        if let Some((_, commit)) = process.commit.take()
            && process.random.percent(50)
        {
            // The disk had it already, and nobody was told.
            let _ = commit.run();
        }
        // What the engine stores in its last moment is not stored.
        process.disk = process.disk.left_behind();
        process.engine = None;
        process.application = None;
        process.store_failed_at = None;
        process.io = Io::None;
        process.reconnect_at = None;
        process.close_pause = None;
        process.ends_at = None;
        process.back_at = back_after.map(|after| now + after);
        if let Some(link) = process.link.take().and_then(|id| self.links.get_mut(&id)) {
            match death {
                Death::Closed => link.client_closes(now, false),
                Death::Reset => link.client_closes(now, true),
                Death::Silent => link.client_vanishes(),
            }
        }
        let setup = &self.setup.clients[client];
        let falls_back = matches!(setup.version, VersionPolicy::Automatic { .. });
        let keeps_session = setup.clean_start == CleanStart::Never || falls_back;
        let has_store = setup.has_store;
        self.wires[client].died(has_store);
        self.routes[client].restarted(true);
        self.promises.died(client, has_store, keeps_session);
        self.promises.leaves_on_disk(client, self.processes[client].disk.messages());
        // What comes for subscriptions of the life before is nobody's then.
        let setup = &self.setup.clients[client];
        if setup.unclaimed == sterna_client::Unclaimed::Drop || setup.session_expiry == 0 {
            self.promises.loosen(client);
        }
    }

    /// One more step is done; whether it was the process's last.
    pub(super) fn is_doomed(&mut self, client: usize) -> bool {
        let Some(doom) = &mut self.processes[client].doom else { return false };
        if doom.waits {
            return false;
        }
        doom.steps -= 1;
        let Doom { steps, death, back_after, .. } = *doom;
        if steps == 0 {
            self.fault(Fault::Crash);
            self.kill(client, death, Some(back_after));
        }
        steps == 0
    }

    /// Whether the driver has a reason to run.
    pub(super) fn is_ready(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &self.processes[client];
        let Some(engine) = &process.engine else { return false };
        let is_committed = process.commit.as_ref().is_some_and(|(at, _)| *at <= now);
        if process.flag.is_raised() || is_committed {
            return true;
        }
        let client_now = now + process.clock_offset;
        if engine.deadline().is_some_and(|at| at.as_micros() <= client_now) {
            return true;
        }
        match &process.io {
            Io::Resolving { at, .. } => *at <= now,
            Io::Dialling(dials) => dials.iter().filter_map(Dial::ends).any(|at| at <= now),
            Io::None => false,
            Io::Up => {
                let Some(link) = process.link.and_then(|id| self.links.get(&id)) else { return false };
                let comes =
                    !link.down.arrived.is_empty() || link.down.is_at_end(now) || link.down.is_reset(now);
                let goes = link.room() > 0 || link.down.is_reset(now);
                (process.reads && comes) || (process.writes && goes)
            }
        }
    }

    /// Carries out the engine's steps until it sleeps; whether anything moved.
    pub(super) fn drive(&mut self, client: usize) -> bool {
        self.processes[client].flag.take();
        let mut moved = self.commit(client);
        moved |= self.processes[client].engine.is_some() && self.transfer(client);
        let mut restless = 0;
        for round in 0.. {
            if self.findings.first.is_some() || self.is_doomed(client) {
                return true;
            }
            if round > STEPS {
                self.findings.violated("the engine does not come to rest", format!("c{client}"));
                return true;
            }
            let at = Instant::from_micros(self.now + self.processes[client].clock_offset);
            let Some(engine) = &mut self.processes[client].engine else { return true };
            let step = engine.poll(at);
            self.trace.note(self.now, "step", client as u64, || format!("{step:?}"));
            if self.is_doomed(client) {
                return true;
            }
            if let Step::Transfer { read, write } = step {
                let process = &mut self.processes[client];
                if read && !process.reads {
                    // The server's silence counts from when it is listened to.
                    self.wires[client].jumped(at.as_micros());
                }
                (process.reads, process.writes) = (read, write);
                if !read && matches!(process.io, Io::Up) && !process.is_lingering {
                    self.promises.paused(client);
                    self.wires[client].paused();
                }
                if self.transfer(client) {
                    (moved, restless) = (true, 0);
                    continue;
                }
                if self.processes[client].engine.is_none() || self.falls_asleep(client, at) {
                    break;
                }
                restless += 1;
                if restless > RESTLESS {
                    self.findings.violated("the driver is kept busy with nothing", format!("c{client}"));
                    return true;
                }
                continue;
            }
            moved = true;
            if self.carry_out(client, step) {
                break;
            }
        }
        moved
    }

    /// Whether the driver may sleep until its deadline.
    fn falls_asleep(&mut self, client: usize, at: Instant) -> bool {
        let process = &mut self.processes[client];
        let waker = Waker::from(process.flag.clone());
        let Some(engine) = &mut process.engine else { return true };
        engine.deadline().is_none_or(|deadline| deadline > at) && engine.sleep(&waker)
    }

    /// A step other than transferring; whether it was the last.
    fn carry_out(&mut self, client: usize, step: Step) -> bool {
        let now = self.now;
        match step {
            Step::Resolve { host, .. } => self.resolve(client, &host),
            Step::Dial { dial, target } => self.dial(client, dial, &target),
            Step::Transfer { .. } => {}
            Step::Commit(commit) => {
                let process = &mut self.processes[client];
                let pauses = if self.setup.crashes { [10, 2_000, 50_000, 50_000] } else { [0, 0, 10, 2_000] };
                let pause = process.random.pick(&pauses);
                process.commit = Some((now + pause, commit));
                if let Some(doom) = &mut process.doom {
                    doom.waits = false;
                }
                return self.commit(client) && self.processes[client].engine.is_none();
            }
            Step::Shutdown => {
                while self.write(client) {}
                let process = &mut self.processes[client];
                process.is_lingering = true;
                self.wires[client].ends_itself();
                process.blocked_since = None;
                if let Some(link) = process.link.and_then(|id| self.links.get_mut(&id)) {
                    link.client_finishes(now);
                }
            }
            Step::Close => {
                let process = &mut self.processes[client];
                process.io = Io::None;
                process.is_lingering = false;
                process.blocked_since = None;
                if let Some(link) = process.link.take().and_then(|id| self.links.get_mut(&id)) {
                    let reset = !link.down.arrived.is_empty();
                    link.client_closes(now, reset);
                }
                self.wires[client].lost();
                self.promises.loses(client);
                let at = now + self.processes[client].clock_offset;
                self.routes[client].ended(at);
            }
            Step::Finished => {
                self.processes[client].engine = None;
                return true;
            }
        }
        false
    }

    /// Ends the commit that is due; whether there was one.
    fn commit(&mut self, client: usize) -> bool {
        let now = self.now;
        let Some((_, commit)) = self.processes[client].commit.take_if(|(at, _)| *at <= now) else {
            return false;
        };
        let committed = commit.run();
        self.trace.note(now, "commits", client as u64, || format!("{committed:?}"));
        self.report.commits += 1;
        self.look_at_disk(client);
        if !self.is_doomed(client)
            && let Some(engine) = &mut self.processes[client].engine
        {
            engine.handle_committed(committed);
        }
        true
    }

    /// The application hears that its client has closed, and starts it again later.
    pub(super) fn notice_close(&mut self, client: usize) {
        let Some(application) = &self.processes[client].application else { return };
        let waits = self.processes[client].reconnect_at.is_some() || self.processes[client].ends_at.is_some();
        if waits || self.is_ending || application.client.state() != State::Closed {
            return;
        }
        let Some(mut application) = self.processes[client].application.take() else { return };
        application.closed(&mut self.surroundings(client));
        self.wires[client].closed();
        self.routes[client].restarted(false);
        self.trace.note(self.now, "closed", client as u64, String::new);
        let has_store = self.setup.clients[client].has_store;
        let process = &mut self.processes[client];
        process.application = Some(application);
        let drawn = process.random.span(1, 5_000_000);
        let pause = if self.is_settling { 1 } else { process.close_pause.take().unwrap_or(drawn) };
        if has_store {
            // What the store keeps is the next process's.
            process.ends_at = Some(self.now + pause);
        } else {
            process.reconnect_at = Some(self.now + pause);
        }
    }

    pub(super) fn connect_again(&mut self, client: usize) {
        let is_closed = |application: &Application| application.client.state() == State::Closed;
        if self.processes[client].application.as_ref().is_some_and(is_closed) {
            // The application may have connected it meanwhile, and it closed once more.
            self.wires[client].closed();
            self.routes[client].restarted(false);
        }
        self.set_up(client);
        if self.is_settling {
            self.claim_everything(client);
        }
    }

    /// At the end nothing may wait for want of a stream.
    pub(super) fn claim_everything(&mut self, client: usize) {
        let mode = self.setup.clients[client].ack;
        let Some(mut application) = self.processes[client].application.take() else { return };
        application.take_unclaimed(mode, &mut self.surroundings(client));
        self.processes[client].application = Some(application);
    }

    /// Operations do not wait for ever behind messages that nobody reads. `held`: how many packets were read when reading
    /// was held back for want of room.
    fn check_held(&mut self, client: usize, held: Option<u64>) {
        let now = self.now;
        let ack_timeout = self.setup.clients[client].ack_timeout;
        let longest = if ack_timeout == 0 { 60_000_000 } else { ack_timeout };
        let process = &mut self.processes[client];
        let since = process.held_since.filter(|(_, packets)| Some(*packets) == held).map(|(since, _)| since);
        process.held_since = held.map(|packets| (since.unwrap_or(now), packets));
        let Some((since, _)) = process.held_since else { return };
        // It may wait for room in the queue first, and each time begins when the client looks.
        let hangs = process.application.as_ref().and_then(|it| it.hangs(now, since, 4 * longest + 5_000_000));
        if let Some(operation) = hangs {
            let detail = format!("c{client}: {operation}, {}", self.situation(client));
            self.findings.violated("an operation hangs behind unread messages", detail);
        }
    }

    /// The invariants of one client, between two steps.
    pub(super) fn check_client(&mut self, client: usize) {
        let now = self.now;
        let process = &self.processes[client];
        if process.is_frozen_until > now {
            self.processes[client].held_since = None;
            return;
        }
        self.check_store(client);
        self.check_authentication(client);
        let process = &self.processes[client];
        let (Some(engine), Some(application)) = (&process.engine, &process.application) else { return };
        let is_up = matches!(process.io, Io::Up) && !process.is_lingering;
        let paused = is_up && !process.reads;
        let blocked = process.blocked_since.filter(|_| engine.pending() > 0);
        let unsent = engine.pending();
        let setup = &self.setup.clients[client];
        let statistics = application.client.statistics();
        // Each stream's copy counts, and QoS 0 that waits can be dropped for what comes.
        let bound = setup.incoming_bytes.max(setup.incoming_reserve).saturating_add(8 << 10);
        let bound = bound.saturating_mul(1 + application.streams());
        let findings = &mut self.findings;
        findings.require(statistics.backlog_bytes <= bound, "unread messages exceed their bound", || {
            format!("c{client}: {} of {bound} bytes", statistics.backlog_bytes)
        });
        let bound = setup.queue_limit.saturating_add(usize::from(setup.in_flight_limit)).saturating_add(32);
        findings.require(statistics.queued <= bound, "the queue exceeds its bound", || {
            format!("c{client}: {} of {bound}", statistics.queued)
        });
        let bound = 2 * setup.send_buffer + (16 << 10);
        findings.require(unsent <= bound, "unsent bytes exceed their bound", || {
            format!("c{client}: {unsent} of {bound}")
        });
        let late = blocked.map_or(0, |since| now.saturating_sub(since));
        findings.require(
            setup.write_timeout == 0 || late <= setup.write_timeout,
            "a stuck write is not noticed",
            || format!("c{client}: {late} us"),
        );
        let overdue = application.overdue(now);
        self.findings.require(overdue.is_none(), "a request waits beyond its time", || {
            format!("c{client}: {overdue:?}")
        });
        let packets = statistics.connection.packets_received;
        let is_held = paused && unsent == 0;
        if paused {
            self.promises.paused(client);
        }
        self.check_held(client, is_held.then_some(packets));
        if is_up {
            let (wire, mut bench) = self.wire(client);
            wire.check_time(paused, blocked.is_some(), &mut bench);
        }
    }
}
