//! A received message, and acknowledging it by hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sterna_core::packet::ReasonCode;
use sterna_core::{Data, MessageId};

use crate::error::{AckError, RespondError};
#[cfg(doc)]
use crate::inbox::AckMode;
use crate::publish::Publishing;
use crate::router::StreamId;
use crate::shared::Handle;

/// A received message. It gives all that [`sterna_core::Message`] has: topic, payload, QoS, properties.
///
/// Cloning is cheap. In [`AckMode::Manual`], and when it asks for an answer, it counts as a handle: the client stays
/// connected as long as it lives. Otherwise it is a message and nothing more.
#[derive(Clone)]
pub struct Message {
    inner: sterna_core::Message,
    /// Only in manual mode, and where it can be answered.
    origin: Option<Arc<Origin>>,
}

/// Where messages come from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) handle: Arc<Handle>,
    /// The stream that owes the acknowledgement, if the application gives that by hand: each one has its own to give.
    pub(crate) owner: Option<StreamId>,
}

impl Origin {
    /// This, for a message that has to know it: that is acknowledged by hand, or can be answered.
    #[inline]
    pub(crate) fn wanted_by(self: &Arc<Self>, message: &sterna_core::Message) -> Option<Arc<Self>> {
        let wanted = self.owner.is_some() || asks(message);
        wanted.then(|| self.clone())
    }
}

impl Message {
    #[inline]
    pub(crate) fn new(inner: sterna_core::Message, origin: Option<Arc<Origin>>) -> Self {
        Self { inner, origin }
    }

    /// One that no stream has brought.
    pub(crate) fn answer(message: sterna_core::Message, handle: &Arc<Handle>) -> Self {
        let origin = || Arc::new(Origin { handle: handle.clone(), owner: None });
        let origin = asks(&message).then(origin);
        Self { inner: message, origin }
    }

    /// Whether the server marked it as one that it may have delivered before (DUP). Then it, or a copy of it, may have
    /// been handed over already: before a crash of this process, or before a reconnect, without the server hearing
    /// of the acknowledgement. A message of QoS 2 comes a second time only across a restart. The server sets the mark,
    /// and only when it sends the same packet again: a message without it may come for the second time too, published
    /// twice or through overlapping subscriptions.
    pub fn redelivered(&self) -> bool {
        self.inner.duplicate()
    }

    /// Acknowledges it. The order in which messages are acknowledged does not matter. A message of QoS 0 needs no
    /// acknowledgement, and gets none.
    ///
    /// # Errors
    /// [`AckError::Automatic`] outside of [`AckMode::Manual`]; `Stale` if nothing is owed any more.
    pub fn ack(&self) -> Result<(), AckError> {
        self.acknowledge(ReasonCode::SUCCESS)
    }

    /// Acknowledges it with a reason code of PUBACK and PUBREC (5.0): below 0x80 the message is taken, as with
    /// [`ReasonCode::NO_MATCHING_SUBSCRIBERS`]; from 0x80 on it is refused. If several subscriptions have to
    /// acknowledge it, the highest code is sent.
    ///
    /// # Errors
    /// As [`Message::ack`], and `Rejected`: `reason` is none of an acknowledgement's, or it is not Success and the
    /// connection is older than 5.0. Then the message is still to be acknowledged.
    pub fn ack_with(&self, reason: ReasonCode) -> Result<(), AckError> {
        self.acknowledge(reason)
    }

    /// Acknowledges it negatively (5.0): the server takes it as delivered and refused for `reason`, 0x80 or above.
    ///
    /// # Errors
    /// As [`Message::ack_with`], and if `reason` is below 0x80.
    pub fn reject(&self, reason: ReasonCode) -> Result<(), AckError> {
        self.acknowledge(negative(reason)?)
    }

    /// Responds to it, where it is a request (5.0): a publish to its Response Topic with its Correlation Data, of its
    /// quality of service unless told otherwise.
    ///
    /// ```
    /// # use sterna_client::{Client, QoS};
    /// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut requests = client.subscribe("time/now").qos(QoS::AtLeastOnce).await?;
    /// while let Some(request) = requests.next().await {
    ///     request.respond("half past ten")?.await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RespondError::NoResponseTopic`]: it is no request.
    pub fn respond<'a>(&self, payload: impl Into<Data<'a>>) -> Result<Publishing<'a>, RespondError> {
        let properties = self.inner.properties();
        let (Some(Origin { handle, .. }), Some(topic)) =
            (self.origin.as_deref(), properties.response_topic())
        else {
            return Err(RespondError::NoResponseTopic);
        };
        let publish = Publishing::new(handle.clone(), topic.to_owned().into(), payload.into());
        Ok(publish.qos(self.inner.qos()).answering(properties.correlation_data()))
    }

    /// What acknowledges it, without the message: small, and good for any task. `None` for QoS 0, and outside of
    /// [`AckMode::Manual`].
    pub fn acker(&self) -> Option<Acker> {
        let Origin { handle, owner } = self.origin.as_deref()?;
        Some(Acker { handle: handle.clone(), owner: (*owner)?, id: self.inner.id()? })
    }

    /// The core's message alone.
    pub fn into_inner(self) -> sterna_core::Message {
        self.inner
    }

    fn acknowledge(&self, reason: ReasonCode) -> Result<(), AckError> {
        let Some(Origin { handle, owner: Some(owner) }) = self.origin.as_deref() else {
            return Err(AckError::Automatic);
        };
        match self.inner.id() {
            Some(id) => acknowledge(handle, id, *owner, reason),
            None => Ok(()),
        }
    }
}

impl Deref for Message {
    type Target = sterna_core::Message;

    #[inline]
    fn deref(&self) -> &sterna_core::Message {
        &self.inner
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Acknowledges one message; see [`Message::acker`].
#[derive(Debug, Clone)]
pub struct Acker {
    handle: Arc<Handle>,
    owner: StreamId,
    id: MessageId,
}

impl Acker {
    /// As [`Message::ack`].
    ///
    /// # Errors
    /// `Stale` if nothing is owed any more.
    pub fn ack(&self) -> Result<(), AckError> {
        acknowledge(&self.handle, self.id, self.owner, ReasonCode::SUCCESS)
    }

    /// As [`Message::ack_with`].
    ///
    /// # Errors
    /// As [`Message::ack_with`].
    pub fn ack_with(&self, reason: ReasonCode) -> Result<(), AckError> {
        acknowledge(&self.handle, self.id, self.owner, reason)
    }

    /// As [`Message::reject`].
    ///
    /// # Errors
    /// As [`Message::reject`].
    pub fn reject(&self, reason: ReasonCode) -> Result<(), AckError> {
        acknowledge(&self.handle, self.id, self.owner, negative(reason)?)
    }
}

/// Whether it can be answered.
#[inline]
fn asks(message: &sterna_core::Message) -> bool {
    let properties = message.properties();
    !properties.is_empty() && properties.response_topic().is_some()
}

fn negative(reason: ReasonCode) -> Result<ReasonCode, AckError> {
    if reason.is_error() { Ok(reason) } else { Err(sterna_core::AckError::Reason(reason).into()) }
}

fn acknowledge(handle: &Handle, id: MessageId, owner: StreamId, reason: ReasonCode) -> Result<(), AckError> {
    Ok(handle.with(|inner| inner.settle(id, owner, reason))?)
}
