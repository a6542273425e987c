//! A store that lives as long as its handles do.

use std::collections::BTreeMap;
use std::sync::Arc;

use sterna_core::{Batch, Key, StoreError, StoreOp};

use super::Store;
use crate::lock::Lock;

/// A store in memory: it hands a session from one client to the next within a process, and tests with it. Its clones
/// have the same records; only one client at a time may use them.
///
/// A client that needs neither has no use for it: without a store it keeps its session for as long as it lives.
#[derive(Debug, Clone)]
pub struct MemoryStore(Arc<Lock<BTreeMap<Key, Box<[u8]>>>>);

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self(Arc::new(Lock::new(BTreeMap::new())))
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
        self.0.lock().iter().for_each(|(key, record)| each(*key, record));
        Ok(())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut records = self.0.lock();
        for op in batch.iter() {
            match op {
                StoreOp::Put { key, record } => records.insert(key, record.into()),
                StoreOp::Delete { key } => records.remove(&key),
            };
        }
        Ok(())
    }

    fn get(&mut self, key: Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().get(&key).map(|record| record.to_vec()))
    }
}
