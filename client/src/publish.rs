//! Publishing: a builder that is a future.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use sterna_core::packet::{Properties, PropertiesBuf, Property, QoS};
use sterna_core::{CancelError, Data, OperationError, Publish, Receipt, Token};

use crate::completion::Answer;
use crate::error::{PublishError, Unsent};
use crate::operation::{Failure, Operation};
use crate::shared::{Handle, Ticket};

/// A publish: set it up, then await it, [`enqueue`](Self::enqueue) it or [`send`](Self::send) it. Nothing
/// happens before that. See [`Client::publish`](crate::Client::publish).
///
/// Awaiting it gives the server's [`Receipt`]: for QoS 1 and 2 when the server has acknowledged it, for QoS 0
/// when the transport has taken it.
///
/// # Cancel safety
/// Dropping it before its first poll publishes nothing. After that, dropping it takes it back only if it still
/// waits for room in the queue; once there it is sent, whether anybody waits or not.
#[must_use = "nothing is published until it is awaited, enqueued or sent"]
pub struct Publishing<'a> {
    handle: Arc<Handle>,
    topic: Cow<'a, str>,
    payload: Data<'a>,
    qos: QoS,
    retain: bool,
    properties: PropertiesBuf,
    topic_alias: Option<u16>,
    deadline: Option<Duration>,
    requeue: bool,
    /// What an answer has besides the application's properties.
    correlation: Option<Box<[u8]>>,
    operation: Option<Operation>,
}

impl<'a> Publishing<'a> {
    #[inline]
    pub(crate) fn new(handle: Arc<Handle>, topic: Cow<'a, str>, payload: Data<'a>) -> Self {
        Self {
            handle,
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: PropertiesBuf::new(),
            topic_alias: None,
            deadline: None,
            requeue: false,
            correlation: None,
            operation: None,
        }
    }

