//! Which streams a message belongs to: a trie of topic filters with a memo of the last topic, and the subscription
//! identifiers that tell the copies of a message apart.

#[cfg(test)]
mod tests;
mod trie;

use std::collections::{HashMap, VecDeque};

use slab::Slab;
use sterna_core::topic;

use self::trie::Trie;
use crate::identifiers::Identifiers;

pub(crate) use self::trie::{FilterId, matched_part};

/// Names a stream of messages.
pub(crate) type StreamId = usize;
/// How many unsubscribed filters are remembered, to tell their late messages from unclaimed ones.
const REMEMBERED: usize = 64;
/// How many identifiers a filter is remembered by: the latest SUBSCRIBE's, and those of messages under way.
const IDENTIFIERS: usize = 8;

/// A filter that is subscribed at the server, or about to be.
#[derive(Debug, Default)]
struct Subscribed {
    name: Box<str>,
    /// Those who want it; none when they were dropped and it was not unsubscribed.
    streams: Vec<StreamId>,
    /// What the server may mark its messages with, the latest last.
    identifiers: Vec<u32>,
    /// The server has it without an identifier.
    plain: bool,
}

impl Subscribed {
    /// Whether a copy that is marked with `identifiers` may be this filter's.
    fn is_marked(&self, identifiers: &[u32]) -> bool {
        identifiers.is_empty() || self.plain || self.identifiers.iter().any(|own| identifiers.contains(own))
    }
}

/// A filter that was unsubscribed.
#[derive(Debug)]
struct Gone {
    name: Box<str>,
    identifiers: Vec<u32>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// To these, each once.
    Streams(&'a [StreamId]),
    /// Nobody here wants it.
    Unclaimed,
    /// It is the copy of a subscription that was unsubscribed.
    Late,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Streams,
    Unclaimed,
    Late,
}

/// A stream with several filters that match, of which the copy at hand is not for all.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(crate) stream: StreamId,
    /// Those that it is for.
    pub(crate) marked: Vec<FilterId>,
    /// How many match.
    pub(crate) of: usize,
}

/// The answer for the last message.
#[derive(Debug)]
struct Memo {
    topic: String,
    identifiers: Vec<u32>,
    valid: bool,
    outcome: Outcome,
    streams: Vec<StreamId>,
    partial: Vec<Partial>,
    /// The filters that match the topic.
    filters: Vec<FilterId>,
    /// The only stream, where there were no identifiers.
    sole: Option<StreamId>,
}

impl Memo {
    fn new() -> Self {
        Self {
            topic: String::new(),
            identifiers: Vec::new(),
            valid: false,
            outcome: Outcome::Unclaimed,
            streams: Vec::new(),
            partial: Vec::new(),
            filters: Vec::new(),
            sole: None,
        }
    }
}

/// Routes messages to streams. Shared subscriptions route by the filter inside them.
#[derive(Debug)]
pub(crate) struct Router {
    trie: Trie,
    /// By how they were subscribed: `$share/g/f` and `f` are two.
    names: HashMap<Box<str>, FilterId>,
    filters: Slab<Subscribed>,
    gone: VecDeque<Gone>,
    pub(crate) identifiers: Identifiers,
    memo: Memo,
    /// The identifiers of the message at hand.
    marks: Vec<u32>,
}

impl Router {
    pub(crate) fn new() -> Self {
        Self {
            trie: Trie::new(),
            names: HashMap::new(),
            filters: Slab::new(),
            gone: VecDeque::new(),
            identifiers: Identifiers::default(),
            memo: Memo::new(),
            marks: Vec::new(),
        }
    }

