//! A client's configuration as it stands in the header of a recording.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sterna_core::packet::{ProtocolVersion, QoS};
use sterna_core::{
    Acknowledge, AfterPubRec, Authentication, CleanStart, ClientId, InDoubt, QueuePolicy, Reconnect,
    SessionLoss, TopicAliases, VersionPolicy,
};

use crate::data::{Hex, PropertyList};
use crate::entry::Will;
use crate::retry::RetryTable;

/// Every option of [`sterna_core::Config`], under its name there. Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // Each is documented there.
#[allow(clippy::struct_excessive_bools)] // As there.
pub struct Config {
    pub seed: u64,
    pub version: Version,
    pub bridge: bool,
    /// None: random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    pub clean_start: Choice<CleanStart>,
    pub discard_on_close: bool,
    pub session_expiry: u32,
    pub strict_session: bool,
    pub keep_alive: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hex>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_data: Option<Hex>,
    pub servers: u16,
    pub shuffle_servers: bool,
    pub redirects: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will: Option<Will>,
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub user_properties: PropertyList,
    pub receive_maximum: u16,
    pub maximum_packet_size: u32,
    pub topic_alias_maximum: u16,
    pub topic_alias: Choice<TopicAliases>,
    pub request_response_information: bool,
    pub request_problem_information: bool,
    pub connect_timeout: u64,
    pub ping_timeout: u64,
    pub ack_timeout: u64,
    pub write_timeout: u64,
    pub drain_timeout: u64,
    pub reconnect: ReconnectPolicy,
    pub resubscribe: bool,
    pub subscribe_batch: u64,
    pub in_flight_limit: u16,
    pub exactly_once_limit: u16,
    pub queue_limit: u64,
    pub queue_bytes: u64,
    pub queue_policy: Choice<QueuePolicy>,
    pub session_loss: Loss,
    pub queue_qos0: bool,
    pub send_buffer: u64,
    pub incoming_limit: u64,
    pub incoming_bytes: u64,
    pub incoming_reserve: u64,
    pub ack_blocked_after: u64,
    pub acknowledge: Choice<Acknowledge>,
    pub packet_events: bool,
}

/// Which protocol version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Version {
    /// 5.0, and 3.1.1 if the server does not know that.
    #[serde(rename = "automatic")]
    Automatic,
    /// The same, also if the server closes without an answer.
    #[serde(rename = "automatic_on_close")]
    AutomaticOnClose,
    /// 3.1
    #[serde(rename = "3.1")]
    V3_1,
    /// 3.1.1
    #[serde(rename = "3.1.1")]
    V3_1_1,
    /// 5.0
    #[serde(rename = "5")]
    V5,
}

/// One of a few ways, by its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<T>(pub T);

/// The names of the ways.
macro_rules! choices {
    ($($choice:ty { $($way:ident = $name:literal),* })*) => {$(
        impl Serialize for Choice<$choice> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self.0 { $(<$choice>::$way => $name),* })
            }
        }

        impl<'de> Deserialize<'de> for Choice<$choice> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match String::deserialize(deserializer)?.as_str() {
                    $($name => Ok(Self(<$choice>::$way)),)*
                    other => Err(serde::de::Error::unknown_variant(other, &[$($name),*])),
                }
            }
        }
    )*};
}

choices! {
    CleanStart { FirstConnection = "first_connection", Always = "always", Never = "never" }
    TopicAliases { Manual = "manual", Use = "use", Assign = "assign" }
    QueuePolicy {
        Wait = "wait", Reject = "reject", DropOldest = "drop_oldest", DropNewest = "drop_newest",
        LatestPerTopic = "latest_per_topic"
    }
    InDoubt { PublishAgain = "publish_again", Fail = "fail" }
    AfterPubRec { Succeed = "succeed", Fail = "fail" }
    Acknowledge { WhenPolled = "when_polled", Explicit = "explicit" }
}

/// What becomes of messages in flight when the server has lost the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // As in `sterna_core::SessionLoss`.
pub struct Loss {
    pub at_least_once: Choice<InDoubt>,
    pub exactly_once: Choice<InDoubt>,
    pub after_pubrec: Choice<AfterPubRec>,
}

