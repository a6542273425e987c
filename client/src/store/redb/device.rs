//! The file under the database.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::StoreOpenError;
use super::envelope;

/// The whole file; tests put a faulty one here.
pub(super) type Device = Arc<dyn StorageBackend>;

/// Opens the file at `path`, which nobody else may have open from then on.
pub(super) fn open(path: &Path) -> Result<Device, StoreOpenError> {
    locked(OpenOptions::new().read(true).write(true).open(path)?)
}

/// The same, and makes the file if there is none. What is in it stays.
pub(super) fn claim(path: &Path) -> Result<Device, StoreOpenError> {
    locked(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?)
}

fn locked(file: File) -> Result<Device, StoreOpenError> {
    let backend = FileBackend::new(file).map_err(|error| StoreOpenError::Io(io::Error::other(error)))?;
    match backend.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
        Ok(true) => Ok(Arc::new(backend)),
        Ok(false) => Err(StoreOpenError::Locked),
        Err(error) => Err(StoreOpenError::Io(io::Error::other(error))),
    }
}

/// All bytes of a file.
pub(super) fn contents(device: &dyn StorageBackend) -> io::Result<Vec<u8>> {
    let length = usize::try_from(device.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    device.read(0, &mut bytes)?;
    Ok(bytes)
}

/// The part of a file that is the database's.
#[derive(Debug)]
pub(super) struct Body(pub(super) Device);

impl StorageBackend for Body {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len()?.saturating_sub(envelope::LENGTH))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(envelope::LENGTH + offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(envelope::LENGTH + length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(envelope::LENGTH + offset, data)
    }
}
