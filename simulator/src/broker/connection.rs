//! One network connection.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use sterna_core::packet::{Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, ProtocolVersion};

use super::authentication::Exchange;
use super::outbox::Outbox;
use super::{ClientId, Instant, Options};

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// CONNECT has not come.
    Opening,
    /// CONNECT has come, and the exchange of AUTH goes on.
    Authenticating,
    /// CONNACK is sent.
    Open,
    /// What is in the outbox is still to be sent, nothing more is read or sent.
    Closing,
}

/// The state that ends with the network connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) version: ProtocolVersion,
    pub(super) client_id: ClientId,
    pub(super) outbox: Outbox,
    /// Off by a fault or by hand.
    pub(super) is_reading: bool,
    /// The client's Maximum Packet Size.
    pub(super) packet_limit: u32,
    /// How many QoS 1 and 2 deliveries may be unacknowledged: the client's Receive Maximum within our own bound.
    pub(super) window: usize,
    /// QoS 1 and 2 packet identifiers that the client waits for: what our Receive Maximum counts.
    pub(super) unfinished: BTreeSet<u16>,
    /// Topics by the aliases that the client gave them.
    pub(super) aliases: BTreeMap<u16, String>,
    /// The aliases that we gave topics.
    pub(super) outgoing_aliases: BTreeMap<String, u16>,
    pub(super) maximum_outgoing_aliases: u16,
    /// The Session Expiry Interval of its CONNECT.
    pub(super) session_expiry: u32,
    pub(super) exchange: Option<Exchange>,
    last_received: Instant,
    /// How long the client may be silent.
    silence: Option<Duration>,
}

impl Connection {
    pub(super) fn new(now: Instant, options: &Options) -> Self {
        Self {
            phase: Phase::Opening,
            version: ProtocolVersion::V5,
            client_id: ClientId::default(),
            outbox: Outbox::default(),
            is_reading: true,
            packet_limit: PROTOCOL_MAXIMUM_PACKET_SIZE,
            window: 0,
            unfinished: BTreeSet::new(),
            aliases: BTreeMap::new(),
            outgoing_aliases: BTreeMap::new(),
            maximum_outgoing_aliases: 0,
            session_expiry: 0,
            exchange: None,
            last_received: now,
            silence: Some(options.connect_timeout),
        }
    }

    /// Takes over what the client said of itself.
    pub(super) fn open(&mut self, connect: &Connect<'_>, client_id: ClientId, options: &Options) {
        let properties = connect.properties;
        self.phase = Phase::Open;
        self.client_id = client_id;
        self.packet_limit = properties.maximum_packet_size().unwrap_or(PROTOCOL_MAXIMUM_PACKET_SIZE);
        let own = options.maximum_in_flight.clamp(1, u16::MAX - 1);
        self.window = usize::from(properties.receive_maximum().unwrap_or(u16::MAX).min(own));
        self.maximum_outgoing_aliases =
            properties.topic_alias_maximum().unwrap_or(0).min(options.outgoing_topic_aliases);
        let server_keep_alive = options.server_keep_alive.filter(|_| connect.version == ProtocolVersion::V5);
        // [MQTT-3.1.2-22]: one and a half times the keep alive; 0 turns it off.
        let keep_alive = Duration::from_secs(u64::from(server_keep_alive.unwrap_or(connect.keep_alive)));
        self.silence = (!keep_alive.is_zero()).then_some(keep_alive * 3 / 2);
    }

    pub(super) fn is_v5(&self) -> bool {
        self.version == ProtocolVersion::V5
    }

    /// Whether packets of the client are carried out now.
    pub(super) fn takes_input(&self, options: &Options) -> bool {
        self.phase != Phase::Closing && self.is_reading && self.outbox.len() < options.maximum_unsent
    }

    /// Whether messages may be sent now.
    pub(super) fn takes_messages(&self, options: &Options) -> bool {
        self.phase == Phase::Open && self.outbox.len() < options.maximum_unsent
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.last_received = now;
    }

    /// When the client has been silent for too long. Not while we do not listen.
    pub(super) fn silent_at(&self, options: &Options) -> Option<Instant> {
        self.silence.filter(|_| self.takes_input(options)).map(|silence| self.last_received + silence)
    }
}
