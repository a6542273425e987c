//! The disk of one client: it keeps what was committed when its process ends, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use sterna_client::{Batch, Key, Store, StoreError, StoreOp};

/// See the module. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<BTreeMap<Key, Vec<u8>>>>);

impl Store for Disk {
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().for_each(|(key, record)| each(*key, record));
        Ok(())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for op in batch.iter() {
            match op {
                StoreOp::Put { key, record } => records.insert(key, record.to_vec()),
                StoreOp::Delete { key } => records.remove(&key),
            };
        }
        Ok(())
    }
}
