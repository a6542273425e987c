//! The task of every adapter: it carries out the engine's steps over a [`Network`], and decides nothing.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use sterna_core::Instant;
use sterna_transport::{Endpoint, SocketOptions};

use crate::dialler::{DialId, Target};
use crate::engine::{Commit, Committed, Engine, Step};
use crate::outlet::Outlet;
use crate::pace::Pace;

/// How many steps are carried out before other tasks have a turn.
const BUDGET: usize = 16;

/// Something under way that may fail.
pub type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A connection, whatever carries it. Closing it closes the sending half.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// What a dial gives.
pub struct Dialled {
    /// The connection. The driver has it alone.
    pub stream: Box<dyn Stream>,
    /// What else writes to it, if anything can.
    pub outlet: Option<Arc<dyn Outlet>>,
}

impl Dialled {
    /// One that only the driver writes to.
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), outlet: None }
    }
}

impl fmt::Debug for Dialled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialled").field("has_outlet", &self.outlet.is_some()).finish_non_exhaustive()
    }
}

/// A function of the application's that makes the stream to a server, in the place of a socket.
pub type MakeStream = Box<dyn FnMut(Endpoint) -> Pending<Dialled> + Send>;

/// Why a target cannot be dialled that an adapter has no arm for.
pub fn cannot_dial(target: &Target) -> io::Error {
    io::Error::new(ErrorKind::Unsupported, format!("{target} cannot be dialled here"))
}

/// Whom a driver lets go first when it is about to sleep; see [`Network::gives_way_to`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It sleeps at once.
    Nobody,
    /// The system's other threads: it runs on one of its own.
    Threads,
    /// The executor's other tasks.
    Tasks,
}

/// What an adapter gives to a [`Driver`]: the network and the time.
pub trait Network {
    /// The time, since an origin of its own.
    fn now(&self) -> Instant;

    /// Whether it is `deadline`; otherwise the task is woken then. `None`: no deadline, and what was set is forgotten.
    fn poll_deadline(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()>;

    /// Resolves a name to addresses with this port.
    fn resolve(&mut self, host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>>;

    /// Dials. Dropping the future gives up.
    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Dialled>;

    /// Whom the driver lets go first, once, when it has carried something and is about to sleep. Those that it has just
    /// woken, or whose messages it has just written, often have more for it: without this it sleeps and is woken for every
    /// few messages of a busy publisher that runs beside it. Default: nobody, as where they run on the driver's own thread.
    fn gives_way_to(&self) -> Others {
        Others::Nobody
    }

    /// Runs `commit` where blocking does no harm. If that fails, the client ends with this error: its store is gone.
    fn commit(&mut self, commit: Commit) -> Pending<Committed>;
}

/// What is under way in the network.
enum Io {
    None,
    Resolving(Pending<Vec<SocketAddr>>),
    Dialling(Vec<(DialId, Pending<Dialled>)>),
    Up(Box<dyn Stream>),
}

/// The future that drives one client until its engine is finished. Between deadlines it is woken by nothing but the network
/// and the client's commands. A panic within it, of a function of the application's for one, ends the client, and its
/// users are told.
///
/// # Cancel safety
/// Dropping it ends the client.
#[must_use = "a client is driven by polling this"]
pub struct Driver<N> {
    engine: Engine,
    network: N,
    io: Io,
    /// What the store is at.
    commit: Option<Pending<Committed>>,
    /// What the engine wants of the socket.
    read: bool,
    write: bool,
    pace: Pace,
}

impl<N: Network> Driver<N> {
    /// Drives `engine` over `network`.
    pub fn new(engine: Engine, network: N) -> Self {
        Self { engine, network, io: Io::None, commit: None, read: false, write: false, pace: Pace::default() }
    }

    /// What it was made with.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The driver cannot be polled any more, for this reason; it is to be dropped. The users of the client are told.
    pub fn fail(&mut self, error: &dyn fmt::Display) {
        self.engine.fail(error);
    }

    /// Carries on with what is under way; whether anything moved. If not, each direction that is wanted is
    /// registered to wake the task.
    fn transfer(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let committed = self.poll_commit(cx)?;
        let transferred = match &mut self.io {
            Io::None => false,
            Io::Resolving(pending) => match pending.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    self.io = Io::None;
                    self.engine.handle_resolved(result);
                    true
                }
                Poll::Pending => false,
            },
            Io::Dialling(_) => self.poll_dials(cx),
            Io::Up(stream) => {
                let mut stream = Polled { stream: &mut **stream, cx };
                let written = self.write && self.engine.write(&mut stream);
                let read = self.read && self.engine.read(&mut stream);
                written || read
            }
        };
        let moved = committed || transferred;
        if moved {
            self.pace.moved();
        }
        Ok(moved)
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let Some(Poll::Ready(result)) = self.commit.as_mut().map(|commit| commit.as_mut().poll(cx)) else {
            return Ok(false);
        };
        self.commit = None;
        self.engine.handle_committed(result?);
        Ok(true)
    }

