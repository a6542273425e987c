//! QoS 0 whose outcome nobody may ever ask for: encoded, and not remembered one by one. What the transport took, and
//! what it had not taken when a connection was lost, tells the outcome of each when it is asked for.

use alloc::collections::VecDeque;

use super::ahead::Run;
use super::commands::{packet_of, shared_of};
use super::{Connection, Unwritten};
use crate::command::Publish;
use crate::config::QueuePolicy;
use crate::error::OperationError;
use crate::event::{Receipt, Sent, Token};
use crate::packet::{PropertiesBuf, QoS, ReasonCode};
use crate::time::Instant;

/// What was sent is looked at in stretches of so many bytes: what is known of one message is known of its whole stretch.
const STRETCH: u64 = 4 << 10;
/// So many failures are remembered that do not follow one another. What is older counts as lost.
const REMEMBERED: usize = 64;

/// Messages that were enqueued one after the other. Others, whose outcomes are reported, may be between them.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: Token,
    /// The token behind the last one.
    end: Token,
    /// Where the last one ends among the bytes enqueued.
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Unreported {
    /// What the transport has not taken, but for the last stretch.
    enqueued: VecDeque<Stretch>,
    /// The last stretch.
    last: Stretch,
    /// What ends up to here among the bytes enqueued belongs to the last stretch. Zero: the transport has taken all.
    full: u64,
    /// The token behind the last one that was encoded ahead.
    ahead: Token,
    /// Tokens that failed, of all operations, the last one of each range included.
    failures: VecDeque<(Token, Token)>,
    /// Of those before this one it is not known whether they failed.
    forgotten: Token,
}

impl Default for Unreported {
    fn default() -> Self {
        Self {
            enqueued: VecDeque::new(),
            last: Stretch { first: Token(0), end: Token(0), bytes: 0 },
            full: 0,
            ahead: Token(0),
            failures: VecDeque::new(),
            forgotten: Token(0),
        }
    }
}

impl Unreported {
    /// A message was enqueued, up to `bytes` of those of this connection.
    #[inline]
    fn sent(&mut self, token: Token, bytes: u64) {
        if bytes > self.full {
            self.begin(token, bytes + STRETCH);
        }
        self.last.end = Token(token.0 + 1);
        self.last.bytes = bytes;
    }

    /// Messages were enqueued that had been encoded ahead: a stretch of its own.
    fn sent_run(&mut self, run: Run, bytes: u64) {
        self.begin(run.first, bytes);
        self.last.end = run.end();
        self.last.bytes = bytes;
    }

    #[cold]
    fn begin(&mut self, first: Token, full: u64) {
        if self.is_awaited() {
            self.enqueued.push_back(self.last);
        }
        self.last.first = first;
        self.full = full;
    }

    /// Whether the transport has not taken all of them.
    fn is_awaited(&self) -> bool {
        self.full > 0
    }

    /// What the transport has not taken.
    fn awaited(&self) -> impl Iterator<Item = &Stretch> {
        self.enqueued.iter().chain(self.is_awaited().then_some(&self.last))
    }

    /// The transport has taken so many bytes.
    #[inline]
    pub(super) fn written(&mut self, written: u64) {
        if self.last.bytes <= written {
            self.full = 0;
        }
        while self.enqueued.front().is_some_and(|stretch| stretch.bytes <= written) {
            self.enqueued.pop_front();
        }
    }

    /// The network connection is gone.
    fn lose(&mut self) {
        let first = self.awaited().next().map(|stretch| stretch.first);
        if let Some(first) = first {
            self.fail_range(first, Token(self.last.end.0 - 1));
        }
        self.enqueued.clear();
        self.full = 0;
    }

    /// An operation has failed.
    pub(super) fn failed(&mut self, token: Token) {
        if token < self.last.end.max(self.ahead) {
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

    /// Where the stretch ends that has this message, if the transport has not taken that.
    fn end_of(&self, token: Token) -> Option<u64> {
        let mut awaited = self.awaited();
        awaited.find(|stretch| (stretch.first..stretch.end).contains(&token)).map(|stretch| stretch.bytes)
    }

    /// Gives memory back that an idle client does not need.
    pub(super) fn trim(&mut self) {
        if self.enqueued.is_empty() {
            self.enqueued = VecDeque::new();
        }
    }
}

impl Connection {
    /// The way of a message that is not sent at once, if it can be encoded now and nothing has to be kept of it.
    #[cold] // As the compiler is to see it, for the sake of the quick way.
    pub(super) fn send_unreported(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Sent> {
        let Some(token) = self.encode_quickly_ahead(now, publish) else {
            return self.send_any_unreported(now, publish);
        };
        self.unreported.get_or_insert_default().ahead = Token(token.0 + 1);
        Some(Sent(token))
    }

    #[cold]
    fn send_any_unreported(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Sent> {
        self.observe_coarse(now);
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
        self.encode_now(publish, 0).ok()?;
        let token = self.take_token();
        // One that waits for the window would come after it.
        self.drop_same_topic(publish.topic);
        self.remember_unreported(token);
        Some(Sent(token))
    }

    /// A message was enqueued.
    #[inline]
    pub(super) fn remember_unreported(&mut self, token: Token) {
        self.unreported.get_or_insert_default().sent(token, self.enqueued);
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
        self.unreported.get_or_insert_default().ahead = Token(self.next_token);
        Some(Sent(token))
    }

    /// The oldest that were encoded ahead have their turn; `next` has the one after.
    pub(super) fn send_ahead(&mut self, next: Option<Token>) {
        let unreported = self.unreported.get_or_insert_default();
        let (enqueued, statistics) = (&mut self.enqueued, &mut self.statistics);
        self.queue.take_ahead(self.out.buffer(), next, self.config.send_buffer, |run| {
            *enqueued += run.bytes as u64;
            statistics.packets_sent += run.count;
            unreported.sent_run(run, *enqueued);
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
        self.unreported.as_deref().is_some_and(Unreported::is_awaited)
    }

    /// The network connection is gone.
    pub(super) fn lose_unreported(&mut self) {
        if let Some(unreported) = self.unreported.as_deref_mut() {
            unreported.lose();
        }
    }
}
