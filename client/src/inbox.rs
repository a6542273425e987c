//! Incoming messages between the connection and the application: the streams' queues, who owes an
//! acknowledgement, and what nobody claims.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;

use slab::Slab;
use sterna_core::packet::ReasonCode;
use sterna_core::{Message, MessageId, topic};

use crate::lock::{Wakers, register};
use crate::router::{Router, StreamId, matched_part};

/// When a message of QoS 1 or 2 is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckMode {
    /// When the application asks the stream for the *next* message, or drops the stream: a crash while it handles
    /// a message loses nothing.
    #[default]
    OnNext,
    /// When the application calls [`Message::ack`](crate::Message::ack) or
    /// [`Message::reject`](crate::Message::reject).
    Manual,
    /// As soon as it came: what is queued is lost if the process ends.
    OnReceipt,
}

/// What becomes of QoS 1 and 2 messages that no live subscription matches and no
/// [`messages`](crate::Client::messages) stream takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unclaimed {
    /// Kept, not acknowledged, until a stream claims them, as long as the session is persistent; those of a
    /// session that ends with its connection are dropped. They count against the incoming limits.
    #[default]
    Hold,
    /// Acknowledged and dropped.
    Drop,
}

/// What a waiting message takes besides its packet, counted against the bounds.
const OVERHEAD: usize = size_of::<Message>();
/// A queue that grew beyond this gives its memory back when it is empty.
const KEPT_CAPACITY: usize = 256;
/// How many unsubscribed filters are remembered, to tell their late messages from unclaimed ones.
const REMEMBERED: usize = 64;

/// A stream's half in the lock.
#[derive(Debug)]
pub(crate) struct StreamState {
    queue: VecDeque<Message>,
    bytes: usize,
    waker: Option<Waker>,
    mode: AckMode,
    filters: Vec<Box<str>>,
    /// Takes what no subscription claims.
    unclaimed: bool,
    ended: bool,
}

impl StreamState {
    fn push(&mut self, message: Message) -> usize {
        let cost = cost(&message);
        self.bytes += cost;
        self.queue.push_back(message);
        cost
    }
}

/// What a message counts for against the bounds.
fn cost(message: &Message) -> usize {
    message.size() + OVERHEAD
}

/// What a stream leaves behind is delivered again to others; `hold`: kept if nobody claims it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reroute {
    pub(crate) hold: bool,
}

/// A message that several streams have to acknowledge.
#[derive(Debug)]
struct Share {
    owners: usize,
    reason: ReasonCode,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbox {
    router: Router,
    streams: Slab<StreamState>,
    /// The streams of unclaimed messages.
    unclaimed_streams: Vec<StreamId>,
    held: VecDeque<Message>,
    held_bytes: usize,
    /// Filters that were unsubscribed: their last messages may still come, and are not unclaimed.
    unsubscribed: VecDeque<Box<str>>,
    /// Filters that are subscribed at the server and whose streams were dropped: what comes for them is unclaimed.
    streamless: Vec<Box<str>>,
    shares: HashMap<MessageId, Share>,
    /// Queued in all streams.
    messages: usize,
    bytes: usize,
    dropped: u64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            streams: Slab::new(),
            unclaimed_streams: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            unsubscribed: VecDeque::new(),
            streamless: Vec::new(),
            shares: HashMap::new(),
            messages: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    /// How many messages and bytes wait for the application.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        (self.messages + self.held.len(), self.bytes + self.held_bytes)
    }

