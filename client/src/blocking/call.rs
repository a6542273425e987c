//! Operations that are waited for.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use super::{Incoming, Subscription, Waiter};
use crate as base;
use crate::{
    AckMode, CancelError, OnFull, OperationError, PropertiesBuf, PublishError, QoS, ReasonCode,
    RetainHandling, SubscribeError, Unsent,
};

/// A future of a client's that a [`Call`] waits for.
pub trait Operation: Future + Unpin {
    /// What waiting for it gives.
    type Outcome;

    /// Makes of the future's output what a caller without futures needs.
    #[doc(hidden)]
    fn finish(output: Self::Output, waiter: &Waiter) -> Self::Outcome;
}

macro_rules! operations {
    ($($future:ty),*) => {$(
        impl Operation for $future {
            type Outcome = Self::Output;

            fn finish(output: Self::Output, _: &Waiter) -> Self::Outcome {
                output
            }
        }
    )*};
}

operations!(
    base::Publishing<'_>,
    base::Delivery,
    base::Requesting<'_>,
    base::Unsubscribing,
    base::Connecting,
    base::Disconnecting,
    base::Reauthenticating
);

impl Operation for base::Subscribing {
    type Outcome = Result<Subscription, SubscribeError>;

    fn finish(output: Self::Output, waiter: &Waiter) -> Self::Outcome {
        output.map(|subscription| Incoming::new(subscription, waiter))
    }
}

impl Operation for base::Enqueuing<'_> {
    type Outcome = Result<Call<base::Delivery>, PublishError>;

    fn finish(output: Self::Output, waiter: &Waiter) -> Self::Outcome {
        output.map(|delivery| Call::new(delivery, waiter))
    }
}

/// An operation, set up by the methods of [`Client`](super::Client): give it options, then [`wait`](Self::wait) for its
/// outcome. Nothing happens before that, unless it is a delivery, which is on its way already.
///
/// It is what the future `F` is to an async caller. Dropping it is what dropping the future is, under "Cancel safety".
#[must_use = "nothing happens until it is waited for"]
pub struct Call<F> {
    pub(crate) future: F,
    pub(crate) waiter: Waiter,
}

impl<F: Operation> Call<F> {
    pub(crate) fn new(future: F, waiter: &Waiter) -> Self {
        Self { future, waiter: waiter.clone() }
    }

    /// Waits for the outcome: what awaiting the future gives.
    pub fn wait(self) -> F::Outcome {
        match self.wait_for(None) {
            Ok(outcome) => outcome,
            // Without a time-out there is no being late.
            Err(TimedOut(call)) => call.wait(),
        }
    }

    /// Waits for the outcome, no longer than `timeout`.
    ///
    /// # Errors
    /// [`TimedOut`] has the call, which goes on and can be waited for again; or drop it.
    pub fn wait_timeout(self, timeout: Duration) -> Result<F::Outcome, TimedOut<F>> {
        self.wait_for(Some(timeout))
    }

    fn wait_for(mut self, timeout: Option<Duration>) -> Result<F::Outcome, TimedOut<F>> {
        let Self { future, waiter } = &mut self;
        match waiter.wait(timeout, |cx| Pin::new(&mut *future).poll(cx)) {
            Some(output) => Ok(F::finish(output, waiter)),
            None => Err(TimedOut(self)),
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.future).finish()
    }
}

/// A [`Call`] that has no outcome yet; it is still under way.
#[derive(Debug)]
pub struct TimedOut<F>(pub Call<F>);

impl<F> fmt::Display for TimedOut<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the operation has no outcome yet")
    }
}

impl<F: fmt::Debug> std::error::Error for TimedOut<F> {}

/// The options of a future, under their own names.
macro_rules! options {
    ($future:ident $(<$life:lifetime>)? { $($name:ident($($value:ident: $type:ty)?)),* $(,)? }) => {
        impl $(<$life>)? Call<base::$future $(<$life>)?> {$(
            #[doc = concat!("See [`", stringify!($future), "::", stringify!($name), "`](base::", stringify!($future), "::", stringify!($name), ").")]
            pub fn $name(self $(, $value: $type)?) -> Self {
                Self { future: self.future.$name($($value)?), waiter: self.waiter }
            }
        )*}
    };
}

options!(Publishing<'a> {
    qos(qos: QoS),
    retain(retain: bool),
    properties(properties: impl Into<PropertiesBuf>),
    topic_alias(alias: u16),
    deadline(deadline: Duration),
    requeue(requeue: bool),
});

impl<'a> Call<base::Publishing<'a>> {
    /// Waiting for this waits only until there is room in the queue, and gives a delivery for the rest.
    pub fn enqueue(self) -> Call<base::Enqueuing<'a>> {
        Call { future: self.future.enqueue(), waiter: self.waiter }
    }

    /// Hands it over without waiting at all. The delivery can be waited for, or dropped if the outcome does not matter.
    ///
    /// # Errors
    /// As [`Publishing::send`](base::Publishing::send).
    pub fn send(self) -> Result<Call<base::Delivery>, Unsent<'a>> {
        Ok(Call { future: self.future.send()?, waiter: self.waiter })
    }
}

impl Call<base::Delivery> {
    /// Waits until the message is in the client's store; see [`Delivery::stored`](base::Delivery::stored).
    ///
    /// # Errors
    /// [`PublishError`]: it ended before it was stored, or the store failed.
    pub fn stored(&mut self) -> Result<(), PublishError> {
        let Self { future, waiter } = self;
        let mut stored = pin!(future.stored());
        let outcome = waiter.wait(None, |cx| stored.as_mut().poll(cx));
        // Without a time-out there is an outcome.
        outcome.unwrap_or(Err(OperationError::Closed.into()))
    }

    /// See [`Delivery::cancel`](base::Delivery::cancel).
    ///
    /// # Errors
    /// It has ended already.
    pub fn cancel(&self) -> Result<(), CancelError> {
        self.future.cancel()
    }
}

options!(Requesting<'a> {
    qos(qos: QoS),
    properties(properties: impl Into<PropertiesBuf>),
    timeout(timeout: Duration),
});

options!(Subscribing {
    qos(qos: QoS),
    no_local(no_local: bool),
    retain_as_published(retain_as_published: bool),
    retain_handling(retain_handling: RetainHandling),
    ack(mode: AckMode),
    on_full(on_full: OnFull),
    properties(properties: impl Into<PropertiesBuf>),
    deadline(deadline: Duration),
});

impl Call<base::Subscribing> {
    /// Hands it over without waiting: see [`Subscribing::send`](base::Subscribing::send).
    ///
    /// # Errors
    /// What is known before anything is sent.
    pub fn send(self) -> Result<Subscription, SubscribeError> {
        Ok(Incoming::new(self.future.send()?, &self.waiter))
    }
}

options!(Unsubscribing {
    properties(properties: impl Into<PropertiesBuf>),
    deadline(deadline: Duration),
});

options!(Disconnecting {
    at_once(),
    reason(reason: ReasonCode),
    properties(properties: impl Into<PropertiesBuf>),
});
