//! What the state machine reports: the fate of operations, and the state of the connection.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::error::{Cause, OperationError};
use crate::message::MessageId;
use crate::packet::{PacketType, PropertiesBuf, ReasonCode};
use crate::time::Instant;

/// Names one operation: an ever-growing sequence, in the order of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub(crate) u64);

impl Token {
    /// The token with this sequence number, such as one that was written down. A token that was never given out names
    /// nothing.
    pub const fn from_sequence(sequence: u64) -> Self {
        Self(sequence)
    }

    /// The sequence number itself.
    pub const fn sequence(self) -> u64 {
        self.0
    }
}

/// A message of QoS 0 that was sent by [`publish_unreported`](crate::Connection::publish_unreported).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent(pub(crate) Token);

impl Sent {
    /// Its place among all operations, and what it is reported by if that is asked for.
    pub const fn token(self) -> Token {
        self.0
    }
}

/// Numbers the network connections of one client, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub(crate) u32);

impl Attempt {
    /// The network connection with this number, such as one that was written down.
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the driver has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a network connection, then call [`handle_connected`](crate::Connection::handle_connected), or
    /// [`handle_disconnected`](crate::Connection::handle_disconnected) if that fails.
    Connect {
        /// The number of the network connection.
        attempt: Attempt,
        /// Which of the [`Config::servers`](crate::Config::servers), from 0.
        server: u16,
        /// Where it has sent us: the server is to be found there instead. It is one server reference (5.0 §4.11),
        /// whose format is the server's choice: mostly `host` or `host:port`. It comes from the peer: the transport,
        /// and above all its encryption, stays that of `server`, or its credentials would leak.
        redirect: Option<Box<str>>,
    },
    /// Write what [`poll_transmit`](crate::Connection::poll_transmit) still gives as far as the transport takes
    /// it at once, close the network connection (or give up making it), then call
    /// [`handle_disconnected`](crate::Connection::handle_disconnected).
    Close {
        /// The number of the network connection.
        attempt: Attempt,
    },
}

/// The server's acknowledgement of a publish. For QoS 0 its reason is Success once the transport took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Below 0x80; 0x10 tells that nobody was subscribed.
    pub reason: ReasonCode,
    /// The properties of PUBACK, or of PUBREC or PUBCOMP; empty on 3.x.
    pub properties: PropertiesBuf,
}

/// The server's answer to a SUBSCRIBE or UNSUBSCRIBE: a reason code for each filter, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// One for each filter; a code of 0x80 or above means that this filter alone was refused.
    /// For UNSUBSCRIBE on 3.x, Success for each.
    pub reasons: Vec<ReasonCode>,
    /// The properties of SUBACK or UNSUBACK; empty on 3.x.
    pub properties: PropertiesBuf,
}

/// What happened. See [`poll_event`](crate::Connection::poll_event).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt to connect begins.
    Connecting {
        /// Its number.
        attempt: Attempt,
    },
    /// The server accepted the connection; [`server`](crate::Connection::server) has what it announced.
    Connected {
        /// Its number.
        attempt: Attempt,
        /// Whether the server resumed a session.
        session_present: bool,
    },
    /// A connection was lost, or an attempt failed.
    Disconnected {
        /// Its number.
        attempt: Attempt,
        /// Why.
        cause: Cause,
        /// When the next attempt begins; `None` if there will be none by itself.
        retry_at: Option<Instant>,
    },
    /// A connection that was up is gone: operations are queued from now on.
    Offline,
    /// The client has ended; every operation has been resolved. `connect` starts it anew.
    Closed {
        /// Why it ended.
        cause: Cause,
    },
    /// A message of QoS 1 or 2 is in the store: a crash does not lose it any more. Only with a store.
    Stored {
        /// The operation, which goes on.
        token: Token,
    },
    /// A publish completed.
    Published {
        /// The operation.
        token: Token,
        /// Its outcome.
        result: Result<Receipt, OperationError>,
    },
    /// A subscribe completed.
    Subscribed {
        /// The operation.
        token: Token,
        /// Its outcome.
        result: Result<Granted, OperationError>,
    },
    /// An unsubscribe completed.
    Unsubscribed {
        /// The operation.
        token: Token,
        /// Its outcome.
        result: Result<Granted, OperationError>,
    },
    /// A filter was subscribed again after the server had lost the session, or was refused now and is dropped.
    Resubscribed {
        /// The topic filter.
        filter: Box<str>,
        /// What the server answered.
        reason: ReasonCode,
    },
    /// A step of enhanced authentication is the application's: to be answered with
    /// [`authenticate`](crate::Connection::authenticate) or
    /// [`refuse_authentication`](crate::Connection::refuse_authentication). While connecting, the time for that ends
    /// with [`Config::connect_timeout`](crate::Config::connect_timeout).
    Authenticate {
        /// The network connection.
        attempt: Attempt,
        /// False: AUTH asks for the next step. True: CONNACK accepts us, and the connection is used once the
        /// application has confirmed that, after a look at the server's proof if the method has one.
        accepted: bool,
        /// The properties of that packet: Authentication Method (the configured one), Authentication Data, Reason
        /// String, User Property.
        properties: PropertiesBuf,
    },
    /// A re-authentication ended.
    Reauthenticated {
        /// The operation.
        token: Token,
        /// The properties of the server's AUTH, its last data among them; or why it failed. The server refuses by
        /// disconnecting.
        result: Result<PropertiesBuf, OperationError>,
    },
    /// Incoming QoS 0 messages were dropped, because the reserve for unread messages is full.
    Dropped {
        /// How many since the last such event.
        messages: u64,
    },
    /// Our receive window is full, and this message is why: it is the oldest, and the application has not acknowledged it
    /// for [`Config::ack_blocked_after`](crate::Config::ack_blocked_after). No message of QoS 1 or 2 comes until it does.
    /// Said once for a message.
    AckBlocked {
        /// The message.
        id: MessageId,
        /// Its topic name, cut after 1,024 bytes.
        topic: Box<str>,
    },
    /// A packet was put into the outgoing bytes; only with [`Config::packet_events`](crate::Config::packet_events).
    PacketSent(PacketInfo),
    /// A packet came in; only with [`Config::packet_events`](crate::Config::packet_events).
    PacketReceived(PacketInfo),
}

/// What [`Event::PacketSent`] and [`Event::PacketReceived`] tell of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketInfo {
    /// Its type.
    pub packet: PacketType,
    /// Its packet identifier; 0 when it has none.
    pub packet_id: u16,
    /// Its size in bytes, the fixed header included.
    pub size: u32,
}
