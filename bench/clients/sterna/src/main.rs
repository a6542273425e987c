//! Sterna under measure, on each of its runtimes.

#[path = "asynchronous.rs"]
mod asynchronous;
#[path = "blocking.rs"]
mod blocking;
#[path = "memory.rs"]
mod memory;
#[path = "settings.rs"]
mod settings;

use bench_common::{Work, print};

pub(crate) fn main() {
    let work = Work::from_arguments();
    let outcome = match work.variant() {
        "tokio" => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            // On the runtime's threads, as a server's tasks are.
            runtime.block_on(async {
                tokio::spawn(asynchronous::run(work, sterna::tokio::builder)).await.expect("no panic")
            })
        }
        "tokio-current" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(asynchronous::run(work, sterna::tokio::builder))
        }
        "smol" => smol::block_on(smol::spawn(asynchronous::run(work, sterna::smol::builder))),
        "async-std" => async_std::task::block_on(async_std::task::spawn(asynchronous::run(
            work,
            sterna::async_std::builder,
        ))),
        "blocking" => blocking::run(&work, false),
        "blocking-here" => blocking::run(&work, true),
        _ => work.unknown(),
    };
    print(&outcome);
}
