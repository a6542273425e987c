//! The options that `pub` and `sub` have in common, and the client that they describe.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use sterna_client::{
    AckMode, CleanStart, ClientBuilder, PropertiesBuf, ProtocolVersion, QoS, VersionPolicy, Will,
};
use sterna_core::packet::PropertyOwner;

use crate::args::{Protocol, parse_expiry, parse_qos};
use crate::exit::Failure;
use crate::properties;
use crate::server::{ServerArguments, Target};

/// Without it these options would stand under the heading of those before them.
const GENERAL: &str = "General";

#[derive(Debug, Args)]
pub(crate) struct ConnectArguments {
    #[command(flatten)]
    server: ServerArguments,

    #[command(flatten)]
    connection: ConnectionOptions,

    #[command(flatten)]
    will: WillOptions,

    /// An MQTT 5 property: of which packet (connect, will, publish, subscribe, unsubscribe, disconnect), its
    /// name and value; a user-property has a name and a value of its own. Repeatable
    #[arg(
        short = 'D',
        long = "property",
        value_names = ["PACKET", "PROPERTY", "VALUE"],
        num_args = 3..=4,
        help_heading = GENERAL,
        action = clap::ArgAction::Append
    )]
    property: Vec<String>,

    /// Give up after this many seconds, counted from the start: exit status 27
    #[arg(
        short = 'W',
        long,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = GENERAL
    )]
    timeout: Option<u64>,
    /// Tell on standard error what happens: every packet, subscriptions, attempts to connect
    #[arg(short, long, help_heading = GENERAL)]
    pub(crate) debug: bool,
    /// Do not tell of lost connections on standard error
    #[arg(long, conflicts_with = "debug", help_heading = GENERAL)]
    pub(crate) quiet: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help, help_heading = GENERAL)]
    help: Option<bool>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
struct ConnectionOptions {
    /// The client identifier [default: a random one]
    #[arg(short, long)]
    id: Option<String>,
    /// User name
    #[arg(short, long)]
    username: Option<String>,
    /// Password
    #[arg(short = 'P', long = "pw", value_name = "PASSWORD", allow_hyphen_values = true)]
    password: Option<OsString>,
    /// Protocol version [default: 5, and 3.1.1 if the server refuses that]
    #[arg(short = 'V', long, value_enum, value_name = "VERSION")]
    protocol_version: Option<Protocol>,
    /// Seconds between signs of life; 0 turns them off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Keep the session at the server, and resume it: needs --id
    #[arg(short = 'c', long)]
    disable_clean_session: bool,
    /// Seconds that the session outlives its connections (MQTT 5); -1: for ever, as with -c
    #[arg(short = 'x', long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_expiry)]
    session_expiry_interval: Option<u32>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Will")]
#[allow(clippy::struct_field_names)] // The options' names.
struct WillOptions {
    /// Topic of the message that the server publishes if this client goes without a word
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Its payload [default: empty]
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true)]
    will_payload: Option<OsString>,
    /// Its quality of service [default: 0]
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = parse_qos)]
    will_qos: Option<QoS>,
    /// Retain it
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
}

/// What the options come to.
pub(crate) struct Plan {
    pub(crate) builder: ClientBuilder<sterna_tokio::Runtime>,
    pub(crate) version: VersionPolicy,
    pub(crate) topic: Option<String>,
    pub(crate) properties: properties::Sets,
    pub(crate) timeout: Option<u64>,
}

impl ConnectArguments {
    /// Checks the options against each other; the client's own are checked when it is built.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let Target { url, topic } = self.server.target()?;
        let mut properties = properties::parse(&self.property)?;
        let options = &self.connection;
        let version = options.version(!self.property.is_empty())?;
        let mut builder = sterna_tokio::builder(&url)
            .version(version)
            .keep_alive(Duration::from_secs(options.keepalive.into()))
            .ack(AckMode::Manual)
            .packet_events(self.debug);
        builder = options.session(builder)?;
        if let Some(user_name) = &options.username {
            builder = builder.user_name(user_name.as_str());
        }
        if let Some(password) = &options.password {
            builder = builder.password(password.as_encoded_bytes());
        }
        if let Some(will) = self.will.will(properties.take(PropertyOwner::Will))? {
            builder = builder.will(will);
        }
        builder = properties::configure(builder, &properties.take(PropertyOwner::Connect));
        Ok(Plan { builder, version, topic, properties, timeout: self.timeout })
    }
}

impl ConnectionOptions {
    fn version(&self, has_properties: bool) -> Result<VersionPolicy, Failure> {
        let needs_v5 = has_properties || self.session_expiry_interval.is_some();
        match self.protocol_version.map(ProtocolVersion::from) {
            Some(version) if needs_v5 && version != ProtocolVersion::V5 => Err(Failure::Usage(format!(
                "--property and --session-expiry-interval need MQTT 5, not {version}"
            ))),
            Some(version) => Ok(VersionPolicy::Only(version)),
            None if needs_v5 => Ok(VersionPolicy::Only(ProtocolVersion::V5)),
            None => Ok(VersionPolicy::Automatic { on_close: false }),
        }
    }

    /// The client identifier, and how long the session lives. Without -c and -x that of a random identifier is
    /// kept over reconnects and ended with the program; that of a given one ends with each connection.
    fn session<R: sterna_client::Runtime>(
        &self,
        builder: ClientBuilder<R>,
    ) -> Result<ClientBuilder<R>, Failure> {
        let expiry = match self.session_expiry_interval {
            None if self.disable_clean_session => Some(u32::MAX),
            None => self.id.as_ref().map(|_| 0),
            given => given,
        };
        let mut builder = builder;
        match &self.id {
            Some(id) => builder = builder.client_id(id.as_str()),
            None if self.disable_clean_session || expiry == Some(u32::MAX) => {
                return Err(Failure::Usage(
                    "a session that is kept needs a client identifier: --id".to_owned(),
                ));
            }
            None => {}
        }
        if self.disable_clean_session {
            builder = builder.clean_start(CleanStart::Never);
        }
        Ok(builder.configure(|config| config.session_expiry = expiry.unwrap_or(config.session_expiry)))
    }
}

impl WillOptions {
    fn will(&self, properties: PropertiesBuf) -> Result<Option<Will>, Failure> {
        let Some(topic) = self.will_topic.as_deref() else {
            if properties.is_empty() {
                return Ok(None);
            }
            return Err(Failure::Usage("properties of a will need --will-topic".to_owned()));
        };
        let payload = self.will_payload.as_deref().unwrap_or_default();
        Ok(Some(Will {
            topic: topic.into(),
            payload: payload.as_encoded_bytes().into(),
            qos: self.will_qos.unwrap_or_default(),
            retain: self.will_retain,
            properties,
        }))
    }
}
