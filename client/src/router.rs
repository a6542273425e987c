//! Which streams a message belongs to: a trie of topic filters with a memo of the last topic, and the subscription
//! identifiers that tell the copies of a message apart.

use std::collections::{HashMap, VecDeque};

use slab::Slab;
use sterna_core::topic;

use crate::identifiers::Identifiers;

/// Names a stream of messages.
pub(crate) type StreamId = usize;
/// Names a filter.
pub(crate) type FilterId = usize;

const ROOT: usize = 0;
/// How many unsubscribed filters are remembered, to tell their late messages from unclaimed ones.
const REMEMBERED: usize = 64;
/// How many identifiers a filter is remembered by: the latest SUBSCRIBE's, and those of messages under way.
const IDENTIFIERS: usize = 8;

/// One level of the trie.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, usize>,
    /// The child for `+`.
    any: Option<usize>,
    /// The filters that end here.
    filters: Vec<FilterId>,
    /// The filters that go on with `#`.
    rest: Vec<FilterId>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.filters.is_empty() && self.rest.is_empty()
    }
}

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
        }
    }
}

/// Routes messages to streams. Shared subscriptions route by the filter inside them.
#[derive(Debug)]
pub(crate) struct Router {
    nodes: Vec<Node>,
    free: Vec<usize>,
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
            nodes: vec![Node::default()],
            free: Vec::new(),
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
        let (path, rest) = split(filter);
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            at = self.child(at, level);
        }
        let node = &mut self.nodes[at];
        if rest { &mut node.rest } else { &mut node.filters }.push(id);
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
        self.prune(filter, id);
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
    pub(crate) fn route(&mut self, name: &str, identifiers: impl Iterator<Item = u32>) {
        let same = self.memo.valid && self.memo.topic == name;
        self.marks.clear();
        self.marks.extend(identifiers);
        if !same || self.marks != self.memo.identifiers {
            let mut memo = std::mem::replace(&mut self.memo, Memo::new());
            memo.identifiers.clone_from(&self.marks);
            if !same {
                memo.topic.clear();
                memo.topic.push_str(name);
                memo.filters.clear();
                self.collect(ROOT, Some(name), !name.starts_with('$'), &mut memo.filters);
            }
            self.decide(&mut memo);
            self.find_partial(&mut memo);
            memo.valid = true;
            self.memo = memo;
        }
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
            let marked: Vec<_> =
                own.clone().filter(|id| self.filters[**id].is_marked(identifiers)).copied().collect();
            let of = own.count();
            if !marked.is_empty() && marked.len() < of {
                partial.push(Partial { stream, marked, of });
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
        self.collect(ROOT, Some(name), !name.starts_with('$'), &mut found);
        found.iter().map(|&id| (&*self.filters[id].name, &*self.filters[id].streams)).collect()
    }

    /// Gathers below the node `at` what matches the levels `rest`; `wildcards`: whether one may stand here, which
    /// it may not for the first level of a `$` topic [MQTT-4.7.2-1].
    fn collect(&self, at: usize, rest: Option<&str>, wildcards: bool, found: &mut Vec<FilterId>) {
        let node = &self.nodes[at];
        if wildcards {
            found.extend_from_slice(&node.rest);
        }
        let Some(rest) = rest else {
            found.extend_from_slice(&node.filters);
            return;
        };
        let (level, rest) = match rest.split_once('/') {
            Some((level, rest)) => (level, Some(rest)),
            None => (rest, None),
        };
        if let Some(&child) = node.children.get(level) {
            self.collect(child, rest, true, found);
        }
        if let Some(child) = node.any.filter(|_| wildcards) {
            self.collect(child, rest, true, found);
        }
    }

    fn child(&mut self, parent: usize, level: &str) -> usize {
        if let Some(child) = self.find_child(parent, level) {
            return child;
        }
        let child = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        let parent = &mut self.nodes[parent];
        if level == "+" {
            parent.any = Some(child);
        } else {
            parent.children.insert(level.into(), child);
        }
        child
    }

    fn find_child(&self, parent: usize, level: &str) -> Option<usize> {
        let parent = &self.nodes[parent];
        if level == "+" { parent.any } else { parent.children.get(level).copied() }
    }

    /// Takes a filter from its node, and every node away that this leaves empty.
    fn prune(&mut self, filter: &str, id: FilterId) {
        let (path, rest) = split(filter);
        let mut trail = vec![(ROOT, "")];
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            let Some(child) = self.find_child(at, level) else { return };
            at = child;
            trail.push((at, level));
        }
        let node = &mut self.nodes[at];
        let filters = if rest { &mut node.rest } else { &mut node.filters };
        filters.retain(|other| *other != id);
        while let (Some((node, level)), Some(&(parent, _))) = (trail.pop(), trail.last()) {
            if !self.nodes[node].is_empty() {
                break;
            }
            self.free.push(node);
            let parent = &mut self.nodes[parent];
            if level == "+" {
                parent.any = None;
            } else {
                parent.children.remove(level);
            }
        }
    }
}

