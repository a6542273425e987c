//! Operations that end before the server has answered: cancelled, dropped, expired, or too late for the application.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Connection;
use super::due::Kind;
use super::flight::Stage;
use super::queue::{Control, Request};
use super::state::Phase;
use crate::error::{CancelError, OperationError};
use crate::event::Token;
use crate::packet::{PacketType, PropertiesBuf, QoS, TopicFiltersBuf};

/// What may be withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only what was not sent.
    Unsent,
    /// Also what was sent: its packet identifier stays reserved.
    Sent,
}

impl Connection {
    pub(super) fn cancel_operation(&mut self, token: Token) -> Result<(), CancelError> {
        // What a store keeps has ended for now, and goes on with the next start.
        let kept = self.phase == Phase::Closed && !self.is_closing();
        if kept || !self.withdraw(token, Reach::Sent, OperationError::Cancelled) {
            return Err(CancelError);
        }
        self.completed();
        Ok(())
    }

    /// Ends what has expired, or whose deadline has come.
    #[inline]
    pub(super) fn end_what_is_due(&mut self) {
        if self.due.is_used() {
            self.end_due();
        }
    }

    fn end_due(&mut self) {
        // What a store keeps for the next start expires then.
        while self.phase != Phase::Closed
            && let Some((token, kind)) = self.due.take(self.now)
        {
            match kind {
                Kind::Expiry => self.withdraw(token, Reach::Unsent, OperationError::Expired),
                Kind::Deadline => self.withdraw(token, Reach::Sent, OperationError::DeadlinePassed),
            };
        }
    }

    /// Ends an operation, sent or not, that waits for what the application does not let us read. What is to be sent for
    /// that waits for a flush.
    pub(super) fn withdraw_stalled(&mut self, token: Token) {
        self.withdraw(token, Reach::Sent, OperationError::Stalled);
    }

    /// A message that waits makes room for another.
    pub(super) fn drop_waiting(&mut self, token: Token) {
        self.withdraw_waiting(token, OperationError::Dropped);
    }

    /// Ends an operation with `error`; whether there was one to end. What is to be sent for that waits for a flush.
    fn withdraw(&mut self, token: Token, reach: Reach, error: OperationError) -> bool {
        self.withdraw_waiting(token, error.clone())
            || reach == Reach::Sent && self.withdraw_unwritten(token, error.clone())
            || self.withdraw_in_flight(token, reach, error.clone())
            || reach == Reach::Sent && self.withdraw_control(token, error)
    }

    /// A message that waits is not sent: the one place where one leaves before its turn.
    fn withdraw_waiting(&mut self, token: Token, error: OperationError) -> bool {
        let Some(record) = self.queue.remove(token) else { return false };
        if record.qos != QoS::AtMostOnce {
            self.forget_message(token);
        }
        self.queue.release(record);
        self.publish_failed(token, error);
        true
    }

    /// A message that has its packet identifier: what was not sent leaves no trace, what was keeps its identifier.
    fn withdraw_in_flight(&mut self, token: Token, reach: Reach, error: OperationError) -> bool {
        let Some(packet_id) = self.message_in_flight(token) else { return false };
        let Some(entry) = self.in_flight.table.get(packet_id) else { return false };
        if entry.sent && reach == Reach::Unsent {
            return false;
        }
        self.give_up(packet_id);
        self.publish_failed(token, error);
        true
    }

    /// QoS 0 that the transport has not taken: its bytes leave nevertheless.
    fn withdraw_unwritten(&mut self, token: Token, error: OperationError) -> bool {
        let Ok(at) = self.unwritten.binary_search_by_key(&token, |message| message.token) else {
            return false;
        };
        if core::mem::replace(&mut self.unwritten[at].withdrawn, true) {
            return false;
        }
        if let Some(record) = self.queue.settle(token) {
            self.queue.release(record);
        }
        self.publish_failed(token, error);
        true
    }

    /// A SUBSCRIBE or UNSUBSCRIBE, with all its parts.
    fn withdraw_control(&mut self, token: Token, error: OperationError) -> bool {
        if self.splits.is_ended(token) {
            return false;
        }
        let waiting = self.queue.take_controls(token);
        let sent = self.in_flight.controls(token);
        let first = sent.first().and_then(|packet_id| self.in_flight.table.get(*packet_id));
        let operation = match (waiting.first(), first) {
            (Some(control), _) => control.operation(),
            (None, Some(entry)) => entry.stage.operation(),
            (None, None) => return false,
        };
        self.given_up(operation, token, error);
        let mut tried = Vec::new();
        for packet_id in sent {
            if let Some(Stage::Controlled(control)) =
                self.in_flight.table.get(packet_id).map(|entry| &entry.stage)
            {
                control.tried(&mut tried);
            }
            self.abandon(packet_id);
        }
        for control in waiting {
            if control.sent {
                control.tried(&mut tried);
            }
            self.control_ended(&control, Err(OperationError::Cancelled), false);
        }
        if operation == PacketType::Subscribe {
            self.subscriptions.withdrawn(token);
            self.take_back(tried);
        }
        true
    }

    /// The server may have subscribed us to filters that nobody wants: its messages would never be acknowledged. Whoever
    /// withdraws flushes afterwards; a flush from here would withdraw the next one within this one.
    fn take_back(&mut self, mut filters: Vec<Box<str>>) {
        filters.retain(|filter| !self.subscriptions.contains(filter));
        let mut unwanted = TopicFiltersBuf::new();
        for filter in &filters {
            // It was valid when it was subscribed to.
            let _ = unwanted.push(filter);
        }
        if !filters.is_empty() {
            let request = Request::Unsubscribe { filters: unwanted };
            let control = Control::new(self.take_token(), request, PropertiesBuf::new());
            let control = Box::new(Control { silent: true, ..control });
            self.queue.hold(&control);
            self.queue.push_control(control);
        }
    }

    /// The packet identifier of a message that the application waits for.
    fn message_in_flight(&self, token: Token) -> Option<u16> {
        let is_it = |packet_id: &u16| {
            self.in_flight
                .table
                .get(*packet_id)
                .is_some_and(|entry| entry.token == token && !entry.abandoned && entry.stage.qos().is_some())
        };
        let known = self.due.packet_id(token).filter(is_it);
        known.or_else(|| self.in_flight.message(token))
    }
}

impl Control {
    /// The filters that a SUBSCRIBE asks for.
    fn tried(&self, filters: &mut Vec<Box<str>>) {
        if let Request::Subscribe { filters: asked, .. } = &self.request {
            filters.extend(asked.as_filters().iter().map(|filter| filter.filter.into()));
        }
    }
}
