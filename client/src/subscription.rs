//! Subscriptions: streams of the messages that match topic filters.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_core::Stream;
use sterna_core::Granted;
use sterna_core::packet::{
    FiltersBuf, PropertiesBuf, QoS, ReasonCode, RetainHandling, SubscribeFilter, SubscribeOptions,
};

use crate::completion::Answer;
use crate::error::SubscribeError;
use crate::filter::Filter;
use crate::inbox::AckMode;
use crate::message::Message;
use crate::operation::{Failure, Operation};
use crate::receiver::Receiver;
use crate::room::Command;
use crate::shared::Handle;
use crate::unsubscribe::{Unsubscribing, unsubscribe_detached};

/// A subscribe: set it up, then await it, or [`send`](Self::send) it. Nothing happens before that. See
/// [`Client::subscribe`](crate::Client::subscribe).
///
/// Awaiting it gives the [`Subscription`] when the server has granted at least one of the filters. Messages may
/// come before the server's answer: the stream keeps them.
///
/// # Cancel safety
/// Dropping it before its first poll does nothing. Dropping it later, before it is ready, unsubscribes.
#[derive(Debug)]
#[must_use = "nothing is subscribed until it is awaited or sent"]
pub struct Subscribing {
    handle: Arc<Handle>,
    filters: Vec<Filter>,
    options: SubscribeOptions,
    mode: AckMode,
    properties: PropertiesBuf,
    deadline: Option<Duration>,
    /// Once it was handed in.
    subscription: Option<Subscription>,
}

impl Subscribing {
    pub(crate) fn new(handle: Arc<Handle>, filters: Vec<Filter>, mode: AckMode) -> Self {
        let options = SubscribeOptions::default();
        Self {
            handle,
            filters,
            options,
            mode,
            properties: PropertiesBuf::new(),
            deadline: None,
            subscription: None,
        }
    }

    /// The highest quality of service to receive with, for filters without options of their own. Default: at
    /// most once.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.options.qos = qos;
        self
    }

    /// Do not send this client's own messages back (5.0), for filters without options of their own.
    pub fn no_local(mut self, no_local: bool) -> Self {
        self.options.no_local = no_local;
        self
    }

    /// Keep the RETAIN flag as it was published (5.0), for filters without options of their own.
    pub fn retain_as_published(mut self, retain_as_published: bool) -> Self {
        self.options.retain_as_published = retain_as_published;
        self
    }

    /// Whether the server sends its retained messages now (5.0), for filters without options of their own.
    pub fn retain_handling(mut self, retain_handling: RetainHandling) -> Self {
        self.options.retain_handling = retain_handling;
        self
    }

    /// When this stream's messages are acknowledged. Default: the client's
    /// [`ack`](crate::ClientBuilder::ack).
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.mode = mode;
        self
    }

    /// The properties of SUBSCRIBE (5.0): Subscription Identifier and User Property.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.properties = properties.into();
        self
    }

    /// How long to wait for the server's answer; then it ends with
    /// [`OperationError::DeadlinePassed`](crate::OperationError::DeadlinePassed), and a reconnect does not subscribe
    /// again. Default: as long as it takes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Hands it over without waiting: the stream exists from now on, and SUBSCRIBE leaves when there is a
    /// connection. So a stream can be there before a client that is started by hand connects, and misses nothing
    /// that the server's session kept for it. [`Subscription::granted`] has the answer later.
    ///
    /// # Errors
    /// What is known before anything is sent.
    pub fn send(mut self) -> Result<Subscription, SubscribeError> {
        self.start()?;
        self.subscription.take().ok_or(SubscribeError::NoFilter)
    }

    fn start(&mut self) -> Result<(), SubscribeError> {
        let mut filters = FiltersBuf::default();
        let mut names: Vec<Box<str>> = Vec::with_capacity(self.filters.len());
        for Filter { filter, options } in &self.filters {
            let options = options.unwrap_or(self.options);
            filters
                .push(SubscribeFilter { filter, options })
                .map_err(|error| SubscribeError::Rejected(sterna_core::SubscribeError::Encode(error)))?;
            if !names.iter().any(|name| **name == **filter) {
                names.push(filter.as_str().into());
            }
        }
        if filters.is_empty() {
            return Err(SubscribeError::NoFilter);
        }
        let receiver = Receiver::open(self.handle.clone(), names, self.mode);
        let stream = receiver.stream();
        let properties = std::mem::take(&mut self.properties);
        let deadline = self.deadline;
        let ticket = self.handle.with(|inner| {
            inner.submit(Command::Subscribe { filters, properties, stream }, deadline, false)
        })?;
        let operation = Some(Operation::new(self.handle.clone(), ticket));
        self.subscription = Some(Subscription { receiver, operation, granted: None });
        Ok(())
    }
}

