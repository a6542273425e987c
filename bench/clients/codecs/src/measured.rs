//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Callgrind counts while this runs, and nothing else.
#[inline(never)]
fn measured<R>(step: impl FnOnce() -> R) -> R {
    std::hint::black_box(step())
}

/// How many messages go through before and while they are counted: everything has its size by then.
const MESSAGES: u64 = 1_000;

/// Runs `step` often; `batch`: how many messages each has. How many were counted.
pub(crate) fn repeat(batch: u64, mut step: impl FnMut(bool)) -> u64 {
    let rounds = (MESSAGES / batch).max(10);
    for counts in [false, true] {
        for _ in 0..rounds {
            step(counts);
        }
    }
    rounds * batch
}

/// Counts `step` if `counts`.
pub(crate) fn count<R>(counts: bool, step: impl FnOnce() -> R) -> R {
    if !counts {
        return step();
    }
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(measured(step)));
    ALLOCATIONS.fetch_add(info.count_total, Ordering::Relaxed);
    result.expect("it was run")
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How many allocations were counted in this process.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}
