//! The driver's brain: what an adapter has to carry out, and nothing of how.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sterna_core::{Action, Attempt, Ingress, Instant, Lost, LostKind, Transmit};
use sterna_transport::{Endpoint, SocketOptions};

use crate::buffer::ReadBuffer;
use crate::dialler::Dialler;
use crate::shared::{Inner, Shared};

/// How long a connection that we close is read from (and the bytes thrown away) until the server closes too.
/// Closing with unread bytes would reset the connection, and our DISCONNECT could be lost with it.
const LINGER: Duration = Duration::from_millis(250);
/// Buffers that no traffic used for one to two of these are given back.
const IDLE: Duration = Duration::from_secs(1);
/// The connection is asked for more when less than this waits to be written.
const LOW_WATER: usize = 4 << 10;

/// What the adapter carries out next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Resolve this name, then call [`Engine::handle_resolved`]. Replaces what was under way.
    Resolve {
        /// The host name.
        host: Box<str>,
        /// The port for its addresses.
        port: u16,
    },
    /// Dial this address with [`Engine::socket_options`], then call [`Engine::handle_dialled`]. Replaces what was
    /// under way.
    Dial(SocketAddr),
    /// Carry on: resolve or dial further, or, when connected, read into [`Engine::input`] and write
    /// [`Engine::transmit`] as far as possible. If nothing moved, [`Engine::sleep`].
    Transfer {
        /// Reading is wanted. If not, the socket must not wake the driver for it.
        read: bool,
        /// There is something to write.
        write: bool,
    },
    /// Write what is left in [`Engine::transmit`] as far as that goes at once, then close the sending half.
    Shutdown,
    /// Drop the socket, or what is under way to have one. There is nothing to answer.
    Close,
    /// Nothing will ever be to do again: drop the engine.
    Finished,
}

/// Where the network connection stands.
#[derive(Debug)]
enum Link {
    None,
    Resolving {
        attempt: Attempt,
        asked: bool,
        end: Instant,
    },
    Dialling {
        attempt: Attempt,
        dialler: Dialler,
        asked: bool,
    },
    /// Dialled, and the connection does not know yet.
    Dialled {
        attempt: Attempt,
    },
    Up {
        attempt: Attempt,
    },
    /// We have closed, the server not yet.
    Lingering {
        attempt: Attempt,
        asked: bool,
        until: Instant,
    },
    /// It is gone, and the connection does not know yet.
    Gone {
        attempt: Attempt,
        lost: Lost,
    },
}

/// Drives one client; sans-IO. An adapter has the time source and the sockets, and this loop:
///
/// 1. Carry on with what is under way: read into [`input`](Self::input) and call
///    [`handle_read`](Self::handle_read); write [`transmit`](Self::transmit) and call
///    [`handle_written`](Self::handle_written); report failures with [`handle_lost`](Self::handle_lost).
/// 2. [`poll`](Self::poll) and do what the [`Step`] says.
/// 3. When nothing moves any more, have the socket and a timer at [`deadline`](Self::deadline) wake the driver
///    and [`sleep`](Self::sleep); if that says no, go on at 2.
///
/// The handlers only note what happened; `poll` acts on it. Dropping the engine ends the client: every operation
/// is resolved as closed.
pub struct Engine {
    shared: Arc<Shared>,
    drive: Drive,
    spare: Vec<Waker>,
}

/// The engine without its lock.
struct Drive {
    endpoint: Endpoint,
    socket: SocketOptions,
    connect_timeout: Duration,
    link: Link,
    transmit: Transmit,
    input: ReadBuffer,
    /// Written, and the connection does not know yet.
    written: usize,
    /// The adapter has something to close.
    close: bool,
    /// Something moved since `idle_check` was set.
    traffic: bool,
    idle_check: Option<Instant>,
    deadline: Option<Instant>,
    paused: bool,
}

