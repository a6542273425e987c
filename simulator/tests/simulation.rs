//! A fixed set of seeds of the simulation; the command `sterna-simulator soak` runs as many others as there is time for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sterna_simulator::simulation::{FAULTS, Report, run};

/// How many, unless `SIMULATION_SEEDS` says otherwise: `./test` runs more of them, with optimised code.
const SEEDS: u64 = 100;

fn seeds() -> u64 {
    std::env::var("SIMULATION_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

// R: DET-02
#[test]
fn fixed_seeds_find_nothing() {
    let seeds = seeds();
    let (next, total) = (AtomicU64::new(0), Mutex::new((Report::default(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let result = run(seed);
                    let mut total = total.lock().unwrap();
                    match result {
                        Ok(report) => total.0.add(&report),
                        Err(failure) => total.1.push(failure),
                    }
                }
            });
        }
    });
    let (report, mut failures) = total.into_inner().unwrap();
    println!("{report}");
    failures.sort_by_key(|failure| failure.seed);
    for failure in &failures {
        println!("seed {}: {}", failure.seed, failure.violation);
        println!("  cargo run -p sterna-simulator -- run --seed {} --shrink", failure.seed);
    }
    assert!(failures.is_empty(), "{} of {seeds} seeds failed", failures.len());
    // Two kinds are rare.
    assert!(
        report.faults.iter().filter(|count| **count > 0).count() >= FAULTS.len() - 2,
        "every kind of fault was injected"
    );
    // What is lost though it was written is rare.
    assert!([0, 1, 2, 4].iter().all(|index| report.unasked[*index] > 0), "{:?}", report.unasked);
    let (requests, lost) = (report.requests, report.lost);
    assert!([report.dropped, requests[0], requests[1], lost[0], lost[1]].iter().all(|count| *count > 0));
    assert!(report.simulated / seeds > 360_000_000, "too little time was simulated");
}

// R: DET-02
#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        let first = run(seed).map(|report| report.hash).map_err(|failure| failure.violation);
        let second = run(seed).map(|report| report.hash).map_err(|failure| failure.violation);
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(run(seed + 1).map(|report| report.hash).ok(), first.ok(), "seeds {seed} and {}", seed + 1);
    }
}
