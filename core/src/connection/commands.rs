//! Commands: checked, then sent at once or queued.

use alloc::boxed::Box;
use bytes::Bytes;

use super::Connection;
use super::encoding::Changes;
use super::flight::Stage;
use super::queue::{CHAIN_FROM, Control, Request};
use super::window::Since;
use crate::bug::Bug;
use crate::command::{Data, Publish, Subscribe, Unsubscribe};
use crate::config::QueuePolicy;
use crate::error::{AckError, OperationError, PublishError, ServerLimit, SubscribeError};
use crate::event::Token;
use crate::message::MessageId;
use crate::packet::{
    self, Ack, EncodeError, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, Properties, PropertiesBuf,
    Property, PropertyId, PropertyOwner, ProtocolVersion, QoS, ReasonCode, SubscribeFilter,
};
use crate::server::Server;
use crate::time::Instant;
use crate::topic::{self, TopicError};

impl Connection {
    /// The way of every message that does not go the quick way.
    #[cold] // As the compiler is to see it, for the sake of the quick way.
    pub(super) fn send_publish(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
    ) -> Result<Token, PublishError> {
        if publish.qos != QoS::AtMostOnce
            && self.phase.is_up()
            && let Some(token) = self.send_quickly_acknowledged(now, publish)
        {
            return Ok(token);
        }
        self.observe_coarse(now);
        self.send_any(publish)
    }

    fn send_any(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        if self.is_ending() {
            return Err(PublishError::Closed);
        }
        match publish.topic_alias {
            None => self.send_unaliased(publish),
            Some(alias) => self.send_aliased(publish, alias),
        }
    }

    /// A publish whose topic is not left to an alias.
    pub(super) fn send_named(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        self.send_unaliased(publish)
    }

