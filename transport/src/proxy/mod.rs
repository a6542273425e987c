//! Proxies between us and the server: HTTP CONNECT and SOCKS5.

mod environment;
mod error;
mod handshake;
mod http;
mod socks5;

use std::str::FromStr;

pub use environment::Proxies;
pub use error::ProxyError;
pub(crate) use handshake::ProxyHandshake;

use crate::Credentials;
use crate::url::{parse_credentials, parse_server};

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP CONNECT (`http:`). The proxy resolves the server's name.
    Http,
    /// SOCKS5 (`socks5:`). We resolve the server's name.
    Socks5,
    /// SOCKS5 (`socks5h:`). The proxy resolves the server's name, so that nobody here learns it.
    Socks5h,
}

impl ProxyKind {
    /// The port of a URL that has none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Socks5 | Self::Socks5h => 1080,
        }
    }
}

/// A proxy.
///
/// ```
/// use sterna_transport::{Proxy, ProxyKind};
///
/// let proxy = Proxy::parse("socks5h://ann:secret@proxy.example.org")?;
/// assert_eq!((proxy.kind, &*proxy.host, proxy.port), (ProxyKind::Socks5h, "proxy.example.org", 1080));
/// assert!(!format!("{proxy:?}").contains("secret"));
/// # Ok::<(), sterna_transport::ProxyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Its host name, IPv4 address, or IPv6 address without brackets.
    pub host: Box<str>,
    /// Its TCP port.
    pub port: u16,
    /// What it is to know us by.
    pub credentials: Option<Credentials>,
}

impl Proxy {
    /// Reads `http://user:password@host:port`, or the same with `socks5:` or `socks5h:`. User, password and port may be
    /// left out; the port is then 80 for HTTP and 1080 for SOCKS. User and password are percent-decoded.
    ///
    /// # Errors
    /// [`ProxyError::Url`], [`ProxyError::Scheme`], and [`ProxyError::Credentials`] when the protocol has no way to say
    /// them.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once("://").ok_or(crate::UrlError::NoScheme)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => ProxyKind::Http,
            "socks5" => ProxyKind::Socks5,
            "socks5h" => ProxyKind::Socks5h,
            _ => return Err(ProxyError::Scheme(scheme.into())),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#']) {
            return Err(crate::UrlError::Path(rest[at..].into()).into());
        }
        let (credentials, server) = match rest.rsplit_once('@') {
            Some((credentials, server)) => (Some(parse_credentials(credentials)?), server),
            None => (None, rest),
        };
        let (host, port) = parse_server(server)?;
        let proxy = Self { kind, host, port: port.unwrap_or(kind.default_port()), credentials };
        if proxy.credentials.as_ref().is_some_and(|credentials| !kind.can_say(credentials)) {
            return Err(ProxyError::Credentials);
        }
        Ok(proxy)
    }
}

impl ProxyKind {
    /// Whether user and password fit: HTTP ends the user at a colon (RFC 7617), SOCKS5 has a byte for each length
    /// (RFC 1929).
    fn can_say(self, credentials: &Credentials) -> bool {
        let password = credentials.password.as_deref().unwrap_or_default();
        match self {
            Self::Http => !credentials.user_name.contains(':'),
            Self::Socks5 | Self::Socks5h => {
                (1..=255).contains(&credentials.user_name.len()) && (1..=255).contains(&password.len())
            }
        }
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        Self::parse(url)
    }
}
