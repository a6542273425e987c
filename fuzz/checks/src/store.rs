//! A store's file with damage at one place: it is refused, or everything is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use sterna_client::{Batch, Key, RedbStore, Store, StoreOpenError};

use crate::input::Input;

type Contents = BTreeMap<Key, Vec<u8>>;

/// A file that was closed, one that a killed process left, and what both have.
struct Files {
    closed: Vec<u8>,
    killed: Vec<u8>,
    contents: Contents,
}

/// A file of this process and thread.
fn path(name: &str) -> PathBuf {
    let name = format!("sterna-fuzz-{}-{:?}-{name}", std::process::id(), std::thread::current().id());
    std::env::temp_dir().join(name.replace(['(', ')'], ""))
}

fn make() -> Files {
    let path = path("made");
    let _ = fs::remove_file(&path);
    let mut store = RedbStore::open(&path).expect("it can be made");
    let mut contents = Contents::new();
    for number in 0..12 {
        let mut batch = Batch::new();
        let length = if number == 5 { 9_000 } else { 40 };
        for (key, byte) in [(Key::Message(number), b'm'), (Key::Flight(number), b'f')] {
            let record = vec![byte; length];
            batch.put(key, |out| out.extend_from_slice(&record));
            contents.insert(key, record);
        }
        if let Some(earlier) = number.checked_sub(3) {
            batch.delete(Key::Flight(earlier));
            contents.remove(&Key::Flight(earlier));
        }
        store.commit(&batch).expect("it is stored");
    }
    let killed = fs::read(&path).expect("it is there");
    store.close().expect("it is closed");
    let closed = fs::read(&path).expect("it is there");
    drop(store);
    let _ = fs::remove_file(&path);
    Files { closed, killed, contents }
}

/// First byte: the file (bit 0: the one of a killed process), and what happens at a place, which the next four bytes
/// name: bits 1 and 2, bytes are written over, the file is cut there, bytes are put in, or taken out. Then the bytes,
/// behind their length.
pub fn store(input: &[u8]) {
    static FILES: OnceLock<Files> = OnceLock::new();
    let files = FILES.get_or_init(make);
    let mut input = Input::new(input);
    let kind = input.byte();
    let was_closed = kind & 1 == 0;
    let whole = if was_closed { &files.closed } else { &files.killed };
    let at = (usize::from(input.number()) << 16 | usize::from(input.number())) % whole.len();
    let bytes = input.piece();
    let to = (at + bytes.len()).min(whole.len());
    let damaged = match kind >> 1 & 3 {
        0 => [&whole[..at], &bytes[..to - at], &whole[to..]].concat(),
        1 => whole[..at].to_vec(),
        2 => [&whole[..at], bytes, &whole[at..]].concat(),
        _ => [&whole[..at], &whole[to..]].concat(),
    };
    let path = path("damaged");
    fs::write(&path, &damaged).expect("it can be written");
    match RedbStore::open(&path) {
        Ok(mut store) => {
            let mut contents = Contents::new();
            store
                .load(&mut |key, record| drop(contents.insert(key, record.to_vec())))
                .expect("it was checked");
            assert!(contents == files.contents, "something else than what was stored");
        }
        Err(StoreOpenError::Damaged(_) | StoreOpenError::Foreign | StoreOpenError::Format(_)) => {
            assert!(damaged != *whole, "it was whole");
        }
        Err(error) => panic!("{error}"),
    }
    assert!(fs::read(&path).expect("it is there") == damaged, "opening has changed the file");
    let _ = fs::remove_file(&path);
}
