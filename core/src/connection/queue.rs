//! Operations that wait to be sent, in the order of the calls, bounded by count and bytes.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Deref;

use super::ahead::{Ahead, Run};
use super::waiting::Waiting;
use crate::command::{Data, Publish};
use crate::event::Token;
use crate::packet::{
    self, EncodeError, FiltersBuf, Properties, PropertiesBuf, ProtocolVersion, QoS, TopicFiltersBuf,
};

/// Shared payloads from this size on are kept and sent without a copy.
pub(crate) const CHAIN_FROM: usize = 1 << 10;
/// What an operation takes besides its bytes, counted against the bound.
const OVERHEAD: usize = 64;
/// Records that are done with are kept for the next ones until the client is idle: small ones of a whole
/// batch of acknowledgements, which come before the messages that follow them, and some of a larger capacity.
const SPARE_SMALL: (usize, usize) = (4_096, 256);
const SPARE_LARGE: (usize, usize) = (32, 4 << 10);

/// A kept message, independent of connection and version: it is encoded anew whenever it is sent. It is moved often, and
/// used again with its vector.
#[derive(Debug, Default)]
pub(crate) struct Record(Box<Kept>);

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Topic, properties, and the payload unless that is shared.
    bytes: Vec<u8>,
    topic_length: u16,
    properties_length: u32,
    /// The topic alias that was given by hand, or zero.
    pub(crate) alias: u16,
    /// QoS 0 that is queued again if its connection is lost before it was written.
    pub(crate) requeue: bool,
    shared: Option<Bytes>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl Deref for Record {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.0
    }
}

impl Kept {
    pub(crate) fn size(&self) -> usize {
        OVERHEAD + self.bytes.len() + self.shared.as_ref().map_or(0, Bytes::len)
    }

    /// The packet to send; its payload is `shared` when there is one.
    pub(crate) fn packet(&self, packet_id: u16, duplicate: bool) -> packet::Publish<'_> {
        let rest = &self.bytes[usize::from(self.topic_length)..];
        let (properties, payload) = rest.split_at(self.properties_length as usize);
        packet::Publish {
            duplicate,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic(),
            packet_id,
            properties: Properties::from_validated(properties),
            payload: self.shared.as_deref().unwrap_or(payload),
        }
    }

    pub(crate) fn topic(&self) -> &str {
        // It was a `str` when it was kept.
        core::str::from_utf8(&self.bytes[..usize::from(self.topic_length)]).unwrap_or_default()
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
    /// A part of an operation: the index of its first filter there.
    pub(crate) part: Option<usize>,
    /// It was sent, on this connection or an earlier one: the server may have done it.
    pub(crate) sent: bool,
    /// Made by the client itself: nobody is told of its end.
    pub(crate) silent: bool,
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
    pub(crate) fn new(token: Token, request: Request, properties: PropertiesBuf) -> Self {
        Self { token, request, properties, part: None, sent: false, silent: false }
    }

    pub(crate) fn size(&self) -> usize {
        OVERHEAD
            + self.properties.as_properties().as_bytes().len()
            + match &self.request {
                Request::Subscribe { filters, .. } => filters.as_filters().as_bytes().len(),
                Request::Unsubscribe { filters } => filters.as_filters().as_bytes().len(),
            }
    }
}

/// The message that waits for each topic.
#[derive(Debug, Default)]
struct Latest(BTreeMap<Box<str>, Token>);

