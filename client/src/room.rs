//! Operations that wait for room in the connection's queue, in the order of the calls.
//!
//! The driver itself puts them in as soon as there is room: no task has to be polled for that, so a future that
//! waits and is not polled holds nobody up.

use std::collections::{HashMap, VecDeque};
use std::task::{Poll, Waker};

use bytes::Bytes;
use sterna_core::packet::{FiltersBuf, PropertiesBuf, QoS, TopicFiltersBuf};
use sterna_core::{Data, PublishError, SubscribeError, Token};

use crate::lock::{Wakers, register};
use crate::router::StreamId;

/// A command that owns its arguments.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { topic: Box<str>, payload: Bytes, qos: QoS, retain: bool, properties: PropertiesBuf },
    Subscribe { filters: FiltersBuf, properties: PropertiesBuf, identifier: u32, stream: StreamId },
    Unsubscribe { filters: TopicFiltersBuf, properties: PropertiesBuf },
}

impl Command {
    pub(crate) fn publish(publish: sterna_core::Publish<'_>) -> Self {
        Self::Publish {
            topic: publish.topic.into(),
            payload: match publish.payload {
                Data::Slice(slice) => Bytes::copy_from_slice(slice),
                Data::Bytes(bytes) => bytes,
            },
            qos: publish.qos,
            retain: publish.retain,
            properties: publish.properties.into(),
        }
    }
}

/// Why the connection did not take a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rejection {
    Publish(PublishError),
    Subscribe(SubscribeError),
}

impl Rejection {
    pub(crate) fn is_full(self) -> bool {
        matches!(self, Self::Publish(PublishError::Full) | Self::Subscribe(SubscribeError::Full))
    }
}

impl From<PublishError> for Rejection {
    fn from(error: PublishError) -> Self {
        Self::Publish(error)
    }
}

impl From<SubscribeError> for Rejection {
    fn from(error: SubscribeError) -> Self {
        Self::Subscribe(error)
    }
}

/// Names a waiting operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaitId(u64);

#[derive(Debug)]
struct Waiter {
    id: WaitId,
    command: Command,
    waker: Option<Waker>,
    /// Nobody asks for the outcome.
    detached: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Room {
    waiters: VecDeque<Waiter>,
    next: u64,
    admitted: HashMap<WaitId, Result<Token, Rejection>>,
}

impl Room {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) fn push(&mut self, command: Command, detached: bool) -> WaitId {
        let id = WaitId(self.next);
        self.next += 1;
        self.waiters.push_back(Waiter { id, command, waker: None, detached });
        id
    }

    /// The command whose turn it is.
    pub(crate) fn front(&self) -> Option<&Command> {
        self.waiters.front().map(|waiter| &waiter.command)
    }

    /// What became of it; whether somebody is there to hear.
    pub(crate) fn admit(&mut self, outcome: Result<Token, Rejection>, wakers: &mut Wakers) -> bool {
        match self.waiters.pop_front() {
            Some(waiter) if !waiter.detached => {
                self.admitted.insert(waiter.id, outcome);
                wakers.push(waiter.waker);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn poll(&mut self, id: WaitId, waker: &Waker) -> Poll<Result<Token, Rejection>> {
        if let Some(outcome) = self.admitted.remove(&id) {
            return Poll::Ready(outcome);
        }
        if let Ok(position) = self.waiters.binary_search_by_key(&id, |waiter| waiter.id) {
            register(&mut self.waiters[position].waker, waker);
        }
        Poll::Pending
    }

    /// Nobody waits any more. The token, if it was admitted already.
    pub(crate) fn leave(&mut self, id: WaitId) -> Option<Token> {
        if let Some(outcome) = self.admitted.remove(&id) {
            return outcome.ok();
        }
        if let Ok(position) = self.waiters.binary_search_by_key(&id, |waiter| waiter.id) {
            self.waiters.remove(position);
        }
        None
    }
}
