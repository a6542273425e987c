//! The way to a server: the hook, names, dials, and the pipe.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use sterna_core::{Attempt, LostKind};
use sterna_transport::{Endpoint, Pipe, Transport, TransportError, TransportOptions};

use super::{Drive, Link, Piped, lost};
use crate::wire::WireBuffer;
use crate::dialler::{DialId, Dialler, Target};
use crate::hook::{BoxError, ConnectAttempt};

impl Drive {
    /// Begins an attempt at this server, or where it has sent us.
    pub(super) fn reach(&mut self, attempt: Attempt, server: u16, redirect: Option<&str>) {
        self.server_address = None;
        match self.find(server, redirect) {
            Ok(endpoint) => self.endpoint = endpoint,
            Err(detail) => return self.fail(attempt, LostKind::Resolve, detail),
        }
        if self.hooked {
            self.link = Link::Preparing { attempt };
        } else {
            self.begin(attempt);
        }
    }

    fn find(&self, server: u16, redirect: Option<&str>) -> Result<Endpoint, String> {
        let Some(endpoint) = self.endpoints.get(usize::from(server)) else {
            return Err(format!("there is no server {server}"));
        };
        let Some(reference) = redirect else { return Ok(endpoint.clone()) };
        endpoint.redirected(reference).map_err(|error| format!("server reference `{reference}`: {error}"))
    }

    /// The hook has ended.
    pub(super) fn handle_prepared(&mut self, attempt: Attempt, result: Result<ConnectAttempt, BoxError>) {
        let checked = result.map_err(|error| error.to_string()).and_then(|prepared| {
            let validated = prepared.validate();
            validated.map(|()| prepared).map_err(|error| error.to_string())
        });
        match checked {
            Ok(prepared) => {
                self.endpoint = prepared.endpoint.clone();
                self.prepared = Some(Box::new(prepared));
                self.begin(attempt);
            }
            Err(detail) => self.fail(attempt, LostKind::Hook, detail),
        }
    }

    fn fail(&mut self, attempt: Attempt, kind: LostKind, detail: String) {
        self.link = Link::Gone { attempt, lost: lost(kind, detail) };
    }

    fn options(&self) -> &TransportOptions {
        self.prepared.as_ref().map_or(&self.transport, |prepared| &prepared.transport)
    }

    /// Resolves or dials, whatever is next on the way to the endpoint.
    fn begin(&mut self, attempt: Attempt) {
        let endpoint = &self.endpoint;
        if let Err(error) = self.options().check(endpoint) {
            return self.fail(attempt, kind_of(&error), error.to_string());
        }
        if self.makes_streams {
            return self.dial(attempt, [Target::Stream(Box::new(endpoint.clone()))]);
        }
        if endpoint.transport == Transport::Unix {
            return self.dial(attempt, [Target::Unix(PathBuf::from(&*endpoint.path))]);
        }
        let route = self.options().route(endpoint);
        if route.resolve_server && self.server_address.is_none() {
            let (host, port) = (endpoint.host.clone(), endpoint.port);
            let Ok(address) = host.parse() else {
                self.link = Link::Resolving { attempt, host, port, for_proxy: true, asked: false };
                return;
            };
            self.server_address = Some(address);
        }
        let (host, port) = (route.host, route.port);
        match host.parse::<IpAddr>() {
            Ok(address) => self.dial(attempt, [Target::Tcp(SocketAddr::new(address, port))]),
            Err(_) => self.link = Link::Resolving { attempt, host, port, for_proxy: false, asked: false },
        }
    }

    pub(super) fn handle_resolved(&mut self, result: Result<impl IntoIterator<Item = SocketAddr>, String>) {
        let Link::Resolving { attempt, host, for_proxy, .. } = &mut self.link else { return };
        let (attempt, for_proxy, host) = (*attempt, *for_proxy, std::mem::take(host));
        match result {
            Ok(addresses) if for_proxy => match addresses.into_iter().next() {
                Some(address) => {
                    self.server_address = Some(address.ip());
                    self.begin(attempt);
                }
                None => self.fail(attempt, LostKind::Resolve, format!("{host} has no address")),
            },
            Ok(addresses) => {
                let addresses = crate::dialler::alternate_families(addresses);
                self.dial(attempt, addresses.into_iter().map(Target::Tcp));
            }
            Err(error) => self.fail(attempt, LostKind::Resolve, format!("{host}: {error}")),
        }
    }

    fn dial(&mut self, attempt: Attempt, targets: impl IntoIterator<Item = Target>) {
        let pipe = Pipe::new(&self.endpoint, self.options(), self.subprotocol, self.server_address);
        match pipe {
            Ok(pipe) => {
                self.pipe = pipe.map(|pipe| Box::new(Piped { pipe, wire: WireBuffer::new() }));
                self.link = Link::Dialling { attempt, dialler: Dialler::new(targets, self.last_dial) };
            }
            Err(error) => self.fail(attempt, kind_of(&error), error.to_string()),
        }
    }

    pub(super) fn handle_dialled(&mut self, dial: DialId, result: Result<(), String>) {
        let Link::Dialling { attempt, dialler } = &mut self.link else { return };
        match result {
            Ok(()) if dialler.is_under_way(dial) => {
                self.link = Link::Opening { attempt: *attempt };
                self.handle_opened();
            }
            Ok(()) => {}
            Err(error) => dialler.failed(dial, &error),
        }
    }

    /// Goes on if there is no hand-shake left.
    pub(super) fn handle_opened(&mut self) -> bool {
        let Link::Opening { attempt } = self.link else { return false };
        let is_open = self.pipe.as_ref().is_none_or(|piped| !piped.pipe.is_handshaking());
        if is_open {
            self.link = Link::Open { attempt };
        }
        is_open
    }
}

/// What failed.
pub(super) fn kind_of(error: &TransportError) -> LostKind {
    match error {
        TransportError::Io(_) => LostKind::Io,
        TransportError::Closed => LostKind::Eof,
        #[cfg(feature = "proxy")]
        TransportError::Proxy(_) => LostKind::Proxy,
        #[cfg(feature = "tls")]
        TransportError::TlsConfig(_) | TransportError::Tls(_) => LostKind::Tls,
        #[cfg(feature = "websocket")]
        TransportError::WebSocket(sterna_transport::WebSocketError::Closed { .. }) => LostKind::Eof,
        #[cfg(feature = "websocket")]
        TransportError::WebSocket(_) => LostKind::WebSocket,
        // Among them that the endpoint contradicts the options.
        _ => LostKind::Dial,
    }
}
