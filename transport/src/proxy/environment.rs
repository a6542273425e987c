//! Which connection goes through which proxy.

use std::net::IpAddr;

use super::{Proxy, ProxyError};
use crate::{Endpoint, Transport};

/// Which connection goes through which proxy. By default none does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    encrypted: Option<Proxy>,
    unencrypted: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// A server that is reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// The domain and what is below it.
    Domain(Box<str>),
    /// Addresses whose first bits are these.
    Network(IpAddr, u8),
}

/// All connections go through this proxy, to Unix sockets apart.
impl From<Proxy> for Proxies {
    fn from(proxy: Proxy) -> Self {
        Self { encrypted: Some(proxy.clone()), unencrypted: Some(proxy), exceptions: Vec::new() }
    }
}

impl Proxies {
    /// What the environment says. `variable` gives the value of a variable by name.
    ///
    /// - `all_proxy`, or else `ALL_PROXY`: the proxy of all connections.
    /// - `https_proxy`, or else `HTTPS_PROXY`: the one of encrypted connections, if set.
    /// - `no_proxy`, or else `NO_PROXY`: servers without one, separated by commas: `example.org` is that domain and all
    ///   below it, as is `.example.org`; an address or a network, `10.0.0.0/8`; `host:port`; `*` is everything.
    ///
    /// A proxy without a scheme is HTTP. A variable that is empty counts as not set.
    ///
    /// ```
    /// use sterna_transport::Proxies;
    ///
    /// let proxies = Proxies::from_environment(|name| std::env::var(name).ok())?;
    /// # Ok::<(), sterna_transport::ProxyError>(())
    /// ```
    ///
    /// # Errors
    /// [`ProxyError`]: a proxy's URL cannot be used. Exceptions that cannot be read are none.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let value = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.is_empty());
            set(&name.to_ascii_lowercase()).or_else(|| set(name))
        };
        let proxy = |name: &str| value(name).map(|url| parse(&url)).transpose();
        let all = proxy("ALL_PROXY")?;
        let exceptions = value("NO_PROXY").unwrap_or_default();
        Ok(Self {
            encrypted: proxy("HTTPS_PROXY")?.or_else(|| all.clone()),
            unencrypted: all,
            exceptions: exceptions.split(',').filter_map(|text| Exception::parse(text.trim())).collect(),
        })
    }

    /// The proxy of a connection.
    pub fn select(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        let proxy = match endpoint.transport {
            Transport::Unix => None,
            Transport::Tls | Transport::WebSocketTls => self.encrypted.as_ref(),
            Transport::Tcp | Transport::WebSocket => self.unencrypted.as_ref(),
        };
        proxy.filter(|_| !self.exceptions.iter().any(|exception| exception.holds_for(endpoint)))
    }
}

fn parse(url: &str) -> Result<Proxy, ProxyError> {
    if url.contains("://") { Proxy::parse(url) } else { Proxy::parse(&format!("http://{url}")) }
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { hosts: Hosts::All, port: None });
        }
        if let Some(hosts) = parse_network(text) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = crate::url::parse_server(text.strip_prefix('.').unwrap_or(text)).ok()?;
        if text.is_empty() || text.starts_with(':') {
            return None;
        }
        let hosts = parse_network(&host).unwrap_or_else(|| Hosts::Domain(host.to_ascii_lowercase().into()));
        Some(Self { hosts, port })
    }

    fn holds_for(&self, endpoint: &Endpoint) -> bool {
        if self.port.is_some_and(|port| port != endpoint.port) {
            return false;
        }
        match &self.hosts {
            Hosts::All => true,
            Hosts::Network(network, bits) => endpoint
                .host
                .parse()
                .is_ok_and(|address| first_bits(address, *bits) == first_bits(*network, *bits)),
            Hosts::Domain(domain) => {
                let host = endpoint.host.to_ascii_lowercase();
                let host = host.strip_suffix('.').unwrap_or(&host);
                host.strip_suffix(&**domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
        }
    }
}

/// An address, or an address and how many of its bits count.
fn parse_network(text: &str) -> Option<Hosts> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|&bits| bits <= all))?;
    Some(Hosts::Network(address, bits))
}

/// Whether it is IPv6, and the bits.
fn first_bits(address: IpAddr, bits: u8) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => {
            (false, u32::from(address).checked_shr(32 - u32::from(bits)).unwrap_or(0).into())
        }
        IpAddr::V6(address) => (true, u128::from(address).checked_shr(128 - u32::from(bits)).unwrap_or(0)),
    }
}
