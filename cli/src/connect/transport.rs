//! How the bytes travel: WebSocket, proxy and socket.

use std::net::IpAddr;

use clap::Args;
use sterna_client::{ClientBuilder, Proxies, Proxy, SocketOptions, WebSocketOptions};

use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Transport")]
#[allow(clippy::struct_excessive_bools)] // Independent switches.
pub(crate) struct TransportArguments {
    /// A header of the request for a WebSocket: 'Name: value'; repeatable
    #[arg(short = 'H', long, visible_alias = "ws-header", value_name = "HEADER")]
    header: Vec<String>,
    /// Ask for this WebSocket subprotocol instead of mqtt; repeatable, the best first
    #[arg(long, value_name = "NAME")]
    ws_subprotocol: Vec<String>,
    /// Go through this proxy: http://, socks5:// or socks5h://[USER[:PASSWORD]@]HOST[:PORT]
    #[arg(long, value_name = "URL", conflicts_with = "proxy_from_environment")]
    proxy: Option<String>,
    /// Go through the proxy that ALL_PROXY and HTTPS_PROXY say, but for the hosts in NO_PROXY
    #[arg(long)]
    proxy_from_environment: bool,
    /// The local address to connect from
    #[arg(short = 'A', long = "bind", value_name = "ADDRESS")]
    bind: Option<IpAddr>,
    /// Have the operating system probe an idle connection (SO_KEEPALIVE)
    #[arg(long)]
    tcp_keepalive: bool,
    /// Wait for small packets to become larger ones (Nagle's algorithm): less packets, more delay
    #[arg(long, conflicts_with = "nodelay")]
    delay: bool,
    /// Send small packets at once: no need to say so
    #[arg(long)]
    nodelay: bool,
}

/// The options as the library takes them.
#[derive(Clone)]
pub(super) struct Travel {
    websocket: Option<WebSocketOptions>,
    proxies: Option<Proxies>,
    socket: SocketOptions,
}

impl TransportArguments {
    pub(super) fn travel(&self) -> Result<Travel, Failure> {
        let mut socket =
            SocketOptions { bind: self.bind, keepalive: self.tcp_keepalive, ..SocketOptions::default() };
        socket.nodelay = !self.delay;
        Ok(Travel { websocket: self.websocket()?, proxies: self.proxies()?, socket })
    }

    fn websocket(&self) -> Result<Option<WebSocketOptions>, Failure> {
        if self.header.is_empty() && self.ws_subprotocol.is_empty() {
            return Ok(None);
        }
        let mut options = WebSocketOptions::new();
        for header in &self.header {
            // It may be a secret: it is not repeated.
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| Failure::Usage("--header has a name, a colon and a value".to_owned()))?;
            options = options.header(name.trim(), value.trim());
        }
        for name in &self.ws_subprotocol {
            options = options.subprotocol(name);
        }
        Ok(Some(options))
    }

    fn proxies(&self) -> Result<Option<Proxies>, Failure> {
        let wrong = |error| Failure::Usage(format!("proxy: {error}"));
        if self.proxy_from_environment {
            let proxies = Proxies::from_environment(|name| std::env::var(name).ok()).map_err(wrong)?;
            return Ok(Some(proxies));
        }
        self.proxy.as_deref().map(|url| Proxy::parse(url).map(Proxies::from).map_err(wrong)).transpose()
    }
}

impl Travel {
    pub(super) fn apply<R: sterna_client::Runtime>(&self, builder: ClientBuilder<R>) -> ClientBuilder<R> {
        let mut builder = builder.socket(self.socket);
        if let Some(websocket) = &self.websocket {
            builder = builder.websocket(websocket.clone());
        }
        if let Some(proxies) = &self.proxies {
            builder = builder.proxy(proxies.clone());
        }
        builder
    }
}
