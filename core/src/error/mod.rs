//! What can go wrong, split by who is at fault: the application, whose command was not accepted or did not succeed
//! (`command.rs`), the server, which broke the specification (`protocol.rs`), or what is between the two.

mod command;
mod protocol;

use alloc::boxed::Box;
use core::fmt;

use crate::connection::Timer;
use crate::packet::{EncodeError, PropertiesBuf, ReasonCode};
use crate::session::StoreError;

pub use self::command::{
    AckError, AuthError, CancelError, ConfigError, DisconnectError, OperationError, PublishError,
    ServerLimit, SubscribeError,
};
pub use self::protocol::ProtocolError;

/// A negative answer of the server.
#[derive(Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its reason code, 0x80 or above.
    pub reason: ReasonCode,
    /// Its properties, among them Reason String and Server Reference; empty on 3.x.
    pub properties: PropertiesBuf,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        self.properties.as_properties().reason_string().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}

/// How the transport failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostKind {
    /// The name could not be resolved.
    Resolve,
    /// The application's own hook before the attempt failed.
    Hook,
    /// No connection could be made.
    Dial,
    /// The proxy did not connect us, or is none.
    Proxy,
    /// No TLS connection could be made, or it broke: the server's certificate, for one.
    Tls,
    /// No WebSocket could be opened, or it broke.
    WebSocket,
    /// The server closed the connection.
    Eof,
    /// Reading or writing failed.
    Io,
}

/// The transport was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What failed.
    pub kind: LostKind,
    /// What the operating system or the transport said, for people.
    pub detail: Box<str>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LostKind::Resolve => "cannot resolve the server's name",
            LostKind::Hook => "the hook before connecting failed",
            LostKind::Dial => "cannot connect",
            LostKind::Proxy => "proxy",
            LostKind::Tls => "TLS",
            LostKind::WebSocket => "WebSocket",
            LostKind::Eof => "the server closed the connection",
            LostKind::Io => "the connection failed",
        })?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// Why a connection ended or could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The application asked for it.
    #[error("disconnected on request")]
    Requested,
    /// The server refused it in its CONNACK.
    #[error("the server refused the connection: {0}")]
    Refused(Refusal),
    /// The server ended it with a DISCONNECT (5.0).
    #[error("the server disconnected: {0}")]
    ServerDisconnected(Refusal),
    /// The server broke the specification, and we closed.
    #[error("the server broke the protocol: {0}")]
    Protocol(ProtocolError),
    /// The application gave enhanced authentication up.
    #[error("enhanced authentication was given up: {0}")]
    Authentication(ReasonCode),
    /// The transport failed.
    #[error("{0}")]
    Lost(Lost),
    /// This deadline passed.
    #[error("timed out: {0}")]
    Timeout(Timer),
    /// CONNECT cannot be written for the version that the server speaks.
    #[error("cannot write CONNECT: {0}")]
    Connect(EncodeError),
    /// The store failed: without it no promise can be kept.
    #[error("the store failed: {0}")]
    Store(StoreError),
}
