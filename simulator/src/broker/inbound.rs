//! One received packet, and what it does.

use bytes::{Bytes, BytesMut};
use sterna_core::packet::{Ack, FixedHeader, Packet, PacketType, Publish, QoS, ReasonCode, Sender};

use super::connection::Phase;
use super::message::{Message, forwarded, seconds_after};
use super::session::Acknowledged;
use super::{Broker, ClientId, ConnectionId, OnReceive, Record};

impl Broker {
    /// Carries out the packet at the start of `input`; whether there was a whole one.
    pub(super) fn input_packet(&mut self, id: ConnectionId, input: &mut BytesMut) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let (phase, version) = (connection.phase, connection.version);
        let header = match FixedHeader::parse(input, version, self.options.packet_limit()) {
            Ok(Some(header)) => header,
            Ok(None) => return false,
            Err(error) => {
                self.fail(id, error.reason(), &format!("{error} [{}]", error.statement(version)));
                return false;
            }
        };
        if phase == Phase::Opening && header.packet_type != PacketType::Connect {
            self.close(id); // [MQTT-3.1.0-1]
            return false;
        }
        if input.len() < header.packet_size() {
            return false;
        }
        let bytes = input.split_to(header.packet_size()).freeze();
        self.handle_bytes(id, header, &bytes);
        true
    }

    fn handle_bytes(&mut self, id: ConnectionId, header: FixedHeader, bytes: &Bytes) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.heard(self.now);
        let body = bytes.get(usize::from(header.header_length)..).unwrap_or_default();
        let packet = match Packet::decode(header, body, connection.version, Sender::Client) {
            Ok(packet) => packet,
            Err(error) => {
                let text = format!("{error} [{}]", error.statement(connection.version));
                if connection.phase == Phase::Opening {
                    self.refuse_malformed(id, body, error.reason(), &text);
                } else {
                    self.fail(id, error.reason(), &text);
                }
                return;
            }
        };
        let mut client = connection.client_id.clone();
        if let (Phase::Opening, Packet::Connect(connect)) = (connection.phase, &packet) {
            connection.version = connect.version;
            client = ClientId::from(connect.client_id);
        }
        let version = connection.version;
        self.records.push(
            self.options.maximum_records,
            self.options.maximum_record_bytes,
            bytes.len(),
            |sequence| {
                let (at, client_id) = (self.now, client.clone());
                // A copy, so that a small packet does not keep a whole read buffer.
                let bytes = Bytes::copy_from_slice(bytes);
                Record { sequence, at, connection: id, client_id, version, header, bytes }
            },
        );
        if self.faults.exceeds_received(&client, bytes.len()) {
            self.abort(id);
            return;
        }
        match self.faults.receiving(&client, header.packet_type) {
            None => self.handle_packet(id, &packet),
            Some(action) => self.misbehave(id, &packet, action),
        }
    }

    fn misbehave(&mut self, id: ConnectionId, packet: &Packet<'_>, action: OnReceive) {
        if let Packet::Publish(publish) = packet {
            self.learn_alias(id, publish);
        }
        match action {
            OnReceive::Close => self.abort(id),
            OnReceive::Discard => {}
            OnReceive::Answer(reason) => self.answer(id, packet, reason),
            OnReceive::Send(bytes) => {
                self.emit(id, &bytes, self.now);
            }
            OnReceive::SendThenClose(bytes) => {
                self.emit(id, &bytes, self.now);
                self.close(id);
            }
            OnReceive::StopReading => {
                self.handle_packet(id, packet);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.is_reading = false;
                }
            }
        }
    }

    /// A message that is not taken sets its topic alias all the same: the client cannot know.
    fn learn_alias(&mut self, id: ConnectionId, publish: &Publish<'_>) {
        if let (Some(alias), Some(connection)) =
            (publish.properties.topic_alias(), self.connections.get_mut(&id))
            && !publish.topic.is_empty()
        {
            connection.aliases.insert(alias, publish.topic.to_owned());
        }
    }

    /// The usual answer to a packet that is not carried out, with a reason of the test's choice.
    fn answer(&mut self, id: ConnectionId, packet: &Packet<'_>, reason: ReasonCode) {
        match packet {
            Packet::Connect(_) => self.refuse(id, reason, ""),
            Packet::Publish(publish) => match publish.qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => self.acknowledge(id, PacketType::PubAck, publish.packet_id, reason),
                // What was taken cannot be refused when it comes again.
                QoS::ExactlyOnce if self.has_received(id, publish.packet_id) => {
                    self.handle_packet(id, packet);
                }
                QoS::ExactlyOnce => self.acknowledge(id, PacketType::PubRec, publish.packet_id, reason),
            },
            Packet::PubRel(ack) => self.acknowledge(id, PacketType::PubComp, ack.packet_id, reason),
            Packet::Subscribe(subscribe) => {
                let reasons = vec![reason.value(); subscribe.filters.iter().count()];
                self.send_suback(id, subscribe.packet_id, &reasons);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let reasons = vec![reason.value(); unsubscribe.filters.iter().count()];
                self.send_unsuback(id, unsubscribe.packet_id, &reasons);
            }
            _ => self.fail(id, reason, ""),
        }
    }

    /// Whether a QoS 2 message with this identifier was taken and not released yet.
    fn has_received(&self, id: ConnectionId, packet_id: u16) -> bool {
        let session = self.client_of(id).and_then(|client| self.sessions.get(&client));
        session.is_some_and(|session| session.received.contains(&packet_id))
    }

    fn handle_packet(&mut self, id: ConnectionId, packet: &Packet<'_>) {
        let Some(phase) = self.connections.get(&id).map(|connection| connection.phase) else { return };
        match packet {
            Packet::Auth(auth) => self.handle_auth(id, auth),
            Packet::Disconnect(_) if phase == Phase::Authenticating => self.close(id),
            // [MQTT-3.1.2-30]
            _ if phase == Phase::Authenticating => self.refuse(id, ReasonCode::PROTOCOL_ERROR, "AUTH is due"),
            Packet::Connect(connect) if phase != Phase::Open => self.handle_connect(id, connect),
            Packet::Publish(publish) => self.handle_publish(id, publish),
            Packet::PubAck(ack) => self.handle_ack(id, PacketType::PubAck, ack),
            Packet::PubRec(ack) => self.handle_ack(id, PacketType::PubRec, ack),
            Packet::PubRel(ack) => self.handle_pubrel(id, ack.packet_id),
            Packet::PubComp(ack) => self.handle_ack(id, PacketType::PubComp, ack),
            Packet::Subscribe(subscribe) => self.handle_subscribe(id, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.handle_unsubscribe(id, unsubscribe),
            Packet::PingReq => {
                let _ = self.send(id, &Packet::PingResp); // two bytes always fit, or nothing does
            }
            Packet::Disconnect(disconnect) => {
                self.handle_disconnect(id, disconnect.reason, disconnect.properties);
            }
            Packet::Connect(_) => {
                self.fail(id, ReasonCode::PROTOCOL_ERROR, "a second CONNECT [MQTT-3.1.0-2]");
            }
            _ => self.fail(id, ReasonCode::PROTOCOL_ERROR, "a packet that only a server sends"),
        }
    }

    fn handle_publish(&mut self, id: ConnectionId, publish: &Publish<'_>) {
        let topic = match self.check_publish(id, publish) {
            Ok(topic) => topic,
            Err((reason, text)) => return self.fail(id, reason, text),
        };
        let Some(client) = self.client_of(id) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        // [MQTT-4.3.3-10]: a QoS 2 message that was not released yet is the same message.
        let is_new = publish.qos != QoS::ExactlyOnce || session.received.insert(publish.packet_id);
        let is_matched = is_new
            && self.publish(Message {
                topic,
                payload: Bytes::copy_from_slice(publish.payload),
                qos: publish.qos,
                retain: publish.retain,
                properties: forwarded(publish.properties),
                expires_at: publish
                    .properties
                    .message_expiry_interval()
                    .map(|left| seconds_after(self.now, left)),
                publisher: client,
            });
        let reason =
            if is_matched || !is_new { ReasonCode::SUCCESS } else { ReasonCode::NO_MATCHING_SUBSCRIBERS };
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(id, PacketType::PubAck, publish.packet_id, reason),
            QoS::ExactlyOnce => self.acknowledge(id, PacketType::PubRec, publish.packet_id, reason),
        }
    }

    /// Holds a PUBLISH against what CONNACK announced; its topic, the alias resolved.
    fn check_publish(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
    ) -> Result<String, (ReasonCode, &'static str)> {
        let options = &self.options;
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(String::new()) };
        if publish.qos > options.maximum_qos {
            return Err((ReasonCode::QOS_NOT_SUPPORTED, "above the Maximum QoS [MQTT-3.2.2-11]"));
        }
        if publish.retain && !options.retain_available {
            return Err((
                ReasonCode::RETAIN_NOT_SUPPORTED,
                "retained messages are not available [MQTT-3.2.2-14]",
            ));
        }
        if publish.qos != QoS::AtMostOnce {
            connection.unfinished.insert(publish.packet_id);
            if connection.is_v5() && connection.unfinished.len() > usize::from(options.receive_maximum.max(1))
            {
                return Err((
                    ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                    "above the Receive Maximum [MQTT-3.3.4-7]",
                ));
            }
        }
        let Some(alias) = publish.properties.topic_alias() else { return Ok(publish.topic.to_owned()) };
        if alias == 0 || alias > options.topic_alias_maximum {
            return Err((ReasonCode::TOPIC_ALIAS_INVALID, "above the Topic Alias Maximum [MQTT-3.3.2-9]"));
        }
        if publish.topic.is_empty() {
            let unknown = (ReasonCode::PROTOCOL_ERROR, "the topic alias is not known: 5.0 §3.3.2.3.4");
            return connection.aliases.get(&alias).cloned().ok_or(unknown);
        }
        connection.aliases.insert(alias, publish.topic.to_owned());
        Ok(publish.topic.to_owned())
    }

    fn handle_pubrel(&mut self, id: ConnectionId, packet_id: u16) {
        let Some(client) = self.client_of(id) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let is_known = session.received.remove(&packet_id);
        let reason = if is_known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        self.acknowledge(id, PacketType::PubComp, packet_id, reason);
    }

    /// PUBACK, PUBREC or PUBCOMP for a message that we sent.
    fn handle_ack(&mut self, id: ConnectionId, kind: PacketType, ack: &Ack<'_>) {
        let Some(client) = self.client_of(id) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let packet_id = ack.packet_id;
        let is_pubrec = kind == PacketType::PubRec;
        let outcome = match kind {
            PacketType::PubAck => session.handle_final(packet_id, QoS::AtLeastOnce),
            PacketType::PubRec if ack.reason.is_error() => session.handle_final(packet_id, QoS::ExactlyOnce),
            PacketType::PubRec => session.handle_pubrec(packet_id),
            _ => session.handle_pubcomp(packet_id),
        };
        match outcome {
            Acknowledged::Done if is_pubrec && !ack.reason.is_error() => {
                self.acknowledge(id, PacketType::PubRel, packet_id, ReasonCode::SUCCESS);
            }
            Acknowledged::Unknown if is_pubrec && !ack.reason.is_error() => {
                self.acknowledge(id, PacketType::PubRel, packet_id, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
            }
            Acknowledged::Done | Acknowledged::Unknown => {}
            Acknowledged::WrongKind => {
                self.fail(
                    id,
                    ReasonCode::PROTOCOL_ERROR,
                    "the packet identifier waits for another kind of packet",
                );
                return;
            }
        }
        self.pump(&client);
    }
}
