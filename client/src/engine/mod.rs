//! The driver's brain: what an adapter has to carry out, and nothing of how.

mod commit;
mod drive;
mod reach;
mod transfer;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Waker;
use std::{fmt, io};

use bytes::Buf;
use sterna_core::{Attempt, Instant, Lost, LostKind, Transmit};
use sterna_transport::{Endpoint, Pipe, SocketOptions, Subprotocol, TransportOptions};

pub use self::commit::{Commit, Committed};

use self::commit::Storage;
use crate::authentication::Authenticator;
use crate::buffer::ReadBuffer;
use crate::dialler::{DialId, Dialler, Target};
use crate::hook::{ConnectAttempt, Hook};
use crate::outlet::Outlet;
use crate::shared::{Direct, Inner, Shared, Sleep};
use crate::store::Store;
use crate::wire::WireBuffer;

/// What the adapter carries out next.
#[derive(Debug)]
pub enum Step {
    /// Resolve this name, then call [`Engine::handle_resolved`]. Replaces what was under way.
    Resolve {
        /// The host name.
        host: Box<str>,
        /// The port for its addresses.
        port: u16,
    },
    /// Begin one more dial, beside those that are under way, and call [`Engine::handle_dialled`] when it has ended. The
    /// first success wins: keep that stream and drop all other dials.
    Dial {
        /// Names it in the answer.
        dial: DialId,
        /// Where to.
        target: Target,
    },
    /// [`Commit::run`] this where blocking does no harm, such as on a pool of threads, then call
    /// [`Engine::handle_committed`]. Meanwhile everything else goes on; there is one at a time.
    Commit(Commit),
    /// Carry on: resolve or dial further, or, when connected, [`Engine::read`] and [`Engine::write`]. If nothing moved,
    /// [`Engine::sleep`].
    Transfer {
        /// Reading is wanted. If not, the socket must not wake the driver for it.
        read: bool,
        /// There is something to write.
        write: bool,
    },
    /// [`Engine::write`] while that moves anything, then close the sending half.
    Shutdown,
    /// Drop the socket, or everything that is under way to have one. There is nothing to answer.
    Close,
    /// Nothing will ever be to do again: drop the engine.
    Finished,
}