    /// Adds `filter`, which must be valid, to `stream`; adding it twice is the same as once. From now on its messages
    /// may come marked with `identifier`.
    pub(crate) fn insert(&mut self, filter: &str, stream: StreamId, identifier: u32) {
        self.memo.valid = false;
        let id = self.names.get(filter).copied().unwrap_or_else(|| self.add(filter));
        let subscribed = &mut self.filters[id];
        if !subscribed.streams.contains(&stream) {
            subscribed.streams.push(stream);
        }
        if !subscribed.identifiers.contains(&identifier) {
            subscribed.identifiers.push(identifier);
            self.identifiers.hold(identifier);
        }
        if subscribed.identifiers.len() > IDENTIFIERS {
            self.identifiers.release(subscribed.identifiers.remove(0));
        }
    }

    fn add(&mut self, filter: &str) -> FilterId {
        let id = self.filters.insert(Subscribed { name: filter.into(), ..Subscribed::default() });
        self.names.insert(filter.into(), id);
        self.trie.insert(filter, id);
        id
    }

    /// Takes `filter` from `stream`; whether no stream wants it any more. It stays subscribed.
    pub(crate) fn leave(&mut self, filter: &str, stream: StreamId) -> bool {
        let Some(&id) = self.names.get(filter) else { return false };
        let streams = &mut self.filters[id].streams;
        let Some(position) = streams.iter().position(|&other| other == stream) else { return false };
        streams.swap_remove(position);
        self.memo.valid = false;
        streams.is_empty()
    }

    /// The server does not have `filter`.
    pub(crate) fn remove(&mut self, filter: &str) -> Vec<u32> {
        let Some(id) = self.names.remove(filter) else { return Vec::new() };
        self.memo.valid = false;
        let Subscribed { identifiers, .. } = self.filters.remove(id);
        for identifier in &identifiers {
            self.identifiers.release(*identifier);
        }
        self.trie.remove(filter, id);
        identifiers
    }

