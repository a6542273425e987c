//! The network and the time, by mio, and other threads for what cannot but block.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{TryRecvError, channel};
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use sterna_client::driver::{self, Network, Pending};
use sterna_client::{Commit, Committed, Endpoint, SocketOptions, Target, sockets};

/// The token of interrupts.
pub(crate) const INTERRUPT: Token = Token(0);
/// The token of every socket: there is one, or a few on their way.
const SOCKET: Token = Token(1);
/// A deadline beyond this wakes the driver in between: the system's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// Wakes the driver, also while it waits for the network.
#[derive(Debug)]
pub(crate) struct Interrupt {
    waker: mio::Waker,
    /// The driver has something to do.
    pub(crate) pending: AtomicBool,
    /// The driver waits, or is about to.
    pub(crate) waiting: AtomicBool,
}

impl Interrupt {
    pub(crate) fn new(registry: &Registry) -> io::Result<Self> {
        let waker = mio::Waker::new(registry, INTERRUPT)?;
        Ok(Self { waker, pending: AtomicBool::new(false), waiting: AtomicBool::new(false) })
    }
}

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.pending.store(true, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) {
            // It fails only for want of memory; then the driver's next event does it.
            let _ = self.waker.wake();
        }
    }
}

/// A connection that a client speaks over: a socket of mio's, or a stream of your own; see
/// [`builder_over`](crate::builder_over).
///
/// It never waits: where it would, reading and writing fail with [`ErrorKind::WouldBlock`], and the [`Source`] reports when
/// it is worth trying again.
pub trait Stream: Read + Write + Source + Send {
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
pub(crate) type MakeStream = Arc<dyn Fn(Endpoint) -> io::Result<Box<dyn Stream>> + Send + Sync>;

/// A registered stream. The driver polls all it has whenever anything happened: there is no more to waking than that.
struct Socket<S: Stream + ?Sized> {
    registry: Arc<Registry>,
    happenings: Arc<AtomicU64>,
    /// Up to what happening it would block.
    read_blocked: Option<u64>,
    write_blocked: Option<u64>,
    stream: Box<S>,
}

impl<S: Stream + ?Sized> Drop for Socket<S> {
    fn drop(&mut self) {
        // It is closed in any case.
        let _ = self.registry.deregister(&mut *self.stream);
    }
}

/// Tries again only after something happened.
fn attempt<T>(
    blocked: &mut Option<u64>,
    happenings: &AtomicU64,
    operation: impl FnOnce() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    let now = happenings.load(Ordering::Relaxed);
    if *blocked == Some(now) {
        return Poll::Pending;
    }
    let result = operation();
    let is_blocked = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    *blocked = is_blocked.then_some(now);
    if is_blocked { Poll::Pending } else { Poll::Ready(result) }
}

impl<S: Stream + ?Sized> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, read_blocked, happenings, .. } = &mut *self;
        attempt(read_blocked, happenings, || stream.read(buffer))
    }
}

impl<S: Stream + ?Sized> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, write_blocked, happenings, .. } = &mut *self;
        attempt(write_blocked, happenings, || stream.write(data))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, write_blocked, happenings, .. } = &mut *self;
        attempt(write_blocked, happenings, || stream.write_vectored(data))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, write_blocked, happenings, .. } = &mut *self;
        attempt(write_blocked, happenings, || stream.flush())
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shut_down())
    }
}

/// What the driver's task has of the network.
pub(crate) struct Net {
    pub(crate) registry: Arc<Registry>,
    pub(crate) interrupt: Arc<Interrupt>,
    /// Counts the times at which something happened at a socket.
    pub(crate) happenings: Arc<AtomicU64>,
    pub(crate) make_stream: Option<MakeStream>,
    pub(crate) origin: Instant,
    /// When the task is to be polled at the latest.
    pub(crate) deadline: Option<Instant>,
}

impl Net {
    fn register<S: Stream + ?Sized>(
        registry: Arc<Registry>,
        happenings: Arc<AtomicU64>,
        mut stream: Box<S>,
    ) -> io::Result<Socket<S>> {
        registry.register(&mut *stream, SOCKET, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket { registry, happenings, read_blocked: None, write_blocked: None, stream })
    }

    fn dial_tcp(
        &self,
        address: SocketAddr,
        options: SocketOptions,
    ) -> io::Result<Pending<Box<dyn driver::Stream>>> {
        let stream = mio::net::TcpStream::from_std(sockets::connect(address, options)?);
        let mut socket =
            Some(Self::register(self.registry.clone(), self.happenings.clone(), Box::new(stream))?);
        Ok(Box::pin(poll_fn(move |_| {
            let is_connected = match &socket {
                Some(socket) => sockets::is_connected(&*socket.stream)?,
                None => false,
            };
            match socket.take_if(|_| is_connected) {
                Some(socket) => Poll::Ready(Ok(Box::new(socket) as Box<dyn driver::Stream>)),
                None => Poll::Pending,
            }
        })))
    }

    fn make(&self, make: &MakeStream, endpoint: Endpoint) -> Pending<Box<dyn driver::Stream>> {
        let (make, registry, happenings) = (make.clone(), self.registry.clone(), self.happenings.clone());
        let made = on_thread("sterna-connect", self.interrupt.clone(), move || make(endpoint));
        Box::pin(async move { Ok(Box::new(Self::register(registry, happenings, made.await?)?) as _) })
    }
}

impl Network for Net {
    fn now(&self) -> sterna_client::Instant {
        sterna_client::Instant::ZERO + self.origin.elapsed()
    }

    fn poll_deadline(&mut self, deadline: Option<sterna_client::Instant>, _: &mut Context<'_>) -> Poll<()> {
        let after = |at: sterna_client::Instant| (at - sterna_client::Instant::ZERO).min(FAR);
        self.deadline = deadline.map(|at| self.origin + after(at));
        if self.deadline.is_some_and(|at| at <= Instant::now()) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn resolve(&mut self, host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
        on_thread("sterna-resolve", self.interrupt.clone(), move || {
            Ok((&*host, port).to_socket_addrs()?.collect())
        })
    }

    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Box<dyn driver::Stream>> {
        let dialled = match (target, &self.make_stream) {
            (Target::Tcp(address), _) => self.dial_tcp(address, options),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => mio::net::UnixStream::connect(path).and_then(|stream| {
                let (registry, happenings) = (self.registry.clone(), self.happenings.clone());
                let socket = Self::register(registry, happenings, Box::new(stream))?;
                let socket: Box<dyn driver::Stream> = Box::new(socket);
                Ok(Box::pin(async { Ok(socket) }) as Pending<_>)
            }),
            (Target::Stream(endpoint), Some(make)) => Ok(self.make(make, *endpoint)),
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => {
                Err(io::Error::new(ErrorKind::Unsupported, format!("{other} cannot be dialled here")))
            }
        };
        dialled.unwrap_or_else(|error| Box::pin(async { Err(error) }))
    }

    fn commit(&mut self, commit: Commit) -> Pending<Committed> {
        on_thread("sterna-store", self.interrupt.clone(), move || Ok(commit.run()))
    }
}

/// Has a thread do `work`.
fn on_thread<T: Send + 'static>(
    name: &'static str,
    interrupt: Arc<Interrupt>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Pending<T> {
    /// Wakes the driver at the end of the thread, however that comes.
    struct WakeAtEnd(Arc<Interrupt>);

    impl Drop for WakeAtEnd {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }

    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        let _at_end = WakeAtEnd(interrupt);
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
