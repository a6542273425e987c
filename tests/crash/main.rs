//! Processes with a session on disk are killed with SIGKILL at random moments and started again, against Mosquitto,
//! and nothing is lost: see `publisher.rs` and `subscriber.rs`.
//!
//! A run is some seconds long. The long one, 200 publishers and 100 subscribers killed for each version, is
//! `STERNA_KILLS=200 cargo test --test crash`; another seed of the moments is `STERNA_SEED=n`.

#[path = "../support/mod.rs"]
mod support;

mod publisher;
mod subscriber;
mod victim;

use std::process::ExitCode;

use sterna::ProtocolVersion;

/// What a test prints when it passes.
type Report = String;

/// Chooses the moments.
#[derive(Debug, Clone, Copy)]
struct Plan {
    kills: usize,
    seed: u64,
}

type Test = (&'static str, fn(ProtocolVersion, Plan) -> Report, ProtocolVersion);

const TESTS: [Test; 4] = [
    ("publisher_v3_1_1", publisher::test, ProtocolVersion::V3_1_1),
    ("publisher_v5", publisher::test, ProtocolVersion::V5),
    ("subscriber_v3_1_1", subscriber::test, ProtocolVersion::V3_1_1),
    ("subscriber_v5", subscriber::test, ProtocolVersion::V5),
];

fn main() -> ExitCode {
    if let Some(role) = victim::role() {
        victim::live(&role);
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, ..) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
        filters.peek().is_none() || filters.any(|filter| name.contains(filter.as_str()))
    };
    let plan = Plan {
        kills: number("STERNA_KILLS").unwrap_or(30) as usize,
        seed: number("STERNA_SEED").unwrap_or(1),
    };
    let (mut passed, mut failed, mut filtered) = (0, 0, 0);
    for (name, test, version) in TESTS {
        if !wanted(name) {
            filtered += 1;
            continue;
        }
        println!("{name}: seed {}", plan.seed);
        if let Ok(report) = std::panic::catch_unwind(|| test(version, plan)) {
            println!("{report}\ntest {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed += 1;
        }
    }
    let result = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {result}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, and is {value:?}")))
}

/// SplitMix64: the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// A runtime for the side that lives.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}
