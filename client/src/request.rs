//! Requests over MQTT 5.0: publish, and wait for the answer.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sterna_core::Data;
use sterna_core::packet::{PropertiesBuf, QoS, ReasonCode};

use crate::error::RequestError;
use crate::message::Message;
use crate::publish::Publishing;
use crate::requests::RequestId;
use crate::shared::Handle;

/// How long an answer may take if nothing else is said.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request: set it up, then await its answer. Nothing happens before that. See
/// [`Client::request`](crate::Client::request).
///
/// # Cancel safety
/// Dropping it before its first poll sends nothing. Dropping it later does not take the request back once it is in the
/// queue; its answer is then counted as [`unmatched`](crate::Statistics::unmatched_responses) and dropped.
#[must_use = "nothing is requested until it is awaited"]
pub struct Requesting<'a> {
    handle: Arc<Handle>,
    publish: Publishing<'a>,
    properties: PropertiesBuf,
    timeout: Duration,
    /// The number of the connection that it is sent on first.
    connection: u64,
    /// Once it was polled.
    waiting: Option<Waiting>,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It has no Response Topic.
    Unaddressed,
    /// It is published, and not acknowledged.
    Sent,
    /// Only the answer is missing.
    Acknowledged,
}

/// Its place among those that wait.
struct Waiting {
    handle: Arc<Handle>,
    id: RequestId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.handle.with(|inner| inner.requests.close(self.id));
    }
}

impl<'a> Requesting<'a> {
    pub(crate) fn new(handle: Arc<Handle>, topic: Cow<'a, str>, payload: Data<'a>) -> Self {
        let publish = Publishing::new(handle.clone(), topic, payload).qos(QoS::AtLeastOnce);
        let properties = PropertiesBuf::new();
        Self {
            handle,
            publish,
            properties,
            timeout: TIMEOUT,
            connection: 0,
            waiting: None,
            stage: Stage::Unaddressed,
        }
    }

    /// The quality of service of the request. Default: at least once.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.publish = self.publish.qos(qos);
        self
    }

    /// Further properties of the request. Response Topic and Correlation Data are the client's: with one of them it
    /// fails.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.properties = properties.into();
        self
    }

    /// How long to wait for the answer, from the first poll on: waiting for a connection counts. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Publishes it when its response topic is known; whether it has been.
    fn address(&mut self, id: RequestId, cx: &Context<'_>) -> Result<bool, RequestError> {
        let (address, connection) = self.handle.with(|inner| {
            let address = inner.address_request(id, cx.waker())?;
            Ok::<_, RequestError>((address, inner.connection_to_use()))
        })?;
        let Some(mut properties) = address else { return Ok(false) };
        self.connection = connection;
        for property in self.properties.as_properties() {
            properties
                .push(property)
                .map_err(|error| RequestError::Publish(sterna_core::PublishError::Encode(error).into()))?;
        }
        self.publish.set_properties(properties);
        self.stage = Stage::Sent;
        Ok(true)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Result<(), RequestError> {
        if let Poll::Ready(receipt) = Pin::new(&mut self.publish).poll(cx) {
            self.stage = Stage::Acknowledged;
            // Of a copy it says nothing: the first may have reached somebody.
            if receipt?.reason == ReasonCode::NO_MATCHING_SUBSCRIBERS
                && self.handle.with(|inner| inner.connection_to_use() == self.connection)
            {
                return Err(RequestError::NobodyListens);
            }
        }
        Ok(())
    }
}

impl Future for Requesting<'_> {
    type Output = Result<Message, RequestError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let id = if let Some(waiting) = &this.waiting {
            waiting.id
        } else {
            let id = this.handle.with(|inner| inner.open_request(this.timeout))?;
            this.waiting = Some(Waiting { handle: this.handle.clone(), id });
            id
        };
        if let Poll::Ready(outcome) = this.handle.with(|inner| inner.requests.poll(id, cx.waker())) {
            let answer = |message| Message::answer(message, &this.handle);
            return Poll::Ready(outcome.map(answer));
        }
        if this.stage == Stage::Unaddressed && !this.address(id, cx)? {
            return Poll::Pending;
        }
        if this.stage == Stage::Sent {
            this.poll_sent(cx)?;
        }
        Poll::Pending
    }
}

impl fmt::Debug for Requesting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requesting")
            .field("publish", &self.publish)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
