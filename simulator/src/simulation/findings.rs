//! What a run found wrong.

use std::fmt;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub check: &'static str,
    /// What happened.
    pub detail: String,
    /// When, in microseconds since the run began.
    pub at: u64,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.at as f64 / 1e6;
        write!(f, "{} at {seconds:.6} s: {}", self.check, self.detail)
    }
}

/// Keeps the first violation: what follows from it tells nothing.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) now: u64,
    pub(super) first: Option<Violation>,
}

impl Findings {
    pub(super) fn violated(&mut self, check: &'static str, detail: impl fmt::Display) {
        if self.first.is_none() {
            self.first = Some(Violation { check, detail: detail.to_string(), at: self.now });
        }
    }

    pub(super) fn require(&mut self, holds: bool, check: &'static str, detail: impl FnOnce() -> String) {
        if !holds {
            self.violated(check, detail());
        }
    }
}
