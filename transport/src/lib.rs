//! Byte pipes between an MQTT connection and the network, without any I/O: where to connect to, and what lies between
//! MQTT's bytes and the socket's.
//!
//! An [`Endpoint`] is read from a URL, [`TransportOptions`] say how its bytes travel, and a [`Pipe`] translates between
//! the two: proxy, then TLS, then WebSocket. Plain TCP and Unix sockets have no pipe at all.
#![forbid(unsafe_code)]

mod error;
#[cfg(any(feature = "proxy", feature = "websocket"))]
mod http_head;
mod options;
mod pipe;
#[cfg_attr(not(feature = "proxy"), path = "proxy/absent.rs")]
mod proxy;
mod socket;
#[cfg_attr(not(feature = "tls"), path = "tls/absent.rs")]
mod tls;
mod url;
#[cfg_attr(not(feature = "websocket"), path = "websocket/absent.rs")]
mod websocket;

pub use error::TransportError;
pub use options::{Route, Subprotocol, TransportOptions};
pub use pipe::Pipe;
#[cfg(feature = "proxy")]
pub use proxy::{Proxies, Proxy, ProxyError, ProxyKind};
pub use socket::SocketOptions;
#[cfg(feature = "tls")]
pub use tls::{TlsConfigError, TlsError, TlsOptions};
pub use url::{Credentials, Endpoint, Transport, UrlError};
#[cfg(feature = "websocket")]
pub use websocket::{WebSocketError, WebSocketOptions};

/// The version of rustls that [`TlsOptions`] speaks.
#[cfg(feature = "tls")]
pub use rustls;