/// What waits to be sent. Three queues, since QoS 0 overtakes what waits for the in-flight window, and SUBSCRIBE
/// and UNSUBSCRIBE never wait for it [MQTT-3.3.4-8]; the tokens keep the order of the calls among them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) control: VecDeque<Box<Control>>,
    /// QoS 0 that is encoded already; once there was any on this connection.
    ahead: Option<Box<Ahead>>,
    at_most_once: Waiting,
    acknowledged: Waiting,
    /// The message that waits for each topic, where only the latest is kept.
    latest: Option<Box<Latest>>,
    /// Bytes of all that waits here or is in flight, besides what is encoded already.
    bytes: usize,
    /// Messages of QoS 0 that the transport has not taken, and that wait here again if their connection is lost; once
    /// there is one.
    returning: Option<Box<Waiting>>,
    spare: Vec<Record>,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.control.len()
            + self.ahead().map_or(0, Ahead::len)
            + self.at_most_once.len()
            + self.acknowledged.len()
    }

    fn ahead(&self) -> Option<&Ahead> {
        self.ahead.as_deref()
    }

    /// Whether QoS 0 waits.
    #[inline]
    pub(crate) fn has_at_most_once(&self) -> bool {
        !self.at_most_once.is_empty() || self.ahead().is_some_and(|ahead| !ahead.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What counts against the bound on operations: all that waits here, and what may come back.
    pub(crate) fn occupied(&self) -> usize {
        self.len() + self.returning()
    }

    /// How much of that cannot be dropped for something newer.
    pub(crate) fn undroppable(&self) -> usize {
        self.control.len() + self.returning()
    }

    fn returning(&self) -> usize {
        self.returning.as_deref().map_or(0, Waiting::len)
    }

    /// A message that is encoded may come back.
    pub(crate) fn may_return(&mut self, token: Token, record: Record) {
        self.returning.get_or_insert_default().push(token, record);
    }

    /// It comes back, or never will; `None` if it was not to.
    #[inline]
    pub(crate) fn settle(&mut self, token: Token) -> Option<Record> {
        self.returning.as_deref_mut()?.remove(token)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.ahead().map_or(0, Ahead::bytes)
    }

    /// Adds a message of QoS 0 that waits for the transport only, by encoding it. Its token is beyond all others.
    ///
    /// # Errors
    /// It cannot be encoded; nothing was added.
    #[inline]
    pub(crate) fn encode_ahead(
        &mut self,
        token: Token,
        packet: &packet::Publish<'_>,
        version: ProtocolVersion,
        limit: u32,
    ) -> Result<(), EncodeError> {
        let ahead = self.ahead.get_or_insert_with(|| Box::new(Ahead::new(version)));
        let block = ahead.block();
        let start = block.len();
        packet.encode(version, limit, block)?;
        ahead.push(token, start);
        Ok(())
    }

    /// The same for one that has topic and payload alone, and can be encoded.
    #[inline]
    pub(crate) fn encode_plain_ahead(
        &mut self,
        token: Token,
        topic: &str,
        payload: &[u8],
        version: ProtocolVersion,
    ) {
        let ahead = self.ahead.get_or_insert_with(|| Box::new(Ahead::new(version)));
        let block = ahead.block();
        let start = block.len();
        packet::plain::encode(topic, payload, version, block);
        ahead.push(token, start);
    }

    /// The oldest message that is encoded already.
    pub(crate) fn front_ahead(&self) -> Option<Token> {
        self.ahead()?.front()
    }

    /// See [`Ahead::take`].
    pub(crate) fn take_ahead(
        &mut self,
        out: &mut Vec<u8>,
        next: Option<Token>,
        most: usize,
        taken: impl FnMut(Run),
    ) {
        if let Some(ahead) = self.ahead.as_deref_mut() {
            ahead.take(out, next, most, taken);
        }
    }

    /// For planted faults only: see [`Ahead::rewind`].
    pub(crate) fn rewind_ahead(&mut self) {
        if let Some(ahead) = self.ahead.as_deref_mut() {
            ahead.rewind();
        }
    }

    /// Whether this message of QoS 0 waits here. If it is encoded already, it is a record from now on.
    pub(crate) fn becomes_record(&mut self, token: Token) -> bool {
        if self.ahead().is_some_and(|ahead| ahead.contains(token)) {
            self.unpack_ahead();
        }
        self.at_most_once.get(token).is_some()
    }

    /// What is encoded already becomes records, such as for another connection.
    pub(crate) fn unpack_ahead(&mut self) {
        let Some(ahead) = self.ahead.take() else { return };
        let mut messages = Waiting::default();
        for (token, packet) in ahead.messages() {
            let packet::Publish { topic, payload, retain, properties, .. } = packet;
            let record = self.record(&Publish::new(topic, payload).retain(retain).properties(properties));
            messages.push(token, record);
        }
        self.at_most_once.merge(messages);
    }

    /// Copies what must be kept of `publish`, into a recycled vector where there is one.
    pub(crate) fn record(&mut self, publish: &Publish<'_>) -> Record {
        let chained = matches!(&publish.payload, Data::Bytes(payload) if payload.len() >= CHAIN_FROM);
        let payload = if chained { 0 } else { publish.payload.as_slice().len() };
        let mut record = self.spare.pop().unwrap_or_default();
        let kept = &mut *record.0;
        let bytes = &mut kept.bytes;
        bytes.reserve(publish.topic.len() + publish.properties.as_bytes().len() + payload);
        bytes.extend_from_slice(publish.topic.as_bytes());
        bytes.extend_from_slice(publish.properties.as_bytes());
        match &publish.payload {
            Data::Bytes(payload) if chained => kept.shared = Some(payload.clone()),
            payload => bytes.extend_from_slice(payload.as_slice()),
        }
        kept.topic_length = publish.topic.len() as u16;
        kept.properties_length = publish.properties.as_bytes().len() as u32;
        kept.alias = publish.topic_alias.unwrap_or(0);
        kept.requeue = publish.requeue && publish.qos == QoS::AtMostOnce;
        kept.qos = publish.qos;
        kept.retain = publish.retain;
        self.bytes += record.size();
        record
    }

    /// A record is not needed any more.
    pub(crate) fn release(&mut self, mut record: Record) {
        self.bytes -= record.size();
        let kept = &mut *record.0;
        kept.bytes.clear();
        kept.shared = None;
        let capacity = kept.bytes.capacity();
        let is_kept = |(count, largest)| self.spare.len() < count && capacity <= largest;
        if is_kept(SPARE_SMALL) || is_kept(SPARE_LARGE) {
            self.spare.push(record);
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

    /// From now on `latest` knows the message that waits for each topic.
    pub(crate) fn index_topics(&mut self) {
        if self.latest.is_some() {
            return;
        }
        let mut latest = BTreeMap::new();
        let waiting = self.at_most_once.iter().chain(self.acknowledged.iter());
        for (token, record) in waiting {
            let known = latest.entry(record.topic().into()).or_insert(token);
            *known = token.max(*known);
        }
        self.latest = Some(Box::new(Latest(latest)));
    }

    /// The message that waits for this topic and its size, if [`index_topics`](Self::index_topics) was called.
    pub(crate) fn latest(&self, topic: &str) -> Option<(Token, usize)> {
        let token = *self.latest.as_deref()?.0.get(topic)?;
        let record = self.acknowledged.get(token).or_else(|| self.at_most_once.get(token))?;
        Some((token, record.size()))
    }

    /// QoS 0 that is not encoded.
    pub(crate) fn at_most_once(&self) -> &Waiting {
        &self.at_most_once
    }

    /// QoS 1 and 2.
    pub(crate) fn acknowledged(&self) -> &Waiting {
        &self.acknowledged
    }

    /// The oldest message that waits.
    pub(crate) fn oldest(&self) -> Option<Token> {
        let fronts = [self.at_most_once.front(), self.acknowledged.front()];
        fronts.into_iter().flatten().map(|(token, _)| token).min()
    }

    /// The bytes of all messages that wait.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.at_most_once.bytes() + self.acknowledged.bytes()
    }

    /// Puts a message into its queue, by its token.
    pub(crate) fn push(&mut self, token: Token, record: Record) {
        if let Some(Latest(latest)) = self.latest.as_deref_mut() {
            match latest.get_mut(record.topic()) {
                Some(known) => *known = token.max(*known),
                None => drop(latest.insert(record.topic().into(), token)),
            }
        }
        let waiting =
            if record.qos == QoS::AtMostOnce { &mut self.at_most_once } else { &mut self.acknowledged };
        waiting.push(token, record);
    }

    /// Takes the oldest message of QoS 0.
    pub(crate) fn pop_at_most_once(&mut self) -> Option<(Token, Record)> {
        let (token, record) = self.at_most_once.pop_front()?;
        self.left(token, &record);
        Some((token, record))
    }

    /// Takes the oldest message of QoS 1 or 2.
    pub(crate) fn pop_acknowledged(&mut self) -> Option<(Token, Record)> {
        let (token, record) = self.acknowledged.pop_front()?;
        self.left(token, &record);
        Some((token, record))
    }

    /// Takes a message out of its turn.
    pub(crate) fn remove(&mut self, token: Token) -> Option<Record> {
        let waiting =
            if self.becomes_record(token) { &mut self.at_most_once } else { &mut self.acknowledged };
        let record = waiting.remove(token)?;
        self.left(token, &record);
        Some(record)
    }

    fn left(&mut self, token: Token, record: &Record) {
        if let Some(Latest(latest)) = self.latest.as_deref_mut()
            && latest.get(record.topic()) == Some(&token)
        {
            latest.remove(record.topic());
        }
    }

    /// Takes a SUBSCRIBE or UNSUBSCRIBE with all its parts.
    pub(crate) fn take_controls(&mut self, token: Token) -> Vec<Control> {
        let start = self.control.partition_point(|control| control.token < token);
        let end = self.control.partition_point(|control| control.token <= token);
        self.control.drain(start..end).map(|control| *control).collect()
    }

    /// Puts a SUBSCRIBE or UNSUBSCRIBE into its queue, by its token and part.
    pub(crate) fn push_control(&mut self, control: Box<Control>) {
        let at = self.control.partition_point(|other| other.order() <= control.order());
        self.control.insert(at, control);
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.spare = Vec::new();
        self.control.shrink_to_fit();
        if self.ahead().is_some_and(Ahead::is_empty) {
            self.ahead = None;
        }
        if self.returning() == 0 {
            self.returning = None;
        }
        self.at_most_once.trim();
        self.acknowledged.trim();
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
        let order: Vec<_> = queue.acknowledged().tokens().map(|token| token.0).collect();
        assert_eq!(order, [5, 6, 7]);
    }

    // R: REC-07
    #[test]
    fn any_message_can_be_taken_out() {
        let mut queue = Queue::default();
        for token in 0..1_000 {
            let qos = if token % 2 == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
            let record = queue.record(&Publish::new("t", "").qos(qos));
            queue.push(Token(token), record);
        }
        for token in (0..1_000).filter(|token| token % 10 != 9 && token % 10 != 8).rev() {
            let record = queue.remove(Token(token)).unwrap();
            queue.release(record);
            assert!(queue.remove(Token(token)).is_none());
        }
        assert_eq!((queue.len(), queue.oldest()), (200, Some(Token(8))));
        let mut left = Vec::new();
        while let Some((token, record)) = queue.pop_acknowledged() {
            left.push(token.0);
            queue.release(record);
        }
        assert_eq!(left, (0..100).map(|ten| ten * 10 + 9).collect::<Vec<_>>());
        assert_eq!(queue.bytes(), queue.waiting_bytes());
    }
}
