//! A received message, and acknowledging it by hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use sterna_core::MessageId;
use sterna_core::packet::ReasonCode;

use crate::error::AckError;
use crate::inbox::AckMode;
use crate::shared::Handle;

/// A received message. It gives all that [`sterna_core::Message`] has: topic, payload, QoS, properties.
///
/// Cloning is cheap. In the automatic modes of acknowledgement it is a message and nothing more.
#[derive(Clone)]
pub struct Message {
    message: sterna_core::Message,
    /// Only in manual mode.
    handle: Option<Arc<Handle>>,
}

impl Message {
    pub(crate) fn new(message: sterna_core::Message, mode: AckMode, handle: &Arc<Handle>) -> Self {
        Self { message, handle: (mode == AckMode::Manual).then(|| handle.clone()) }
    }

    /// Acknowledges it. The order in which messages are acknowledged does not matter. A message of QoS 0 needs no
    /// acknowledgement, and gets none.
    ///
    /// # Errors
    /// [`AckError::Automatic`] outside of [`AckMode::Manual`]; `Stale` if nothing is owed any more.
    pub fn ack(&self) -> Result<(), AckError> {
        self.acknowledge(ReasonCode::SUCCESS)
    }

    /// Acknowledges it negatively (5.0): the server takes it as delivered and refused for `reason`.
    ///
    /// # Errors
    /// As [`Message::ack`], and if `reason` is none of an acknowledgement's or the connection is not 5.0.
    pub fn reject(&self, reason: ReasonCode) -> Result<(), AckError> {
        self.acknowledge(reason)
    }

    /// What acknowledges it, without the message: small, and good for any task. `None` for QoS 0, and outside of
    /// [`AckMode::Manual`].
    pub fn acker(&self) -> Option<Acker> {
        Some(Acker { handle: self.handle.clone()?, id: self.message.id()? })
    }

    /// The core's message alone.
    pub fn into_inner(self) -> sterna_core::Message {
        self.message
    }

    fn acknowledge(&self, reason: ReasonCode) -> Result<(), AckError> {
        let handle = self.handle.as_ref().ok_or(AckError::Automatic)?;
        match self.message.id() {
            Some(id) => acknowledge(handle, id, reason),
            None => Ok(()),
        }
    }
}

impl Deref for Message {
    type Target = sterna_core::Message;

    fn deref(&self) -> &sterna_core::Message {
        &self.message
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

/// Acknowledges one message; see [`Message::acker`].
#[derive(Debug, Clone)]
pub struct Acker {
    handle: Arc<Handle>,
    id: MessageId,
}

impl Acker {
    /// As [`Message::ack`].
    ///
    /// # Errors
    /// `Stale` if nothing is owed any more.
    pub fn ack(&self) -> Result<(), AckError> {
        acknowledge(&self.handle, self.id, ReasonCode::SUCCESS)
    }

    /// As [`Message::reject`].
    ///
    /// # Errors
    /// As [`Message::reject`].
    pub fn reject(&self, reason: ReasonCode) -> Result<(), AckError> {
        acknowledge(&self.handle, self.id, reason)
    }
}

fn acknowledge(handle: &Handle, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
    Ok(handle.with(|inner| inner.settle(id, reason))?)
}
