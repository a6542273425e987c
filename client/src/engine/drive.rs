//! The engine under its lock: what happened goes to the connection, and what it asks for becomes steps.

use std::time::Duration;

use bytes::Buf;
use sterna_core::packet::ProtocolVersion;
use sterna_core::{Action, Attempt, ConnectOverrides, Credentials, Ingress, Instant, LostKind, Sharing};
use sterna_transport::Subprotocol;

use super::commit::Storage;
use super::{Drive, Link, Step, lost};
use crate::shared::{Inner, Lent};

/// How long a connection that we close is read from (and the bytes thrown away) until the server closes too.
/// Closing with unread bytes would reset the connection, and our DISCONNECT could be lost with it.
const LINGER: Duration = Duration::from_millis(250);
/// Buffers that no traffic used for one to two of these are given back.
const IDLE: Duration = Duration::from_secs(1);
/// The connection is asked for more when less than this waits to be written.
const LOW_WATER: usize = 4 << 10;

impl Drive {
    pub(super) fn poll(&mut self, inner: &mut Inner, now: Instant) -> Step {
        inner.driver_awake(now);
        self.reclaim(inner);
        self.now = now;
        self.report(inner, now);
        // Without need it only tells the time, from which deadlines of commands count.
        inner.connection.handle_timeout(now);
        loop {
            inner.driver_looks();
            if inner.misses_direct() {
                inner.drain();
                break;
            }
            if matches!(self.link, Link::Up { .. }) && self.transmit.remaining() < LOW_WATER {
                inner.connection.poll_transmit(now, &mut self.transmit);
            }
            let acted = self.act(inner, now);
            inner.drain();
            if !acted {
                break;
            }
        }
        // What came in time counts.
        inner.advance_requests(now);
        let step = self.step(inner, now);
        inner.trace.step(&step);
        if let Some(storage) = &mut self.storage {
            storage.watch(inner, now);
        }
        self.release_idle_buffers(inner, now);
        self.deadline = self.next_deadline(inner);
        self.unsent = inner.connection.unsent();
        self.hurries = (self.hurries | inner.take_awaited()) && self.unsent > 0;
        step
    }

    /// Tells the connection what happened.
    fn report(&mut self, inner: &mut Inner, now: Instant) {
        if let Some(storage) = &mut self.storage {
            storage.report(inner, now);
        }
        if self.written > 0 {
            inner.connection.handle_written(now, std::mem::take(&mut self.written));
        }
        match &self.link {
            Link::Open { attempt } => {
                let attempt = *attempt;
                self.introduce(inner, now, attempt);
            }
            Link::Up { .. } => self.feed(inner, now),
            Link::Gone { .. } => {
                // What came before the end counts.
                self.feed(inner, now);
                self.end_link(inner, now);
            }
            Link::Lingering { until, .. } => {
                let until = *until;
                self.clear_input();
                if until <= now {
                    self.handle_lost(LostKind::Eof, String::new());
                    self.end_link(inner, now);
                }
            }
            _ => {}
        }
    }

    /// There is a way to the server: the connection sends CONNECT.
    fn introduce(&mut self, inner: &mut Inner, now: Instant, attempt: Attempt) {
        self.transmit.clear();
        self.clear_input();
        let data = self.initial_data.take();
        let prepared = self.prepared.take();
        let overrides = match &prepared {
            Some(prepared) => prepared.overrides(data.as_deref()),
            None => ConnectOverrides {
                credentials: self.endpoint.credentials.as_ref().map(|credentials| Credentials {
                    user_name: Some(&credentials.user_name),
                    password: credentials.password.as_deref(),
                }),
                authentication_data: data.as_deref(),
                ..ConnectOverrides::default()
            },
        };
        inner.connection.handle_connected(now, attempt, overrides);
        inner.trace.opened(attempt, &self.endpoint);
        self.link = Link::Up { attempt };
    }

