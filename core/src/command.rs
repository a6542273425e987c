//! What the application asks for: the arguments of [`Connection`](crate::Connection)'s commands.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use core::time::Duration;

use crate::config::{Will, validate_credentials, validate_user_properties};
use crate::error::ConfigError;
use crate::packet::{Filters, Properties, PropertiesBuf, QoS, ReasonCode, TopicFilters};

/// A payload: borrowed, and copied only where it must be kept, or shared.
#[derive(Debug, Clone)]
pub enum Data<'a> {
    /// Borrowed for the call.
    Slice(&'a [u8]),
    /// Shared: kept and sent without a copy.
    Bytes(Bytes),
}

impl Data<'_> {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Slice(slice) => slice,
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Slice(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Data<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Slice(data)
    }
}

impl<'a> From<&'a str> for Data<'a> {
    fn from(data: &'a str) -> Self {
        Self::Slice(data.as_bytes())
    }
}

impl<'a> From<&'a String> for Data<'a> {
    fn from(data: &'a String) -> Self {
        Self::Slice(data.as_bytes())
    }
}

impl<'a> From<&'a Vec<u8>> for Data<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self::Slice(data)
    }
}

impl From<String> for Data<'_> {
    fn from(data: String) -> Self {
        Self::Bytes(data.into())
    }
}

impl From<Vec<u8>> for Data<'_> {
    fn from(data: Vec<u8>) -> Self {
        Self::Bytes(data.into())
    }
}

impl From<Bytes> for Data<'_> {
    fn from(data: Bytes) -> Self {
        Self::Bytes(data)
    }
}

/// A message to publish.
///
/// ```
/// use sterna_core::{Publish, packet::QoS};
///
/// let publish = Publish::new("presence", "Hello mqtt").qos(QoS::AtLeastOnce).retain(true);
/// assert_eq!(publish.payload.as_slice(), b"Hello mqtt");
/// ```
#[derive(Debug, Clone)]
pub struct Publish<'a> {
    /// The topic name.
    pub topic: &'a str,
    /// The payload.
    pub payload: Data<'a>,
    /// Default: at most once.
    pub qos: QoS,
    /// Default: no.
    pub retain: bool,
    /// 5.0 properties, without Topic Alias. Default: none.
    pub properties: Properties<'a>,
    /// The topic alias to send it with (5.0), besides what [`Config::topic_alias`](crate::Config::topic_alias) does
    /// by itself. With an empty topic it stands for the topic of the latest publish that had both, on whatever
    /// connection that was; the topic itself is sent wherever the server does not know the alias, and no alias above
    /// the server's maximum ever. Default: none.
    pub topic_alias: Option<u16>,
    /// How long the application waits for its outcome, counted from the driver's next call. Then it ends with
    /// [`DeadlinePassed`](crate::OperationError::DeadlinePassed), as if it were
    /// [cancelled](crate::Connection::cancel). Default: as long as it takes.
    pub deadline: Option<Duration>,
    /// QoS 0: if the connection is lost before the transport has taken the message, it is queued again instead of
    /// ending with [`Lost`](crate::OperationError::Lost). It is kept until then. Default: no.
    pub requeue: bool,
}

impl<'a> Publish<'a> {
    /// A QoS 0 message without properties.
    pub fn new(topic: &'a str, payload: impl Into<Data<'a>>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic_alias: None,
            deadline: None,
            requeue: false,
        }
    }

    /// Whether it has nothing besides topic, payload and quality of service.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.retain
            && !self.requeue
            && self.topic_alias.is_none()
            && self.deadline.is_none()
            && self.properties.is_empty()
    }

    /// With this quality of service.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the server retains it.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// With these properties (5.0).
    #[must_use]
    pub fn properties(mut self, properties: Properties<'a>) -> Self {
        self.properties = properties;
        self
    }

    /// With this topic alias (5.0).
    #[must_use]
    pub fn topic_alias(mut self, alias: u16) -> Self {
        self.topic_alias = Some(alias);
        self
    }

    /// With this deadline.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Whether QoS 0 that was not written is queued again when its connection is lost.
    #[must_use]
    pub fn requeue(mut self, requeue: bool) -> Self {
        self.requeue = requeue;
        self
    }
}

