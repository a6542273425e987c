//! What there is beside clients: the ceiling of the socket, and a reference design.

mod ceiling;
mod reference;

use bench_common::{Work, print};

fn main() {
    let work = Work::from_arguments();
    let outcome = match work.variant() {
        "ceiling" => ceiling::run(&work),
        "reference" => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(async { tokio::spawn(reference::run(work)).await.expect("no panic") }),
        "reference-current" => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(reference::run(work)),
        _ => work.unknown(),
    };
    print(&outcome);
}
