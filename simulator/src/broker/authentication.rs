//! Enhanced authentication (5.0 §4.12), with a fixed exchange or SCRAM, and sending clients to other servers.

use core::fmt;

use sterna_core::packet::{
    Auth, ConnAck, Connect, Disconnect, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties,
    PropertiesBuf, Property, ReasonCode, Sender,
};

use super::connection::{Connection, Phase};
use super::message::add;
#[cfg(feature = "scram")]
use super::scram::{Challenged, Scram};
use super::{Broker, ConnectionId};

/// An exchange that every client has to go through: what it must say, and what it is told then. The first step's
/// answer is that of CONNECT or AUTH 0x19, and the last reply is that of CONNACK or of AUTH 0x00.
#[derive(Clone, PartialEq, Eq)]
pub struct Authentication {
    method: String,
    exchange: Kind,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// What the client must say, and the reply.
    Fixed(Vec<(Vec<u8>, Vec<u8>)>),
    #[cfg(feature = "scram")]
    Scram(Scram),
}

impl Authentication {
    /// An exchange without steps, which nobody can pass.
    pub fn new(method: impl Into<String>) -> Self {
        Self { method: method.into(), exchange: Kind::Fixed(Vec::new()) }
    }

    /// Adds a step: the data that the client must send, and what it gets for it.
    ///
    /// # Panics
    ///
    /// If the steps are those of SCRAM.
    #[must_use]
    pub fn step(mut self, expected: impl Into<Vec<u8>>, reply: impl Into<Vec<u8>>) -> Self {
        match &mut self.exchange {
            Kind::Fixed(steps) => steps.push((expected.into(), reply.into())),
            #[cfg(feature = "scram")]
            Kind::Scram(_) => panic!("SCRAM has its own steps"),
        }
        self
    }

    /// SCRAM-SHA-256 (RFC 7677) with 4,096 iterations, for one user. The server's part of the nonce and the salt are
    /// always the same.
    #[cfg(feature = "scram")]
    pub fn scram_sha256(user: &str, password: &str) -> Self {
        Self { method: "SCRAM-SHA-256".to_owned(), exchange: Kind::Scram(Scram::new(user, password)) }
    }

    /// As [`scram_sha256`](Self::scram_sha256), but the server cannot prove that it knows the user.
    #[cfg(feature = "scram")]
    pub fn scram_sha256_without_proof(user: &str, password: &str) -> Self {
        let mut scram = Scram::new(user, password);
        scram.forget_server_key();
        Self { method: "SCRAM-SHA-256".to_owned(), exchange: Kind::Scram(scram) }
    }

    /// The reply to the client's next step and whether it was the last, unless the step is wrong.
    fn answer(&self, exchange: &mut Exchange, data: &[u8]) -> Option<(Vec<u8>, bool)> {
        match &self.exchange {
            Kind::Fixed(steps) => {
                let (_, reply) = steps.get(exchange.passed).filter(|(expected, _)| expected == data)?;
                exchange.passed += 1;
                Some((reply.clone(), exchange.passed == steps.len()))
            }
            #[cfg(feature = "scram")]
            Kind::Scram(scram) => {
                if let Some(challenged) = exchange.challenged.take() {
                    return Some((scram.check(&challenged, data)?, true));
                }
                let (challenged, reply) = scram.challenge(data)?;
                exchange.challenged = Some(challenged);
                Some((reply, false))
            }
        }
    }
}

/// Shows no data.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Where clients are sent instead of being served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Whether for good (Server moved, 0x9D) or for now (Use another server, 0x9C).
    pub permanent: bool,
    /// The Server Reference: one or more, separated by spaces.
    pub reference: String,
}

impl Redirect {
    fn reason(&self) -> ReasonCode {
        if self.permanent { ReasonCode::SERVER_MOVED } else { ReasonCode::USE_ANOTHER_SERVER }
    }

    fn properties(&self) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        add(&mut properties, Property::ServerReference(&self.reference));
        properties
    }
}

/// An exchange under way on a connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// How many of the fixed steps the client has passed.
    passed: usize,
    /// What SCRAM has asked.
    #[cfg(feature = "scram")]
    challenged: Option<Challenged>,
    /// The CONNECT that waits for its CONNACK; empty when the client authenticates anew.
    connect: Vec<u8>,
}

impl Broker {
    /// Sends a connected 5.0 client to another server: DISCONNECT with a Server Reference.
    pub(super) fn send_on(&mut self, id: ConnectionId, redirect: &Redirect) {
        let (reason, properties) = (redirect.reason(), redirect.properties());
        let disconnect = Disconnect { reason, properties: properties.as_properties() };
        let _ = self.send(id, &Packet::Disconnect(disconnect)); // too large, it is left out
        self.close(id);
    }

