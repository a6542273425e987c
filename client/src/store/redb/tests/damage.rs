//! Files that are not what they should be.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::super::envelope::{LENGTH, write_head};
use super::{
    Arc, Contents, Disk, Random, RedbStore, Store, StoreOpenError, contents, new_disk, open, random_batch,
};

/// The bytes of a store after some commits, and what it has.
fn store(seed: u64, closed: bool) -> (Vec<u8>, Contents) {
    let disk = new_disk();
    let mut store = open(&disk).expect("it is empty");
    let (mut random, mut next, mut contents) = (Random(seed), 0, Contents::new());
    for _ in 0..30 {
        store.commit(&random_batch(&mut random, &mut next, &mut contents)).expect("stored");
    }
    if closed {
        store.close().expect("closed");
    }
    // Not closed, this is what is there when the process is killed.
    (disk.kill(), contents)
}

/// Opens bytes that were tampered with; whether they were refused. If not, nothing is missing.
fn refused(bytes: &[u8], expected: &Contents, what: &str) -> bool {
    let disk = Arc::new(Disk::with(bytes.to_vec()));
    // The first write fails: checking makes none.
    disk.fail_after(0);
    let opened = catch_unwind(AssertUnwindSafe(|| open(&disk)));
    let refused = match opened.unwrap_or_else(|_| panic!("{what}: a panic")) {
        Ok(mut store) => {
            assert_eq!(
                &contents(&mut store).expect("it was just opened"),
                expected,
                "{what}: not what was stored"
            );
            false
        }
        Err(StoreOpenError::Damaged(_)) => true,
        Err(error) => panic!("{what}: {error:?}"),
    };
    assert!(disk.bytes() == bytes, "{what}: the file was changed");
    refused
}

fn flipped(bytes: &[u8], at: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1 << random.below(8);
    bytes
}

// R: STO-03
#[test]
fn a_damaged_byte_of_a_closed_store_is_found() {
    let (bytes, contents) = store(1, true);
    let mut random = Random(1);
    let sector = 512..LENGTH as usize;
    for at in (0..sector.start).chain((sector.end..bytes.len()).step_by(251)) {
        assert!(refused(&flipped(&bytes, at, &mut random), &contents, &format!("byte {at}")), "byte {at}");
    }
    // The mark is no record: without it the rest is checked page by page.
    for at in (sector.start..sector.start + 30).chain(sector.step_by(97)) {
        refused(&flipped(&bytes, at, &mut random), &contents, &format!("byte {at}"));
    }
}

// R: STO-03
#[test]
fn a_damaged_byte_after_a_crash_is_found_or_means_nothing() {
    let mut found = 0;
    let mut tried = 0;
    for seed in 0..2 {
        let (bytes, contents) = store(seed, false);
        let random = &mut Random(seed);
        // The heads of the file and of the database, and any byte.
        let heads = (0..600).chain(LENGTH as usize..LENGTH as usize + 400);
        let others: Vec<_> = (0..800).map(|_| random.below(bytes.len())).collect();
        for at in heads.chain(others) {
            tried += 1;
            let what = format!("seed {seed}, byte {at} of {}", bytes.len());
            found += usize::from(refused(&flipped(&bytes, at, random), &contents, &what));
        }
    }
    println!("{found} of {tried} damaged bytes were in use");
    assert!(found > tried / 10, "{found} of {tried}");
}

// R: STO-03
#[test]
fn a_file_that_was_cut_or_has_grown_is_found() {
    for closed in [true, false] {
        let (bytes, contents) = store(7, closed);
        let random = &mut Random(7);
        let pages = (0..bytes.len()).step_by(4096);
        let lengths: Vec<_> = pages.chain((0..150).map(|_| random.below(bytes.len()))).chain(0..50).collect();
        for length in lengths {
            let what = format!("cut to {length} of {}, closed: {closed}", bytes.len());
            assert!(refused(&bytes[..length], &contents, &what) || !closed, "{what}");
        }
        let grown = [&bytes[..], &[0; 5000]].concat();
        assert!(refused(&grown, &contents, "grown") || !closed);
        // Some pages were never written, as if another copy of the file had been mixed in.
        for page in 1..bytes.len() / 4096 {
            let mut mixed = bytes.clone();
            mixed[page * 4096..][..4096].fill(0);
            let what = format!("page {page} is empty, closed: {closed}");
            refused(&mixed, &contents, &what);
        }
    }
}

