//! CONNECT and its answer.

use bytes::Bytes;
use sterna_core::packet::{
    ConnAck, Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties, PropertiesBuf, Property,
    ProtocolVersion, QoS, ReasonCode,
};

use super::message::{Message, Will, add, forwarded};
use super::{Broker, ClientId, ConnectionId, Entry, Session};

/// The longest client identifier of MQTT 3.1.
const V3_1_CLIENT_ID: usize = 23;

impl Broker {
    /// The first packet of a connection, well-formed.
    pub(super) fn handle_connect(&mut self, id: ConnectionId, connect: &Connect<'_>) {
        if let Err(reason) = self.check_connect(connect) {
            self.refuse(id, reason, "");
            return;
        }
        if self.redirects(id) {
            return;
        }
        if self.options.authentication.is_some() {
            return self.begin_exchange(id, connect);
        }
        self.accept(id, connect, Properties::EMPTY);
    }

    /// Opens the connection; CONNACK has `authenticated` besides its usual properties.
    pub(super) fn accept(&mut self, id: ConnectionId, connect: &Connect<'_>, authenticated: Properties<'_>) {
        let client =
            if connect.client_id.is_empty() { self.assign_id() } else { ClientId::from(connect.client_id) };
        self.take_over(&client);
        if connect.clean_start {
            self.end_session(&client); // [MQTT-3.1.2-4]
        }
        let session_present = self.sessions.contains_key(&client);
        if !session_present && self.sessions.len() >= self.options.maximum_sessions {
            self.refuse(id, ReasonCode::SERVER_UNAVAILABLE, "there are too many sessions");
            return;
        }
        let expiry = self.session_expiry(connect);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.open(connect, client.clone(), &self.options);
        connection.session_expiry = expiry;
        let silent_at = connection.silent_at(&self.options);
        self.arm(silent_at);
        if !session_present {
            self.note(|| Entry::SessionBegan { client: client.clone() });
        }
        let session = self.sessions.entry(client.clone()).or_default();
        session.connection = Some(id);
        session.expiry = expiry;
        session.expires_at = None;
        session.will = connect.will.map(|will| Will {
            message: Message {
                topic: will.topic.to_owned(),
                payload: Bytes::copy_from_slice(will.payload),
                qos: will.qos,
                retain: will.retain,
                properties: forwarded(will.properties),
                expires_at: None,
                publisher: client.clone(),
            },
            expiry: will.properties.message_expiry_interval(),
            delay: will.properties.will_delay_interval().unwrap_or(0),
            due: None,
        });
        let mut properties = self.connack_properties(connect, &client, expiry);
        for property in authenticated {
            add(&mut properties, property);
        }
        let properties = properties.as_properties();
        let connack = ConnAck { session_present, reason: ReasonCode::SUCCESS, properties };
        if self.send(id, &Packet::ConnAck(connack)).is_err() {
            self.close(id); // a client that does not take its CONNACK takes nothing
        }
        self.pump(&client);
    }

