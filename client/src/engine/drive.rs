//! The engine under its lock: what happened goes to the connection, and what it asks for becomes steps.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Buf;
use sterna_core::{Action, Attempt, ConnectOverrides, Credentials, Ingress, Instant, LostKind};

use sterna_transport::Endpoint;

use super::commit::Storage;
use super::{Drive, Link, Step, lost};
use crate::dialler::Dialler;
use crate::shared::Inner;

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
        self.now = now;
        self.report(inner, now);
        // Without need it only tells the time, from which deadlines of commands count.
        inner.connection.handle_timeout(now);
        loop {
            inner.driver_looks();
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
        if let Some(storage) = &mut self.storage {
            storage.watch(inner, now);
        }
        self.release_idle_buffers(now);
        self.deadline = self.next_deadline(inner);
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
            Link::Dialled { attempt } => {
                let attempt = *attempt;
                self.transmit.clear();
                self.input.bytes.clear();
                let data = self.initial_data.take();
                let credentials = self.endpoint.credentials.as_ref().map(|credentials| Credentials {
                    user_name: Some(&credentials.user_name),
                    password: credentials.password.as_deref(),
                });
                let overrides = ConnectOverrides { credentials, authentication_data: data.as_deref() };
                inner.connection.handle_connected(now, attempt, overrides);
                self.link = Link::Up { attempt };
            }
            Link::Up { .. } => self.feed(inner, now),
            Link::Gone { .. } => {
                // What came before the end counts.
                self.feed(inner, now);
                self.end_link(inner, now);
            }
            Link::Lingering { until, .. } => {
                self.input.bytes.clear();
                if *until <= now {
                    self.handle_lost(LostKind::Eof, String::new());
                    self.end_link(inner, now);
                }
            }
            Link::Dialling { .. } | Link::Resolving { .. } | Link::None => {}
        }
    }

    /// Has the connection read what came, as far as it takes it.
    fn feed(&mut self, inner: &mut Inner, now: Instant) {
        if self.input.bytes.is_empty() && !self.paused {
            return;
        }
        loop {
            inner.connection.handle_backlog(inner.backlog());
            self.paused = inner.connection.handle_input(now, &mut self.input.bytes) == Ingress::Paused;
            // What was paused for messages that nobody wanted goes on.
            if !(inner.drain() && self.paused) {
                break;
            }
        }
        inner.set_paused(self.paused);
    }

    fn end_link(&mut self, inner: &mut Inner, now: Instant) {
        if let Link::Gone { attempt, lost } = std::mem::replace(&mut self.link, Link::None) {
            self.close = true;
            self.transmit.clear();
            self.input.bytes.clear();
            self.paused = false;
            inner.set_paused(false);
            inner.connection.handle_disconnected(now, attempt, lost);
        }
    }

    pub(super) fn handle_lost(&mut self, kind: LostKind, detail: String) {
        if let Link::Up { attempt } | Link::Lingering { attempt, .. } = self.link {
            self.link = Link::Gone { attempt, lost: lost(kind, detail) };
            self.transmit.clear();
        }
    }

    /// Carries out one action of the connection; whether there was one.
    fn act(&mut self, inner: &mut Inner, now: Instant) -> bool {
        match inner.connection.poll_action() {
            Some(Action::Connect { attempt, server, redirect }) => {
                match self.find(server, redirect.as_deref()) {
                    Ok(endpoint) => self.make_link(now, attempt, endpoint),
                    Err(detail) => {
                        self.link = Link::Gone { attempt, lost: lost(LostKind::Resolve, detail) };
                        self.end_link(inner, now);
                    }
                }
            }
            Some(Action::Close { attempt }) => self.close_link(inner, now, attempt),
            None => return false,
        }
        true
    }

    /// The endpoint of a server, or where it has sent us.
    fn find(&self, server: u16, redirect: Option<&str>) -> Result<Endpoint, String> {
        let Some(endpoint) = self.endpoints.get(usize::from(server)) else {
            return Err(format!("there is no server {server}"));
        };
        let Some(reference) = redirect else { return Ok(endpoint.clone()) };
        endpoint.redirected(reference).map_err(|error| format!("server reference `{reference}`: {error}"))
    }

    fn make_link(&mut self, now: Instant, attempt: Attempt, endpoint: Endpoint) {
        let end = now + self.connect_timeout;
        self.link = match endpoint.host.parse::<IpAddr>() {
            Ok(address) => {
                let address = SocketAddr::new(address, endpoint.port);
                Link::Dialling { attempt, dialler: Dialler::new([address], end), asked: false }
            }
            Err(_) => Link::Resolving { attempt, asked: false, end },
        };
        self.endpoint = endpoint;
    }

    fn close_link(&mut self, inner: &mut Inner, now: Instant, closing: Attempt) {
        match self.link {
            Link::Up { attempt } if attempt == closing => {
                inner.connection.poll_transmit(now, &mut self.transmit);
                self.link = Link::Lingering { attempt, asked: false, until: now + LINGER };
                // What is still unread is not read any more.
                self.paused = false;
                inner.set_paused(false);
            }
            Link::Resolving { attempt, .. } | Link::Dialling { attempt, .. } if attempt == closing => {
                self.link = Link::Gone { attempt, lost: lost(LostKind::Dial, "given up".into()) };
                self.end_link(inner, now);
            }
            // Gone already: the connection hears of it, or has heard.
            _ => {}
        }
    }

    fn step(&mut self, inner: &mut Inner, now: Instant) -> Step {
        if std::mem::take(&mut self.close) {
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
            Link::None if finished && self.storage.as_ref().is_none_or(Storage::is_idle) => Step::Finished,
            Link::Resolving { asked: asked @ false, .. } => {
                *asked = true;
                Step::Resolve { host: self.endpoint.host.clone(), port: self.endpoint.port }
            }
            Link::Dialling { attempt, dialler, asked } => {
                let given_up = dialler.limit().is_some_and(|limit| limit <= now);
                if *asked && !given_up {
                    return Step::Transfer { read: false, write: false };
                }
                if *asked {
                    dialler.failed(&"no answer");
                }
                if let Some(address) = dialler.next(now) {
                    *asked = true;
                    return Step::Dial(address);
                }
                let attempt = *attempt;
                self.fail_dialling(inner, now, attempt);
                self.step(inner, now)
            }
            Link::Lingering { asked: asked @ false, .. } => {
                *asked = true;
                Step::Shutdown
            }
            Link::Lingering { .. } => Step::Transfer { read: true, write: false },
            Link::Up { .. } => Step::Transfer { read: !self.paused, write: self.transmit.has_remaining() },
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

    /// One timer that traffic does not move: it looks once a second whether anything moved.
    fn release_idle_buffers(&mut self, now: Instant) {
        match self.idle_check {
            None if self.traffic => self.idle_check = Some(now + IDLE),
            Some(at) if at <= now && self.traffic => self.idle_check = Some(now + IDLE),
            Some(at) if at <= now => {
                self.idle_check = None;
                self.input.release();
                self.transmit.release();
            }
            _ => return,
        }
        self.traffic = false;
    }

    fn next_deadline(&self, inner: &Inner) -> Option<Instant> {
        let link = match &self.link {
            Link::Dialling { dialler, .. } => dialler.limit(),
            Link::Lingering { until, .. } => Some(*until),
            _ => None,
        };
        let storage = self.storage.as_ref().and_then(Storage::deadline);
        let connection = inner.connection.poll_timeout().map(|(at, _)| at);
        let waits = [inner.room.deadline(), inner.requests.next_deadline()].into_iter().flatten().min();
        [link, storage, connection, waits, self.idle_check].into_iter().flatten().min()
    }
}
