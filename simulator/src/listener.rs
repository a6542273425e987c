//! The model served over TCP, by tokio.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use sterna_core::packet::PacketType;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{self, timeout};

use crate::broker::{Broker, ConnectionId, Instant, Options, Output, Record, Sessions};

/// Room that is made for each read, in bytes.
const READ_SIZE: usize = 8 * 1024;
/// How long a closed connection is read on, so that a reset does not overtake what was sent last.
const LINGER: Duration = Duration::from_secs(1);
/// How long it is tried to get the port back, and how often.
const REBIND: Duration = Duration::from_secs(10);
const REBIND_PAUSE: Duration = Duration::from_millis(5);
/// How long nothing is accepted after an error, such as no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A broker for tests, examples and trying things out, on a TCP port. **Not for production.**
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
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
    _reserved: Option<TcpSocket>,
}

#[derive(Debug)]
enum Command {
    Down(oneshot::Sender<()>),
    Up(oneshot::Sender<io::Result<()>>),
}

impl TestBroker {
    /// Starts a broker with default options on a free loopback port.
    ///
    /// # Errors
    ///
    /// What the operating system says when there is no port to be had.
    pub async fn start() -> io::Result<Self> {
        Self::bind("127.0.0.1:0", Options::default()).await
    }

    /// Starts a broker on an address, which should be a loopback address. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    ///
    /// What the operating system says when the address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let (reserved, listener) = listen(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State { broker: Broker::new(options), wakers: BTreeMap::new(), timer: None }),
            started: time::Instant::now(),
            changed: watch::Sender::new(()),
            earlier: Notify::new(),
        });
        let (commands, receiver) = mpsc::channel(1);
        let task = tokio::spawn(serve(Arc::clone(&shared), listener, address, receiver));
        Ok(Self { shared, address, commands, task, _reserved: reserved })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL such as `mqtt://127.0.0.1:1883`.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
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

    /// Listens again on the same address.
    ///
    /// # Errors
    ///
    /// What the operating system says when the address cannot be bound any more.
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

/// What the listener's task, the connections' tasks and the handle have in common.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    started: time::Instant,
    /// Tells those who wait that the model may have changed.
    changed: watch::Sender<()>,
    /// Tells the listener's task that the next deadline is earlier than it was.
    earlier: Notify,
}

#[derive(Debug)]
struct State {
    broker: Broker,
    wakers: BTreeMap<ConnectionId, Arc<Notify>>,
    /// The deadline that the listener's task waits for.
    timer: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics in `with` fails; the others need not.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the model, and wakes whom that concerns, apart from the connection that does it.
    fn with<T>(&self, by: Option<ConnectionId>, f: impl FnOnce(&mut Broker, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let result = f(&mut state.broker, Instant::from_micros(now));
        for id in state.broker.ready_connections().filter(|id| Some(*id) != by) {
            if let Some(waker) = state.wakers.get(&id) {
                waker.notify_one();
            }
        }
        let next = state.broker.poll_timeout();
        if next.is_some_and(|next| state.timer.is_none_or(|timer| next < timer)) {
            self.earlier.notify_one();
        }
        drop(state);
        self.changed.send_replace(());
        result
    }

    /// Tells the model of a connection; what wakes the task that is to serve it.
    fn connected(&self, id: ConnectionId) -> Arc<Notify> {
        let wake = Arc::new(Notify::new());
        self.lock().wakers.insert(id, Arc::clone(&wake));
        self.with(None, |broker, now| broker.connected(now, id));
        wake
    }

    /// Completes at the model's next deadline.
    async fn deadline(&self) {
        let next = {
            let mut state = self.lock();
            state.timer = state.broker.poll_timeout();
            state.timer
        };
        match next {
            Some(at) => time::sleep_until(self.started + Duration::from_micros(at.as_micros())).await,
            None => core::future::pending().await,
        }
    }
}

/// Accepts connections, keeps the time, and owns every other task: when it is aborted, they are.
async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let mut accepted = 0;
    loop {
        tokio::select! {
            result = accept(listener.as_ref()) => match result {
                Ok(stream) => {
                    accepted += 1;
                    let id = ConnectionId(accepted);
                    // Before anything else can happen, so that a restart concerns this connection too.
                    let wake = shared.connected(id);
                    connections.spawn(serve_connection(Arc::clone(&shared), id, stream, wake));
                }
                Err(_) => time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
            () = shared.deadline() => shared.with(None, Broker::handle_timeout),
            () = shared.earlier.notified() => {}
            command = commands.recv() => match command {
                Some(Command::Down(done)) => {
                    listener = None;
                    let _ = done.send(());
                }
                Some(Command::Up(done)) => {
                    // An old socket on the same port must be closed first.
                    drop(listener.take());
                    let bound = listen_again(address).await;
                    let _ = done.send(bound.map(|bound| listener = Some(bound)));
                }
                None => return,
            },
        }
    }
}

/// Listens on the first of the addresses that can be had. The other socket is bound to the same port and never listens:
/// while the broker is down no other program gets the port, and no client that reconnects gets it as its own source
/// port and so connects to itself. Only Linux lets the two share it.
async fn listen(addresses: impl ToSocketAddrs) -> io::Result<(Option<TcpSocket>, TcpListener)> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for mut address in lookup_host(addresses).await? {
        let reserved = if cfg!(target_os = "linux") {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            if let Err(error) = socket.bind(address) {
                result = Err(error);
                continue;
            }
            address = socket.local_addr()?;
            Some(socket)
        } else {
            None
        };
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((reserved, listener)),
            Err(error) => result = Err(error),
        }
    }
    result
}

/// Some systems take a moment to free the port of connections that are gone.
async fn listen_again(address: SocketAddr) -> io::Result<TcpListener> {
    let give_up = time::Instant::now() + REBIND;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && time::Instant::now() < give_up => {
                time::sleep(REBIND_PAUSE).await;
            }
            result => return result,
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => core::future::pending().await,
    }
}

async fn serve_connection(shared: Arc<Shared>, id: ConnectionId, mut stream: TcpStream, wake: Arc<Notify>) {
    let ended = exchange(&shared, id, &mut stream, &wake).await;
    shared.with(Some(id), |broker, now| broker.disconnected(now, id));
    shared.lock().wakers.remove(&id);
    if ended.is_ok() && stream.shutdown().await.is_ok() {
        let mut rest = [0; 1024];
        // Whether the client closes or the time is over, the connection is done with.
        let _ =
            timeout(LINGER, async { while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {} }).await;
    }
}

/// Carries bytes between a connection and the model until one of them ends it; `Ok` if it was the model.
async fn exchange(
    shared: &Shared,
    id: ConnectionId,
    stream: &mut TcpStream,
    wake: &Notify,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.split();
    let mut input = BytesMut::new();
    let mut output = Bytes::new();
    let mut is_reading = true;
    loop {
        if output.is_empty() {
            let next = shared.with(Some(id), |broker, now| {
                broker.input(now, id, &mut input);
                let next = broker.poll_connection(id);
                is_reading = broker.is_reading(id);
                next
            });
            match next {
                Some(Output::Send(bytes)) => output = bytes,
                Some(Output::Close) => return Ok(()),
                None => {}
            }
        }
        input.reserve(READ_SIZE);
        tokio::select! {
            read = reader.read_buf(&mut input), if is_reading => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if !output.is_empty() {
                    is_reading = shared.with(Some(id), |broker, now| {
                        broker.input(now, id, &mut input);
                        broker.is_reading(id)
                    });
                }
            }
            written = writer.write(&output), if !output.is_empty() => output.advance(written?),
            () = wake.notified() => {}
        }
    }
}
