//! What waits to be written: between the client, which never waits, and the thread that writes.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::entry::{Change, End, Entry, Input, Output};
use crate::header::Header;
use crate::recorder::Written;
use crate::redact::Redactor;

/// So long the writer gathers what comes before it writes: a busy client wakes it no more often.
const GATHER: Duration = Duration::from_millis(10);
/// Unless so many bytes wait.
const GATHERED: usize = 256 << 10;
/// A list of lines that grew beyond this is given back.
const KEEP: usize = 1_024;

/// A line that waits.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // All but one are entries.
pub(crate) enum Line {
    Header(Box<Header>),
    Entry(Entry),
}

#[derive(Default)]
struct State {
    waiting: Vec<Line>,
    /// What the entries among them take.
    bytes: usize,
    /// Nothing more comes.
    ended: bool,
    /// The writer sleeps until it is woken.
    asleep: bool,
    /// The writer has ended.
    finished: bool,
    outcome: Option<io::Result<Written>>,
}

/// The lines of one recording on their way.
#[derive(Default)]
pub(crate) struct Lines {
    state: Mutex<State>,
    wake: Condvar,
    room: Condvar,
    done: Condvar,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Lines {
    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first lines, which are there before anything happens and count against no limit.
    pub(crate) fn begin(&self, lines: Vec<Line>) {
        self.lock().waiting = lines;
    }

    /// Waits until an entry has room beside the others, or those are written.
    pub(crate) fn wait_for_room(&self, entry: &Entry, limit: usize) {
        let weight = weight(entry);
        let is_full = |state: &mut State| !state.finished && state.bytes > 0 && state.bytes + weight > limit;
        // Nothing panics under the lock.
        drop(self.room.wait_while(self.lock(), is_full));
    }

    /// Adds an entry; whether more can follow. Beyond `limit` bytes the end of the recording is added instead, which is
    /// the last.
    pub(crate) fn push(&self, entry: Entry, limit: usize) -> bool {
        let weight = weight(&entry);
        let mut state = self.lock();
        if state.finished || state.ended {
            return false;
        }
        let overflow = state.bytes + weight > limit;
        let last = overflow || matches!(entry.output, Some(Output::End(_)));
        state.ended |= last;
        let before = state.bytes;
        state.bytes += weight;
        let entry = if overflow { Entry::output(entry.at, Output::End(End::Overflow)) } else { entry };
        state.waiting.push(Line::Entry(entry));
        let is_much = before < GATHERED && state.bytes >= GATHERED;
        let wake = std::mem::take(&mut state.asleep) || is_much || last;
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        !last
    }

    /// Waits for lines; none: the last one was given.
    fn take(&self, lines: &mut Vec<Line>) {
        lines.clear();
        let mut state = self.lock();
        while state.waiting.is_empty() && !state.ended {
            state.asleep = true;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.asleep = false;
        let is_little = |state: &mut State| state.bytes < GATHERED && !state.ended;
        let gathered = self.wake.wait_timeout_while(state, GATHER, is_little);
        state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        state.bytes = 0;
        if lines.capacity() > KEEP {
            *lines = Vec::new();
        }
        std::mem::swap(&mut state.waiting, lines);
        drop(state);
        self.room.notify_all();
    }

    /// The writer's work, until the last line is written.
    ///
    /// # Errors
    /// The lines cannot be written.
    pub(crate) fn write_all(
        &self,
        write: Box<dyn Write + Send>,
        mut redactor: Redactor,
    ) -> io::Result<Written> {
        let mut output = Sink::new(write);
        let mut lines = Vec::new();
        loop {
            self.take(&mut lines);
            if lines.is_empty() {
                output.flush()?;
                return Ok(output.written);
            }
            for line in lines.drain(..) {
                match line {
                    Line::Header(mut header) => {
                        redactor.header(&mut header);
                        output.line(&header)?;
                    }
                    Line::Entry(entry) => {
                        if !redactor.entry(entry, &mut |entry| output.entry(entry))? {
                            output.flush()?;
                            return Ok(output.written);
                        }
                    }
                }
            }
            output.flush()?;
        }
    }

    /// The writer has ended so.
    pub(crate) fn finish(&self, outcome: io::Result<Written>) {
        let mut state = self.lock();
        state.finished = true;
        state.waiting = Vec::new();
        state.outcome.get_or_insert(outcome);
        drop(state);
        self.room.notify_all();
        self.done.notify_all();
    }

    /// Waits for that.
    ///
    /// # Errors
    /// The recording could not be written.
    pub(crate) fn wait(&self) -> io::Result<Written> {
        let mut state = self.lock();
        while !state.finished {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &state.outcome {
            Some(Ok(written)) => Ok(*written),
            Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(Written::default()),
        }
    }
}

/// Writes lines, and counts.
struct Sink {
    write: BufWriter<Box<dyn Write + Send>>,
    buffer: Vec<u8>,
    written: Written,
}

impl Sink {
    fn new(write: Box<dyn Write + Send>) -> Self {
        Self { write: BufWriter::new(write), buffer: Vec::new(), written: Written::default() }
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        self.write.write_all(&self.buffer)?;
        self.written.bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > GATHERED {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.written.entries += 1;
        self.written.overflow |= matches!(entry.output, Some(Output::End(End::Overflow)));
        self.line(entry)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write.flush()
    }
}

/// What an entry takes in memory, about.
pub(crate) fn weight(entry: &Entry) -> usize {
    let input = match &entry.input {
        Some(Input::Received { bytes, .. }) => bytes.len(),
        Some(Input::Publish(publish)) => {
            publish.topic.len() + publish.payload.len() + publish.properties.size()
        }
        Some(Input::Subscribe(subscribe)) => {
            subscribe
                .filters
                .iter()
                .map(|filter| filter.topic_filter.len() + size_of_val(filter))
                .sum::<usize>()
                + subscribe.properties.size()
        }
        Some(Input::Unsubscribe(unsubscribe)) => {
            unsubscribe.topic_filters.iter().map(|filter| filter.len() + size_of_val(filter)).sum::<usize>()
                + unsubscribe.properties.size()
        }
        _ => 0,
    };
    let output = match &entry.output {
        Some(Output::Transmit { bytes }) => bytes.len(),
        Some(Output::Message(message)) => {
            message.topic.len() + message.payload.len() + message.properties.size()
        }
        Some(Output::Persist { changes, .. }) => changes.iter().map(change_weight).sum(),
        _ => 0,
    };
    size_of::<Line>() + input + output
}

fn change_weight(change: &Change) -> usize {
    let bytes = match change {
        Change::Put(stored) => stored.key.len() + stored.record.len(),
        Change::Delete(key) => key.len(),
    };
    size_of::<Change>() + bytes
}
