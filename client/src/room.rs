//! Operations that wait for room in the connection's queue, in the order of the calls.
//!
//! The driver itself puts them in as soon as there is room: no task has to be polled for that, so a future that
//! waits and is not polled holds nobody up.

use std::collections::{HashMap, VecDeque};
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use sterna_core::packet::{FiltersBuf, PropertiesBuf, QoS, TopicFiltersBuf};
use sterna_core::{Data, Instant, PublishError, SubscribeError, Token};

use crate::lock::{Wakers, register};
use crate::router::StreamId;

/// A command that owns its arguments.
#[derive(Debug)]
pub(crate) enum Command {
    Publish {
        topic: Box<str>,
        payload: Bytes,
        qos: QoS,
        retain: bool,
        properties: PropertiesBuf,
        topic_alias: Option<u16>,
        requeue: bool,
    },
    Subscribe {
        filters: FiltersBuf,
        properties: PropertiesBuf,
        identifier: u32,
        stream: StreamId,
    },
    Unsubscribe {
        filters: TopicFiltersBuf,
        properties: PropertiesBuf,
    },
}

impl Command {
    /// The quality of service of a publish; what is no publish is not stored, as if it had the lowest.
    pub(crate) fn qos(&self) -> QoS {
        match self {
            Self::Publish { qos, .. } => *qos,
            Self::Subscribe { .. } | Self::Unsubscribe { .. } => QoS::AtMostOnce,
        }
    }

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
            topic_alias: publish.topic_alias,
            requeue: publish.requeue,
        }
    }
}

/// Why the connection did not take a command.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rejection {
    Publish(PublishError),
    Subscribe(SubscribeError),
    /// Its deadline passed while it waited for room.
    Late,
    /// There was no room for long, behind messages that the application does not read.
    Stalled,
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
    deadline: Option<Deadline>,
    waker: Option<Waker>,
    /// Nobody asks for the outcome.
    detached: bool,
}

#[derive(Debug, Clone, Copy)]
enum Deadline {
    /// Counts from the driver's next look.
    In(Duration),
    At(Instant),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Room {
    waiters: VecDeque<Waiter>,
    /// Some have a deadline that does not count yet.
    unsettled: bool,
    /// No deadline comes before this one.
    earliest: Option<Instant>,
    /// While no answers are read: until when those before the identifier wait.
    stall: Option<(Instant, WaitId)>,
    next: u64,
    admitted: HashMap<WaitId, Result<Token, Rejection>>,
}

impl Room {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) fn push(&mut self, command: Command, deadline: Option<Duration>, detached: bool) -> WaitId {
        let id = WaitId(self.next);
        self.next += 1;
        self.unsettled |= deadline.is_some();
        let deadline = deadline.map(Deadline::In);
        self.waiters.push_back(Waiter { id, command, deadline, waker: None, detached });
        id
    }

    /// The command whose turn it is.
    pub(crate) fn front(&self) -> Option<&Command> {
        self.waiters.front().map(|waiter| &waiter.command)
    }

    /// How much of its time the command whose turn it is has left.
    pub(crate) fn front_deadline(&self, now: Instant) -> Option<Duration> {
        Some(match self.waiters.front()?.deadline? {
            Deadline::In(deadline) => deadline,
            Deadline::At(at) => at - now,
        })
    }

    /// When the first deadline may pass.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let stall = self.stall.map(|(at, _)| at);
        self.earliest.into_iter().chain(stall).min()
    }

    /// Nothing is read that could make room, or it is: those who wait for room do not wait longer than until `end`.
    pub(crate) fn stall(&mut self, end: Option<Instant>) {
        let end = end.filter(|_| !self.is_empty());
        self.stall = end.map(|end| self.stall.unwrap_or((end, WaitId(self.next))));
    }

    /// The driver looks: deadlines count from here, and those that have passed end their commands, which are given
    /// back.
    pub(crate) fn look(&mut self, now: Instant, wakers: &mut Wakers) -> Vec<(Command, Rejection)> {
        if !self.unsettled && self.deadline().is_none_or(|deadline| deadline > now) {
            return Vec::new();
        }
        self.unsettled = false;
        self.earliest = None;
        let stalled = self.stall.take_if(|(at, _)| *at <= now).map(|(_, end)| end);
        let mut late = Vec::new();
        for mut waiter in std::mem::take(&mut self.waiters) {
            let at = match waiter.deadline {
                Some(Deadline::In(deadline)) => Some(now + deadline),
                Some(Deadline::At(at)) => Some(at),
                None => None,
            };
            waiter.deadline = at.map(Deadline::At);
            // What nobody waits for is not lost for that.
            let is_stalled = !waiter.detached && stalled.is_some_and(|end| waiter.id < end);
            let rejection = match at {
                Some(at) if at <= now => Rejection::Late,
                _ if is_stalled => Rejection::Stalled,
                _ => {
                    self.earliest = self.earliest.into_iter().chain(at).min();
                    self.waiters.push_back(waiter);
                    continue;
                }
            };
            if !waiter.detached {
                self.admitted.insert(waiter.id, Err(rejection));
                wakers.push(waiter.waker);
            }
            late.push((waiter.command, rejection));
        }
        late
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

    /// It was not accepted: gives the command back.
    pub(crate) fn refuse(
        &mut self,
        outcome: Result<Token, Rejection>,
        wakers: &mut Wakers,
    ) -> Option<Command> {
        let waiter = self.waiters.pop_front()?;
        if !waiter.detached {
            self.admitted.insert(waiter.id, outcome);
            wakers.push(waiter.waker);
        }
        Some(waiter.command)
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

    /// Gives memory back that is not needed now.
    pub(crate) fn release(&mut self) {
        self.waiters.shrink_to_fit();
        self.admitted.shrink_to_fit();
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