    /// Has the connection read what came, as far as it takes it.
    fn feed(&mut self, inner: &mut Inner, now: Instant) {
        if self.input.bytes.is_empty() && !self.paused {
            return;
        }
        loop {
            let backlog = inner.backlog();
            let shares = !self.input.pins_too_much(backlog.bytes);
            inner.connection.share_input(if shares { Sharing::Always } else { Sharing::Never });
            inner.connection.handle_backlog(backlog);
            let ingress = inner.connection.handle_input(now, &mut self.input.bytes);
            self.paused = ingress == Ingress::Paused;
            self.missing = match ingress {
                Ingress::NeedData { missing } => missing,
                Ingress::Paused => 0,
            };
            // What was paused for messages that nobody wanted goes on.
            if !(inner.drain() && self.paused) {
                break;
            }
        }
        inner.set_paused(self.paused);
    }

    fn clear_input(&mut self) {
        self.input.clear();
        self.missing = 0;
    }

    fn end_link(&mut self, inner: &mut Inner, now: Instant) {
        if !matches!(self.link, Link::Gone { .. }) {
            return;
        }
        if let Link::Gone { attempt, lost } = std::mem::replace(&mut self.link, Link::None) {
            self.close = true;
            self.full = false;
            self.direct = None;
            inner.lent = Lent::No;
            self.pipe = None;
            self.prepared = None;
            self.unflushed = false;
            self.transmit.clear();
            self.clear_input();
            self.paused = false;
            inner.set_paused(false);
            inner.connection.handle_disconnected(now, attempt, lost);
        }
    }

    pub(super) fn handle_lost(&mut self, kind: LostKind, detail: String) {
        if let Link::Opening { attempt } | Link::Up { attempt } | Link::Lingering { attempt, .. } = self.link
        {
            self.link = Link::Gone { attempt, lost: lost(kind, detail) };
            self.transmit.clear();
        }
    }

    /// Carries out one action of the connection; whether there was one.
    fn act(&mut self, inner: &mut Inner, now: Instant) -> bool {
        match inner.connection.poll_action() {
            Some(Action::Connect { attempt, server, redirect }) => {
                self.subprotocol = match inner.connection.version() {
                    ProtocolVersion::V3_1 => Subprotocol::MqttV31,
                    ProtocolVersion::V3_1_1 | ProtocolVersion::V5 => Subprotocol::Mqtt,
                };
                self.reach(attempt, server, redirect.as_deref());
                self.end_link(inner, now);
            }
            Some(Action::Close { attempt }) => self.close_link(inner, now, attempt),
            None => return false,
        }
        true
    }

    fn close_link(&mut self, inner: &mut Inner, now: Instant, closing: Attempt) {
        match self.link {
            Link::Up { attempt } if attempt == closing => {
                inner.connection.poll_transmit(now, &mut self.transmit);
                self.direct = None;
                self.link = Link::Lingering { attempt, asked: false, until: now + LINGER };
                // What is still unread is not read any more.
                self.paused = false;
                inner.set_paused(false);
            }
            Link::Preparing { attempt }
            | Link::Resolving { attempt, .. }
            | Link::Dialling { attempt, .. }
            | Link::Opening { attempt }
                if attempt == closing =>
            {
                self.link = Link::Gone { attempt, lost: lost(LostKind::Dial, "given up".into()) };
                self.end_link(inner, now);
            }
            // Gone already: the connection hears of it, or has heard.
            _ => {}
        }
    }

