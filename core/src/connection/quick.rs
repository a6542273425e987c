//! The quick way of a plain message: encoded straight into the outgoing bytes, with a few comparisons in the place of all
//! that may have to be said about a message and a connection.

use super::Connection;
use super::flight::Stage;
use super::queue::CHAIN_FROM;
use crate::command::Publish;
use crate::config::QueuePolicy;
use crate::event::Token;
use crate::packet::{QoS, plain};
use crate::text;
use crate::time::Instant;

/// A larger packet goes the other way: from here on a payload may be shared, and few servers take less.
const LARGEST: usize = CHAIN_FROM;

/// Which plain messages the connection has nothing to say about. It is found out when a message needs it, and every
/// handler and every other command takes it back: none of them has to know what it depends on. Only what happens for
/// every message does not: that it is sent, and that bytes leave.
#[allow(clippy::struct_excessive_bools)] // Each depends on something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quick {
    /// It was found out.
    known: bool,
    /// Those of QoS 0 are sent, while there is room in the send buffer.
    at_most_once: bool,
    /// So are those of QoS 1 and 2, within the window.
    acknowledged: bool,
    /// Those of QoS 0 that wait for others or for the transport are encoded ahead.
    ahead: bool,
}

impl Connection {
    /// Sends a message of QoS 0 the quick way. `None`: it cannot go it, and nothing was done.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn send_quickly(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Token> {
        let may_go = publish.qos == QoS::AtMostOnce
            && publish.is_plain()
            && self.has_send_room()
            && (self.quick.at_most_once || self.find_quick().at_most_once);
        if !may_go || !is_small_and_valid(publish) {
            return None;
        }
        debug_assert_eq!(self.quick, self.quick(), "it was not taken back");
        self.pass(now);
        let payload = publish.payload.as_slice();
        let size = plain::encode(publish.topic, payload, self.version, self.out.buffer());
        self.enqueued += size as u64;
        self.statistics.packets_sent += 1;
        Some(self.take_token())
    }

    /// The same of QoS 1 and 2, which are kept until they are acknowledged.
    #[inline(never)]
    pub(super) fn send_quickly_acknowledged(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Token> {
        let may_go = publish.is_plain()
            && self.has_send_room()
            && (self.quick.acknowledged || self.find_quick().acknowledged)
            && self.queue.bytes() < self.config.queue_bytes
            && self.fits(self.in_flight.window(), publish.qos);
        if !may_go || !is_small_and_valid(publish) {
            return None;
        }
        debug_assert_eq!(self.quick, self.quick(), "it was not taken back");
        let before = self.in_flight.last_id();
        let packet_id = self.in_flight.free_id()?;
        self.pass(now);
        let (qos, payload) = (publish.qos, publish.payload.as_slice());
        let sent_id = self.planted_id(before, packet_id);
        let out = self.out.buffer();
        let size = plain::encode_acknowledged(publish.topic, payload, self.version, out, qos, sent_id);
        self.enqueued += size as u64;
        self.statistics.packets_sent += 1;
        let token = self.take_token();
        let stage = Stage::Published(self.queue.record(publish));
        self.in_flight.insert(packet_id, token, self.attempt, self.now, stage);
        self.planted_after_sending(packet_id, qos);
        Some(token)
    }

    /// Encodes one of QoS 0 ahead that cannot be sent yet.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn encode_quickly_ahead(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Token> {
        let may_go = publish.qos == QoS::AtMostOnce
            && publish.is_plain()
            && (self.quick.ahead || self.find_quick().ahead)
            && self.has_room();
        if !may_go || !is_small_and_valid(publish) {
            return None;
        }
        debug_assert_eq!(self.quick, self.quick(), "it was not taken back");
        debug_assert!(!self.quick.at_most_once || !self.has_send_room(), "it need not wait");
        self.pass(now);
        let token = self.take_token();
        self.queue.encode_plain_ahead(token, publish.topic, publish.payload.as_slice(), self.version);
        // Whatever comes after it has to wait as well.
        self.quick = Quick { known: true, ahead: true, ..Quick::default() };
        Some(token)
    }

    #[inline(never)]
    fn find_quick(&mut self) -> Quick {
        if !self.quick.known {
            self.quick = self.quick();
        }
        self.quick
    }

    fn quick(&self) -> Quick {
        let nothing = Quick { known: true, ..Quick::default() };
        let is_open = self.phase.is_up()
            && !self.is_ending()
            && self.packet_limit() as usize >= LARGEST
            && self.outgoing_aliases.is_none()
            && !self.config.packet_events;
        let policy = self.config.queue_policy;
        if !is_open || policy == QueuePolicy::LatestPerTopic {
            return nothing;
        }
        let nothing_waits = self.queue.occupied() == 0
            && self.config.queue_limit > 0
            && !self.in_flight.has_planned()
            && !self.due.is_used();
        let takes_all = self.server.as_deref().is_none_or(|server| server.maximum_qos == QoS::ExactlyOnce);
        Quick {
            at_most_once: !self.queue.has_at_most_once(),
            acknowledged: nothing_waits && takes_all && self.persistence.is_none(),
            ahead: policy != QueuePolicy::DropOldest,
            ..nothing
        }
    }

    /// Something happens that may change it.
    #[inline]
    pub(super) fn forget_quick(&mut self) {
        self.quick = Quick::default();
    }
}

#[inline]
fn is_small_and_valid(publish: &Publish<'_>) -> bool {
    let (topic, payload) = (publish.topic.as_bytes(), publish.payload.as_slice());
    payload.len() < LARGEST
        && topic.len() + payload.len() <= LARGEST - plain::OVERHEAD
        && !topic.is_empty()
        && text::is_plain_name(topic)
}
