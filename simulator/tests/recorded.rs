//! Recordings of simulated clients, with everything that goes wrong for them, replayed to the byte.

use sterna_simulator::simulation::run_recorded;

/// How many seeds, unless `RECORDED_SEEDS` says otherwise.
const SEEDS: u64 = 8;

fn seeds() -> u64 {
    std::env::var("RECORDED_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

// R: DET-01
#[test]
fn whatever_happens_to_a_client_is_replayed_to_the_byte() {
    let (mut recordings, mut entries, mut differing) = (0, 0, Vec::new());
    for seed in 0..seeds() {
        match run_recorded(seed) {
            Ok(replayed) => {
                recordings += replayed.recordings;
                entries += replayed.entries;
            }
            Err(problem) => {
                println!("seed {seed}: {problem}");
                differing.push(seed);
            }
        }
    }
    println!("{recordings} recordings with {entries} entries");
    assert!(differing.is_empty(), "{differing:?}");
    assert!(recordings > seeds() && entries > 100 * recordings);
}
