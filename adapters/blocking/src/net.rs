//! The network and the time: non-blocking sockets, and threads for what blocks.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use mio::Interest;
use mio::event::Source;
use sterna_client::driver::{Dialled, Network, Others, Pending, cannot_dial};
use sterna_client::sockets::{self, Clock};
use sterna_client::{Commit, Committed, Endpoint, SocketOptions, Target};

use crate::hub::{Hub, SOCKET};
use crate::tcp::Tcp;

/// A connection that a client speaks over: a socket of mio's, or a stream of your own; see
/// [`builder_over`](crate::builder_over).
///
/// It never waits: where it would, reading and writing fail with [`ErrorKind::WouldBlock`], and the [`Source`] reports when
/// it is worth trying again.
pub trait Stream: Read + Write + Source + Send + Unpin {
    /// Closes the sending half; what was written before still arrives.
    ///
    /// # Errors
    /// The connection is gone; the client hears of that by reading.
    fn shut_down(&mut self) -> io::Result<()>;
}

impl Stream for mio::net::TcpStream {
    fn shut_down(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl Stream for mio::net::UnixStream {
    fn shut_down(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A function of the application's that makes connections.
pub(crate) type MakeStream = Arc<dyn Fn(Endpoint, Arc<Hub>) -> io::Result<Dialled> + Send + Sync>;

/// A registered stream. The driver polls all it has whenever anything happened: there is no more to waking than that.
pub(crate) struct Socket<S: Stream> {
    hub: Arc<Hub>,
    /// Up to what happening it would block.
    read_blocked: Option<u64>,
    write_blocked: Option<u64>,
    stream: S,
}

impl<S: Stream> Socket<S> {
    pub(crate) fn new(hub: Arc<Hub>, mut stream: S) -> io::Result<Self> {
        hub.registry.register(&mut stream, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self { hub, read_blocked: None, write_blocked: None, stream })
    }
}

impl<S: Stream> Drop for Socket<S> {
    fn drop(&mut self) {
        // It is closed in any case.
        let _ = self.hub.registry.deregister(&mut self.stream);
    }
}

/// Tries again only after something happened.
fn attempt<T>(
    blocked: &mut Option<u64>,
    now: u64,
    operation: impl FnOnce() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    if *blocked == Some(now) {
        return Poll::Pending;
    }
    let result = operation();
    let is_blocked = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    *blocked = is_blocked.then_some(now);
    if is_blocked { Poll::Pending } else { Poll::Ready(result) }
}

impl<S: Stream> Socket<S> {
    fn try_write<T>(&mut self, operation: impl FnOnce(&mut S) -> io::Result<T>) -> Poll<io::Result<T>> {
        attempt(&mut self.write_blocked, self.hub.happenings(), || operation(&mut self.stream))
    }
}

impl<S: Stream> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { hub, read_blocked, stream, .. } = &mut *self;
        attempt(read_blocked, hub.happenings(), || stream.read(buffer))
    }
}

impl<S: Stream> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.try_write(|stream| stream.write(data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.try_write(|stream| stream.write_vectored(data))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.try_write(Write::flush)
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shut_down())
    }
}

/// What the driver's task has of the network.
pub(crate) struct Net {
    hub: Arc<Hub>,
    clock: Clock,
    make_stream: Option<MakeStream>,
    /// When the task is to be polled at the latest.
    pub(crate) deadline: Option<Instant>,
    /// The driver has a thread of its own.
    has_thread: bool,
}

impl Net {
    pub(crate) fn new(hub: Arc<Hub>, make_stream: Option<MakeStream>, has_thread: bool) -> Self {
        Self { hub, clock: Clock::new(), make_stream, deadline: None, has_thread }
    }
}

impl Network for Net {
    fn now(&self) -> sterna_client::Instant {
        self.clock.now()
    }

    fn poll_deadline(&mut self, deadline: Option<sterna_client::Instant>, _: &mut Context<'_>) -> Poll<()> {
        self.deadline = deadline.map(|at| self.clock.at(at));
        if self.deadline.is_some_and(|at| at <= Instant::now()) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn resolve(&mut self, host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
        on_thread("sterna-resolve", self.hub.clone(), move || sockets::resolve(&host, port))
    }

    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Dialled> {
        let hub = self.hub.clone();
        match (target, self.make_stream.clone()) {
            (Target::Tcp(address), _) => Box::pin(dial_tcp(hub, address, options, self.clock)),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => {
                Box::pin(
                    async move { Ok(Dialled::new(Socket::new(hub, mio::net::UnixStream::connect(path)?)?)) },
                )
            }
            (Target::Stream(endpoint), Some(make)) => {
                on_thread("sterna-connect", hub.clone(), move || make(*endpoint, hub))
            }
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => Box::pin(async move { Err(cannot_dial(&other)) }),
        }
    }

    fn gives_way_to(&self) -> Others {
        if self.has_thread { Others::Threads } else { Others::Nobody }
    }

    fn commit(&mut self, commit: Commit) -> Pending<Committed> {
        on_thread("sterna-store", self.hub.clone(), move || Ok(commit.run()))
    }
}

async fn dial_tcp(
    hub: Arc<Hub>,
    address: SocketAddr,
    options: SocketOptions,
    clock: Clock,
) -> io::Result<Dialled> {
    let stream = mio::net::TcpStream::from_std(sockets::connect(address, options)?);
    let socket = Socket::new(hub, Tcp::new(stream, clock))?;
    poll_fn(|_| match sockets::is_connected(&socket.stream.0.stream) {
        Ok(false) => Poll::Pending,
        connected => Poll::Ready(connected),
    })
    .await?;
    let outlet = socket.stream.0.clone();
    Ok(Dialled { stream: Box::new(socket), outlet: Some(outlet) })
}

/// Has a thread do `work`.
fn on_thread<T: Send + 'static>(
    name: &'static str,
    hub: Arc<Hub>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Pending<T> {
    /// Wakes the driver at the end of the thread, however that comes.
    struct WakeAtEnd(Arc<Hub>);

    impl Drop for WakeAtEnd {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }

    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        let _at_end = WakeAtEnd(hub);
        // Gone before the driver is woken.
        let sender = sender;
        // If the driver is gone, nobody wants it.
        let _ = sender.send(work());
    });
    let mut failed = thread.err();
    Box::pin(poll_fn(move |_| match receiver.try_recv() {
        Ok(result) => Poll::Ready(result),
        Err(TryRecvError::Empty) => Poll::Pending,
        Err(TryRecvError::Disconnected) => {
            Poll::Ready(Err(failed.take().unwrap_or_else(|| io::Error::other(format!("{name} panicked")))))
        }
    }))
}
