//! Records written, read, damaged and foreign.

use super::record::MAGIC;
use super::*;
use crate::packet::{PropertiesBuf, Property};
use crate::packet::{ProtocolVersion, ReasonCode};
use proptest::prelude::*;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

fn header(next_token: u64) -> Vec<u8> {
    let header = Header { version: Some(ProtocolVersion::V5), next_token, client_id: "me".into() };
    written(|out| header.write(out))
}

fn message() -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text")).unwrap();
    let message = StoredMessage {
        qos: QoS::ExactlyOnce,
        retain: true,
        accepted_at: 7,
        topic: "a/b",
        properties: properties.as_properties(),
        payload: b"payload",
    };
    let record = written(|out| message.write(out));
    assert_eq!(StoredMessage::read(&record), Some(message));
    record
}

fn flight(packet_id: u16, stage: StoredStage) -> Vec<u8> {
    let flight = StoredFlight { packet_id, stage };
    let record = written(|out| flight.write(out));
    assert_eq!(StoredFlight::read(&record), Some(flight));
    record
}

// R: STO-01
#[test]
fn records_come_back_as_they_were_written() {
    let mut session = Session::new();
    session.load(Key::Message(5), &message()).unwrap();
    session.load(Key::Message(6), &message()).unwrap();
    session.load(Key::Flight(5), &flight(9, StoredStage::Published)).unwrap();
    let released = StoredStage::Released { order: 3, reason: ReasonCode::SUCCESS, abandoned: false };
    session.load(Key::Flight(2), &flight(8, released)).unwrap();
    let gone = StoredStage::Abandoned { exactly_once: true };
    session.load(Key::Flight(3), &flight(7, gone)).unwrap();
    session.load(Key::Incoming(77), &[]).unwrap();
    session.load(Key::Header, &header(7)).unwrap();
    session.validate().unwrap();
    assert_eq!(session.client_id(), Some("me"));
    assert_eq!(session.unsent().collect::<Vec<_>>(), [6]);
    let pending: Vec<_> = session.pending().map(|pending| (pending.token.0, pending.topic)).collect();
    assert_eq!(pending, [(2, None), (5, Some("a/b")), (6, Some("a/b"))]);
}

// R: STO-03
#[test]
fn what_is_not_ours_is_refused() {
    let mut session = Session::new();
    assert_eq!(session.load(Key::Header, b"SQLite format 3"), Err(SessionError::Foreign));
    let mut later = header(1);
    later[MAGIC.len()] = 9;
    assert_eq!(session.load(Key::Header, &later), Err(SessionError::Format(9)));
    session.load(Key::Message(1), &message()).unwrap();
    assert_eq!(session.validate(), Err(SessionError::Foreign), "records without a header");
}

// R: STO-03
#[test]
fn records_that_contradict_each_other_are_refused() {
    let contradiction = |records: &[(Key, Vec<u8>)]| {
        let mut session = Session::new();
        session.load(Key::Header, &header(9)).unwrap();
        for (key, record) in records {
            session.load(*key, record).unwrap();
        }
        session.validate()
    };
    let published = |id| flight(id, StoredStage::Published);
    let refused = |key| Err(SessionError::Contradiction(key));
    assert_eq!(contradiction(&[(Key::Flight(1), published(1))]), refused(Key::Flight(1)));
    assert_eq!(contradiction(&[(Key::Message(9), message())]), refused(Key::Message(9)));
    let both = [1, 2].map(|token| [(Key::Message(token), message()), (Key::Flight(token), published(4))]);
    assert_eq!(contradiction(&both.concat()), refused(Key::Flight(2)));
}

// R: STO-03
#[test]
fn numbers_that_no_client_reaches_are_damage() {
    let mut session = Session::new();
    let damaged = |key| Err(SessionError::Damaged(key));
    assert_eq!(session.load(Key::Header, &header(u64::MAX)), damaged(Key::Header));
    let released = StoredStage::Released { order: u64::MAX, reason: ReasonCode::SUCCESS, abandoned: false };
    let record = written(|out| StoredFlight { packet_id: 1, stage: released }.write(out));
    assert_eq!(session.load(Key::Flight(1), &record), damaged(Key::Flight(1)));
}

