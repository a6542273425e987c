//! One TCP connection between a client and the broker, as far as either end can tell: bytes arrive late and in any
//! pieces, in order and once, or not at all any more.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::plan::Direction;
use super::random::Random;
use super::setup::Network;

/// The bytes in one direction.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Under way, each piece with its arrival; the times never fall.
    under_way: VecDeque<(u64, Bytes)>,
    under_way_bytes: usize,
    /// Arrived, and not read by the receiver.
    pub(super) arrived: BytesMut,
    /// Nothing arrives before.
    stalled_until: u64,
    /// Nothing arrives any more, and no sender is told.
    is_dead: bool,
    /// The sender closed; the receiver learns of it then.
    end: Option<u64>,
    /// The connection was reset; the receiver learns of it then.
    reset: Option<u64>,
}

impl Pipe {
    fn last_arrival(&self) -> u64 {
        self.under_way.back().map_or(0, |(at, _)| *at)
    }

    fn send(&mut self, bytes: Bytes, at: u64) {
        if self.end.is_none() && self.reset.is_none() {
            self.under_way_bytes += bytes.len();
            self.under_way.push_back((at.max(self.last_arrival()), bytes));
        }
    }

    fn occupied(&self) -> usize {
        self.under_way_bytes + self.arrived.len()
    }

    fn finish(&mut self, at: u64) {
        if self.end.is_none() {
            self.end = Some(at.max(self.last_arrival()));
        }
    }

    /// What has not arrived is lost.
    fn lose(&mut self) {
        self.under_way.clear();
        self.under_way_bytes = 0;
    }

    fn break_off(&mut self, at: u64) {
        self.lose();
        self.reset.get_or_insert(at);
    }

    /// Lets arrive what is due; whether anything did.
    pub(super) fn advance(&mut self, now: u64) -> bool {
        let mut any = false;
        while !self.is_dead && self.stalled_until <= now {
            match self.under_way.pop_front() {
                Some((at, bytes)) if at <= now => {
                    self.under_way_bytes -= bytes.len();
                    self.arrived.extend_from_slice(&bytes);
                    any = true;
                }
                Some(later) => {
                    self.under_way.push_front(later);
                    break;
                }
                None => break,
            }
        }
        any
    }

    /// When something is to happen at the receiver's end.
    fn next(&self, now: u64) -> Option<u64> {
        let arrival = self.under_way.front().map(|(at, _)| *at).or(self.end);
        let arrival = arrival.filter(|_| !self.is_dead).map(|at| at.max(self.stalled_until));
        [arrival, self.reset].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Whether everything was read and the sender has closed.
    pub(super) fn is_at_end(&self, now: u64) -> bool {
        let is_due = self.end.is_some_and(|at| at.max(self.stalled_until) <= now);
        is_due && !self.is_dead && self.under_way.is_empty() && self.arrived.is_empty()
    }

    pub(super) fn is_reset(&self, now: u64) -> bool {
        self.reset.is_some_and(|at| at <= now)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) client: usize,
    pub(super) server: u8,
    /// From the client to the broker, and back.
    pub(super) up: Pipe,
    pub(super) down: Pipe,
    /// An end that is gone takes and sends nothing.
    pub(super) client_is_there: bool,
    pub(super) broker_is_there: bool,
    /// What the broker has read of the network and not of the bytes.
    pub(super) broker_input: BytesMut,
    random: Random,
    network: Network,
}

impl Link {
    pub(super) fn new(id: u64, (client, server): (usize, u8), random: Random, network: Network) -> Self {
        Self {
            id,
            client,
            server,
            up: Pipe::default(),
            down: Pipe::default(),
            client_is_there: true,
            broker_is_there: true,
            broker_input: BytesMut::new(),
            random,
            network,
        }
    }

    /// Whether it carries bytes both ways.
    pub(super) fn is_sound(&self) -> bool {
        let is_sound = |pipe: &Pipe| !pipe.is_dead && pipe.end.is_none() && pipe.reset.is_none();
        self.client_is_there && self.broker_is_there && is_sound(&self.up) && is_sound(&self.down)
    }

    /// Whether neither end is there any more.
    pub(super) fn is_over(&self) -> bool {
        !self.client_is_there && !self.broker_is_there
    }

    pub(super) fn next(&self, now: u64) -> Option<u64> {
        let up = self.up.next(now).filter(|_| self.broker_is_there);
        let down = self.down.next(now).filter(|_| self.client_is_there);
        [up, down].into_iter().flatten().min()
    }

    fn arrival(&mut self, now: u64) -> u64 {
        now + self.network.delay
            + if self.network.jitter > 0 { self.random.below(self.network.jitter) } else { 0 }
    }

