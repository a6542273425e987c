//! What an application does before each attempt to connect.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use sterna_core::packet::PropertiesBuf;
use sterna_core::{Attempt, Config, ConfigError, ConnectOverrides, Credentials, Will};
use sterna_transport::{Endpoint, TransportOptions, UrlError};

use crate::shared::{Inner, Shared};

/// Any error; what a hook fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One attempt to connect, before anything was done for it: what [`ClientBuilder::before_connect`] may change. Each
/// attempt begins with what the builder was given.
///
/// [`ClientBuilder::before_connect`]: crate::ClientBuilder::before_connect
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectAttempt {
    /// Its number.
    pub attempt: Attempt,
    /// The server: one of those that the builder has, or where it has sent us. Its credentials are not looked at, nor is
    /// its client identifier.
    pub endpoint: Endpoint,
    /// How the bytes travel: TLS with its client certificate, headers of a WebSocket, proxies.
    pub transport: TransportOptions,
    /// User name of CONNECT.
    pub user_name: Option<Box<str>>,
    /// Password of CONNECT.
    pub password: Option<Box<[u8]>>,
    /// User Properties of CONNECT (5.0).
    pub user_properties: PropertiesBuf,
    /// The will.
    pub will: Option<Box<Will>>,
}

impl ConnectAttempt {
    /// Goes to the server at `url` instead, with another scheme too; user name and password of the URL, if it has them,
    /// are taken.
    ///
    /// # Errors
    /// [`UrlError`]: the URL does not name a server, or this build has no transport for it.
    pub fn set_url(&mut self, url: &str) -> Result<(), UrlError> {
        self.endpoint = Endpoint::parse(url)?;
        if let Some(credentials) = self.endpoint.credentials.take() {
            self.user_name = Some(credentials.user_name);
            self.password = credentials.password;
        }
        Ok(())
    }

    /// The CONNECT of this attempt.
    pub(crate) fn overrides<'a>(&'a self, authentication_data: Option<&'a [u8]>) -> ConnectOverrides<'a> {
        ConnectOverrides {
            credentials: Some(Credentials {
                user_name: self.user_name.as_deref(),
                password: self.password.as_deref(),
            }),
            authentication_data,
            user_properties: Some(&self.user_properties),
            will: Some(self.will.as_deref()),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        self.overrides(None).validate()
    }
}

/// Shows no secrets.
impl fmt::Debug for ConnectAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectAttempt")
            .field("attempt", &self.attempt)
            .field("endpoint", &self.endpoint)
            .field("transport", &self.transport)
            .field("user_name", &self.user_name.as_ref().map(|_| "<redacted>"))
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .field("user_properties", &self.user_properties)
            .field("will", &self.will)
            .finish()
    }
}

/// The future of one call of the hook.
pub(crate) type Preparing = Pin<Box<dyn Future<Output = Result<ConnectAttempt, BoxError>> + Send>>;

/// The hook itself.
pub(crate) type Prepare = Box<dyn FnMut(ConnectAttempt) -> Preparing + Send>;

/// The hook, and its call that is under way.
pub(crate) struct Hook {
    prepare: Prepare,
    defaults: ConnectDefaults,
    running: Option<Running>,
}

/// What CONNECT has when nobody changes it.
struct ConnectDefaults {
    user_name: Option<Box<str>>,
    password: Option<Box<[u8]>>,
    user_properties: PropertiesBuf,
    will: Option<Box<Will>>,
}

impl ConnectDefaults {
    fn begin(&self, attempt: Attempt, endpoint: &Endpoint, transport: &TransportOptions) -> ConnectAttempt {
        let (user_name, password) = match endpoint.credentials.clone() {
            Some(credentials) => (Some(credentials.user_name), credentials.password),
            None => (self.user_name.clone(), self.password.clone()),
        };
        ConnectAttempt {
            attempt,
            endpoint: endpoint.clone(),
            transport: transport.clone(),
            user_name,
            password,
            user_properties: self.user_properties.clone(),
            will: self.will.clone(),
        }
    }
}

struct Running {
    attempt: Attempt,
    future: Preparing,
    alarm: Arc<Alarm>,
}

/// Wakes the driver for a hook that can go on.
struct Alarm {
    shared: Weak<Shared>,
    raised: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raised.store(true, Ordering::Release);
        if let Some(shared) = self.shared.upgrade() {
            shared.with(Inner::touch);
        }
    }
}

impl Hook {
    pub(crate) fn new(prepare: Prepare, config: &Config) -> Self {
        let defaults = ConnectDefaults {
            user_name: config.user_name.clone(),
            password: config.password.clone(),
            user_properties: config.user_properties.clone(),
            will: config.will.clone(),
        };
        Self { prepare, defaults, running: None }
    }

    /// Whether the hook of this attempt can go on.
    pub(crate) fn is_due(&self, attempt: Attempt) -> bool {
        match &self.running {
            Some(running) if running.attempt == attempt => running.alarm.raised.load(Ordering::Acquire),
            _ => true,
        }
    }

    /// Gives up what is under way.
    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// Goes on for this attempt, from the beginning if it is another than before; what it ended with.
    pub(crate) fn poll(
        &mut self,
        attempt: Attempt,
        endpoint: &Endpoint,
        transport: &TransportOptions,
        shared: &Arc<Shared>,
    ) -> Option<Result<ConnectAttempt, BoxError>> {
        if self.running.as_ref().is_none_or(|running| running.attempt != attempt) {
            self.running = None;
            let begin = self.defaults.begin(attempt, endpoint, transport);
            let future = (self.prepare)(begin);
            let alarm = Arc::new(Alarm { shared: Arc::downgrade(shared), raised: AtomicBool::new(true) });
            self.running = Some(Running { attempt, future, alarm });
        }
        let running = self.running.as_mut()?;
        if !running.alarm.raised.swap(false, Ordering::AcqRel) {
            return None;
        }
        let waker = Waker::from(running.alarm.clone());
        let Poll::Ready(result) = running.future.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return None;
        };
        self.running = None;
        Some(result)
    }
}