/// Carries out what a batch has, as a store does.
fn carry_out(batch: &Batch, store: &mut BTreeMap<Key, Vec<u8>>) {
    let mut keys = BTreeSet::new();
    assert_eq!(batch.is_empty(), batch.iter().len() == 0);
    assert_eq!(batch.iter().len(), batch.iter().count());
    for op in batch.iter() {
        let (StoreOp::Put { key, .. } | StoreOp::Delete { key }) = op;
        assert!(keys.insert(key), "{key:?} comes twice");
        match op {
            StoreOp::Put { key, record } => drop(store.insert(key, record.to_vec())),
            StoreOp::Delete { key } => drop(store.remove(&key)),
        }
    }
}

// R: STO-02
#[test]
fn a_record_that_no_store_has_leaves_no_trace_when_it_is_removed() {
    let mut batch = Batch::new();
    batch.put_new(Key::Message(1), |out| out.push(1));
    batch.put(Key::Flight(1), |out| out.push(2));
    batch.delete(Key::Message(1));
    batch.delete(Key::Flight(1));
    assert_eq!(batch.iter().collect::<Vec<_>>(), [StoreOp::Delete { key: Key::Flight(1) }]);
    // Removed first, it may be in the store.
    batch.put_new(Key::Flight(1), |out| out.push(3));
    batch.delete(Key::Flight(1));
    assert_eq!(batch.iter().collect::<Vec<_>>(), [StoreOp::Delete { key: Key::Flight(1) }]);
    batch.put_new(Key::Message(1), |out| out.push(4));
    batch.delete(Key::Message(1));
    assert_eq!(batch.iter().len(), 1);
}

proptest! {
    /// Whatever was replaced, and wherever one batch ends and the next begins: the store has in the end what it would have
    /// if each change were carried out at once.
    // R: STO-02
    #[test]
    fn a_batch_does_what_its_changes_do_one_by_one(
        changes in prop::collection::vec((0..4_u8, 0..40_u16, any::<Option<u8>>(), 0..50_u8), 0..2_000),
    ) {
        let (mut batch, mut stored, mut model) = (Batch::new(), BTreeMap::new(), BTreeMap::new());
        // What the batches so far, this one not included, leave.
        let mut before: BTreeMap<Key, Vec<u8>> = BTreeMap::new();
        for (kind, number, record, end) in changes {
            let key = match kind {
                0 => Key::Header,
                1 => Key::Message(number.into()),
                2 => Key::Flight(number.into()),
                _ => Key::Incoming(number),
            };
            if let Some(byte) = record {
                let record = vec![byte; usize::from(byte) * usize::from(number) / 10];
                let write = |out: &mut Vec<u8>| out.extend_from_slice(&record);
                if before.contains_key(&key) { batch.put(key, write) } else { batch.put_new(key, write) }
                model.insert(key, record);
            } else {
                batch.delete(key);
                model.remove(&key);
            }
            if end == 0 {
                carry_out(&batch, &mut stored);
                prop_assert_eq!(&stored, &model);
                batch.clear();
                before.clone_from(&model);
            }
        }
        carry_out(&batch, &mut stored);
        prop_assert_eq!(stored, model);
    }

    // R: STO-03
    #[test]
    fn no_bytes_panic(kind in 0..4_u8, number in any::<u16>(), record in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = [0; Key::LENGTH];
        bytes[0] = kind;
        bytes[7..].copy_from_slice(&number.to_be_bytes());
        if let Some(key) = Key::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
            let mut session = Session::new();
            let _ = session.load(key, &record);
            let _ = session.validate();
            let _ = session.pending().count();
        }
    }

    // R: STO-03
    #[test]
    fn a_shortened_record_is_damaged(cut in 1..20_usize) {
        let record = message();
        let mut session = Session::new();
        let shorter = &record[..(record.len() - "payload".len()).saturating_sub(cut)];
        prop_assert_eq!(session.load(Key::Message(1), shorter), Err(SessionError::Damaged(Key::Message(1))));
    }
}