impl Future for Subscribing {
    type Output = Result<Subscription, SubscribeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.subscription.is_none() {
            this.start()?;
        }
        let Some(subscription) = &mut this.subscription else {
            return Poll::Ready(Err(SubscribeError::NoFilter));
        };
        let outcome = ready!(subscription.poll_granted(cx.waker()));
        let subscription = this.subscription.take();
        outcome?;
        Poll::Ready(subscription.ok_or(SubscribeError::NoFilter))
    }
}

impl Drop for Subscribing {
    fn drop(&mut self) {
        let Some(mut subscription) = self.subscription.take() else { return };
        subscription.receiver.discard();
        let accepted = subscription.operation.take().is_none_or(Operation::withdraw);
        if accepted {
            let stream = subscription.receiver.stream();
            self.handle.with(|inner| {
                let filters = inner.release_filters(stream);
                unsubscribe_detached(inner, &filters);
            });
        }
    }
}

/// A live subscription: the bounded stream of the messages that match its filters.
///
/// Dropping it ends the stream and leaves the MQTT subscription in place: messages that still come are then the
/// [`messages`](crate::Client::messages) stream's. [`unsubscribe`](Self::unsubscribe) ends both.
///
/// It counts as a handle: the client stays connected as long as it lives.
///
/// # Acknowledgement
/// In [`AckMode::OnNext`] asking for the next message acknowledges the one before, and dropping the
/// `Subscription` acknowledges the last; what was queued and not handed over is not acknowledged.
#[derive(Debug)]
#[must_use = "messages of a subscription that nobody reads are unclaimed"]
pub struct Subscription {
    /// Until the server has answered. Dropped before the stream that it names.
    operation: Option<Operation>,
    receiver: Receiver,
    granted: Option<Result<Granted, SubscribeError>>,
}

impl Subscription {
    /// The next message; `None` once it is unsubscribed, or the client has closed, and everything queued was
    /// taken.
    ///
    /// # Cancel safety
    /// A message is taken only when it is returned: dropping the future loses none, and the acknowledgement of
    /// the message before is not lost either.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.receiver.poll_next(cx)).await
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Message> {
        match self.receiver.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    /// Waits for the server's answer: what it granted, a reason code for each filter in their order. A
    /// subscription that was awaited has it already.
    ///
    /// # Errors
    /// Every filter was refused, or the operation ended without an answer; then the stream has ended too.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing: it can be asked again.
    pub async fn granted(&mut self) -> Result<Granted, SubscribeError> {
        std::future::poll_fn(|cx| self.poll_granted(cx.waker())).await
    }

    /// What the server granted, if its answer is there: a reason code for each filter, in their order.
    pub fn reasons(&self) -> &[ReasonCode] {
        match &self.granted {
            Some(Ok(granted)) => &granted.reasons,
            _ => &[],
        }
    }

    /// Ends the subscription. A filter that another live `Subscription` has too stays subscribed at the server.
    /// Messages that were not taken are acknowledged and dropped.
    pub fn unsubscribe(self) -> Unsubscribing {
        Unsubscribing::subscription(self.receiver)
    }

    fn poll_granted(&mut self, waker: &Waker) -> Poll<Result<Granted, SubscribeError>> {
        if let Some(operation) = &mut self.operation {
            let result = match ready!(operation.poll(waker)) {
                Ok(Answer::Granted(granted)) if granted.reasons.iter().all(|reason| reason.is_error()) => {
                    Err(SubscribeError::Refused(granted.reasons))
                }
                Ok(Answer::Granted(granted)) => Ok(granted),
                // Tokens are not reused: a subscribe has no other answer.
                Ok(Answer::Receipt(_)) => Err(sterna_core::OperationError::Closed.into()),
                Err(Failure::Rejected(rejection)) => Err(rejection.into()),
                Err(Failure::Failed(error)) => Err(error.into()),
            };
            self.operation = None;
            self.granted = Some(result);
        }
        Poll::Ready(self.granted.clone().unwrap_or(Err(sterna_core::OperationError::Closed.into())))
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().receiver.poll_next(cx)
    }
}

/// The messages that no live [`Subscription`] claims; see [`Client::messages`](crate::Client::messages).
#[derive(Debug)]
#[must_use = "it takes messages away from later subscriptions while it lives"]
pub struct Messages {
    receiver: Receiver,
}

impl Messages {
    pub(crate) fn new(handle: Arc<Handle>, mode: AckMode) -> Self {
        Self { receiver: Receiver::open(handle, Vec::new(), mode) }
    }

    /// The next message; `None` once the client has closed and everything queued was taken.
    ///
    /// # Cancel safety
    /// As [`Subscription::next`].
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.receiver.poll_next(cx)).await
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Message> {
        match self.receiver.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.get_mut().receiver.poll_next(cx)
    }
}
