//! Incoming messages between the connection and the application: the streams' queues, who owes an
//! acknowledgement, and what nobody claims.

mod streams;

use std::collections::{HashMap, HashSet, VecDeque};
use std::task::Waker;

use slab::Slab;
use sterna_core::packet::ReasonCode;
use sterna_core::{AckError, Backlog, Message, MessageId};

use crate::copies::Copies;
use crate::lock::{Wakers, register};
use crate::router::{Partial, Route, Router, StreamId};
use crate::stream::{Load, StreamState};

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

/// What a stream leaves behind is delivered again to others; `hold`: kept if nobody claims it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reroute {
    pub(crate) hold: bool,
}

/// A message that several streams have to acknowledge.
#[derive(Debug)]
struct Share {
    /// How many of them have not.
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
    held_load: Load,
    shares: HashMap<MessageId, Share>,
    /// Who has not acknowledged which of them.
    owing: HashSet<(MessageId, StreamId)>,
    /// Queued in all streams without a bound of their own.
    waiting: Load,
    /// How many messages wait in the others.
    bounded: usize,
    /// How many streams have somebody who waits for messages.
    starving: usize,
    unclaimed: u64,
    dropped: u64,
    /// Streams that dropped messages since the last report.
    lagging: Vec<StreamId>,
    /// The message of QoS 1 or 2 that came last.
    latest: Option<MessageId>,
    /// Empty; kept for its memory.
    targets: Vec<StreamId>,
    /// Nothing has moved for a while: what comes back empty is not kept for the next messages.
    rests: bool,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            router: Router::new(),
            streams: Slab::new(),
            unclaimed_streams: Vec::new(),
            held: VecDeque::new(),
            held_load: Load::default(),
            shares: HashMap::new(),
            owing: HashSet::new(),
            waiting: Load::default(),
            bounded: 0,
            starving: 0,
            unclaimed: 0,
            dropped: 0,
            lagging: Vec::new(),
            latest: None,
            targets: Vec::new(),
            rests: false,
        }
    }

    /// What waits for the application.
    pub(crate) fn backlog(&self) -> Backlog {
        Backlog {
            messages: self.waiting.messages + self.held_load.messages,
            bytes: self.waiting.bytes + self.held_load.bytes,
            expendable: Some(self.waiting.at_most_once),
            starving: self.starving > 0,
            bounded: self.bounded,
        }
    }

    /// How many messages wait for the application.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.messages + self.held_load.messages + self.bounded
    }

    /// How many messages were dropped because nobody claimed them.
    pub(crate) fn unclaimed(&self) -> u64 {
        self.unclaimed
    }

    /// How many messages all streams together have dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many messages `stream` has dropped.
    pub(crate) fn dropped_by(&self, stream: StreamId) -> u64 {
        self.streams[stream].dropped()
    }

    pub(crate) fn router(&mut self) -> &mut Router {
        &mut self.router
    }

    /// Queues `message` for the streams it belongs to. Gives back what is to be acknowledged at once. `hold`:
    /// whether to keep it if nobody claims it.
    #[inline]
    pub(crate) fn deliver(&mut self, message: Message, hold: bool, wakers: &mut Wakers) -> Option<MessageId> {
        let id = message.id();
        if id.is_some() {
            self.latest = self.latest.max(id);
        }
        if message.properties().is_empty()
            && let Some(stream) = self.router.sole(message.topic_bytes())
        {
            let load = Load::of(&message);
            let state = &mut self.streams[stream];
            if state.waker.is_none() && !state.is_bounded() {
                self.waiting.add(load);
                state.append(message, load);
                return id.filter(|_| !state.owes());
            }
            let owes = self.queue(stream, message, load, wakers);
            return id.filter(|_| !owes);
        }
        self.hand_out(message, hold, false, wakers)
    }

    /// As `deliver`; `again`: a stream that has ended had it before, and so had the others that were there by then.
    fn hand_out(
        &mut self,
        message: Message,
        hold: bool,
        again: bool,
        wakers: &mut Wakers,
    ) -> Option<MessageId> {
        let id = message.id();
        let properties = message.properties();
        if !(properties.is_empty() && self.router.has_routed(message.topic_bytes())) {
            self.router.route(message.topic_bytes(), properties.subscription_identifiers());
        }
        let is_plain = !again && self.router.partial().is_empty();
        match self.router.routed() {
            Route::Streams(&[stream]) if is_plain => {
                let load = Load::of(&message);
                let owes = self.queue(stream, message, load, wakers);
                return id.filter(|_| !owes);
            }
            Route::Late => return id,
            Route::Unclaimed if self.unclaimed_streams.is_empty() => return self.hold_or_drop(message, hold),
            Route::Streams(_) | Route::Unclaimed => {}
        }
        let mut targets = std::mem::take(&mut self.targets);
        self.find_targets(&message, again, &mut targets);
        let left = self.hand_to(&targets, message, wakers);
        targets.clear();
        self.targets = targets;
        left
    }

    /// The streams that a message goes to, as the router has decided.
    fn find_targets(&mut self, message: &Message, again: bool, targets: &mut Vec<StreamId>) {
        match self.router.routed() {
            Route::Streams(streams) if again => {
                let is_newer = |stream: &StreamId| self.streams[*stream].since >= message.id();
                targets.extend(streams.iter().copied().filter(is_newer));
            }
            Route::Streams(streams) if self.router.partial().is_empty() => targets.extend_from_slice(streams),
            Route::Streams(streams) => {
                targets.extend(unrepeated(streams, self.router.partial(), &mut self.streams, message));
            }
            Route::Unclaimed => targets.extend_from_slice(&self.unclaimed_streams),
            Route::Late => {}
        }
    }

    /// Queues `message` for each of the streams, and takes down which of them owe its acknowledgement. Gives back what is
    /// to be acknowledged at once.
    fn hand_to(&mut self, targets: &[StreamId], message: Message, wakers: &mut Wakers) -> Option<MessageId> {
        let (id, load) = (message.id(), Load::of(&message));
        let Some((&last, others)) = targets.split_last() else { return id };
        let mut owners = 0;
        for &stream in others {
            owners += usize::from(self.queue(stream, message.clone(), load, wakers));
        }
        owners += usize::from(self.queue(last, message, load, wakers));
        match (id, owners) {
            (Some(_), 0) => id,
            (Some(id), 2..) => {
                let owing = targets.iter().copied().filter(|stream| self.streams[*stream].owes());
                self.owing.extend(owing.map(|stream| (id, stream)));
                self.shares.insert(id, Share { owners, reason: ReasonCode::SUCCESS });
                None
            }
            _ => None,
        }
    }

    /// Queues `message`, of this `load`, for `stream`; whether that owes the acknowledgement.
    fn queue(&mut self, stream: StreamId, message: Message, load: Load, wakers: &mut Wakers) -> bool {
        let state = &mut self.streams[stream];
        let owes = state.owes();
        if state.waker.is_some() {
            self.starving -= 1;
            wakers.push(state.waker.take());
        }
        if state.is_bounded() {
            self.queue_bounded(stream, message, load);
        } else {
            self.waiting.add(load);
            state.append(message, load);
        }
        owes
    }

    /// Queues it where older ones may go for it, or itself.
    #[inline(never)]
    fn queue_bounded(&mut self, stream: StreamId, message: Message, load: Load) {
        let state = &mut self.streams[stream];
        let before = state.load();
        let dropped = state.push(message, load);
        account(&mut self.waiting, &mut self.bounded, state, before);
        if dropped > 0 {
            self.dropped += dropped;
            note(&mut self.lagging, stream);
        }
    }

    fn hold_or_drop(&mut self, message: Message, hold: bool) -> Option<MessageId> {
        let id = message.id();
        if id.is_none() || !hold {
            self.unclaimed += 1;
            return id;
        }
        self.held_load.add(Load::of(&message));
        self.held.push_back(message);
        None
    }

    /// Makes room: drops the oldest messages of QoS 0, at least `bytes` of them, where most of them wait. How many
    /// messages those were.
    pub(crate) fn shed(&mut self, bytes: usize) -> u64 {
        let mut shed = Load::default();
        while shed.bytes < bytes {
            let waiting = self.streams.iter_mut().filter(|(_, state)| !state.is_bounded());
            let fullest = waiting.max_by_key(|(_, state)| state.load().at_most_once);
            let Some((stream, state)) = fullest.filter(|(_, state)| state.load().at_most_once > 0) else {
                break;
            };
            let load = state.shed(bytes - shed.bytes);
            shed.add(load);
            self.waiting.subtract(load);
            note(&mut self.lagging, stream);
        }
        let messages = shed.messages as u64;
        self.dropped += messages;
        messages
    }

    /// The streams that dropped messages since the last call: their filters, and how many.
    pub(crate) fn take_lagging(&mut self) -> impl Iterator<Item = (Box<[Box<str>]>, u64)> {
        let Self { lagging, streams, .. } = self;
        lagging.drain(..).filter_map(|stream| {
            let state = streams.get_mut(stream)?;
            Some((state.filters.clone().into_boxed_slice(), state.take_unreported()))
        })
    }

    /// The filters of those who may owe the acknowledgement of this message: of the streams where it waits, or else
    /// of all that its topic belongs to.
    pub(crate) fn owing(&self, id: MessageId, topic: &str) -> Box<[Box<str>]> {
        let matching = self.router.matching(topic);
        let of = |wanted: &dyn Fn(&StreamState) -> bool| -> Box<[Box<str>]> {
            let wanted = |streams: &[StreamId]| streams.iter().any(|&stream| wanted(&self.streams[stream]));
            matching
                .iter()
                .filter(|(_, streams)| wanted(streams))
                .map(|(filter, _)| (*filter).into())
                .collect()
        };
        let waits = of(&|state| state.owes() && state.has(id));
        if waits.is_empty() { of(&StreamState::owes) } else { waits }
    }

    /// Copies of earlier messages are not told from later ones any more: of one stream, or of all.
    pub(crate) fn forget_copies(&mut self, of: Option<StreamId>) {
        for (_, state) in self.streams.iter_mut().filter(|(stream, _)| of.is_none_or(|of| of == *stream)) {
            state.copies = Copies::default();
        }
    }

    /// Whether several streams have to acknowledge it.
    pub(crate) fn is_shared(&self, id: MessageId) -> bool {
        !self.shares.is_empty() && self.shares.contains_key(&id)
    }

    /// Takes down that `owner` has acknowledged; the reason code to send when it was the last one. A negative answer of
    /// one owner is the answer.
    ///
    /// # Errors
    /// It did so before.
    pub(crate) fn settle(
        &mut self,
        id: MessageId,
        owner: StreamId,
        reason: ReasonCode,
    ) -> Result<Option<ReasonCode>, AckError> {
        let Some(share) = self.shares.get_mut(&id) else { return Ok(Some(reason)) };
        if !self.owing.remove(&(id, owner)) {
            return Err(AckError::Stale);
        }
        share.owners -= 1;
        share.reason = share.reason.max(reason);
        if share.owners > 0 {
            return Ok(None);
        }
        Ok(self.shares.remove(&id).map(|share| share.reason))
    }

    /// Moves what is queued into `batch`, which is empty; whether there was anything. Of a stream with a bound of its
    /// own that is one message, so that none waits where the bound does not hold.
    pub(crate) fn take(&mut self, stream: StreamId, batch: &mut VecDeque<Message>) -> bool {
        if self.streams[stream].is_empty() {
            self.keep(stream, batch);
            return false;
        }
        let state = &mut self.streams[stream];
        let before = state.load();
        if state.is_bounded() {
            batch.extend(state.pop());
        } else {
            state.take(batch);
        }
        account(&mut self.waiting, &mut self.bounded, state, before);
        true
    }

    /// Keeps the memory of `batch`, which is empty, for the messages that come next, if any come soon.
    pub(crate) fn keep(&mut self, stream: StreamId, batch: &mut VecDeque<Message>) {
        let batch = std::mem::take(batch);
        if batch.capacity() > 0 && !self.rests {
            self.streams[stream].keep(batch);
        }
    }

    /// Has `waker` woken by the next message; whether nobody waited for one before.
    pub(crate) fn register(&mut self, stream: StreamId, waker: &Waker) -> bool {
        let slot = &mut self.streams[stream].waker;
        let first = slot.is_none();
        register(slot, waker);
        self.starving += usize::from(first);
        first
    }

    /// Has `waker` woken when nobody but the subscribe that `stream` is of could take its messages, and nothing is read
    /// before they are taken.
    pub(crate) fn register_subscriber(&mut self, stream: StreamId, waker: Option<&Waker>) {
        let Some(state) = self.streams.get_mut(stream) else { return };
        match waker {
            Some(waker) => register(&mut state.subscriber, waker),
            None => state.subscriber = None,
        }
    }

    /// Reading is held back: wakes the subscribes that have messages.
    pub(crate) fn wake_subscribers(&mut self, wakers: &mut Wakers) {
        for (_, state) in self.streams.iter_mut().filter(|(_, state)| !state.is_empty()) {
            wakers.push(state.subscriber.take());
        }
    }

    /// Whether messages wait in `stream`.
    pub(crate) fn has_messages(&self, stream: StreamId) -> bool {
        !self.streams[stream].is_empty()
    }

    /// Whether nothing can come any more.
    pub(crate) fn is_ended(&self, stream: StreamId) -> bool {
        self.streams[stream].ended
    }

    /// Something moves again.
    pub(crate) fn stir(&mut self) {
        self.rests = false;
    }

    /// Gives memory back that is not needed now, and later what comes back empty.
    pub(crate) fn rest(&mut self) {
        self.rests = true;
        for (_, stream) in &mut self.streams {
            stream.release();
        }
        self.held.shrink_to_fit();
        self.shares.shrink_to_fit();
        self.owing.shrink_to_fit();
    }

    /// Nothing comes any more: every stream looks.
    pub(crate) fn wake_all(&mut self, wakers: &mut Wakers) {
        for (_, stream) in &mut self.streams {
            wakers.push(stream.waker.take());
        }
        self.starving = 0;
    }
}

/// The queue of `state` has changed from what it was `before`.
fn account(waiting: &mut Load, bounded: &mut usize, state: &StreamState, before: Load) {
    let after = state.load();
    if state.is_bounded() {
        *bounded = *bounded + after.messages - before.messages;
    } else {
        waiting.subtract(before);
        waiting.add(after);
    }
}

/// Those of `targets` that have not got `message` by another copy.
fn unrepeated(
    targets: &[StreamId],
    partial: &[Partial],
    streams: &mut Slab<StreamState>,
    message: &Message,
) -> Vec<StreamId> {
    let mut repeated = |stream: &StreamId| {
        let copy = partial.iter().find(|copy| copy.stream == *stream);
        copy.is_some_and(|copy| streams[*stream].copies.is_repeated(message, &copy.marked, copy.of))
    };
    targets.iter().filter(|stream| !repeated(stream)).copied().collect()
}

fn note(lagging: &mut Vec<StreamId>, stream: StreamId) {
    if !lagging.contains(&stream) {
        lagging.push(stream);
    }
}
