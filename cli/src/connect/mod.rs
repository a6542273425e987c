//! The options that every command with a connection has, and the clients that they describe.

mod credentials;
mod properties;
mod server;
mod tls;
mod transport;
mod will;

use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use sterna_client::record::Recorder;
use sterna_client::{
    AckMode, CleanStart, ClientBuilder, PropertiesBuf, ProtocolVersion, Reconnect, TlsOptions, VersionPolicy,
    Will,
};
use sterna_core::packet::PropertyOwner;

use self::credentials::{CredentialOptions, Login};
use self::server::{ServerArguments, Target};
use self::tls::TlsArguments;
use self::transport::{TransportArguments, Travel};
use self::will::WillOptions;
use crate::args::{Protocol, parse_expiry, parse_seconds};
use crate::exit::Failure;
use crate::log::LogOptions;

/// Without it these options would stand under the heading of those before them.
const GENERAL: &str = "General";

#[derive(Debug, Args)]
pub(crate) struct ConnectArguments {
    #[command(flatten)]
    server: ServerArguments,

    #[command(flatten)]
    connection: ConnectionOptions,

    #[command(flatten)]
    credentials: CredentialOptions,

    #[command(flatten)]
    will: WillOptions,

    #[command(flatten)]
    tls: TlsArguments,

    #[command(flatten)]
    transport: TransportArguments,

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
    #[command(flatten)]
    log: LogOptions,
    /// Defaults of all these options, in TOML: those of the connection as `url = "mqtts://host"`, those of a subcommand
    /// in its table, as `[sub]`. An empty name means no file [default: sterna/options.toml in the folder for
    /// configuration, such as ~/.config, if it is there]. The options of the connection may be in the environment too, by
    /// names such as STERNA_URL and STERNA_OPTIONS_FILE; what is nearer by counts
    #[arg(long, value_name = "FILE", help_heading = GENERAL)]
    options_file: Option<OsString>,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help, help_heading = GENERAL)]
    help: Option<bool>,
    /// For the one client of the command, with `sterna record`.
    #[arg(skip)]
    recorder: RefCell<Option<Recorder>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
struct ConnectionOptions {
    /// The client identifier [default: a random one]
    #[arg(short, long, visible_alias = "client-id")]
    id: Option<String>,
    /// The client identifier is this and the number of the process
    #[arg(short = 'I', long, value_name = "PREFIX", conflicts_with = "id")]
    id_prefix: Option<String>,
    /// Protocol version [default: 5, and 3.1.1 if the server refuses that]
    #[arg(short = 'V', long, value_enum, value_name = "VERSION")]
    protocol_version: Option<Protocol>,
    /// Seconds between signs of life; 0 turns them off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,
    /// Keep the session at the server, and resume it: needs --id
    #[arg(short = 'c', long, visible_alias = "no-clean")]
    disable_clean_session: bool,
    /// Seconds that the session outlives its connections (MQTT 5); -1: for ever, as with -c
    #[arg(short = 'x', long, value_name = "SECONDS", allow_hyphen_values = true, value_parser = parse_expiry)]
    session_expiry_interval: Option<u32>,
    /// Seconds that one attempt to connect may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    connect_timeout: Duration,
    /// Try the first connection again too, as those that are lost later
    #[arg(long, conflicts_with = "no_reconnect")]
    retry_first: bool,
    /// Do not make a lost connection again: it is the end
    #[arg(long)]
    no_reconnect: bool,
}

/// What the options come to, for as many clients as are wanted.
#[allow(clippy::struct_excessive_bools)] // Independent switches.
pub(crate) struct Plan {
    url: String,
    servers: Vec<String>,
    redirects: u8,
    id: Option<String>,
    clean_start: Option<CleanStart>,
    expiry: Option<u32>,
    keep_alive: Duration,
    connect_timeout: Duration,
    retry_first: bool,
    no_reconnect: bool,
    login: Login,
    tls: TlsOptions,
    travel: Travel,
    will: Option<Will>,
    connect: PropertiesBuf,
    debug: bool,
    quiet: bool,
    packet_events: bool,
    /// The version, which a command may narrow down.
    pub(crate) version: VersionPolicy,
    /// The topic in the URL.
    pub(crate) topic: Option<String>,
    /// The properties of packets other than CONNECT and the will.
    pub(crate) properties: properties::Sets,
    /// Seconds until it gives up.
    pub(crate) timeout: Option<u64>,
    /// Behind a lock only because the plan of many clients, none of which is recorded, is shared by threads.
    recorder: Mutex<Option<Recorder>>,
}

impl ConnectArguments {
    /// Has the command's client recorded.
    pub(crate) fn record(&self, recorder: Recorder) {
        self.recorder.replace(Some(recorder));
    }

