//! Why a WebSocket failed.

use std::fmt;

/// Why a WebSocket could not be opened, or how it ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// A header that is none, or that is the hand-shake's own.
    #[error("`{0}` cannot be a header of the WebSocket request")]
    Header(Box<str>),
    /// A subprotocol whose name is not a token.
    #[error("`{0}` is not the name of a WebSocket subprotocol")]
    SubprotocolName(Box<str>),
    /// Host or path cannot stand in a request.
    #[error("the WebSocket request cannot be made: {0}")]
    Request(Box<str>),
    /// The server answered the request with another status than 101.
    #[error("the server refuses the WebSocket: {status} {reason}")]
    Refused {
        /// The status code, such as 401.
        status: u16,
        /// What that code means, such as `Unauthorized`. Empty for codes that nobody knows.
        reason: &'static str,
    },
    /// The server says that the WebSocket is elsewhere. That is not followed.
    #[error("the server says that the WebSocket is elsewhere: {status}, {location}")]
    Redirected {
        /// The status code, such as 301.
        status: u16,
        /// Where it is, without the query.
        location: Box<str>,
    },
    /// The server took none of the subprotocols, or one that was not offered [MQTT-6.0.0-4].
    #[error("the server does not speak subprotocol {offered}: it answers {answered}")]
    Subprotocol {
        /// The subprotocols that were offered.
        offered: Box<str>,
        /// What the server said.
        answered: Box<str>,
    },
    /// The answer to the request is not that of a WebSocket server.
    #[error("the server's answer is no WebSocket's: {0}")]
    Handshake(Box<str>),
    /// The answer to the request is longer than 16 KiB.
    #[error("the server's answer to the WebSocket request is too long")]
    ResponseTooLong,
    /// The connection ended within the hand-shake.
    #[error("the connection was cut off during the WebSocket hand-shake")]
    HandshakeCut,
    /// A text frame: MQTT is binary [MQTT-6.0.0-1].
    #[error("the server sent a text frame")]
    Text,
    /// The server broke the rules of WebSocket (RFC 6455).
    #[error("the server broke the WebSocket protocol: {0}")]
    Violation(&'static str),
    /// The server closed the WebSocket.
    #[error("the server closed the WebSocket{}", DisplayClose(*code, reason))]
    Closed {
        /// The status code, if it gave one; 1000 is a normal closure.
        code: Option<u16>,
        /// The reason that it gave, or nothing.
        reason: Box<str>,
    },
    /// The connection ended without a close frame.
    #[error("the connection was cut off without a WebSocket close frame")]
    Cut,
}

struct DisplayClose<'a>(Option<u16>, &'a str);

impl fmt::Display for DisplayClose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.0 {
            write!(f, " with code {code}")?;
        }
        if self.1.is_empty() { Ok(()) } else { write!(f, ": {:?}", self.1) }
    }
}
