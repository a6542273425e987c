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
    let (mut recordings, mut entries) = (0, 0);
    for seed in 0..seeds() {
        let replayed = run_recorded(seed).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
        recordings += replayed.recordings;
        entries += replayed.entries;
    }
    println!("{recordings} recordings with {entries} entries");
    assert!(recordings > seeds() && entries > 100 * recordings);
}
