//! Connections over mio, and the work that another thread has to do.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryIter, channel};
use std::task::Wake;
use std::thread;

use mio::event::{Event, Source};
use mio::{Interest, Registry, Token};
use sterna_client::{Commit, Committed, DialId, Endpoint};

/// Wakes the driver while it waits for the network.
#[derive(Debug)]
pub(crate) struct Interrupt(pub(crate) mio::Waker);

impl Wake for Interrupt {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only for want of memory; then the driver's next event does it.
        let _ = self.0.wake();
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

/// A connection that is up, and what is known of it: readiness is told once, and holds until it would block.
pub(crate) struct Socket {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) token: Token,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Whether readable input is told of.
    watched: bool,
    fault: Option<io::Error>,
}

impl Socket {
    /// Of a stream that is registered for reading and writing.
    pub(crate) fn new(stream: Box<dyn Stream>, token: Token) -> Self {
        Self { stream, token, readable: true, writable: true, watched: true, fault: None }
    }

    pub(crate) fn handle(&mut self, event: &Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Whether input is to wake the driver.
    pub(crate) fn watch(&mut self, registry: &Registry, read: bool) {
        if self.watched == read {
            return;
        }
        let interest = if read { Interest::READABLE | Interest::WRITABLE } else { Interest::WRITABLE };
        self.fault = registry.reregister(&mut self.stream, self.token, interest).err();
        self.watched = read;
        self.readable = true;
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let result = self.stream.read(buffer);
        self.readable = !would_block(&result);
        result
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let result = self.stream.write(buffer);
        self.writable = !would_block(&result);
        result
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.stream.write_vectored(buffers);
        self.writable = !would_block(&result);
        result
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.stream.flush();
        self.writable = !would_block(&result);
        result
    }
}

fn would_block<T>(result: &io::Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// What another thread has done.
pub(crate) enum Done {
    /// With the number of the question.
    Resolved(u64, io::Result<Vec<SocketAddr>>),
    Made(DialId, io::Result<Box<dyn Stream>>),
    Committed(Committed),
}

/// Other threads, for what cannot but block.
pub(crate) struct Helpers {
    sender: Sender<Done>,
    receiver: Receiver<Done>,
    interrupt: Arc<Interrupt>,
    /// The thread for the store, once it has had work.
    store: Option<Sender<Commit>>,
}

impl Helpers {
    pub(crate) fn new(interrupt: Arc<Interrupt>) -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, interrupt, store: None }
    }

    pub(crate) fn done(&self) -> TryIter<'_, Done> {
        self.receiver.try_iter()
    }

    /// Has a thread do `work`, which may send what it has done.
    fn spawn(&self, name: &str, work: impl FnOnce(&dyn Fn(Done)) + Send + 'static) -> io::Result<()> {
        let (sender, interrupt) = (self.sender.clone(), self.interrupt.clone());
        let send = move |done| {
            // If the driver is gone, nobody wants it.
            if sender.send(done).is_ok() {
                interrupt.wake_by_ref();
            }
        };
        thread::Builder::new().name(name.into()).spawn(move || work(&send)).map(drop)
    }

    pub(crate) fn resolve(&self, question: u64, host: Box<str>, port: u16) -> io::Result<()> {
        self.spawn("sterna-resolve", move |send| {
            let addresses = (&*host, port).to_socket_addrs().map(Iterator::collect);
            send(Done::Resolved(question, addresses));
        })
    }

    pub(crate) fn make(&self, dial: DialId, make: MakeStream, endpoint: Endpoint) -> io::Result<()> {
        self.spawn("sterna-connect", move |send| {
            let made = catch_unwind(AssertUnwindSafe(|| make(endpoint)));
            send(Done::Made(dial, made.unwrap_or_else(|_| Err(io::Error::other("making it panicked")))));
        })
    }

    /// On the store's own thread; here and now if there is none to be had.
    pub(crate) fn commit(&mut self, commit: Commit) {
        if self.store.is_none() {
            let (sender, commits) = channel::<Commit>();
            let work =
                move |send: &dyn Fn(Done)| commits.into_iter().for_each(|it| send(Done::Committed(it.run())));
            self.store = self.spawn("sterna-store", work).ok().map(|()| sender);
        }
        let refused = match &self.store {
            Some(store) => store.send(commit).err().map(|refused| refused.0),
            None => Some(commit),
        };
        if let Some(commit) = refused {
            // The receiver is ours.
            let _ = self.sender.send(Done::Committed(commit.run()));
        }
    }
}
