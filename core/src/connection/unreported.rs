//! QoS 0 whose outcome nobody may ever ask for: encoded, and not remembered one by one. What the transport took, and
//! what it had taken when a connection was lost, tells the outcome of each when it is asked for.

use alloc::collections::VecDeque;
use core::num::NonZeroU64;

use super::ahead::Run;
use super::commands::{packet_of, shared_of};
use super::{Connection, Unwritten};
use crate::command::Publish;
use crate::config::QueuePolicy;
use crate::error::{OperationError, PublishError};
use crate::event::{Attempt, Receipt, Sent, Token};
use crate::packet::{PropertiesBuf, QoS, ReasonCode};

/// So many connections are remembered that were lost before everything was taken, and so many failures one after the
/// other of what was encoded ahead. What was sent on earlier ones, or failed earlier, counts as lost.
const REMEMBERED: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Unreported {
    /// Where the last of them ends among the bytes enqueued on this connection.
    end: u64,
    /// The connections that were lost before all of theirs was taken, and how much of it was.
    losses: VecDeque<(Attempt, u64)>,
    /// What was encoded ahead and is among the bytes enqueued, and where it ends there.
    enqueued: VecDeque<(Run, u64)>,
    /// The token behind the last one that was encoded ahead.
    ahead: Token,
    /// Tokens below `ahead` that failed, the last one of each range included.
    failures: VecDeque<(Token, Token)>,
    /// Of those before this one it is not known whether they failed.
    forgotten: Token,
}

impl Default for Unreported {
    fn default() -> Self {
        Self {
            end: 0,
            losses: VecDeque::new(),
            enqueued: VecDeque::new(),
            ahead: Token(0),
            failures: VecDeque::new(),
            forgotten: Token(0),
        }
    }
}

impl Unreported {
    /// What had become of what ended at `end` on a connection that is gone.
    fn was_taken(&self, attempt: Attempt, end: u64) -> bool {
        match self.losses.iter().find(|(lost, _)| *lost == attempt) {
            Some((_, taken)) => end <= *taken,
            None => {
                self.losses.len() < REMEMBERED || self.losses.front().is_some_and(|(lost, _)| *lost < attempt)
            }
        }
    }

    /// The transport has taken so many bytes.
    #[inline]
    pub(super) fn written(&mut self, written: u64) {
        while self.enqueued.front().is_some_and(|(_, end)| *end <= written) {
            self.enqueued.pop_front();
        }
    }

    /// An operation has failed.
    pub(super) fn failed(&mut self, token: Token) {
        if token >= self.ahead {
            return;
        }
        self.fail_range(token, token);
    }

    fn fail_range(&mut self, first: Token, last: Token) {
        match self.failures.back_mut() {
            Some((_, end)) if end.0 + 1 == first.0 => *end = last,
            _ => self.failures.push_back((first, last)),
        }
        if self.failures.len() > REMEMBERED
            && let Some((_, last)) = self.failures.pop_front()
        {
            self.forgotten = self.forgotten.max(Token(last.0 + 1));
        }
    }

    fn has_failed(&self, token: Token) -> bool {
        self.failures.iter().any(|(first, last)| (*first..=*last).contains(&token))
    }

    /// Where the run ends that has this message, if that is among the bytes enqueued and was not taken.
    fn end_of(&self, token: Token) -> Option<u64> {
        let run = self.enqueued.iter().find(|(run, _)| run.contains(token));
        run.map(|(_, end)| *end)
    }
}

impl Connection {
    /// The quick way for QoS 0, if it can be encoded now and nothing has to be kept of it.
    pub(super) fn send_unreported(&mut self, publish: &Publish<'_>) -> Result<Option<Sent>, PublishError> {
        let is_plain = publish.qos == QoS::AtMostOnce
            && !publish.requeue
            && publish.topic_alias.is_none()
            && publish.deadline.is_none();
        if !is_plain || !self.phase.is_up() || self.is_ending() {
            return Ok(None);
        }
        if !publish.properties.is_empty() {
            self.check_publish_properties(publish.properties)?;
        }
        self.check_publish_limits(publish.qos, publish.retain)?;
        if self.queue.has_at_most_once() || !self.has_send_room() {
            return self.send_ahead_of_turn(publish);
        }
        self.encode_now(publish, 0)?;
        let token = self.take_token();
        // One that waits for the window would come after it.
        self.drop_same_topic(publish.topic);
        let (attempt, end) = (self.attempt, self.enqueued);
        self.unreported.get_or_insert_default().end = end;
        Ok(Some(Sent { token, attempt, end: NonZeroU64::new(end) }))
    }