    /// How many messages were dropped because nobody claimed them.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Queues `message` for the streams it belongs to. Gives back what is to be acknowledged at once. `hold`:
    /// whether to keep it if nobody claims it.
    pub(crate) fn deliver(&mut self, message: Message, hold: bool, wakers: &mut Wakers) -> Option<MessageId> {
        let mut targets = self.router.route(message.topic());
        if targets.is_empty() {
            targets = &self.unclaimed_streams;
        }
        let Some((&last, others)) = targets.split_last() else {
            return self.hold_or_drop(message, hold);
        };
        let id = message.id();
        let mut owners = 0;
        let mut push = |stream: StreamId, message: Message| {
            let stream = &mut self.streams[stream];
            owners += usize::from(stream.mode != AckMode::OnReceipt);
            self.messages += 1;
            self.bytes += stream.push(message);
            wakers.push(stream.waker.take());
        };
        for &stream in others {
            push(stream, message.clone());
        }
        push(last, message);
        match (id, owners) {
            (Some(_), 0) => id,
            (Some(id), 2..) => {
                self.shares.insert(id, Share { owners, reason: ReasonCode::SUCCESS });
                None
            }
            _ => None,
        }
    }

    fn hold_or_drop(&mut self, message: Message, hold: bool) -> Option<MessageId> {
        let id = message.id();
        let late = self.unsubscribed.iter().any(|filter| topic::matches(filter, message.topic()))
            && !self.streamless.iter().any(|filter| topic::matches(filter, message.topic()));
        if id.is_none() || !hold || late {
            self.dropped += u64::from(!late);
            return id;
        }
        self.held_bytes += cost(&message);
        self.held.push_back(message);
        None
    }

    /// Counts one owner's acknowledgement; the reason code to send when it was the last one. A negative answer of
    /// one owner is the answer.
    pub(crate) fn settle(&mut self, id: MessageId, reason: ReasonCode) -> Option<ReasonCode> {
        let Some(share) = self.shares.get_mut(&id) else { return Some(reason) };
        share.owners -= 1;
        share.reason = share.reason.max(reason);
        if share.owners > 0 {
            return None;
        }
        self.shares.remove(&id).map(|share| share.reason)
    }

    /// A new stream, before anything is subscribed: what is held for it is its already. Without filters it takes
    /// what nobody claims.
    pub(crate) fn open(&mut self, filters: Vec<Box<str>>, mode: AckMode) -> (StreamId, Vec<MessageId>) {
        let unclaimed = filters.is_empty();
        let stream = self.streams.insert(StreamState {
            queue: VecDeque::new(),
            bytes: 0,
            waker: None,
            mode,
            filters: Vec::new(),
            unclaimed,
            ended: false,
        });
        for filter in &filters {
            self.router.insert(filter, stream);
            self.unsubscribed.retain(|gone| **gone != *matched_part(filter));
            self.streamless.retain(|other| other != filter);
        }
        self.streams[stream].filters = filters;
        if unclaimed {
            self.unclaimed_streams.push(stream);
        }
        (stream, self.claim(stream))
    }

    /// Moves to `stream` what is held and matches it; what it acknowledges on receipt is given back.
    fn claim(&mut self, stream: StreamId) -> Vec<MessageId> {
        let Self { streams, held, held_bytes, messages, bytes, .. } = self;
        let state = &mut streams[stream];
        let mut acknowledged = Vec::new();
        let kept = std::mem::take(held);
        for message in kept {
            let topic = message.topic();
            if !state.unclaimed && !state.filters.iter().any(|filter| topic::matches(filter, topic)) {
                held.push_back(message);
                continue;
            }
            *held_bytes -= cost(&message);
            *messages += 1;
            if state.mode == AckMode::OnReceipt {
                acknowledged.extend(message.id());
            }
            *bytes += state.push(message);
        }
        acknowledged
    }

    /// Swaps what is queued into `batch`, which is empty; whether there was anything.
    pub(crate) fn take(&mut self, stream: StreamId, batch: &mut VecDeque<Message>) -> bool {
        let state = &mut self.streams[stream];
        if state.queue.is_empty() {
            if batch.capacity() > KEPT_CAPACITY {
                batch.shrink_to(KEPT_CAPACITY);
            }
            return false;
        }
        std::mem::swap(&mut state.queue, batch);
        self.messages -= batch.len();
        self.bytes -= state.bytes;
        state.bytes = 0;
        true
    }

