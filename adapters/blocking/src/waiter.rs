//! How a call waits: for the client's thread, or by driving the client itself.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use sterna_client::blocking::Wait;

use crate::driver::Driver;
use crate::hub::Hub;

/// How the calls of a client wait: parked, where it has a thread; or else by driving it.
#[derive(Debug, Default)]
pub struct Waiter {
    pub(crate) seat: Option<Arc<OnceLock<Seat>>>,
}

impl Wait for Waiter {
    fn wait(&self, timeout: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        // What is there already needs no waker.
        if poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        // A time-out that the clock cannot count ends never.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let seat = self.seat.as_ref().and_then(|seat| seat.get());
        let signal = Signal::of_this_thread(seat.map(|seat| &seat.hub));
        let waker = Waker::from(signal.clone());
        let mut has_turned = seat.is_none();
        loop {
            signal.woken.store(false, Ordering::Release);
            let is_late = has_turned && deadline.is_some_and(|deadline| deadline <= Instant::now());
            if poll(&mut Context::from_waker(&waker)).is_ready() || is_late {
                return signal.keep();
            }
            has_turned = true;
            let has_driven = seat.is_some_and(|seat| seat.drive(deadline, &signal));
            match deadline {
                _ if has_driven => {}
                Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
                None => thread::park(),
            }
        }
    }
}

/// Wakes one waiting call, wherever it waits. Being woken by somebody whom an earlier call has waited for makes a call look
/// once more, and no harm.
#[derive(Debug)]
struct Signal {
    thread: Thread,
    woken: AtomicBool,
    /// Of the driver that the call may have. It lives no longer for this.
    hub: Option<Weak<Hub>>,
}

thread_local! {
    /// The signal of the thread's last call, for its next one.
    static LAST: Cell<Option<Arc<Signal>>> = const { Cell::new(None) };
}

impl Signal {
    fn of_this_thread(hub: Option<&Arc<Hub>>) -> Arc<Self> {
        let is_for = |signal: &Arc<Self>| signal.hub.as_ref().map(Weak::as_ptr) == hub.map(Arc::as_ptr);
        // A thread that ends has none.
        let last = LAST.try_with(Cell::take).ok().flatten();
        last.filter(is_for).unwrap_or_else(|| {
            let (thread, woken) = (thread::current(), AtomicBool::new(false));
            Arc::new(Self { thread, woken, hub: hub.map(Arc::downgrade) })
        })
    }

    fn keep(self: Arc<Self>) {
        let _ = LAST.try_with(|last| last.set(Some(self)));
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The thread itself need not be woken: it looks before it waits.
        if !self.woken.swap(true, Ordering::AcqRel) && thread::current().id() != self.thread.id() {
            self.thread.unpark();
            if let Some(hub) = self.hub.as_ref().and_then(Weak::upgrade) {
                hub.wake_by_ref();
            }
        }
    }
}

/// The driver of a client without a thread: of the calls that wait one has it, the others wait for that one.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while somebody has it, and when it has ended.
    driver: Option<Box<Driver>>,
    /// Those that wait for it.
    others: Vec<Thread>,
}

impl Seat {
    pub(crate) fn new(driver: Driver) -> Self {
        let (hub, driver) = (driver.hub(), Some(Box::new(driver)));
        Self { hub, state: Mutex::new(State { driver, others: Vec::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives for one turn. False: somebody else does, and wakes this thread when the driver is free.
    fn drive(&self, deadline: Option<Instant>, signal: &Signal) -> bool {
        let mut state = self.lock();
        let Some(mut driver) = state.driver.take() else {
            // It may have asked before, and not have waited until it was free.
            if !state.others.iter().any(|other| other.id() == signal.thread.id()) {
                state.others.push(signal.thread.clone());
            }
            return false;
        };
        drop(state);
        let has_ended = driver.turn(deadline, || signal.woken.load(Ordering::Acquire));
        let mut state = self.lock();
        let ended = if has_ended { Some(driver) } else { state.driver.replace(driver) };
        let others = std::mem::take(&mut state.others);
        drop(state);
        // Before the others look whether it has ended.
        drop(ended);
        others.iter().for_each(Thread::unpark);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The last handle is gone: the DISCONNECT leaves, if nothing has to be waited for.
        if let Some(driver) = &mut self.state.get_mut().unwrap_or_else(PoisonError::into_inner).driver {
            driver.carry_on();
        }
    }
}
