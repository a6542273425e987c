//! Messages and events, one after the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{RecvError, RecvTimeoutError, TryRecvError};
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream;

use super::{Call, Waiter};
use crate as base;
use crate::{Granted, OperationError, ReasonCode, SubscribeError};

/// The messages of a subscription; see [`Incoming`] and [`base::Subscription`].
///
/// Dropping it ends the stream and leaves the MQTT subscription in place; [`unsubscribe`](Incoming::unsubscribe) ends
/// both.
pub type Subscription = Incoming<base::Subscription>;

/// The messages that no live [`Subscription`] claims; see [`Client::messages`](super::Client::messages).
pub type Messages = Incoming<base::Messages>;

/// What happens to the client; see [`Client::events`](super::Client::events).
pub type Events = Incoming<base::Events>;

/// What comes in, as an iterator that blocks until there is something, and ends when nothing will come any more: when it
/// was unsubscribed, or the client has closed, and everything queued was taken.
///
/// Nothing is lost in a time-out: what has not been given comes next. Asking for the next message acknowledges the one
/// before, in [`AckMode::OnNext`](base::AckMode::OnNext), also when none comes.
#[must_use = "what comes is not read by anybody"]
pub struct Incoming<S> {
    stream: S,
    waiter: Waiter,
}

impl<S: Stream + Unpin> Incoming<S> {
    pub(crate) fn new(stream: S, waiter: &Waiter) -> Self {
        Self { stream, waiter: waiter.clone() }
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// Nothing will come any more.
    pub fn recv(&mut self) -> Result<S::Item, RecvError> {
        self.next().ok_or(RecvError)
    }

    /// The next one, if there is one already.
    ///
    /// # Errors
    /// There is none now, or none will come any more.
    pub fn try_recv(&mut self) -> Result<S::Item, TryRecvError> {
        match self.wait(Some(Duration::ZERO)) {
            Poll::Ready(item) => item.ok_or(TryRecvError::Disconnected),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Waits for the next one, no longer than `timeout`.
    ///
    /// # Errors
    /// None came in that time, or none will come any more.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<S::Item, RecvTimeoutError> {
        match self.wait(Some(timeout)) {
            Poll::Ready(item) => item.ok_or(RecvTimeoutError::Disconnected),
            Poll::Pending => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Pending when the time is up.
    fn wait(&mut self, timeout: Option<Duration>) -> Poll<Option<S::Item>> {
        let Self { stream, waiter } = self;
        waiter.wait(timeout, |cx| Pin::new(&mut *stream).poll_next(cx)).map_or(Poll::Pending, Poll::Ready)
    }
}

impl<S: Stream + Unpin> Iterator for Incoming<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        match self.wait(None) {
            Poll::Ready(item) => item,
            // Without a time-out there is no end to waiting.
            Poll::Pending => None,
        }
    }
}

impl Subscription {
    /// Waits for the server's answer: what it granted, a reason code for each filter in their order. A subscription that
    /// was waited for has it already.
    ///
    /// # Errors
    /// Every filter was refused, or the operation ended without an answer; then the stream has ended too.
    pub fn granted(&mut self) -> Result<Granted, SubscribeError> {
        let Self { stream, waiter } = self;
        let mut granted = std::pin::pin!(stream.granted());
        let outcome = waiter.wait(None, |cx| granted.as_mut().poll(cx));
        // Without a time-out there is an outcome.
        outcome.unwrap_or(Err(OperationError::Closed.into()))
    }

    /// What the server granted, if its answer is there: a reason code for each filter, in their order.
    pub fn reasons(&self) -> &[ReasonCode] {
        self.stream.reasons()
    }

    /// How many of its messages were dropped because the application did not keep up.
    pub fn dropped(&self) -> u64 {
        self.stream.dropped()
    }

    /// Ends the subscription; see [`base::Subscription::unsubscribe`].
    pub fn unsubscribe(self) -> Call<base::Unsubscribing> {
        Call::new(self.stream.unsubscribe(), &self.waiter)
    }
}

impl<S: fmt::Debug> fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Incoming").field(&self.stream).finish()
    }
}
