//! Operations whose answer cannot be read, since messages that the application does not take fill the reserve: they end
//! after a while, whether they were sent or not, so that an application that waits for one of them reads again.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::Connection;
use super::subscriptions::AGAIN;
use crate::error::OperationError;
use crate::event::Token;
use crate::packet::PacketType;
use crate::time::Instant;

/// How long operations wait for reading to go on where `ack_timeout` is off.
const LONGEST: Duration = Duration::from_secs(60);

/// Reading has not come to an end since then, for want of room.
#[derive(Debug)]
pub(super) struct HeldBack {
    since: Instant,
    /// What was called for before this has waited all the time.
    before: Token,
}

impl Connection {
    /// Whether reading is held back although an operation waits for the server, or somebody for messages: those of QoS 1
    /// and 2 that the application does not take fill [`Config::incoming_reserve`](crate::Config::incoming_reserve). It goes
    /// on when some are taken; else operations end with [`OperationError::Stalled`] after
    /// [`stall_timeout`](Self::stall_timeout).
    pub fn is_held_back(&self) -> bool {
        self.held_back.is_some() && self.phase.is_up()
    }

    /// How long operations wait while reading [is held back](Self::is_held_back):
    /// [`Config::ack_timeout`](crate::Config::ack_timeout), or 60 seconds where that is off.
    pub fn stall_timeout(&self) -> Duration {
        let timeout = self.config.ack_timeout;
        if timeout.is_zero() { LONGEST } else { timeout }
    }

    /// Whether an operation waits for the server, or somebody for messages, and reading goes on for that.
    pub(super) fn is_awaited(&self) -> bool {
        self.has_pending() || self.backlog.starving
    }

    /// Input was taken as far as possible.
    pub(super) fn watch_stall(&mut self) {
        // What waits for our own bytes to leave, or for an answer of the application, is no matter of room.
        let is_full = self.paused && !self.replies_pile_up() && !self.is_unconfirmed();
        if !(is_full && self.is_awaited()) {
            self.held_back = None;
        } else if self.held_back.is_none() {
            let held_back = HeldBack { since: self.now, before: Token(self.next_token) };
            self.held_back = Some(Box::new(held_back));
        }
    }

    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        let held_back = self.held_back.as_deref().filter(|_| self.phase.is_up() && self.has_pending())?;
        Some(held_back.since + self.stall_timeout())
    }

    /// Ends what has waited all the time that reading was held back. Messages of QoS 1 and 2 that were not sent stay:
    /// the server cannot have them, and they have their own deadlines.
    pub(super) fn end_what_stalls(&mut self) {
        let Some(held_back) = self.held_back.as_deref_mut() else { return };
        let end = core::mem::replace(&mut held_back.before, Token(self.next_token));
        held_back.since = self.now;
        for (token, packet_id, operation) in self.in_flight.waiting_before(self.attempt, end) {
            self.stalled(token, packet_id, operation);
        }
        self.end_unsent_unsubscribes(end);
        self.queue.unpack_ahead();
        let controls = self.queue.control.iter().filter(|control| !control.silent);
        let controls = controls.filter(|control| control.operation() == PacketType::Subscribe);
        let unwritten = self.unwritten.iter().map(|message| message.token);
        let waiting = controls.map(|control| control.token).chain(unwritten);
        let waiting = waiting.chain(self.queue.at_most_once().tokens());
        for token in waiting.filter(|token| *token != AGAIN && *token < end).collect::<Vec<_>>() {
            self.withdraw_stalled(token);
        }
        self.completed();
    }

    /// They are sent nevertheless: the server's subscription is not wanted any more.
    fn end_unsent_unsubscribes(&mut self, end: Token) {
        let mut ended = Vec::new();
        for control in self.queue.control.iter_mut().filter(|control| !control.silent && control.token < end)
        {
            if control.operation() == PacketType::Unsubscribe {
                // Parts are counted until the last one is answered.
                control.silent = control.part.is_none();
                ended.push(control.token);
            }
        }
        for token in ended {
            self.given_up(PacketType::Unsubscribe, token, OperationError::Stalled);
        }
    }

    /// An operation that was sent has waited long enough for its answer, which may well be there, behind messages.
    pub(super) fn stalled(&mut self, token: Token, packet_id: u16, operation: PacketType) {
        // What a reconnect subscribes to stays desired: its streams are there.
        if operation == PacketType::Subscribe && token != AGAIN {
            self.withdraw_stalled(token);
        } else {
            self.abandon(packet_id);
            self.given_up(operation, token, OperationError::Stalled);
        }
    }
}
