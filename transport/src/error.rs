//! Why a pipe failed.

use std::io;

use crate::UrlError;

/// Why a pipe cannot be made, or what ended it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The endpoint contradicts the options, or this build does not have its transport.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The socket failed to write.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server ended the connection in an orderly way (TLS close_notify).
    #[error("the server closed the connection")]
    Closed,
    /// The proxy refused, or is none.
    #[cfg(feature = "proxy")]
    #[error(transparent)]
    Proxy(#[from] crate::ProxyError),
    /// TLS cannot be set up.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    TlsConfig(#[from] crate::TlsConfigError),
    /// TLS failed.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    Tls(#[from] crate::TlsError),
    /// WebSocket failed, or the server closed it.
    #[cfg(feature = "websocket")]
    #[error(transparent)]
    WebSocket(#[from] crate::WebSocketError),
}
