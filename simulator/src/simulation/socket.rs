//! A client's end of the network: names, dialling, and one read or write at a time.

use std::io::{self, ErrorKind, Read, Write};

use bytes::BytesMut;
use sterna_client::{DialId, Target};

use super::network::Link;
use super::random::Random;
use super::report::Fault;
use super::servers::{self, Trouble, server_of};
use super::setup::Address;
use super::wire::Answer;
use super::world::{Dial, Io, World};
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

    pub(super) fn dial(&mut self, client: usize, id: DialId, target: &Target) {
        let now = self.now;
        let network = self.setup.network.clone();
        let Target::Tcp(address) = target else {
            return self.findings.violated("a dial that is not over TCP", target.to_string());
        };
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
        let dial = Dial { id, at, succeeds };
        match &mut process.io {
            Io::Dialling(dials) => dials.push(dial),
            io => *io = Io::Dialling(vec![dial]),
        }
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
        match &mut self.processes[client].io {
            Io::Resolving { at, succeeds } if *at <= now => {
                let succeeds = *succeeds;
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
            Io::Dialling(dials) => {
                let Some(first) = dials.iter().position(|dial| dial.ends().is_some_and(|at| at <= now))
                else {
                    return false;
                };
                let dial = dials.remove(first);
                self.dialled(client, dial.id, dial.succeeds == Some(true));
                true
            }
            Io::None | Io::Resolving { .. } => false,
            Io::Up => {
                let written = self.processes[client].writes && self.write(client);
                written | (self.processes[client].reads && self.read(client))
            }
        }
    }

    fn dialled(&mut self, client: usize, dial: DialId, succeeds: bool) {
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
        if succeeds {
            process.io = Io::Up;
        }
        self.trace.note(now, "dialled", client as u64, || succeeds.to_string());
        let Some(engine) = &mut process.engine else { return };
        engine.handle_dialled(dial, if succeeds { Ok(()) } else { Err("refused") });
    }

    pub(super) fn write(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[client];
        let (Some(engine), Some(id)) = (&mut process.engine, process.link) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return false };
        let mut end = Sending { link, now, bytes: Vec::new(), is_full: false };
        let moved = engine.write(&mut end);
        let Sending { bytes, is_full, .. } = end;
        if is_full {
            process.blocked_since.get_or_insert(now);
        }
        if bytes.is_empty() {
            return moved;
        }
        let was_blocked = process.blocked_since.take().is_some();
        self.trace.note(now, "writes", client as u64, || super::describe::describe(&bytes));
        self.trace.bytes(&bytes);
        let (wire, mut bench) = self.wire(client);
        if was_blocked {
            // No PINGREQ is due while bytes wait.
            wire.jumped(bench.now);
        }
        wire.wrote(&bytes, &mut bench);
        self.is_doomed(client);
        true
    }

    fn read(&mut self, client: usize) -> bool {
        let now = self.now;
        let process = &mut self.processes[client];
        let (Some(engine), Some(id)) = (&mut process.engine, process.link) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.down.advance(now);
        let mut end = Receiving { link, now, bytes: BytesMut::new(), is_over: false };
        let moved = engine.read(&mut end);
        let Receiving { bytes, is_over, .. } = end;
        if is_over {
            process.reads = false;
        }
        if bytes.is_empty() {
            return moved;
        }
        let is_seen = !process.is_lingering;
        self.trace.note(now, "reads", client as u64, || super::describe::describe(&bytes));
        self.trace.bytes(&bytes);
        if is_seen {
            let (wire, mut bench) = self.wire(client);
            wire.read(&bytes, &mut bench);
            self.follow(client);
        }
        self.is_doomed(client);
        true
    }

    /// What the client has read may send it elsewhere.
    fn follow(&mut self, client: usize) {
        while let Some(answer) = self.wires[client].take_answer() {
            match answer {
                // The application does not take every server for the right one.
                Answer::Accepted if self.promises.proofs[client].missteps => {
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

/// What the engine writes to; it keeps what the network took.
struct Sending<'a> {
    link: &'a mut Link,
    now: u64,
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Sending<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.link.down.is_reset(self.now) {
            return Err(io::Error::new(ErrorKind::ConnectionReset, "connection reset"));
        }
        let count = self.link.client_writes(data, self.now);
        if count == 0 {
            self.is_full = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        self.bytes.extend_from_slice(&data[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the engine reads from; it keeps what came.
struct Receiving<'a> {
    link: &'a mut Link,
    now: u64,
    bytes: BytesMut,
    is_over: bool,
}

impl Read for Receiving<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if !self.link.down.arrived.is_empty() {
            self.bytes = self.link.client_reads(room.len());
            room[..self.bytes.len()].copy_from_slice(&self.bytes);
            return Ok(self.bytes.len());
        }
        let is_reset = self.link.down.is_reset(self.now);
        self.is_over = is_reset || self.link.down.is_at_end(self.now);
        match self.is_over {
            _ if is_reset => Err(io::Error::new(ErrorKind::ConnectionReset, "connection reset")),
            true => Ok(0),
            false => Err(ErrorKind::WouldBlock.into()),
        }
    }
}
