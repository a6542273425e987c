//! Recordings of the clients of a run, and their replay.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use sterna_client::record::{Finished, Recorder, Recording};

/// A file in memory.
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One for each life of a client.
#[derive(Debug, Clone, Default)]
pub(super) struct Tapes(Arc<Mutex<Vec<(Memory, Finished)>>>);

/// What replays amounted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// How many recordings.
    pub recordings: u64,
    /// How many entries they had.
    pub entries: u64,
}

impl Tapes {
    /// A recorder for a client's next life. What is redacted alternates.
    pub(super) fn recorder(&self) -> Recorder {
        let memory = Memory::default();
        let mut tapes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recorder = Recorder::new(memory.clone()).without_date();
        if tapes.len() % 2 == 1 {
            recorder = recorder.redact_topics().redact_payloads().redact_user_names();
        }
        tapes.push((memory, recorder.finished()));
        recorder
    }

    /// Replays what was recorded, once all clients are gone.
    ///
    /// # Errors
    /// The first recording that is damaged, or gives something else than was recorded.
    pub(super) fn replay(&self) -> Result<Replayed, String> {
        let tapes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut replayed = Replayed::default();
        for (number, (memory, finished)) in tapes.into_iter().enumerate() {
            let written = finished.wait().map_err(|error| error.to_string())?;
            let bytes = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
            if bytes.is_empty() {
                // Its store could not be read: there was no client.
                continue;
            }
            let recording = Recording::read(&bytes[..]).map_err(|error| error.to_string())?;
            let summary = recording.replay().map_err(|error| {
                let path = std::env::temp_dir().join("sterna-simulation-difference.jsonl");
                let kept = std::fs::write(&path, &bytes[..]).is_ok();
                let place = if kept { path.display().to_string() } else { String::new() };
                format!("recording {number} {place}\n{error}")
            })?;
            if summary.end.is_none() || written.overflow {
                return Err(format!("recording {number} is not complete"));
            }
            replayed.recordings += 1;
            replayed.entries += summary.entries;
        }
        Ok(replayed)
    }
}
