//! Messages to sessions, packets to connections.

use std::sync::Arc;

use sterna_core::packet::{
    Ack, Disconnect, EncodeError, Packet, PacketType, Properties, PropertiesBuf, Property, Publish, QoS,
    ReasonCode,
};

use super::connection::Phase;
use super::message::{Delivery, Message, add};
use super::session::Next;
use super::{Broker, ClientId, ConnectionId, Instant, OnSend};

impl Broker {
    /// Retains a message if it asks for that, and gives it to each session that subscribed to its topic; whether
    /// there was one [MQTT-4.5.0-1].
    pub(super) fn publish(&mut self, message: Message) -> bool {
        self.note_taken(&message);
        let message = Arc::new(message);
        if message.retain && !self.retained.store(&message, &self.options) {
            self.dropped_messages += 1;
        }
        let sessions = &self.sessions;
        let is_connected =
            |client: &ClientId| sessions.get(client).is_some_and(|session| session.connection.is_some());
        let targets = self.subscriptions.route(&message, self.options.overlapping_copies, is_connected);
        let is_matched = !targets.is_empty();
        for target in targets {
            let delivery = Delivery {
                qos: message.qos.min(target.qos),
                retain: message.retain && target.retain_as_published,
                identifiers: target.identifiers,
                message: Arc::clone(&message),
            };
            self.deliver(&target.client, delivery);
        }
        is_matched
    }

    /// Sends a message to a session, or keeps it there. QoS 0 messages are never kept.
    pub(super) fn deliver(&mut self, client: &ClientId, delivery: Delivery) {
        let Some(session) = self.sessions.get_mut(client) else { return };
        if delivery.qos != QoS::AtMostOnce {
            let (message, qos) = (Arc::clone(&delivery.message), delivery.qos);
            if session.enqueue(delivery, &self.options) {
                self.note_queued(client, &message, qos);
            } else {
                self.dropped_messages += 1;
            }
            self.pump(client);
            return;
        }
        let Some(id) = session.connection else { return };
        if self.connections.get(&id).is_some_and(|connection| connection.takes_messages(&self.options)) {
            self.note_queued(client, &delivery.message, delivery.qos);
            self.send_publish(id, 0, &delivery, false);
        } else {
            self.dropped_messages += 1;
        }
    }

    /// Sends what a session holds, as far as its connection takes it.
    pub(super) fn pump(&mut self, client: &ClientId) {
        loop {
            let Some(session) = self.sessions.get_mut(client).filter(|session| session.has_backlog()) else {
                return;
            };
            let Some(id) = session.connection else { return };
            let Some(connection) = self.connections.get(&id) else { return };
            if !connection.takes_messages(&self.options) {
                return;
            }
            match session.next(connection.window, self.now, self.options.lowest_packet_identifiers) {
                Some(Next::Publish { packet_id, delivery, duplicate }) => {
                    if !self.send_publish(id, packet_id, &delivery, duplicate)
                        && let Some(session) = self.sessions.get_mut(client)
                    {
                        session.forget(packet_id); // [MQTT-3.1.2-25]
                    }
                }
                Some(Next::PubRel { packet_id }) => {
                    self.acknowledge(id, PacketType::PubRel, packet_id, ReasonCode::SUCCESS);
                }
                None => return,
            }
        }
    }

    /// Whether the packet is small enough for the client.
    fn send_publish(
        &mut self,
        id: ConnectionId,
        packet_id: u16,
        delivery: &Delivery,
        duplicate: bool,
    ) -> bool {
        let Some(connection) = self.connections.get(&id) else { return true };
        let message = &delivery.message;
        let mut topic = message.topic.as_str();
        let mut properties = PropertiesBuf::new();
        let mut new_alias = None;
        if connection.is_v5() {
            properties = message.properties.clone();
            if let Some(seconds) = message.remaining_expiry(self.now) {
                add(&mut properties, Property::MessageExpiryInterval(seconds));
            }
            for identifier in &delivery.identifiers {
                add(&mut properties, Property::SubscriptionIdentifier(*identifier));
            }
            let known = connection.outgoing_aliases.get(topic).copied();
            let used = connection.outgoing_aliases.len();
            if known.is_none() && used < usize::from(connection.maximum_outgoing_aliases) {
                new_alias = u16::try_from(used + 1).ok();
            }
            if let Some(alias) = known.or(new_alias) {
                add(&mut properties, Property::TopicAlias(alias));
            }
            if known.is_some() {
                topic = "";
            }
        }
        let sent = self.send(
            id,
            &Packet::Publish(Publish {
                duplicate,
                qos: delivery.qos,
                retain: delivery.retain,
                topic,
                packet_id,
                properties: properties.as_properties(),
                payload: &message.payload,
            }),
        );
        if let (Ok(true), Some(alias), Some(connection)) = (&sent, new_alias, self.connections.get_mut(&id)) {
            connection.outgoing_aliases.insert(message.topic.clone(), alias);
        }
        sent.is_ok()
    }

