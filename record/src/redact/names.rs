//! Topics and payloads as keyed hashes that keep their lengths.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Levels that are shorter are remembered, so that no two of them become the same.
const SHORT: usize = 10;
/// How many of them.
const REMEMBERED: usize = 65_536;
/// How often another hash is tried.
const TRIES: u8 = 200;

/// What hashes are written with: printable, without what separates levels or begins a name of a server's own.
const LETTERS: &[u8; 90] =
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!\"%&'()*,-.:;<=>?@[\\]^_`{|}~";

/// The key of the hashes of one recording.
pub(crate) struct Key([u8; 32]);

impl Key {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// One that nobody knows: the standard library's random state, which comes from the operating system.
    pub(crate) fn random() -> Self {
        let mut key = [0; 32];
        for (part, number) in key.chunks_exact_mut(8).zip(0_u8..) {
            part.copy_from_slice(&RandomState::new().hash_one(number).to_be_bytes());
        }
        Self(key)
    }
}

/// Hashes, and what was given to which short level.
pub(crate) struct Names {
    mac: Hmac<Sha256>,
    short: HashMap<Box<[u8]>, Box<[u8]>>,
    given: HashSet<Box<[u8]>>,
}

impl Names {
    pub(crate) fn new(key: &Key) -> Self {
        // A key is filled up to a block with zeros.
        let mut block = [0; 64];
        block[..key.0.len()].copy_from_slice(&key.0);
        let mac = Hmac::new(&block.into());
        Self { mac, short: HashMap::new(), given: HashSet::new() }
    }

    /// The hash of `bytes`, as often as it takes to fill them.
    pub(crate) fn hash(&self, bytes: &mut [u8]) {
        self.fill(0, bytes);
    }

    fn fill(&self, again: u8, bytes: &mut [u8]) {
        let mut mac = self.mac.clone();
        mac.update(&[again]);
        mac.update(bytes);
        let digest = mac.finalize().into_bytes();
        for (byte, hashed) in bytes.iter_mut().zip(digest.iter().cycle()) {
            *byte = LETTERS[usize::from(*hashed) % LETTERS.len()];
        }
    }

    /// Hashes each level of a topic name or filter. What its meaning depends on stays: separators, wildcards, U+0000 (which
    /// is not lawful), and the levels at its beginning that start with `$`.
    pub(crate) fn topic(&mut self, topic: &mut [u8]) {
        let mut start = 0;
        if topic.first() == Some(&b'$') {
            start = topic.iter().position(|byte| *byte == b'/').unwrap_or(topic.len());
        }
        for run in topic[start..].split_mut(|byte| matches!(byte, b'/' | b'+' | b'#' | 0)) {
            self.level(run);
        }
    }

    fn level(&mut self, level: &mut [u8]) {
        if level.is_empty() {
            return;
        }
        if level.len() >= SHORT {
            return self.hash(level);
        }
        if let Some(hashed) = self.short.get(level) {
            return level.copy_from_slice(hashed);
        }
        let original: Box<[u8]> = (*level).into();
        for again in 0..TRIES {
            level.copy_from_slice(&original);
            self.fill(again, level);
            if !self.given.contains(level) {
                break;
            }
        }
        if self.short.len() < REMEMBERED {
            self.given.insert((*level).into());
            self.short.insert(original, (*level).into());
        }
    }
}