    /// One that waits for the transport only, encoded now: where its encoding does not depend on what is sent before
    /// it, and nothing that waits is dropped for others.
    fn send_ahead_of_turn(&mut self, publish: &Publish<'_>) -> Result<Option<Sent>, PublishError> {
        let drops = matches!(self.config.queue_policy, QueuePolicy::DropOldest | QueuePolicy::LatestPerTopic);
        let is_independent = self.outgoing_aliases.is_none()
            && !self.config.packet_events
            && shared_of(publish).is_none()
            && publish.properties.message_expiry_interval().is_none();
        if drops || !is_independent || !self.has_room() {
            return Ok(None);
        }
        let token = Token(self.next_token);
        let limit = self.packet_limit();
        self.queue
            .encode_ahead(token, &packet_of(publish, 0), self.version, limit)
            .map_err(Self::publish_error)?;
        let token = self.take_token();
        self.unreported.get_or_insert_default().ahead = Token(self.next_token);
        Ok(Some(Sent { token, attempt: self.attempt, end: None }))
    }

    /// The oldest that were encoded ahead have their turn.
    pub(super) fn send_ahead(&mut self) {
        let Some(run) = self.queue.take_ahead(self.out.buffer()) else { return };
        self.enqueued += run.bytes as u64;
        self.statistics.packets_sent += run.count;
        let unreported = self.unreported.get_or_insert_default();
        unreported.end = self.enqueued;
        unreported.enqueued.push_back((run, self.enqueued));
    }

    /// The outcome if there is one; or else it will be reported like that of any other.
    pub(super) fn watch_sent(&mut self, sent: Sent) -> Option<Result<Receipt, OperationError>> {
        let Sent { token, attempt, end } = sent;
        let Some(end) = end else { return self.watch_ahead(token) };
        let end = end.get();
        if attempt == self.attempt && end > self.written && self.has_unreported() {
            return self.await_taken(token, end);
        }
        // While a connection is up nothing that it has enqueued ends beyond its bytes.
        let taken = match &self.unreported {
            Some(_) if attempt == self.attempt && end <= self.written => true,
            Some(unreported) => unreported.was_taken(attempt, end),
            None => false,
        };
        Some(outcome(taken))
    }

    /// The same for what was encoded ahead, wherever it is now.
    fn watch_ahead(&mut self, token: Token) -> Option<Result<Receipt, OperationError>> {
        let waits = self.queue.becomes_record(token);
        let unwritten = self.unwritten.binary_search_by_key(&token, |message| message.token);
        let leaves = unwritten.is_ok_and(|at| !self.unwritten[at].withdrawn);
        if waits || leaves {
            return None;
        }
        let Some(unreported) = &self.unreported else { return Some(outcome(false)) };
        match unreported.end_of(token) {
            _ if unreported.has_failed(token) => Some(outcome(false)),
            Some(end) => self.await_taken(token, end),
            None => Some(outcome(token >= unreported.forgotten)),
        }
    }

    /// It will be reported when the transport has taken it.
    fn await_taken(&mut self, token: Token, end: u64) -> Option<Result<Receipt, OperationError>> {
        if let Err(at) = self.unwritten.binary_search_by_key(&token, |message| message.token) {
            self.unwritten.insert(at, Unwritten { end, token, withdrawn: false });
        }
        None
    }

    /// Whether the transport has not taken all of them.
    pub(super) fn has_unreported(&self) -> bool {
        self.unreported.as_deref().is_some_and(|unreported| unreported.end > self.written)
    }

    /// The network connection is gone.
    pub(super) fn lose_unreported(&mut self) {
        let Some(unreported) = self.unreported.as_deref_mut() else { return };
        for (run, _) in core::mem::take(&mut unreported.enqueued) {
            unreported.fail_range(run.first, Token(run.end().0 - 1));
        }
        if core::mem::take(&mut unreported.end) > self.written {
            if unreported.losses.len() == REMEMBERED {
                unreported.losses.pop_front();
            }
            unreported.losses.push_back((self.attempt, self.written));
        }
    }
}

fn outcome(taken: bool) -> Result<Receipt, OperationError> {
    if taken {
        Ok(Receipt { reason: ReasonCode::SUCCESS, properties: PropertiesBuf::new() })
    } else {
        Err(OperationError::Lost)
    }
}
