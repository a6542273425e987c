//! A network connection is gone: what stays, and whether there will be another.

use core::time::Duration;

use super::Connection;
use super::inflight::Stage;
use super::queue::Request;
use super::state::{Input, Phase};
use super::timer::Timer;
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
        if up_since.is_some_and(|since| self.now - since >= self.config.reconnect.stable_after) {
            self.backoff.reset();
        }
        let finished = self.phase == Phase::Flushing;
        let cause = match self.cause.take() {
            Some(cause) => *cause,
            None if finished => Cause::Requested,
            None => Cause::Lost(lost),
        };
        self.tear_down();
        if up_since.is_some() {
            self.session.lost_at = Some(self.now);
        }
        let pause = self.retry_pause(&cause, silent_close);
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
        self.enqueued = 0;
        self.written = 0;
        self.replies = 0;
        self.writing_since = None;
        self.ping = None;
        self.paused = false;
        self.left_over = 0;
        self.aliases.clear();
        self.received.disconnected();
        if let Some(persistence) = self.persistence.as_deref_mut() {
            persistence.disconnected();
        }
        self.subscriptions.disconnected();
        for (_, token) in core::mem::take(&mut self.unwritten) {
            self.publish_failed(token, OperationError::Lost);
        }
        for entry in self.in_flight.disconnected().into_iter().rev() {
            let Stage::Controlled(control) = entry.stage else { continue };
            let again = matches!(control.request, Request::Subscribe { again: true, .. });
            if entry.abandoned {
                self.subscriptions.abandoned(entry.token);
            }
            if entry.abandoned || again {
                self.queue.release_control(&control);
            } else {
                self.queue.push_control(control);
            }
        }
        // What a reconnect had queued is found missing again.
        let again = |request: &Request| matches!(request, Request::Subscribe { again: true, .. });
        while self.queue.control.front().is_some_and(|control| again(&control.request)) {
            if let Some(control) = self.queue.control.pop_front() {
                self.queue.release_control(&control);
            }
        }
    }

    /// How long to wait before the next attempt; `None`: there is none.
    fn retry_pause(&mut self, cause: &Cause, silent_close: bool) -> Option<Duration> {
        if self.ending.is_some() {
            return None;
        }
        if core::mem::take(&mut self.session.retry_now) || self.fall_back(cause, silent_close) {
            return Some(Duration::ZERO);
        }
        let reconnect = &self.config.reconnect;
        let retries = match cause {
            Cause::Refused(refusal) => (reconnect.retry)(ServerClose::Refused(refusal.reason)),
            Cause::ServerDisconnected(refusal) => {
                (reconnect.retry)(ServerClose::Disconnected(refusal.reason))
            }
            Cause::Connect(_) | Cause::Store(_) => false,
            Cause::Requested | Cause::Protocol(_) | Cause::Lost(_) | Cause::Timeout(_) => true,
        };
        if !retries || !(self.session.accepted || reconnect.first) {
            return None;
        }
        self.backoff.next_pause(reconnect, &mut self.random, self.now)
    }

    /// Whether the server does not speak 5.0, and 3.1.1 is to be tried; the version is kept from then on.
    fn fall_back(&mut self, cause: &Cause, silent_close: bool) -> bool {
        let VersionPolicy::Automatic { on_close } = self.config.version else { return false };
        let refused = matches!(cause, Cause::Refused(refusal)
            if refusal.reason == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        let falls_back = self.version == ProtocolVersion::V5 && (refused || (on_close && silent_close));
        if falls_back {
            self.version = ProtocolVersion::V3_1_1;
        }
        falls_back
    }
}