    pub(crate) fn register(&mut self, stream: StreamId, waker: &Waker) {
        register(&mut self.streams[stream].waker, waker);
    }

    /// Whether nothing can come any more.
    pub(crate) fn is_ended(&self, stream: StreamId) -> bool {
        self.streams[stream].ended
    }

    /// Takes `filter` from `stream`; a stream that had no other ends. Whether no live stream wants it any more.
    pub(crate) fn drop_filter(&mut self, stream: StreamId, filter: &str, wakers: &mut Wakers) -> bool {
        let unwanted = self.router.remove(filter, stream);
        if let Some(state) = self.streams.get_mut(stream) {
            state.filters.retain(|other| &**other != filter);
            if state.filters.is_empty() && !state.unclaimed {
                state.ended = true;
                wakers.push(state.waker.take());
            }
        }
        unwanted
    }

    /// `filter` is being unsubscribed for everybody: its streams lose it, and what is held or still comes for it
    /// is not unclaimed. Gives back what is to be acknowledged.
    pub(crate) fn unsubscribed(&mut self, filter: &str, wakers: &mut Wakers) -> Vec<MessageId> {
        for stream in self.streams_of(filter) {
            self.drop_filter(stream, filter, wakers);
        }
        self.streamless.retain(|other| **other != *filter);
        if self.unsubscribed.len() == REMEMBERED {
            self.unsubscribed.pop_front();
        }
        let filter = matched_part(filter);
        self.unsubscribed.push_back(filter.into());
        let (gone, kept) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|message| topic::matches(filter, message.topic()));
        self.held = kept;
        let gone: VecDeque<Message> = gone;
        self.held_bytes -= gone.iter().map(cost).sum::<usize>();
        gone.iter().filter_map(Message::id).collect()
    }

    /// The streams that `filter` was subscribed for.
    pub(crate) fn streams_of(&self, filter: &str) -> Vec<StreamId> {
        self.router.streams_of(filter).to_vec()
    }

    /// The filters of `stream`.
    pub(crate) fn filters(&self, stream: StreamId) -> &[Box<str>] {
        &self.streams[stream].filters
    }

    /// Ends `stream`. What it had not handed over, `batch` first, goes to those who take unclaimed messages, if
    /// it owed the acknowledgement alone; without `reroute` it is done with. Gives back what is to be
    /// acknowledged now.
    pub(crate) fn close(
        &mut self,
        stream: StreamId,
        batch: &mut VecDeque<Message>,
        reroute: Option<Reroute>,
        wakers: &mut Wakers,
    ) -> Vec<MessageId> {
        for filter in std::mem::take(&mut self.streams[stream].filters) {
            if self.router.remove(&filter, stream) {
                self.streamless.push(filter);
            }
        }
        self.unclaimed_streams.retain(|&other| other != stream);
        let state = self.streams.remove(stream);
        self.messages -= state.queue.len();
        self.bytes -= state.bytes;
        let mut acknowledged = Vec::new();
        for message in batch.drain(..).chain(state.queue) {
            let owed = message.id().filter(|_| state.mode != AckMode::OnReceipt);
            match (owed, reroute) {
                (Some(id), Some(Reroute { hold })) if !self.shares.contains_key(&id) => {
                    acknowledged.extend(self.deliver(message, hold, wakers));
                }
                // The application is done with it, or others have it as well.
                (Some(id), _) => acknowledged.push(id),
                (None, Some(_)) => self.dropped += 1,
                (None, None) => {}
            }
        }
        acknowledged
    }

    /// Nothing comes any more: every stream looks.
    pub(crate) fn wake_all(&mut self, wakers: &mut Wakers) {
        for (_, stream) in &mut self.streams {
            wakers.push(stream.waker.take());
        }
    }
}
