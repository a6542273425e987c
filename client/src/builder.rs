//! Options, and starting a client on a runtime.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use sterna_core::packet::PropertiesBuf;
use sterna_core::{
    Authentication, CleanStart, ClientId, Config, QueuePolicy, Reconnect, ServerClose, Session, SessionLoss,
    TopicAliases, VersionPolicy, Will,
};
use sterna_transport::{Endpoint, SocketOptions, UrlError};

use crate::authentication::Authenticator;
use crate::client::Client;
use crate::engine::Engine;
use crate::error::ConnectError;
use crate::inbox::{AckMode, Unclaimed};
use crate::requests::Requests;
use crate::shared::{Handle, Inner, Shared};
use crate::store::Store;

/// What an adapter gives: something that drives an [`Engine`].
pub trait Runtime {
    /// Why the runtime cannot run a client, such as: there is none here.
    type Error: std::error::Error + Send + Sync + 'static;

    /// A number that differs from client to client and from run to run. The default takes it from the operating
    /// system by way of the standard library.
    fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(std::process::id())
    }

    /// The time of day since 1970, if it is known: messages in a store go on expiring while nobody runs. The default
    /// takes it from the operating system.
    fn wall_clock(&self) -> Option<Duration> {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()
    }

    /// Whether the runtime makes the streams to servers itself, whatever they are: then it is asked for
    /// [`Target::Stream`](crate::Target::Stream) in the place of names, addresses and sockets. Default: no.
    fn makes_streams(&self) -> bool {
        false
    }

    /// Has `engine` driven until it is finished, without waiting for that.
    ///
    /// # Errors
    /// It cannot be driven here.
    fn start(self, engine: Engine) -> Result<(), Self::Error>;
}

/// What an adapter gives whose calls block: its own client, over the one that every adapter has.
pub trait BlockingRuntime: Runtime + Sized {
    /// The client whose calls block.
    type Client;

    /// See [`ClientBuilder::on_this_thread`].
    #[must_use]
    fn on_this_thread(self) -> Self;

    /// Starts the client of `builder`, with [`ClientBuilder::start`].
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    fn build(builder: ClientBuilder<Self, Blocking>) -> Result<Self::Client, ConnectError>;

    /// Waits until the client is connected, or has given up.
    ///
    /// # Errors
    /// As [`Client::connect`].
    fn connect(client: &Self::Client) -> Result<(), ConnectError>;
}

/// Marks a [`ClientBuilder`] whose client is a [`Client`], with futures.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Async;

/// Marks a [`ClientBuilder`] whose client is one with calls that block: [`BlockingRuntime::Client`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Blocking;

/// Sets a client up: `connect` starts it and waits for the server, `build` starts it without connecting. The adapters
/// make it, such as `sterna::tokio::builder`. The options are the same on all of them.
#[must_use = "nothing happens before `connect` or `build`"]
pub struct ClientBuilder<R, M = Async> {
    runtime: R,
    mode: PhantomData<M>,
    /// The servers, in their order.
    endpoints: Result<Vec<Endpoint>, UrlError>,
    config: Config,
    authenticator: Option<Box<dyn Authenticator>>,
    socket: SocketOptions,
    ack: AckMode,
    unclaimed: Unclaimed,
    store: Option<Box<dyn Store>>,
    response_prefix: Box<str>,
    request_limit: usize,
}

/// The options.
impl<R: Runtime, M> ClientBuilder<R, M> {
    fn with_runtime(url: &str, runtime: R) -> Self {
        let mut config = Config::new(runtime.seed());
        let mut endpoint = Endpoint::parse(url);
        if let Ok(endpoint) = &mut endpoint {
            // Options from now on, that a later call may change.
            if let Some(credentials) = endpoint.credentials.take() {
                config.user_name = Some(credentials.user_name);
                config.password = credentials.password;
            }
            if let Some(client_id) = endpoint.client_id.clone() {
                config.client_id = ClientId::Given(client_id);
            }
        }
        Self {
            runtime,
            mode: PhantomData,
            endpoints: endpoint.map(|endpoint| vec![endpoint]),
            config,
            authenticator: None,
            socket: SocketOptions::default(),
            ack: AckMode::default(),
            unclaimed: Unclaimed::default(),
            store: None,
            response_prefix: "sterna/response".into(),
            request_limit: 1_024,
        }
    }

