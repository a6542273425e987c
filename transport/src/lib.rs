//! Byte pipes between an MQTT connection and the network, without any I/O: where to connect to and how.
#![forbid(unsafe_code)]

mod socket;
mod url;

pub use socket::SocketOptions;
pub use url::{Credentials, Endpoint, UrlError};
