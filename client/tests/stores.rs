//! What every store promises.

use sterna_client::{Batch, Key, MemoryStore, Store, StoreOp};

/// A batch of changes; `None` deletes.
fn batch(changes: &[(Key, Option<&[u8]>)]) -> Batch {
    let mut batch = Batch::new();
    for (key, record) in changes {
        match record {
            Some(record) => batch.put(*key, |out| out.extend_from_slice(record)),
            None => batch.delete(*key),
        }
    }
    batch
}

fn records(store: &mut dyn Store) -> Vec<(Key, Vec<u8>)> {
    let mut records = Vec::new();
    store.load(&mut |key, record| records.push((key, record.to_vec()))).expect("it can be read");
    records
}

/// Makes a store, and opens it again: what the next process would find.
trait Kind {
    fn open(&self) -> Box<dyn Store>;
}

impl Kind for MemoryStore {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.clone())
    }
}

fn reopen(kind: &dyn Kind, mut store: Box<dyn Store>, closed: bool) -> Box<dyn Store> {
    if closed {
        store.close().expect("it can be closed");
    }
    drop(store);
    kind.open()
}

fn contract(make: &dyn Fn() -> Box<dyn Kind>) {
    for closed in [true, false] {
        records_come_in_the_order_of_their_keys(&*make(), closed);
        changes_are_carried_out_in_their_order(&*make(), closed);
        large_and_many_records(&*make(), closed);
    }
    it_is_used_again_after_closing(&*make());
}

fn records_come_in_the_order_of_their_keys(kind: &dyn Kind, closed: bool) {
    let mut store = kind.open();
    assert_eq!(records(&mut *store), []);
    let keys = [
        Key::Incoming(65_535),
        Key::Message(u64::MAX),
        Key::Message(256),
        Key::Flight(1),
        Key::Header,
        Key::Message(2),
        Key::Incoming(1),
    ];
    let changes: Vec<_> = keys.iter().map(|key| (*key, Some(&b"record"[..]))).collect();
    store.commit(&batch(&changes)).expect("stored");
    let expected = |records: Vec<(Key, Vec<u8>)>| {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        assert_eq!(records.iter().map(|(key, _)| *key).collect::<Vec<_>>(), sorted);
        assert!(records.iter().all(|(_, record)| record == b"record"));
    };
    expected(records(&mut *store));
    let mut store = reopen(kind, store, closed);
    expected(records(&mut *store));
    assert_eq!(store.get(Key::Message(256)), Ok(Some(b"record".to_vec())));
    assert_eq!(store.get(Key::Message(257)), Ok(None));
}

fn changes_are_carried_out_in_their_order(kind: &dyn Kind, closed: bool) {
    let mut store = kind.open();
    let (one, two) = (Key::Message(1), Key::Message(2));
    store
        .commit(&batch(&[(one, Some(b"first")), (one, None), (two, Some(b"first")), (two, Some(b"second"))]))
        .expect("stored");
    store.commit(&batch(&[])).expect("nothing is stored");
    store.commit(&batch(&[(one, None), (Key::Header, Some(b""))])).expect("deleting nothing is lawful");
    let expected = [(Key::Header, vec![]), (two, b"second".to_vec())];
    assert_eq!(records(&mut *store), expected);
    let mut store = reopen(kind, store, closed);
    assert_eq!(records(&mut *store), expected);
    assert_eq!(store.get(Key::Header), Ok(Some(vec![])));
    assert_eq!(store.get(one), Ok(None));
}

fn large_and_many_records(kind: &dyn Kind, closed: bool) {
    let mut store = kind.open();
    let large = vec![7; 3 << 20];
    store.commit(&batch(&[(Key::Message(0), Some(&large))])).expect("stored");
    for round in 0..20u64 {
        let changes: Vec<_> =
            (0..500).map(|n| (Key::Message(1 + round * 500 + n), Some(&b"0123456789"[..]))).collect();
        store.commit(&batch(&changes)).expect("stored");
        let old: Vec<_> = (0..500).map(|n| (Key::Message(1 + round * 500 + n), None)).collect();
        if round % 2 == 0 {
            store.commit(&batch(&old)).expect("deleted");
        }
    }
    let mut store = reopen(kind, store, closed);
    let records = records(&mut *store);
    assert_eq!(records.len(), 1 + 5_000);
    assert!(records[0].1 == large);
    assert!(records.is_sorted_by_key(|(key, _)| *key));
}

