//! The one function that is counted.

/// Callgrind counts while this runs, and nothing else.
#[inline(never)]
pub fn measured<R>(step: impl FnOnce() -> R) -> R {
    std::hint::black_box(step())
}