    fn check_connect(&self, connect: &Connect<'_>) -> Result<(), ReasonCode> {
        let options = &self.options;
        if !(options.minimum_version..=options.maximum_version).contains(&connect.version) {
            return Err(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        }
        self.admits_method(connect)?;
        if !options.credentials.admit(connect.user_name, connect.password) {
            return Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        }
        let length = connect.client_id.len();
        let is_valid = match connect.version {
            ProtocolVersion::V3_1 => (1..=V3_1_CLIENT_ID).contains(&length),
            ProtocolVersion::V3_1_1 => length > 0 || connect.clean_start, // [MQTT-3.1.3-8] of 3.1.1
            ProtocolVersion::V5 => true,
        };
        if !is_valid {
            return Err(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        match connect.will {
            Some(will) if will.qos > options.maximum_qos => Err(ReasonCode::QOS_NOT_SUPPORTED), // [MQTT-3.2.2-12]
            Some(will) if will.retain && !options.retain_available => Err(ReasonCode::RETAIN_NOT_SUPPORTED),
            _ => Ok(()),
        }
    }

    /// A client identifier that no session has [MQTT-3.1.3-6].
    fn assign_id(&mut self) -> ClientId {
        loop {
            self.assigned_ids += 1;
            let client = ClientId::from(format!("sterna-assigned-{}", self.assigned_ids));
            if !self.sessions.contains_key(&client) {
                return client;
            }
        }
    }

    /// Ends the connection that has this client identifier now [MQTT-3.1.4-3]. Its will is published or cancelled
    /// like that of any other end, before the session goes to the new connection.
    fn take_over(&mut self, client: &ClientId) {
        if let Some(other) = self.connection_of(client) {
            self.fail(other, ReasonCode::SESSION_TAKEN_OVER, "");
            self.settle();
        }
    }

    /// How long the session outlives the connection, in seconds.
    fn session_expiry(&self, connect: &Connect<'_>) -> u32 {
        let asked = match connect.version {
            ProtocolVersion::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
            _ if connect.clean_start => 0,
            _ => u32::MAX,
        };
        asked.min(self.options.maximum_session_expiry)
    }

    /// What differs from what the client asked for or may assume.
    fn connack_properties(&self, connect: &Connect<'_>, client: &ClientId, expiry: u32) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        if connect.version != ProtocolVersion::V5 {
            return properties;
        }
        let options = &self.options;
        let asked = &connect.properties;
        let given = options.connack_properties.as_properties();
        let mut offer = |differs: bool, property: Property<'_>| {
            if differs && given.get(property.id()).is_none() {
                add(&mut properties, property);
            }
        };
        let receive_maximum = options.receive_maximum.max(1);
        offer(
            asked.session_expiry_interval().unwrap_or(0) != expiry,
            Property::SessionExpiryInterval(expiry),
        );
        offer(receive_maximum != u16::MAX, Property::ReceiveMaximum(receive_maximum));
        offer(options.maximum_qos != QoS::ExactlyOnce, Property::MaximumQoS(options.maximum_qos));
        offer(!options.retain_available, Property::RetainAvailable(false));
        let limit = options.packet_limit();
        offer(limit < PROTOCOL_MAXIMUM_PACKET_SIZE, Property::MaximumPacketSize(limit));
        offer(connect.client_id.is_empty(), Property::AssignedClientIdentifier(client));
        offer(options.topic_alias_maximum > 0, Property::TopicAliasMaximum(options.topic_alias_maximum));
        let wildcards = options.wildcard_subscription_available;
        offer(!wildcards, Property::WildcardSubscriptionAvailable(wildcards));
        let identifiers = options.subscription_identifiers_available;
        offer(!identifiers, Property::SubscriptionIdentifierAvailable(identifiers));
        let shared = options.shared_subscription_available;
        offer(!shared, Property::SharedSubscriptionAvailable(shared));
        if let Some(seconds) = options.server_keep_alive {
            offer(true, Property::ServerKeepAlive(seconds));
        }
        if let Some(information) = &options.response_information {
            // [MQTT-3.1.2-28]
            offer(
                asked.request_response_information() == Some(true),
                Property::ResponseInformation(information),
            );
        }
        for property in given {
            add(&mut properties, property);
        }
        properties
    }

    /// CONNACK with an error, and close [MQTT-3.2.2-7]. On 3.x a reason without a return code only closes
    /// [MQTT-3.2.2-6 of 3.1.1]. A server that does not speak 5.0 refuses it as 3.x does.
    pub(super) fn refuse(&mut self, id: ConnectionId, reason: ReasonCode, text: &str) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.version = connection.version.min(self.options.maximum_version);
        if connection.is_v5() || reason.connect_return_code().is_some() {
            let text = if connection.is_v5() { text } else { "" };
            self.send_with_reason_string(id, text, |properties| {
                Packet::ConnAck(ConnAck { session_present: false, reason, properties })
            });
        }
        self.close(id);
    }

    /// Answers a first packet that is not a valid CONNECT: with CONNACK where the version is not spoken
    /// [MQTT-3.1.2-2] or is 5.0 [MQTT-3.1.4-1], else by closing.
    pub(super) fn refuse_malformed(&mut self, id: ConnectionId, body: &[u8], reason: ReasonCode, text: &str) {
        let level = body.strip_prefix(b"\0\x04MQTT").and_then(|rest| rest.first()).map(|level| level & 0x7f);
        let (version, reason) = match level {
            Some(3..=4) | None => return self.close(id),
            Some(5) => (ProtocolVersion::V5, reason),
            Some(..3) => (ProtocolVersion::V3_1_1, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
            Some(6..) => (ProtocolVersion::V5, ReasonCode::UNSUPPORTED_PROTOCOL_VERSION),
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.version = version;
        }
        self.refuse(id, reason, text);
    }

    /// DISCONNECT from the client.
    pub(super) fn handle_disconnect(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) {
        let Some(connection) = self.connections.get(&id) else { return };
        let expiry =
            properties.session_expiry_interval().map(|asked| asked.min(self.options.maximum_session_expiry));
        if connection.session_expiry == 0 && expiry.is_some_and(|expiry| expiry > 0) {
            // 5.0 §3.14.2.2.2
            self.fail(id, ReasonCode::PROTOCOL_ERROR, "the session expiry interval was 0 in CONNECT");
            return;
        }
        let session: Option<&mut Session> = self.sessions.get_mut(&connection.client_id);
        if let Some(session) = session {
            session.expiry = expiry.unwrap_or(session.expiry);
            if reason == ReasonCode::NORMAL_DISCONNECTION {
                session.will = None; // [MQTT-3.14.4-3]
            }
        }
        self.close(id);
    }
}
