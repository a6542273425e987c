//! Replaying: what went in goes in again, and what comes out is compared.

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use sterna_core::{Batch, Connection, Instant, Key, Session, Statistics, Transmit};

use crate::difference::{Context, Difference};
use crate::entry::{End, Entry, Input, Message, Output, StoredRecord};
use crate::event::Event;
use crate::header::Header;
use crate::read::{ReadError, Reader, Recording};

/// How many entries before a difference are shown with it.
const RECENT: usize = 8;

/// Why a recording was not replayed to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A line describes what no client can do.
    #[error("line {line}: {problem}")]
    Unlawful {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Something else came out than was recorded.
    #[error("{0}")]
    Difference(Box<Difference>),
}

/// What a whole replay was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// How many entries there were.
    pub entries: u64,
    /// The time from the first to the last, in microseconds: what the client lived through.
    pub duration: u64,
    /// The connection's counters at the end.
    pub statistics: Statistics,
    /// How the recording ends; `None` if it was cut off.
    pub end: Option<End>,
}

impl Recording {
    /// Feeds everything that went in to a new [`Connection`], and compares everything that comes out.
    ///
    /// # Errors
    /// The first difference; or a line describes what no client can do.
    pub fn replay(&self) -> Result<Summary, ReplayError> {
        let mut replay = Replay::new(self.header())?;
        for entry in self.entries() {
            replay.step(entry)?;
        }
        replay.finish()
    }
}

impl<R: std::io::BufRead> Reader<R> {
    /// As [`Recording::replay`], reading on while it replays.
    ///
    /// # Errors
    /// The first difference; or the recording cannot be read, or a line describes what no client can do.
    pub fn replay(mut self) -> Result<Summary, ReplayError> {
        let mut replay = Replay::new(self.header())?;
        for entry in &mut self {
            replay.step(&entry?)?;
        }
        replay.finish()
    }
}

impl<R: std::io::BufRead> Reader<R> {
    /// Replays up to the line with this number, from 1 for the header, and gives the state after it; at the end of the
    /// recording if that is before.
    ///
    /// # Errors
    /// As [`replay`](Self::replay), but for what is behind that line.
    pub fn replay_until(mut self, line: u64) -> Result<Context, ReplayError> {
        let mut replay = Replay::new(self.header())?;
        while replay.line() < line
            && let Some(entry) = self.next()
        {
            replay.step(&entry?)?;
        }
        Ok(replay.context())
    }
}

/// A replay entry by entry, for a look at the state between two of them.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/sessions/mosquitto-5.0-tcp-traffic.jsonl");
/// use sterna_record::{Recording, Replay};
///
/// let recording = Recording::load(path)?;
/// let mut replay = Replay::new(recording.header())?;
/// for entry in &recording.entries()[..10] {
///     replay.step(entry)?;
/// }
/// println!("{}", replay.context());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Replay {
    header: Header,
    /// Until the store's records are there.
    session: Option<Session>,
    connection: Option<Connection>,
    transmit: Transmit,
    received: BytesMut,
    entries: u64,
    at: u64,
    recent: VecDeque<Entry>,
    end: Option<End>,
}

impl Replay {
    /// The beginning of the recording with this header.
    ///
    /// # Errors
    /// No client has this configuration.
    pub fn new(header: &Header) -> Result<Self, ReplayError> {
        let mut replay = Self {
            header: header.clone(),
            session: None,
            connection: None,
            transmit: Transmit::new(),
            received: BytesMut::new(),
            entries: 0,
            at: header.at,
            recent: VecDeque::new(),
            end: None,
        };
        if let Some(stored) = header.session {
            let session = Session::new();
            replay.session = Some(match stored.wall_clock {
                Some(micros) => session.wall_clock(std::time::Duration::from_micros(micros)),
                None => session,
            });
        }
        if header.session.is_none_or(|session| session.records == 0) {
            replay.begin().map_err(|problem| ReplayError::Unlawful { line: 1, problem })?;
        }
        Ok(replay)
    }

