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

/// What the connection has to say about plain messages. It is found out when a message needs it, and every handler and
/// every other command takes it back: none of them has to know what it depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quick {
    /// They are sent while fewer bytes than these were enqueued. Zero: it has to be found out, or none is.
    until: u64,
    /// The largest packet, in bytes.
    largest: u16,
}

impl Connection {
    /// Sends a message the quick way. `None`: it cannot go it, and nothing was done.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn send_quickly(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Token> {
        if !publish.is_plain() || self.enqueued >= self.quick.until && !self.find_quick() {
            return None;
        }
        debug_assert_eq!(self.quick, self.quick(), "it was not taken back");
        let (topic, payload, version) = (publish.topic, publish.payload.as_slice(), self.version);
        let size = plain::size(topic, payload, version);
        let fits = size <= u64::from(self.quick.largest);
        if !fits || topic.is_empty() || !text::is_plain_name(topic.as_bytes()) {
            return None;
        }
        self.pass(now);
        plain::encode(topic, payload, version, self.out.buffer());
        self.enqueued += size;
        self.statistics.packets_sent += 1;
        Some(self.take_token())
    }

    /// Whether there is a quick way now.
    #[inline(never)]
    fn find_quick(&mut self) -> bool {
        self.quick = self.quick();
        self.enqueued < self.quick.until
    }

    fn quick(&self) -> Quick {
        let nothing_special = self.phase.is_up()
            && !self.is_ending()
            && !self.queue.has_at_most_once()
            && self.outgoing_aliases.is_none()
            && !self.config.packet_events
            && self.config.queue_policy != QueuePolicy::LatestPerTopic;
        if !nothing_special {
            return Quick::default();
        }
        // From here on a payload may be shared.
        let largest = self.packet_limit().min(CHAIN_FROM as u32) as u16;
        Quick { until: self.written + self.config.send_buffer as u64, largest }
    }

    /// Something happens that may change it.
    #[inline]
    pub(super) fn forget_quick(&mut self) {
        self.quick.until = 0;
    }
}
