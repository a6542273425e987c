//! What the broker offers and where its bounds are.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use super::{Authentication, Redirect};
use sterna_core::packet::{PROTOCOL_MAXIMUM_PACKET_SIZE, PropertiesBuf, ProtocolVersion, QoS};

/// What a [`Broker`](super::Broker) offers its clients, and the bounds of its memory.
///
/// What differs from the protocol's own default is announced in CONNACK (5.0), and it is enforced.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // independent switches, each the name of a CONNACK property or a behaviour
pub struct Options {
    /// The oldest protocol version accepted. Default: 3.1.
    pub minimum_version: ProtocolVersion,
    /// The newest protocol version accepted. Default: 5.0. A 5.0 client of a server that only speaks 3.x gets the
    /// 3.x-shaped refusal, as a server of that age would send it.
    pub maximum_version: ProtocolVersion,
    /// Who may connect. Default: anybody.
    pub credentials: Credentials,
    /// The exchange of AUTH packets that every client has to go through, in CONNECT and when it authenticates anew
    /// (5.0; older clients are refused). Default: none.
    pub authentication: Option<Authentication>,
    /// Where 5.0 clients that connect are sent instead. Default: nowhere.
    pub redirect: Option<Redirect>,
    /// Receive Maximum for what clients publish; 0 counts as 1. Default: 1,024.
    pub receive_maximum: u16,
    /// The largest packet taken from a client, in bytes. Default: 16 MiB.
    pub maximum_packet_size: u32,
    /// Topic Alias Maximum for what clients publish. Default: 16.
    pub topic_alias_maximum: u16,
    /// How many topic aliases are used towards a client, at most (and never above the client's own maximum).
    /// Default: 0, none.
    pub outgoing_topic_aliases: u16,
    /// Maximum QoS. Default: 2.
    pub maximum_qos: QoS,
    /// Retain Available. Default: true.
    pub retain_available: bool,
    /// Wildcard Subscription Available. Default: true.
    pub wildcard_subscription_available: bool,
    /// Subscription Identifiers Available. Default: true.
    pub subscription_identifiers_available: bool,
    /// Shared Subscription Available. Default: true.
    pub shared_subscription_available: bool,
    /// The longest Session Expiry Interval granted, in seconds; also how long a 3.x session outlives its
    /// connection. Default: `u32::MAX`, which means that such sessions do not expire.
    pub maximum_session_expiry: u32,
    /// Server Keep Alive, in seconds (5.0 only). Default: none, the client's value holds.
    pub server_keep_alive: Option<u16>,
    /// Response Information for clients that ask for it. Default: none.
    pub response_information: Option<String>,
    /// Properties that replace those of the same name in every CONNACK, or are added. The broker goes by the
    /// other options, whatever is written here. Default: empty.
    pub connack_properties: PropertiesBuf,
    /// Whether a client with overlapping subscriptions gets one copy for each of them. Default: false, one copy
    /// with the highest QoS and all subscription identifiers. The specification allows both.
    pub overlapping_copies: bool,
    /// Whether a message gets the lowest packet identifier that is free. Default: false, the one after the last. The
    /// specification leaves it to the sender.
    pub lowest_packet_identifiers: bool,
    /// Whether retained messages are sent before the SUBACK. Default: false, after it. Both are allowed.
    pub retained_before_suback: bool,
    /// How long a connection may take until its CONNECT is there. Default: 10 s.
    pub connect_timeout: Duration,
    /// Connections at a time; more are closed at once. Default: 10,000.
    pub maximum_connections: usize,
    /// Sessions at a time, those of absent clients included; more are refused with 0x88. Default: 10,000.
    pub maximum_sessions: usize,
    /// Subscriptions of one session; more are refused with 0x97. Default: 10,000.
    pub maximum_subscriptions: usize,
    /// QoS 1 and 2 messages that wait for one session; the newest beyond it are dropped. Default: 100,000.
    pub maximum_queued_messages: usize,
    /// Bytes of topics, properties and payloads that wait for one session. Default: 64 MiB.
    pub maximum_queued_bytes: usize,
    /// QoS 1 and 2 messages unacknowledged by one client, whatever larger Receive Maximum it has; 0 counts as 1.
    /// Default: 1,024.
    pub maximum_in_flight: u16,
    /// Retained messages; more are not retained, only forwarded. Default: 100,000.
    pub maximum_retained_messages: usize,
    /// Bytes of retained topics, properties and payloads. Default: 64 MiB.
    pub maximum_retained_bytes: usize,
    /// Bytes produced for one connection and not yet taken. Above it QoS 0 messages for it are dropped, QoS 1 and 2
    /// wait, and nothing more is read from it. Default: 16 MiB.
    pub maximum_unsent: usize,
    /// Received packets kept for [`Broker::records`](super::Broker::records); the oldest are dropped. Default: 100,000.
    pub maximum_records: usize,
    /// Bytes of received packets kept. Default: 64 MiB.
    pub maximum_record_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            minimum_version: ProtocolVersion::V3_1,
            maximum_version: ProtocolVersion::V5,
            credentials: Credentials::default(),
            authentication: None,
            redirect: None,
            receive_maximum: 1024,
            maximum_packet_size: 16 * 1024 * 1024,
            topic_alias_maximum: 16,
            outgoing_topic_aliases: 0,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            maximum_session_expiry: u32::MAX,
            server_keep_alive: None,
            response_information: None,
            connack_properties: PropertiesBuf::new(),
            overlapping_copies: false,
            lowest_packet_identifiers: false,
            retained_before_suback: false,
            connect_timeout: Duration::from_secs(10),
            maximum_connections: 10_000,
            maximum_sessions: 10_000,
            maximum_subscriptions: 10_000,
            maximum_queued_messages: 100_000,
            maximum_queued_bytes: 64 * MIB,
            maximum_in_flight: 1024,
            maximum_retained_messages: 100_000,
            maximum_retained_bytes: 64 * MIB,
            maximum_unsent: 16 * MIB,
            maximum_records: 100_000,
            maximum_record_bytes: 64 * MIB,
        }
    }
}

impl Options {
    /// The packet size limit that `FixedHeader::parse` takes.
    pub(super) fn packet_limit(&self) -> u32 {
        self.maximum_packet_size.min(PROTOCOL_MAXIMUM_PACKET_SIZE)
    }
}

/// The users that may connect, each with a password. Without any, everybody may, with or without a user name.
#[derive(Clone, Default)]
pub struct Credentials(BTreeMap<String, Vec<u8>>);

impl Credentials {
    /// Lets `user` connect with `password`, and no longer anybody anonymous.
    #[must_use]
    pub fn allow(mut self, user: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.0.insert(user.into(), password.into());
        self
    }

    pub(super) fn admit(&self, user: Option<&str>, password: Option<&[u8]>) -> bool {
        self.0.is_empty()
            || user
                .and_then(|user| self.0.get(user))
                .is_some_and(|expected| Some(expected.as_slice()) == password)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} users)", self.0.len())
    }
}