/// Where the network connection stands.
#[derive(Debug)]
enum Link {
    None,
    /// The application's hook is under way.
    Preparing {
        attempt: Attempt,
    },
    Resolving {
        attempt: Attempt,
        host: Box<str>,
        port: u16,
        /// It is the server's address, for a proxy that wants to be told it.
        for_proxy: bool,
        asked: bool,
    },
    Dialling {
        attempt: Attempt,
        dialler: Dialler,
    },
    /// Dialled, and the pipe's hand-shakes are under way.
    Opening {
        attempt: Attempt,
    },
    /// There is a way to the server, and the connection does not know yet.
    Open {
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

/// A pipe, and what was read and is to go through it.
#[derive(Debug)]
struct Piped {
    pipe: Pipe,
    wire: WireBuffer,
}

/// Drives one client; sans-IO. An adapter has the time source and the sockets, and this loop:
///
/// 1. Carry on with what is under way: have it [`read`](Self::read) from the socket and [`write`](Self::write) to it, and
///    report what was resolved or dialled.
/// 2. [`poll`](Self::poll) and do what the [`Step`] says.
/// 3. When nothing moves any more, have the socket and a timer at [`deadline`](Self::deadline) wake the driver
///    and [`sleep`](Self::sleep); if that says no, go on at 2.
///
/// The handlers only note what happened; `poll` acts on it. Dropping the engine ends the client: every operation
/// is resolved as closed. With a store, what is not stored by then is stored in that drop, which waits for it.
pub struct Engine {
    shared: Arc<Shared>,
    drive: Drive,
    hook: Option<Box<Hook>>,
    authenticator: Option<Box<dyn Authenticator>>,
    /// A step of the authenticator is due.
    challenged: bool,
    spare: Vec<Waker>,
    /// Why the driver cannot go on.
    fault: Option<String>,
}

/// The engine without its lock.
#[allow(clippy::struct_excessive_bools)] // Independent facts.
struct Drive {
    endpoints: Vec<Endpoint>,
    transport: TransportOptions,
    socket: SocketOptions,
    makes_streams: bool,
    /// There is a hook before each attempt.
    hooked: bool,
    /// Where the present attempt goes.
    endpoint: Endpoint,
    /// What the hook made of it, until CONNECT is sent.
    prepared: Option<Box<ConnectAttempt>>,
    /// Of a WebSocket to it.
    subprotocol: Subprotocol,
    /// Its address, for a proxy that wants to be told.
    server_address: Option<IpAddr>,
    /// What the authenticator begins the next connection with.
    initial_data: Option<Vec<u8>>,
    /// The number of the last dial.
    last_dial: u64,
    link: Link,
    /// What is between the connection and the socket, unless it is nothing.
    pipe: Option<Box<Piped>>,
    /// The pipe of a connection that is gone because of it: it says so to the server.
    farewell: Option<Box<Piped>>,
    farewell_asked: bool,
    transmit: Transmit,
    input: ReadBuffer,
    // Rare, and an idle client pays for its bytes.
    storage: Option<Box<Storage>>,
    now: Instant,
    /// Written, and the connection does not know yet.
    written: usize,
    /// What the connection has to send, and whether somebody waits for it.
    unsent: u64,
    hurries: bool,
    /// Something was written since the last flush: a stream of an application's own may hold it back.
    unflushed: bool,
    /// The socket took not all that it was offered last.
    full: bool,
    /// What else writes to the socket, while it is not left to those who publish.
    direct: Option<Box<Direct>>,
    /// It was used.
    wrote_directly: bool,
    /// The adapter has something to close.
    close: bool,
    /// Something moved since `idle_check` was set.
    traffic: bool,
    idle_check: Option<Instant>,
    deadline: Option<Instant>,
    paused: bool,
    /// How many bytes the packet that is being read lacks at least, by the server's word.
    missing: usize,
}

/// What a client's engine begins with, besides its lock.
pub(crate) struct Setup {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) transport: TransportOptions,
    pub(crate) socket: SocketOptions,
    pub(crate) makes_streams: bool,
    pub(crate) hook: Option<Box<Hook>>,
    pub(crate) authenticator: Option<Box<dyn Authenticator>>,
    pub(crate) store: Option<Box<dyn Store>>,
}

impl Engine {
    pub(crate) fn new(shared: Arc<Shared>, setup: Setup) -> Self {
        let drive = Drive {
            endpoint: setup.endpoints[0].clone(),
            endpoints: setup.endpoints,
            transport: setup.transport,
            socket: setup.socket,
            makes_streams: setup.makes_streams,
            hooked: setup.hook.is_some(),
            prepared: None,
            subprotocol: Subprotocol::default(),
            server_address: None,
            initial_data: None,
            last_dial: 0,
            link: Link::None,
            pipe: None,
            farewell: None,
            farewell_asked: false,
            transmit: Transmit::new(),
            input: ReadBuffer::new(),
            storage: setup.store.map(|store| Box::new(Storage::new(store))),
            now: Instant::ZERO,
            written: 0,
            unsent: 0,
            hurries: false,
            unflushed: false,
            full: false,
            direct: None,
            wrote_directly: false,
            close: false,
            traffic: false,
            idle_check: None,
            deadline: None,
            paused: false,
            missing: 0,
        };
        let (hook, authenticator) = (setup.hook, setup.authenticator);
        Self { shared, drive, hook, authenticator, challenged: false, spare: Vec::new(), fault: None }
    }

    /// Acts on all that happened up to `now` and says what to do next. `now` is the current time, of any origin;
    /// the first one's may be zero, and it never goes back.
    pub fn poll(&mut self, now: Instant) -> Step {
        loop {
            self.prepare();
            self.authenticate();
            let mut inner = self.shared.lock();
            let step = self.drive.poll(&mut inner, now);
            self.challenged = inner.authentications.is_waiting();
            let driver = inner.wakers.take(&mut self.spare);
            let notes = inner.trace.take();
            drop(inner);
            notes.tell();
            driver.into_iter().chain(self.spare.drain(..)).for_each(Waker::wake);
            if self.drive.rests() {
                self.spare.shrink_to_fit();
            }
            // Any other step has to be carried out first; the adapter polls again after it.
            let more = self.challenged || self.is_hook_due();
            if !(more && matches!(step, Step::Transfer { .. })) {
                return step;
            }
        }
    }

    fn is_hook_due(&self) -> bool {
        let Link::Preparing { attempt } = self.drive.link else { return false };
        self.hook.as_ref().is_some_and(|hook| hook.is_due(attempt))
    }

    /// Has the hook go on, or drops what it is at. It is foreign code: never under the lock.
    fn prepare(&mut self) {
        let Some(hook) = &mut self.hook else { return };
        let Link::Preparing { attempt } = self.drive.link else { return hook.stop() };
        let Drive { endpoint, transport, .. } = &self.drive;
        if let Some(result) = hook.poll(attempt, endpoint, transport, &self.shared) {
            self.drive.handle_prepared(attempt, result);
        }
    }

