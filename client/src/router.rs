//! Which streams a message belongs to: a trie of topic filters with a memo of the last topic.

use std::collections::HashMap;

use sterna_core::topic;

/// Names a stream of messages.
pub(crate) type StreamId = usize;

const ROOT: usize = 0;

/// One level of the trie.
#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, usize>,
    /// The child for `+`.
    any: Option<usize>,
    /// The streams of filters that end here.
    streams: Vec<StreamId>,
    /// The streams of filters that go on with `#`.
    rest: Vec<StreamId>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.streams.is_empty() && self.rest.is_empty()
    }
}

/// Routes topic names to streams. Shared subscriptions route by the filter inside them.
#[derive(Debug)]
pub(crate) struct Router {
    nodes: Vec<Node>,
    free: Vec<usize>,
    /// The filters as they were subscribed, with the streams that want them. `$share/g/f` and `f` are two.
    filters: HashMap<Box<str>, Vec<StreamId>>,
    memo_topic: String,
    memo: Vec<StreamId>,
    memo_valid: bool,
}

impl Router {
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
            filters: HashMap::new(),
            memo_topic: String::new(),
            memo: Vec::new(),
            memo_valid: false,
        }
    }

    /// Adds `filter`, which must be valid, to `stream`; adding it twice is the same as once.
    pub(crate) fn insert(&mut self, filter: &str, stream: StreamId) {
        let streams = self.filters.entry(filter.into()).or_default();
        if streams.contains(&stream) {
            return;
        }
        streams.push(stream);
        self.memo_valid = false;
        let (path, rest) = split(filter);
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            at = self.child(at, level);
        }
        let node = &mut self.nodes[at];
        if rest { node.rest.push(stream) } else { node.streams.push(stream) }
    }

    /// Takes `filter` from `stream`; whether no stream wants it any more.
    pub(crate) fn remove(&mut self, filter: &str, stream: StreamId) -> bool {
        let Some(streams) = self.filters.get_mut(filter) else { return false };
        let Some(position) = streams.iter().position(|&other| other == stream) else { return false };
        streams.swap_remove(position);
        let unwanted = streams.is_empty();
        if unwanted {
            self.filters.remove(filter);
        }
        self.memo_valid = false;
        self.prune(filter, stream);
        unwanted
    }

    /// The streams that `filter` was inserted for, as it was subscribed.
    pub(crate) fn streams_of(&self, filter: &str) -> &[StreamId] {
        self.filters.get(filter).map_or(&[], Vec::as_slice)
    }

    /// The streams whose filters match `name`, each once.
    pub(crate) fn route(&mut self, name: &str) -> &[StreamId] {
        if !self.memo_valid || self.memo_topic != name {
            self.memo_topic.clear();
            self.memo_topic.push_str(name);
            let mut found = std::mem::take(&mut self.memo);
            found.clear();
            self.collect(ROOT, Some(name), !name.starts_with('$'), &mut found);
            found.sort_unstable();
            found.dedup();
            self.memo = found;
            self.memo_valid = true;
        }
        &self.memo
    }

    /// Gathers below the node `at` what matches the levels `rest`; `wildcards`: whether one may stand here, which
    /// it may not for the first level of a `$` topic [MQTT-4.7.2-1].
    fn collect(&self, at: usize, rest: Option<&str>, wildcards: bool, found: &mut Vec<StreamId>) {
        let node = &self.nodes[at];
        if wildcards {
            found.extend_from_slice(&node.rest);
        }
        let Some(rest) = rest else {
            found.extend_from_slice(&node.streams);
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

    /// Takes `stream` from the node of `filter`, and every node away that this leaves empty.
    fn prune(&mut self, filter: &str, stream: StreamId) {
        let (path, rest) = split(filter);
        let mut trail = vec![(ROOT, "")];
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            let Some(child) = self.find_child(at, level) else { return };
            at = child;
            trail.push((at, level));
        }
        let node = &mut self.nodes[at];
        let streams = if rest { &mut node.rest } else { &mut node.streams };
        if let Some(position) = streams.iter().position(|&other| other == stream) {
            streams.swap_remove(position);
        }
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
            router.insert(filter, stream);
        }
        router
    }

    // R: SUB-05
    #[test]
    fn the_specifications_examples() {
        let mut router =
            router(&["sport/tennis/player1/#", "sport/+", "/+", "+", "#", "$SYS/#", "+/monitor", "+/+"]);
        assert_eq!(router.route("sport/tennis/player1"), [0, 4]);
        assert_eq!(router.route("sport/tennis/player1/score/wimbledon"), [0, 4]);
        assert_eq!(router.route("sport"), [3, 4]);
        assert_eq!(router.route("sport/"), [1, 4, 7]);
        assert_eq!(router.route("/finance"), [2, 4, 7]);
        assert_eq!(router.route("$SYS/monitor"), [5]);
        assert_eq!(router.route("$SYS"), [5]);
    }

    // R: SUB-05
    #[test]
    fn shared_subscriptions_route_by_their_filter_and_are_filters_of_their_own() {
        let mut router = router(&["$share/g/a/+", "a/+"]);
        assert_eq!(router.route("a/b"), [0, 1]);
        assert!(router.remove("$share/g/a/+", 0));
        assert_eq!(router.route("a/b"), [1]);
        assert!(router.streams_of("$share/g/a/+").is_empty());
        assert_eq!(router.streams_of("a/+"), [1]);
    }

    // R: SUB-05
    #[test]
    fn a_stream_gets_a_message_once_and_a_filter_may_be_shared() {
        let mut router = Router::new();
        router.insert("a/#", 7);
        router.insert("a/b", 7);
        router.insert("a/b", 8);
        assert_eq!(router.route("a/b"), [7, 8]);
        assert!(!router.remove("a/b", 7));
        assert!(!router.remove("a/b", 7));
        assert!(router.remove("a/b", 8));
        assert_eq!(router.route("a/b"), [7]);
    }

    #[test]
    fn removing_gives_every_node_back() {
        let filters = ["a/b/c", "a/+/c", "a/#", "#", "+", "$share/x/a/b/d"];
        let mut router = router(&filters);
        let nodes = router.nodes.len();
        for (stream, filter) in filters.iter().enumerate() {
            assert!(router.remove(filter, stream));
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
                router.insert(filter, *stream);
                model.insert((filter.clone(), *stream));
            }
            for ((filter, stream), _) in filters.iter().zip(gone).filter(|(_, gone)| *gone) {
                router.remove(filter, *stream);
                model.remove(&(filter.clone(), *stream));
            }
            for name in names.iter().map(|levels| levels.join("/")).filter(|name| !name.is_empty()) {
                let mut expected: Vec<_> =
                    model.iter().filter(|(filter, _)| topic::matches(filter, &name)).map(|&(_, stream)| stream).collect();
                expected.sort_unstable();
                expected.dedup();
                prop_assert_eq!(router.route(&name), &expected[..], "{}", name);
                prop_assert_eq!(router.route(&name), &expected[..], "{} from the memo", name);
            }
        }
    }
}
