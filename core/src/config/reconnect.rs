//! How lost connections are made again.

use core::time::Duration;

use crate::packet::ReasonCode;

/// What the server said when it ended or refused a connection; see [`Reconnect::retry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerClose {
    /// A CONNACK with this reason code.
    Refused(ReasonCode),
    /// A DISCONNECT with this reason code (5.0).
    Disconnected(ReasonCode),
}

/// How lost connections are made again: exponential back-off with full jitter.
///
/// The pause before retry `n` (counted from 0 since the last stable connection) is drawn evenly from zero to
/// `initial` × 2ⁿ, at most `maximum`, and is never shorter than `minimum`.
#[derive(Debug, Clone, Copy)]
pub struct Reconnect {
    /// The shortest pause. Default 100 ms.
    pub minimum: Duration,
    /// The upper end of the first pause. Default 1 s.
    pub initial: Duration,
    /// The upper end of every pause. Default 60 s.
    pub maximum: Duration,
    /// How long a connection must hold before the back-off starts from `initial` again. Default 10 s.
    pub stable_after: Duration,
    /// How many attempts in a row may fail (of several servers: how many rounds): 0 turns reconnecting off, `None`
    /// (default) never gives up.
    pub attempts: Option<u32>,
    /// How long to go on trying after a loss; `None` (default) never gives up.
    pub total: Option<Duration>,
    /// Whether the very first connection is retried as well. Default no: its first failure closes the client.
    pub first: bool,
    /// Whether to try again after the server refused or ended the connection; default [`Reconnect::default_retry`].
    pub retry: fn(ServerClose) -> bool,
}

impl Reconnect {
    /// No reconnecting: the first loss closes the client.
    pub fn off() -> Self {
        Self { attempts: Some(0), ..Self::default() }
    }

    /// Retries what time may heal (server busy, unavailable, over quota, shutting down, …) and stops at what it
    /// will not: bad credentials, not authorized, banned, unsupported version, invalid client identifier, an
    /// unlawful will, and, while connected, session taken over, not authorized, administrative action.
    pub fn default_retry(close: ServerClose) -> bool {
        match close {
            ServerClose::Refused(reason) => matches!(
                reason,
                ReasonCode::UNSPECIFIED_ERROR
                    | ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
                    | ReasonCode::SERVER_UNAVAILABLE
                    | ReasonCode::SERVER_BUSY
                    | ReasonCode::QUOTA_EXCEEDED
                    | ReasonCode::USE_ANOTHER_SERVER
                    | ReasonCode::CONNECTION_RATE_EXCEEDED
            ),
            ServerClose::Disconnected(reason) => !matches!(
                reason,
                ReasonCode::SESSION_TAKEN_OVER
                    | ReasonCode::NOT_AUTHORIZED
                    | ReasonCode::ADMINISTRATIVE_ACTION
            ),
        }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            minimum: Duration::from_millis(100),
            initial: Duration::from_secs(1),
            maximum: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
            attempts: None,
            total: None,
            first: false,
            retry: Self::default_retry,
        }
    }
}