/// Topic filters to subscribe to.
#[derive(Debug, Clone, Copy)]
pub struct Subscribe<'a> {
    /// The filters with their options.
    pub filters: Filters<'a>,
    /// 5.0 properties: Subscription Identifier and User Property.
    pub properties: Properties<'a>,
    /// A Subscription Identifier, 1 to 268,435,455, that the subscription does without where it cannot be: each time
    /// it is made, on whatever connection, it is sent if that speaks 5.0 and the server takes identifiers, and left
    /// out else. Ignored if the properties have one. Default: none.
    pub identifier: Option<u32>,
    /// As [`Publish::deadline`].
    pub deadline: Option<Duration>,
}

impl<'a> Subscribe<'a> {
    /// Without properties, identifier and deadline.
    pub fn new(filters: Filters<'a>) -> Self {
        Self { filters, properties: Properties::EMPTY, identifier: None, deadline: None }
    }

    /// With these properties (5.0).
    #[must_use]
    pub fn properties(mut self, properties: Properties<'a>) -> Self {
        self.properties = properties;
        self
    }

    /// With this Subscription Identifier where the server takes one.
    #[must_use]
    pub fn identifier(mut self, identifier: u32) -> Self {
        self.identifier = Some(identifier);
        self
    }
}

/// Topic filters to unsubscribe from.
#[derive(Debug, Clone, Copy)]
pub struct Unsubscribe<'a> {
    /// The filters.
    pub filters: TopicFilters<'a>,
    /// 5.0 properties: User Property.
    pub properties: Properties<'a>,
    /// As [`Publish::deadline`].
    pub deadline: Option<Duration>,
}

impl<'a> Unsubscribe<'a> {
    /// From these filters, without properties and deadline.
    pub fn new(filters: TopicFilters<'a>) -> Self {
        Self { filters, properties: Properties::EMPTY, deadline: None }
    }
}

/// How to end.
#[derive(Debug, Clone, Copy)]
pub struct Disconnect<'a> {
    /// Do not wait for what is pending.
    pub at_once: bool,
    /// The reason code (5.0); [`ReasonCode::DISCONNECT_WITH_WILL`] has the server publish the will.
    pub reason: ReasonCode,
    /// 5.0 properties: Session Expiry Interval, Reason String, User Property.
    pub properties: Properties<'a>,
}

impl Default for Disconnect<'_> {
    /// Graceful, as a normal disconnection.
    fn default() -> Self {
        Self { at_once: false, reason: ReasonCode::NORMAL_DISCONNECTION, properties: Properties::EMPTY }
    }
}

/// Our step of enhanced authentication. The method is the configured one.
#[derive(Clone, Copy, Default)]
pub struct Auth<'a> {
    /// The Authentication Data.
    pub data: Option<&'a [u8]>,
    /// Reason String and User Property.
    pub properties: Properties<'a>,
}

/// Does not show the data.
impl fmt::Debug for Auth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("data", &self.data.map(|_| "<redacted>"))
            .field("properties", &self.properties)
            .finish()
    }
}

/// What one CONNECT has in the place of what is configured; by default nothing. For what differs from server to server,
/// or must be fresh for each connection.
#[derive(Clone, Copy, Default)]
pub struct ConnectOverrides<'a> {
    /// Instead of user name and password.
    pub credentials: Option<Credentials<'a>>,
    /// Instead of the initial data of enhanced authentication. It has no effect without a configured method.
    pub authentication_data: Option<&'a [u8]>,
    /// Instead of the User Properties (5.0).
    pub user_properties: Option<&'a PropertiesBuf>,
    /// Instead of the will, or of having none.
    pub will: Option<Option<&'a Will>>,
}

impl ConnectOverrides<'_> {
    /// Checks that a CONNECT can have them, as [`Config::validate`](crate::Config::validate) does for what is configured.
    ///
    /// # Errors
    /// [`ConfigError`]: what is not lawful.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(Credentials { user_name, password }) = self.credentials {
            validate_credentials(user_name, password)?;
        }
        if let Some(properties) = self.user_properties {
            validate_user_properties(properties)?;
        }
        self.will.flatten().map_or(Ok(()), Will::validate)
    }
}

/// Shows no data.
impl fmt::Debug for ConnectOverrides<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOverrides")
            .field("credentials", &self.credentials)
            .field("authentication_data", &self.authentication_data.map(|_| "<redacted>"))
            .field("user_properties", &self.user_properties)
            .field("will", &self.will)
            .finish()
    }
}

/// User name and password of one CONNECT.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password; on 3.x it needs a user name [MQTT-3.1.2-22].
    pub password: Option<&'a [u8]>,
}

/// Shows neither.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<redacted>)")
    }
}