impl Engine {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Endpoint,
        socket: SocketOptions,
        connect_timeout: Duration,
    ) -> Self {
        let drive = Drive {
            endpoint,
            socket,
            connect_timeout,
            link: Link::None,
            transmit: Transmit::new(),
            input: ReadBuffer::new(),
            written: 0,
            close: false,
            traffic: false,
            idle_check: None,
            deadline: None,
            paused: false,
        };
        Self { shared, drive, spare: Vec::new() }
    }

    /// Acts on all that happened up to `now` and says what to do next. `now` is the current time, of any origin;
    /// the first one's may be zero, and it never goes back.
    pub fn poll(&mut self, now: Instant) -> Step {
        let mut inner = self.shared.lock();
        let step = self.drive.poll(&mut inner, now);
        let driver = inner.wakers.take(&mut self.spare);
        drop(inner);
        driver.into_iter().chain(self.spare.drain(..)).for_each(Waker::wake);
        step
    }

    /// When the driver has to be awake again at the latest, as of the last [`poll`](Self::poll).
    pub fn deadline(&self) -> Option<Instant> {
        self.drive.deadline
    }

    /// Has `waker` woken by the next command. False: one came since the last [`poll`](Self::poll), do not sleep.
    #[must_use]
    pub fn sleep(&mut self, waker: &Waker) -> bool {
        self.shared.lock().driver_sleeps(waker)
    }

    /// What to set on the socket.
    pub fn socket_options(&self) -> SocketOptions {
        self.drive.socket
    }

    /// The answer to [`Step::Resolve`].
    pub fn handle_resolved<E: fmt::Display>(
        &mut self,
        result: Result<impl IntoIterator<Item = SocketAddr>, E>,
    ) {
        let Link::Resolving { attempt, end, .. } = self.drive.link else { return };
        self.drive.link = match result {
            Ok(addresses) => Link::Dialling { attempt, dialler: Dialler::new(addresses, end), asked: false },
            Err(error) => Link::Gone { attempt, lost: lost(LostKind::Resolve, error.to_string()) },
        };
    }

    /// The answer to [`Step::Dial`].
    pub fn handle_dialled<E: fmt::Display>(&mut self, result: Result<(), E>) {
        let Link::Dialling { attempt, dialler, asked } = &mut self.drive.link else { return };
        match result {
            Ok(()) => self.drive.link = Link::Dialled { attempt: *attempt },
            Err(error) => {
                dialler.failed(&error);
                *asked = false;
            }
        }
    }

    /// Where to read to, with room for one read.
    pub fn input(&mut self) -> &mut BytesMut {
        self.drive.input.prepare()
    }

    /// One read appended `count` bytes to [`input`](Self::input). Zero means that the server closed.
    pub fn handle_read(&mut self, count: usize) {
        if count == 0 {
            return self.drive.handle_lost(LostKind::Eof, String::new());
        }
        self.drive.traffic = true;
        self.drive.input.filled(count);
    }

    /// What to write.
    pub fn transmit(&self) -> &Transmit {
        &self.drive.transmit
    }

    /// The socket took the first `count` bytes of [`transmit`](Self::transmit).
    pub fn handle_written(&mut self, count: usize) {
        self.drive.traffic = true;
        self.drive.transmit.advance(count);
        self.drive.written += count;
    }

    /// Reading or writing failed.
    pub fn handle_lost(&mut self, error: &dyn fmt::Display) {
        self.drive.handle_lost(LostKind::Io, error.to_string());
    }
}

impl Drive {
    fn poll(&mut self, inner: &mut Inner, now: Instant) -> Step {
        inner.driver_awake(now);
        self.report(inner, now);
        if inner.connection.poll_timeout().is_some_and(|(at, _)| at <= now) {
            inner.connection.handle_timeout(now);
        }
        loop {
            inner.driver_looks();
            if matches!(self.link, Link::Up { .. }) && self.transmit.remaining() < LOW_WATER {
                inner.connection.poll_transmit(now, &mut self.transmit);
            }
            let acted = self.act(inner, now);
            inner.drain();
            if !acted {
                break;
            }
        }
        let step = self.step(inner, now);
        self.release_idle_buffers(now);
        self.deadline = self.next_deadline(inner);
        step
    }

    /// Tells the connection what happened.
    fn report(&mut self, inner: &mut Inner, now: Instant) {
        if self.written > 0 {
            inner.connection.handle_written(now, std::mem::take(&mut self.written));
        }
        match &self.link {
            Link::Dialled { attempt } => {
                let attempt = *attempt;
                self.transmit.clear();
                self.input.bytes.clear();
                inner.connection.handle_connected(now, attempt);
                self.link = Link::Up { attempt };
            }
            Link::Up { .. } => self.feed(inner, now),
            Link::Gone { .. } => {
                // What came before the end counts.
                self.feed(inner, now);
                self.end_link(inner, now);
            }
            Link::Lingering { until, .. } => {
                self.input.bytes.clear();
                if *until <= now {
                    self.handle_lost(LostKind::Eof, String::new());
                    self.end_link(inner, now);
                }
            }
            Link::Dialling { .. } | Link::Resolving { .. } | Link::None => {}
        }
    }

    /// Has the connection read what came, as far as it takes it.
    fn feed(&mut self, inner: &mut Inner, now: Instant) {
        if self.input.bytes.is_empty() && !self.paused {
            return;
        }
        inner.inbox.begin_batch();
        loop {
            let (messages, bytes) = inner.inbox.backlog();
            inner.connection.handle_backlog(messages, bytes);
            self.paused = inner.connection.handle_input(now, &mut self.input.bytes) == Ingress::Paused;
            // What was paused for messages that nobody wanted goes on.
            if !(inner.drain() && self.paused) {
                break;
            }
        }
        inner.set_paused(self.paused);
    }

