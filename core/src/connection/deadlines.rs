//! What happens when a deadline passes, and the deadlines that follow from other times.

use core::time::Duration;

use super::state::Phase;
use super::timer::Timer;
use super::unread::Unread;
use super::{Connection, Ping};
use crate::bug::Bug;
use crate::error::Cause;
use crate::packet::{PROTOCOL_MAXIMUM_PACKET_SIZE, Packet};
use crate::time::Instant;

impl Connection {
    pub(super) fn deadlines(&mut self) {
        if self.due.next(self.now).is_some_and(|at| at <= self.now) && self.phase != Phase::Closed {
            self.end_what_is_due();
            self.completed();
        }
        if self.timers.take_due(Timer::Connect, self.now) {
            self.fail(Cause::Timeout(Timer::Connect));
        }
        if self.timers.take_due(Timer::Reconnect, self.now) {
            self.start();
        }
        if self.timers.take_due(Timer::Drain, self.now) {
            self.drain_timed_out();
        }
        if self.timers.take_due(Timer::Ping, self.now) {
            self.fail(Cause::Timeout(Timer::Ping));
        }
        if self.timers.take_due(Timer::Ack, self.now) {
            self.ack_timed_out();
        }
        if self.timers.take_due(Timer::AckBlocked, self.now) {
            self.report_ack_blocked();
        }
        if self.timers.take_due(Timer::Authenticate, self.now) {
            self.authentication_timed_out();
        }
        if self.stall_deadline().is_some_and(|at| at <= self.now) {
            self.end_what_stalls();
        }
        if self.write_deadline().is_some_and(|at| at <= self.now) {
            self.fail(Cause::Timeout(Timer::Write));
        }
        if self.keep_alive_deadline().is_some_and(|at| at <= self.now) {
            self.send_ping();
        }
    }

    fn drain_timed_out(&mut self) {
        match self.phase {
            Phase::Draining => self.finish(),
            Phase::Closed => self.store_timed_out(),
            _ => self.abort(),
        }
    }

    /// The longest-waiting operation may have been sent later than when the timer was armed.
    fn ack_timed_out(&mut self) {
        let timeout = self.config.ack_timeout;
        // What the driver has not taken yet may carry an old time from its command.
        self.in_flight.stamp(self.now);
        let Some(oldest) = self.in_flight.oldest(self.attempt) else { return };
        if oldest + timeout > self.now {
            self.timers.arm(Timer::Ack, oldest + timeout);
            return;
        }
        // Reading that waits for our own bytes to leave waits for the server, not for the application.
        if !self.paused || self.replies_pile_up() {
            self.fail(Cause::Timeout(Timer::Ack));
            return;
        }
        // The answer may well be there, behind messages that the application does not read.
        for (token, packet_id, operation) in self.in_flight.overdue(self.attempt, self.now, timeout) {
            self.stalled(token, packet_id, operation);
        }
        if let Some(oldest) = self.in_flight.oldest(self.attempt) {
            self.timers.arm(Timer::Ack, oldest + timeout);
        }
        self.completed();
    }

    /// A PINGREQ is due when nothing was sent, or nothing was received, for the interval [MQTT-3.1.2-20]; not while
    /// bytes wait to be written, and not for want of receiving while we hold reading back.
    pub(super) fn keep_alive_deadline(&self) -> Option<Instant> {
        let interval = self.server.as_deref().map(|server| server.keep_alive)?;
        if !self.phase.is_up() || interval.is_zero() || self.unsent() > 0 {
            return None;
        }
        let since = if self.ping.is_some() || self.paused {
            self.last_sent
        } else {
            self.last_sent.min(self.last_received)
        };
        let late = if self.has_bug(Bug::KeepAliveLate) { interval / 2 } else { Duration::ZERO };
        Some(since + interval + late)
    }

    pub(super) fn write_deadline(&self) -> Option<Instant> {
        let timeout = self.config.write_timeout;
        let since = self.writing_since.filter(|_| !timeout.is_zero() && self.phase != Phase::Closing)?;
        Some(since + timeout)
    }

    fn send_ping(&mut self) {
        // Two bytes; no server can mean less.
        let _ = self.send_within(&Packet::PingReq, PROTOCOL_MAXIMUM_PACKET_SIZE);
        let end = self.enqueued;
        self.ping.get_or_insert(Ping { end });
        // Nothing happens: a good time to give memory back.
        self.trim();
    }

    pub(super) fn trim(&mut self) {
        self.queue.trim();
        self.in_flight.trim();
        self.received.trim();
        self.due.trim();
        self.scratch = None;
        if let Some(persistence) = self.persistence.as_deref_mut() {
            persistence.trim();
        }
        self.out.release();
        Unread::trim(&mut self.unread);
        self.unwritten.shrink_to_fit();
        self.events.shrink_to_fit();
        if let Some(unreported) = &mut self.unreported {
            unreported.trim();
        }
    }
}