    /// Adds a server: when an attempt fails, the next one is tried at once, and after the last the first; a round of
    /// failures is followed by a pause. All of them are one cluster, with one session for this client.
    ///
    /// A connection that held is made again to the same server first. One that did not hold
    /// ([`Reconnect::stable_after`]), or that the server itself ended, moves on.
    ///
    /// User name and password of this URL are for this server; without, the client's are. `clientId` has no place in
    /// it, since there is one client.
    pub fn server(mut self, url: &str) -> Self {
        let endpoint = Endpoint::parse(url).and_then(|endpoint| match endpoint.client_id {
            Some(_) => Err(UrlError::Query("clientId".into())),
            None => Ok(endpoint),
        });
        self.endpoints = self.endpoints.and_then(|mut endpoints| {
            endpoints.push(endpoint?);
            Ok(endpoints)
        });
        self
    }

    /// Try the servers in an order drawn from the seed. Default: in the order in which they were given.
    pub fn shuffle_servers(mut self, shuffle: bool) -> Self {
        self.config.shuffle_servers = shuffle;
        self
    }

    /// How many times in a row to follow a server that sends us to another (5.0: Use another server, for one
    /// connection, and Server moved, for good), with the scheme and the credentials of the server that was given.
    /// Default: 0, such a server has refused.
    pub fn redirects(mut self, limit: u8) -> Self {
        self.config.redirects = limit;
        self
    }

    /// Enhanced authentication by `method` (5.0): `authenticator` takes the client's steps, for each connection and for
    /// [`Client::reauthenticate`]. There is no falling back to 3.1.1 then. Default: none.
    pub fn authentication(
        mut self,
        method: impl Into<Box<str>>,
        authenticator: impl Authenticator + 'static,
    ) -> Self {
        self.config.authentication = Some(Box::new(Authentication { method: method.into(), data: None }));
        self.authenticator = Some(Box::new(authenticator));
        self
    }

    /// The seed of random client identifiers and of the jitter between attempts. Default: another one each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// The protocol version. Default: 5.0, and 3.1.1 if the server refuses that.
    pub fn version(mut self, version: VersionPolicy) -> Self {
        self.config.version = version;
        self
    }

    /// Sets the bridge flag that some servers know, on 3.x only. Default: off.
    pub fn bridge(mut self, bridge: bool) -> Self {
        self.config.bridge = bridge;
        self
    }

    /// The client identifier. Default: the URL's `clientId`, or `sterna` and 17 random alphanumerics.
    pub fn client_id(mut self, client_id: impl Into<Box<str>>) -> Self {
        self.config.client_id = ClientId::Given(client_id.into());
        self
    }

    /// When CONNECT asks the server to forget an earlier session. Default: on the first connection.
    pub fn clean_start(mut self, clean_start: CleanStart) -> Self {
        self.config.clean_start = clean_start;
        self
    }

    /// A session that outlives this process, found again by the client identifier: [`CleanStart::Never`]. On
    /// 3.x this is Clean Session 0; on 5.0 it lasts for [`session_expiry`](Self::session_expiry).
    pub fn persistent(self) -> Self {
        self.clean_start(CleanStart::Never)
    }

