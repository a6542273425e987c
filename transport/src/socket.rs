//! What an adapter sets on a socket.

use std::net::IpAddr;

/// Options of a TCP socket, carried out by the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketOptions {
    /// The local address to connect from. Default: the system's choice.
    pub bind: Option<IpAddr>,
    /// Send small packets at once (TCP_NODELAY). Default on: Nagle's algorithm costs MQTT's short exchanges most
    /// of their rate.
    pub nodelay: bool,
    /// Have the operating system probe an idle connection (SO_KEEPALIVE). Default off: MQTT's keep alive does it.
    pub keepalive: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { bind: None, nodelay: true, keepalive: false }
    }
}
