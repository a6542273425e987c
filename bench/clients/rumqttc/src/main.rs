//! rumqttc under measure: its client of MQTT 3.1.1 and the one of 5.0, which have the same methods.
//!
//! Defaults: 100 messages in flight (3.1.1), a channel of 10 requests as in its examples, Nagle's algorithm on, on tokio's
//! runtime of several threads. Best: no Nagle, the measured window, a channel of 1,000 and payloads that are not copied, on
//! the runtime that is quicker for it.

#[path = "v4.rs"]
mod v4;
#[path = "v5.rs"]
mod v5;

use bench_common::{Work, print};

/// Requests that may wait for the event loop: what its examples have, and as many as are measured.
fn capacity(work: &Work) -> usize {
    if work.best() { bench_common::WINDOW } else { 10 }
}

pub(crate) fn main() {
    let work = Work::from_arguments();
    let current = work.variant().ends_with("-current");
    let runtime = if current {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let outcome = runtime.expect("a runtime").block_on(async {
        let run = async move {
            if work.variant().starts_with("v5") { v5::run(&work).await } else { v4::run(&work).await }
        };
        tokio::spawn(run).await.expect("no panic")
    });
    print(&outcome);
}
