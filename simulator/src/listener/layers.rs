//! What lies between a socket and the model: nothing, TLS, WebSocket, or WebSocket over TLS.

use std::io;

use super::socket::Place;
use super::stream::AnyStream;

#[cfg(feature = "websocket")]
pub(super) use super::websocket::WebSocket;
#[cfg(feature = "tls")]
pub(super) use tokio_rustls::TlsAcceptor;

/// A layer that this build lacks.
#[cfg(not(feature = "websocket"))]
pub(super) type WebSocket = std::convert::Infallible;
/// A layer that this build lacks.
#[cfg(not(feature = "tls"))]
pub(super) type TlsAcceptor = std::convert::Infallible;

#[derive(Default)]
pub(super) struct Layers {
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) websocket: Option<WebSocket>,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers")
            .field("tls", &self.tls.is_some())
            .field("websocket", &self.websocket.is_some())
            .finish()
    }
}

impl Layers {
    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none() && self.websocket.is_none()
    }

    pub(super) fn url(&self, place: &Place) -> String {
        let scheme = match (place, self.websocket.is_some(), self.tls.is_some()) {
            #[cfg(unix)]
            (Place::Unix(_), ..) => "unix",
            (_, false, false) => "mqtt",
            (_, false, true) => "mqtts",
            (_, true, false) => "ws",
            (_, true, true) => "wss",
        };
        let path = if self.websocket.is_some() { "/mqtt" } else { "" };
        format!("{scheme}://{place}{path}")
    }

    /// Takes the server's part in the hand-shakes.
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        expect(clippy::unused_async, reason = "without a layer there is nothing to wait for")
    )]
    pub(super) async fn open(&self, stream: AnyStream) -> io::Result<AnyStream> {
        let stream = match &self.tls {
            None => stream,
            #[cfg(feature = "tls")]
            Some(acceptor) => Box::new(acceptor.accept(stream).await?),
            #[cfg(not(feature = "tls"))]
            Some(never) => match *never {},
        };
        Ok(match &self.websocket {
            None => stream,
            #[cfg(feature = "websocket")]
            Some(websocket) => Box::new(websocket.accept(stream).await?),
            #[cfg(not(feature = "websocket"))]
            Some(never) => match *never {},
        })
    }

    #[cfg(feature = "websocket")]
    pub(super) fn upgrades(&self) -> Vec<super::Upgrade> {
        self.websocket.as_ref().map(WebSocket::upgrades).unwrap_or_default()
    }
}
