//! Why a command of the application's was not accepted, and why an accepted operation did not succeed.

use super::Refusal;
use crate::packet::{EncodeError, PropertyId, ReasonCode};
use crate::session::StoreError;
use crate::topic::TopicError;

/// Options that contradict each other or the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A persistent session is found again by its client identifier [MQTT-3.1.3-7].
    #[error("a persistent session needs a client identifier")]
    EmptyClientId,
    /// Longer than 65,535 bytes, or with U+0000.
    #[error("the client identifier is longer than 65,535 bytes or contains U+0000")]
    ClientId,
    /// MQTT 3.1 takes 1 to 23 bytes.
    #[error("MQTT 3.1 takes client identifiers of 1 to 23 bytes, not {0}")]
    ClientIdLength(usize),
    /// The receive maximum and the in-flight limits are at least 1.
    #[error("the receive maximum and the in-flight limits must not be zero")]
    ZeroWindow,
    /// Zero, or above the protocol's largest packet.
    #[error("a maximum packet size of {0} is outside 1..=268435460")]
    MaximumPacketSize(u32),
    /// This property of CONNECT has an option of its own.
    #[error("{0:?} does not belong among the user properties of CONNECT")]
    ConnectProperty(PropertyId),
    /// The will's topic is no topic name.
    #[error("will topic: {0}")]
    WillTopic(TopicError),
    /// The will's payload has a two-byte length.
    #[error("a will payload takes at most 65,535 bytes, not {0}")]
    WillPayload(usize),
    /// This property does not belong into a will.
    #[error("{0:?} is not a will property")]
    WillProperty(PropertyId),
    /// Longer than 65,535 bytes, or with U+0000.
    #[error("the user name is longer than 65,535 bytes or contains U+0000")]
    UserName,
    /// Longer than 65,535 bytes.
    #[error("the password is longer than 65,535 bytes")]
    Password,
    /// Only 5.0 has a password without a user name [MQTT-3.1.2-22].
    #[error("a password without a user name needs MQTT 5.0")]
    PasswordWithoutUserName,
    /// The bridge flag is an extension of 3.x.
    #[error("the bridge flag does not exist in MQTT 5.0")]
    BridgeOnV5,
    /// Properties exist only in 5.0.
    #[error("{0:?} needs MQTT 5.0")]
    UnsupportedByVersion(PropertyId),
    /// Longer than 65,535 bytes, or a method with U+0000.
    #[error("the authentication method or data is longer than 65,535 bytes, or the method contains U+0000")]
    Authentication,
    /// There must be a server to connect to.
    #[error("there is no server to connect to")]
    NoServer,
}

/// Something that this connection's server does not take, found before it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerLimit {
    /// Maximum QoS of CONNACK [MQTT-3.2.2-11].
    #[error("the server takes no QoS above its Maximum QoS")]
    MaximumQoS,
    /// Retain Available of CONNACK is 0 [MQTT-3.2.2-14].
    #[error("the server does not retain messages (Retain Available is 0)")]
    RetainAvailable,
    /// Maximum Packet Size of CONNACK [MQTT-3.2.2-15].
    #[error("the packet has {size} bytes, the server's Maximum Packet Size is {limit}")]
    MaximumPacketSize {
        /// What the packet would take.
        size: u64,
        /// What the server takes.
        limit: u32,
    },
    /// Wildcard Subscription Available of CONNACK is 0.
    #[error("the server takes no wildcard subscriptions")]
    WildcardSubscriptionAvailable,
    /// Subscription Identifiers Available of CONNACK is 0.
    #[error("the server takes no subscription identifiers")]
    SubscriptionIdentifierAvailable,
    /// Shared Subscription Available of CONNACK is 0.
    #[error("the server takes no shared subscriptions")]
    SharedSubscriptionAvailable,
}

impl ServerLimit {
    /// What the server would answer.
    pub(crate) fn reason(self) -> ReasonCode {
        match self {
            Self::MaximumQoS => ReasonCode::QOS_NOT_SUPPORTED,
            Self::RetainAvailable => ReasonCode::RETAIN_NOT_SUPPORTED,
            Self::MaximumPacketSize { .. } => ReasonCode::PACKET_TOO_LARGE,
            Self::WildcardSubscriptionAvailable => ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
            Self::SubscriptionIdentifierAvailable => ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
            Self::SharedSubscriptionAvailable => ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
        }
    }
}

