//! Whatever stands in a store: it is refused, or a client goes on with it without a panic, and what that client stores
//! can be restored again.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use sterna_core::{
    Action, Batch, CleanStart, ClientId, Config, ConnectOverrides, Connection, Instant, Key, Session,
    StoreOp, Transmit,
};

type Disk = BTreeMap<Key, Vec<u8>>;

/// CONNACK of 5.0 with a session, PUBREC, PUBCOMP and PUBREL for small identifiers.
const ANSWERS: &[u8] =
    b"\x20\x03\x01\0\0\x50\x02\0\x01\x70\x02\0\x01\x50\x02\0\x02\x62\x02\0\x01\x62\x02\0\x02";

/// Records of a store: kind, number (two bytes), length, bytes.
pub fn session(input: &[u8]) {
    let mut disk = Disk::new();
    // Each record: kind, number, length, bytes.
    let mut rest = input;
    while let Some((&[kind, high, low, length], bytes)) = rest.split_first_chunk() {
        let (record, next) = bytes.split_at(usize::from(length).min(bytes.len()));
        rest = next;
        if let Some(key) = Key::from_bytes(&[kind % 5, 0, 0, 0, 0, 0, 0, high, low]) {
            disk.insert(key, record.to_vec());
        }
    }
    let Some(connection) = restore(&disk) else { return };
    drive(connection, &mut disk);
    assert!(restore(&disk).is_some(), "what was written cannot be read");
}

fn restore(disk: &Disk) -> Option<Connection> {
    let mut session = Session::new();
    for (key, record) in disk {
        session.load(*key, record).ok()?;
    }
    let client_id = session.client_id().unwrap_or("fuzz").into();
    let config =
        Config { client_id: ClientId::Given(client_id), clean_start: CleanStart::Never, ..Config::new(1) };
    Connection::restore(config, session, Instant::ZERO).ok()
}

fn drive(mut connection: Connection, disk: &mut Disk) {
    let now = Instant::ZERO;
    connection.connect(now);
    let Some(Action::Connect { attempt, .. }) = connection.poll_action() else { return };
    connection.handle_connected(now, attempt, ConnectOverrides::default());
    connection.handle_input(now, &mut BytesMut::from(ANSWERS));
    let (mut batch, mut out) = (Batch::new(), Transmit::new());
    for _ in 0..4 {
        connection.poll_transmit(now, &mut out);
        let length = out.remaining();
        out.advance(length);
        connection.handle_written(now, length);
        let Some(id) = connection.poll_persist(&mut batch) else { continue };
        for op in batch.iter() {
            match op {
                StoreOp::Put { key, record } => drop(disk.insert(key, record.to_vec())),
                StoreOp::Delete { key } => drop(disk.remove(&key)),
            }
        }
        connection.handle_persisted(now, id, Ok(()));
    }
}
