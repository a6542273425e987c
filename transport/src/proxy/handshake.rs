//! Asking a proxy to connect us.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, BytesMut};

use super::http::HttpConnect;
use super::socks5::Socks5;
use super::{Proxy, ProxyError, ProxyKind};
use crate::Endpoint;
use crate::pipe::write_some;

/// A proxy that is being asked to connect us.
pub(crate) struct ProxyHandshake {
    state: State,
    /// What is to be written.
    out: BytesMut,
}

enum State {
    Http(HttpConnect),
    Socks5(Socks5),
}

impl ProxyHandshake {
    pub(crate) fn start(
        proxy: &Proxy,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
    ) -> Result<Self, ProxyError> {
        let mut out = BytesMut::new();
        let state = match proxy.kind {
            ProxyKind::Http => State::Http(HttpConnect::start(proxy, endpoint, &mut out)?),
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                State::Socks5(Socks5::start(proxy, endpoint, address, &mut out)?)
            }
        };
        Ok(Self { state, out })
    }

    /// Takes what the proxy says. Whether we are connected: what `wire` has then is the server's.
    pub(crate) fn receive(&mut self, wire: &mut BytesMut) -> Result<bool, ProxyError> {
        let mut input = &wire[..];
        let is_connected = match &mut self.state {
            State::Http(http) => http.receive(&mut input)?,
            State::Socks5(socks5) => socks5.receive(&mut input, &mut self.out)?,
        };
        let used = wire.len() - input.len();
        wire.advance(used);
        Ok(is_connected)
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }

    /// Writes what there is. `false`: the socket would block.
    pub(crate) fn flush(&mut self, wire: &mut dyn io::Write) -> io::Result<bool> {
        while !self.out.is_empty() {
            match write_some(|| wire.write(&self.out))? {
                Some(written) => self.out.advance(written),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