    /// Whether a dial has ended. The first that succeeds is the connection.
    fn poll_dials(&mut self, cx: &mut Context<'_>) -> bool {
        let Io::Dialling(dials) = &mut self.io else { return false };
        for at in 0..dials.len() {
            let (dial, pending) = &mut dials[at];
            let Poll::Ready(result) = pending.as_mut().poll(cx) else { continue };
            let dial = *dial;
            let result = match result {
                Ok(Dialled { stream, outlet }) => {
                    self.io = Io::Up(stream);
                    if let Some(outlet) = outlet {
                        self.engine.set_outlet(outlet);
                    }
                    Ok(())
                }
                Err(error) => {
                    drop(dials.swap_remove(at));
                    Err(error)
                }
            };
            self.engine.handle_dialled(dial, result);
            return true;
        }
        false
    }

    fn dial(&mut self, dial: DialId, target: Target) {
        let pending = self.network.dial(target, self.engine.socket_options());
        match &mut self.io {
            Io::Dialling(dials) => dials.push((dial, pending)),
            io => *io = Io::Dialling(vec![(dial, pending)]),
        }
    }

    fn shut_down(&mut self, cx: &mut Context<'_>) {
        let Io::Up(stream) = &mut self.io else { return };
        while self.engine.write(&mut Polled { stream: &mut **stream, cx }) {}
        // If that fails the connection is gone, and reading will tell.
        let _ = Pin::new(stream).poll_close(cx);
    }

    /// Whether the others have or get a turn now, since they may have more; and whether the task returns for that.
    fn give_way(&mut self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        let others = self.network.gives_way_to();
        if others == Others::Nobody || !self.pace.gives_way() {
            return None;
        }
        if others == Others::Threads {
            std::thread::yield_now();
            return Some(Poll::Ready(()));
        }
        cx.waker().wake_by_ref();
        Some(Poll::Pending)
    }

    /// Whether the task may return: others have their turn, or the timer is set and no command came in the meantime.
    fn rest(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(turn) = self.give_way(cx) {
            return turn.is_pending();
        }
        let naps_until = self.pace.naps_until();
        let deadline = self.engine.deadline().into_iter().chain(naps_until).min();
        if self.network.poll_deadline(deadline, cx).is_ready() {
            return false;
        }
        let sleeps = match naps_until {
            Some(until) => self.engine.nap(cx.waker(), until),
            None => self.engine.sleep(cx.waker()),
        };
        if sleeps {
            self.pace.slept();
        }
        sleeps
    }
}

impl<N: Network> Driver<N> {
    fn carry_on(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        // What has come is read before the time is looked at.
        self.transfer(cx)?;
        for _ in 0..BUDGET {
            let now = self.network.now();
            match self.engine.poll(now) {
                Step::Resolve { host, port } => self.io = Io::Resolving(self.network.resolve(host, port)),
                Step::Dial { dial, target } => self.dial(dial, target),
                Step::Transfer { read, write } => {
                    let (unhurried, wrote) = (self.engine.unhurried(), self.engine.take_direct_use());
                    let leaves = unhurried.is_some_and(|unsent| self.pace.leaves(now, unsent, wrote));
                    (self.read, self.write) = (read, write && !leaves);
                    if !self.transfer(cx)? && self.rest(cx) {
                        return Ok(Poll::Pending);
                    }
                }
                Step::Commit(commit) => self.commit = Some(self.network.commit(commit)),
                Step::Shutdown => self.shut_down(cx),
                Step::Close => self.io = Io::None,
                Step::Finished => return Ok(Poll::Ready(())),
            }
        }
        cx.waker().wake_by_ref();
        Ok(Poll::Pending)
    }
}

impl<N: Network + Unpin> Future for Driver<N> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // After a panic the engine is asked for nothing but its end.
        let carried_on = catch_unwind(AssertUnwindSafe(|| this.carry_on(cx)));
        carried_on.unwrap_or_else(|panic| Err(io::Error::other(describe(&*panic)))).unwrap_or_else(|error| {
            this.engine.fail(&error);
            Poll::Ready(())
        })
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|it| &**it));
    format!("the client's driver panicked: {}", text.unwrap_or("it did not say why"))
}

impl<N> fmt::Debug for Driver<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// A stream within a poll of its task: what would block wakes the task.
struct Polled<'a, 'b> {
    stream: &'a mut dyn Stream,
    cx: &'a mut Context<'b>,
}

fn now_or_later<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        now_or_later(Pin::new(&mut *self.stream).poll_read(self.cx, buffer))
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        now_or_later(Pin::new(&mut *self.stream).poll_write(self.cx, data))
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        now_or_later(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, data))
    }

    fn flush(&mut self) -> io::Result<()> {
        now_or_later(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}