    /// Sends a packet, unless a fault has it otherwise; whether something left.
    pub(super) fn send(&mut self, id: ConnectionId, packet: &Packet<'_>) -> Result<bool, EncodeError> {
        let Some(connection) =
            self.connections.get(&id).filter(|connection| connection.phase != Phase::Closing)
        else {
            return Ok(false);
        };
        let mut bytes = core::mem::take(&mut self.encoded);
        bytes.clear();
        let encoded = packet.encode(connection.version, connection.packet_limit, &mut bytes);
        let action = encoded.map(|()| self.faults.sending(&connection.client_id, packet.packet_type()));
        let sent = action.map(|action| match action {
            None => self.emit(id, &bytes, self.now),
            Some(OnSend::Delay(delay)) => self.emit(id, &bytes, self.now + delay),
            Some(OnSend::Replace(other)) => self.emit(id, &other, self.now),
            Some(OnSend::Discard) => false,
            Some(OnSend::Close) => {
                self.abort(id);
                false
            }
        });
        self.encoded = bytes;
        sent
    }

    /// Puts bytes into the outbox, not to leave before `at`; whether there is a connection to take them.
    pub(super) fn emit(&mut self, id: ConnectionId, bytes: &[u8], at: Instant) -> bool {
        let Some(connection) =
            self.connections.get_mut(&id).filter(|connection| connection.phase != Phase::Closing)
        else {
            return false;
        };
        let cut = self.faults.cut_sent(&connection.client_id, bytes.len());
        let kept = cut.and_then(|cut| bytes.get(..cut)).unwrap_or(bytes);
        connection.outbox.push(kept, at, self.now);
        let next_release = connection.outbox.next_release();
        self.ready.insert(id);
        self.arm(next_release);
        if cut.is_some() {
            self.abort(id);
        }
        true
    }

    /// Sends PUBACK, PUBREC, PUBREL or PUBCOMP. On 3.x the reason is left out.
    pub(super) fn acknowledge(
        &mut self,
        id: ConnectionId,
        kind: PacketType,
        packet_id: u16,
        reason: ReasonCode,
    ) {
        let Some(connection) = self.connections.get(&id) else { return };
        let reason = if connection.is_v5() { reason } else { ReasonCode::SUCCESS };
        let ack = Ack { packet_id, reason, properties: Properties::EMPTY };
        let (packet, is_final) = match kind {
            PacketType::PubRec => (Packet::PubRec(ack), reason.is_error()),
            PacketType::PubRel => (Packet::PubRel(ack), false),
            PacketType::PubComp => (Packet::PubComp(ack), true),
            _ => (Packet::PubAck(ack), true),
        };
        let is_sent = self.send(id, &packet).is_ok_and(|is_sent| is_sent);
        if is_sent
            && is_final
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.unfinished.remove(&packet_id);
        }
    }

    /// Ends a connection for a reason: DISCONNECT on 5.0, and close [MQTT-4.13.1-1].
    pub(super) fn fail(&mut self, id: ConnectionId, reason: ReasonCode, text: &str) {
        let is_told = |connection: &super::Connection| connection.is_v5() && connection.phase == Phase::Open;
        if self.connections.get(&id).is_some_and(is_told) {
            self.send_with_reason_string(id, text, |properties| {
                Packet::Disconnect(Disconnect { reason, properties })
            });
        }
        self.close(id);
    }

    /// Sends a packet with a Reason String, or without it if that makes it too large [MQTT-3.2.2-19], [MQTT-3.14.2-3].
    pub(super) fn send_with_reason_string(
        &mut self,
        id: ConnectionId,
        text: &str,
        packet: impl for<'a> Fn(Properties<'a>) -> Packet<'a>,
    ) {
        if !text.is_empty() {
            let mut properties = PropertiesBuf::new();
            add(&mut properties, Property::ReasonString(text));
            if self.send(id, &packet(properties.as_properties())).is_ok() {
                return;
            }
        }
        // What is too large even so is left out, as the specification has it for any packet.
        let _ = self.send(id, &packet(Properties::EMPTY));
    }
}
