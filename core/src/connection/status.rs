//! What can be read of a client at any time.

use core::fmt;

use super::Connection;
use super::persistence::Persistence;
use super::state::Phase;
use crate::config::Config;
use crate::event::Attempt;
use crate::packet::ProtocolVersion;
use crate::server::Server;

/// Where the client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Made, not started.
    Idle,
    /// Making a network connection, or waiting for CONNACK.
    Connecting,
    /// CONNACK has come.
    Connected,
    /// Between two attempts.
    Reconnecting,
    /// Ending on request: draining, or closing.
    Disconnecting,
    /// Ended.
    Closed,
}

/// Counters since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Control packets sent.
    pub packets_sent: u64,
    /// Control packets received.
    pub packets_received: u64,
    /// Bytes that the transport took.
    pub bytes_sent: u64,
    /// Bytes of the packets received.
    pub bytes_received: u64,
    /// Attempts to connect after the first.
    pub reconnects: u64,
    /// Incoming QoS 0 messages dropped because the reserve was full.
    pub dropped_messages: u64,
    /// Acknowledgements for identifiers that are not in use.
    pub unexpected_acks: u64,
    /// Events about packets dropped because nobody polled them.
    pub dropped_packet_events: u64,
}

impl Connection {
    /// Where the client stands.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Closed if self.is_closing() => State::Disconnecting,
            Phase::Closed => State::Closed,
            _ if self.ending.is_some() => State::Disconnecting,
            Phase::Connecting | Phase::Handshaking | Phase::Authenticating => State::Connecting,
            Phase::Connected => State::Connected,
            Phase::Draining | Phase::Flushing => State::Disconnecting,
            Phase::Closing | Phase::Waiting => State::Reconnecting,
        }
    }

    /// The number of the network connection, or of the last one.
    pub fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// What the server announced in its CONNACK; the last server's while there is no connection.
    pub fn server(&self) -> Option<&Server> {
        self.server.as_deref()
    }

    /// The client identifier in use: the configured, the drawn, or the one that the server assigned.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The protocol version that the connection speaks, or the next one will.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// The packet identifier given out last; `None` before the first.
    pub fn last_packet_id(&self) -> Option<u16> {
        self.in_flight.last_id()
    }

    /// How many operations were sent and wait for the server's answer.
    pub fn in_flight(&self) -> usize {
        self.in_flight.table.len()
    }

    /// Whether this topic filter is subscribed, or to be: so it was called for, and neither refused nor taken back.
    pub fn wants(&self, filter: &str) -> bool {
        self.subscriptions.contains(filter)
    }

    /// How many operations wait to be sent.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// How many bytes of this connection the transport has not taken, polled or not. What is encoded ahead of its turn is not
    /// among them.
    #[inline]
    pub fn unsent(&self) -> u64 {
        self.enqueued - self.written
    }

    /// Whether bytes, actions, events, messages or changes of the store wait to be polled, or a deadline was set that
    /// counts from the driver's next call. After a publish that was only queued there is nothing: a driver that sleeps
    /// until its deadline need not be woken for it.
    pub fn has_output(&self) -> bool {
        !(self.out.is_empty() && self.actions.is_empty() && self.events.is_empty() && self.unread() == 0)
            || (self.may_store() && self.persistence.as_deref().is_some_and(Persistence::has_output))
            || self.due.is_unsettled()
    }

    /// Whether a deadline was set that counts from the driver's next call.
    #[inline]
    pub fn is_unsettled(&self) -> bool {
        self.due.is_unsettled()
    }

    /// Whether there is room for one more operation; without it commands answer `Full`, or
    /// [`Config::queue_policy`] says what goes.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.queue.occupied() < self.config.queue_limit && self.queue.bytes() < self.config.queue_bytes
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("client_id", &self.client_id)
            .field("phase", &self.phase)
            .field("attempt", &self.attempt)
            .field("version", &self.version)
            .field("in_flight", &self.in_flight())
            .field("queued", &self.queued())
            .field("unread", &self.unread())
            .finish_non_exhaustive()
    }
}
