//! Writing a recording beside a running client.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, thread};

use sterna_core::Key;

use crate::config::{Config, micros};
use crate::entry::{Entry, Input, StoredRecord};
use crate::header::{FORMAT, Header, Redacted, StoredSession};
use crate::line::{Line, Lines};
use crate::redact::{Key as RedactionKey, Redactor};

/// How many bytes may wait to be written unless [`Recorder::limit`] says otherwise.
const LIMIT: usize = 16 << 20;
/// The largest limit: an entry takes about twice its bytes in the file, and a line is never longer than a reader takes.
const LARGEST_LIMIT: usize = 24 << 20;

/// Records one client, from its first call until its driver has ended. It is given to the client's builder, or to
/// [`Recorded`](crate::Recorded).
///
/// A thread of its own writes: the client never waits for it. What waits to be written is bounded ([`limit`](Self::limit)):
/// if more comes, the recording ends there, and says so. Only a client that nobody waits for may wait
/// ([`complete`](Self::complete)).
///
/// Passwords and authentication data are never written, unless [`with_secrets`](Self::with_secrets) is called; user names,
/// topics and payloads are, unless they are redacted too. What is redacted keeps its length, so that a recording can be
/// replayed whatever was redacted.
///
/// ```
/// use sterna_core::{Config, Instant};
/// use sterna_record::{Recorded, Recorder, Recording};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("sterna-record-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("session.jsonl");
/// let recorder = Recorder::create(&path)?.about("server", "the one in the cellar").redact_payloads();
/// let finished = recorder.finished();
/// let mut connection = Recorded::new(Config::new(1), Instant::ZERO, Some(recorder))?;
/// connection.connect(Instant::ZERO);
/// drop(connection);
/// finished.wait()?;
/// Recording::load(&path)?.replay()?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it records nothing before it is given to a client"]
pub struct Recorder {
    write: Box<dyn Write + Send>,
    about: BTreeMap<String, String>,
    redacted: Redacted,
    key: Option<[u8; 32]>,
    limit: usize,
    complete: bool,
    started: Option<u64>,
    /// What the client's store has, if it has one.
    stored: Option<Vec<StoredRecord>>,
    wall_clock: Option<Duration>,
    lines: Arc<Lines>,
    attached: bool,
}

/// Where the entries of a recording go.
#[derive(Debug)]
pub(crate) struct Way {
    lines: Arc<Lines>,
    limit: usize,
    complete: bool,
}

impl Way {
    /// Adds an entry; whether more can follow.
    pub(crate) fn push(&self, entry: Entry) -> bool {
        if self.complete {
            self.lines.wait_for_room(&entry, self.limit);
        }
        self.lines.push(entry, self.limit)
    }
}

/// Waits for the end of a recording.
#[derive(Debug, Clone)]
pub struct Finished(Arc<Lines>);

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Written {
    /// How many entries, besides the header.
    pub entries: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The recording ends before the client did: more came than could be written.
    pub overflow: bool,
}

impl Finished {
    /// Blocks until the client is gone and everything was written. A recorder that never had a client has written nothing.
    ///
    /// # Errors
    /// It could not be written: the recording ends somewhere.
    pub fn wait(self) -> io::Result<Written> {
        self.0.wait()
    }
}