/// The commit that was reported last is gone as if it had never been, and only the mark tells.
// R: STO-03
#[test]
fn a_last_commit_that_is_missing_is_found() {
    let disk = new_disk();
    let mut store = open(&disk).expect("it is empty");
    let (mut random, mut next, mut contents) = (Random(3), 0, Contents::new());
    for _ in 0..10 {
        store.commit(&random_batch(&mut random, &mut next, &mut contents)).expect("stored");
    }
    let earlier = disk.kill();
    store.commit(&random_batch(&mut random, &mut next, &mut contents)).expect("stored");
    let mut mixed = disk.kill();
    mixed.truncate(LENGTH as usize);
    mixed.extend_from_slice(&earlier[LENGTH as usize..]);
    assert!(refused(&mixed, &contents, "an earlier database under the last mark"));
}

/// A file of its own for one test.
struct File(PathBuf);

impl File {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("sterna-{}-{name}", std::process::id()));
        fs::write(&path, bytes).expect("it can be written");
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn database() -> Vec<u8> {
    let file = File::new("foreign.redb", b"");
    redb::Database::create(&file.0).expect("an empty file becomes a database").close().expect("closed");
    fs::read(&file.0).expect("it is there")
}

// R: STO-03
#[test]
fn foreign_files_are_refused_and_left_alone() {
    let foreign = [
        ("text", b"Dear diary,\nnothing happened today.\n".to_vec()),
        ("sqlite", [&b"SQLite format 3\0"[..], &[0; 8192]].concat()),
        ("redb", database()),
        ("zeros", vec![0; 100_000]),
    ];
    for (name, bytes) in foreign {
        let file = File::new(name, &bytes);
        let error = RedbStore::open(&file.0).expect_err("it is not ours");
        assert!(matches!(error, StoreOpenError::Foreign), "{name}: {error:?}");
        assert!(fs::read(&file.0).expect("it is there") == bytes, "{name} was changed");
    }
    // Who empties a store does not want to hear that all is well.
    let file = File::new("empty", b"");
    let error = RedbStore::open(&file.0).expect_err("it is empty");
    assert!(matches!(error, StoreOpenError::Damaged(_)), "{error:?}");
    assert_eq!(fs::read(&file.0).expect("it is there"), b"");
}

// R: STO-03
#[test]
fn a_later_format_is_refused_and_left_alone() {
    let (mut bytes, _) = store(5, true);
    bytes[16] = 2;
    let checksum = crc32fast::hash(&bytes[..20]);
    bytes[20..24].copy_from_slice(&checksum.to_le_bytes());
    let file = File::new("later", &bytes);
    let error = RedbStore::open(&file.0).expect_err("we do not know it");
    assert!(matches!(error, StoreOpenError::Format(2)), "{error:?}");
    assert!(fs::read(&file.0).expect("it is there") == bytes);
}

// R: STO-03
#[test]
fn a_damaged_file_is_left_alone() {
    let (bytes, contents) = store(9, false);
    let mut random = Random(9);
    for at in [3, 20, LENGTH as usize + 3, LENGTH as usize + 70, bytes.len() / 2, bytes.len() - 4096] {
        let damaged = flipped(&bytes, at, &mut random);
        let file = File::new("damaged", &damaged);
        match RedbStore::open(&file.0) {
            Ok(mut store) => {
                assert_eq!(super::contents(&mut store).expect("it was just opened"), contents);
                store.close().expect("nothing is written");
            }
            Err(error) => assert!(matches!(error, StoreOpenError::Damaged(_)), "{error:?}"),
        }
        assert!(fs::read(&file.0).expect("it is there") == damaged, "byte {at}");
    }
}

#[test]
fn the_head_of_a_file_is_written_once() {
    let disk = Disk::with(vec![0; LENGTH as usize]);
    write_head(&disk).expect("there is room");
    assert_eq!(&disk.bytes()[1..15], b"sterna session");
}