    /// Has the authenticator take the steps that are due. It is foreign code: never under the lock.
    fn authenticate(&mut self) {
        if std::mem::take(&mut self.challenged) {
            while let Some(work) = self.shared.with(Inner::next_authentication) {
                let verdict = work.carry_out(self.authenticator.as_deref_mut());
                self.shared.with(|inner| inner.authenticated(&work, verdict));
            }
        }
        if let (Link::Open { .. }, Some(authenticator)) = (&self.drive.link, &mut self.authenticator) {
            self.drive.initial_data = authenticator.start();
        }
    }

    /// When the driver has to be awake again at the latest, as of the last [`poll`](Self::poll).
    pub fn deadline(&self) -> Option<Instant> {
        self.drive.deadline
    }

    /// Has `waker` woken by the next command. False: one came since the last [`poll`](Self::poll), do not sleep.
    #[must_use]
    pub fn sleep(&mut self, waker: &Waker) -> bool {
        let sleep = if self.drive.full { Sleep::Full } else { Sleep::Light };
        self.fall_asleep(waker, sleep, self.drive.deadline)
    }

    /// The same for a driver that is polled again at `until`, at the latest: publishes that nobody waits for do not wake it,
    /// unless they are many. It leaves them, and what it has not written, to those who publish, where there is an
    /// [`Outlet`].
    #[must_use]
    pub fn nap(&mut self, waker: &Waker, until: Instant) -> bool {
        let until = self.drive.deadline.into_iter().chain([until]).min();
        let sleep = if self.drive.full { Sleep::Full } else { Sleep::Nap };
        self.fall_asleep(waker, sleep, until)
    }

    fn fall_asleep(&mut self, waker: &Waker, sleep: Sleep, until: Option<Instant>) -> bool {
        let mut inner = self.shared.lock();
        let sleeps = inner.driver_sleeps(waker, sleep);
        if sleeps {
            self.drive.lend(&mut inner, until);
        }
        sleeps
    }

    /// The socket that [`handle_dialled`](Self::handle_dialled) reports next can also be written to through this, by those
    /// who publish while the driver sleeps. It is dropped before a [`Step::Shutdown`] and a [`Step::Close`] of that socket.
    pub fn set_outlet(&mut self, outlet: Arc<dyn Outlet>) {
        if let Link::Dialling { attempt, .. } = self.drive.link {
            self.drive.direct = Some(Box::new(Direct::new(outlet, attempt)));
        }
    }

    /// Whether those who publish have written by themselves since this was asked last.
    pub fn take_direct_use(&mut self) -> bool {
        std::mem::take(&mut self.drive.wrote_directly)
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
        self.drive.handle_resolved(result.map_err(|error| error.to_string()));
    }

    /// The answer to [`Step::Dial`].
    pub fn handle_dialled<E: fmt::Display>(&mut self, dial: DialId, result: Result<(), E>) {
        self.drive.handle_dialled(dial, result.map_err(|error| error.to_string()));
    }

    /// The answer to [`Step::Commit`].
    pub fn handle_committed(&mut self, committed: Committed) {
        if let Some(storage) = &mut self.drive.storage {
            storage.handle_committed(committed);
        }
    }

    /// Reads once, when a [`Step::Transfer`] said that reading is wanted; whether anything moved. False means that
    /// `reader` would block, and then it has to wake the driver; its end and its errors are the engine's to deal with.
    pub fn read(&mut self, reader: &mut impl io::Read) -> bool {
        self.drive.read(reader)
    }

    /// Writes what is pending; whether anything moved. False means that nothing is pending or `writer` would block, and
    /// then it has to wake the driver; its errors are the engine's to deal with. `writer` may take any part of what it
    /// is offered; what it took counts as sent.
    pub fn write(&mut self, writer: &mut impl io::Write) -> bool {
        self.drive.write(writer)
    }

    /// The driver cannot go on, for this reason: what the users of the client are told when the engine is dropped, which
    /// is what is left to do.
    pub fn fail(&mut self, error: &dyn fmt::Display) {
        self.fault = Some(error.to_string());
    }

    /// How many bytes [`write`](Self::write) has to write.
    pub fn pending(&self) -> usize {
        self.drive.transmit.remaining()
    }

    /// How many bytes the connection has to send that need not be written at once, as of the last [`poll`](Self::poll); `None` where
    /// somebody waits for them, or the socket did not take what was written last.
    pub fn unhurried(&self) -> Option<u64> {
        let hurries = self.drive.hurries || self.drive.full;
        (!hurries).then_some(self.drive.unsent)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Self { shared, drive, fault, .. } = self;
        let fault = fault.take().unwrap_or_else(|| "the runtime dropped the client's driver".into());
        shared.with(|inner| {
            if let Some(storage) = &mut drive.storage {
                storage.finish(inner, drive.now);
            }
            inner.die(fault);
        });
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
