//! A network connection is gone: what stays, and whether there will be another.

use core::time::Duration;

use super::flight::Stage;
use super::state::{Input, Phase};
use super::timer::Timer;
use super::{Connection, Unwritten};
use crate::bug::Bug;
use crate::config::{ServerClose, VersionPolicy};
use crate::error::{Cause, Lost, LostKind, OperationError};
use crate::event::{Attempt, Event};
use crate::packet::{ProtocolVersion, ReasonCode};

impl Connection {
    pub(super) fn transport_down(&mut self, attempt: Attempt, lost: Lost) {
        if attempt != self.attempt || !self.phase.has_transport() {
            return;
        }
        let was_handshaking = self.phase == Phase::Handshaking;
        let silent_close = was_handshaking && lost.kind == LostKind::Eof;
        let up_since = self.session.up_since.take();
        let held = up_since.map(|since| self.now - since >= self.config.reconnect.stable_after);
        if held == Some(true) {
            self.backoff.reset();
            self.servers.held();
        }
        let finished = self.phase == Phase::Flushing;
        let cause = match self.cause.take() {
            Some(cause) => *cause,
            None if finished => Cause::Requested,
            None => Cause::Lost(lost),
        };
        self.end_exchange(&cause);
        self.tear_down();
        if up_since.is_some() {
            self.session.lost_at = Some(self.now);
        }
        let pause = self.retry_pause(&cause, silent_close, held);
        self.version = self.servers.version();
        let input = if pause.is_some() { Input::LostRetry } else { Input::LostFinal };
        let retry_at = pause.map(|pause| self.now + pause);
        if let Some(phase) = self.phase.next(input) {
            self.phase = phase;
        }
        self.report(Event::Disconnected { attempt, cause: cause.clone(), retry_at });
        if up_since.is_some() {
            self.report(Event::Offline);
        }
        match retry_at {
            Some(at) if at <= self.now => self.start(),
            Some(at) => self.timers.arm(Timer::Reconnect, at),
            None => self.close(cause),
        }
    }

    /// Forgets what belongs to the network connection.
    fn tear_down(&mut self) {
        self.actions.clear();
        self.timers.disarm_all();
        self.out.clear();
        self.out.release();
        self.planted_on_losing();
        self.lose_unreported();
        self.queue.unpack_ahead();
        self.enqueued = 0;
        self.written = 0;
        self.replies = 0;
        self.writing_since = None;
        self.ping = None;
        self.paused = false;
        self.held_back = None;
        self.left_over = 0;
        self.aliases.clear();
        if self.has_bug(Bug::ReceivedForgottenOnReconnect) {
            self.received.clear();
        }
        self.received.disconnected();
        self.blocking = 0;
        if let Some(persistence) = self.persistence.as_deref_mut() {
            persistence.disconnected();
        }
        self.subscriptions.disconnected();
        for Unwritten { token, withdrawn, .. } in core::mem::take(&mut self.unwritten) {
            let record = self.queue.settle(token);
            if let Some(record) = record.filter(|_| !self.has_bug(Bug::RequeueForgotten)) {
                self.due.waits_again(token);
                self.queue.push(token, record);
            } else if !withdrawn {
                self.publish_failed(token, OperationError::Lost);
            }
        }
        for entry in self.in_flight.disconnected().into_iter().rev() {
            let Stage::Controlled(control) = entry.stage else { continue };
            let given_up = entry.abandoned && !control.silent;
            if given_up {
                self.subscriptions.abandoned(entry.token);
            }
            if given_up || control.is_again() {
                self.control_ended(&control, Err(OperationError::Closed), false);
            } else {
                self.queue.push_control(control);
            }
        }
        // What a reconnect had queued is found missing again.
        while self.queue.control.front().is_some_and(|control| control.is_again()) {
            if let Some(control) = self.queue.control.pop_front() {
                self.queue.release_control(&control);
            }
        }
    }

    /// How long to wait before the next attempt; `None`: there is none. `held`: whether the connection was up for long
    /// enough to count as stable; `None` if it was never up.
    fn retry_pause(&mut self, cause: &Cause, silent_close: bool, held: Option<bool>) -> Option<Duration> {
        if self.ending.is_some() || self.store_failure().is_some() {
            return None;
        }
        if core::mem::take(&mut self.session.retry_now) {
            self.servers.lost(true);
            return Some(Duration::ZERO);
        }
        if self.fall_back(cause, silent_close) || self.is_sent_on(cause) {
            return Some(Duration::ZERO);
        }
        let reconnect = &self.config.reconnect;
        let retries = match cause {
            Cause::Refused(refusal) => (reconnect.retry)(ServerClose::Refused(refusal.reason)),
            Cause::ServerDisconnected(refusal) => {
                (reconnect.retry)(ServerClose::Disconnected(refusal.reason))
            }
            Cause::Connect(_) | Cause::Store(_) => false,
            Cause::Requested
            | Cause::Protocol(_)
            | Cause::Authentication(_)
            | Cause::Lost(_)
            | Cause::Timeout(_) => true,
        };
        if !retries {
            return None;
        }
        if let Some(held) = held {
            // Not where the server itself said that it does not want us, or is not to be trusted.
            self.servers.lost(held && matches!(cause, Cause::Lost(_) | Cause::Timeout(_)));
        } else if !self.has_bug(Bug::ServerNotAdvanced) && self.servers.failed() {
            return Some(Duration::ZERO);
        }
        if !(self.session.accepted || reconnect.first) {
            return None;
        }
        self.backoff.next_pause(reconnect, &mut self.random, self.now)
    }

    /// Whether the server does not speak 5.0, and 3.1.1 is to be tried; the version is kept for that server. Not with
    /// enhanced authentication, which 3.1.1 does not have.
    fn fall_back(&mut self, cause: &Cause, silent_close: bool) -> bool {
        let VersionPolicy::Automatic { on_close } = self.config.version else { return false };
        let refused = matches!(cause, Cause::Refused(refusal)
            if refusal.reason == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        let falls_back = self.version == ProtocolVersion::V5
            && self.config.authentication.is_none()
            && (refused || (on_close && silent_close));
        if falls_back {
            self.servers.fall_back();
        }
        falls_back
    }

    /// Whether the server sends us to another, and we follow.
    fn is_sent_on(&mut self, cause: &Cause) -> bool {
        let (Cause::Refused(refusal) | Cause::ServerDisconnected(refusal)) = cause else { return false };
        let permanent = refusal.reason == ReasonCode::SERVER_MOVED;
        let properties = refusal.properties.as_properties();
        match properties.server_reference() {
            Some(references) if permanent || refusal.reason == ReasonCode::USE_ANOTHER_SERVER => {
                self.servers.redirect(self.config.redirects, permanent, references)
            }
            _ => false,
        }
    }
}