/// Why a PUBLISH was not accepted; nothing was kept or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is not a topic name.
    #[error("topic: {0}")]
    Topic(#[from] TopicError),
    /// The message cannot be written as a packet.
    #[error(transparent)]
    Encode(EncodeError),
    /// Subscription Identifier is not the application's to set, and Topic Alias has a field of its own.
    #[error("{0:?} cannot be set by the application")]
    Property(PropertyId),
    /// An empty topic, and an alias that was given to none before.
    #[error("topic alias {0} was not given to a topic before")]
    UnknownAlias(u16),
    /// The connected server does not take it.
    #[error(transparent)]
    Limit(#[from] ServerLimit),
    /// Properties need 5.0; this connection speaks an older version.
    #[error("{0:?} needs MQTT 5.0, the connection speaks an older version")]
    UnsupportedByVersion(PropertyId),
    /// The queue is full; try again when operations completed.
    #[error("the queue of waiting operations is full")]
    Full,
    /// There is no connection, and QoS 0 is not to be queued.
    #[error("not connected, and queueing of QoS 0 is turned off")]
    Offline,
    /// The client is closing or closed.
    #[error("the client is closed")]
    Closed,
}

/// Why a SUBSCRIBE or UNSUBSCRIBE was not accepted; nothing was kept or sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// It cannot be written as a packet.
    #[error(transparent)]
    Encode(EncodeError),
    /// The connected server does not take it.
    #[error(transparent)]
    Limit(#[from] ServerLimit),
    /// Only 5.0 has this option; the connection speaks an older version.
    #[error("{0} needs MQTT 5.0, the connection speaks an older version")]
    UnsupportedByVersion(&'static str),
    /// The queue is full; try again when operations completed.
    #[error("the queue of waiting operations is full")]
    Full,
    /// The client is closing or closed.
    #[error("the client is closed")]
    Closed,
}

/// Why an acknowledgement was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The message was acknowledged already, or its session is gone: nothing is owed for it.
    #[error("nothing is owed for this message any more")]
    Stale,
    /// A reason code other than success needs 5.0.
    #[error("a negative acknowledgement needs MQTT 5.0")]
    UnsupportedByVersion,
    /// PUBACK and PUBREC do not have this reason code.
    #[error("{0} is not a reason code of an acknowledgement")]
    Reason(ReasonCode),
}

/// There is nothing to cancel: the operation is unknown, or has ended already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operation is not under way")]
pub struct CancelError;

/// Why an accepted operation ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The server refused it.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// The server of the connection that it was to be sent on does not take it.
    #[error(transparent)]
    Limit(ServerLimit),
    /// It needs 5.0, and the server speaks an older version.
    #[error("needs MQTT 5.0, the connection speaks an older version")]
    UnsupportedByVersion,
    /// The application cancelled it. If it was sent before, the server may have taken it.
    #[error("the operation was cancelled")]
    Cancelled,
    /// Its own deadline passed. If it was sent before, the server may have taken it.
    #[error("the operation's deadline passed")]
    DeadlinePassed,
    /// Its Message Expiry Interval was over before it could be sent.
    #[error("the message expired before it could be sent")]
    Expired,
    /// The queue was full, and by its policy this message was the one to go.
    #[error("the message was dropped from a full queue")]
    Dropped,
    /// The connection was lost: for QoS 0 before the transport took the message, for a re-authentication before its
    /// end.
    #[error("the connection was lost before the operation completed")]
    Lost,
    /// The server's session ended while the operation was in flight; the server may or may not have taken it.
    #[error("the session ended at the server before the operation was acknowledged")]
    SessionLost,
    /// The server answered a QoS 2 PUBLISH with PUBACK, as if it were one of QoS 1. That is a protocol error
    /// [MQTT-4.3.3-1], and ends all that were sent on the connection and not answered: such a server has no QoS 2. It may
    /// have taken the message, and may deliver it twice; the message is not sent again. Use QoS 1 with it.
    #[error("the server has no QoS 2: it answered PUBLISH with PUBACK")]
    Downgraded,
    /// The server's answer could not be read in time because unread messages fill the reserve. What was not sent was not
    /// sent for that, but for an unsubscribe, which is; a subscribe is taken back.
    #[error("the answer is stuck behind messages that the application does not read")]
    Stalled,
    /// The client closed first, but the store keeps the message: it goes on when the client is started again, and
    /// its end is reported then, under the same token.
    #[error("the client was closed; the store keeps the message for the next start")]
    Kept,
    /// The store failed, or did not answer a client that was ending, before it said that it has the message. Whether it
    /// has is not known: if so, the next client with this store sends it.
    #[error("the message could not be stored: {0}")]
    Store(StoreError),
    /// The client closed first.
    #[error("the client was closed before the operation completed")]
    Closed,
}

/// Why a disconnect was not accepted; nothing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectError {
    /// Reason codes and properties need 5.0; the connection speaks an older version.
    #[error("a reason code or properties of DISCONNECT need MQTT 5.0")]
    UnsupportedByVersion,
    /// Only a server sends this property.
    #[error("{0:?} is not a client's to send")]
    Property(PropertyId),
    /// A session that CONNECT declared to end with the connection cannot be prolonged.
    #[error("the session expiry was 0 in CONNECT and cannot be raised by DISCONNECT")]
    SessionExpiry,
    /// It cannot be written as a packet.
    #[error(transparent)]
    Encode(EncodeError),
}

/// Why a step of enhanced authentication was not accepted; nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// CONNECT has no Authentication Method [MQTT-4.12.0-7].
    #[error("no authentication method is configured")]
    NotConfigured,
    /// No step of the application's is due on this network connection.
    #[error("the server does not wait for this step")]
    NotExpected,
    /// A re-authentication needs a connection that is up.
    #[error("not connected")]
    Offline,
    /// Another re-authentication has not ended.
    #[error("a re-authentication is under way")]
    InProgress,
    /// The reason code does not refuse, or is not a client's to send in DISCONNECT.
    #[error("{0} is not a client's reason to disconnect")]
    Reason(ReasonCode),
    /// Besides the data only Reason String and User Property can be given.
    #[error("{0:?} cannot be set by the application")]
    Property(PropertyId),
    /// The server does not take a packet of this size.
    #[error(transparent)]
    Limit(ServerLimit),
    /// It cannot be written as a packet.
    #[error(transparent)]
    Encode(EncodeError),
    /// The client is closing or closed.
    #[error("the client is closed")]
    Closed,
}
