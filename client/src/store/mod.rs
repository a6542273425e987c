//! Where a session outlives the process.

mod memory;
#[cfg(feature = "store-redb")]
mod redb;

use std::fmt::Debug;

use sterna_core::{Batch, Key, StoreError};

#[cfg(feature = "store-redb")]
pub use self::redb::{RedbStore, StoreOpenError};
pub use memory::MemoryStore;

/// Keeps the records of one client's session: what was published with QoS 1 and 2 and is not acknowledged, and which
/// QoS 2 messages were received and are not completed. Give one to [`ClientBuilder::store`](crate::ClientBuilder::store).
///
/// The client calls it from one thread at a time, and never from one of an async runtime's own threads, except for
/// [`load`](Self::load) while it is built. So an implementation may block, and needs no lock of its own.
///
/// A store that has failed is not asked again: the client closes with [`Cause::Store`](crate::Cause::Store).
///
/// ```
/// use std::collections::BTreeMap;
///
/// use sterna_client::{Batch, Key, Store, StoreError, StoreOp};
///
/// /// As good as the process is.
/// #[derive(Debug, Default)]
/// struct Table(BTreeMap<Key, Vec<u8>>);
///
/// impl Store for Table {
///     fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
///         self.0.iter().for_each(|(key, record)| each(*key, record));
///         Ok(())
///     }
///
///     fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
///         for op in batch.iter() {
///             match op {
///                 StoreOp::Put { key, record } => self.0.insert(key, record.to_vec()),
///                 StoreOp::Delete { key } => self.0.remove(&key),
///             };
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Store: Debug + Send + 'static {
    /// Gives `each` all records, in the order of their keys: messages come in the order in which they were accepted.
    ///
    /// # Errors
    /// The records cannot be read.
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError>;

    /// Carries out all changes of `batch` in their order, or none of them, and returns when they are durable: a crash
    /// of the process at any time, and for a store on disk a loss of power, leaves either all or none of them, and
    /// all of them once this has returned.
    ///
    /// # Errors
    /// The changes are not durable, or may not be.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;

    /// The record under `key`, if there is one.
    ///
    /// # Errors
    /// The records cannot be read.
    fn get(&mut self, key: Key) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        self.load(&mut |candidate, record| {
            if candidate == key {
                found = Some(record.to_vec());
            }
        })?;
        Ok(found)
    }

    /// The client has closed: files and locks are released. A client that is connected again afterwards goes on
    /// using the store; then it takes them again. Default: nothing is to do.
    ///
    /// # Errors
    /// Something could not be written. Everything that was committed is there nevertheless.
    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