fn it_is_used_again_after_closing(kind: &dyn Kind) {
    let mut store = kind.open();
    store.commit(&batch(&[(Key::Message(1), Some(b"x"))])).expect("stored");
    store.close().expect("closed");
    store.close().expect("closing twice changes nothing");
    store.commit(&batch(&[(Key::Message(2), Some(b"y"))])).expect("stored");
    let expected = [(Key::Message(1), b"x".to_vec()), (Key::Message(2), b"y".to_vec())];
    assert_eq!(records(&mut *store), expected);
    store.close().expect("closed");
    assert_eq!(records(&mut *store), expected);
    drop(store);
    assert_eq!(records(&mut *kind.open()), expected);
}

// R: STO-01
#[test]
fn memory() {
    contract(&|| Box::new(MemoryStore::new()));
}

#[test]
fn a_batch_gives_back_its_changes() {
    let batch = batch(&[(Key::Header, Some(b"x")), (Key::Incoming(3), None)]);
    let ops: Vec<_> = batch.iter().collect();
    let expected =
        [StoreOp::Put { key: Key::Header, record: b"x" }, StoreOp::Delete { key: Key::Incoming(3) }];
    assert_eq!(ops, expected);
}

#[cfg(feature = "store-redb")]
mod file {
    use std::path::PathBuf;

    use sterna_client::{RedbStore, StoreOpenError};

    use super::*;

    /// A folder of its own for one test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            use std::sync::atomic::{AtomicU32, Ordering};
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("{name}-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder can be made");
            Self(path)
        }

        fn store(&self) -> PathBuf {
            self.0.join("session.redb")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Kind for Folder {
        fn open(&self) -> Box<dyn Store> {
            Box::new(RedbStore::open(self.store()).expect("it can be opened"))
        }
    }

    // R: STO-01
    #[test]
    fn contract() {
        super::contract(&|| Box::new(Folder::new("contract")));
    }

    // R: STO-03
    #[test]
    fn one_client_at_a_time() {
        let folder = Folder::new("locked");
        let mut store = RedbStore::open(folder.store()).expect("it is made");
        let locked = || matches!(RedbStore::open(folder.store()), Err(StoreOpenError::Locked));
        assert!(locked(), "it is in use before anything is stored");
        store.commit(&batch(&[(Key::Message(1), Some(b"x"))])).expect("stored");
        assert!(locked());
        store.close().expect("closed");
        let mut other = RedbStore::open(folder.store()).expect("it was released");
        store.commit(&batch(&[(Key::Message(2), Some(b"y"))])).expect_err("another has it");
        other.commit(&batch(&[(Key::Message(3), Some(b"z"))])).expect("stored");
        drop(other);
        let error =
            store.commit(&batch(&[(Key::Message(2), Some(b"y"))])).expect_err("it is not what it was");
        assert!(error.to_string().contains("another client"), "{error}");
        assert_eq!(records(&mut *folder.open()).len(), 2);
    }

    #[test]
    fn what_cannot_be_a_store() {
        let folder = Folder::new("unlawful");
        for path in [folder.0.clone(), folder.0.join("no such folder/session.redb"), PathBuf::from("/")] {
            let error = RedbStore::open(&path).expect_err("no file can be there");
            assert!(matches!(error, StoreOpenError::Io(_)), "{path:?}: {error}");
        }
    }

    #[test]
    fn what_a_crash_left_of_making_a_store_is_made_anew() {
        let folder = Folder::new("half made");
        let mut name = folder.store().into_os_string();
        name.push(".new");
        std::fs::write(&name, b"\x93ster").expect("written");
        assert_eq!(records(&mut *folder.open()), []);
        assert!(!std::fs::exists(&name).expect("the folder can be read"));
    }
}
