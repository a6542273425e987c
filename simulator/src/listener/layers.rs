//! What lies between a socket and the model: nothing, TLS, WebSocket, or WebSocket over TLS.

use std::io;

use super::socket::Place;
use super::stream::AnyStream;

#[derive(Default)]
pub(super) struct Layers {
    #[cfg(feature = "tls")]
    pub(super) tls: Option<tokio_rustls::TlsAcceptor>,
    #[cfg(feature = "websocket")]
    pub(super) websocket: Option<super::websocket::WebSocket>,
}

impl std::fmt::Debug for Layers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layers")
            .field("tls", &self.has_tls())
            .field("websocket", &self.has_websocket())
            .finish()
    }
}

impl Layers {
    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    fn has_websocket(&self) -> bool {
        #[cfg(feature = "websocket")]
        return self.websocket.is_some();
        #[cfg(not(feature = "websocket"))]
        return false;
    }

    pub(super) fn is_plain(&self) -> bool {
        !self.has_tls() && !self.has_websocket()
    }

    pub(super) fn url(&self, place: &Place) -> String {
        let scheme = match (place, self.has_websocket(), self.has_tls()) {
            #[cfg(unix)]
            (Place::Unix(_), ..) => "unix",
            (_, false, false) => "mqtt",
            (_, false, true) => "mqtts",
            (_, true, false) => "ws",
            (_, true, true) => "wss",
        };
        let path = if self.has_websocket() { "/mqtt" } else { "" };
        format!("{scheme}://{place}{path}")
    }

    /// Takes the server's part in the hand-shakes.
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        allow(unused_mut, clippy::unused_async, reason = "there is no hand-shake without a layer")
    )]
    pub(super) async fn open(&self, mut stream: AnyStream) -> io::Result<AnyStream> {
        #[cfg(feature = "tls")]
        if let Some(acceptor) = &self.tls {
            stream = Box::new(acceptor.accept(stream).await?);
        }
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &self.websocket {
            stream = Box::new(websocket.accept(stream).await?);
        }
        Ok(stream)
    }

    #[cfg(feature = "websocket")]
    pub(super) fn upgrades(&self) -> Vec<super::Upgrade> {
        self.websocket.as_ref().map(super::websocket::WebSocket::upgrades).unwrap_or_default()
    }
}