    /// Keeps the session where it outlives the process: publishes of QoS 1 and 2 that were accepted and stored are
    /// sent by the next client with this store, and QoS 2 messages are handed over once, up to the hand-over itself.
    /// Default: none, the session lives as long as the client.
    ///
    /// This implies [`persistent`](Self::persistent); call [`clean_start`](Self::clean_start) after it for anything
    /// else. A random client identifier is drawn once and found again in the store. No thread of an async runtime
    /// waits for the disk, except that [`build`](Self::build) and [`connect`](Self::connect) call
    /// [`Store::load`] where they are called; `RedbStore` has read its file by then.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self.persistent()
    }

    /// Whether messages that are not acknowledged when the client closes are removed from the store instead of kept:
    /// they end as `Closed`, as without a store. Default: they are kept.
    pub fn discard_on_close(mut self, discard: bool) -> Self {
        self.config.discard_on_close = discard;
        self
    }

    /// Session Expiry Interval (5.0), rounded down to seconds; [`Duration::MAX`] never expires. Default: 1 h.
    pub fn session_expiry(mut self, session_expiry: Duration) -> Self {
        self.config.session_expiry = u32::try_from(session_expiry.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Refuse a session that the server has and this process does not know of. Default: off.
    pub fn strict_session(mut self, strict_session: bool) -> Self {
        self.config.strict_session = strict_session;
        self
    }

    /// Keep Alive, rounded down to seconds, at most 65,535; zero is off. Default: 60 s.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.config.keep_alive = u16::try_from(keep_alive.as_secs()).unwrap_or(u16::MAX);
        self
    }

    /// User name. Default: the URL's.
    pub fn user_name(mut self, user_name: impl Into<Box<str>>) -> Self {
        self.config.user_name = Some(user_name.into());
        self
    }

    /// Password. Default: the URL's.
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.config.password = Some(password.into().into_boxed_slice());
        self
    }

    /// The message that the server publishes if this client goes without a DISCONNECT. Default: none.
    pub fn will(mut self, will: Will) -> Self {
        self.config.will = Some(Box::new(will));
        self
    }

    /// User Properties of CONNECT (5.0). Default: none.
    pub fn user_properties(mut self, user_properties: impl Into<PropertiesBuf>) -> Self {
        self.config.user_properties = user_properties.into();
        self
    }

    /// How many messages of QoS 1 and 2 the server may have unacknowledged towards us (5.0); on 3.x only the threshold of
    /// [`ack_blocked_after`](Self::ack_blocked_after). Default: 1,024. A server that exceeds it is disconnected from
    /// once, and allowed 65,535 from then on.
    pub fn receive_maximum(mut self, receive_maximum: u16) -> Self {
        self.config.receive_maximum = receive_maximum;
        self
    }

    /// The largest packet to take, in bytes. Default: the protocol's largest.
    pub fn maximum_packet_size(mut self, maximum_packet_size: u32) -> Self {
        self.config.maximum_packet_size = maximum_packet_size;
        self
    }

    /// How many topic aliases the server may use (5.0). Default: 16.
    pub fn topic_alias_maximum(mut self, topic_alias_maximum: u16) -> Self {
        self.config.topic_alias_maximum = topic_alias_maximum;
        self
    }

    /// Which messages are sent with a topic alias (5.0), which saves sending their topics again and again. Default:
    /// those with [`Publishing::topic_alias`](crate::Publishing::topic_alias).
    pub fn topic_alias(mut self, topic_alias: TopicAliases) -> Self {
        self.config.topic_alias = topic_alias;
        self
    }

    /// Asks the server for Response Information (5.0). Default: off.
    pub fn request_response_information(mut self, request: bool) -> Self {
        self.config.request_response_information = request;
        self
    }

    /// Lets the server explain failures with Reason Strings and User Properties (5.0). Default: on.
    pub fn request_problem_information(mut self, request: bool) -> Self {
        self.config.request_problem_information = request;
        self
    }

    /// How long one attempt may take, from resolving the name to CONNACK. Default: 30 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// How long PINGRESP may take. Default: 10 s.
    pub fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// How long the server may take to acknowledge before the connection is made anew. Default: 60 s; zero is
    /// off.
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.config.ack_timeout = timeout;
        self
    }

    /// How long waiting bytes may make no progress. Default: 30 s; zero is off.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.config.write_timeout = timeout;
        self
    }

    /// How long a graceful disconnect waits for what is pending. Default: 10 s.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.config.drain_timeout = timeout;
        self
    }

    /// How lost connections are made again. Default: for ever, with exponential back-off and jitter.
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// Whether the very first connection is retried like later ones. Default: no, its failure is
    /// [`connect`](Self::connect)'s.
    pub fn retry_first(mut self, first: bool) -> Self {
        self.config.reconnect.first = first;
        self
    }

    /// Decides whether to try again after the server refused or ended the connection. Default:
    /// [`Reconnect::default_retry`].
    pub fn retry(mut self, retry: fn(ServerClose) -> bool) -> Self {
        self.config.reconnect.retry = retry;
        self
    }

    /// Subscribe again to what the server's session lost. Default: on.
    pub fn resubscribe(mut self, resubscribe: bool) -> Self {
        self.config.resubscribe = resubscribe;
        self
    }

    /// How many topic filters one SUBSCRIBE or UNSUBSCRIBE has at most; a larger set goes out in several, as one does
    /// that is larger than the server's Maximum Packet Size. Default: 0, no bound.
    pub fn subscribe_batch(mut self, filters: usize) -> Self {
        self.config.subscribe_batch = filters;
        self
    }

    /// Our own bound on messages of QoS 1 and 2 in flight. Default: 1,024.
    pub fn in_flight_limit(mut self, in_flight_limit: u16) -> Self {
        self.config.in_flight_limit = in_flight_limit;
        self
    }

    /// Our own bound on QoS 2 messages in flight on 3.x, where a server cannot say how many it takes. Default 20; not
    /// zero. Mosquitto 2.0 acknowledges more than that and loses them.
    pub fn exactly_once_limit(mut self, exactly_once_limit: u16) -> Self {
        self.config.exactly_once_limit = exactly_once_limit;
        self
    }

    /// Bounds on operations that wait to be sent: how many, and how many bytes including those that wait to be
    /// acknowledged. Default: 65,536 and 64 MiB.
    pub fn queue_limit(mut self, operations: usize, bytes: usize) -> Self {
        self.config.queue_limit = operations;
        self.config.queue_bytes = bytes;
        self
    }

    /// What happens to a publish for which there is no room: by default it waits. Under every other policy nothing
    /// waits, and what is dropped ends with [`OperationError::Dropped`](crate::OperationError::Dropped). Subscribing and
    /// unsubscribing always wait for room.
    pub fn queue_policy(mut self, queue_policy: QueuePolicy) -> Self {
        self.config.queue_policy = queue_policy;
        self
    }

    /// What becomes of messages in flight when the server has lost the session. Default: QoS 1 is published again, QoS 2
    /// fails unless its PUBREC has come.
    pub fn session_loss(mut self, session_loss: SessionLoss) -> Self {
        self.config.session_loss = session_loss;
        self
    }

    /// Queue messages of QoS 0 while there is no connection. Default: on.
    pub fn queue_qos0(mut self, queue_qos0: bool) -> Self {
        self.config.queue_qos0 = queue_qos0;
        self
    }

    /// How many bytes may wait for the transport. Default: 256 KiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.config.send_buffer = bytes;
        self
    }

    /// How many messages, and bytes of them, may wait for the application before reading pauses. What a stream
    /// has taken from the queue at once, to hand over one by one, comes on top: at most as much again. Default:
    /// 4,096 and 1 MiB.
    pub fn incoming_limit(mut self, messages: usize, bytes: usize) -> Self {
        self.config.incoming_limit = messages;
        self.config.incoming_bytes = bytes;
        self
    }

    /// Up to how many bytes reading goes on beyond that while an operation waits for the server, or somebody for
    /// messages of another stream. Then the oldest messages of QoS 0 are dropped where most of them wait. Default:
    /// 16 MiB.
    pub fn incoming_reserve(mut self, bytes: usize) -> Self {
        self.config.incoming_reserve = bytes;
        self
    }

    /// How long [`receive_maximum`](Self::receive_maximum) may be reached for want of one acknowledgement by the
    /// application until [`Event::AckBlocked`](crate::Event::AckBlocked) names it. Default: 10 s; zero is off.
    pub fn ack_blocked_after(mut self, duration: Duration) -> Self {
        self.config.ack_blocked_after = duration;
        self
    }

    /// Report every packet to [`Client::events`]. Default: off.
    pub fn packet_events(mut self, packet_events: bool) -> Self {
        self.config.packet_events = packet_events;
        self
    }

    /// When messages are acknowledged, for streams that do not say otherwise. Default: [`AckMode::OnNext`].
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.ack = mode;
        self
    }

    /// What becomes of messages that nobody claims. Default: [`Unclaimed::Hold`].
    pub fn unclaimed(mut self, unclaimed: Unclaimed) -> Self {
        self.unclaimed = unclaimed;
        self
    }

    /// Where the answers to [`requests`](Client::request) come to, unless the server gives Response Information: the
    /// client identifier is put behind it as the last level. Default: `sterna/response`.
    pub fn response_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.response_prefix = prefix.into();
        self
    }

    /// How many [`requests`](Client::request) may wait for their answers; more fail. Default: 1,024.
    pub fn request_limit(mut self, requests: usize) -> Self {
        self.request_limit = requests;
        self
    }

    /// Options of the TCP socket: local address, TCP_NODELAY, keepalive.
    pub fn socket(mut self, socket: SocketOptions) -> Self {
        self.socket = socket;
        self
    }

    /// Any option by its name in [`Config`], for what has no method here. `acknowledge` and `servers` are the client's
    /// own and are ignored.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// What the client is driven by.
    pub fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Starts the client without connecting, for adapters that make a client of their own over it.
    ///
    /// # Errors
    /// As [`build`](ClientBuilder::build).
    pub fn start(mut self) -> Result<Client, ConnectError> {
        let endpoints = self.endpoints?;
        // More than anybody has; the rest would never have its turn.
        self.config.servers = u16::try_from(endpoints.len()).unwrap_or(u16::MAX);
        self.config.validate()?;
        let session = self.store.as_deref_mut().map(load).transpose()?;
        let session = session.map(|session| match self.runtime.wall_clock() {
            Some(since_epoch) => session.wall_clock(since_epoch),
            None => session,
        });
        let requests = Requests::new(self.response_prefix, self.request_limit, self.config.seed);
        let shared = Shared::new(Inner::new(self.config, session, self.unclaimed, requests)?);
        let handle = Handle::new(shared.clone());
        let makes_streams = self.runtime.makes_streams();
        let engine =
            Engine::new(shared, endpoints, self.socket, makes_streams, self.authenticator, self.store);
        self.runtime.start(engine).map_err(|error| ConnectError::Runtime(Arc::new(error)))?;
        Ok(Client::new(handle, self.ack))
    }
}

