//! One stream's messages between the connection and the application, and what happens when they are too many.

use std::collections::VecDeque;
use std::task::Waker;

use sterna_core::{Message, MessageId};

use crate::copies::Copies;
use crate::inbox::AckMode;

/// What becomes of a stream's messages when the application does not keep up; see
/// [`Subscribing::on_full`](crate::Subscribing::on_full).
///
/// With a bound of their own such streams never hold reading back, and their messages are acknowledged as soon as
/// they came, whatever the [`AckMode`]. A message counts with its packet and some 100 bytes; one that alone exceeds
/// `bytes` is dropped. Each drop is counted:
/// [`Subscription::dropped`](crate::Subscription::dropped), [`Statistics::dropped`](crate::Statistics::dropped) and
/// [`Event::Lagging`](crate::Event::Lagging).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFull {
    /// None is lost: reading from the server pauses when what waits for the application, in all streams together,
    /// reaches the client's [`incoming_limit`](crate::ClientBuilder::incoming_limit). While an operation waits for
    /// the server, or the reader of another stream for messages, it goes on up to
    /// [`incoming_reserve`](crate::ClientBuilder::incoming_reserve), and only then the oldest messages of QoS 0 of
    /// the fullest stream are dropped.
    #[default]
    Wait,
    /// The oldest are dropped for the newest: the application sees the latest state.
    DropOldest {
        /// How many messages may wait; zero counts as one.
        messages: usize,
        /// How many bytes of them.
        bytes: usize,
    },
    /// The newest are dropped: the application sees how it began.
    DropNewest {
        /// How many messages may wait; zero counts as one.
        messages: usize,
        /// How many bytes of them.
        bytes: usize,
    },
}

impl OnFull {
    /// The bound on messages and bytes, if the stream has one of its own.
    fn bound(self) -> Option<(usize, usize)> {
        match self {
            Self::Wait => None,
            Self::DropOldest { messages, bytes } | Self::DropNewest { messages, bytes } => {
                Some((messages.max(1), bytes))
            }
        }
    }
}

/// What a waiting message takes besides its packet, counted against the bounds.
const OVERHEAD: usize = size_of::<Message>();

/// What a message counts for against the bounds.
pub(crate) fn cost(message: &Message) -> usize {
    message.size() + OVERHEAD
}

/// How much waits somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    /// Of the bytes, those of QoS 0.
    pub(crate) at_most_once: usize,
}

impl Load {
    pub(crate) fn of(message: &Message) -> Self {
        let bytes = cost(message);
        let at_most_once = if message.id().is_none() { bytes } else { 0 };
        Self { messages: 1, bytes, at_most_once }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
        self.at_most_once += other.at_most_once;
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.messages -= other.messages;
        self.bytes -= other.bytes;
        self.at_most_once -= other.at_most_once;
    }
}

/// A stream's half in the lock.
#[derive(Debug)]
pub(crate) struct StreamState {
    queue: VecDeque<Message>,
    /// Empty: what the receiver had before it began to wait, to be the queue when it takes that.
    spare: VecDeque<Message>,
    load: Load,
    pub(crate) waker: Option<Waker>,
    /// The subscribe, until it is answered.
    pub(crate) subscriber: Option<Waker>,
    mode: AckMode,
    on_full: OnFull,
    pub(crate) filters: Vec<Box<str>>,
    /// Takes what no subscription claims.
    pub(crate) unclaimed: bool,
    pub(crate) ended: bool,
    /// The latest message that had come before it was there.
    pub(crate) since: Option<MessageId>,
    pub(crate) copies: Copies,
    dropped: u64,
    /// How many of those were reported.
    reported: u64,
}

impl StreamState {
    pub(crate) fn new(mode: AckMode, on_full: OnFull, unclaimed: bool, since: Option<MessageId>) -> Self {
        Self {
            queue: VecDeque::new(),
            spare: VecDeque::new(),
            load: Load::default(),
            waker: None,
            subscriber: None,
            mode,
            on_full,
            filters: Vec::new(),
            unclaimed,
            ended: false,
            since,
            copies: Copies::default(),
            dropped: 0,
            reported: 0,
        }
    }

    /// Whether it has to acknowledge its messages.
    pub(crate) fn owes(&self) -> bool {
        self.mode != AckMode::OnReceipt && !self.is_bounded()
    }

    /// Whether it has a bound of its own, and what waits in it counts against no other.
    pub(crate) fn is_bounded(&self) -> bool {
        self.on_full.bound().is_some()
    }

    pub(crate) fn load(&self) -> Load {
        self.load
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many messages were dropped that were not told of.
    pub(crate) fn take_unreported(&mut self) -> u64 {
        let unreported = self.dropped - self.reported;
        self.reported = self.dropped;
        unreported
    }

    /// Queues `message`, of this `load`, or drops it or older ones; how many were dropped.
    pub(crate) fn push(&mut self, message: Message, load: Load) -> u64 {
        let mut dropped = 0;
        if let Some((messages, bytes)) = self.on_full.bound() {
            let is_full = |waiting: Load| waiting.messages >= messages || waiting.bytes + load.bytes > bytes;
            let newest = matches!(self.on_full, OnFull::DropNewest { .. });
            if load.bytes > bytes || (newest && is_full(self.load)) {
                self.dropped += 1;
                return 1;
            }
            while is_full(self.load) && self.pop().is_some() {
                dropped += 1;
            }
        }
        self.append(message, load);
        self.dropped += dropped;
        dropped
    }

    /// Queues `message`, of this `load`, where there is no bound.
    #[inline]
    pub(crate) fn append(&mut self, message: Message, load: Load) {
        self.load.add(load);
        self.queue.push_back(message);
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.load.subtract(Load::of(&message));
        Some(message)
    }

    /// Swaps all that is queued into `batch`, which is empty.
    pub(crate) fn take(&mut self, batch: &mut VecDeque<Message>) {
        std::mem::swap(&mut self.queue, batch);
        if self.queue.capacity() == 0 {
            self.queue = std::mem::take(&mut self.spare);
        }
        self.load = Load::default();
    }

    /// The receiver has handed over all of its `batch`: the memory is kept here, where it is given back if nothing comes
    /// for long.
    pub(crate) fn keep(&mut self, batch: VecDeque<Message>) {
        self.spare = batch;
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn release(&mut self) {
        self.queue.shrink_to_fit();
        self.spare = VecDeque::new();
    }

    /// Drops the oldest messages of QoS 0, at least `bytes` of them if there are so many.
    pub(crate) fn shed(&mut self, bytes: usize) -> Load {
        let mut shed = Load::default();
        self.queue.retain(|message| {
            let goes = shed.bytes < bytes && message.id().is_none();
            if goes {
                shed.add(Load::of(message));
            }
            !goes
        });
        self.load.subtract(shed);
        self.dropped += shed.messages as u64;
        shed
    }

    /// Whether this message waits here.
    pub(crate) fn has(&self, id: MessageId) -> bool {
        self.queue.iter().any(|message| message.id() == Some(id))
    }
}
