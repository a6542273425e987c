//! Damage, foreign files and loss of power.

mod creating;
mod damage;
mod disk;
mod power;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sterna_core::{Batch, Key, StoreError};

use self::disk::Disk;
use super::{RedbStore, StoreOpenError, format};
use crate::store::Store;

/// What a store has.
type Contents = BTreeMap<Key, Vec<u8>>;

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// An empty store on a disk in memory.
fn new_disk() -> Arc<Disk> {
    let disk = Arc::new(Disk::default());
    format(&(disk.clone() as _)).expect("nothing fails");
    disk
}

fn open(disk: &Arc<Disk>) -> Result<RedbStore, StoreOpenError> {
    RedbStore::on(disk.clone(), Path::new(""))
}

fn contents(store: &mut RedbStore) -> Result<Contents, StoreError> {
    let mut contents = Contents::new();
    store.load(&mut |key, record| {
        contents.insert(key, record.to_vec());
    })?;
    Ok(contents)
}

/// As a client does: accepts messages at the end, completes some of the oldest ones.
fn random_batch(random: &mut Random, next: &mut u64, contents: &mut Contents) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..random.below(6) {
        let key = match random.below(4) {
            0 => Key::Flight(*next),
            1 => Key::Incoming(random.below(20) as u16),
            _ => Key::Message(*next),
        };
        *next += 1;
        let length = if random.one_in(20) { random.below(20_000) } else { random.below(200) };
        let record = vec![random.next() as u8; length];
        batch.put(key, |out| out.extend_from_slice(&record));
        contents.insert(key, record);
    }
    while contents.len() > 30 || (!contents.is_empty() && random.one_in(3)) {
        let key = *contents.keys().nth(random.below(contents.len())).expect("it is not empty");
        batch.delete(key);
        contents.remove(&key);
    }
    batch
}
