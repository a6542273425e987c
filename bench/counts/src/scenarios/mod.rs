//! What is counted.

mod codec;
mod receiving;
mod routing;
mod scaling;
mod sending;

use std::sync::atomic::{AtomicU64, Ordering};

/// One thing that is counted.
pub struct Scenario {
    pub name: String,
    /// How many instructions a message is to cost at most.
    pub target: Option<u64>,
    /// Runs it and says how many messages were counted.
    pub run: Box<dyn Fn() -> u64>,
}

impl Scenario {
    fn new(name: impl Into<String>, run: impl Fn() -> u64 + 'static) -> Self {
        Self { name: name.into(), target: None, run: Box::new(run) }
    }

    fn at_most(mut self, instructions: u64) -> Self {
        self.target = Some(instructions);
        self
    }
}

pub fn all() -> Vec<Scenario> {
    let mut all = codec::scenarios();
    all.extend(sending::scenarios());
    all.extend(receiving::scenarios());
    all.extend(routing::scenarios());
    all.extend(scaling::scenarios());
    all
}

/// How many rounds are run before and while it is counted: everything has its size by then.
const ROUNDS: u64 = 1_000;

/// Runs `step` often; `batch`: how many messages each has.
fn repeat(batch: u64, mut step: impl FnMut(bool)) -> u64 {
    let rounds = (ROUNDS / batch).max(10);
    for counts in [false, true] {
        for _ in 0..rounds {
            step(counts);
        }
    }
    rounds * batch
}

/// Counts `step` if `counts`.
fn count<R>(counts: bool, step: impl FnOnce() -> R) -> R {
    if !counts {
        return step();
    }
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(crate::measured::measured(step)));
    ALLOCATIONS.fetch_add(info.count_total, Ordering::Relaxed);
    result.expect("it was run")
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How many allocations were counted in this process.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}
