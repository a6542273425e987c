//! Asking a proxy to connect us.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, BytesMut};

use super::http::HttpConnect;
use super::socks5::Socks5;
use super::{ProxyError, ProxyKind};
use crate::pipe::write_some;
use crate::{Endpoint, TransportError, TransportOptions};

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
    /// The hand-shake of a connection to this endpoint, if a proxy is before it. `address` is the endpoint's.
    pub(crate) fn for_endpoint(
        endpoint: &Endpoint,
        options: &TransportOptions,
        address: Option<IpAddr>,
    ) -> Result<Option<Box<Self>>, TransportError> {
        let Some(proxy) = options.proxies.select(endpoint) else { return Ok(None) };
        let mut out = BytesMut::new();
        let state = match proxy.kind {
            ProxyKind::Http => State::Http(HttpConnect::start(proxy, endpoint, &mut out)?),
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                State::Socks5(Socks5::start(proxy, endpoint, address, &mut out)?)
            }
        };
        Ok(Some(Box::new(Self { state, out })))
    }

    /// Takes what the proxy says. Whether we are connected: what `wire` has then is the server's.
    pub(crate) fn receive(&mut self, wire: &mut &[u8]) -> Result<bool, TransportError> {
        Ok(match &mut self.state {
            State::Http(http) => http.receive(wire)?,
            State::Socks5(socks5) => socks5.receive(wire, &mut self.out)?,
        })
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

    #[expect(clippy::unused_self, reason = "the other layers have an end that is none")]
    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        Err(ProxyError::Cut.into())
    }
}
