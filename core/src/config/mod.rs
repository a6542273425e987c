//! What a client is configured with: options of CONNECT, limits, time-outs and the reconnect policy.

mod choices;
mod reconnect;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use crate::bug::Bug;
use crate::command::ConnectOverrides;
use crate::error::ConfigError;
use crate::packet::{
    EncodeError, PROTOCOL_MAXIMUM_PACKET_SIZE, PropertiesBuf, Property, PropertyId, PropertyOwner,
    ProtocolVersion, QoS,
};
use crate::topic;

pub use self::choices::{
    Acknowledge, AfterPubRec, CleanStart, ClientId, InDoubt, QueuePolicy, SessionLoss, TopicAliases,
    VersionPolicy,
};
pub use self::reconnect::{Reconnect, ServerClose};

/// The message that the server publishes when this client goes without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Its topic name.
    pub topic: Box<str>,
    /// Its payload, at most 65,535 bytes.
    pub payload: Box<[u8]>,
    /// Its quality of service.
    pub qos: QoS,
    /// Whether the server retains it.
    pub retain: bool,
    /// Its properties (5.0), Will Delay Interval included.
    pub properties: PropertiesBuf,
}

impl Will {
    /// Checks that a server can take it.
    ///
    /// # Errors
    /// [`ConfigError`]: its topic, payload or a property is not lawful.
    pub fn validate(&self) -> Result<(), ConfigError> {
        topic::validate_name(&self.topic).map_err(ConfigError::WillTopic)?;
        if self.payload.len() > usize::from(u16::MAX) {
            return Err(ConfigError::WillPayload(self.payload.len()));
        }
        let properties = self.properties.as_properties();
        match properties.iter().find(|property| !property.id().is_allowed_in(PropertyOwner::Will)) {
            Some(property) => Err(ConfigError::WillProperty(property.id())),
            None => Ok(()),
        }
    }
}

/// Enhanced authentication (5.0 §4.12): an exchange of AUTH packets, such as SCRAM.
///
/// The application takes part with [`Event::Authenticate`](crate::Event::Authenticate).
#[derive(Clone, PartialEq, Eq)]
pub struct Authentication {
    /// The Authentication Method, on which client and server agree by name.
    pub method: Box<str>,
    /// The Authentication Data of every CONNECT, unless
    /// [`handle_connected`](crate::Connection::handle_connected) is given other data.
    pub data: Option<Box<[u8]>>,
}

/// Does not show the data.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("method", &self.method)
            .field("data", &self.data.as_ref().map(|_| "<redacted>"))
            .finish()
    }
}

