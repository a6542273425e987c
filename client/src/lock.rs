//! The client's one lock, and waking after it is released.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A mutex that a panic elsewhere does not poison: what it guards is changed by calls that leave it whole.
#[derive(Debug)]
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tasks to wake once the lock is released. The driver has a place of its own: waking it is what happens most,
/// and must not allocate.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    pub(crate) driver: Option<Waker>,
    pub(crate) others: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn is_empty(&self) -> bool {
        self.driver.is_none() && self.others.is_empty()
    }

    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        self.others.extend(waker);
    }

    /// Takes what is to be woken. `others`, which is empty, keeps its capacity if there is nobody but the driver.
    pub(crate) fn take(&mut self, others: &mut Vec<Waker>) -> Option<Waker> {
        if !self.others.is_empty() {
            std::mem::swap(&mut self.others, others);
        }
        self.driver.take()
    }
}

/// Remembers `waker` in `slot` without cloning it when it is there already.
pub(crate) fn register(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) if known.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}