/// The filter that messages are matched against: of a shared subscription, the part behind its name.
pub(crate) fn matched_part(filter: &str) -> &str {
    topic::split_shared(filter).map_or(filter, |(_, filter)| filter)
}

/// The levels before a closing `#` (none at all for `#` alone), and whether there is one.
fn split(filter: &str) -> (Option<&str>, bool) {
    let filter = matched_part(filter);
    match filter.strip_suffix('#') {
        Some(path) => (path.strip_suffix('/'), true),
        None => (Some(filter), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn router(filters: &[&str]) -> Router {
        let mut router = Router::new();
        for (stream, filter) in filters.iter().enumerate() {
            router.insert(filter, stream, stream as u32 + 1);
        }
        router
    }

    fn answer<'a>(router: &'a mut Router, name: &str, identifiers: &[u32]) -> Route<'a> {
        router.route(name, identifiers.iter().copied());
        router.routed()
    }

    /// The streams of a message with these identifiers.
    fn marked(router: &mut Router, name: &str, identifiers: &[u32]) -> Vec<StreamId> {
        router.route(name, identifiers.iter().copied());
        match router.routed() {
            Route::Streams(streams) => streams.to_vec(),
            Route::Unclaimed | Route::Late => Vec::new(),
        }
    }

    fn routed(router: &mut Router, name: &str) -> Vec<StreamId> {
        marked(router, name, &[])
    }

    /// As a refused filter goes.
    fn remove(router: &mut Router, filter: &str, stream: StreamId) -> bool {
        let unwanted = router.leave(filter, stream);
        if unwanted {
            router.remove(filter);
        }
        unwanted
    }

    // R: SUB-05
    #[test]
    fn the_specifications_examples() {
        let mut router =
            router(&["sport/tennis/player1/#", "sport/+", "/+", "+", "#", "$SYS/#", "+/monitor", "+/+"]);
        assert_eq!(routed(&mut router, "sport/tennis/player1"), [0, 4]);
        assert_eq!(routed(&mut router, "sport/tennis/player1/score/wimbledon"), [0, 4]);
        assert_eq!(routed(&mut router, "sport"), [3, 4]);
        assert_eq!(routed(&mut router, "sport/"), [1, 4, 7]);
        assert_eq!(routed(&mut router, "/finance"), [2, 4, 7]);
        assert_eq!(routed(&mut router, "$SYS/monitor"), [5]);
        assert_eq!(routed(&mut router, "$SYS"), [5]);
    }

    // R: SUB-05
    #[test]
    fn shared_subscriptions_route_by_their_filter_and_are_filters_of_their_own() {
        let mut router = router(&["$share/g/a/+", "a/+"]);
        assert_eq!(routed(&mut router, "a/b"), [0, 1]);
        assert!(remove(&mut router, "$share/g/a/+", 0));
        assert_eq!(routed(&mut router, "a/b"), [1]);
        assert!(router.streams_of("$share/g/a/+").is_empty());
        assert_eq!(router.streams_of("a/+"), [1]);
    }

    // R: SUB-05
    #[test]
    fn a_stream_gets_a_message_once_and_a_filter_may_be_shared() {
        let mut router = Router::new();
        router.insert("a/#", 7, 1);
        router.insert("a/b", 7, 1);
        router.insert("a/b", 8, 2);
        assert_eq!(routed(&mut router, "a/b"), [7, 8]);
        assert!(!remove(&mut router, "a/b", 7));
        assert!(!remove(&mut router, "a/b", 7));
        assert!(remove(&mut router, "a/b", 8));
        assert_eq!(routed(&mut router, "a/b"), [7]);
    }

    // R: SUB-05
    #[test]
    fn an_identifier_routes_if_its_filter_matches_and_else_matching_decides() {
        let mut router = router(&["a/#", "a/b", "c"]);
        assert_eq!(marked(&mut router, "a/b", &[1]), [0]);
        assert_eq!(marked(&mut router, "a/b", &[2]), [1]);
        assert_eq!(marked(&mut router, "a/b", &[2, 1]), [0, 1]);
        assert_eq!(marked(&mut router, "a/b", &[1, 77]), [0], "77 is of an earlier process");
        assert_eq!(marked(&mut router, "a/b", &[3]), [0, 1], "c has 3, and does not match");
        assert_eq!(marked(&mut router, "a/b", &[77]), [0, 1]);
        assert_eq!(marked(&mut router, "a/b", &[]), [0, 1]);
    }

    // R: SUB-05
    #[test]
    fn a_filter_subscribed_again_has_both_identifiers_until_the_session_is_lost() {
        let mut router = router(&["a/#", "a/b"]);
        router.insert("a/b", 2, 3);
        assert_eq!(marked(&mut router, "a/b", &[2]), [1, 2], "under way when it was subscribed again");
        assert_eq!(marked(&mut router, "a/b", &[3]), [1, 2]);
        router.session_lost();
        assert_eq!(marked(&mut router, "a/b", &[3]), [1, 2]);
        assert_eq!(marked(&mut router, "a/b", &[2]), [0, 1, 2], "it is nobody's now");
        for identifier in 10..30 {
            router.insert("a/b", 2, identifier);
        }
        assert_eq!(router.filters[router.names["a/b"]].identifiers.len(), IDENTIFIERS);
    }

    // R: SUB-05
    #[test]
    fn a_copy_of_a_subscription_that_is_gone_is_nobody_elses() {
        let mut router = router(&["a/#", "a/b"]);
        assert!(router.leave("a/b", 1));
        assert_eq!(answer(&mut router, "a/b", &[2]), Route::Unclaimed, "it is subscribed still");
        router.unsubscribe("a/b");
        assert_eq!(answer(&mut router, "a/b", &[2]), Route::Late);
        assert_eq!(answer(&mut router, "a/b", &[2, 1]), Route::Streams(&[0]));
        assert_eq!(answer(&mut router, "a/b", &[77]), Route::Streams(&[0]));
        // The same filter anew: what comes for the old subscription is late still.
        router.insert("a/b", 3, 5);
        assert_eq!(answer(&mut router, "a/b", &[2]), Route::Late);
        assert_eq!(answer(&mut router, "a/b", &[5]), Route::Streams(&[3]));
        // Without identifiers nothing can be told.
        assert_eq!(answer(&mut router, "a/b", &[]), Route::Streams(&[0, 3]));
        assert!(router.leave("a/#", 0) && router.leave("a/b", 3));
        router.unsubscribe("a/#");
        router.unsubscribe("a/b");
        assert_eq!(answer(&mut router, "a/b", &[]), Route::Late);
        assert_eq!(answer(&mut router, "x", &[]), Route::Unclaimed);
    }

    // R: SUB-05
    #[test]
    fn a_filter_that_the_server_has_without_identifier_takes_every_copy() {
        let mut router = router(&["a/#", "a/b"]);
        router.confirm("a/#", false);
        router.confirm("a/b", true);
        assert_eq!(marked(&mut router, "a/b", &[2]), [0, 1]);
        router.confirm("a/#", true);
        assert_eq!(marked(&mut router, "a/b", &[2]), [1]);
    }

    #[test]
    fn removing_gives_every_node_back() {
        let filters = ["a/b/c", "a/+/c", "a/#", "#", "+", "$share/x/a/b/d"];
        let mut router = router(&filters);
        let nodes = router.nodes.len();
        for (stream, filter) in filters.iter().enumerate() {
            assert!(remove(&mut router, filter, stream));
        }
        assert_eq!(router.free.len(), nodes - 1);
        assert!(router.nodes.iter().all(Node::is_empty));
    }

    fn level() -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), Just("a".into()), Just("b".into()), Just("$s".into())]
    }

    fn filter() -> impl Strategy<Value = String> {
        let levels = proptest::collection::vec(prop_oneof![3 => level(), 1 => Just("+".to_owned())], 1..4);
        (levels, any::<bool>(), any::<bool>()).prop_map(|(levels, rest, shared)| {
            let mut filter = levels.join("/");
            if rest {
                filter.push_str("/#");
            }
            if shared && !filter.is_empty() { format!("$share/g/{filter}") } else { filter }
        })
    }

    proptest! {
        // R: SUB-05
        #[test]
        fn agrees_with_matching_each_filter(
            filters in proptest::collection::vec((filter(), 0..4_usize), 0..12),
            gone in proptest::collection::vec(any::<bool>(), 12),
            names in proptest::collection::vec(proptest::collection::vec(level(), 1..4), 1..8),
        ) {
            let mut router = Router::new();
            let mut model = std::collections::BTreeSet::new();
            for (filter, stream) in filters.iter().filter(|(filter, _)| topic::validate_filter(filter).is_ok()) {
                router.insert(filter, *stream, 1);
                model.insert((filter.clone(), *stream));
            }
            for ((filter, stream), _) in filters.iter().zip(gone).filter(|(_, gone)| *gone) {
                remove(&mut router, filter, *stream);
                model.remove(&(filter.clone(), *stream));
            }
            for name in names.iter().map(|levels| levels.join("/")).filter(|name| !name.is_empty()) {
                let mut expected: Vec<_> =
                    model.iter().filter(|(filter, _)| topic::matches(filter, &name)).map(|&(_, stream)| stream).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(routed(&mut router, &name), expected.clone(), "{}", name);
                prop_assert_eq!(routed(&mut router, &name), expected.clone(), "{} from the memo", name);
            }
        }
    }
}
