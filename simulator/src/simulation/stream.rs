//! A stream of the simulated application: how it is read, and when its messages are acknowledged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream as _;
use sterna_client::{AckMode, Message, Messages, QoS, ReasonCode, Subscription};

use super::application::Surroundings;
use super::plan::{Acking, Reading};
use super::wire::number_of;

/// Notes that it was woken.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Flag {
    pub(super) fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Never: nothing is due.
pub(super) const NEVER: u64 = u64::MAX;

/// What a stream is to be like once it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) filter: Option<&'static str>,
    pub(super) mode: AckMode,
    pub(super) reading: Reading,
    pub(super) acking: Acking,
}

/// Where its messages come from.
pub(super) enum Source {
    Subscription(Subscription),
    Unclaimed(Messages),
}

/// One stream of messages, and what the application owes for them.
pub(super) struct Stream {
    pub(super) key: u64,
    pub(super) source: Source,
    pub(super) flag: Arc<Flag>,
    pub(super) waker: Waker,
    pub(super) habits: Habits,
    pub(super) next_read: u64,
    /// Handed over last, where asking for the next one acknowledges it.
    pub(super) last: Option<u32>,
    /// Messages to be acknowledged by hand, and when.
    pub(super) owed: Vec<(u64, Message)>,
    pub(super) acknowledged: u64,
    /// Requests that it was asked.
    pub(super) asked: Vec<Message>,
    /// The server has answered.
    pub(super) is_granted: bool,
    /// Its filter was unsubscribed.
    pub(super) may_end: bool,
}

impl Stream {
    pub(super) fn is_idle(&self) -> bool {
        self.owed.is_empty() && self.last.is_none() && self.is_granted
    }

    /// Whether the server's answer came just now and was none.
    pub(super) fn look_for_grant(&mut self) -> bool {
        let Source::Subscription(subscription) = &mut self.source else {
            self.is_granted = true;
            return false;
        };
        if self.is_granted {
            return false;
        }
        let mut cx = Context::from_waker(&self.waker);
        let granted = std::pin::pin!(subscription.granted()).poll(&mut cx);
        self.is_granted = granted.is_ready();
        matches!(granted, Poll::Ready(Err(_)))
    }

    /// Asks for the next message; whether there was one, or the end.
    pub(super) fn read(&mut self, around: &mut Surroundings<'_>) -> Poll<bool> {
        self.flag.take();
        if let Some(number) = self.last.take() {
            around.promises.done(around.client, number, false);
        }
        let mut cx = Context::from_waker(&self.waker);
        let next = match &mut self.source {
            Source::Subscription(subscription) => Pin::new(subscription).poll_next(&mut cx),
            Source::Unclaimed(messages) => Pin::new(messages).poll_next(&mut cx),
        };
        let message = match next {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return Poll::Ready(false),
            Poll::Ready(Some(message)) => message,
        };
        // More may be there, for which nobody is woken.
        self.flag.raise();
        let Some(number) = number_of(message.payload()) else {
            // A will: it is nobody's promise.
            if self.habits.mode == AckMode::Manual {
                let _ = message.ack();
            }
            return Poll::Ready(true);
        };
        let is_copy = message.duplicate() && around.promises.drops_messages(around.client);
        let in_order = self.habits.filter.is_some() && !message.retain() && !is_copy;
        let what = (message.qos(), message.topic());
        around.promises.handed(around.client, (self.key, in_order), number, what, around.findings);
        let content_type = message.properties().content_type();
        around.promises.check_type(number, content_type, around.setup.is_v5(), around.findings);
        if message.properties().response_topic().is_some() {
            self.asked.push(message.clone());
        }
        if message.qos() == QoS::AtMostOnce {
            return Poll::Ready(true);
        }
        match self.habits.mode {
            AckMode::OnNext => self.last = Some(number),
            AckMode::Manual => self.owe(message, around),
            AckMode::OnReceipt => around.promises.done(around.client, number, false),
        }
        Poll::Ready(true)
    }

    fn owe(&mut self, message: Message, around: &mut Surroundings<'_>) {
        let at = match self.habits.acking {
            Acking::AtOnce | Acking::Refusing => around.now,
            Acking::After(pause) => around.now + pause,
            Acking::Never | Acking::Backwards(_) => NEVER,
        };
        self.owed.push((at, message));
        if let Acking::Backwards(count) = self.habits.acking
            && self.owed.len() >= count
        {
            self.owed.reverse();
            for (at, _) in &mut self.owed {
                *at = around.now;
            }
        }
        self.acknowledge_due(around);
    }

    pub(super) fn acknowledge_due(&mut self, around: &mut Surroundings<'_>) -> bool {
        let mut any = false;
        while let Some(index) = self.owed.iter().position(|(at, _)| *at <= around.now) {
            any = true;
            let (_, message) = self.owed.remove(index);
            let Some(number) = number_of(message.payload()) else { continue };
            self.acknowledged += 1;
            let refuses = self.habits.acking == Acking::Refusing && self.acknowledged.is_multiple_of(2);
            around.promises.done(around.client, number, refuses);
            // What is not owed any more, because its session is gone, needs no acknowledgement.
            let refused = refuses && message.reject(ReasonCode::QUOTA_EXCEEDED).is_ok();
            // 5.0 has a second reason that means success.
            let reason = ReasonCode::NO_MATCHING_SUBSCRIBERS;
            let taken = refused || (number % 8 == 3 && message.ack_with(reason).is_ok());
            if !taken {
                let _ = message.acker().map(|acker| acker.ack());
            }
        }
        any
    }
}
