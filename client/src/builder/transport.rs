//! How the bytes travel.

use std::future::Future;
use std::sync::Arc;

use sterna_transport::{Endpoint, SocketOptions, Transport};

use super::{ClientBuilder, Runtime};
use crate::error::ConnectError;
use crate::hook::{BoxError, ConnectAttempt};

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// Options of the TCP socket: local address, TCP_NODELAY, keepalive.
    pub fn socket(mut self, socket: SocketOptions) -> Self {
        self.socket = socket;
        self
    }

    /// What TLS trusts and shows, for `mqtts:` and `wss:`. Default: it trusts what the platform trusts. With a server
    /// that is not reached over TLS this is an error, before anything is sent.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: sterna_transport::TlsOptions) -> Self {
        self.transport.tls = tls;
        self
    }

    /// Further headers and subprotocols of the request that opens a WebSocket, for `ws:` and `wss:`. Without such a
    /// server this is an error. For what changes from attempt to attempt see [`before_connect`](Self::before_connect).
    #[cfg(feature = "websocket")]
    pub fn websocket(mut self, websocket: sterna_transport::WebSocketOptions) -> Self {
        self.transport.websocket = websocket;
        self.has_websocket_options = true;
        self
    }

    /// Goes through a proxy: one [`Proxy`](sterna_transport::Proxy) for every server, or
    /// [`Proxies::from_environment`](sterna_transport::Proxies::from_environment). Unix sockets never do. Default: none,
    /// whatever the environment says.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, proxies: impl Into<sterna_transport::Proxies>) -> Self {
        self.transport.proxies = proxies.into();
        self.has_proxies = true;
        self
    }

    /// Calls `hook` before every attempt to connect: the first, each reconnect, each redirection and each next server. It
    /// may change where the attempt goes and what it says: URL, headers, credentials, certificates, properties of
    /// CONNECT; see [`ConnectAttempt`]. Each attempt begins with what this builder has.
    ///
    /// The attempt waits for the hook's future, within [`connect_timeout`](Self::connect_timeout). An error is a failed
    /// attempt with that text ([`LostKind::Hook`](crate::LostKind::Hook)), and is retried like any. The future is polled by
    /// the client's driver, which must not be blocked; where nothing needs waiting for, return
    /// [`std::future::ready`]. It is dropped when the attempt is given up.
    ///
    /// ```
    /// # use sterna_client::{BoxError, ClientBuilder, Runtime};
    /// # async fn fresh_token() -> Result<String, BoxError> { Ok(String::new()) }
    /// # fn example<R: Runtime>(builder: ClientBuilder<R>) -> ClientBuilder<R> {
    /// builder.before_connect(|mut attempt| async move {
    ///     attempt.user_name = Some("thermometer".into());
    ///     attempt.password = Some(fresh_token().await?.into_bytes().into());
    ///     Ok(attempt)
    /// })
    /// # }
    /// ```
    pub fn before_connect<F>(mut self, mut hook: impl FnMut(ConnectAttempt) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<ConnectAttempt, BoxError>> + Send + 'static,
    {
        self.hook = Some(Box::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// That everything given goes together, before any I/O.
    pub(super) fn check_transport(&self, endpoints: &[Endpoint]) -> Result<(), ConnectError> {
        for endpoint in endpoints {
            self.transport.check(endpoint).map_err(Arc::new)?;
        }
        let none = |is: fn(Transport) -> bool| !endpoints.iter().any(|endpoint| is(endpoint.transport));
        if self.has_websocket_options && none(Transport::is_websocket) {
            return Err(ConnectError::Contradiction("WebSocket options, and no server at a ws: or wss: URL"));
        }
        if self.has_proxies && self.runtime.makes_streams() {
            return Err(ConnectError::Contradiction("a proxy, and streams of the application's own"));
        }
        if self.socket != SocketOptions::default() && none(|transport| transport != Transport::Unix) {
            return Err(ConnectError::Contradiction("options of a TCP socket, and Unix sockets alone"));
        }
        Ok(())
    }
}
