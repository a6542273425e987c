//! QoS 0 whose outcome nobody may ever ask for: encoded, and not remembered one by one. What the transport took, and
//! what it had not taken when a connection was lost, tells the outcome of each when it is asked for.

use alloc::collections::VecDeque;

use super::ahead::Run;
use super::commands::{packet_of, shared_of};
use super::{Connection, Unwritten};
use crate::bug::Bug;
use crate::command::Publish;
use crate::config::QueuePolicy;
use crate::error::OperationError;
use crate::event::{Receipt, Sent, Token};
use crate::packet::{PropertiesBuf, QoS, ReasonCode};

/// So many failures are remembered that do not follow one another. What is older counts as lost.
const REMEMBERED: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Unreported {
    /// Those among the bytes enqueued that the transport has not taken, and where each run ends there.
    enqueued: VecDeque<(Run, u64)>,
    /// The token behind the last one.
    end: Token,
    /// Tokens that failed, of all operations, the last one of each range included.
    failures: VecDeque<(Token, Token)>,
    /// Of those before this one it is not known whether they failed.
    forgotten: Token,
}

impl Default for Unreported {
    fn default() -> Self {
        Self { enqueued: VecDeque::new(), end: Token(0), failures: VecDeque::new(), forgotten: Token(0) }
    }
}

impl Unreported {
    /// A message was enqueued, up to `end` of the bytes of this connection.
    #[inline]
    fn sent(&mut self, token: Token, bytes: usize, end: u64) {
        self.end = Token(token.0 + 1);
        match self.enqueued.back_mut() {
            Some((run, run_end)) if *run_end + bytes as u64 == end && run.takes(token) => {
                run.add(bytes);
                *run_end = end;
            }
            _ => self.enqueued.push_back((Run::new(token, bytes), end)),
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
        if token < self.end {
            self.fail_range(token, token);
        }
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

    /// Where the run ends that has this message, if the transport has not taken that.
    fn end_of(&self, token: Token) -> Option<u64> {
        let run = self.enqueued.iter().find(|(run, _)| run.contains(token));
        run.map(|(_, end)| *end)
    }

    /// Gives memory back that an idle client does not need.
    pub(super) fn trim(&mut self) {
        if self.enqueued.is_empty() {
            self.enqueued = VecDeque::new();
        }
    }
}

impl Connection {
    /// The quick way for QoS 0, if it can be encoded now and nothing has to be kept of it.
    pub(super) fn send_unreported(&mut self, publish: &Publish<'_>) -> Option<Sent> {
        let is_plain = publish.qos == QoS::AtMostOnce
            && !publish.requeue
            && publish.topic_alias.is_none()
            && publish.deadline.is_none();
        if !is_plain || !self.phase.is_up() || self.is_ending() {
            return None;
        }
        if !publish.properties.is_empty() {
            self.check_publish_properties(publish.properties).ok()?;
        }
        self.check_publish_limits(publish.qos, publish.retain).ok()?;
        if self.queue.has_at_most_once() || !self.has_send_room() {
            return self.encode_ahead(publish);
        }
        let start = self.enqueued;
        self.encode_now(publish, 0).ok()?;
        let token = self.take_token();
        // One that waits for the window would come after it.
        self.drop_same_topic(publish.topic);
        let bytes = (self.enqueued - start) as usize;
        self.unreported.get_or_insert_default().sent(token, bytes, self.enqueued);
        Some(Sent(token))
    }

    /// One that waits for the transport only, encoded now: where its encoding does not depend on what is sent before
    /// it, and nothing that waits is dropped for others.
    fn encode_ahead(&mut self, publish: &Publish<'_>) -> Option<Sent> {
        let drops = matches!(self.config.queue_policy, QueuePolicy::DropOldest | QueuePolicy::LatestPerTopic);
        let is_independent = self.outgoing_aliases.is_none()
            && !self.config.packet_events
            && shared_of(publish).is_none()
            && (publish.properties.is_empty() || publish.properties.message_expiry_interval().is_none());
        if drops || !is_independent || !self.has_room() {
            return None;
        }
        let token = Token(self.next_token);
        let limit = self.packet_limit();
        self.queue.encode_ahead(token, &packet_of(publish, 0), self.version, limit).ok()?;
        let token = self.take_token();
        self.unreported.get_or_insert_default().end = Token(self.next_token);
        Some(Sent(token))
    }

    /// The oldest that were encoded ahead have their turn; `next` has the one after.
    pub(super) fn send_ahead(&mut self, next: Option<Token>) {
        let unreported = self.unreported.get_or_insert_default();
        let (enqueued, statistics) = (&mut self.enqueued, &mut self.statistics);
        self.queue.take_ahead(self.out.buffer(), next, self.config.send_buffer, |run| {
            *enqueued += run.bytes as u64;
            statistics.packets_sent += run.count;
            unreported.enqueued.push_back((run, *enqueued));
        });
    }

    /// The outcome if there is one; or else it will be reported like that of any other.
    pub(super) fn watch_sent(&mut self, Sent(token): Sent) -> Option<Result<Receipt, OperationError>> {
        let waits = self.queue.becomes_record(token);
        let unwritten = self.unwritten.binary_search_by_key(&token, |message| message.token);
        if waits || unwritten.is_ok_and(|at| !self.unwritten[at].withdrawn) {
            return None;
        }
        let taken = match &self.unreported {
            None => false,
            Some(unreported) if unreported.has_failed(token) => false,
            Some(unreported) => match (unreported.end_of(token), unwritten) {
                (Some(end), Err(at)) => {
                    self.unwritten.insert(at, Unwritten { end, token, withdrawn: false });
                    return None;
                }
                (Some(_), Ok(_)) => false,
                (None, _) => token >= unreported.forgotten,
            },
        };
        if !taken {
            return Some(Err(OperationError::Lost));
        }
        Some(Ok(Receipt { reason: ReasonCode::SUCCESS, properties: PropertiesBuf::new() }))
    }

    /// Whether the transport has not taken all of them.
    pub(super) fn has_unreported(&self) -> bool {
        self.unreported.as_deref().is_some_and(|unreported| !unreported.enqueued.is_empty())
    }

    /// The network connection is gone.
    pub(super) fn lose_unreported(&mut self) {
        let is_forgotten = self.has_bug(Bug::UnreportedLossForgotten);
        let Some(unreported) = self.unreported.as_deref_mut() else { return };
        let lost = core::mem::take(&mut unreported.enqueued);
        if let (Some((first, _)), Some((last, _)), false) = (lost.front(), lost.back(), is_forgotten) {
            unreported.fail_range(first.first, Token(last.end().0 - 1));
        }
    }
}
