//! The URL of a server.

mod error;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use error::UrlError;
#[cfg(feature = "proxy")]
pub(crate) use parse::{parse_credentials, parse_server};

/// What carries MQTT's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP, unencrypted: `mqtt:` and `tcp:`, port 1883.
    Tcp,
    /// TLS over TCP: `mqtts:`, `tls:` and `ssl:`, port 8883.
    Tls,
    /// WebSocket over TCP, unencrypted: `ws:`, port 80.
    WebSocket,
    /// WebSocket over TLS: `wss:`, port 443.
    WebSocketTls,
    /// A Unix domain socket: `unix:` and `mqtt+unix:`.
    Unix,
}

impl Transport {
    /// Whether the bytes are encrypted.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }

    /// Whether MQTT's packets travel in WebSocket frames.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }

    /// Whether this build has it.
    pub fn is_supported(self) -> bool {
        match self {
            Self::Tcp => true,
            Self::Tls => cfg!(feature = "tls"),
            Self::WebSocket => cfg!(feature = "websocket"),
            Self::WebSocketTls => cfg!(all(feature = "tls", feature = "websocket")),
            Self::Unix => cfg!(all(feature = "unix", unix)),
        }
    }

    /// The port of a URL that has none. A Unix socket has 0.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Tcp => 1883,
            Self::Tls => 8883,
            Self::WebSocket => 80,
            Self::WebSocketTls => 443,
            Self::Unix => 0,
        }
    }

    /// The scheme that is shown: of those with one meaning, the one that MQTT's users know best.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::WebSocket => "ws",
            Self::WebSocketTls => "wss",
            Self::Unix => "unix",
        }
    }

    fn from_scheme(scheme: &str) -> Option<Self> {
        Some(match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => Self::Tcp,
            "mqtts" | "tls" | "ssl" => Self::Tls,
            "ws" => Self::WebSocket,
            "wss" => Self::WebSocketTls,
            "unix" | "mqtt+unix" => Self::Unix,
            _ => return None,
        })
    }
}

/// User name and password of a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user_name: Box<str>,
    /// The password, if the URL has one.
    pub password: Option<Box<[u8]>>,
}

/// Shows neither.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<redacted>)")
    }
}

/// Where a server is, and what its URL says besides.
///
/// ```
/// use sterna_transport::{Endpoint, Transport};
///
/// let endpoint = Endpoint::parse("mqtt://ann:s%3Acret@[::1]:1884?clientId=thermometer")?;
/// assert_eq!(endpoint.transport, Transport::Tcp);
/// assert_eq!((&*endpoint.host, endpoint.port), ("::1", 1884));
/// assert_eq!(endpoint.client_id.as_deref(), Some("thermometer"));
/// assert_eq!(endpoint.to_string(), "mqtt://[::1]:1884");
/// # Ok::<(), sterna_transport::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// What carries the bytes.
    pub transport: Transport,
    /// A host name, an IPv4 address, or an IPv6 address without its brackets. Empty for a Unix socket.
    pub host: Box<str>,
    /// The TCP port. 0 for a Unix socket.
    pub port: u16,
    /// WebSocket: path and query of the request, which begin with `/`, percent-encoded. A Unix socket: the path of its
    /// file, decoded. Else empty.
    pub path: Box<str>,
    /// What stands before the `@`.
    pub credentials: Option<Credentials>,
    /// The query's `clientId`.
    pub client_id: Option<Box<str>>,
}

impl Endpoint {
    /// Reads a URL:
    ///
    /// | URL | Default port |
    /// |---|---|
    /// | `mqtt://user:password@host:port?clientId=id`, or `tcp:` | 1883 |
    /// | `mqtts://…`, `tls:` or `ssl:` | 8883 |
    /// | `ws://user:password@host:port/path?query` | 80 |
    /// | `wss://…` | 443 |
    /// | `unix://user:password@/run/mqtt.sock?clientId=id`, or `mqtt+unix:` | |
    ///
    /// All but the scheme, and a Unix socket's path, may be left out; the host is then `localhost`. User name, password,
    /// client identifier and a Unix socket's path are percent-decoded. User name and password are MQTT's in every
    /// scheme. For WebSocket the path is `/` by default, and the query is sent to the server as it is: `clientId` is read
    /// from it and stays in it, as in MQTT.js. For the others a query has `clientId` alone. What follows a `#` is ignored.
    ///
    /// # Errors
    /// [`UrlError`]; a scheme that this build has no transport for is an error, never read as plain TCP.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        parse::parse(url).map(|parsed| parsed.endpoint)
    }

    /// Where this server has sent us: a server reference (5.0 §4.11), as `host`, `host:port` or a URL; an IPv6 address
    /// may stand without brackets if there is no port. Credentials stay those of this endpoint, and so does the
    /// transport: what was meant for an encrypted connection never goes over another. The path of a WebSocket stays
    /// too, unless the reference is a URL that has one.
    ///
    /// ```
    /// use sterna_transport::Endpoint;
    ///
    /// let endpoint = Endpoint::parse("mqtt://ann@here:1884")?;
    /// let other = endpoint.redirected("[2001:db8::2]:1885")?;
    /// assert_eq!((&*other.host, other.port), ("2001:db8::2", 1885));
    /// assert_eq!(other.credentials, endpoint.credentials);
    /// assert!(endpoint.redirected("wss://other").is_err());
    /// # Ok::<(), sterna_transport::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// [`UrlError`]: it does not name a server, or one of another transport.
    pub fn redirected(&self, reference: &str) -> Result<Self, UrlError> {
        let scheme = self.transport.scheme();
        let is_url = reference.contains("://");
        let named = if is_url {
            parse::parse(reference)?
        } else if self.transport == Transport::Unix {
            return Err(UrlError::OtherTransport(reference.into()));
        } else if reference.is_empty() {
            return Err(UrlError::Host(reference.into()));
        } else if reference.parse::<std::net::Ipv6Addr>().is_ok() {
            parse::parse(&format!("{scheme}://[{reference}]"))?
        } else {
            parse::parse(&format!("{scheme}://{reference}"))?
        };
        if named.endpoint.transport != self.transport {
            return Err(UrlError::OtherTransport(named.endpoint.transport.scheme().into()));
        }
        if named.has_path && !is_url {
            return Err(UrlError::Path(named.endpoint.path));
        }
        let path = if named.has_path { named.endpoint.path } else { self.path.clone() };
        Ok(Self { host: named.endpoint.host, port: named.endpoint.port, path, ..self.clone() })
    }

    /// `host:port` as it stands in a URL or in HTTP, an IPv6 address in brackets.
    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

/// The URL without its credentials and query, which may be secrets.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split_once('?').map_or(&*self.path, |(path, _)| path);
        match self.transport {
            Transport::Unix => write!(f, "unix://{}", parse::encode_socket_path(&self.path)),
            Transport::WebSocket | Transport::WebSocketTls => {
                write!(f, "{}://{}{path}", self.transport.scheme(), self.authority())
            }
            Transport::Tcp | Transport::Tls => {
                write!(f, "{}://{}", self.transport.scheme(), self.authority())
            }
        }
    }
}

/// As [`Display`](fmt::Display), and the client identifier.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &format_args!("{self}"))
            .field("credentials", &self.credentials)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