    /// How much of `available` moves now: all of it, or a part.
    fn part(&mut self, available: usize) -> usize {
        if available > 1 && self.random.percent(self.network.splits) {
            self.random.within(1, available as u64) as usize
        } else {
            available
        }
    }

    /// How many bytes the client's end takes now.
    pub(super) fn room(&self) -> usize {
        if self.up.reset.is_some() {
            usize::MAX
        } else {
            self.network.window.saturating_sub(self.up.occupied())
        }
    }

    /// The client writes; how many bytes are taken.
    pub(super) fn client_writes(&mut self, bytes: &[u8], now: u64) -> usize {
        let available = bytes.len().min(self.room());
        let count = self.part(available);
        if count > 0 && self.broker_is_there {
            let mut rest = Bytes::copy_from_slice(&bytes[..count]);
            while !rest.is_empty() {
                let piece = self.part(rest.len());
                let at = self.arrival(now);
                self.up.send(rest.split_to(piece), at);
            }
        } else if count > 0 && self.down.reset.is_none() && self.random.percent(50) {
            // Nobody is there: the answer is a reset, which overtakes what was not read.
            let at = self.arrival(now);
            self.down.break_off(at);
        }
        count
    }

    /// The client reads at most `room` bytes.
    pub(super) fn client_reads(&mut self, room: usize) -> BytesMut {
        let available = self.down.arrived.len().min(room);
        let count = self.part(available);
        self.down.arrived.split_to(count)
    }

    /// Whether the broker's end takes more.
    pub(super) fn broker_has_room(&self) -> bool {
        self.down.occupied() < self.network.window
    }

    pub(super) fn broker_writes(&mut self, mut bytes: Bytes, now: u64) {
        if !self.client_is_there {
            return;
        }
        while !bytes.is_empty() {
            let piece = self.part(bytes.len());
            let at = self.arrival(now);
            self.down.send(bytes.split_to(piece), at);
        }
    }

    /// The broker takes what has arrived.
    pub(super) fn broker_reads(&mut self) -> bool {
        let any = self.up.arrived.has_remaining();
        self.broker_input.extend_from_slice(&self.up.arrived);
        self.up.arrived.clear();
        any
    }

    /// The client sends no more, but still reads.
    pub(super) fn client_finishes(&mut self, now: u64) {
        let at = self.arrival(now);
        self.up.finish(at);
    }

    /// The client's end is gone. What it has sent may still arrive.
    pub(super) fn client_closes(&mut self, now: u64, reset: bool) {
        if !std::mem::replace(&mut self.client_is_there, false) {
            return;
        }
        let at = self.arrival(now);
        if reset {
            self.up.break_off(at);
        } else {
            self.up.finish(at);
        }
    }

    /// The client's machine is gone without a word.
    pub(super) fn client_vanishes(&mut self) {
        self.client_is_there = false;
        self.up.is_dead = true;
    }

    /// The broker's end is gone. Closing with bytes unread can reset the connection.
    pub(super) fn broker_closes(&mut self, now: u64) {
        if !std::mem::replace(&mut self.broker_is_there, false) {
            return;
        }
        let at = self.arrival(now);
        let has_unread = self.up.occupied() > 0;
        self.up.lose();
        self.up.arrived.clear();
        if has_unread && self.random.percent(50) {
            self.down.break_off(at);
        } else {
            self.down.finish(at);
        }
    }

    /// The network resets the connection: what is under way is lost, and perhaps what was not read.
    pub(super) fn break_off(&mut self, now: u64) {
        for down in [true, false] {
            let at = self.arrival(now);
            let keeps_unread = self.random.percent(50);
            let pipe = if down { &mut self.down } else { &mut self.up };
            pipe.break_off(at);
            if !keeps_unread {
                pipe.arrived.clear();
            }
        }
    }

    /// Nothing gets through any more, and nobody is told.
    pub(super) fn deaden(&mut self, direction: Direction) {
        self.up.is_dead |= direction != Direction::Down;
        self.down.is_dead |= direction != Direction::Up;
    }

    pub(super) fn stall(&mut self, direction: Direction, until: u64) {
        for (pipe, other) in [(&mut self.up, Direction::Down), (&mut self.down, Direction::Up)] {
            if direction != other {
                pipe.stalled_until = pipe.stalled_until.max(until);
            }
        }
    }

    /// The end of all trouble: what can go on goes on. `resets_dead`: nobody would ever find out that it is dead.
    pub(super) fn heal(&mut self, now: u64, resets_dead: bool) {
        self.up.stalled_until = 0;
        self.down.stalled_until = 0;
        self.network = self.network.healed();
        if resets_dead && (self.up.is_dead || self.down.is_dead) {
            self.up.is_dead = false;
            self.down.is_dead = false;
            self.break_off(now);
        }
    }
}
