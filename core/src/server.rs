//! What a server announced in its CONNACK.

use core::time::Duration;

use crate::packet::{ConnAck, PROTOCOL_MAXIMUM_PACKET_SIZE, Properties, PropertiesBuf, ProtocolVersion, QoS};

/// The server's side of the current (or last) connection: every property of its CONNACK, and the limits that
/// follow from them and from the version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // Each is a property of CONNACK.
pub struct Server {
    /// The version that the connection speaks.
    pub version: ProtocolVersion,
    /// Whether the server resumed a session.
    pub session_present: bool,
    /// How many QoS 1 and 2 messages it takes unacknowledged; 65,535 when it did not say.
    pub receive_maximum: u16,
    /// The highest QoS that it takes.
    pub maximum_qos: QoS,
    /// Whether it retains messages.
    pub retain_available: bool,
    /// The largest packet that it takes; the protocol's largest when it did not say.
    pub maximum_packet_size: u32,
    /// How many topic aliases it takes from us.
    pub topic_alias_maximum: u16,
    /// Whether it takes wildcard subscriptions.
    pub wildcard_subscription_available: bool,
    /// Whether it takes subscription identifiers.
    pub subscription_identifier_available: bool,
    /// Whether it takes shared subscriptions.
    pub shared_subscription_available: bool,
    /// The keep alive in force: the server's if it gave one [MQTT-3.2.2-21], else ours; zero is off.
    pub keep_alive: Duration,
    /// The session expiry in force, in seconds.
    pub session_expiry: u32,
    properties: PropertiesBuf,
}

impl Server {
    /// All properties of the CONNACK: Response Information, Reason String, User Property and the rest.
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_properties()
    }

    /// `keep_alive` and `session_expiry`: what our CONNECT said, in seconds.
    pub(crate) fn new(
        connack: &ConnAck<'_>,
        version: ProtocolVersion,
        keep_alive: u16,
        session_expiry: u32,
    ) -> Self {
        let properties = connack.properties;
        let v5 = version == ProtocolVersion::V5;
        Self {
            version,
            session_present: connack.session_present,
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available().unwrap_or(true),
            maximum_packet_size: properties.maximum_packet_size().unwrap_or(PROTOCOL_MAXIMUM_PACKET_SIZE),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            wildcard_subscription_available: properties.wildcard_subscription_available().unwrap_or(true),
            subscription_identifier_available: properties.subscription_identifier_available().unwrap_or(v5),
            shared_subscription_available: properties.shared_subscription_available().unwrap_or(true),
            keep_alive: Duration::from_secs(u64::from(properties.server_keep_alive().unwrap_or(keep_alive))),
            session_expiry: properties.session_expiry_interval().unwrap_or(session_expiry),
            properties: properties.into(),
        }
    }
}