    /// Makes the connection.
    fn begin(&mut self) -> Result<(), String> {
        let now = Instant::from_micros(self.header.at);
        let config = self.header.config.restore().ok_or("no client has this configuration")?;
        let connection = match self.session.take() {
            Some(session) => Connection::restore(config, session, now).map_err(|error| error.to_string())?,
            None => Connection::new(config, now).map_err(|error| error.to_string())?,
        };
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection as it is now; `None` before the last record of its store was read.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// The number of the line that was replayed last, from 1 for the header.
    pub fn line(&self) -> u64 {
        self.entries + 1
    }

    /// The time of the entry that was replayed last, in microseconds since the client's origin.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Where the replay is.
    pub fn context(&self) -> Context {
        Context::new(self)
    }

    pub(crate) fn recent(&self) -> &VecDeque<Entry> {
        &self.recent
    }

    /// Replays one more entry.
    ///
    /// # Errors
    /// Something else comes out than was recorded, or the entry describes what no client can do. A replay that has failed
    /// is not to be continued.
    pub fn step(&mut self, entry: &Entry) -> Result<(), ReplayError> {
        let line = self.entries + 2;
        self.enter();
        let actual = self.call(entry).map_err(|problem| ReplayError::Unlawful { line, problem })?;
        if actual != entry.output {
            let difference = Difference::new(line, entry.clone(), actual, self.context());
            return Err(ReplayError::Difference(Box::new(difference)));
        }
        self.passed(entry);
        Ok(())
    }

    /// As [`step`](Self::step), but whatever comes out is right; what it is.
    pub(crate) fn bless(&mut self, entry: &Entry) -> Result<Option<Output>, ReplayError> {
        let line = self.entries + 2;
        self.enter();
        let actual = self.call(entry).map_err(|problem| ReplayError::Unlawful { line, problem })?;
        self.passed(entry);
        Ok(actual)
    }

    /// Events, actions and messages that nobody has polled, where the entries before end with what was polled.
    pub(crate) fn leftovers(&mut self, before: &[Entry]) -> Vec<Output> {
        let Some(connection) = &mut self.connection else { return Vec::new() };
        let polled = |wanted: fn(&Output) -> bool| {
            let outputs = before.iter().rev().take_while(|entry| entry.input.is_none());
            outputs.filter_map(|entry| entry.output.as_ref()).any(wanted)
        };
        let mut rest = Vec::new();
        if polled(|output| matches!(output, Output::Event(_))) {
            while let Some(event) = connection.poll_event() {
                rest.push(Output::Event(Event::new(&event, connection.version())));
            }
        }
        if polled(|output| matches!(output, Output::Connect { .. } | Output::Close { .. })) {
            rest.extend(
                std::iter::from_fn(|| connection.poll_action()).map(|action| Output::action(&action)),
            );
        }
        if polled(|output| matches!(output, Output::Message(_))) {
            let messages = std::iter::from_fn(|| connection.poll_message());
            rest.extend(messages.map(|message| Output::Message(Message::new(&message))));
        }
        rest
    }

    /// Has the application's word on trying again be the recorded one.
    fn enter(&self) {
        if let Some(retry) = &self.header.config.reconnect.retry {
            retry.enter();
        }
    }

    fn passed(&mut self, entry: &Entry) {
        self.entries += 1;
        self.at = entry.at;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(entry.clone());
    }

    /// What comes out now in the place of the entry's output.
    fn call(&mut self, entry: &Entry) -> Result<Option<Output>, String> {
        let now = Instant::from_micros(entry.at);
        if let Some(Input::Stored(stored)) = &entry.input {
            self.load(stored)?;
            return Ok(None);
        }
        let connection = self.connection.as_mut().ok_or("a record of the store is missing")?;
        match (&entry.input, &entry.output) {
            (Some(input), _) => input.apply(connection, now, &mut self.received),
            (None, Some(Output::End(end))) => {
                self.end = Some(*end);
                let rest = (*end == End::Closed).then(|| self.rest()).flatten();
                Ok(rest.or_else(|| entry.output.clone()))
            }
            (None, Some(output)) => self.poll(output, now),
            (None, None) => Err("an entry needs `in` or `out`".into()),
        }
    }

    /// A record of the store; with the last one the connection begins.
    fn load(&mut self, stored: &StoredRecord) -> Result<(), String> {
        let session = self.session.as_mut().ok_or("the header says nothing of this record of a store")?;
        let key = Key::from_bytes(&stored.key).ok_or("this is no key of a record")?;
        session.load(key, &stored.record).map_err(|error| error.to_string())?;
        let promised = self.header.session.map_or(0, |session| session.records);
        if self.entries + 1 == promised { self.begin() } else { Ok(()) }
    }

    /// Asks for an output of the kind that was recorded.
    fn poll(&mut self, recorded: &Output, now: Instant) -> Result<Option<Output>, String> {
        let connection = self.connection.as_mut().ok_or("there is no connection")?;
        Ok(match recorded {
            Output::Transmit { .. } => {
                // A driver drops what was left of an earlier connection; here all that was given was written.
                self.transmit.advance(self.transmit.remaining());
                connection.poll_transmit(now, &mut self.transmit);
                Some(Output::transmit(&self.transmit, 0))
            }
            Output::Connect { .. } | Output::Close { .. } => {
                connection.poll_action().as_ref().map(Output::action)
            }
            Output::Persist { .. } => {
                let mut batch = Batch::new();
                connection.poll_persist(&mut batch).map(|id| Output::persist(id, &batch))
            }
            Output::Event(_) => {
                let event = connection.poll_event();
                event.map(|event| Output::Event(Event::new(&event, connection.version())))
            }
            Output::Message(_) => {
                connection.poll_message().map(|message| Output::Message(Message::new(&message)))
            }
            Output::Excess { .. } => Some(Output::Excess { bytes: connection.poll_excess() as u64 }),
            Output::Deadline { .. } | Output::NoDeadline => Some(Output::deadline(connection.poll_timeout())),
            Output::Token(_) | Output::Refused(_) | Output::Missing(_) | Output::Paused | Output::End(_) => {
                return Err("an answer without its call".into());
            }
        })
    }

    /// What the connection still has to say at the end of a recording, which has everything.
    fn rest(&mut self) -> Option<Output> {
        let connection = self.connection.as_mut()?;
        let version = connection.version();
        let event = connection.poll_event().map(|event| Output::Event(Event::new(&event, version)));
        let message = || connection.poll_message().map(|message| Output::Message(Message::new(&message)));
        event.or_else(message)
    }

    /// The end of the recording.
    ///
    /// # Errors
    /// The records of the store are not all there.
    pub fn finish(self) -> Result<Summary, ReplayError> {
        let line = self.line();
        let Some(connection) = &self.connection else {
            return Err(ReplayError::Unlawful { line, problem: "a record of the store is missing".into() });
        };
        Ok(Summary {
            entries: self.entries,
            duration: self.at - self.header.at,
            statistics: connection.statistics(),
            end: self.end,
        })
    }
}
