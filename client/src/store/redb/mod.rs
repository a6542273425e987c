//! A store in a file: a redb database in an [envelope] that tells damage from a crash.

mod device;
mod envelope;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use sterna_core::{Batch, Key, StoreError, StoreOp};

use self::device::{Body, Device};
use self::envelope::{Mark, NotOurs, Seal};
use super::Store;

/// All records, and under [`COMMIT`] the number of the last commit.
const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("session");
/// No record has the empty key.
const COMMIT: &[u8] = &[];
/// A file that is larger gives back what it does not need when it is closed.
///
/// The tests lose the power in that as well, and their files are small.
const LARGE: u64 = if cfg!(test) { 64 << 10 } else { 1 << 20 };
/// How many bytes of the database are kept in memory at most.
const CACHE: usize = 8 << 20;

/// Keeps a session in a file, on the embedded database [redb](https://www.redb.org). Each commit is atomic, and on the
/// disk when it is reported: neither a crash of the process nor a loss of power takes back what was. Needs the feature
/// `store-redb`, and with it Rust 1.90.
///
/// A file has one client's session, and one client at a time. Once a client that uses it has closed, the next one may
/// open it, in this process or another.
///
/// ```
/// use sterna_client::{ClientBuilder, ConnectError, QoS, RedbStore, Runtime};
///
/// # async fn example<R: Runtime>(builder: ClientBuilder<R>) -> Result<(), Box<dyn std::error::Error>> {
/// let client = builder.client_id("thermometer").store(RedbStore::open("session.redb")?).connect().await?;
/// let mut delivery = client.publish("temperature", "21.5").qos(QoS::AtLeastOnce).enqueue().await?;
/// delivery.stored().await?; // From here on it will arrive, whatever happens to this process.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    /// The number of the last commit.
    commit: u64,
    state: State,
}

type Records = Vec<(Key, Box<[u8]>)>;

#[derive(Debug)]
enum State {
    /// The file was read and found whole, and has not been touched.
    Checked { device: Device, records: Records },
    /// It is being written to.
    Open { device: Device, database: Database },
    /// It was released.
    Closed,
}

/// Why a file was not opened. It was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// The system does not let it be read, written or made.
    #[error("the store cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// Another client has it open, in this process or another.
    #[error("the store is in use by another client")]
    Locked,
    /// It is no store of this library.
    #[error("the file is not an MQTT session of this library")]
    Foreign,
    /// A later version of this library wrote it.
    #[error("the store has format {0}, which this version of the library does not know")]
    Format(u32),
    /// Bytes of it were changed or are missing.
    #[error("the store is damaged: {0}")]
    Damaged(Box<str>),
}

impl RedbStore {
    /// Opens the store in the file at `path`, or makes one if there is no such file; the folder must be there.
    ///
    /// The whole file is read and checked, so this blocks for as long as that takes: a session without much under way
    /// is some ten kilobytes, a full queue of [`queue_limit`](crate::ClientBuilder::queue_limit) may be some hundred
    /// megabytes. Nothing is written to a file that is there before a client that uses it has something to store.
    ///
    /// # Errors
    /// [`StoreOpenError`]; the file is as it was. What is to become of it is for the user to decide.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreOpenError> {
        let path = path.as_ref();
        let device = match device::open(path) {
            Err(StoreOpenError::Io(error)) if error.kind() == io::ErrorKind::NotFound => create(path)?,
            result => result?,
        };
        Self::on(device, path)
    }

    fn on(device: Device, path: &Path) -> Result<Self, StoreOpenError> {
        let (commit, records) = check(&device)?;
        Ok(Self { path: path.to_owned(), commit, state: State::Checked { device, records } })
    }

    /// Takes a file again that was released.
    fn reopen(&mut self) -> Result<(), StoreError> {
        if !matches!(self.state, State::Closed) {
            return Ok(());
        }
        let again = Self::open(&self.path).map_err(failed)?;
        if again.commit != self.commit {
            return Err(StoreError("another client has used the store in the meantime".into()));
        }
        *self = again;
        Ok(())
    }

    /// The database, ready to be written to.
    fn writable(&mut self) -> Result<(&Device, &Database), StoreError> {
        self.reopen()?;
        if let State::Checked { device, .. } = &self.state {
            let device = device.clone();
            // The seal is broken before anything it covers is.
            Mark { commit: self.commit, seal: None }.write(&*device).map_err(failed)?;
            device.sync_data().map_err(failed)?;
            let database = builder().create_with_backend(Body(device.clone())).map_err(failed)?;
            self.state = State::Open { device, database };
        }
        match &self.state {
            State::Open { device, database } => Ok((device, database)),
            _ => Err(StoreError("the store is closed".into())),
        }
    }
}