    fn end_link(&mut self, inner: &mut Inner, now: Instant) {
        if let Link::Gone { attempt, lost } = std::mem::replace(&mut self.link, Link::None) {
            self.close = true;
            self.transmit.clear();
            self.input.bytes.clear();
            self.paused = false;
            inner.set_paused(false);
            inner.connection.handle_disconnected(now, attempt, lost);
        }
    }

    fn handle_lost(&mut self, kind: LostKind, detail: String) {
        if let Link::Up { attempt } | Link::Lingering { attempt, .. } = self.link {
            self.link = Link::Gone { attempt, lost: lost(kind, detail) };
            self.transmit.clear();
        }
    }

    /// Carries out one action of the connection; whether there was one.
    fn act(&mut self, inner: &mut Inner, now: Instant) -> bool {
        match inner.connection.poll_action() {
            Some(Action::Connect { attempt }) => {
                let end = now + self.connect_timeout;
                self.link = match self.endpoint.host.parse::<IpAddr>() {
                    Ok(address) => {
                        let address = SocketAddr::new(address, self.endpoint.port);
                        Link::Dialling { attempt, dialler: Dialler::new([address], end), asked: false }
                    }
                    Err(_) => Link::Resolving { attempt, asked: false, end },
                };
            }
            Some(Action::Close { attempt }) => self.close_link(inner, now, attempt),
            None => return false,
        }
        true
    }

    fn close_link(&mut self, inner: &mut Inner, now: Instant, closing: Attempt) {
        match self.link {
            Link::Up { attempt } if attempt == closing => {
                inner.connection.poll_transmit(now, &mut self.transmit);
                self.link = Link::Lingering { attempt, asked: false, until: now + LINGER };
                // What is still unread is not read any more.
                self.paused = false;
                inner.set_paused(false);
            }
            Link::Resolving { attempt, .. } | Link::Dialling { attempt, .. } if attempt == closing => {
                self.link = Link::Gone { attempt, lost: lost(LostKind::Dial, "given up".into()) };
                self.end_link(inner, now);
            }
            // Gone already: the connection hears of it, or has heard.
            _ => {}
        }
    }

    fn step(&mut self, inner: &mut Inner, now: Instant) -> Step {
        if std::mem::take(&mut self.close) {
            return Step::Close;
        }
        match &mut self.link {
            Link::None if inner.is_finished() => Step::Finished,
            Link::Resolving { asked: asked @ false, .. } => {
                *asked = true;
                Step::Resolve { host: self.endpoint.host.clone(), port: self.endpoint.port }
            }
            Link::Dialling { attempt, dialler, asked } => {
                let given_up = dialler.limit().is_some_and(|limit| limit <= now);
                if *asked && !given_up {
                    return Step::Transfer { read: false, write: false };
                }
                if *asked {
                    dialler.failed(&"no answer");
                }
                if let Some(address) = dialler.next(now) {
                    *asked = true;
                    return Step::Dial(address);
                }
                let attempt = *attempt;
                self.fail_dialling(inner, now, attempt);
                self.step(inner, now)
            }
            Link::Lingering { asked: asked @ false, .. } => {
                *asked = true;
                Step::Shutdown
            }
            Link::Lingering { .. } => Step::Transfer { read: true, write: false },
            Link::Up { .. } => Step::Transfer { read: !self.paused, write: self.transmit.has_remaining() },
            _ => Step::Transfer { read: false, write: false },
        }
    }

    /// No address answered.
    fn fail_dialling(&mut self, inner: &mut Inner, now: Instant, attempt: Attempt) {
        if let Link::Dialling { dialler, .. } = std::mem::replace(&mut self.link, Link::None) {
            self.link = Link::Gone { attempt, lost: lost(LostKind::Dial, dialler.into_error()) };
        }
        self.end_link(inner, now);
        while self.act(inner, now) {}
        inner.drain();
    }

    /// One timer that traffic does not move: it looks once a second whether anything moved.
    fn release_idle_buffers(&mut self, now: Instant) {
        match self.idle_check {
            None if self.traffic => self.idle_check = Some(now + IDLE),
            Some(at) if at <= now && self.traffic => self.idle_check = Some(now + IDLE),
            Some(at) if at <= now => {
                self.idle_check = None;
                self.input.release();
                self.transmit.release();
            }
            _ => return,
        }
        self.traffic = false;
    }

    fn next_deadline(&self, inner: &Inner) -> Option<Instant> {
        let link = match &self.link {
            Link::Dialling { dialler, .. } => dialler.limit(),
            Link::Lingering { until, .. } => Some(*until),
            _ => None,
        };
        let connection = inner.connection.poll_timeout().map(|(at, _)| at);
        [link, connection, self.idle_check].into_iter().flatten().min()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.with(Inner::die);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("endpoint", &self.drive.endpoint)
            .field("link", &self.drive.link)
            .field("deadline", &self.drive.deadline)
            .finish_non_exhaustive()
    }
}

fn lost(kind: LostKind, detail: String) -> Lost {
    Lost { kind, detail: detail.into() }
}
