//! How a call waits: for the client's thread, or by driving the client itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::driver::Driver;
use crate::net::Interrupt;

/// How the calls of a client wait: parked, where it has a thread; or else by driving it.
#[derive(Debug, Clone)]
pub struct Waiter {
    seat: Option<Arc<Seat>>,
}

impl Waiter {
    pub(crate) fn new(seat: Option<Arc<Seat>>) -> Self {
        Self { seat }
    }

    /// Until `poll` is ready, or `None` at the deadline: after one that has passed everything that takes no waiting
    /// was done.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let seat = self.seat.as_deref();
        let interrupt = seat.map(|seat| seat.interrupt.clone());
        let signal = Arc::new(Signal { thread: thread::current(), woken: AtomicBool::new(false), interrupt });
        let waker = Waker::from(signal.clone());
        let mut has_turned = seat.is_none();
        loop {
            signal.woken.store(false, Ordering::Release);
            if let Poll::Ready(value) = poll(&mut Context::from_waker(&waker)) {
                return Some(value);
            }
            if has_turned && deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return None;
            }
            has_turned = true;
            match seat.and_then(Seat::take) {
                Some(mut sitting) => sitting.turn(deadline, &signal),
                None => park(deadline),
            }
        }
    }
}

fn park(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => thread::park_timeout(deadline.saturating_duration_since(Instant::now())),
        None => thread::park(),
    }
}

/// Wakes one waiting call, wherever it waits.
#[derive(Debug)]
struct Signal {
    thread: Thread,
    woken: AtomicBool,
    interrupt: Option<Arc<Interrupt>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The thread itself need not be woken: it looks before it waits.
        if !self.woken.swap(true, Ordering::AcqRel) && thread::current().id() != self.thread.id() {
            self.thread.unpark();
            if let Some(interrupt) = &self.interrupt {
                interrupt.wake_by_ref();
            }
        }
    }
}

/// The driver of a client without a thread: of the calls that wait one has it, the others wait for that one.
#[derive(Debug)]
pub(crate) struct Seat {
    interrupt: Arc<Interrupt>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` while somebody has it, and when it has ended.
    driver: Option<Driver>,
    /// Those that wait for it.
    others: Vec<Thread>,
}

impl Seat {
    pub(crate) fn new(driver: Driver) -> Self {
        let interrupt = driver.interrupt();
        Self { interrupt, state: Mutex::new(State { driver: Some(driver), others: Vec::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver, or a place among those who are woken when it is free.
    fn take(&self) -> Option<Sitting<'_>> {
        let mut state = self.lock();
        let driver = state.driver.take();
        if driver.is_none() {
            let this = thread::current();
            // It may have asked before, and not have waited until it was free.
            if !state.others.iter().any(|other| other.id() == this.id()) {
                state.others.push(this);
            }
        }
        drop(state);
        driver.map(|driver| Sitting { seat: self, driver: Some(driver) })
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

/// The right to drive.
struct Sitting<'a> {
    seat: &'a Seat,
    driver: Option<Driver>,
}

impl Sitting<'_> {
    fn turn(&mut self, deadline: Option<Instant>, signal: &Signal) {
        // A driver that panics is gone, and with it the client.
        let Some(mut driver) = self.driver.take() else { return };
        if !driver.turn(deadline, || signal.woken.load(Ordering::Acquire)) {
            self.driver = Some(driver);
        }
    }
}

impl Drop for Sitting<'_> {
    fn drop(&mut self) {
        let mut state = self.seat.lock();
        state.driver = self.driver.take();
        let others = std::mem::take(&mut state.others);
        drop(state);
        others.iter().for_each(Thread::unpark);
    }
}