    /// Refuses a 5.0 client that is to be sent to another server; whether it was.
    pub(super) fn redirects(&mut self, id: ConnectionId) -> bool {
        let Some(redirect) = self.options.redirect.clone() else { return false };
        if !self.connections.get(&id).is_some_and(Connection::is_v5) {
            return false;
        }
        let (reason, properties) = (redirect.reason(), redirect.properties());
        let connack = ConnAck { session_present: false, reason, properties: properties.as_properties() };
        let _ = self.send(id, &Packet::ConnAck(connack)); // too large, it is left out
        self.close(id);
        true
    }

    /// Whether this CONNECT names the method that is asked for, if one is.
    pub(super) fn admits_method(&self, connect: &Connect<'_>) -> Result<(), ReasonCode> {
        let asked = self.options.authentication.as_ref().map(|authentication| authentication.method.as_str());
        match (asked, connect.properties.authentication_method()) {
            (None, None) => Ok(()),
            (Some(asked), Some(method)) if asked == method => Ok(()),
            (Some(_), None) => Err(ReasonCode::NOT_AUTHORIZED),
            (_, Some(_)) => Err(ReasonCode::BAD_AUTHENTICATION_METHOD), // [MQTT-4.12.0-1]
        }
    }

    /// The first step is in the CONNECT itself.
    pub(super) fn begin_exchange(&mut self, id: ConnectionId, connect: &Connect<'_>) {
        let mut kept = Vec::new();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // It was decoded, so it can be encoded.
        if connect.encode(PROTOCOL_MAXIMUM_PACKET_SIZE, &mut kept).is_ok() {
            connection.phase = Phase::Authenticating;
            connection.client_id = connect.client_id.into();
            connection.exchange = Some(Exchange { connect: kept, ..Exchange::default() });
            self.take_step(id, connect.properties);
        }
    }

    /// AUTH from the client.
    pub(super) fn handle_auth(&mut self, id: ConnectionId, auth: &Auth<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let again = auth.reason == ReasonCode::REAUTHENTICATE;
        let in_turn = match connection.phase {
            Phase::Open => again != connection.exchange.is_some(),
            _ => !again && connection.exchange.is_some(),
        };
        let method =
            self.options.authentication.as_ref().map(|authentication| authentication.method.as_str());
        if !in_turn || method.is_none() || auth.properties.authentication_method() != method {
            self.refuse_exchange(id, ReasonCode::PROTOCOL_ERROR, "AUTH out of turn, or of another method");
            return;
        }
        if again {
            connection.exchange = Some(Exchange::default());
        }
        self.take_step(id, auth.properties);
    }

    fn take_step(&mut self, id: ConnectionId, given: Properties<'_>) {
        let (Some(connection), Some(authentication)) =
            (self.connections.get_mut(&id), &self.options.authentication)
        else {
            return;
        };
        let Some(exchange) = &mut connection.exchange else { return };
        let data = given.authentication_data().unwrap_or_default();
        let Some((reply, done)) = authentication.answer(exchange, data) else {
            return self.refuse_exchange(id, ReasonCode::NOT_AUTHORIZED, "not the expected data");
        };
        let mut properties = PropertiesBuf::new();
        add(&mut properties, Property::AuthenticationMethod(&authentication.method)); // [MQTT-4.12.0-5]
        add(&mut properties, Property::AuthenticationData(&reply));
        if !done {
            return self.send_auth(id, ReasonCode::CONTINUE_AUTHENTICATION, &properties); // [MQTT-4.12.0-2]
        }
        let connect = connection.exchange.take().map(|exchange| exchange.connect).unwrap_or_default();
        if connect.is_empty() {
            return self.send_auth(id, ReasonCode::SUCCESS, &properties);
        }
        let version = connection.version;
        let header = FixedHeader::parse(&connect, version, PROTOCOL_MAXIMUM_PACKET_SIZE);
        let Ok(Some(header)) = header else { return };
        let body = connect.get(usize::from(header.header_length)..).unwrap_or_default();
        if let Ok(Packet::Connect(connect)) = Packet::decode(header, body, version, Sender::Client) {
            self.accept(id, &connect, properties.as_properties());
        }
    }

    fn send_auth(&mut self, id: ConnectionId, reason: ReasonCode, properties: &PropertiesBuf) {
        let properties = properties.as_properties();
        if self.send(id, &Packet::Auth(Auth { reason, properties })).is_err() {
            self.close(id);
        }
    }

    /// CONNACK or DISCONNECT, and close [MQTT-4.12.0-4], [MQTT-4.12.1-2].
    fn refuse_exchange(&mut self, id: ConnectionId, reason: ReasonCode, text: &str) {
        match self.connections.get(&id).map(|connection| connection.phase) {
            Some(Phase::Authenticating) => self.refuse(id, reason, text),
            _ => self.fail(id, reason, text),
        }
    }
}
