//! A client's end of the network: names, dialling, and one read or write at a time.

use bytes::Buf;

use super::network::Link;
use super::random::Random;
use super::report::Fault;
use super::servers::{self, Trouble, server_of};
use super::setup::Address;
use super::wire::Answer;
use super::world::{Io, World};
use crate::broker::ConnectionId;

impl World {
    pub(super) fn resolve(&mut self, client: usize, host: &str) {
        let now = self.now;
        self.heads_for(client, server_of(host));
        let refusals = self.setup.network.refusals;
        let process = &mut self.processes[client];
        let succeeds = !process.random.percent(refusals / 2);
        let at = now + process.random.span(1, 3_000_000);
        process.io = Io::Resolving { at, succeeds };
    }

    pub(super) fn dial(&mut self, client: usize, address: std::net::SocketAddr) {
        let now = self.now;
        let network = self.setup.network.clone();
        let server = server_of(&address.ip().to_string());
        self.heads_for(client, server);
        let is_live = server < self.setup.cluster.servers && address.ip() == servers::address(server);
        let trouble = self.trouble_of(server);
        let down = self.broker_down_until > now || matches!(trouble, Some(Trouble::Down { .. }));
        let process = &mut self.processes[client];
        let at = now + network.delay + process.random.below(network.delay + network.jitter + 1);
        let cut_off = process.is_cut_off_until > now;
        let (refused, silent) =
            (process.random.percent(network.refusals), process.random.percent(network.silences));
        let succeeds = match () {
            () if !is_live || cut_off => process.random.percent(50).then_some(false),
            () if down => Some(false),
            () if silent || trouble == Some(Trouble::Silent) => None,
            () => Some(!refused),
        };
        process.io = Io::Dialling { at, succeeds };
        if succeeds != Some(true) {
            self.fault(Fault::DialFails);
        }
    }

    /// The client has chosen a server.
    fn heads_for(&mut self, client: usize, server: u8) {
        self.processes[client].server = server;
        let at = self.now + self.processes[client].clock_offset;
        self.routes[client].dials(server, at, &mut self.findings, client);
    }

    /// Carries on with what is under way in the network; whether anything moved.
    pub(super) fn transfer(&mut self, client: usize) -> bool {
        let now = self.now;
        match self.processes[client].io {
            Io::Resolving { at, succeeds } if at <= now => {
                let dead = match self.setup.clients[client].address {
                    Address::Number => 0,
                    Address::Name(dead) => dead,
                };
                let process = &mut self.processes[client];
                process.io = Io::None;
                let server = process.server;
                let addresses = (0..=dead).rev().map(|last| ([10, 0, server, last], 1_883).into());
                let addresses = addresses.collect::<Vec<std::net::SocketAddr>>();
                let Some(engine) = &mut process.engine else { return false };
                engine.handle_resolved(if succeeds { Ok(addresses) } else { Err("no such name") });
                true
            }
            Io::Dialling { at, succeeds: Some(succeeds) } if at <= now => {
                self.dialled(client, succeeds);
                true
            }
            Io::None | Io::Resolving { .. } | Io::Dialling { .. } => false,
            Io::Up => {
                let written = self.processes[client].writes && self.write(client);
                written | (self.processes[client].reads && self.read(client))
            }
        }
    }

    fn dialled(&mut self, client: usize, succeeds: bool) {
        let now = self.now;
        if succeeds {
            self.next_link += 1;
            let id = self.next_link;
            let life = self.processes[client].life;
            let random = Random::of(self.seed, id ^ (client as u64) << 20 ^ life << 40);
            let network = self.setup.network.clone();
            let ends = (client, self.processes[client].server);
            self.links.insert(id, Link::new(id, ends, random, network));
            self.processes[client].link = Some(id);
            self.broker.connected(self.broker_now(), ConnectionId(id));
            let (wire, bench) = self.wire(client);
            wire.connected(bench.now);
            self.promises.connected(client);
            self.report.connections += 1;
        }
        let process = &mut self.processes[client];
        process.io = if succeeds { Io::Up } else { Io::None };
        self.trace.note(now, "dialled", client as u64, || succeeds.to_string());
        let Some(engine) = &mut process.engine else { return };
        engine.handle_dialled(if succeeds { Ok(()) } else { Err("refused") });
    }

    pub(super) fn write(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[client];
        let (Some(engine), Some(id)) = (&mut process.engine, process.link) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return false };
        let chunk = engine.transmit().chunk();
        if chunk.is_empty() {
            return false;
        }
        if link.down.is_reset(now) {
            engine.handle_lost(&"connection reset");
            return true;
        }
        let count = link.client_writes(chunk, now);
        if count == 0 {
            process.blocked_since.get_or_insert(now);
            return false;
        }
        let bytes = chunk[..count].to_vec();
        let was_blocked = process.blocked_since.take().is_some();
        self.trace.note(now, "writes", client as u64, || super::describe::describe(&bytes));
        self.trace.bytes(&bytes);
        let (wire, mut bench) = self.wire(client);
        if was_blocked {
            // No PINGREQ is due while bytes wait.
            wire.jumped(bench.now);
        }
        wire.wrote(&bytes, &mut bench);
        if self.is_doomed(client) {
            return true;
        }
        if let Some(engine) = &mut self.processes[client].engine {
            engine.handle_written(count);
        }
        true
    }

    fn read(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[client];
        let (Some(engine), Some(id)) = (&mut process.engine, process.link) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.down.advance(now);
        if link.down.arrived.is_empty() {
            if link.down.is_reset(now) {
                process.reads = false;
                engine.handle_lost(&"connection reset");
                return true;
            }
            if link.down.is_at_end(now) {
                process.reads = false;
                engine.handle_read(0);
                return true;
            }
            return false;
        }
        let input = engine.input();
        let bytes = link.client_reads((input.capacity() - input.len()).max(1));
        input.extend_from_slice(&bytes);
        let is_seen = !process.is_lingering;
        self.trace.note(now, "reads", client as u64, || super::describe::describe(&bytes));
        self.trace.bytes(&bytes);
        if is_seen {
            let (wire, mut bench) = self.wire(client);
            wire.read(&bytes, &mut bench);
            self.follow(client);
        }
        if self.is_doomed(client) {
            return true;
        }
        if let Some(engine) = &mut self.processes[client].engine {
            engine.handle_read(bytes.len());
        }
        true
    }

    /// What the client has read may send it elsewhere.
    fn follow(&mut self, client: usize) {
        while let Some(answer) = self.wires[client].take_answer() {
            match answer {
                // The application does not take every server for the right one, and may be asked too late to say so.
                Answer::Accepted if self.setup.exchange.is_some() => {
                    self.routes[client].perhaps_accepted();
                }
                Answer::Accepted => {
                    let at = self.now + self.processes[client].clock_offset;
                    self.routes[client].accepted(at);
                }
                Answer::SentOn { is_certain, permanent, reference } => {
                    self.fault(Fault::SentOn);
                    if !is_certain {
                        self.routes[client].disturbed();
                    }
                    self.routes[client].sent_on(permanent, reference);
                }
            }
        }
    }
}