/// A client with futures.
impl<R: Runtime> ClientBuilder<R> {
    /// For the server at `url`, such as `mqtt://localhost`; see [`Endpoint::parse`]. User name, password and
    /// `clientId` of the URL are taken as options.
    pub fn new(url: &str, runtime: R) -> Self {
        Self::with_runtime(url, runtime)
    }

    /// Starts the client and waits for the server's CONNACK. The first failure is the end, unless
    /// [`retry_first`](Self::retry_first) was chosen; later losses are repaired by reconnecting.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, there is no runtime, or the connection could not be
    /// made.
    ///
    /// # Cancel safety
    /// Dropping the future ends the client.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let client = self.build()?;
        client.connect().await?;
        Ok(client)
    }

    /// Starts the client without connecting: [`Client::connect`] does that. Operations before that are queued,
    /// so streams can be there before the first message of a session that the server kept:
    ///
    /// ```
    /// # use sterna_client::{ClientBuilder, ConnectError, QoS, Runtime};
    /// # async fn example(builder: ClientBuilder<impl Runtime>) -> Result<(), Box<dyn std::error::Error>> {
    /// let client = builder.client_id("thermometer").persistent().build()?;
    /// let mut inbox = client.subscribe("command/#").qos(QoS::AtLeastOnce).send()?;
    /// client.connect().await?;
    /// let first = inbox.next().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, there is no runtime, or the store is not this client's.
    pub fn build(self) -> Result<Client, ConnectError> {
        self.start()
    }
}

