//! The end of a run: no more trouble, and everything has to come to rest.

use sterna_client::{QoS, State};

use super::choices::Extras;
use super::network::Link;
use super::plan::{Death, Event, How, Patience};
use super::world::World;

/// How long it may take until all is well again: the longest pauses and time-outs in a row.
const PATIENCE: u64 = 1_800_000_000;
/// More steps than this while nothing resolves is a livelock.
const STEPS: u32 = 200_000;

impl World {
    pub(super) fn settle(&mut self) {
        if self.findings.first.is_some() {
            return;
        }
        self.heal();
        self.rest("what was asked for did not come to an end");
        self.probe();
        self.rest("what was asked for in quiet did not come to an end");
        if self.findings.first.is_none() {
            self.check_subscriptions();
            self.check_drops();
            self.promises.check_end(&mut self.findings);
        }
        self.end();
    }

    /// No more trouble.
    fn heal(&mut self) {
        self.trace.note(self.now, "heals", 0, String::new);
        self.is_settling = true;
        let (now, at) = (self.now, self.broker_now());
        self.broker.clear_faults();
        self.broker_down_until = 0;
        self.heal_cluster();
        self.heal_authentication();
        self.setup.network = self.setup.network.healed();
        for id in std::mem::take(&mut self.deaf).into_keys() {
            self.broker.set_reading(at, crate::broker::ConnectionId(id), true);
        }
        for client in 0..self.processes.len() {
            let is_blind = self.keep_alive(client) == 0 || self.setup.clients[client].write_timeout == 0;
            for link in self.links.values_mut().filter(|link| link.client == client) {
                link.heal(now, is_blind);
            }
            let process = &mut self.processes[client];
            process.doom = None;
            process.disk.heal();
            process.is_frozen_until = 0;
            // One that was frozen has had no time to close.
            process.store_failed_at = process.store_failed_at.map(|_| now);
            process.is_cut_off_until = 0;
            if process.ends_at.is_some() {
                self.kill(client, Death::Closed, Some(1));
                continue;
            }
            process.back_at = process.back_at.map(|_| now);
            process.reconnect_at = process.reconnect_at.map(|_| now);
            if let Some(application) = &mut process.application {
                application.hurry(now);
                if process.needs_reconnect {
                    application.client.reconnect();
                    self.wires[client].ends_itself();
                    self.routes[client].disturbed();
                }
            }
            self.claim_everything(client);
        }
    }

    /// Lets time pass until nothing is waited for any more.
    fn rest(&mut self, check: &'static str) {
        let end = self.now + PATIENCE;
        for steps in 0.. {
            self.work();
            if self.findings.first.is_some() {
                return;
            }
            let restless = (0..self.processes.len()).find(|client| !self.is_at_rest(*client));
            let Some(client) = restless else { return };
            let next = self.next().filter(|_| self.now < end && steps < STEPS);
            let Some(next) = next else {
                let detail = self.situation(client);
                return self.findings.violated(check, detail);
            };
            self.set_now(next);
        }
    }

    fn is_at_rest(&self, client: usize) -> bool {
        let Some(application) = &self.processes[client].application else { return false };
        if application.client.state() != State::Connected || !application.is_idle() {
            return false;
        }
        let link = self.processes[client].link.and_then(|id| self.links.get(&id));
        if !link.is_some_and(Link::is_sound) || self.wires[client].is_subscribing() {
            return false;
        }
        let statistics = application.client.statistics();
        // What was given up before its answer came keeps its identifier.
        let may_linger = self.promises.may_have_given_up(client) || self.may_refuse;
        let rests =
            (statistics.in_flight == 0 || may_linger) && statistics.queued == 0 && statistics.backlog == 0;
        rests && self.broker.pending(&self.setup.clients[client].id) == 0
    }

    pub(super) fn situation(&self, client: usize) -> String {
        let process = &self.processes[client];
        let Some(application) = &process.application else { return format!("c{client}: no process") };
        format!(
            "c{client}: {:?}, {} pending at the broker, waiting {}, {:?}, {:?}",
            application.client.state(),
            self.broker.pending(&self.setup.clients[client].id),
            application.waiting(),
            process.engine,
            application.client.statistics(),
        )
    }

    /// Whether everything still works.
    fn probe(&mut self) {
        for client in 0..self.processes.len() {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                self.apply(&Event::Publish {
                    client,
                    topic: "t/0",
                    qos,
                    retain: false,
                    size: 3,
                    how: How::Await,
                    count: 2,
                    patience: Patience::Endless,
                    extras: Extras::default(),
                });
            }
            let (topic, timeout) = ("t/0", 30_000_000);
            let request =
                Event::Request { client, topic, qos: QoS::AtLeastOnce, count: 1, timeout, drop_after: None };
            self.apply(&request);
        }
    }

    /// What is subscribed here is subscribed at the broker.
    fn check_subscriptions(&mut self) {
        if self.may_refuse {
            return;
        }
        for client in 0..self.processes.len() {
            // A CONNECT of an earlier process may have arrived late and begun the session that was found.
            let is_first = self.processes[client].life == 1;
            let subscribes_again = self.setup.clients[client].choices.resubscribe;
            let application =
                self.processes[client].application.as_ref().filter(|_| is_first && subscribes_again);
            let Some(application) = application else { continue };
            let id = &self.setup.clients[client].id;
            let missing = application.filters().find(|filter| !self.broker.has_subscription(id, filter));
            if let Some(filter) = missing {
                self.findings
                    .violated("a subscription is gone at the broker", format!("c{client}: {filter}"));
            }
        }
    }

    /// What bounded streams did not hand over, they counted.
    fn check_drops(&mut self) {
        for client in 0..self.processes.len() {
            let Some(application) = &self.processes[client].application else { continue };
            if let Some(dropped) = application.dropped() {
                self.promises.check_drops(client, dropped, &mut self.findings);
            }
        }
    }

    /// Every client disconnects, and every engine finishes.
    fn end(&mut self) {
        self.is_ending = true;
        let longest = self.setup.clients.iter().map(|setup| setup.drain_timeout).max().unwrap_or(0);
        for client in 0..self.processes.len() {
            if let Some(mut application) = self.processes[client].application.take() {
                application.disconnect(false, &mut self.surroundings(client));
                self.processes[client].application = Some(application);
                self.wires[client].ends_itself();
                self.routes[client].disturbed();
            }
        }
        let end = self.now + 3 * longest + 10_000_000;
        self.work();
        while self.findings.first.is_none() && self.now < end && self.step() {
            self.work();
        }
        if self.findings.first.is_some() {
            return;
        }
        for client in 0..self.processes.len() {
            let process = &self.processes[client];
            let Some(application) = &process.application else { continue };
            let is_closed = application.client.state() == State::Closed && application.is_idle();
            if !is_closed {
                let detail = self.situation(client);
                self.findings.violated("a client does not close", detail);
            }
        }
        for client in 0..self.processes.len() {
            self.processes[client].application = None;
        }
        self.work();
        let unfinished = self.processes.iter().position(|process| process.engine.is_some());
        if let Some(client) = unfinished {
            self.findings.violated("an engine does not finish without handles", format!("c{client}"));
        }
    }
}
