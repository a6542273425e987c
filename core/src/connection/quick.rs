//! The quick way of a plain message of QoS 0: encoded straight into the outgoing bytes, with a few comparisons in the
//! place of all that may have to be said about a message and a connection.

use super::Connection;
use super::queue::CHAIN_FROM;
use crate::command::Publish;
use crate::config::QueuePolicy;
use crate::event::Token;
use crate::packet::plain;
use crate::text;
use crate::time::Instant;

/// A larger packet goes the other way: from here on a payload may be shared, and few servers take less.
const LARGEST: usize = CHAIN_FROM;

/// Whether the connection has nothing to say about plain messages. It is found out when a message needs it, and every
/// handler and every other command takes it back: none of them has to know what it depends on. Only what happens for
/// every message does not: that bytes leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quick(bool);

impl Connection {
    /// Sends a message the quick way. `None`: it cannot go it, and nothing was done.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn send_quickly(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Token> {
        let may_go = publish.is_plain() && self.has_send_room() && (self.quick.0 || self.find_quick());
        let (topic, payload) = (publish.topic, publish.payload.as_slice());
        let fits = payload.len() < LARGEST && topic.len() + payload.len() <= LARGEST - plain::OVERHEAD;
        if !may_go || !fits || topic.is_empty() || !text::is_plain_name(topic.as_bytes()) {
            return None;
        }
        debug_assert!(self.is_quick(), "it was not taken back");
        self.pass(now);
        self.enqueued += plain::encode(topic, payload, self.version, self.out.buffer()) as u64;
        self.statistics.packets_sent += 1;
        Some(self.take_token())
    }

    #[inline(never)]
    fn find_quick(&mut self) -> bool {
        self.quick = Quick(self.is_quick());
        self.quick.0
    }

    fn is_quick(&self) -> bool {
        self.phase.is_up()
            && !self.is_ending()
            && !self.queue.has_at_most_once()
            && self.packet_limit() as usize >= LARGEST
            && self.outgoing_aliases.is_none()
            && !self.config.packet_events
            && self.config.queue_policy != QueuePolicy::LatestPerTopic
    }

    /// Something happens that may change it.
    #[inline]
    pub(super) fn forget_quick(&mut self) {
        self.quick = Quick(false);
    }
}