/// Everything a [`Connection`](crate::Connection) is configured with. Start from [`Config::new`].
///
/// ```
/// use sterna_core::{ClientId, Config};
///
/// let mut config = Config::new(42);
/// config.client_id = ClientId::Given("thermometer".into());
/// config.keep_alive = 30;
/// config.validate()?;
/// # Ok::<(), sterna_core::ConfigError>(())
/// ```
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // They are independent switches of the protocol.
pub struct Config {
    /// Where random client identifiers and jitter come from: the same seed gives the same ones. It has no
    /// default, since two clients with one seed would take each other's session over.
    pub seed: u64,
    /// Default: automatic, 5.0 first.
    pub version: VersionPolicy,
    /// Sets the bridge flag (0x80 of the protocol level) that some servers know, on 3.x only. Default off.
    pub bridge: bool,
    /// Default: random.
    pub client_id: ClientId,
    /// Default: on the first connection.
    pub clean_start: CleanStart,
    /// With a store: messages that are not acknowledged when the client closes are removed from it, and end as
    /// `Closed`. Default: off, they are kept.
    pub discard_on_close: bool,
    /// Session Expiry Interval in seconds (5.0). Default 3,600; `u32::MAX` never expires. A random client
    /// identifier's session is ended by the final DISCONNECT.
    pub session_expiry: u32,
    /// Refuse a session that the server has and this process does not know of [MQTT-3.2.2-4], even if the client
    /// identifier was given and Clean Start was 0. Default off.
    pub strict_session: bool,
    /// Keep Alive in seconds; 0 is off. Default 60.
    pub keep_alive: u16,
    /// User name. Default none.
    pub user_name: Option<Box<str>>,
    /// Password; on 3.x it needs a user name [MQTT-3.1.2-22]. Default none.
    pub password: Option<Box<[u8]>>,
    /// Enhanced authentication, of 5.0 only: with it there is no falling back to 3.1.1. Default none.
    pub authentication: Option<Box<Authentication>>,
    /// How many servers there are to connect to, which share sessions as one cluster does; not zero. An attempt that
    /// fails moves on to the next at once, and a round of failures is followed by a pause. Default 1.
    pub servers: u16,
    /// Try the servers in an order that is drawn from [`Config::seed`], not from first to last. Default off.
    pub shuffle_servers: bool,
    /// How many times in a row to follow a server that sends us to another (Use another server and Server moved with a
    /// Server Reference, 5.0 §4.11). Use another server holds for one connection, Server moved for good once the new
    /// place has accepted us. Default 0: such a server has refused.
    pub redirects: u8,
    /// Default none.
    pub will: Option<Box<Will>>,
    /// Further properties of CONNECT: User Property only; the others have fields of their own.
    pub user_properties: PropertiesBuf,
    /// How many QoS 1 and 2 messages the server may have unacknowledged towards us. Default 1,024; not zero. A server
    /// that exceeds it is disconnected from, with 0x93, and allowed all 65,535 from then on: Mosquitto 2.0 counts a QoS 2
    /// message only until its PUBREC, and would do it again and again. What waits is bounded by `incoming_limit` anyway.
    pub receive_maximum: u16,
    /// The largest packet we take, its header included. Default 268,435,460, the protocol's largest.
    pub maximum_packet_size: u32,
    /// How many topic aliases the server may use. Default 16.
    pub topic_alias_maximum: u16,
    /// Which of our messages have a topic alias. Default: by hand only.
    pub topic_alias: TopicAliases,
    /// Asks the server for Response Information. Default off.
    pub request_response_information: bool,
    /// Lets the server send Reason Strings and User Properties with every packet. Default on.
    pub request_problem_information: bool,
    /// From the start of an attempt to its CONNACK. Default 30 s.
    pub connect_timeout: Duration,
    /// From a PINGREQ to its PINGRESP. Default 10 s.
    pub ping_timeout: Duration,
    /// How long a sent operation may go unanswered before the connection is closed and made again, the only
    /// lawful resend [MQTT-4.4.0-1]. A re-authentication may take as long in all. While messages that the application
    /// does not take fill [`incoming_reserve`](Self::incoming_reserve), the answer cannot be read: then the operation ends
    /// with `Stalled` instead. Default 60 s; zero is off, and for `Stalled` 60 s.
    pub ack_timeout: Duration,
    /// How long waiting bytes may make no progress. Default 30 s; zero is off.
    pub write_timeout: Duration,
    /// How long a graceful disconnect waits for what is pending, and then once more for DISCONNECT to leave. However a
    /// client ends, it waits as long for its store, and at least a second: see [`Config::store_patience`]. Default 10 s.
    pub drain_timeout: Duration,
    /// The reconnect policy.
    pub reconnect: Reconnect,
    /// Subscribe again to what the server's session lost. Default on.
    pub resubscribe: bool,
    /// How many topic filters one SUBSCRIBE or UNSUBSCRIBE has at most: larger ones are split, as they are to fit the
    /// server's Maximum Packet Size. Default 0, no bound.
    pub subscribe_batch: usize,
    /// Our own bound on QoS 1 and 2 messages in flight, besides the server's Receive Maximum. Default 1,024; not zero.
    pub in_flight_limit: u16,
    /// Our own bound on QoS 2 messages in flight on 3.x, where a server cannot say how many it takes: Mosquitto 2.0 closes
    /// the connection when there is one more than 20, and with 20 when one of QoS 1 comes. Default 19; not zero.
    pub exactly_once_limit: u16,
    /// Bound on operations waiting to be sent, among them QoS 0 that is to be
    /// [queued again](crate::Publish::requeue), until the transport has taken it. Default 65,536.
    pub queue_limit: usize,
    /// Bound on the bytes of operations waiting to be sent or to be acknowledged. Default 64 MiB. Records that wait for a
    /// slow store take up to twice as much besides, and those that it is writing as much again.
    pub queue_bytes: usize,
    /// What happens beyond these two bounds. Default: the client waits.
    pub queue_policy: QueuePolicy,
    /// What becomes of messages in flight when the server has lost the session.
    pub session_loss: SessionLoss,
    /// Queue QoS 0 messages while there is no connection. Default on; off, they end with `Offline`.
    pub queue_qos0: bool,
    /// How many bytes may wait for the transport before publishes wait in the queue behind them; and how many bytes
    /// of acknowledgements before reading pauses, if that is more than five for each message that may be in flight, either
    /// way. Default 256 KiB.
    pub send_buffer: usize,
    /// How many incoming messages may wait for the application before reading pauses. Default 4,096.
    pub incoming_limit: usize,
    /// How many bytes of incoming messages may wait for the application before reading pauses. Default 1 MiB.
    pub incoming_bytes: usize,
    /// Up to where reading goes on beyond those two while an operation waits for the server, or somebody for messages
    /// ([`Backlog::starving`](crate::Backlog::starving)). Default 16 MiB.
    pub incoming_reserve: usize,
    /// How long our receive window may be full for want of one acknowledgement by the application until
    /// [`Event::AckBlocked`](crate::Event::AckBlocked) names the message. The window is Receive Maximum; 3.x does not
    /// announce it, and there it is a threshold. Default 10 s; zero is off.
    pub ack_blocked_after: Duration,
    /// Default: when polled.
    pub acknowledge: Acknowledge,
    /// Report every packet as [`Event::PacketSent`](crate::Event::PacketSent) and
    /// [`Event::PacketReceived`](crate::Event::PacketReceived). Default off.
    pub packet_events: bool,
    /// A fault on purpose. Default none.
    #[cfg(feature = "planted-bugs")]
    pub bug: Option<crate::Bug>,
}

