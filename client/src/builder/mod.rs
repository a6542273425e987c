//! Options, and starting a client on a runtime.

#[cfg(feature = "blocking")]
mod blocking;
mod protocol;
mod receiving;
mod reconnecting;
#[cfg(feature = "record")]
mod recording;
mod sending;
mod session;
mod transport;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use sterna_core::{ClientId, Config, Session};
use sterna_transport::{Endpoint, SocketOptions, TransportOptions, UrlError};

use crate::authentication::Authenticator;
use crate::client::Client;
use crate::engine::{Engine, Setup};
use crate::error::ConnectError;
use crate::hook::{Hook, Prepare};
use crate::inbox::{AckMode, Unclaimed};
use crate::machine::Attached;
use crate::requests::Requests;
use crate::shared::{Handle, Inner, Shared};
use crate::store::Store;

#[cfg(feature = "blocking")]
pub use self::blocking::{Blocking, BlockingRuntime};

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

/// Marks a [`ClientBuilder`] whose client is a [`Client`], with futures.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Async;

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
    transport: TransportOptions,
    has_websocket_options: bool,
    has_proxies: bool,
    hook: Option<Prepare>,
    ack: AckMode,
    unclaimed: Unclaimed,
    store: Option<Box<dyn Store>>,
    response_prefix: Box<str>,
    request_limit: usize,
    recorder: Attached,
}

/// Any option.
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
            transport: TransportOptions::default(),
            has_websocket_options: false,
            has_proxies: false,
            hook: None,
            ack: AckMode::default(),
            unclaimed: Unclaimed::default(),
            store: None,
            response_prefix: "sterna/response".into(),
            request_limit: 1_024,
            recorder: Attached::default(),
        }
    }

    /// Any option by its name in [`Config`], for what has no method here. `acknowledge` and `servers` are the client's
    /// own and are ignored.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    fn start(mut self) -> Result<Client, ConnectError> {
        let endpoints = self.endpoints.clone()?;
        self.check_transport(&endpoints)?;
        // More than anybody has; the rest would never have its turn.
        self.config.servers = u16::try_from(endpoints.len()).unwrap_or(u16::MAX);
        self.config.validate()?;
        let wall_clock = self.runtime.wall_clock();
        let recorder = &mut self.recorder;
        let session = self.store.as_deref_mut().map(|store| load(store, wall_clock, recorder)).transpose()?;
        let requests = Requests::new(self.response_prefix, self.request_limit, self.config.seed);
        let hook = self.hook.map(|prepare| Box::new(Hook::new(prepare, &self.config)));
        let shared = Shared::new(Inner::new(self.config, session, self.unclaimed, requests, self.recorder)?);
        let handle = Handle::new(shared.clone());
        let setup = Setup {
            endpoints,
            transport: self.transport,
            socket: self.socket,
            makes_streams: self.runtime.makes_streams(),
            hook,
            authenticator: self.authenticator,
            store: self.store,
        };
        let engine = Engine::new(shared, setup);
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

fn load(
    store: &mut dyn Store,
    wall_clock: Option<Duration>,
    recorder: &mut Attached,
) -> Result<Session, ConnectError> {
    let mut session = Session::new();
    if let Some(since_epoch) = wall_clock {
        session = session.wall_clock(since_epoch);
    }
    recorder.begin_store(wall_clock);
    let mut loaded = Ok(());
    store.load(&mut |key, record| {
        if loaded.is_ok() {
            recorder.stored(key, record);
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
            .field("transport", &self.transport)
            .field("ack", &self.ack)
            .field("unclaimed", &self.unclaimed)
            .field("store", &self.store)
            .field("response_prefix", &self.response_prefix)
            .field("request_limit", &self.request_limit)
            .finish_non_exhaustive()
    }
}
