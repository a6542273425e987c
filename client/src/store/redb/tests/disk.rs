//! A disk in memory that can lose its power.

use std::io;
use std::sync::{Mutex, MutexGuard};

use redb::StorageBackend;

use super::Random;

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Default)]
struct Inner {
    /// What a loss of power leaves in any case.
    durable: Vec<u8>,
    /// What is read.
    current: Vec<u8>,
    /// The changes since the last sync.
    unsynced: Vec<Change>,
    /// After so many more changes and syncs the power is gone.
    left: Option<usize>,
    syncs: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<Inner>);

impl Disk {
    /// A disk with these bytes.
    pub(super) fn with(bytes: Vec<u8>) -> Self {
        Self(Mutex::new(Inner { durable: bytes.clone(), current: bytes, ..Inner::default() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic")
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.inner().current.clone()
    }

    pub(super) fn syncs(&self) -> usize {
        self.inner().syncs
    }

    /// The power fails after so many more operations that change something.
    pub(super) fn fail_after(&self, operations: usize) {
        self.inner().left = Some(operations);
    }

    /// What is on the disk after a loss of power now: all that was synced, and of each later change all, nothing or,
    /// torn, some of it.
    pub(super) fn lose_power(&self, random: &mut Random) -> Vec<u8> {
        let inner = self.inner();
        let mut bytes = inner.durable.clone();
        // How much gets through differs from loss to loss: nearly nothing to everything.
        let kept = random.below(5);
        for change in &inner.unsynced {
            match change {
                _ if kept < 4 && random.below(4) >= kept => {}
                Change::Length(length) => bytes.resize(*length, 0),
                Change::Write { offset, data } => {
                    let torn = random.one_in(4).then(|| {
                        let from = random.below(data.len() + 1);
                        from..from + random.below(data.len() + 1 - from)
                    });
                    let part = torn.unwrap_or(0..data.len());
                    let end = (offset + part.end).min(bytes.len());
                    let start = (offset + part.start).min(end);
                    bytes[start..end].copy_from_slice(&data[part.start..part.start + end - start]);
                }
            }
        }
        bytes
    }

    /// What is in the file after the process was killed: the system keeps everything.
    pub(super) fn kill(&self) -> Vec<u8> {
        self.bytes()
    }
}

impl Inner {
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.inner();
        let bytes = inner.current.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        inner.current.resize(length as usize, 0);
        inner.unsynced.push(Change::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        inner.durable = inner.current.clone();
        inner.unsynced.clear();
        inner.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut inner = self.inner();
        inner.operate()?;
        let offset = offset as usize;
        let place = inner.current.get_mut(offset..offset + data.len());
        place.ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        inner.unsynced.push(Change::Write { offset, data: data.to_vec() });
        Ok(())
    }
}