    /// Checks the options against each other, and asks for the secrets; the client's own are checked when it is built.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        self.log.start()?;
        let Target { url, topic } = self.server.target(self.tls.is_given())?;
        let mut properties = properties::parse(&self.property)?;
        let options = &self.connection;
        let version = options.version(!self.property.is_empty(), self.credentials.needs_v5())?;
        let (id, expiry) = options.session()?;
        Ok(Plan {
            servers: self.server.server.clone(),
            redirects: self.server.redirects,
            id,
            clean_start: options.disable_clean_session.then_some(CleanStart::Never),
            expiry,
            keep_alive: Duration::from_secs(options.keepalive.into()),
            connect_timeout: options.connect_timeout,
            retry_first: options.retry_first,
            no_reconnect: options.no_reconnect,
            login: self.credentials.login(&url)?,
            tls: self.tls.options()?,
            travel: self.transport.travel()?,
            will: self.will.will(properties.take(PropertyOwner::Will))?,
            connect: properties.take(PropertyOwner::Connect),
            debug: self.debug,
            quiet: self.quiet,
            packet_events: self.debug,
            version,
            topic,
            properties,
            timeout: self.timeout,
            recorder: Mutex::new(self.recorder.take()),
            url,
        })
    }
}

impl Plan {
    /// A client, as the options say.
    pub(crate) fn builder(&self) -> Result<ClientBuilder<sterna_tokio::Runtime>, Failure> {
        let mut builder = sterna_tokio::builder(&self.url)
            .version(self.version)
            .keep_alive(self.keep_alive)
            .connect_timeout(self.connect_timeout)
            .redirects(self.redirects)
            .ack(AckMode::Manual)
            .packet_events(self.packet_events)
            .tls(self.tls.clone());
        for server in &self.servers {
            builder = builder.server(server);
        }
        if let Some(id) = &self.id {
            builder = builder.client_id(id.as_str());
        }
        if let Some(clean_start) = self.clean_start {
            builder = builder.clean_start(clean_start);
        }
        if self.no_reconnect {
            builder = builder.reconnect(Reconnect::off());
        }
        if let Some(will) = &self.will {
            builder = builder.will(will.clone());
        }
        builder = self.travel.apply(builder.retry_first(self.retry_first));
        builder = self.login.apply(builder)?;
        builder =
            builder.configure(|config| config.session_expiry = self.expiry.unwrap_or(config.session_expiry));
        Ok(properties::configure(builder, &self.connect))
    }

    /// The client identifier that was asked for.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether every packet is told of.
    pub(crate) fn debug(&self) -> bool {
        self.debug
    }

    /// Whether lost connections are not told of.
    pub(crate) fn quiet(&self) -> bool {
        self.quiet
    }

    /// Has the client ping so often, in whole seconds and at least one, and tell of it.
    pub(crate) fn ping_every(&mut self, interval: Duration) {
        self.keep_alive = Duration::from_secs(interval.as_secs().max(1));
        self.packet_events = true;
    }

    /// Nothing but MQTT 5 will do: for `what`.
    pub(crate) fn need_v5(&mut self, what: &str) -> Result<(), Failure> {
        match self.version {
            VersionPolicy::Only(version) if version != ProtocolVersion::V5 => {
                Err(Failure::Usage(format!("{what} MQTT 5, not {version}")))
            }
            _ => {
                self.version = VersionPolicy::Only(ProtocolVersion::V5);
                Ok(())
            }
        }
    }

    /// Takes the recorder of the one client, if that is to be recorded.
    pub(crate) fn take_recorder(&mut self) -> Option<Recorder> {
        self.recorder.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes the properties of DISCONNECT, after those of the command's own packets: others have no place.
    pub(crate) fn take_farewell(&mut self) -> Result<PropertiesBuf, Failure> {
        let farewell = self.properties.take(PropertyOwner::DisconnectFromClient);
        std::mem::take(&mut self.properties).finish()?;
        Ok(farewell)
    }
}

impl ConnectionOptions {
    fn version(&self, has_properties: bool, scram: bool) -> Result<VersionPolicy, Failure> {
        let needs_v5 = has_properties || scram || self.session_expiry_interval.is_some();
        match self.protocol_version.map(ProtocolVersion::from) {
            Some(version) if needs_v5 && version != ProtocolVersion::V5 => Err(Failure::Usage(format!(
                "--property, --session-expiry-interval and --scram need MQTT 5, not {version}"
            ))),
            Some(version) => Ok(VersionPolicy::Only(version)),
            None if needs_v5 => Ok(VersionPolicy::Only(ProtocolVersion::V5)),
            None => Ok(VersionPolicy::Automatic { on_close: false }),
        }
    }

    /// The client identifier, and how long the session lives. Without -c and -x that of a random identifier is
    /// kept over reconnects and ended with the program; that of a given one ends with each connection.
    fn session(&self) -> Result<(Option<String>, Option<u32>), Failure> {
        let prefixed = self.id_prefix.as_ref().map(|prefix| format!("{prefix}{}", std::process::id()));
        let id = self.id.clone().or(prefixed);
        let expiry = match self.session_expiry_interval {
            None if self.disable_clean_session => Some(u32::MAX),
            None => id.as_ref().map(|_| 0),
            given => given,
        };
        if id.is_none() && (self.disable_clean_session || expiry == Some(u32::MAX)) {
            return Err(Failure::Usage("a session that is kept needs a client identifier: --id".to_owned()));
        }
        Ok((id, expiry))
    }
}
