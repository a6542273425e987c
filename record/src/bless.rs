//! A recording whose outputs are to be those of today.

use std::io::{self, Write};

use crate::entry::{Entry, Output};
use crate::read::Recording;
use crate::replay::{Replay, ReplayError};

/// A recording with the outputs that come out now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Blessed {
    /// The recording.
    pub recording: Recording,
    /// What differs, for people: the line of the old recording, what was recorded and what came out.
    pub changes: Vec<String>,
}

impl Recording {
    /// Feeds in what went in, and takes what comes out for right: for a change of behaviour that is intended. What went in
    /// stays; a change that makes another conversation of it needs a new recording.
    ///
    /// # Errors
    /// A line describes what no client can do.
    pub fn bless(&self) -> Result<Blessed, ReplayError> {
        let mut replay = Replay::new(self.header())?;
        let mut entries = Vec::new();
        let mut changes = Vec::new();
        for (entry, line) in self.entries().iter().zip(2_u64..) {
            if entry.input.is_some() || matches!(entry.output, Some(Output::End(_))) {
                // Nothing more was polled before this, so whatever still comes out is new.
                for output in replay.leftovers(&entries) {
                    changes.push(format!("line {line}: new before it: {}", describe(Some(&output))));
                    entries.push(Entry::output(replay.at(), output));
                }
            }
            let actual = replay.bless(entry)?;
            if actual == entry.output {
                entries.push(entry.clone());
                continue;
            }
            let (was, is) = (describe(entry.output.as_ref()), describe(actual.as_ref()));
            changes.push(format!("line {line}:\n  was {was}\n  is  {is}"));
            if entry.input.is_some() || actual.is_some() {
                entries.push(Entry { output: actual, ..entry.clone() });
            }
        }
        Ok(Blessed { recording: self.with_entries(entries), changes })
    }

    /// Writes the recording.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn write(&self, mut write: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut write, self.header())?;
        write.write_all(b"\n")?;
        for entry in self.entries() {
            serde_json::to_writer(&mut write, entry)?;
            write.write_all(b"\n")?;
        }
        write.flush()
    }
}

fn describe(output: Option<&Output>) -> String {
    output.map_or_else(
        || "nothing".into(),
        |output| serde_json::to_string(output).unwrap_or_else(|error| error.to_string()),
    )
}
