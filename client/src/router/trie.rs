//! A trie of topic filters.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sterna_core::topic;

/// Names a filter.
pub(crate) type FilterId = usize;

const ROOT: usize = 0;

/// One level of the trie.
#[derive(Debug, Default)]
pub(super) struct Node {
    children: HashMap<Box<str>, usize, BuildHasherDefault<LevelHasher>>,
    /// The child for `+`.
    any: Option<usize>,
    /// The filters that end here.
    filters: Vec<FilterId>,
    /// The filters that go on with `#`.
    rest: Vec<FilterId>,
}

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.filters.is_empty() && self.rest.is_empty()
    }
}

/// Hashes a level quickly. It needs no secret: nothing but the application's own filters is ever inserted.
#[derive(Debug, Default)]
struct LevelHasher(u64);

impl LevelHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Hasher for LevelHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let last = |last: u64, byte: &u8| last << 8 | u64::from(*byte);
        self.mix(rest.iter().fold(bytes.len() as u64, last));
    }

    /// What ends a string: its length was mixed in already.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Finds the filters that match a topic. Shared subscriptions match by the filter inside them.
#[derive(Debug)]
pub(super) struct Trie {
    pub(super) nodes: Vec<Node>,
    pub(super) free: Vec<usize>,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()], free: Vec::new() }
    }

    /// Adds a valid filter under its name.
    pub(super) fn insert(&mut self, filter: &str, id: FilterId) {
        let (path, rest) = split(filter);
        let mut at = ROOT;
        for level in path.into_iter().flat_map(|path| path.split('/')) {
            at = self.child(at, level);
        }
        let node = &mut self.nodes[at];
        if rest { &mut node.rest } else { &mut node.filters }.push(id);
    }

    /// Gathers the filters that match `name`.
    pub(super) fn find(&self, name: &str, found: &mut Vec<FilterId>) {
        self.collect(ROOT, Some(name), !name.starts_with('$'), found);
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
        // Levels are too short for a search that begins with preparations.
        let (level, rest) = match rest.bytes().position(|byte| byte == b'/') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
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
    pub(super) fn remove(&mut self, filter: &str, id: FilterId) {
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
