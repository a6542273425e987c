//! Streams that begin, lose filters and end: what was held becomes theirs, and what they leave goes to others.

use std::collections::VecDeque;

use sterna_core::{Message, MessageId, topic};

use super::{AckMode, Inbox, Reroute, account, note};
use crate::lock::Wakers;
use crate::router::StreamId;
use crate::stream::{Load, OnFull, StreamState};

impl Inbox {
    /// A new stream, before anything is subscribed: what is held for it is its already. Without filters it takes
    /// what nobody claims. Messages for a filter may come marked with its identifier.
    pub(crate) fn open(
        &mut self,
        filters: Vec<(Box<str>, u32)>,
        mode: AckMode,
        on_full: OnFull,
    ) -> (StreamId, Vec<MessageId>) {
        let unclaimed = filters.is_empty();
        let stream = self.streams.insert(StreamState::new(mode, on_full, unclaimed, self.latest));
        for (filter, identifier) in &filters {
            self.router.insert(filter, stream, *identifier);
        }
        self.streams[stream].filters = filters.into_iter().map(|(filter, _)| filter).collect();
        if unclaimed {
            self.unclaimed_streams.push(stream);
        }
        (stream, self.claim(stream))
    }

    /// Moves to `stream` what is held and matches it; what it acknowledges on receipt is given back.
    fn claim(&mut self, stream: StreamId) -> Vec<MessageId> {
        let Self { streams, held, held_load, waiting, bounded, dropped, lagging, .. } = self;
        let state = &mut streams[stream];
        let mut acknowledged = Vec::new();
        let kept = std::mem::take(held);
        for message in kept {
            let topic = message.topic();
            if !state.unclaimed && !state.filters.iter().any(|filter| topic::matches(filter, topic)) {
                held.push_back(message);
                continue;
            }
            let load = Load::of(&message);
            held_load.subtract(load);
            if !state.owes() {
                acknowledged.extend(message.id());
            }
            let before = state.load();
            let lost = state.push(message, load);
            account(waiting, bounded, state, before);
            if lost > 0 {
                *dropped += lost;
                note(lagging, stream);
            }
        }
        acknowledged
    }

    /// The server does not have `filter` for `stream`; a stream that had no other ends.
    pub(crate) fn drop_filter(&mut self, stream: StreamId, filter: &str, wakers: &mut Wakers) {
        if self.leave_filter(stream, filter, wakers) {
            self.router.remove(filter);
        }
    }

    /// Takes `filter` from `stream`; a stream that had no other ends. Whether no live stream wants it any more.
    pub(crate) fn leave_filter(&mut self, stream: StreamId, filter: &str, wakers: &mut Wakers) -> bool {
        let unwanted = self.router.leave(filter, stream);
        if let Some(state) = self.streams.get_mut(stream) {
            state.filters.retain(|other| &**other != filter);
            if state.filters.is_empty() && !state.unclaimed {
                state.ended = true;
                self.starving -= usize::from(state.waker.is_some());
                wakers.push(state.waker.take());
            }
        }
        unwanted
    }

    /// `filter` is being unsubscribed for everybody: its streams lose it, and what is held or still comes for it
    /// is not unclaimed. Gives back what is to be acknowledged.
    pub(crate) fn unsubscribed(&mut self, filter: &str, wakers: &mut Wakers) -> Vec<MessageId> {
        for stream in self.streams_of(filter) {
            self.leave_filter(stream, filter, wakers);
        }
        self.router.unsubscribe(filter);
        let (gone, kept) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|message| topic::matches(filter, message.topic()));
        self.held = kept;
        let gone: VecDeque<Message> = gone;
        for message in &gone {
            self.held_load.subtract(Load::of(message));
        }
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
    /// it owed the acknowledgement alone; without `reroute` it is done with. Its filters stay subscribed. Gives back
    /// what is to be acknowledged now.
    pub(crate) fn close(
        &mut self,
        stream: StreamId,
        batch: &mut VecDeque<Message>,
        reroute: Option<Reroute>,
        wakers: &mut Wakers,
    ) -> Vec<MessageId> {
        for filter in std::mem::take(&mut self.streams[stream].filters) {
            self.router.leave(&filter, stream);
        }
        self.unclaimed_streams.retain(|&other| other != stream);
        let mut state = self.streams.remove(stream);
        self.starving -= usize::from(state.waker.is_some());
        let (before, mut rest) = (state.load(), VecDeque::new());
        state.take(&mut rest);
        account(&mut self.waiting, &mut self.bounded, &state, before);
        let mut acknowledged = Vec::new();
        for message in batch.drain(..).chain(rest) {
            let owed = message.id().filter(|_| state.owes());
            match (owed, reroute) {
                (Some(id), Some(Reroute { hold })) if !self.shares.contains_key(&id) => {
                    acknowledged.extend(self.hand_out(message, hold, true, wakers));
                }
                // The application is done with it, or others have it as well.
                (Some(id), _) => acknowledged.push(id),
                (None, Some(_)) => self.unclaimed += 1,
                (None, None) => {}
            }
        }
        acknowledged
    }
}
