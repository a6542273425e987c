//! A client whose calls block: what is a future or a stream of [`Client`](crate::Client) is here a call that waits, with a
//! time-out or without, or an iterator. How a call waits is the adapter's, by [`Wait`].

mod call;
mod client;
mod incoming;

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

pub use self::call::{Call, Operation, TimedOut};
pub use self::client::{Client, Pending};
pub use self::incoming::{Events, Incoming, Messages, Subscription};

/// How the calls of a client wait, on whichever thread they are made.
pub trait Wait: fmt::Debug + Send + Sync {
    /// Calls `poll`, again whenever its waker is woken, until it is ready or the time is up. What takes no waiting is done
    /// in any case, also when there is no time. Without a time-out it returns when `poll` is ready, and not before.
    fn wait(&self, timeout: Option<Duration>, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>);
}

/// The [`Wait`] of one client.
#[derive(Debug, Clone)]
pub struct Waiter(Arc<dyn Wait>);

impl Waiter {
    pub(crate) fn new(wait: impl Wait + 'static) -> Self {
        Self(Arc::new(wait))
    }

    /// Until `poll` is ready, or `None` when the time is up.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let mut outcome = None;
        self.0.wait(timeout, &mut |cx| poll(cx).map(|value| outcome = Some(value)));
        outcome
    }
}
