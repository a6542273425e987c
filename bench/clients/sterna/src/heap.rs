//! The same program with an allocator that counts.

#[path = "main.rs"]
mod client;

#[global_allocator]
static HEAP: bench_common::Heap = bench_common::new_heap();

fn main() {
    bench_common::with_heap(&HEAP, client::main);
}