impl Config {
    /// The defaults, with `seed` for everything random.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            version: VersionPolicy::Automatic { on_close: false },
            bridge: false,
            client_id: ClientId::Random,
            clean_start: CleanStart::FirstConnection,
            discard_on_close: false,
            session_expiry: 3_600,
            strict_session: false,
            keep_alive: 60,
            user_name: None,
            password: None,
            authentication: None,
            servers: 1,
            shuffle_servers: false,
            redirects: 0,
            will: None,
            user_properties: PropertiesBuf::new(),
            receive_maximum: 1_024,
            maximum_packet_size: PROTOCOL_MAXIMUM_PACKET_SIZE,
            topic_alias_maximum: 16,
            topic_alias: TopicAliases::Manual,
            request_response_information: false,
            request_problem_information: true,
            connect_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
            reconnect: Reconnect::default(),
            resubscribe: true,
            subscribe_batch: 0,
            in_flight_limit: 1_024,
            exactly_once_limit: 19,
            queue_limit: 65_536,
            queue_bytes: 64 << 20,
            queue_policy: QueuePolicy::Wait,
            session_loss: SessionLoss::default(),
            queue_qos0: true,
            send_buffer: 256 << 10,
            incoming_limit: 4_096,
            incoming_bytes: 1 << 20,
            incoming_reserve: 16 << 20,
            ack_blocked_after: Duration::from_secs(10),
            acknowledge: Acknowledge::WhenPolled,
            packet_events: false,
            #[cfg(feature = "planted-bugs")]
            bug: None,
        }
    }

    /// How long a client that has ended waits for its store to have everything, and then to let go:
    /// [`drain_timeout`](Self::drain_timeout), and at least a second.
    pub fn store_patience(&self) -> Duration {
        self.drain_timeout.max(Duration::from_secs(1))
    }

    /// Whether this fault was planted: never, outside of the tests that show that faults are found.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn has_bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    #[cfg(not(feature = "planted-bugs"))]
    #[allow(clippy::unused_self)] // As with the feature.
    pub(crate) const fn has_bug(&self, _: Bug) -> bool {
        false
    }

    /// Checks the options against each other, before any I/O.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_version()?;
        self.validate_client_id()?;
        if [self.receive_maximum, self.in_flight_limit, self.exactly_once_limit].contains(&0) {
            return Err(ConfigError::ZeroWindow);
        }
        if self.maximum_packet_size == 0 || self.maximum_packet_size > PROTOCOL_MAXIMUM_PACKET_SIZE {
            return Err(ConfigError::MaximumPacketSize(self.maximum_packet_size));
        }
        validate_user_properties(&self.user_properties)?;
        if let Some(will) = &self.will {
            will.validate()?;
        }
        if self.servers == 0 {
            return Err(ConfigError::NoServer);
        }
        let too_long = |length: usize| length > usize::from(u16::MAX);
        if let Some(Authentication { method, data }) = self.authentication.as_deref() {
            let data_too_long = data.as_deref().is_some_and(|data| too_long(data.len()));
            if too_long(method.len()) || method.contains('\0') || data_too_long {
                return Err(ConfigError::Authentication);
            }
        }
        validate_credentials(self.user_name.as_deref(), self.password.as_deref())
    }

    /// The properties of CONNECT; what has the specification's default is left out.
    /// `overrides` are instead of the configured.
    pub(crate) fn connect_properties(
        &self,
        overrides: ConnectOverrides<'_>,
    ) -> Result<PropertiesBuf, EncodeError> {
        let mut properties = PropertiesBuf::new();
        if self.session_expiry > 0 {
            properties.push(Property::SessionExpiryInterval(self.session_expiry))?;
        }
        if self.receive_maximum < u16::MAX {
            properties.push(Property::ReceiveMaximum(self.receive_maximum))?;
        }
        if self.maximum_packet_size < PROTOCOL_MAXIMUM_PACKET_SIZE {
            properties.push(Property::MaximumPacketSize(self.maximum_packet_size))?;
        }
        if self.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(self.topic_alias_maximum))?;
        }
        if self.request_response_information {
            properties.push(Property::RequestResponseInformation(true))?;
        }
        if !self.request_problem_information {
            properties.push(Property::RequestProblemInformation(false))?;
        }
        if let Some(authentication) = self.authentication.as_deref() {
            properties.push(Property::AuthenticationMethod(&authentication.method))?;
            if let Some(data) = overrides.authentication_data.or(authentication.data.as_deref()) {
                properties.push(Property::AuthenticationData(data))?;
            }
        }
        for property in overrides.user_properties.unwrap_or(&self.user_properties).as_properties() {
            properties.push(property)?;
        }
        Ok(properties)
    }

    fn validate_version(&self) -> Result<(), ConfigError> {
        let VersionPolicy::Only(version) = self.version else { return Ok(()) };
        if version == ProtocolVersion::V5 {
            return if self.bridge { Err(ConfigError::BridgeOnV5) } else { Ok(()) };
        }
        if self.password.is_some() && self.user_name.is_none() {
            return Err(ConfigError::PasswordWithoutUserName);
        }
        if self.authentication.is_some() {
            return Err(ConfigError::UnsupportedByVersion(PropertyId::AuthenticationMethod));
        }
        let will_properties = self.will.as_ref().is_some_and(|will| !will.properties.is_empty());
        if will_properties || !self.user_properties.is_empty() {
            return Err(ConfigError::UnsupportedByVersion(PropertyId::UserProperty));
        }
        Ok(())
    }

    fn validate_client_id(&self) -> Result<(), ConfigError> {
        let ClientId::Given(id) = &self.client_id else { return Ok(()) };
        if id.is_empty() && self.clean_start == CleanStart::Never {
            return Err(ConfigError::EmptyClientId);
        }
        if id.len() > usize::from(u16::MAX) || id.contains('\0') {
            return Err(ConfigError::ClientId);
        }
        if self.version == VersionPolicy::Only(ProtocolVersion::V3_1) && !(1..=23).contains(&id.len()) {
            return Err(ConfigError::ClientIdLength(id.len()));
        }
        Ok(())
    }
}

