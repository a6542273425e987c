//! Setting up a test broker.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;

use super::layers::Layers;
use super::socket::{Listener, Place, listen};
use super::{Options, TestBroker};

/// A [`TestBroker`] that is to be started. Without options: MQTT over plain TCP on a free loopback port.
///
#[cfg_attr(all(feature = "tls", feature = "websocket"), doc = "```")]
#[cfg_attr(not(all(feature = "tls", feature = "websocket")), doc = "```ignore")]
/// use sterna_simulator::{TestBroker, TestCertificates};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let certificates = TestCertificates::new();
/// let broker = TestBroker::builder().tls(&certificates.server, None).websocket().start().await?;
/// assert!(broker.url().starts_with("wss://127.0.0.1:"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it is not running yet"]
pub struct TestBrokerBuilder {
    options: Options,
    place: Place,
    layers: Layers,
}

impl Default for TestBrokerBuilder {
    fn default() -> Self {
        let place = Place::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Self { options: Options::default(), place, layers: Layers::default() }
    }
}

impl TestBrokerBuilder {
    /// What the model offers.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Listens on this address, which should be a loopback address. Default: a free port of 127.0.0.1.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.place = Place::Tcp(address);
        self
    }

    /// Listens on a Unix socket of this path; nothing may be there yet. The file goes with the broker.
    #[cfg(unix)]
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Unix(path.into());
        self
    }

    /// Speaks TLS 1.2 and 1.3 with this certificate and key. With `client_authority`, a certificate in PEM, only clients
    /// with a certificate of that authority are let in.
    ///
    /// # Panics
    ///
    /// If what it is given is no PEM of a certificate or key, or if they do not belong together.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, identity: &crate::Identity, client_authority: Option<&str>) -> Self {
        self.layers.tls = Some(super::tls::acceptor(identity, client_authority));
        self
    }

    /// Speaks WebSocket below MQTT, over TLS if that is set as well, for any path. Clients must offer the subprotocol
    /// `mqtt` or `mqttv3.1` and send binary frames [MQTT-6.0.0-1], [MQTT-6.0.0-3].
    #[cfg(feature = "websocket")]
    pub fn websocket(self) -> Self {
        self.websocket_frames(usize::MAX)
    }

    /// As [`websocket`](Self::websocket), and sends frames of at most this many bytes, at least one: a packet may
    /// then be spread over several.
    #[cfg(feature = "websocket")]
    pub fn websocket_frames(mut self, bytes: usize) -> Self {
        self.layers.websocket = Some(super::websocket::WebSocket::new(bytes));
        self
    }

    /// Starts it. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// What the operating system says when there is no port, or when the place is taken.
    pub async fn start(self) -> io::Result<TestBroker> {
        let (place, listener, reserved) = match self.place {
            Place::Tcp(address) => {
                let (reserved, listener) = listen([address]).await?;
                (Place::Tcp(listener.local_addr()?), Listener::Tcp(listener), reserved)
            }
            #[cfg(unix)]
            Place::Unix(path) => (Place::Unix(path.clone()), Listener::bind_unix(path)?, None),
        };
        Ok(TestBroker::serve(self.options, self.layers, place, listener, reserved))
    }
}
