//! Publishing, subscribing and unsubscribing, at once or when there is room.

use std::task::{Poll, Waker};
use std::time::Duration;

use sterna_core::packet::QoS;
use sterna_core::{
    CancelError, Instant, OperationError, Publish, PublishError, QueuePolicy, Receipt, Sent, State,
    Subscribe, SubscribeError, Token, Unsubscribe,
};

use super::{Inner, Subscribing, Ticket};
use crate::completion::Storing;
use crate::machine::Machine;
use crate::room::{Command, Rejection};

impl Inner {
    /// Publishes, or queues the publish when the connection has no room for it. The caller [`waits`](Self::waits) for it, or
    /// the driver is to be [told](Self::tell_of_publish).
    pub(crate) fn publish(&mut self, publish: Publish<'_>) -> Result<Ticket, PublishError> {
        let ending = matches!(self.connection.state(), State::Disconnecting | State::Closed);
        let at_once = !self.publishes_wait() || (self.room.is_empty() && self.has_room());
        if self.dead || ending || at_once {
            return self.accept(publish).map(Ticket::Accepted);
        }
        let deadline = publish.deadline;
        if deadline.is_some() {
            // The driver counts it.
            self.touch();
        }
        Ok(Ticket::Waiting(self.room.push(Command::publish(publish), deadline, false)))
    }

    /// Publishes at QoS 0 if nothing has to be kept of it and nobody waits for room, for a caller that mostly does not ask
    /// for the outcome.
    #[inline]
    pub(super) fn send_unreported(&mut self, publish: &Publish<'_>) -> Option<Sent> {
        if self.dead || !self.room.is_empty() {
            return None;
        }
        let sent = self.connection.publish_unreported(self.now, publish)?;
        // What was encoded ahead waits for what the driver waits for already.
        self.tell_of_publish();
        Some(sent)
    }

    /// The outcome of what was sent without being reported, if there is one. If not, it is reported from now on.
    pub(crate) fn ask_for(&mut self, sent: Sent) -> Option<Result<Receipt, OperationError>> {
        let token = sent.token();
        if self.completions.expects(token) {
            return None;
        }
        let outcome = self.connection.report_sent(sent);
        if outcome.is_none() {
            if self.dead {
                return Some(Err(OperationError::Closed));
            }
            self.completions.expect(token, Storing::Never);
        }
        outcome
    }

    /// Publishes if there is room now and nobody waits for it, for a caller that does not wait for the outcome.
    pub(crate) fn try_publish(&mut self, publish: Publish<'_>) -> Result<Token, PublishError> {
        let token = self.accept(publish)?;
        self.tell_of_publish();
        Ok(token)
    }

    fn accept(&mut self, publish: Publish<'_>) -> Result<Token, PublishError> {
        if self.dead {
            return Err(PublishError::Closed);
        }
        if self.publishes_wait() && !self.room.is_empty() {
            // Those who wait were first.
            return Err(PublishError::Full);
        }
        let storing = self.storing(publish.qos);
        let token = self.connection.publish(self.now, publish)?;
        self.completions.expect(token, storing);
        Ok(token)
    }

    /// A subscribe or unsubscribe. `detached`: nobody asks for its outcome.
    pub(crate) fn submit(
        &mut self,
        command: Command,
        deadline: Option<Duration>,
        detached: bool,
    ) -> Result<Ticket, Rejection> {
        if self.dead {
            return Err(Rejection::Subscribe(SubscribeError::Closed));
        }
        let first = self.room.is_empty();
        let id = self.room.push(command, deadline, detached);
        if first {
            self.fill_room();
        }
        self.touch();
        if detached {
            return Ok(Ticket::Waiting(id));
        }
        match self.room.poll(id, Waker::noop()) {
            Poll::Ready(outcome) => outcome.map(Ticket::Accepted),
            Poll::Pending => Ok(Ticket::Waiting(id)),
        }
    }