/// Only User Properties: the others of CONNECT have options of their own.
pub(crate) fn validate_user_properties(properties: &PropertiesBuf) -> Result<(), ConfigError> {
    let properties = properties.as_properties();
    match properties.iter().find(|property| !matches!(property, Property::UserProperty { .. })) {
        Some(property) => Err(ConfigError::ConnectProperty(property.id())),
        None => Ok(()),
    }
}

pub(crate) fn validate_credentials(
    user_name: Option<&str>,
    password: Option<&[u8]>,
) -> Result<(), ConfigError> {
    let too_long = |length: usize| length > usize::from(u16::MAX);
    if user_name.is_some_and(|name| too_long(name.len()) || name.contains('\0')) {
        return Err(ConfigError::UserName);
    }
    if password.is_some_and(|password| too_long(password.len())) {
        Err(ConfigError::Password)
    } else {
        Ok(())
    }
}

/// Shows neither user name nor password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("version", &self.version)
            .field("client_id", &self.client_id)
            .field("clean_start", &self.clean_start)
            .field("session_expiry", &self.session_expiry)
            .field("keep_alive", &self.keep_alive)
            .field("user_name", &self.user_name.as_ref().map(|_| "<redacted>"))
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .field("authentication", &self.authentication)
            .field("will", &self.will)
            .field("servers", &self.servers)
            .field("redirects", &self.redirects)
            .field("reconnect", &self.reconnect)
            .finish_non_exhaustive()
    }
}
