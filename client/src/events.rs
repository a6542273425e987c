//! What happens to the client, for anybody who listens.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use slab::Slab;
use sterna_core::packet::ReasonCode;
use sterna_core::{Attempt, Cause, MessageId, PacketInfo};

use crate::lock::{Wakers, register};
use crate::shared::Shared;

/// How many events wait for a slow listener before it loses the oldest.
const CAPACITY: usize = 256;

/// A change of the client's state. See [`Client::events`](crate::Client::events).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An attempt to connect begins.
    Connecting {
        /// Its number, from 1.
        attempt: Attempt,
    },
    /// The server accepted the connection; [`Client::server`](crate::Client::server) has what it announced.
    Connected {
        /// Its number.
        attempt: Attempt,
        /// Whether the server resumed a session.
        session_present: bool,
    },
    /// A connection was lost, or an attempt failed.
    Disconnected {
        /// Its number.
        attempt: Attempt,
        /// Why.
        cause: Cause,
        /// How long until the next attempt; `None` if there will be none by itself.
        retry_in: Option<Duration>,
    },
    /// A connection that was up is gone: operations are queued from now on.
    Offline,
    /// The client has ended and every operation is resolved; [`Client::connect`](crate::Client::connect) starts
    /// it anew.
    Closed {
        /// Why.
        cause: Cause,
    },
    /// A filter was subscribed again after the server had lost the session; with a reason code of 0x80 or above
    /// the server refuses it now, and it is dropped.
    Resubscribed {
        /// The topic filter.
        filter: Box<str>,
        /// What the server answered.
        reason: ReasonCode,
    },
    /// Incoming QoS 0 messages were dropped, because unread messages fill the reserve.
    Dropped {
        /// How many since the last such event.
        messages: u64,
    },
    /// A stream has dropped messages, because the application does not keep up: by its
    /// [`OnFull`](crate::OnFull), or, of QoS 0, because unread messages fill the reserve and most of them wait here.
    Lagging {
        /// The topic filters of the stream; none for [`Client::messages`](crate::Client::messages).
        filters: Box<[Box<str>]>,
        /// How many since the last such event.
        messages: u64,
    },
    /// No message of QoS 1 or 2 comes any more until the application acknowledges this one: it is the oldest of as
    /// many as [`receive_maximum`](crate::ClientBuilder::receive_maximum) allows, and has been for
    /// [`ack_blocked_after`](crate::ClientBuilder::ack_blocked_after). Said once for a message.
    AckBlocked {
        /// The message.
        id: MessageId,
        /// Its topic name, cut after 1,024 bytes.
        topic: Box<str>,
        /// The topic filters of the stream that it waits in; once it was handed over, of all streams that may have
        /// to acknowledge it. None if nobody claims it.
        filters: Box<[Box<str>]>,
    },
    /// A packet is on its way out; only with [`packet_events`](crate::ClientBuilder::packet_events).
    PacketSent(PacketInfo),
    /// A packet came in; only with [`packet_events`](crate::ClientBuilder::packet_events).
    PacketReceived(PacketInfo),
    /// This listener was too slow and missed so many events.
    Lagged(u64),
}

#[derive(Debug)]
struct Listener {
    /// The sequence number of the event it reads next.
    next: u64,
    waker: Option<Waker>,
}

/// The bounded broadcast behind [`Events`].
#[derive(Debug, Default)]
pub(crate) struct Broadcast {
    events: VecDeque<Event>,
    /// The sequence number of the first of `events`.
    first: u64,
    listeners: Slab<Listener>,
}

impl Broadcast {
    pub(crate) fn send(&mut self, event: Event, wakers: &mut Wakers) {
        if self.listeners.is_empty() {
            return;
        }
        if self.events.len() == CAPACITY {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
        self.wake(wakers);
    }

    pub(crate) fn wake(&mut self, wakers: &mut Wakers) {
        for (_, listener) in &mut self.listeners {
            wakers.push(listener.waker.take());
        }
    }

    fn listen(&mut self) -> usize {
        let next = self.first + self.events.len() as u64;
        self.listeners.insert(Listener { next, waker: None })
    }

    fn leave(&mut self, key: usize) {
        self.listeners.remove(key);
        self.trim();
    }

    /// Forgets what every listener has read.
    fn trim(&mut self) {
        let end = self.first + self.events.len() as u64;
        let read = self.listeners.iter().map(|(_, listener)| listener.next).min().unwrap_or(end);
        while self.first < read && self.events.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn poll(&mut self, key: usize, waker: &Waker) -> Poll<Event> {
        let listener = &mut self.listeners[key];
        if listener.next < self.first {
            let missed = self.first - listener.next;
            listener.next = self.first;
            return Poll::Ready(Event::Lagged(missed));
        }
        let Some(event) = self.events.get((listener.next - self.first) as usize) else {
            register(&mut listener.waker, waker);
            return Poll::Pending;
        };
        let event = event.clone();
        listener.next += 1;
        self.trim();
        Poll::Ready(event)
    }
}

/// The events from its making on; see [`Client::events`](crate::Client::events).
///
/// A listener that falls more than 256 events behind loses the oldest and gets [`Event::Lagged`] instead. It
/// does not keep the client alive: it ends when the client's last handle is gone and the client has closed.
#[derive(Debug)]
#[must_use = "events are lost when nobody reads them"]
pub struct Events {
    shared: Arc<Shared>,
    key: usize,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let key = shared.with(|inner| inner.events.listen());
        Self { shared, key }
    }

    /// The next event; `None` when the client is gone.
    ///
    /// # Cancel safety
    /// An event is taken only when it is returned: dropping the future loses none.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.shared.with(|inner| match inner.events.poll(self.key, cx.waker()) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending if inner.is_dead() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.with(|inner| inner.events.leave(self.key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(broadcast: &mut Broadcast, key: usize) -> Option<u64> {
        match broadcast.poll(key, Waker::noop()) {
            Poll::Ready(Event::Dropped { messages }) => Some(messages),
            Poll::Ready(Event::Lagged(missed)) => Some(1_000_000 + missed),
            _ => None,
        }
    }

    // R: REC-09
    #[test]
    fn a_slow_listener_lags_and_goes_on() {
        let (mut broadcast, mut wakers) = (Broadcast::default(), Wakers::default());
        let (slow, fast) = (broadcast.listen(), broadcast.listen());
        for messages in 0..CAPACITY as u64 + 3 {
            broadcast.send(Event::Dropped { messages }, &mut wakers);
            assert_eq!(number(&mut broadcast, fast), Some(messages));
        }
        assert_eq!(number(&mut broadcast, fast), None);
        assert_eq!(number(&mut broadcast, slow), Some(1_000_003));
        assert_eq!(number(&mut broadcast, slow), Some(3));
        broadcast.leave(slow);
        assert!(broadcast.events.is_empty(), "nobody else has to read them");
    }
}