    /// Cancels what the connection has accepted.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn cancel(&mut self, token: Token) -> Result<(), CancelError> {
        self.connection.cancel(self.now, token)?;
        self.touch();
        Ok(())
    }

    /// The future of an operation is gone; whether the connection has accepted it.
    pub(crate) fn forget(&mut self, ticket: Ticket) -> bool {
        let token = match ticket {
            Ticket::Waiting(id) => self.room.leave(id),
            Ticket::Accepted(token) => Some(token),
            Ticket::Sent(sent) => Some(sent.token()),
        };
        if let Some(token) = token {
            self.completions.forget(token);
        }
        token.is_some()
    }

    /// Puts in what waits for room, as far as there is some.
    pub(super) fn fill_room(&mut self) {
        while !self.room.is_empty()
            && (self.dead || self.has_room() || self.connection.state() == State::Closed)
        {
            let outcome = match self.room.front() {
                _ if self.dead => Err(Rejection::Publish(PublishError::Closed)),
                Some(command) => {
                    let deadline = self.room.front_deadline(self.now);
                    execute(&mut self.connection, self.now, command, deadline)
                }
                None => return,
            };
            let qos = self.room.front().map_or(QoS::AtMostOnce, Command::qos);
            match outcome {
                Err(rejection) if rejection.is_full() => return,
                Ok(token) => {
                    self.dirty = true;
                    self.note_subscribe(token);
                    self.completions.expect(token, self.storing(qos));
                    if !self.room.admit(outcome, &mut self.wakers) {
                        self.completions.forget(token);
                    }
                }
                Err(rejection) => {
                    if let Some(command) = self.room.refuse(outcome, &mut self.wakers) {
                        self.end_stream_of(&command, rejection);
                    }
                }
            }
        }
    }

    /// A subscribe that is not accepted leaves its stream without filters.
    pub(super) fn end_stream_of(&mut self, command: &Command, rejection: Rejection) {
        let Command::Subscribe { filters, stream, .. } = command else { return };
        for filter in filters.as_filters().iter() {
            self.lose_filter(*stream, filter.filter, rejection.into());
        }
    }

    fn storing(&self, qos: QoS) -> Storing {
        if self.stores && qos != QoS::AtMostOnce { Storing::Pending } else { Storing::Never }
    }

    /// Whether a publish without room waits for it.
    fn publishes_wait(&self) -> bool {
        self.connection.config().queue_policy == QueuePolicy::Wait
    }

    fn has_room(&self) -> bool {
        self.connection.has_room()
    }

    fn note_subscribe(&mut self, token: Token) {
        if let Some(Command::Subscribe { filters, stream, .. }) = self.room.front() {
            let filters = filters.as_filters().iter().map(|filter| filter.filter.into()).collect();
            self.subscribing.insert(token, Subscribing { stream: *stream, filters });
        }
    }
}

fn execute(
    connection: &mut Machine,
    now: Instant,
    command: &Command,
    deadline: Option<Duration>,
) -> Result<Token, Rejection> {
    Ok(match command {
        Command::Publish { topic, payload, qos, retain, properties, topic_alias, requeue } => connection
            .publish(
                now,
                Publish {
                    topic,
                    payload: payload.clone().into(),
                    qos: *qos,
                    retain: *retain,
                    properties: properties.as_properties(),
                    topic_alias: *topic_alias,
                    deadline,
                    requeue: *requeue,
                },
            )?,
        Command::Subscribe { filters, properties, identifier, .. } => {
            let subscribe = Subscribe {
                filters: filters.as_filters(),
                properties: properties.as_properties(),
                identifier: Some(*identifier),
                deadline,
            };
            connection.subscribe(now, subscribe)?
        }
        Command::Unsubscribe { filters, properties } => connection.unsubscribe(
            now,
            Unsubscribe { filters: filters.as_filters(), properties: properties.as_properties(), deadline },
        )?,
    })
}
