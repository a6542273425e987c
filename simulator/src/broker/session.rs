//! What the broker keeps for a client, connected or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sterna_core::packet::QoS;

use super::message::{Delivery, Will};
use super::{ConnectionId, Instant, Options};

/// Below the number of packet identifiers, so that there is always a free one.
const MAXIMUM_IN_FLIGHT: usize = 65_000;

/// The state of one session, apart from its subscriptions [MQTT-4.1.0-1].
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The network connection that has it.
    pub(super) connection: Option<ConnectionId>,
    /// Session Expiry Interval in seconds; `u32::MAX`: it does not expire.
    pub(super) expiry: u32,
    /// When it ends, once the connection is gone.
    pub(super) expires_at: Option<Instant>,
    pub(super) will: Option<Will>,
    /// QoS 2 packet identifiers received and not released yet.
    pub(super) received: BTreeSet<u16>,
    in_flight: BTreeMap<u16, InFlight>,
    /// Those of `in_flight` that are to be sent again on this connection, in that order.
    again: VecDeque<u16>,
    /// How many of `in_flight` had their PUBLISH sent on this connection: what Receive Maximum counts.
    in_window: usize,
    queue: VecDeque<Delivery>,
    queued_bytes: usize,
    last_packet_id: u16,
    sent: u64,
}

/// A QoS 1 or 2 delivery that has a packet identifier.
#[derive(Debug)]
struct InFlight {
    delivery: Delivery,
    /// Its place in the order of first sending.
    sequence: u64,
    /// PUBREC has come, PUBREL is or will be sent, and the PUBLISH never again [MQTT-4.3.3-6].
    released: bool,
    /// Whether PUBLISH or PUBREL was sent on this connection.
    is_sent: bool,
    in_window: bool,
}

/// What a session sends next.
#[derive(Debug)]
pub(super) enum Next {
    Publish { packet_id: u16, delivery: Delivery, duplicate: bool },
    PubRel { packet_id: u16 },
}

/// What an acknowledgement does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// As it should.
    Done,
    /// There is no delivery with this packet identifier.
    Unknown,
    /// The delivery waits for another kind of packet.
    WrongKind,
}

impl Session {
    /// The connection is gone: everything unacknowledged is to be sent again [MQTT-4.4.0-1], each PUBREL before each
    /// PUBLISH, since it does not wait for the window, and otherwise in the order of first sending.
    pub(super) fn detach(&mut self) {
        self.connection = None;
        self.in_window = 0;
        let mut order = Vec::new();
        for (packet_id, entry) in &mut self.in_flight {
            entry.is_sent = false;
            entry.in_window = false;
            order.push((!entry.released, entry.sequence, *packet_id));
        }
        order.sort_unstable();
        self.again = order.into_iter().map(|(_, _, packet_id)| packet_id).collect();
    }

    /// Puts a QoS 1 or 2 delivery behind the others; whether there was room.
    pub(super) fn enqueue(&mut self, delivery: Delivery, options: &Options) -> bool {
        let size = delivery.message.size();
        if self.queue.len() >= options.maximum_queued_messages
            || self.queued_bytes + size > options.maximum_queued_bytes
        {
            return false;
        }
        self.queued_bytes += size;
        self.queue.push_back(delivery);
        true
    }

    pub(super) fn pending(&self) -> usize {
        self.queue.len() + self.in_flight.len()
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.again.is_empty() || !self.queue.is_empty()
    }

    /// What is to be sent now, with at most `window` unacknowledged PUBLISH packets: what an earlier connection sent,
    /// then new messages, with the `lowest` free packet identifier or the next one.
    pub(super) fn next(&mut self, window: usize, now: Instant, lowest: bool) -> Option<Next> {
        while let Some(&packet_id) = self.again.front() {
            let entry = self.in_flight.get_mut(&packet_id).filter(|entry| !entry.is_sent);
            let Some(entry) = entry else {
                self.again.pop_front(); // acknowledged meanwhile
                continue;
            };
            if !entry.released && self.in_window >= window {
                return None;
            }
            self.again.pop_front();
            entry.is_sent = true;
            if entry.released {
                return Some(Next::PubRel { packet_id });
            }
            entry.in_window = true;
            self.in_window += 1;
            return Some(Next::Publish { packet_id, delivery: entry.delivery.clone(), duplicate: true });
        }
        // The second bound keeps identifiers free when a client never sends PUBCOMP, over many connections.
        if self.in_window >= window || self.in_flight.len() >= MAXIMUM_IN_FLIGHT {
            return None;
        }
        while let Some(delivery) = self.queue.pop_front() {
            self.queued_bytes -= delivery.message.size();
            if delivery.message.is_expired(now) {
                continue; // [MQTT-3.3.2-5]
            }
            if lowest {
                self.last_packet_id = 0;
            }
            let packet_id = self.new_packet_id();
            self.in_window += 1;
            self.sent += 1;
            let entry = InFlight {
                delivery: delivery.clone(),
                sequence: self.sent,
                released: false,
                is_sent: true,
                in_window: true,
            };
            self.in_flight.insert(packet_id, entry);
            return Some(Next::Publish { packet_id, delivery, duplicate: false });
        }
        None
    }

    /// The next identifier that is not in use [MQTT-2.2.1-4].
    fn new_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            if !self.in_flight.contains_key(&self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }

    /// PUBACK, or a PUBREC that refuses.
    pub(super) fn handle_final(&mut self, packet_id: u16, qos: QoS) -> Acknowledged {
        self.finish(packet_id, |entry| entry.delivery.qos == qos && !entry.released)
    }

    pub(super) fn handle_pubcomp(&mut self, packet_id: u16) -> Acknowledged {
        self.finish(packet_id, |entry| entry.released)
    }

    pub(super) fn handle_pubrec(&mut self, packet_id: u16) -> Acknowledged {
        let Some(entry) = self.in_flight.get_mut(&packet_id) else { return Acknowledged::Unknown };
        if entry.delivery.qos != QoS::ExactlyOnce {
            return Acknowledged::WrongKind;
        }
        entry.released = true;
        entry.is_sent = true; // the PUBREL that answers it
        Acknowledged::Done
    }

    fn finish(&mut self, packet_id: u16, is_due: impl Fn(&InFlight) -> bool) -> Acknowledged {
        let Some(entry) = self.in_flight.get(&packet_id) else { return Acknowledged::Unknown };
        if !is_due(entry) {
            return Acknowledged::WrongKind;
        }
        self.forget(packet_id);
        Acknowledged::Done
    }

    /// Ends a delivery as if it had been acknowledged.
    pub(super) fn forget(&mut self, packet_id: u16) {
        if let Some(entry) = self.in_flight.remove(&packet_id) {
            self.in_window -= usize::from(entry.in_window);
        }
    }
}
