//! What can go wrong for the application, on top of the core's errors.

use std::sync::Arc;

use sterna_core::packet::ReasonCode;
use sterna_core::topic::TopicError;
use sterna_core::{Cause, ConfigError, OperationError, RestoreError, SessionError, StoreError};
use sterna_transport::{TransportError, UrlError};

use crate::operation::Failure;
use crate::publish::Publishing;
use crate::room::Rejection;

/// Why a publish did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It was not accepted: nothing was kept or sent.
    #[error(transparent)]
    Rejected(#[from] sterna_core::PublishError),
    /// It was accepted and ended without success.
    #[error(transparent)]
    Failed(#[from] OperationError),
}

/// A publish that [`send`](crate::Publishing::send) did not accept, with the publish itself.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unsent<'a> {
    /// Why. [`Full`](sterna_core::PublishError::Full): there is no room now.
    pub error: sterna_core::PublishError,
    /// The publish as it was; it can be awaited or sent again.
    pub publish: Box<Publishing<'a>>,
}

/// Why a subscribe or unsubscribe did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A subscription needs at least one topic filter.
    #[error("no topic filter was given")]
    NoFilter,
    /// It was not accepted: nothing was kept or sent.
    #[error(transparent)]
    Rejected(#[from] sterna_core::SubscribeError),
    /// It was accepted and ended without an answer.
    #[error(transparent)]
    Failed(#[from] OperationError),
    /// The server refused every filter, for these reasons.
    #[error("the server refused the subscription: {}", list(.0))]
    Refused(Vec<ReasonCode>),
}

fn list(reasons: &[ReasonCode]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl From<Failure> for PublishError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) => rejection.into(),
            Failure::Failed(error) => error.into(),
        }
    }
}

impl From<Rejection> for SubscribeError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Subscribe(error) => Self::Rejected(error),
            Rejection::Publish(_) => Self::Rejected(sterna_core::SubscribeError::Closed),
            Rejection::Late => Self::Failed(OperationError::DeadlinePassed),
            Rejection::Stalled => Self::Failed(OperationError::Stalled),
        }
    }
}

impl From<Rejection> for PublishError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Publish(error) => Self::Rejected(error),
            Rejection::Subscribe(_) => Self::Rejected(sterna_core::PublishError::Closed),
            Rejection::Late => Self::Failed(OperationError::DeadlinePassed),
            Rejection::Stalled => Self::Failed(OperationError::Stalled),
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Only 5.0 has requests; the connection speaks an older version.
    #[error("requests need MQTT 5.0, the connection speaks an older version")]
    UnsupportedByVersion,
    /// As many requests wait already as [`request_limit`](crate::ClientBuilder::request_limit) allows.
    #[error("too many requests wait for their answers")]
    Full,
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The server says that nobody is subscribed to the request's topic.
    #[error("nobody is subscribed to the topic of the request")]
    NobodyListens,
    /// The response topic is no topic name: the server's Response Information, the prefix or the client identifier
    /// has what a topic name must not have.
    #[error("response topic: {0}")]
    ResponseTopic(TopicError),
    /// The response topic could not be subscribed to.
    #[error("response topic: {0}")]
    Subscribe(#[from] SubscribeError),
    /// The request could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The client has closed.
    #[error("the client was closed before the answer came")]
    Closed,
}

/// Why a message cannot be responded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// It has no Response Topic: it is no request, or came over a version before 5.0.
    #[error("the message has no Response Topic")]
    NoResponseTopic,
}

/// Why a message was not acknowledged by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// Its stream acknowledges by itself; see [`AckMode::Manual`](crate::AckMode::Manual).
    #[error("this subscription acknowledges by itself")]
    Automatic,
    /// The connection did not take it.
    #[error(transparent)]
    Rejected(#[from] sterna_core::AckError),
}

/// Why the client is not connected.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL does not name a server.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The options contradict each other.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Options of the transport contradict the URL, or cannot be used.
    #[error("{0}")]
    Transport(#[from] Arc<TransportError>),
    /// These do not go together.
    #[error("these options contradict each other: {0}")]
    Contradiction(&'static str),
    /// The store does not give its records.
    #[error("the store cannot be read: {0}")]
    Store(#[from] StoreError),
    /// The store's records cannot be used by this client; they are as they were.
    #[error("the stored session cannot be used: {0}")]
    Session(#[from] SessionError),
    /// The runtime cannot run the client.
    #[error("{0}")]
    Runtime(Arc<dyn std::error::Error + Send + Sync>),
    /// The client gave up, or was closed.
    #[error("{0}")]
    Closed(Cause),
}

impl From<RestoreError> for ConnectError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Config(error) => Self::Config(error),
            RestoreError::Session(error) => Self::Session(error),
        }
    }
}

/// Why a disconnect was not graceful.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// The options are not lawful on this connection; nothing happened.
    #[error(transparent)]
    Rejected(#[from] sterna_core::DisconnectError),
    /// The client has closed, but not in the way that was asked for; such as: the time for draining ran out, or
    /// the connection was lost.
    #[error("{0}")]
    Ended(Cause),
}