    /// The quality of service. Default: at most once.
    #[inline]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the server keeps it for later subscribers. Default: no.
    #[inline]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// The 5.0 properties, such as Message Expiry Interval, Content Type or User Property. On a connection that
    /// speaks an older version they are an error.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.set_properties(properties.into());
        self
    }

    pub(crate) fn set_properties(&mut self, properties: PropertiesBuf) {
        self.properties = properties;
        if let Some(correlation) = &self.correlation {
            // It is as long as it came; and if the application gives another, that one holds.
            let _ = self.properties.push(Property::CorrelationData(correlation));
        }
    }

    /// It answers the request that has this Correlation Data.
    pub(crate) fn answering(mut self, correlation: Option<&[u8]>) -> Self {
        self.correlation = correlation.map(Into::into);
        self.set_properties(PropertiesBuf::new());
        self
    }

    /// Sends it with this topic alias (5.0), besides what the client's
    /// [`topic_alias`](crate::ClientBuilder::topic_alias) does by itself. With an empty topic the alias stands for
    /// the topic of the latest publish that had both; no reconnect breaks that, since the topic is sent again
    /// wherever the server does not know the alias.
    pub fn topic_alias(mut self, alias: u16) -> Self {
        self.topic_alias = Some(alias);
        self
    }

    /// How long to wait for the outcome, the time in which it waits for room included. Then it ends with
    /// [`OperationError::DeadlinePassed`]: if it was not sent it never is, and if it was, it is not sent again. Default:
    /// as long as it takes.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// QoS 0: queue it again if the connection is lost before the transport has taken it, instead of ending with
    /// [`OperationError::Lost`]. Until it has, it counts against the queue's bounds. Default: no.
    pub fn requeue(mut self, requeue: bool) -> Self {
        self.requeue = requeue;
        self
    }

    /// Waits only until there is room in the queue, and gives a [`Delivery`] for the rest. At QoS 0 that is like one of
    /// [`send`](Self::send).
    ///
    /// # Errors
    /// As for awaiting it, but only what is known before anything is sent.
    ///
    /// # Cancel safety
    /// As the publish itself: dropping the future while it waits for room publishes nothing.
    pub fn enqueue(self) -> Enqueuing<'a> {
        Enqueuing { publish: self }
    }

    /// Hands it over without waiting at all. The [`Delivery`] can be awaited, or dropped if the outcome does not
    /// matter. At QoS 0, one that nobody waits for while its connection is lost is known to have been taken by the
    /// transport only to within 4 KiB: when it is asked for later, it may say [`OperationError::Lost`] though it was.
    ///
    /// # Errors
    /// [`Full`](sterna_core::PublishError::Full) when there is no room, or others wait for it already, and all
    /// that makes the publish unlawful. The publish comes back in the error.
    #[allow(clippy::inline_always)] // So that its caller need not write all of it to memory.
    #[inline(always)]
    pub fn send(self) -> Result<Delivery, Unsent<'a>> {
        if self.qos == QoS::AtMostOnce
            && let Some(sent) = self.handle.send_unreported(&self.command())
        {
            return Ok(Delivery(Operation::new(self.handle, Ticket::Sent(sent))));
        }
        self.send_reported()
    }

    #[inline(never)]
    fn send_reported(self) -> Result<Delivery, Unsent<'a>> {
        match self.handle.with(|inner| inner.try_publish(self.command())) {
            Ok(token) => Ok(Delivery(Operation::new(self.handle, Ticket::Accepted(token)))),
            Err(error) => Err(Unsent { error, publish: Box::new(self) }),
        }
    }

    #[inline]
    fn command(&self) -> Publish<'_> {
        let payload = match &self.payload {
            Data::Slice(slice) => Data::Slice(slice),
            Data::Bytes(bytes) => Data::Bytes(bytes.clone()),
        };
        let properties: Properties<'_> = self.properties.as_properties();
        Publish {
            topic: &self.topic,
            payload,
            qos: self.qos,
            retain: self.retain,
            properties,
            topic_alias: self.topic_alias,
            deadline: self.deadline,
            requeue: self.requeue,
        }
    }

    /// Hands it in, at the first poll of its outcome.
    fn start(&mut self, waker: &Waker) -> Poll<Result<Receipt, PublishError>> {
        let (operation, outcome) =
            Operation::start(&self.handle, |inner| inner.publish(self.command()), waker)?;
        // The payload has been sent or copied: it need not be kept for the acknowledgement.
        self.payload = Data::Slice(&[]);
        self.operation = Some(operation);
        receipt_of(ready!(outcome))
    }

    /// Hands it in, to wait for room only.
    fn enter(&mut self) -> Result<&mut Operation, PublishError> {
        let ticket = self.handle.with(|inner| {
            let ticket = inner.publish(self.command())?;
            inner.tell_of_publish();
            Ok::<_, PublishError>(ticket)
        })?;
        self.payload = Data::Slice(&[]);
        Ok(self.operation.insert(Operation::new(self.handle.clone(), ticket)))
    }
}

impl Future for Publishing<'_> {
    type Output = Result<Receipt, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match &mut this.operation {
            Some(operation) => poll_receipt(operation, cx),
            None => this.start(cx.waker()),
        }
    }
}

impl fmt::Debug for Publishing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .finish_non_exhaustive()
    }
}

fn poll_receipt(operation: &mut Operation, cx: &mut Context<'_>) -> Poll<Result<Receipt, PublishError>> {
    receipt_of(ready!(operation.poll(cx.waker())))
}

fn receipt_of(outcome: Result<Answer, Failure>) -> Poll<Result<Receipt, PublishError>> {
    Poll::Ready(match outcome {
        Ok(Answer::Receipt(receipt)) => Ok(receipt),
        // Tokens are not reused: a publish has no other answer.
        Ok(Answer::Granted(_)) => Err(OperationError::Closed.into()),
        Err(failure) => Err(failure.into()),
    })
}

