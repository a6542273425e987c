//! Reading recordings.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::entry::{Entry, Input, Output};
use crate::header::{FORMAT, Header};

/// The longest line that is read, in bytes. A recorder writes none that is longer.
pub const LONGEST_LINE: usize = 64 << 20;
/// The largest recording that [`Recording`] keeps in memory, in bytes of the file.
pub const LARGEST_IN_MEMORY: u64 = 1 << 30;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the recording: {0}")]
    Io(#[from] io::Error),
    /// There is nothing.
    #[error("the recording is empty")]
    Empty,
    /// The first line is no header.
    #[error("line 1: this is no recording of an MQTT session: {0}")]
    NoRecording(String),
    /// Another version of the library wrote it.
    #[error("line 1: the recording has format {0}; this version of the library reads format {FORMAT}")]
    Format(u64),
    /// A line is not what the format says.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// It is too large to be kept in memory; [`Reader`] reads it entry by entry.
    #[error("the recording is larger than {LARGEST_IN_MEMORY} bytes")]
    TooLarge,
}

impl ReadError {
    fn line(line: u64, problem: impl Into<String>) -> Self {
        Self::Line { line, problem: problem.into() }
    }
}

/// Reads a recording entry by entry: it takes no more memory than the longest line.
///
/// The last line may be cut off, as it is when the recorder's process was killed: it is left out.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    header: Header,
    line: u64,
    buffer: Vec<u8>,
    at: u64,
    stored: u64,
    complete: bool,
    failed: bool,
}

impl Reader<BufReader<File>> {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// It cannot be read, or its first line is no header of a known version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::new(BufReader::new(File::open(path)?))
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the recording that `source` has.
    ///
    /// # Errors
    /// It cannot be read, or its first line is no header of a known version.
    pub fn new(mut source: R) -> Result<Self, ReadError> {
        let mut buffer = Vec::new();
        if next_line(&mut source, &mut buffer, 1)? == Line::End {
            return Err(ReadError::Empty);
        }
        let header = read_header(&buffer)?;
        let at = header.at;
        Ok(Self { source, header, line: 1, buffer, at, stored: 0, complete: false, failed: false })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The number of the line that was read last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the recording's own end was read.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let line = self.line + 1;
        let kind = next_line(&mut self.source, &mut self.buffer, line)?;
        if kind == Line::End {
            return Ok(None);
        }
        let entry = match parse::<Entry>(&self.buffer, line) {
            Err(_) if kind == Line::CutOff && !self.complete => return Ok(None),
            entry => entry?,
        };
        self.check(&entry, line)?;
        self.line = line;
        self.at = entry.at;
        self.complete = matches!(entry.output, Some(Output::End(_)));
        Ok(Some(entry))
    }

    /// Whether the entry may stand behind those before.
    fn check(&mut self, entry: &Entry, line: u64) -> Result<(), ReadError> {
        if self.complete {
            return Err(ReadError::line(line, "something follows the end of the recording"));
        }
        if entry.input.is_none() && entry.output.is_none() {
            return Err(ReadError::line(line, "an entry needs `in` or `out`"));
        }
        if entry.at < self.at {
            let problem = format!("the time {} is before that of the line before, {}", entry.at, self.at);
            return Err(ReadError::line(line, problem));
        }
        let promised = self.header.session.map_or(0, |session| session.records);
        let is_stored = matches!(entry.input, Some(Input::Stored(_)));
        if is_stored != (self.stored < promised) {
            let problem = format!(
                "the header says that the store had {promised} records, and here is number {}",
                self.stored + 1
            );
            let problem = if is_stored {
                problem
            } else {
                format!("the header says that {promised} records of the store come first")
            };
            return Err(ReadError::line(line, problem));
        }
        self.stored += u64::from(is_stored);
        Ok(())
    }
}

/// Ends with the first error.
impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.read();
        self.failed = entry.is_err();
        entry.transpose()
    }
}

/// A whole recording in memory.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions/mosquitto-5.0-tcp-traffic.jsonl");
/// let recording = sterna_record::Recording::load(path)?;
/// assert!(recording.is_complete());
/// recording.replay()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Recording {
    header: Header,
    entries: Vec<Entry>,
    complete: bool,
}

impl Recording {
    /// Reads the recording at `path`.
    ///
    /// # Errors
    /// It cannot be read, is damaged or too large.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let file = File::open(path)?;
        if file.metadata()?.len() > LARGEST_IN_MEMORY {
            return Err(ReadError::TooLarge);
        }
        Self::read(BufReader::new(file))
    }

    /// Reads the recording that `source` has.
    ///
    /// # Errors
    /// It cannot be read, is damaged or too large.
    pub fn read(source: impl BufRead) -> Result<Self, ReadError> {
        let mut bounded = source.take(LARGEST_IN_MEMORY + 1);
        let mut reader = Reader::new(&mut bounded)?;
        let entries = reader.by_ref().collect::<Result<_, _>>()?;
        let (header, complete) = (reader.header.clone(), reader.complete);
        drop(reader);
        if bounded.limit() == 0 {
            return Err(ReadError::TooLarge);
        }
        Ok(Self { header, entries, complete })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All lines behind it: number 0 is line 2.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Another recording of the same client.
    pub(crate) fn with_entries(&self, entries: Vec<Entry>) -> Self {
        Self { header: self.header.clone(), entries, complete: self.complete }
    }

    /// Whether it has an end: the recorder was not killed.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Whole,
    /// Without the line feed at its end.
    CutOff,
    /// There is none.
    End,
}

/// Reads the line with this number, without its line feed.
fn next_line(source: &mut impl BufRead, buffer: &mut Vec<u8>, line: u64) -> Result<Line, ReadError> {
    buffer.clear();
    let mut bounded = source.take(LONGEST_LINE as u64 + 1);
    bounded.read_until(b'\n', buffer)?;
    if buffer.is_empty() {
        return Ok(Line::End);
    }
    if buffer.pop_if(|last| *last == b'\n').is_some() {
        return Ok(Line::Whole);
    }
    if buffer.len() > LONGEST_LINE {
        return Err(ReadError::line(line, format!("it is longer than {LONGEST_LINE} bytes")));
    }
    Ok(Line::CutOff)
}

fn parse<T: DeserializeOwned>(text: &[u8], line: u64) -> Result<T, ReadError> {
    serde_json::from_slice(text).map_err(|error| ReadError::line(line, describe(&error)))
}

/// What is wrong with a line; its own idea of the line's number is of no use.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("{text} (column {})", error.column())
}

/// Looks for the version first: a later one may have other fields.
fn read_header(text: &[u8]) -> Result<Header, ReadError> {
    let value: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| ReadError::NoRecording(describe(&error)))?;
    let Some(format) = value.get("sterna_recording").and_then(serde_json::Value::as_u64) else {
        return Err(ReadError::NoRecording("the field `sterna_recording` is missing".into()));
    };
    if format != u64::from(FORMAT) {
        return Err(ReadError::Format(format));
    }
    parse(text, 1)
}
