//! The model served over sockets, by tokio.

mod builder;
mod layers;
mod serve;
mod shared;
mod socket;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use sterna_core::packet::PacketType;
use tokio::net::{TcpSocket, ToSocketAddrs};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub use self::builder::TestBrokerBuilder;
#[cfg(feature = "websocket")]
pub use self::websocket::Upgrade;

use self::layers::Layers;
use self::serve::{Command, serve};
use self::shared::Shared;
use self::socket::{Listener, Place, listen};
use crate::broker::{Broker, Instant, Options, Record, Sessions};

/// A broker for tests, examples and trying things out, on a TCP port or a Unix socket, with TLS (feature `tls`) and
/// WebSocket (feature `websocket`) if wanted: see [`builder`](Self::builder). **Not for production.**
///
/// It serves a [`Broker`] until it is dropped or [shut down](Self::shutdown). [`with`](Self::with) reaches the model, to
/// script it and to look at it; [`wait_for`](Self::wait_for) and [`wait_until`](Self::wait_until) wait for what
/// happens, so that no test needs to sleep.
///
/// ```
/// use sterna_core::packet::{PacketType, ReasonCode};
/// use sterna_simulator::TestBroker;
/// use sterna_simulator::broker::{Fault, OnReceive};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let broker = TestBroker::start().await?;
/// let refusal = OnReceive::Answer(ReasonCode::SERVER_UNAVAILABLE);
/// broker.with(|model, _now| model.add_fault(Fault::receiving(PacketType::Connect, refusal).times(1)));
///
/// let mut stream = tokio::net::TcpStream::connect(broker.address()).await?;
/// stream.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a").await?;
/// let mut answer = Vec::new();
/// stream.read_to_end(&mut answer).await?;
/// assert_eq!(answer, b"\x20\x02\0\x03");
/// assert_eq!(broker.wait_for("a", PacketType::Connect, 1).await.sequence, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestBroker {
    shared: Arc<Shared>,
    place: Place,
    layers: Arc<Layers>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
    _reserved: Option<TcpSocket>,
}

impl TestBroker {
    /// Starts a broker with default options on a free loopback port.
    ///
    /// # Errors
    ///
    /// What the operating system says when there is no port to be had.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Starts a broker on an address, which should be a loopback address. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// What the operating system says when the address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let addresses = tokio::net::lookup_host(address).await?;
        let (reserved, listener) = listen(addresses).await?;
        let place = Place::Tcp(listener.local_addr()?);
        Ok(Self::serve(options, Layers::default(), place, Listener::Tcp(listener), reserved))
    }

    /// A broker that is to be set up.
    pub fn builder() -> TestBrokerBuilder {
        TestBrokerBuilder::default()
    }

    fn serve(
        options: Options,
        layers: Layers,
        place: Place,
        listener: Listener,
        reserved: Option<TcpSocket>,
    ) -> Self {
        let shared = Arc::new(Shared::new(options));
        let layers = Arc::new(layers);
        let (commands, receiver) = mpsc::channel(1);
        let task =
            tokio::spawn(serve(Arc::clone(&shared), listener, place.clone(), Arc::clone(&layers), receiver));
        Self { shared, place, layers, commands, task, _reserved: reserved }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// If that is a Unix socket.
    pub fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp(address) => *address,
            #[cfg(unix)]
            Place::Unix(path) => panic!("{} is not an address", path.display()),
        }
    }

    /// Where it listens, as a URL such as `mqtt://127.0.0.1:1883`, `wss://127.0.0.1:443/mqtt` or `unix:///tmp/mqtt`.
    pub fn url(&self) -> String {
        self.layers.url(&self.place)
    }

    /// Cuts the next connections, one a call, in the order of the calls: each is lost without a word when the broker is
    /// about to write more than `written` bytes to its socket. Those are bytes of the wire: with TLS or WebSocket a
    /// small number is in the middle of their hand-shakes, and 0 means that nothing is ever answered.
    ///
    /// To cut between or in packets see [`Fault`](crate::broker::Fault).
    pub fn cut_next(&self, written: usize) {
        self.shared.cut_next(written);
    }

    /// The WebSocket hand-shakes that were accepted, the latest 1,000 of them.
    #[cfg(feature = "websocket")]
    pub fn upgrades(&self) -> Vec<Upgrade> {
        self.layers.upgrades()
    }

    /// Calls `f` with the model and its present time; the listener carries out what comes of it. `f` holds up all
    /// connections while it runs and must not call back into this broker.
    pub fn with<T>(&self, f: impl FnOnce(&mut Broker, Instant) -> T) -> T {
        self.shared.with(None, f)
    }

    /// Waits until `f` finds what it looks for in the model: it is called now and whenever something may have changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the broker.
    pub async fn wait_until<T>(&self, mut f: impl FnMut(&Broker) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if let Some(found) = f(&self.shared.lock().broker) {
                return found;
            }
            // The sender lives as long as `self`, so this only ever ends with a change.
            let _ = changed.changed().await;
        }
    }

    /// Waits until `count` packets of a type have come from a client identifier, since the broker started, and gives
    /// the last of them. See [`Options::maximum_records`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing in the broker.
    pub async fn wait_for(&self, client_id: &str, packet: PacketType, count: usize) -> Record {
        let nth = count.saturating_sub(1);
        self.wait_until(|broker| {
            broker
                .records_of(client_id)
                .filter(|record| record.packet().packet_type() == packet)
                .nth(nth)
                .cloned()
        })
        .await
    }

    /// Goes away like a broker that is killed: connections are lost without a word, new ones are refused by the
    /// operating system until [`bring_up`](Self::bring_up).
    ///
    /// # Cancel safety
    ///
    /// Once polled, the broker goes down even if the future is dropped.
    pub async fn take_down(&self, sessions: Sessions) {
        let (done, is_down) = oneshot::channel();
        if self.commands.send(Command::Down(done)).await.is_ok() {
            let _ = is_down.await;
        }
        self.with(|broker, now| broker.restart(now, sessions));
    }

    /// Listens again at the same place.
    ///
    /// # Errors
    ///
    /// What the operating system says when that cannot be bound any more.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the broker comes up even if the future is dropped.
    pub async fn bring_up(&self) -> io::Result<()> {
        let (done, is_up) = oneshot::channel();
        let stopped = || io::Error::other("the broker's runtime has stopped");
        self.commands.send(Command::Up(done)).await.map_err(|_| stopped())?;
        is_up.await.map_err(|_| stopped())?
    }

    /// Closes all connections and stops listening, and waits until that is done. Dropping does the same without waiting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does the same as dropping the broker.
    pub async fn shutdown(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await; // it was cancelled, as it should be
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