    /// `filter` is being unsubscribed: its last messages may still come.
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        self.memo.valid = false;
        let identifiers = self.remove(filter);
        if self.gone.len() == REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back(Gone { name: matched_part(filter).into(), identifiers });
    }

    /// The server has `filter`, with its identifier or without any.
    pub(crate) fn confirm(&mut self, filter: &str, identified: bool) {
        if let Some(&id) = self.names.get(filter) {
            self.filters[id].plain = !identified;
            self.memo.valid = false;
        }
    }

    /// No message of earlier subscriptions comes any more.
    pub(crate) fn session_lost(&mut self) {
        self.memo.valid = false;
        self.gone.clear();
        for (_, subscribed) in &mut self.filters {
            let earlier = subscribed.identifiers.len().saturating_sub(1);
            for identifier in subscribed.identifiers.drain(..earlier) {
                self.identifiers.release(identifier);
            }
        }
        self.identifiers.session_lost();
    }

    /// The streams that `filter` was inserted for, as it was subscribed.
    pub(crate) fn streams_of(&self, filter: &str) -> &[StreamId] {
        self.names.get(filter).map_or(&[], |&id| &self.filters[id].streams)
    }

    /// Where a message goes: to the streams with a filter that matches its topic and has one of its subscription
    /// identifiers. Where none has, they are those of an earlier process, and matching decides alone.
    pub(crate) fn route(&mut self, name: &[u8], identifiers: impl Iterator<Item = u32>) {
        if !self.is_decided(name, identifiers) {
            // It was validated when it was decoded.
            self.route_topic(std::str::from_utf8(name).unwrap_or_default());
        }
    }

    /// Whether the last message had this topic, and no identifiers.
    #[inline]
    pub(crate) fn has_routed(&self, name: &[u8]) -> bool {
        self.memo.valid && self.memo.identifiers.is_empty() && self.memo.topic.as_bytes() == name
    }

    /// The only stream that a message goes to, if it has the last one's topic, and no identifiers either.
    #[inline]
    pub(crate) fn sole(&self, name: &[u8]) -> Option<StreamId> {
        let stream = self.memo.sole?;
        (self.memo.valid && self.memo.topic.as_bytes() == name).then_some(stream)
    }

    /// Whether the memo is of this topic and these identifiers, which are written down.
    fn is_decided(&mut self, name: &[u8], identifiers: impl Iterator<Item = u32>) -> bool {
        let same = self.memo.valid && self.memo.topic.as_bytes() == name;
        self.marks.clear();
        self.marks.extend(identifiers);
        same && self.marks == self.memo.identifiers
    }

    fn route_topic(&mut self, name: &str) {
        let mut memo = std::mem::replace(&mut self.memo, Memo::new());
        memo.identifiers.clone_from(&self.marks);
        if !(memo.valid && memo.topic == name) {
            memo.topic.clear();
            memo.topic.push_str(name);
            memo.filters.clear();
            self.trie.find(name, &mut memo.filters);
        }
        self.decide(&mut memo);
        self.find_partial(&mut memo);
        memo.sole = match (memo.outcome, &*memo.streams) {
            (Outcome::Streams, &[stream]) if memo.partial.is_empty() && memo.identifiers.is_empty() => {
                Some(stream)
            }
            _ => None,
        };
        memo.valid = true;
        self.memo = memo;
    }

    /// Where that is.
    pub(crate) fn routed(&self) -> Route<'_> {
        match self.memo.outcome {
            Outcome::Streams => Route::Streams(&self.memo.streams),
            Outcome::Unclaimed => Route::Unclaimed,
            Outcome::Late => Route::Late,
        }
    }

    /// The streams among them that may get it by another copy too.
    pub(crate) fn partial(&self) -> &[Partial] {
        &self.memo.partial
    }

    fn find_partial(&self, memo: &mut Memo) {
        let Memo { identifiers, streams, partial, filters, .. } = memo;
        partial.clear();
        if identifiers.is_empty() || filters.len() < 2 {
            return;
        }
        for &stream in streams.iter() {
            let own = filters.iter().filter(|id| self.filters[**id].streams.contains(&stream));
            let of = own.clone().count();
            let marked = own.filter(|id| self.filters[**id].is_marked(identifiers));
            if (1..of).contains(&marked.clone().count()) {
                partial.push(Partial { stream, marked: marked.copied().collect(), of });
            }
        }
    }

    fn decide(&self, memo: &mut Memo) {
        let Memo { topic, identifiers, outcome, streams, filters, .. } = memo;
        let marked = |id: &&FilterId| self.filters[**id].is_marked(identifiers);
        let gather = |streams: &mut Vec<StreamId>, id: &FilterId| {
            streams.extend_from_slice(&self.filters[*id].streams);
        };
        streams.clear();
        filters.iter().filter(marked).for_each(|id| gather(streams, id));
        let is_ours = filters.iter().any(|id| marked(&id));
        if !is_ours && !filters.is_empty() && !self.is_late(topic, identifiers) {
            for id in filters.iter() {
                gather(streams, id);
            }
        }
        streams.sort_unstable();
        streams.dedup();
        *outcome = match () {
            () if !streams.is_empty() => Outcome::Streams,
            () if !is_ours && self.is_late(topic, identifiers) => Outcome::Late,
            () => Outcome::Unclaimed,
        };
    }

    /// Whether everything that marks a message is of filters that were unsubscribed.
    fn is_late(&self, topic: &str, identifiers: &[u32]) -> bool {
        let mut gone = self.gone.iter().filter(|gone| topic::matches(&gone.name, topic)).peekable();
        gone.peek().is_some()
            && identifiers.iter().all(|id| gone.clone().any(|gone| gone.identifiers.contains(id)))
    }

    /// The filters that match `name`, with their streams.
    pub(crate) fn matching(&self, name: &str) -> Vec<(&str, &[StreamId])> {
        let mut found = Vec::new();
        self.trie.find(name, &mut found);
        found.iter().map(|&id| (&*self.filters[id].name, &*self.filters[id].streams)).collect()
    }
}
