//! How the bytes of a connection travel.

use crate::{Endpoint, TransportError};

/// The WebSocket subprotocol that MQTT's version asks for [MQTT-6.0.0-3].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Subprotocol {
    /// `mqtt`, for 3.1.1 and 5.0.
    #[default]
    Mqtt,
    /// `mqttv3.1`, for 3.1.
    MqttV31,
}

impl Subprotocol {
    /// The name as it stands in the request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::MqttV31 => "mqttv3.1",
        }
    }
}

/// How the bytes of a connection travel. Cloning is cheap, and clones share what TLS remembers of its servers, so that
/// a reconnect resumes the TLS session.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TransportOptions {
    /// What `mqtts:` and `wss:` trust and show.
    #[cfg(feature = "tls")]
    pub tls: crate::TlsOptions,
    /// What the request of `ws:` and `wss:` says besides.
    #[cfg(feature = "websocket")]
    pub websocket: crate::WebSocketOptions,
    /// Through which proxy a server is reached. A Unix socket never goes through one.
    #[cfg(feature = "proxy")]
    pub proxies: crate::Proxies,
}

/// Where to dial for an endpoint: the server, or the proxy before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The name or address to resolve and to dial.
    pub host: Box<str>,
    /// Its TCP port.
    pub port: u16,
    /// The proxy wants an address instead of the server's name (`socks5:`): resolve the endpoint's host as well, and
    /// give the address to [`Pipe::new`](crate::Pipe::new).
    pub resolve_server: bool,
}

impl TransportOptions {
    /// Checks that these options and this endpoint go together, before any I/O.
    ///
    /// # Errors
    /// [`TransportError::Url`] when TLS options are set and the endpoint's transport is not encrypted, or when this
    /// build lacks the transport; `TransportError::TlsConfig`, `TransportError::WebSocket` when an option is wrong in
    /// itself.
    pub fn check(&self, endpoint: &Endpoint) -> Result<(), TransportError> {
        use crate::UrlError;

        let scheme = || endpoint.transport.scheme().into();
        if !endpoint.transport.is_supported() {
            return Err(UrlError::UnsupportedScheme(scheme()).into());
        }
        #[cfg(feature = "tls")]
        if endpoint.transport.is_encrypted() {
            self.tls.client_config()?;
        } else if !self.tls.is_default() {
            return Err(UrlError::NotEncrypted(scheme()).into());
        }
        #[cfg(feature = "websocket")]
        if endpoint.transport.is_websocket() {
            self.websocket.check()?;
        }
        Ok(())
    }

    /// What to resolve and dial for an endpoint. Not for Unix sockets, which have a path.
    pub fn route(&self, endpoint: &Endpoint) -> Route {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = self.proxies.select(endpoint) {
            return Route {
                host: proxy.host.clone(),
                port: proxy.port,
                resolve_server: proxy.kind == crate::ProxyKind::Socks5,
            };
        }
        Route { host: endpoint.host.clone(), port: endpoint.port, resolve_server: false }
    }
}
