//! Loss of power and of the process at any operation on the disk.

use std::collections::BTreeMap;

use super::{Arc, Batch, Contents, Disk, Key, Random, Store, contents, new_disk, open, random_batch};

const SEEDS: u64 = 250;
/// So often the power fails in each run; between two, the store goes on with what was left.
const LOSSES: usize = 3;

#[derive(Debug, Default)]
struct Counts {
    commits: usize,
    losses: usize,
    /// The last commit was not reported, and was there, or was not.
    kept: usize,
    taken_back: usize,
    during_opening: usize,
}

/// Commits until the power fails. What was reported as stored, and what the failing commit would have made of it.
fn work(
    disk: &Arc<Disk>,
    random: &mut Random,
    next: &mut u64,
    counts: &mut Counts,
    before: &Contents,
) -> [Contents; 2] {
    let mut stored = before.clone();
    let mut store = open(disk).expect("what a loss of power leaves is whole");
    assert_eq!(&contents(&mut store).expect("it was just opened"), before);
    loop {
        let mut after = stored.clone();
        let batch = random_batch(random, next, &mut after);
        if store.commit(&batch).is_err() {
            store.commit(&batch).expect_err("a store that has failed takes nothing more");
            return [stored, after];
        }
        counts.commits += 1;
        stored = after;
        if random.one_in(10) {
            if store.close().is_err() {
                return [stored.clone(), stored];
            }
            store = open(disk).expect("it was closed");
        }
        if random.one_in(20) {
            drop(store);
            match open(disk) {
                Ok(reopened) => store = reopened,
                Err(error) => panic!("a store that was dropped: {error}"),
            }
        }
    }
}

fn run(seed: u64, counts: &mut Counts) {
    let random = &mut Random(seed);
    let mut next = 0;
    let mut disk = new_disk();
    let mut present = BTreeMap::new();
    for _ in 0..LOSSES {
        let early = random.one_in(4);
        disk.fail_after(random.below(if early { 8 } else { 400 }));
        let [stored, after] = work(&disk, random, &mut next, counts, &present);
        let bytes = if random.one_in(5) { disk.kill() } else { disk.lose_power(random) };
        disk = Arc::new(Disk::with(bytes));
        counts.losses += 1;
        let mut store = open(&disk).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let found = contents(&mut store).expect("it was just opened");
        assert!(
            found == stored || found == after,
            "seed {seed}: {found:?}\nneither {stored:?}\nnor {after:?}"
        );
        if stored != after {
            counts.kept += usize::from(found == after);
            counts.taken_back += usize::from(found == stored);
        }
        if random.one_in(4) {
            // Opening for writing repairs what the loss left: the power may fail in that as well.
            disk.fail_after(random.below(12));
            let mut after = found.clone();
            let _ = store.commit(&random_batch(random, &mut next, &mut after));
            disk = Arc::new(Disk::with(disk.lose_power(random)));
            counts.losses += 1;
            counts.during_opening += 1;
            let mut store = open(&disk).unwrap_or_else(|error| panic!("seed {seed}, repairing: {error}"));
            let again = contents(&mut store).expect("it was just opened");
            assert!(again == found || again == after, "seed {seed}, repairing: {again:?}");
            present = again;
        } else {
            present = found;
        }
    }
}

// R: STO-02
#[test]
fn nothing_that_was_stored_is_lost_with_the_power() {
    let mut counts = Counts::default();
    for seed in 0..SEEDS {
        println!("seed {seed}");
        run(seed, &mut counts);
    }
    println!("{SEEDS} seeds: {counts:?}");
    assert!(counts.losses >= 500 && counts.kept > 10 && counts.taken_back > 100, "{counts:?}");
}

// R: STO-01
#[test]
fn a_store_that_was_full_gives_its_space_back_when_it_is_closed() {
    let disk = new_disk();
    let mut store = open(&disk).expect("it is empty");
    for batch in 0..50 {
        let mut full = Batch::new();
        (0..10).for_each(|n| full.put(Key::Message(batch * 10 + n), |out| out.resize(out.len() + 2_000, 1)));
        store.commit(&full).expect("stored");
    }
    store.close().expect("closed");
    let full = disk.bytes().len();
    let mut store = open(&disk).expect("it was closed");
    let mut empty = Batch::new();
    (1..500).for_each(|n| empty.delete(Key::Message(n)));
    store.commit(&empty).expect("stored");
    store.close().expect("closed");
    assert!(full > 1_000_000 && disk.bytes().len() < 100_000, "{full} and {} bytes", disk.bytes().len());
    let mut store = open(&disk).expect("it is whole");
    assert_eq!(contents(&mut store).expect("it was just opened").len(), 1);
}

/// What a commit costs: one wait for the disk.
#[test]
fn a_commit_syncs_once() {
    let disk = new_disk();
    let mut store = open(&disk).expect("it is empty");
    let random = &mut Random(1);
    let (mut next, mut contents) = (0, Contents::new());
    store.commit(&random_batch(random, &mut next, &mut contents)).expect("stored");
    let before = disk.syncs();
    for _ in 0..10 {
        store.commit(&random_batch(random, &mut next, &mut contents)).expect("stored");
    }
    assert_eq!(disk.syncs() - before, 10);
}
