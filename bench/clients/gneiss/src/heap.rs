//! The same program with an allocator that counts.

#[path = "main.rs"]
mod client;

#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

fn main() {
    bench_common::set_heap(|| HEAP.allocated());
    client::main();
}
