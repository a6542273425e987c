//! SUBSCRIBE and UNSUBSCRIBE.

use sterna_core::packet::{
    Packet, PacketType, Properties, ProtocolVersion, QoS, ReasonCode, ReasonCodes, RetainHandling, SubAck,
    Subscribe, SubscribeFilter, UnsubAck, Unsubscribe,
};
use sterna_core::topic;

use super::message::Delivery;
use super::retained::has_wildcard;
use super::subscriptions::Subscription;
use super::{Broker, ClientId, ConnectionId};

impl Broker {
    /// One reason code a filter, in their order [MQTT-3.8.4-6], then the retained messages (or the other way round).
    pub(super) fn handle_subscribe(&mut self, id: ConnectionId, subscribe: &Subscribe<'_>) {
        let Some(client) = self.client_of(id) else { return };
        let identifier = subscribe.properties.subscription_identifiers().next();
        let mut reasons = Vec::new();
        let mut retained = Vec::new();
        for filter in subscribe.filters.iter() {
            match self.subscribe(&client, filter, identifier) {
                Ok((granted, deliveries)) => {
                    reasons.push(granted as u8);
                    retained.extend(deliveries);
                }
                Err(reason) => reasons.push(reason.value()),
            }
        }
        if !self.options.retained_before_suback {
            self.send_suback(id, subscribe.packet_id, &reasons);
        }
        for delivery in retained {
            self.deliver(&client, delivery);
        }
        if self.options.retained_before_suback {
            self.send_suback(id, subscribe.packet_id, &reasons);
        }
    }

    /// The granted QoS, and the retained messages that the subscription asks for.
    fn subscribe(
        &mut self,
        client: &ClientId,
        wanted: SubscribeFilter<'_>,
        identifier: Option<u32>,
    ) -> Result<(QoS, Vec<Delivery>), ReasonCode> {
        let options = &self.options;
        let shared = topic::split_shared(wanted.filter);
        if shared.is_some() && !options.shared_subscription_available {
            return Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        if has_wildcard(wanted.filter) && !options.wildcard_subscription_available {
            return Err(ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        if identifier.is_some() && !options.subscription_identifiers_available {
            return Err(ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED);
        }
        if self.subscriptions.count(client) >= options.maximum_subscriptions
            && !self.subscriptions.contains(client, wanted.filter)
        {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let mut granted = wanted.options;
        granted.qos = granted.qos.min(options.maximum_qos);
        let is_new =
            self.subscriptions.insert(client, wanted.filter, Subscription { options: granted, identifier });
        let is_due = match granted.retain_handling {
            RetainHandling::SendAtSubscribe => true, // [MQTT-3.3.1-9]
            RetainHandling::SendIfNew => is_new,     // [MQTT-3.3.1-10]
            RetainHandling::DoNotSend => false,      // [MQTT-3.3.1-11]
        };
        if !is_due || shared.is_some() {
            return Ok((granted.qos, Vec::new()));
        }
        let mut messages = self.retained.matching(wanted.filter, self.now);
        messages.retain(|message| !(granted.no_local && message.publisher == *client));
        let deliver = |message: std::sync::Arc<super::message::Message>| Delivery {
            qos: message.qos.min(granted.qos),
            retain: true, // [MQTT-3.3.1-8] of 3.1.1
            identifiers: identifier.into_iter().collect(),
            message,
        };
        Ok((granted.qos, messages.into_iter().map(deliver).collect()))
    }

    pub(super) fn send_suback(&mut self, id: ConnectionId, packet_id: u16, reasons: &[u8]) {
        let version = self.version_of(id);
        let in_v3 =
            |reason: &u8| if *reason < 0x80 { *reason } else { ReasonCode::UNSPECIFIED_ERROR.value() };
        let reasons: Vec<u8> = if version == ProtocolVersion::V5 {
            reasons.to_vec()
        } else {
            reasons.iter().map(in_v3).collect()
        };
        if let Some(reasons) = ReasonCodes::new(&reasons, PacketType::SubAck, version) {
            let suback = SubAck { packet_id, properties: Properties::EMPTY, reasons };
            // A SUBACK that is too large for the client cannot be sent at all [MQTT-3.1.2-24].
            let _ = self.send(id, &Packet::SubAck(suback));
        }
    }

    pub(super) fn handle_unsubscribe(&mut self, id: ConnectionId, unsubscribe: &Unsubscribe<'_>) {
        let Some(client) = self.client_of(id) else { return };
        let mut reasons = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let existed = self.subscriptions.remove(&client, filter);
            let reason = if existed { ReasonCode::SUCCESS } else { ReasonCode::NO_SUBSCRIPTION_EXISTED };
            reasons.push(reason.value());
        }
        self.send_unsuback(id, unsubscribe.packet_id, &reasons);
    }

    pub(super) fn send_unsuback(&mut self, id: ConnectionId, packet_id: u16, reasons: &[u8]) {
        let version = self.version_of(id);
        let reasons = if version == ProtocolVersion::V5 { reasons } else { &[] };
        if let Some(reasons) = ReasonCodes::new(reasons, PacketType::UnsubAck, version) {
            let unsuback = UnsubAck { packet_id, properties: Properties::EMPTY, reasons };
            let _ = self.send(id, &Packet::UnsubAck(unsuback)); // as for SUBACK
        }
    }

    pub(super) fn client_of(&self, id: ConnectionId) -> Option<ClientId> {
        self.connections.get(&id).map(|connection| connection.client_id.clone())
    }

    fn version_of(&self, id: ConnectionId) -> ProtocolVersion {
        self.connections.get(&id).map_or_else(ProtocolVersion::default, |connection| connection.version)
    }
}