/// A client whose calls block.
impl<R: BlockingRuntime> ClientBuilder<R, Blocking> {
    /// As [`new`](ClientBuilder::new), for a client whose calls block.
    pub fn blocking(url: &str, runtime: R) -> Self {
        Self::with_runtime(url, runtime)
    }

    /// No thread for the client: the calls that wait drive it, and between them it stands still. Default: it has a
    /// thread of its own.
    pub fn on_this_thread(mut self) -> Self {
        self.runtime = self.runtime.on_this_thread();
        self
    }

    /// Starts the client and waits for the server's CONNACK. The first failure is the end, unless
    /// [`retry_first`](Self::retry_first) was chosen; later losses are repaired by reconnecting.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, the client cannot be driven, or the connection could not be
    /// made.
    pub fn connect(self) -> Result<R::Client, ConnectError> {
        let client = R::build(self)?;
        R::connect(&client)?;
        Ok(client)
    }

    /// Starts the client without connecting: its `connect` does that. Operations before that are queued, so streams can
    /// be there before the first message of a session that the server kept.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, the client cannot be driven, or the store is not this
    /// client's.
    pub fn build(self) -> Result<R::Client, ConnectError> {
        R::build(self)
    }
}

fn load(store: &mut dyn Store) -> Result<Session, ConnectError> {
    let mut session = Session::new();
    let mut loaded = Ok(());
    store.load(&mut |key, record| {
        if loaded.is_ok() {
            loaded = session.load(key, record);
        }
    })?;
    loaded?;
    Ok(session)
}

impl<R, M> fmt::Debug for ClientBuilder<R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("endpoints", &self.endpoints)
            .field("config", &self.config)
            .field("socket", &self.socket)
            .field("ack", &self.ack)
            .field("unclaimed", &self.unclaimed)
            .field("store", &self.store)
            .field("response_prefix", &self.response_prefix)
            .field("request_limit", &self.request_limit)
            .finish_non_exhaustive()
    }
}