impl Recorder {
    /// Writes to the file at `path`, which is made, or emptied.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::new(File::create(path)?))
    }

    /// Writes to `write`, which may block. If it panics the recording ends, as it does with an error.
    pub fn new(write: impl Write + Send + 'static) -> Self {
        Self {
            write: Box::new(write),
            about: BTreeMap::new(),
            redacted: Redacted { secrets: true, ..Redacted::default() },
            key: None,
            limit: LIMIT,
            complete: false,
            started: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(micros),
            stored: None,
            wall_clock: None,
            lines: Arc::default(),
            attached: false,
        }
    }

    /// Writes `text` into the header under `name`, for people: which server it was, what was done.
    pub fn about(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.about.insert(name.into(), text.into());
        self
    }

    /// Writes passwords and authentication data as they are.
    pub fn with_secrets(mut self) -> Self {
        self.redacted.secrets = false;
        self
    }

    /// Writes asterisks for user names.
    pub fn redact_user_names(mut self) -> Self {
        self.redacted.user_names = true;
        self
    }

    /// Writes keyed hashes for the levels of topics: of names, filters, wills and response topics, and of the texts of
    /// servers, which may have topics. Separators, wildcards and levels that begin with `$` stay, so that a filter still
    /// matches what it matched. Short levels are told apart for the first 65,536 of them.
    pub fn redact_topics(mut self) -> Self {
        self.redacted.topics = true;
        self
    }

    /// Writes keyed hashes for payloads, correlation data and user properties.
    pub fn redact_payloads(mut self) -> Self {
        self.redacted.payloads = true;
        self
    }

    /// The key of the hashes: recordings with the same key can be compared. Default: a random one, which is forgotten.
    pub fn key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    /// How many bytes may wait to be written, and as many be held because a packet that is to be redacted has not come as a
    /// whole; what is being written was waiting before, and is besides. At most 24 MiB. Default: 16 MiB.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes.min(LARGEST_LIMIT);
        self
    }

    /// Has the client's calls wait until there is room, where the recording would end otherwise: for a client without a
    /// network, such as one that is driven by a capture. An entry that is larger than the limit by itself still ends it.
    pub fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Does not write when the recording began.
    pub fn without_date(mut self) -> Self {
        self.started = None;
        self
    }

    /// The client has a store.
    #[doc(hidden)] // For who makes the client.
    pub fn begin_store(&mut self, wall_clock: Option<Duration>) {
        self.stored.get_or_insert_default();
        self.wall_clock = wall_clock;
    }

    /// A record of the client's store.
    #[doc(hidden)] // For who makes the client.
    pub fn stored(&mut self, key: Key, record: &[u8]) {
        self.stored.get_or_insert_default().push(StoredRecord::new(key, record));
    }

    /// A handle to wait with, while the recorder goes to the client.
    pub fn finished(&self) -> Finished {
        Finished(self.lines.clone())
    }

    /// Begins the recording of a client that is made now.
    pub(crate) fn attach(mut self, config: &sterna_core::Config, at: u64) -> Way {
        let stored = self.stored.take();
        let header = Header {
            sterna_recording: FORMAT,
            library: env!("CARGO_PKG_VERSION").into(),
            started: self.started,
            about: std::mem::take(&mut self.about),
            redacted: self.redacted,
            config: Config::new(config),
            at,
            session: stored.as_ref().map(|stored| StoredSession {
                records: stored.len() as u64,
                wall_clock: self.wall_clock.map(micros),
            }),
        };
        let mut lines = vec![Line::Header(Box::new(header))];
        let stored = stored.unwrap_or_default().into_iter();
        lines.extend(stored.map(|record| Line::Entry(Entry::input(at, Input::Stored(record), None))));
        self.lines.begin(lines);
        let key = self.key.map_or_else(RedactionKey::random, RedactionKey::new);
        let redactor = Redactor::new(self.redacted, &key, self.limit);
        let write = std::mem::replace(&mut self.write, Box::new(io::sink()));
        let writer = self.lines.clone();
        let spawned = thread::Builder::new().name("sterna-recorder".into()).spawn(move || {
            // The application's own writer may panic, and somebody may wait for the end.
            let outcome = catch_unwind(AssertUnwindSafe(|| writer.write_all(write, redactor)));
            let panicked = |_| Err(io::Error::other("the recording's writer panicked"));
            writer.finish(outcome.unwrap_or_else(panicked));
        });
        match spawned {
            Ok(_) => self.attached = true,
            Err(error) => self.lines.finish(Err(error)),
        }
        Way { lines: self.lines.clone(), limit: self.limit, complete: self.complete }
    }
}

/// One that never had a client has nothing to wait for.
impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.attached {
            self.lines.finish(Ok(Written::default()));
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("about", &self.about)
            .field("redacted", &self.redacted)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
