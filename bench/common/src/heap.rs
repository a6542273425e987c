//! The allocator of the programs that count what they have allocated.

use std::alloc::System;
use std::sync::OnceLock;

use cap::Cap;

/// The system's allocator, which counts.
pub type Heap = Cap<System>;

/// For `#[global_allocator]`.
pub const fn new_heap() -> Heap {
    Cap::new(System, usize::MAX)
}

static HEAP: OnceLock<&'static Heap> = OnceLock::new();

/// Runs `program`, whose allocator is `heap`.
pub fn with_heap(heap: &'static Heap, program: fn()) {
    assert!(HEAP.set(heap).is_ok(), "there is one program");
    program();
}

/// Bytes that are allocated now, in programs that count them.
pub fn heap() -> Option<usize> {
    HEAP.get().map(|heap| heap.allocated())
}