impl Store for RedbStore {
    fn load(&mut self, each: &mut dyn FnMut(Key, &[u8])) -> Result<(), StoreError> {
        self.reopen()?;
        let read;
        let records = match &self.state {
            State::Checked { records, .. } => records,
            State::Open { database, .. } => {
                read = self::read(database).map_err(failed)?.1;
                &read
            }
            State::Closed => return Ok(()),
        };
        for (key, record) in records {
            each(*key, record);
        }
        Ok(())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let commit = self.commit + 1;
        let (device, database) = self.writable()?;
        write(database, commit, batch).map_err(failed)?;
        // What the mark says is durable; it itself need not be.
        Mark { commit, seal: None }.write(&**device).map_err(failed)?;
        self.commit = commit;
        Ok(())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        if let State::Open { device, mut database } = std::mem::replace(&mut self.state, State::Closed) {
            if device.len().map_err(failed)? > LARGE {
                database.compact().map_err(failed)?;
            }
            database.close().map_err(failed)?;
            seal(&*device, self.commit).map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError(error.to_string().into())
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// One commit. What redb may answer is one error to us: each stops the client.
fn write(database: &Database, commit: u64, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(RECORDS)?;
        for op in batch.iter() {
            match op {
                StoreOp::Put { key, record } => table.insert(&key.to_bytes()[..], record)?,
                StoreOp::Delete { key } => table.remove(&key.to_bytes()[..])?,
            };
        }
        table.insert(COMMIT, &commit.to_le_bytes()[..])?;
    }
    transaction.commit()?;
    Ok(())
}

/// The last commit's number and the records in the order of their keys.
fn read(database: &Database) -> Result<(u64, Records), redb::Error> {
    let table = database.begin_read()?.open_table(RECORDS)?;
    let mut commit = None;
    let mut records = Vec::new();
    for entry in table.iter()? {
        let (key, record) = entry?;
        let (key, record) = (key.value(), record.value());
        match Key::from_bytes(key) {
            Some(key) => records.push((key, record.into())),
            None if key == COMMIT => commit = record.try_into().ok().map(u64::from_le_bytes),
            None => return Err(redb::Error::Corrupted(format!("it has a record {key:02x?}"))),
        }
    }
    let commit = commit.ok_or_else(|| redb::Error::Corrupted("its commits are not counted".into()))?;
    Ok((commit, records))
}

/// Checks a file without changing it.
fn check(device: &Device) -> Result<(u64, Records), StoreOpenError> {
    let file = device::contents(&**device)?;
    envelope::check_head(&file).map_err(|error| match error {
        NotOurs::Foreign => StoreOpenError::Foreign,
        NotOurs::Format(format) => StoreOpenError::Format(format),
        NotOurs::Damaged => damaged("its first bytes are not what was written"),
    })?;
    let mark = Mark::read(&file);
    let seal = mark.and_then(|mark| mark.seal);
    if seal.is_some_and(|seal| !seal.fits(&file)) {
        return Err(damaged("it is not what it was when it was closed"));
    }
    // After a crash redb repairs what it opens: it gets a copy.
    let body = file.get(envelope::LENGTH as usize..).filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| damaged("it is too short"))?;
    let copy = InMemoryBackend::new();
    copy.set_len(body.len() as u64)?;
    copy.write(0, body)?;
    drop(file);
    // redb trusts some of what it reads, and panics where that is wrong. Nothing but the copy is left behind.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = builder().set_check_integrity_on_open(true).create_with_backend(copy)?;
        read(&database)
    }));
    let (commit, records) = opened
        .map_err(|_| damaged("its pages contradict each other"))?
        .map_err(|error| damaged(&error.to_string()))?;
    if mark.is_some_and(|mark| commit < mark.commit) {
        return Err(damaged("its last changes are missing"));
    }
    Ok((commit, records))
}

fn damaged(detail: &str) -> StoreOpenError {
    StoreOpenError::Damaged(detail.into())
}

/// Makes a store under another name first: after a crash there is a whole one or none.
///
/// Clients that do so at the same time cannot harm each other: the file under that name is changed and renamed only by
/// who has its lock, and only as long as there is no store.
fn create(path: &Path) -> Result<Device, StoreOpenError> {
    let mut name =
        path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?.to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let device = device::claim(&temporary)?;
    if path.try_exists()? {
        // Another client was quicker. What is claimed may be its very file, opened before it was renamed.
        drop(device);
        let _ = fs::remove_file(&temporary);
        return device::open(path);
    }
    device.set_len(0)?;
    format(&device).map_err(|error| StoreOpenError::Io(io::Error::other(error)))?;
    fs::rename(&temporary, path)?;
    // The name is durable once its folder is. Where a folder cannot be opened, the system sees to that.
    if let Some(folder) =
        path.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder })
        && let Ok(folder) = fs::File::open(folder)
    {
        folder.sync_all()?;
    }
    Ok(device)
}

/// Makes an empty store of an empty file.
fn format(device: &Device) -> Result<(), redb::Error> {
    device.set_len(envelope::LENGTH)?;
    envelope::write_head(&**device)?;
    let database = builder().create_with_backend(Body(device.clone()))?;
    write(&database, 0, &Batch::new())?;
    database.close()?;
    seal(&**device, 0)?;
    Ok(())
}

/// Notes that a file is whole, and waits until that and everything else is durable.
fn seal(device: &dyn StorageBackend, commit: u64) -> io::Result<()> {
    device.sync_data()?;
    let seal = Seal::of(device)?;
    Mark { commit, seal: Some(seal) }.write(device)?;
    device.sync_data()
}