    fn step(&mut self, inner: &mut Inner, now: Instant) -> Step {
        if self.farewell.is_some() && !std::mem::replace(&mut self.farewell_asked, true) {
            return Step::Shutdown;
        }
        if std::mem::take(&mut self.close) {
            self.farewell = None;
            self.unflushed = false;
            return Step::Close;
        }
        if let Some(storage) = &self.storage {
            storage.stays_released(inner);
        }
        let finished = matches!(self.link, Link::None) && inner.is_finished();
        if let Some(commit) = self.storage.as_mut().and_then(|storage| storage.next(inner, finished)) {
            return Step::Commit(commit);
        }
        match &mut self.link {
            Link::None if finished && self.storage.as_deref().is_none_or(Storage::is_idle) => Step::Finished,
            Link::Resolving { host, port, asked: asked @ false, .. } => {
                *asked = true;
                Step::Resolve { host: host.clone(), port: *port }
            }
            Link::Dialling { attempt, dialler } => {
                if let Some((dial, target)) = dialler.next(now) {
                    self.last_dial = dialler.last();
                    return Step::Dial { dial, target };
                }
                if dialler.is_exhausted() {
                    let attempt = *attempt;
                    self.fail_dialling(inner, now, attempt);
                    return self.step(inner, now);
                }
                Step::Transfer { read: false, write: false }
            }
            Link::Lingering { asked: asked @ false, .. } => {
                *asked = true;
                Step::Shutdown
            }
            Link::Lingering { .. } => Step::Transfer { read: true, write: false },
            Link::Opening { .. } | Link::Up { .. } => {
                Step::Transfer { read: !self.paused, write: self.wants_write() }
            }
            _ => Step::Transfer { read: false, write: false },
        }
    }

    /// No address answered.
    fn fail_dialling(&mut self, inner: &mut Inner, now: Instant, attempt: Attempt) {
        if let Link::Dialling { dialler, .. } = std::mem::replace(&mut self.link, Link::None) {
            self.link = Link::Gone { attempt, lost: lost(LostKind::Dial, dialler.into_error()) };
        }
        self.end_link(inner, now);
        while self.act(inner, now) {}
        inner.drain();
    }

    /// The driver sleeps: who publishes writes for it, where there is nothing between the connection and the socket. Not for a
    /// client at rest, so that its buffers' timer is set, nor where what is sent waits for the store.
    pub(super) fn lend(&mut self, inner: &mut Inner, until: Option<Instant>) {
        let is_plain = matches!(self.link, Link::Up { .. }) && self.pipe.is_none() && self.storage.is_none();
        if !is_plain || self.full || self.unflushed || self.paused || self.rests() {
            return;
        }
        if let Some(mut direct) = self.direct.take() {
            direct.lend(std::mem::take(&mut self.transmit), self.now, until);
            inner.lent = Lent::Idle(direct);
        }
    }

    /// The driver writes again.
    fn reclaim(&mut self, inner: &mut Inner) {
        let Some(mut direct) = inner.lent.take() else { return };
        let (pending, was_used) = direct.reclaim();
        self.transmit = pending;
        self.traffic |= was_used;
        self.wrote_directly |= was_used;
        self.direct = Some(direct);
    }

    /// One timer that traffic does not move: it looks once a second whether anything moved.
    fn release_idle_buffers(&mut self, inner: &mut Inner, now: Instant) {
        match self.idle_check {
            None if self.traffic => {
                self.idle_check = Some(now + IDLE);
                inner.stir();
            }
            Some(at) if at <= now && self.traffic => self.idle_check = Some(now + IDLE),
            Some(at) if at <= now => {
                self.idle_check = None;
                self.input.release(inner.backlog().bytes);
                self.transmit.release();
                if let Some(piped) = &mut self.pipe {
                    piped.wire.release();
                    piped.pipe.release();
                }
                inner.rest();
            }
            _ => return,
        }
        self.traffic = false;
    }

    /// Whether nothing has moved for a while.
    pub(super) fn rests(&self) -> bool {
        self.idle_check.is_none()
    }

    fn next_deadline(&self, inner: &mut Inner) -> Option<Instant> {
        let link = match &self.link {
            Link::Dialling { dialler, .. } => dialler.deadline(),
            Link::Lingering { until, .. } => Some(*until),
            _ => None,
        };
        let storage = self.storage.as_deref().and_then(Storage::deadline);
        let connection = inner.connection.poll_timeout().map(|(at, _)| at);
        let waits = [inner.room.deadline(), inner.requests.next_deadline()].into_iter().flatten().min();
        [link, storage, connection, waits, self.idle_check].into_iter().flatten().min()
    }
}