/// How lost connections are made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // As in `sterna_core::Reconnect`.
pub struct ReconnectPolicy {
    pub minimum: u64,
    pub initial: u64,
    pub maximum: u64,
    pub stable_after: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    pub first: bool,
    /// For which reason codes it tries again, where that is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryTable>,
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl ReconnectPolicy {
    fn new(reconnect: &Reconnect) -> Self {
        Self {
            minimum: micros(reconnect.minimum),
            initial: micros(reconnect.initial),
            maximum: micros(reconnect.maximum),
            stable_after: micros(reconnect.stable_after),
            attempts: reconnect.attempts,
            total: reconnect.total.map(micros),
            first: reconnect.first,
            retry: RetryTable::of(reconnect.retry),
        }
    }

    fn restore(&self) -> Reconnect {
        Reconnect {
            minimum: Duration::from_micros(self.minimum),
            initial: Duration::from_micros(self.initial),
            maximum: Duration::from_micros(self.maximum),
            stable_after: Duration::from_micros(self.stable_after),
            attempts: self.attempts,
            total: self.total.map(Duration::from_micros),
            first: self.first,
            retry: RetryTable::policy(self.retry.as_ref()),
        }
    }
}

impl Config {
    /// Describes `config`, with everything that is in it.
    pub fn new(config: &sterna_core::Config) -> Self {
        let authentication = config.authentication.as_deref();
        Self {
            seed: config.seed,
            version: match config.version {
                VersionPolicy::Automatic { on_close: false } => Version::Automatic,
                VersionPolicy::Automatic { on_close: true } => Version::AutomaticOnClose,
                VersionPolicy::Only(ProtocolVersion::V3_1) => Version::V3_1,
                VersionPolicy::Only(ProtocolVersion::V3_1_1) => Version::V3_1_1,
                VersionPolicy::Only(ProtocolVersion::V5) => Version::V5,
            },
            bridge: config.bridge,
            client_id: match &config.client_id {
                ClientId::Random => None,
                ClientId::Given(id) => Some(id.to_string()),
            },
            clean_start: Choice(config.clean_start),
            discard_on_close: config.discard_on_close,
            session_expiry: config.session_expiry,
            strict_session: config.strict_session,
            keep_alive: config.keep_alive,
            user_name: config.user_name.as_deref().map(Into::into),
            password: config.password.as_deref().map(Hex::copy),
            authentication_method: authentication.map(|authentication| authentication.method.to_string()),
            authentication_data: authentication
                .and_then(|authentication| authentication.data.as_deref())
                .map(Hex::copy),
            servers: config.servers,
            shuffle_servers: config.shuffle_servers,
            redirects: config.redirects,
            will: config.will.as_deref().map(Will::new),
            user_properties: (&config.user_properties).into(),
            receive_maximum: config.receive_maximum,
            maximum_packet_size: config.maximum_packet_size,
            topic_alias_maximum: config.topic_alias_maximum,
            topic_alias: Choice(config.topic_alias),
            request_response_information: config.request_response_information,
            request_problem_information: config.request_problem_information,
            connect_timeout: micros(config.connect_timeout),
            ping_timeout: micros(config.ping_timeout),
            ack_timeout: micros(config.ack_timeout),
            write_timeout: micros(config.write_timeout),
            drain_timeout: micros(config.drain_timeout),
            reconnect: ReconnectPolicy::new(&config.reconnect),
            resubscribe: config.resubscribe,
            subscribe_batch: config.subscribe_batch as u64,
            in_flight_limit: config.in_flight_limit,
            exactly_once_limit: config.exactly_once_limit,
            queue_limit: config.queue_limit as u64,
            queue_bytes: config.queue_bytes as u64,
            queue_policy: Choice(config.queue_policy),
            session_loss: Loss {
                at_least_once: Choice(config.session_loss.at_least_once),
                exactly_once: Choice(config.session_loss.exactly_once),
                after_pubrec: Choice(config.session_loss.after_pubrec),
            },
            queue_qos0: config.queue_qos0,
            send_buffer: config.send_buffer as u64,
            incoming_limit: config.incoming_limit as u64,
            incoming_bytes: config.incoming_bytes as u64,
            incoming_reserve: config.incoming_reserve as u64,
            ack_blocked_after: micros(config.ack_blocked_after),
            acknowledge: Choice(config.acknowledge),
            packet_events: config.packet_events,
        }
    }

