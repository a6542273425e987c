//! Two clients that make the same store at once.

use std::fs;
use std::path::PathBuf;

use sterna_core::{Batch, Key};

use super::super::create;
use super::contents;
use crate::store::{RedbStore, Store, StoreOpenError};

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sterna-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The other client has found no store either, and opened the file that the first is making. Before it has the lock, the
/// first is done: the file has its final name, something is in it, and nobody holds it any more.
// R: STO-03
#[test]
fn a_store_that_another_client_has_just_made_is_not_made_anew() {
    let folder = Folder::new("made at once");
    let path = folder.0.join("session.redb");
    let mut first = RedbStore::open(&path).expect("it is made");
    let mut batch = Batch::new();
    batch.put(Key::Message(1), |out| out.push(7));
    first.commit(&batch).expect("stored");
    drop(create(&path).map(drop).expect_err("the first has it"));
    first.close().expect("closed");
    drop(first);
    // What the second has opened is the same file under the name that it had.
    let earlier = folder.0.join("session.redb.new");
    fs::hard_link(&path, &earlier).expect("a second name");

    let device = create(&path).expect("it is there by now");
    assert!(matches!(RedbStore::open(&path), Err(StoreOpenError::Locked)), "nobody else may have it now");
    drop(device);
    let mut second = RedbStore::open(&path).expect("it is whole");
    assert_eq!(contents(&mut second).expect("it can be read")[&Key::Message(1)], [7]);
    assert!(!earlier.exists());
}
