//! What the connection reports, and whom it concerns.

use sterna_core::packet::ProtocolVersion;
use sterna_core::{OperationError, Token};

use super::{Inner, Subscribing, Work};
use crate::completion::Answer;
use crate::error::SubscribeError;
use crate::events::Event;
use crate::inbox::Unclaimed;

impl Inner {
    /// Distributes what the connection has to say. Whether any message came.
    pub(crate) fn drain(&mut self) -> bool {
        self.drain_events();
        let hold = self.holds_unclaimed();
        let mut any = false;
        while let Some(message) = self.connection.poll_message() {
            any = true;
            if let Some(id) = self.inbox.deliver(message, hold, &mut self.wakers) {
                self.acknowledge_all([id]);
            }
        }
        self.take_responses();
        self.connection.handle_backlog(self.inbox.backlog());
        let excess = self.connection.poll_excess();
        if excess > 0 {
            let dropped = self.inbox.shed(excess);
            self.connection.handle_dropped(dropped);
            self.drain_events();
        }
        for (filters, messages) in self.inbox.take_lagging() {
            let event = Event::Lagging { filters, messages };
            self.trace.event(self.now, &event);
            self.events.send(event, &mut self.wakers);
        }
        self.fill_room();
        any
    }

    pub(super) fn drain_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: sterna_core::Event) {
        use sterna_core::Event as Core;
        let event = match event {
            Core::Stored { token } => return self.completions.stored(token, &mut self.wakers),
            Core::Published { token, result } => {
                self.trace_failure("publish", &result);
                return self.completions.complete(token, result.map(Answer::Receipt), &mut self.wakers);
            }
            Core::Subscribed { token, result } => {
                self.trace_failure("subscribe", &result);
                self.handle_subscribed(token, &result);
                return self.completions.complete(token, result.map(Answer::Granted), &mut self.wakers);
            }
            Core::Unsubscribed { token, result } => {
                self.trace_failure("unsubscribe", &result);
                return self.completions.complete(token, result.map(Answer::Granted), &mut self.wakers);
            }
            Core::Authenticate { attempt, accepted, properties } => {
                return self.authentications.push(Work::Answer { attempt, accepted, properties });
            }
            Core::Reauthenticated { token, result } => return self.reauthenticated(token, result),
            Core::Connecting { attempt } => {
                // It goes on: a store that was to let go keeps on working.
                self.announce_closed();
                self.closed = None;
                Event::Connecting { attempt }
            }
            Core::Connected { attempt, session_present } => {
                self.connections += 1;
                self.inbox.forget_copies(None);
                if !session_present {
                    self.inbox.router().session_lost();
                }
                self.wakers.others.append(&mut self.watchers);
                let keeps_session = self.keeps_session();
                let (client_id, server) = (self.connection.client_id(), self.connection.server());
                self.trace.accepted(client_id, server, session_present, keeps_session);
                Event::Connected { attempt, session_present }
            }
            Core::Disconnected { attempt, cause, retry_at } => {
                Event::Disconnected { attempt, cause, retry_in: retry_at.map(|at| at - self.now) }
            }
            Core::Offline => Event::Offline,
            Core::Closed { cause } => {
                self.releasing = Some(cause);
                if !self.stores {
                    self.announce_closed();
                }
                return;
            }
            Core::Resubscribed { filter, reason } => {
                if reason.is_error() {
                    for stream in self.inbox.streams_of(&filter) {
                        self.lose_filter(stream, &filter, SubscribeError::Refused(vec![reason]));
                    }
                } else {
                    let identified = self.takes_identifiers();
                    self.inbox.router().confirm(&filter, identified);
                }
                Event::Resubscribed { filter, reason }
            }
            Core::AckBlocked { id, topic } => {
                Event::AckBlocked { id, filters: self.inbox.owing(id, &topic), topic }
            }
            Core::Dropped { messages } => Event::Dropped { messages },
            Core::PacketSent(info) => Event::PacketSent(info),
            Core::PacketReceived(info) => Event::PacketReceived(info),
            _ => return,
        };
        self.announce(event);
    }

    /// Tells whoever listens.
    pub(super) fn announce(&mut self, event: Event) {
        if self.trace.event(self.now, &event) {
            self.events.send(event, &mut self.wakers);
        }
    }

    /// A stream loses the filters that the server refused.
    fn handle_subscribed(&mut self, token: Token, result: &Result<sterna_core::Granted, OperationError>) {
        let Some(Subscribing { stream, filters }) = self.subscribing.remove(&token) else { return };
        self.inbox.forget_copies(Some(stream));
        self.inbox.register_subscriber(stream, None);
        for (index, filter) in filters.iter().enumerate() {
            let granted = result.as_ref().ok().and_then(|granted| granted.reasons.get(index));
            if let Some(reason) = granted {
                self.trace.subscribed(filter, *reason);
            }
            let error = match (result, granted) {
                (_, Some(reason)) if reason.is_error() => Some(SubscribeError::Refused(vec![*reason])),
                (_, Some(_)) => None,
                (Err(error), None) => Some(error.clone().into()),
                (Ok(_), None) => Some(OperationError::Closed.into()),
            };
            if let Err(OperationError::Stalled | OperationError::DeadlinePassed) = result {
                self.withdrawn(stream, filter);
                if let Some(error) = error {
                    self.fail_requests(stream, error);
                }
            } else if let Some(error) = error {
                self.lose_filter(stream, filter, error);
            } else {
                let identified = self.takes_identifiers();
                self.inbox.router().confirm(filter, identified);
            }
        }
    }

    /// Whether the subscriptions made on this connection have their identifiers.
    fn takes_identifiers(&self) -> bool {
        self.connection.server().is_some_and(|server| server.subscription_identifier_available)
    }

    /// Whether the next ones may have.
    pub(crate) fn may_identify(&self) -> bool {
        self.connection.version() == ProtocolVersion::V5
            && (self.connection.server().is_none() || self.takes_identifiers())
    }

    /// The session outlives the connection: what nobody claims today may be claimed tomorrow.
    pub(super) fn holds_unclaimed(&self) -> bool {
        self.keeps_session() && self.unclaimed == Unclaimed::Hold
    }

    fn keeps_session(&self) -> bool {
        self.connection.server().is_none_or(|server| match server.version {
            ProtocolVersion::V5 => server.session_expiry > 0,
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => self.keeps_session,
        })
    }

    fn trace_failure<T>(&mut self, operation: &'static str, result: &Result<T, OperationError>) {
        if let Err(error) = result {
            self.trace.failed(self.now, operation, error);
        }
    }
}