    /// The configuration that is described; `None` if a field has a value that none has.
    pub fn restore(&self) -> Option<sterna_core::Config> {
        let mut config = sterna_core::Config::new(self.seed);
        self.restore_session(&mut config)?;
        self.restore_limits(&mut config);
        config.connect_timeout = Duration::from_micros(self.connect_timeout);
        config.ping_timeout = Duration::from_micros(self.ping_timeout);
        config.ack_timeout = Duration::from_micros(self.ack_timeout);
        config.write_timeout = Duration::from_micros(self.write_timeout);
        config.drain_timeout = Duration::from_micros(self.drain_timeout);
        config.reconnect = self.reconnect.restore();
        config.resubscribe = self.resubscribe;
        config.session_loss = SessionLoss {
            at_least_once: self.session_loss.at_least_once.0,
            exactly_once: self.session_loss.exactly_once.0,
            after_pubrec: self.session_loss.after_pubrec.0,
        };
        config.ack_blocked_after = Duration::from_micros(self.ack_blocked_after);
        config.acknowledge = self.acknowledge.0;
        config.packet_events = self.packet_events;
        Some(config)
    }

    /// What CONNECT says, and where it goes.
    fn restore_session(&self, config: &mut sterna_core::Config) -> Option<()> {
        config.version = match self.version {
            Version::Automatic => VersionPolicy::Automatic { on_close: false },
            Version::AutomaticOnClose => VersionPolicy::Automatic { on_close: true },
            Version::V3_1 => VersionPolicy::Only(ProtocolVersion::V3_1),
            Version::V3_1_1 => VersionPolicy::Only(ProtocolVersion::V3_1_1),
            Version::V5 => VersionPolicy::Only(ProtocolVersion::V5),
        };
        config.bridge = self.bridge;
        config.client_id =
            self.client_id.as_deref().map_or(ClientId::Random, |client_id| ClientId::Given(client_id.into()));
        config.clean_start = self.clean_start.0;
        config.discard_on_close = self.discard_on_close;
        config.session_expiry = self.session_expiry;
        config.strict_session = self.strict_session;
        config.keep_alive = self.keep_alive;
        config.user_name = self.user_name.as_deref().map(Into::into);
        config.password = self.password.as_deref().map(Into::into);
        config.authentication = self.authentication_method.as_deref().map(|method| {
            let data = self.authentication_data.as_deref().map(Into::into);
            Box::new(Authentication { method: method.into(), data })
        });
        config.servers = self.servers;
        config.shuffle_servers = self.shuffle_servers;
        config.redirects = self.redirects;
        config.will = match &self.will {
            Some(will) => Some(Box::new(will.restore()?)),
            None => None,
        };
        config.user_properties = self.user_properties.0.clone();
        config.request_response_information = self.request_response_information;
        config.request_problem_information = self.request_problem_information;
        Some(())
    }

    fn restore_limits(&self, config: &mut sterna_core::Config) {
        config.receive_maximum = self.receive_maximum;
        config.maximum_packet_size = self.maximum_packet_size;
        config.topic_alias_maximum = self.topic_alias_maximum;
        config.topic_alias = self.topic_alias.0;
        config.subscribe_batch = size(self.subscribe_batch);
        config.in_flight_limit = self.in_flight_limit;
        config.exactly_once_limit = self.exactly_once_limit;
        config.queue_limit = size(self.queue_limit);
        config.queue_bytes = size(self.queue_bytes);
        config.queue_policy = self.queue_policy.0;
        config.queue_qos0 = self.queue_qos0;
        config.send_buffer = size(self.send_buffer);
        config.incoming_limit = size(self.incoming_limit);
        config.incoming_bytes = size(self.incoming_bytes);
        config.incoming_reserve = size(self.incoming_reserve);
    }
}

impl Will {
    /// Describes a will.
    pub fn new(will: &sterna_core::Will) -> Self {
        Self {
            topic: will.topic.to_string(),
            payload: Hex::copy(&will.payload),
            qos: will.qos as u8,
            retain: will.retain,
            properties: (&will.properties).into(),
        }
    }

    /// The will that is described; `None` if its quality of service is none.
    pub fn restore(&self) -> Option<sterna_core::Will> {
        Some(sterna_core::Will {
            topic: self.topic.as_str().into(),
            payload: (*self.payload).into(),
            qos: QoS::try_from(self.qos).ok()?,
            retain: self.retain,
            properties: self.properties.0.clone(),
        })
    }
}
