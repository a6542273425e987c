//! Operations that wait to be sent, in the order of the calls, bounded by count and bytes.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

use crate::command::{Data, Publish};
use crate::event::Token;
use crate::packet::{self, FiltersBuf, Properties, PropertiesBuf, QoS, TopicFiltersBuf};

/// Shared payloads from this size on are kept and sent without a copy.
pub(crate) const CHAIN_FROM: usize = 1 << 10;
/// What an operation takes besides its bytes, counted against the bound.
const OVERHEAD: usize = 64;
/// Up to this many vectors of at most this capacity are kept for the next records.
const SPARE_RECORDS: usize = 32;
const SPARE_CAPACITY: usize = 4 << 10;

/// A kept message, independent of connection and version: it is encoded anew whenever it is sent.
#[derive(Debug)]
pub(crate) struct Record {
    /// Topic, properties, and the payload unless that is shared.
    bytes: Vec<u8>,
    topic_length: u16,
    properties_length: u32,
    shared: Option<Bytes>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Record {
    pub(crate) fn size(&self) -> usize {
        OVERHEAD + self.bytes.len() + self.shared.as_ref().map_or(0, Bytes::len)
    }

    /// The packet to send; its payload is `shared` when there is one.
    pub(crate) fn packet(&self, packet_id: u16, duplicate: bool) -> packet::Publish<'_> {
        let (topic, rest) = self.bytes.split_at(usize::from(self.topic_length));
        let (properties, payload) = rest.split_at(self.properties_length as usize);
        packet::Publish {
            duplicate,
            qos: self.qos,
            retain: self.retain,
            // It was a `str` when it was kept.
            topic: core::str::from_utf8(topic).unwrap_or_default(),
            packet_id,
            properties: Properties::from_validated(properties),
            payload: self.shared.as_deref().unwrap_or(payload),
        }
    }

    pub(crate) fn shared(&self) -> Option<&Bytes> {
        self.shared.as_ref()
    }
}

/// A SUBSCRIBE or UNSUBSCRIBE, kept until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) token: Token,
    pub(crate) request: Request,
    pub(crate) properties: PropertiesBuf,
}

#[derive(Debug)]
pub(crate) enum Request {
    Subscribe {
        filters: FiltersBuf,
        /// Sent where the server takes identifiers.
        identifier: Option<u32>,
        /// Made by a reconnect, not by the application.
        again: bool,
    },
    Unsubscribe {
        filters: TopicFiltersBuf,
    },
}

impl Control {
    pub(crate) fn size(&self) -> usize {
        OVERHEAD
            + self.properties.as_properties().as_bytes().len()
            + match &self.request {
                Request::Subscribe { filters, .. } => filters.as_filters().as_bytes().len(),
                Request::Unsubscribe { filters } => filters.as_filters().as_bytes().len(),
            }
    }
}

/// What waits to be sent. Three queues, since QoS 0 overtakes what waits for the in-flight window, and SUBSCRIBE
/// and UNSUBSCRIBE never wait for it [MQTT-3.3.4-8]; the tokens keep the order of the calls among them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) control: VecDeque<Box<Control>>,
    pub(crate) at_most_once: VecDeque<(Token, Record)>,
    pub(crate) acknowledged: VecDeque<(Token, Record)>,
    /// Bytes of all that waits here or is in flight.
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.control.len() + self.at_most_once.len() + self.acknowledged.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies what must be kept of `publish`, into a recycled vector where there is one.
    pub(crate) fn record(&mut self, publish: &Publish<'_>) -> Record {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(publish.topic.as_bytes());
        bytes.extend_from_slice(publish.properties.as_bytes());
        let shared = match &publish.payload {
            Data::Bytes(payload) if payload.len() >= CHAIN_FROM => Some(payload.clone()),
            payload => {
                bytes.extend_from_slice(payload.as_slice());
                None
            }
        };
        let record = Record {
            bytes,
            topic_length: publish.topic.len() as u16,
            properties_length: publish.properties.as_bytes().len() as u32,
            shared,
            qos: publish.qos,
            retain: publish.retain,
        };
        self.bytes += record.size();
        record
    }

    /// A record is not needed any more.
    pub(crate) fn release(&mut self, mut record: Record) {
        self.bytes -= record.size();
        record.bytes.clear();
        if self.spare.len() < SPARE_RECORDS && record.bytes.capacity() <= SPARE_CAPACITY {
            self.spare.push(record.bytes);
        }
    }

    /// Counts a SUBSCRIBE or UNSUBSCRIBE, from its call until it is acknowledged.
    pub(crate) fn hold(&mut self, control: &Control) {
        self.bytes += control.size();
    }

    /// It is not needed any more.
    pub(crate) fn release_control(&mut self, control: &Control) {
        self.bytes -= control.size();
    }

    /// Puts a message into its queue, by its token: at the end, unless it was sent before and its session is lost.
    pub(crate) fn push(&mut self, token: Token, record: Record) {
        let queue =
            if record.qos == QoS::AtMostOnce { &mut self.at_most_once } else { &mut self.acknowledged };
        let at = queue.partition_point(|(other, _)| *other < token);
        queue.insert(at, (token, record));
    }

    /// Puts a SUBSCRIBE or UNSUBSCRIBE into its queue, by its token.
    pub(crate) fn push_control(&mut self, control: Box<Control>) {
        let at = self.control.partition_point(|other| other.token <= control.token);
        self.control.insert(at, control);
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.spare = Vec::new();
        if self.control.is_empty() {
            self.control = VecDeque::new();
        }
        if self.at_most_once.is_empty() {
            self.at_most_once = VecDeque::new();
        }
        if self.acknowledged.is_empty() {
            self.acknowledged = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_the_packet_back_and_its_bytes_are_counted() {
        let mut queue = Queue::default();
        let publish = Publish::new("a/b", "text").qos(QoS::AtLeastOnce).retain(true);
        let record = queue.record(&publish);
        let packet = record.packet(9, true);
        assert_eq!((packet.topic, packet.payload, packet.packet_id), ("a/b", &b"text"[..], 9));
        assert!(packet.retain && packet.duplicate && packet.qos == QoS::AtLeastOnce);
        assert_eq!(queue.bytes(), record.size());
        queue.release(record);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn large_shared_payloads_are_not_copied() {
        let mut queue = Queue::default();
        let payload = Bytes::from(vec![7; CHAIN_FROM]);
        let record = queue.record(&Publish::new("t", payload.clone()));
        assert_eq!(record.shared().map(|shared| shared.as_ptr()), Some(payload.as_ptr()));
        assert_eq!(record.packet(0, false).payload, &payload[..]);
        let record = queue.record(&Publish::new("t", payload.slice(1..)));
        assert!(record.shared().is_none());
        assert_eq!(record.packet(0, false).payload, &payload[1..]);
    }

    #[test]
    fn tokens_give_the_order() {
        let mut queue = Queue::default();
        for token in [5, 7, 6] {
            let record = queue.record(&Publish::new("t", "").qos(QoS::ExactlyOnce));
            queue.push(Token(token), record);
        }
        let order: Vec<_> = queue.acknowledged.iter().map(|(token, _)| token.0).collect();
        assert_eq!(order, [5, 6, 7]);
    }
}
