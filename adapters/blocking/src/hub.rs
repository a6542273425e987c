//! What the driver, its sockets and the threads that it waits for have in common.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;
use std::time::Duration;

use mio::{Events, Poll, Registry, Token};

/// The token of interrupts.
const INTERRUPT: Token = Token(0);
/// The token of every socket: there is one, or a few on their way.
pub(crate) const SOCKET: Token = Token(1);

/// Where the sockets are registered, and what wakes the driver, also while it waits for the network.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) registry: Registry,
    waker: mio::Waker,
    /// The driver has something to do.
    pending: AtomicBool,
    /// The driver waits, or is about to.
    waiting: AtomicBool,
    /// Counts the times at which something happened at a socket.
    happenings: AtomicU64,
}

impl Hub {
    pub(crate) fn new(poll: &Poll) -> io::Result<Arc<Self>> {
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, INTERRUPT)?;
        let (pending, waiting) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Arc::new(Self { registry, waker, pending, waiting, happenings: AtomicU64::new(0) }))
    }

    pub(crate) fn happenings(&self) -> u64 {
        self.happenings.load(Ordering::Relaxed)
    }

    /// Waits for the network or an interrupt, no longer than `timeout`.
    pub(crate) fn wait(
        &self,
        poll: &mut Poll,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.waiting.store(true, Ordering::SeqCst);
        let is_pending = self.pending.swap(false, Ordering::SeqCst);
        let waited = poll.poll(events, if is_pending { Some(Duration::ZERO) } else { timeout });
        self.waiting.store(false, Ordering::SeqCst);
        self.pending.store(false, Ordering::SeqCst);
        if events.iter().any(|event| event.token() == SOCKET) {
            self.happenings.fetch_add(1, Ordering::Relaxed);
        }
        waited.or_else(|error| if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) })
    }
}

impl Wake for Hub {
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