    /// The same, without a call.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    fn send_unaliased(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        if !publish.properties.is_empty() {
            self.check_publish_properties(publish.properties)?;
        }
        let up = self.phase.is_up();
        if up {
            self.check_publish_limits(publish.qos, publish.retain)?;
        }
        let goes_at_once = up && publish.qos == QoS::AtMostOnce && self.has_send_room();
        if goes_at_once && !self.queue.has_at_most_once() && (!publish.requeue || self.has_room()) {
            return self.send_at_most_once(publish);
        }
        if !up && publish.qos == QoS::AtMostOnce && !self.config.queue_qos0 {
            return Err(PublishError::Offline);
        }
        self.enqueue_publish(publish)
    }

    /// A publish that cannot be sent before others, or is kept until it is acknowledged.
    fn enqueue_publish(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        if self.nothing_holds_back(publish.qos) {
            return self.send_acknowledged(publish);
        }
        self.check_publish_packet(publish)?;
        self.drop_same_topic(publish.topic);
        if !self.make_room() {
            return self.refuse_publish();
        }
        let token = self.take_token();
        let record = self.queue.record(publish);
        self.due.add(token, publish.deadline, publish.properties.message_expiry_interval());
        if record.qos != QoS::AtMostOnce {
            self.store_message(token, &record);
        }
        self.queue.push(token, record);
        self.flush();
        Ok(token)
    }

    /// Whether a message of QoS 1 or 2 would be sent as soon as it is in the queue.
    fn nothing_holds_back(&mut self, qos: QoS) -> bool {
        self.end_what_is_due();
        qos != QoS::AtMostOnce
            && self.phase.is_up()
            && self.persistence.is_none()
            && self.queue.is_empty()
            && !self.in_flight.has_planned()
            && self.in_flight.has_free_id()
            && self.fits(self.in_flight.window(), qos)
            && self.has_room()
            && self.has_send_room()
    }

    /// As if it had been queued and sent at once.
    fn send_acknowledged(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        let before = self.in_flight.ids();
        let Some(packet_id) = self.in_flight.free_id() else { return Err(PublishError::Full) };
        let encoded = self.encode_now(publish, self.planted_id(before.last(), packet_id));
        if let Err(error) = encoded {
            self.in_flight.restore_ids(before);
            return Err(error);
        }
        let token = self.take_token();
        self.due.add(token, publish.deadline, publish.properties.message_expiry_interval());
        self.due.sent(token, Some(packet_id));
        let stage = Stage::Published(self.queue.record(publish));
        self.in_flight.insert(packet_id, token, self.attempt, self.now, stage);
        self.planted_after_sending(packet_id, publish.qos);
        Ok(token)
    }

    /// Where only the latest message of a topic is kept, a newer one takes the older one's place.
    #[inline]
    pub(super) fn drop_same_topic(&mut self, topic: &str) {
        if self.config.queue_policy == QueuePolicy::LatestPerTopic {
            self.drop_latest(topic);
        }
    }

    fn drop_latest(&mut self, topic: &str) {
        self.queue.index_topics();
        let Some((older, size)) = self.queue.latest(topic) else { return };
        // None is dropped in vain.
        if self.queue.occupied() <= self.config.queue_limit
            && self.queue.bytes() - size < self.config.queue_bytes
        {
            self.drop_waiting(older);
        }
    }

    /// Whether there is room for one more operation, if need be after dropping the oldest messages that wait. None is
    /// dropped in vain.
    fn make_room(&mut self) -> bool {
        if self.has_room() {
            return true;
        }
        let kept = self.queue.bytes() - self.queue.waiting_bytes();
        let enough = self.queue.undroppable() < self.config.queue_limit && kept < self.config.queue_bytes;
        if self.config.queue_policy != QueuePolicy::DropOldest || !enough {
            return false;
        }
        while !self.has_room() {
            let Some(oldest) = self.queue.oldest() else { return false };
            self.drop_waiting(oldest);
        }
        true
    }

    /// There is no room for a publish.
    fn refuse_publish(&mut self) -> Result<Token, PublishError> {
        if self.config.queue_policy != QueuePolicy::DropNewest {
            return Err(PublishError::Full);
        }
        let token = self.take_token();
        self.publish_failed(token, OperationError::Dropped);
        Ok(token)
    }

    /// The quick way: encoded straight into the outgoing bytes; nothing is kept, unless that was asked for.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    fn send_at_most_once(&mut self, publish: &Publish<'_>) -> Result<Token, PublishError> {
        self.encode_now(publish, 0)?;
        let token = self.take_token();
        let mut interval = None;
        if publish.requeue {
            interval = publish.properties.message_expiry_interval();
            let record = self.queue.record(publish);
            self.queue.may_return(token, record);
        }
        self.due.add(token, publish.deadline, interval);
        self.await_written(token);
        // One that waits for the window would come after it.
        self.drop_same_topic(publish.topic);
        Ok(token)
    }

    /// Encodes a message by its call, without a record of it. `packet_id`: zero for QoS 0.
    pub(super) fn encode_now(&mut self, publish: &Publish<'_>, packet_id: u16) -> Result<(), PublishError> {
        let result = if self.outgoing_aliases.is_none() {
            self.encode_publish(&packet_of(publish, packet_id), shared_of(publish))
        } else {
            self.encode_renamed(publish, packet_id)
        };
        match result {
            Ok(()) => Ok(()),
            Err(error) => Err(Self::publish_error(error)),
        }
    }

    fn encode_renamed(&mut self, publish: &Publish<'_>, packet_id: u16) -> Result<(), EncodeError> {
        let changes = Changes { alias: publish.topic_alias.unwrap_or(0), expiry: None };
        self.encode_message(&packet_of(publish, packet_id), shared_of(publish), changes)
    }

    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn encode_publish(
        &mut self,
        packet: &packet::Publish<'_>,
        shared: Option<&Bytes>,
    ) -> Result<(), EncodeError> {
        let limit = self.packet_limit();
        let start = self.out.buffer().len();
        if let Some(payload) = shared {
            packet.encode_head(self.version, limit, self.out.buffer())?;
            self.out.push_shared(payload.clone());
        } else {
            packet.encode(self.version, limit, self.out.buffer())?;
        }
        self.sent(PacketType::Publish, packet.packet_id, start, shared.map_or(0, Bytes::len));
        Ok(())
    }

    pub(super) fn check_publish_properties(&self, properties: Properties<'_>) -> Result<(), PublishError> {
        for id in properties.ids() {
            let ours = matches!(id, PropertyId::TopicAlias | PropertyId::SubscriptionIdentifier);
            if ours || !id.is_allowed_in(PropertyOwner::PublishFromClient) {
                return Err(PublishError::Property(id));
            }
            if self.is_known_to_be_older() {
                return Err(PublishError::UnsupportedByVersion(id));
            }
        }
        Ok(())
    }

    #[inline]
    pub(super) fn check_publish_limits(&self, qos: QoS, retain: bool) -> Result<(), ServerLimit> {
        let Some(server) = self.server.as_deref() else { return Ok(()) };
        if qos > server.maximum_qos {
            return Err(ServerLimit::MaximumQoS);
        }
        if retain && !server.retain_available {
            return Err(ServerLimit::RetainAvailable);
        }
        Ok(())
    }

    /// What the encoder will check when the packet's turn comes.
    fn check_publish_packet(&mut self, publish: &Publish<'_>) -> Result<(), PublishError> {
        topic::validate_name(publish.topic)?;
        let packet = packet_of(publish, u16::from(publish.qos != QoS::AtMostOnce));
        let limit = self.packet_limit();
        let size = self.smallest_size(&packet, publish.topic_alias.unwrap_or(0), limit);
        if size > u64::from(limit) {
            return Err(Self::publish_error(EncodeError::PacketTooLarge { size, limit }));
        }
        Ok(())
    }

    #[cold]
    pub(super) fn publish_error(error: EncodeError) -> PublishError {
        match error {
            EncodeError::PacketTooLarge { size, limit } if limit < PROTOCOL_MAXIMUM_PACKET_SIZE => {
                ServerLimit::MaximumPacketSize { size, limit }.into()
            }
            EncodeError::Topic(error) => error.into(),
            // No alias is the application's to set.
            EncodeError::TopicMissing => TopicError::Empty.into(),
            error => PublishError::Encode(error),
        }
    }

    pub(super) fn send_subscribe(&mut self, subscribe: Subscribe<'_>) -> Result<Token, SubscribeError> {
        self.check_control()?;
        let Subscribe { filters, properties, identifier, deadline } = subscribe;
        self.check_subscribe_version(filters.iter(), properties)?;
        if self.phase.is_up() {
            self.check_subscribe_limits(filters.iter(), properties)?;
        }
        let identified = self.identified(properties, identifier).map_err(SubscribeError::Encode)?;
        let identified = identified.as_properties();
        let packet = packet::Subscribe { packet_id: 1, properties: identified, filters };
        let largest = filters.iter().map(|filter| filter.filter.len() + 3).max();
        self.check_control_packet(&Packet::Subscribe(packet), identified, largest)?;
        if !self.make_room() {
            return Err(SubscribeError::Full);
        }
        let token = self.take_token();
        self.due.add(token, deadline, None);
        self.subscriptions.subscribe(token, filters, properties, identifier);
        let request = Request::Subscribe { filters: filters.into(), identifier, again: false };
        self.enqueue_control(token, request, properties);
        Ok(token)
    }

    pub(super) fn send_unsubscribe(&mut self, unsubscribe: Unsubscribe<'_>) -> Result<Token, SubscribeError> {
        self.check_control()?;
        let Unsubscribe { filters, properties, deadline } = unsubscribe;
        if !properties.is_empty() && self.is_known_to_be_older() {
            return Err(SubscribeError::UnsupportedByVersion("a property of UNSUBSCRIBE"));
        }
        let packet = Packet::Unsubscribe(packet::Unsubscribe { packet_id: 1, properties, filters });
        let largest = filters.iter().map(|filter| filter.len() + 2).max();
        self.check_control_packet(&packet, properties, largest)?;
        if !self.make_room() {
            return Err(SubscribeError::Full);
        }
        let token = self.take_token();
        self.due.add(token, deadline, None);
        self.subscriptions.unsubscribe(filters);
        self.enqueue_control(token, Request::Unsubscribe { filters: filters.into() }, properties);
        Ok(token)
    }

    fn check_control(&self) -> Result<(), SubscribeError> {
        if self.is_ending() { Err(SubscribeError::Closed) } else { Ok(()) }
    }

    pub(super) fn check_subscribe_version<'a>(
        &self,
        mut filters: impl Iterator<Item = SubscribeFilter<'a>>,
        properties: Properties<'_>,
    ) -> Result<(), SubscribeError> {
        if !self.is_known_to_be_older() {
            return Ok(());
        }
        if !properties.is_empty() {
            return Err(SubscribeError::UnsupportedByVersion("a property of SUBSCRIBE"));
        }
        let newer = |options: packet::SubscribeOptions| {
            options != packet::SubscribeOptions { qos: options.qos, ..packet::SubscribeOptions::default() }
        };
        if filters.any(|filter| newer(filter.options)) {
            return Err(SubscribeError::UnsupportedByVersion("a subscription option besides QoS"));
        }
        Ok(())
    }

    /// Whether the server takes subscription identifiers, as far as it has said.
    pub(super) fn takes_identifiers(&self) -> bool {
        let takes = |server: &Server| server.subscription_identifier_available;
        !self.is_known_to_be_older() && self.server.as_deref().is_none_or(takes)
    }

    /// The properties of a SUBSCRIBE, with the identifier that it has where the server takes one.
    pub(super) fn identified(
        &self,
        properties: Properties<'_>,
        identifier: Option<u32>,
    ) -> Result<PropertiesBuf, EncodeError> {
        let mut identified = PropertiesBuf::from(properties);
        if let Some(identifier) = identifier
            && self.takes_identifiers()
            && properties.subscription_identifiers().next().is_none()
        {
            identified.push(Property::SubscriptionIdentifier(identifier))?;
        }
        Ok(identified)
    }

    pub(super) fn check_subscribe_limits<'a>(
        &self,
        filters: impl Iterator<Item = SubscribeFilter<'a>>,
        properties: Properties<'_>,
    ) -> Result<(), ServerLimit> {
        let Some(server) = self.server.as_deref() else { return Ok(()) };
        let identified = properties.subscription_identifiers().next().is_some();
        if identified && !server.subscription_identifier_available {
            return Err(ServerLimit::SubscriptionIdentifierAvailable);
        }
        for SubscribeFilter { filter, .. } in filters {
            if filter.contains(['+', '#']) && !server.wildcard_subscription_available {
                return Err(ServerLimit::WildcardSubscriptionAvailable);
            }
            if topic::split_shared(filter).is_some() && !server.shared_subscription_available {
                return Err(ServerLimit::SharedSubscriptionAvailable);
            }
        }
        Ok(())
    }

    /// Writes the packet once without sending it: SUBSCRIBE and UNSUBSCRIBE are rare. It may be split, so that only
    /// its largest filter must fit into a packet.
    fn check_control_packet(
        &self,
        packet: &Packet<'_>,
        properties: Properties<'_>,
        largest: Option<usize>,
    ) -> Result<(), SubscribeError> {
        // Before the version is known, everything that 5.0 has is lawful.
        match packet.encode(self.version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut alloc::vec::Vec::new()) {
            Ok(()) | Err(EncodeError::PacketTooLarge { .. }) => {}
            Err(error) => return Err(SubscribeError::Encode(error)),
        }
        let limit = self.packet_limit();
        let size = packet::list_size(properties, largest.unwrap_or_default(), self.version);
        if size > u64::from(limit) {
            return Err(ServerLimit::MaximumPacketSize { size, limit }.into());
        }
        Ok(())
    }

    fn enqueue_control(&mut self, token: Token, request: Request, properties: Properties<'_>) {
        let control = Box::new(Control::new(token, request, properties.into()));
        self.queue.hold(&control);
        self.queue.push_control(control);
        self.flush();
    }

    pub(super) fn acknowledge_message(&mut self, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
        self.check_ack_reason(reason)?;
        if self.received.acknowledge(id, reason)? {
            self.store_incoming(id.packet_id);
        }
        self.send_acks();
        self.watch_window(Since::NextCall);
        Ok(())
    }

    pub(super) fn check_ack_reason(&self, reason: ReasonCode) -> Result<(), AckError> {
        if reason == ReasonCode::SUCCESS {
            return Ok(());
        }
        if self.version != ProtocolVersion::V5 {
            return Err(AckError::UnsupportedByVersion);
        }
        // PUBREC has the same ones.
        let allowed = reason.is_allowed_in(PacketType::PubAck, packet::Sender::Client);
        if allowed { Ok(()) } else { Err(AckError::Reason(reason)) }
    }

    /// Sends every PUBACK and PUBREC whose turn has come.
    pub(super) fn send_acks(&mut self) {
        if !self.phase.is_up() {
            return;
        }
        if self.has_bug(Bug::AckOutOfOrder) {
            return self.planted_acks();
        }
        while let Some(release) = self.received.next_release() {
            self.send_release(release);
        }
    }

    pub(super) fn send_release(&mut self, (packet, packet_id, reason): (PacketType, u16, ReasonCode)) {
        if packet == PacketType::PubRec {
            self.reply_incoming(packet, packet_id, reason);
        } else {
            self.send_ack(packet, packet_id, reason);
        }
    }

    pub(super) fn send_ack(&mut self, packet_type: PacketType, packet_id: u16, reason: ReasonCode) {
        let reason = if self.version == ProtocolVersion::V5 { reason } else { ReasonCode::SUCCESS };
        let start = self.out.buffer().len();
        let ack = Ack { packet_id, reason, properties: Properties::EMPTY };
        // At most five bytes; no server takes less.
        if ack.encode(packet_type, self.version, PROTOCOL_MAXIMUM_PACKET_SIZE, self.out.buffer()).is_ok() {
            self.replies += (self.out.buffer().len() - start) as u64;
            self.sent(packet_type, packet_id, start, 0);
        }
    }
}

/// The packet that is sent for this call.
#[inline]
pub(super) fn packet_of<'a>(publish: &'a Publish<'_>, packet_id: u16) -> packet::Publish<'a> {
    packet::Publish {
        duplicate: false,
        qos: publish.qos,
        retain: publish.retain,
        topic: publish.topic,
        packet_id,
        properties: publish.properties,
        payload: publish.payload.as_slice(),
    }
}

/// Its payload, if that is sent without a copy.
#[inline]
pub(super) fn shared_of<'a>(publish: &'a Publish<'_>) -> Option<&'a Bytes> {
    match &publish.payload {
        Data::Bytes(payload) if payload.len() >= CHAIN_FROM => Some(payload),
        _ => None,
    }
}
