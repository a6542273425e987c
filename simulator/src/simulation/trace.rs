//! What a run did, as a number that tells two runs apart, and on request as text.

/// The hash of everything that happened, in its order.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    /// Lines for people, if they are wanted.
    pub(super) lines: Option<Vec<String>>,
    pub(super) steps: u64,
}

impl Trace {
    pub(super) fn new(verbose: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: verbose.then(Vec::new), steps: 0 }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// One thing that happened, by its kind, and where and when.
    pub(super) fn note(&mut self, now: u64, kind: &'static str, place: u64, line: impl FnOnce() -> String) {
        self.steps += 1;
        self.bytes(kind.as_bytes());
        self.word(now);
        self.word(place);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>14.6} c{place} {kind} {}", now as f64 / 1e6, line()));
        }
    }
}