/// The future of [`Publishing::enqueue`].
///
/// # Cancel safety
/// Dropping it while it waits for room publishes nothing.
#[derive(Debug)]
#[must_use = "nothing is published until it is awaited"]
pub struct Enqueuing<'a> {
    publish: Publishing<'a>,
}

impl Future for Enqueuing<'_> {
    type Output = Result<Delivery, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let publish = &mut self.get_mut().publish;
        if publish.operation.is_none()
            && publish.qos == QoS::AtMostOnce
            && let Some(sent) = publish.handle.send_unreported(&publish.command())
        {
            return Poll::Ready(Ok(Delivery(Operation::new(publish.handle.clone(), Ticket::Sent(sent)))));
        }
        let operation = match &mut publish.operation {
            Some(operation) => operation,
            None => publish.enter()?,
        };
        let accepted = ready!(operation.poll_accepted(cx.waker()));
        let operation = publish.operation.take();
        Poll::Ready(match (accepted, operation) {
            (Ok(()), Some(operation)) => Ok(Delivery(operation)),
            (Err(rejection), _) => Err(rejection.into()),
            (Ok(()), None) => Err(OperationError::Closed.into()),
        })
    }
}

/// A publish under way. Await it for its [`Receipt`], or drop it: nothing is cancelled.
///
/// # Cancel safety
/// Dropping it, at any time, has no influence on the publish.
#[derive(Debug)]
pub struct Delivery(Operation);

impl Delivery {
    pub(crate) fn restored(handle: Arc<Handle>, token: Token) -> Self {
        Self(Operation::new(handle, Ticket::Accepted(token)))
    }

    /// Waits until the message is in the client's [`Store`](crate::Store): from then on no crash loses it, and a
    /// client that is started with this store sends it. Without a store, and for QoS 0, there is nothing to wait
    /// for. The delivery itself can be awaited afterwards.
    ///
    /// ```
    /// # use sterna_client::{Client, PublishError, QoS};
    /// # async fn example(client: Client) -> Result<(), PublishError> {
    /// let mut delivery = client.publish("meter/7", "1024 kWh").qos(QoS::ExactlyOnce).enqueue().await?;
    /// delivery.stored().await?;
    /// println!("it will arrive");
    /// delivery.await?;
    /// println!("it has arrived");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PublishError`]: it ended before it was stored, or the store failed.
    ///
    /// # Cancel safety
    /// Dropping the future has no influence on the publish or the delivery.
    pub async fn stored(&mut self) -> Result<(), PublishError> {
        std::future::poll_fn(|cx| self.0.poll_stored(cx.waker())).await.map_err(PublishError::from)
    }

    /// Ends the publish with [`OperationError::Cancelled`], which awaiting it gives then. If it was not sent, it never
    /// is, and its room is free. If it was, the server may have it; it is not sent again.
    ///
    /// With a store, a crash soon after this may undo it: until the removal of the message is stored too, the next process
    /// has the message again, among [`Client::pending`](crate::Client::pending), and sends it. Other messages do not wait for
    /// that: what was published after it may have been sent before the crash, and is sent again behind it then, so that a
    /// subscriber can get the cancelled one late. Nothing tells when the removal is stored;
    /// once [`disconnect`](crate::Client::disconnect) has succeeded everything is stored.
    ///
    /// # Errors
    /// It has ended already.
    pub fn cancel(&self) -> Result<(), CancelError> {
        self.0.cancel()
    }
}

/// A publish of an earlier run that the store kept; see [`Client::pending`](crate::Client::pending).
#[derive(Debug)]
#[non_exhaustive]
pub struct Pending {
    /// The topic; `None` when the server has the message already, and only the last two packets of QoS 2 are missing.
    pub topic: Option<Box<str>>,
    /// The quality of service.
    pub qos: QoS,
    /// Await it for the receipt, or drop it.
    pub delivery: Delivery,
}

impl Future for Delivery {
    type Output = Result<Receipt, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        poll_receipt(&mut self.0, cx)
    }
}
