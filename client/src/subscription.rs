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

use crate::error::SubscribeError;
use crate::filter::Filter;
use crate::grants::{Grants, Part, groups};
use crate::inbox::AckMode;
use crate::message::Message;
use crate::operation::Operation;
use crate::receiver::Receiver;
use crate::room::Command;
use crate::shared::Handle;
use crate::stream::OnFull;
use crate::unsubscribe::{Unsubscribing, unsubscribe_detached};

/// A subscribe: set it up, then await it, or [`send`](Self::send) it. Nothing happens before that. See
/// [`Client::subscribe`](crate::Client::subscribe).
///
/// Awaiting it gives the [`Subscription`] when the server has granted at least one of the filters. Messages may
/// come before the server's answer: the stream keeps them. If these are so many that nothing more is read before some
/// are taken ([`incoming_reserve`](crate::ClientBuilder::incoming_reserve)), not even the answer, then it gives the
/// [`Subscription`] before the answer, which [`Subscription::granted`] waits for.
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
    on_full: OnFull,
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
            on_full: OnFull::Wait,
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

    /// What becomes of this stream's messages when the application does not keep up. Default: [`OnFull::Wait`].
    ///
    /// ```
    /// # use sterna_client::{Client, OnFull, SubscribeError};
    /// # async fn example(client: Client) -> Result<(), SubscribeError> {
    /// // Only the latest value matters.
    /// let latest = OnFull::DropOldest { messages: 1, bytes: 64 << 10 };
    /// let mut temperature = client.subscribe("room/temperature").on_full(latest).await?;
    /// while let Some(message) = temperature.next().await {
    ///     println!("{:?}, after {} dropped ones", message.payload(), temperature.dropped());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// The properties of SUBSCRIBE (5.0): Subscription Identifier and User Property. Without an identifier of its own
    /// each subscription gets one that no other has, where the server takes them, so that overlapping subscriptions
    /// get a message once each even from a server that sends a copy for each. Filters of one subscription that overlap
    /// get one each for that, and so a SUBSCRIBE each.
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
        if self.filters.is_empty() {
            return Err(SubscribeError::NoFilter);
        }
        let properties = std::mem::take(&mut self.properties);
        let own = properties.as_properties().subscription_identifiers().next();
        let divided = own.is_none() && self.handle.with(|inner| inner.may_identify());
        let groups = if divided { groups(&self.filters) } else { vec![(0..self.filters.len()).collect()] };
        let mut names: Vec<(Box<str>, u32)> = Vec::with_capacity(self.filters.len());
        let mut parts = Vec::with_capacity(groups.len());
        for group in groups {
            let identifier =
                own.unwrap_or_else(|| self.handle.with(|inner| inner.inbox.router().identifiers.draw()));
            let mut filters = FiltersBuf::default();
            for Filter { filter, options } in group.iter().map(|&index| &self.filters[index]) {
                let options = options.unwrap_or(self.options);
                filters
                    .push(SubscribeFilter { filter, options })
                    .map_err(|error| SubscribeError::Rejected(sterna_core::SubscribeError::Encode(error)))?;
                if !names.iter().any(|(name, _)| **name == **filter) {
                    names.push((filter.as_str().into(), identifier));
                }
            }
            parts.push((group, filters, identifier));
        }
        let receiver = Receiver::open(self.handle.clone(), names, self.mode, self.on_full);
        let stream = receiver.stream();
        let mut grants = Grants(Vec::with_capacity(parts.len()));
        for (group, filters, identifier) in parts {
            let properties = properties.clone();
            let command = Command::Subscribe { filters, properties, identifier, stream };
            let deadline = self.deadline;
            let submitted = self.handle.with(|inner| inner.submit(command, deadline, false));
            let (operation, outcome) = match submitted {
                Ok(ticket) => (Some(Operation::new(self.handle.clone(), ticket)), None),
                Err(rejection) if grants.0.is_empty() => return Err(rejection.into()),
                Err(rejection) => (None, Some(Err(rejection.into()))),
            };
            grants.0.push(Part { filters: group, operation, outcome });
        }
        self.subscription = Some(Subscription { receiver, grants: Some(grants), granted: None });
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
        match subscription.poll_granted(cx.waker()) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => {
                this.subscription = None;
                return Poll::Ready(Err(error));
            }
            Poll::Pending => ready!(subscription.receiver.poll_stuck(cx.waker())),
        }
        let subscription = this.subscription.take();
        Poll::Ready(subscription.ok_or(SubscribeError::NoFilter))
    }
}

impl Drop for Subscribing {
    fn drop(&mut self) {
        let Some(mut subscription) = self.subscription.take() else { return };
        subscription.receiver.discard();
        let accepted = subscription.grants.take().is_none_or(Grants::withdraw);
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
/// A close of the client ends the stream once everything queued was taken. What is acknowledged after that counts when
/// the client is connected again, and the server sends the message again; a `Subscription` that still lives then goes on.
///
/// # Acknowledgement
/// In [`AckMode::OnNext`] asking for the next message acknowledges the one before, and dropping the
/// `Subscription` acknowledges the last; what was queued and not handed over is not acknowledged.
#[derive(Debug)]
#[must_use = "messages of a subscription that nobody reads are unclaimed"]
pub struct Subscription {
    /// Until the server has answered. Dropped before the stream that it names.
    grants: Option<Grants>,
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
    /// subscription that was awaited has it already, but for the case that [`Subscribing`] names.
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

    /// How many of its messages were dropped because the application did not keep up; see [`OnFull`].
    pub fn dropped(&self) -> u64 {
        self.receiver.dropped()
    }

    /// Ends the subscription. A filter that another live `Subscription` has too stays subscribed at the server.
    /// Messages that were not taken are acknowledged and dropped.
    pub fn unsubscribe(self) -> Unsubscribing {
        Unsubscribing::subscription(self.receiver)
    }

    fn poll_granted(&mut self, waker: &Waker) -> Poll<Result<Granted, SubscribeError>> {
        if let Some(grants) = &mut self.grants {
            self.granted = Some(ready!(grants.poll(waker)));
            self.grants = None;
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
        Self { receiver: Receiver::open(handle, Vec::new(), mode, OnFull::Wait) }
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
