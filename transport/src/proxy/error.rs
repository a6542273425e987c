//! Why a proxy does not let us through.

use crate::UrlError;

/// Why a proxy cannot be used, or does not let us through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy's URL cannot be read.
    #[error("the proxy's URL: {0}")]
    Url(#[from] UrlError),
    /// Another kind of proxy.
    #[error("proxies of scheme `{0}` are not supported: use http, socks5 or socks5h")]
    Scheme(Box<str>),
    /// User and password have a form that the proxy's protocol cannot say.
    #[error("user and password cannot be told to a proxy of this kind")]
    Credentials,
    /// The server's name cannot be told to the proxy.
    #[error("the server's name `{0}` cannot be told to the proxy")]
    ServerName(Box<str>),
    /// The proxy wants an address, and the server's name was not resolved.
    #[error("a socks5 proxy needs the server's address: resolve it, or use socks5h")]
    Unresolved,
    /// The proxy wants to know who we are, or does not believe it.
    #[error("the proxy demands other credentials, or any")]
    Authentication,
    /// The HTTP proxy refuses.
    #[error("the proxy refuses to connect: {status} {reason}")]
    Refused {
        /// The status code, such as 403.
        status: u16,
        /// The proxy's own words.
        reason: Box<str>,
    },
    /// The SOCKS5 proxy cannot connect or refuses to.
    #[error("the proxy cannot connect: {}", describe(*.0))]
    Reply(u8),
    /// What answers is no proxy of this kind.
    #[error("the proxy's answer is not understood: {0}")]
    Answer(&'static str),
    /// The connection ended before the proxy had answered.
    #[error("the proxy closed the connection")]
    Cut,
}

/// RFC 1928 §6.
fn describe(reply: u8) -> &'static str {
    match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "CONNECT is not supported",
        8 => "this kind of address is not supported",
        _ => "unknown reason",
    }
}
