//! Recordings: what went into a client and what came out of it, as a time-line.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde_json::Value;
use sterna_core::packet::Sender;
use sterna_record::{End, Entry, Event, Input, Outcome, Output, ReadError, Reader, Replay};

use crate::describe;
use crate::splitter::{Found, Splitter};
use crate::timeline::{Builder, Carrier, Clock, Connection, Local, LocalKind, Timeline};

/// Makes a time-line of a recording: the packets of all its network connections, and what went on inside the client.
/// How many operations wait to be sent is read from the client itself, which is replayed; where it does something else
/// than was recorded, a note says so.
///
/// # Errors
/// The input is no recording of a known format, or cannot be read.
pub fn read_recording(input: impl BufRead) -> Result<Timeline, ReadError> {
    let mut reader = Reader::new(input)?;
    let header = reader.header();
    let clock = if header.started.is_some() { Clock::Date } else { Clock::Origin };
    // Origins differ: what counts is how long after the client was made something happened.
    let origin = header.started.unwrap_or(0).saturating_sub(header.at);
    let mut view = View {
        out: Builder::new(clock),
        origin,
        replay: Replay::new(header).ok(),
        current: None,
        splitters: [Splitter::new(Sender::Client), Splitter::new(Sender::Server)],
        tokens: BTreeMap::new(),
        deadline: None,
        timers: BTreeSet::new(),
        last: header.at,
    };
    for entry in reader.by_ref() {
        view.entry(&entry?);
        if view.out.is_full() {
            view.note("the recording has more: it was read up to the time-line's limit");
            break;
        }
    }
    view.finish_connection();
    if !reader.is_complete() && !view.out.is_full() {
        view.note("the recording does not say how it ends: it was cut off");
    }
    Ok(view.out.finish())
}

struct View {
    out: Builder,
    /// What a recording's times count from.
    origin: u64,
    /// The client itself, as long as it does what was recorded.
    replay: Option<Replay>,
    /// The network connection.
    current: Option<usize>,
    splitters: [Splitter; 2],
    /// What the operations that have no outcome are.
    tokens: BTreeMap<u64, String>,
    deadline: Option<(u64, String)>,
    /// The timers that were told of on this connection.
    timers: BTreeSet<String>,
    /// The time of the last entry.
    last: u64,
}

impl View {
    fn time(&self) -> u64 {
        self.origin.saturating_add(self.last)
    }

    fn note(&mut self, text: &str) {
        self.out.note(self.time(), self.current, text);
    }

    fn tell(&mut self, kind: LocalKind, text: String, detail: &impl serde::Serialize) {
        self.tell_routine(kind, text, detail, false);
    }

    fn tell_routine(
        &mut self,
        kind: LocalKind,
        text: String,
        detail: &impl serde::Serialize,
        is_routine: bool,
    ) {
        let mut detail = serde_json::to_value(detail).unwrap_or(Value::Null);
        describe::redact_all(&mut detail);
        let queued = self.replay.as_ref().and_then(Replay::connection).map(|client| client.queued() as u32);
        self.out.local(self.time(), self.current, Local { kind, text, detail, queued, is_routine });
    }

    fn entry(&mut self, entry: &Entry) {
        self.last = entry.at;
        if let Some(replay) = &mut self.replay
            && let Err(error) = replay.step(entry)
        {
            self.replay = None;
            self.note(&format!("the replay differs from here on: {error}"));
        }
        if let Some(input) = &entry.input {
            self.input(input, entry.output.as_ref());
        } else if let Some(output) = &entry.output {
            self.output(output);
        }
    }

    fn input(&mut self, input: &Input, answer: Option<&Output>) {
        match input {
            Input::Received { bytes, cleared } => {
                if *cleared {
                    self.splitters[1] = Splitter::new(Sender::Server);
                }
                self.bytes(Sender::Server, bytes);
                if matches!(answer, Some(Output::Paused)) {
                    self.tell(LocalKind::Driver, "reading pauses".to_owned(), &Value::Null);
                }
            }
            Input::Connected(connected) => {
                self.tell(LocalKind::Driver, "the transport is connected".to_owned(), connected);
            }
            Input::Lost { kind, detail, .. } => {
                self.tell(LocalKind::Driver, format!("the transport is gone: {kind} {detail}"), input);
                self.finish_connection();
            }
            Input::Timeout => {
                if let Some((at, timer)) = self.deadline.take_if(|(at, _)| *at <= self.last) {
                    self.tell(LocalKind::Timer, format!("{timer} is due"), &Value::Null);
                    self.deadline = Some((at, timer)).filter(|(at, _)| *at > self.last);
                }
            }
            Input::Stored(_) => {
                self.tell(LocalKind::Store, "a record of the store is restored".to_owned(), input);
            }
            Input::Persisted { batch, error } => {
                let how = error.as_ref().map_or("is stored".to_owned(), |error| format!("failed: {error}"));
                self.tell(LocalKind::Store, format!("batch {batch} {how}"), &Value::Null);
            }
            // They change what a driver does, and nothing on the wire.
            Input::Written { .. } | Input::Backlog(_) => {}
            Input::Dropped { messages } => {
                self.tell(LocalKind::Driver, format!("{messages} messages were dropped"), &Value::Null);
            }
            _ => self.command(input, answer),
        }
    }

    fn command(&mut self, input: &Input, answer: Option<&Output>) {
        let clean = describe::clean_text;
        let text = match input {
            Input::Publish(publish) => {
                let payload = describe::bytes(&publish.payload);
                format!("publish {} {payload} QoS {}", clean(&publish.topic), publish.qos)
            }
            Input::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter();
                let filters = filters.map(|it| format!("{} QoS {}", clean(&it.topic_filter), it.qos));
                format!("subscribe {}", filters.collect::<Vec<_>>().join(", "))
            }
            Input::Unsubscribe(unsubscribe) => {
                let filters = unsubscribe.topic_filters.iter().map(|filter| clean(filter));
                format!("unsubscribe {}", filters.collect::<Vec<_>>().join(", "))
            }
            Input::Acknowledge { message, reason } => {
                format!("acknowledge message {} with 0x{reason:02x}", message.sequence)
            }
            Input::Cancel { token } => format!("cancel {}", self.name_of(*token)),
            other => variant(other),
        };
        let text = match answer {
            Some(Output::Token(token)) => {
                self.tokens.insert(*token, text.clone());
                format!("{text} (operation {token})")
            }
            Some(Output::Refused(failure)) => format!("{text}: refused, {}", failure.text),
            _ => text,
        };
        self.tell(LocalKind::Command, text, input);
    }

    fn output(&mut self, output: &Output) {
        match output {
            Output::Transmit { bytes } => self.bytes(Sender::Client, bytes),
            Output::Connect { attempt, server, redirect } => {
                self.finish_connection();
                let place = redirect.clone().unwrap_or_else(|| match server {
                    0 => "server".to_owned(),
                    other => format!("server {}", other + 1),
                });
                let connection = Connection::new(format!("attempt {attempt}"), place, Carrier::Tcp);
                self.current = self.out.connection(connection);
                self.timers.clear();
                self.tell(LocalKind::Driver, format!("connect, attempt {attempt}"), output);
            }
            Output::Close { attempt } => {
                self.tell(LocalKind::Driver, format!("close attempt {attempt}"), &Value::Null);
            }
            Output::Persist { batch, changes } => {
                let text = format!("batch {batch} of {} changes goes to the store", changes.len());
                self.tell(LocalKind::Store, text, output);
            }
            Output::Event(event) => self.event(event),
            Output::Message(message) => {
                let payload = describe::bytes(&message.payload);
                let topic = describe::clean_text(&message.topic);
                self.tell(
                    LocalKind::Event,
                    format!("message {topic} {payload} QoS {}", message.qos),
                    message,
                );
            }
            Output::Excess { bytes } => {
                self.tell(LocalKind::Driver, format!("{bytes} bytes of messages are to go"), &Value::Null);
            }
            Output::Deadline { at, timer } => {
                let after = describe::span(at.saturating_sub(self.last));
                self.deadline = Some((*at, timer.clone()));
                let is_known = !self.timers.insert(timer.clone());
                let text = format!("{timer} will be due in {after}");
                self.tell_routine(LocalKind::Timer, text, &Value::Null, is_known);
            }
            Output::NoDeadline => {
                self.deadline = None;
                self.tell(LocalKind::Timer, "nothing will be due".to_owned(), &Value::Null);
            }
            Output::End(end) => self.note(match end {
                End::Closed => "the recording ends with the client",
                End::Overflow => "the recording ends early: more came than could be written in time",
            }),
            Output::Token(_) | Output::Refused(_) | Output::Missing(_) | Output::Paused => {}
        }
    }

    fn event(&mut self, event: &Event) {
        let text = match event {
            // The packets themselves are there.
            Event::PacketSent(_) | Event::PacketReceived(_) => return,
            Event::Published { token, outcome }
            | Event::Subscribed { token, outcome }
            | Event::Unsubscribed { token, outcome }
            | Event::Reauthenticated { token, outcome } => {
                let how = match outcome {
                    Outcome::Ok { reasons, .. } => {
                        match reasons.iter().filter(|reason| **reason >= 0x80).count() {
                            0 => "succeeded".to_owned(),
                            refused if refused == reasons.len() => "was refused".to_owned(),
                            refused => format!("succeeded but for {refused} of {}", reasons.len()),
                        }
                    }
                    Outcome::Error(failure) => format!("failed: {}", failure.text),
                };
                let name = self.name_of(*token);
                self.tokens.remove(token);
                format!("{name} {how}")
            }
            Event::Stored { token } => format!("{} is stored", self.name_of(*token)),
            Event::Disconnected { cause, retry_at, .. } => {
                let next = retry_at.map(|at| describe::span(at.saturating_sub(self.last)));
                let next = next.map_or(String::new(), |span| format!(", again in {span}"));
                format!("disconnected: {}{next}", cause.text)
            }
            Event::Closed { cause } => format!("closed: {}", cause.text),
            Event::Connected { session_present, .. } => {
                format!("connected{}", if *session_present { ", the session goes on" } else { "" })
            }
            other => variant(other),
        };
        self.tell(LocalKind::Event, text, event);
    }

    fn name_of(&self, token: u64) -> String {
        match self.tokens.get(&token) {
            Some(name) => format!("operation {token}, {name},"),
            None => format!("operation {token}"),
        }
    }

    /// Bytes in one direction of the current network connection.
    fn bytes(&mut self, sender: Sender, bytes: &[u8]) {
        let Some(connection) = self.current else { return };
        let version = self.out.version(connection);
        let mut found = Vec::new();
        self.splitters[sender as usize].receive(bytes, version, &mut |what| found.push(what));
        self.found(connection, sender, found);
    }

    fn found(&mut self, connection: usize, sender: Sender, found: Vec<Found>) {
        let time = self.time();
        for what in found {
            self.out.found(time, connection, sender, what);
        }
    }

    fn finish_connection(&mut self) {
        let Some(connection) = self.current.take() else { return };
        let version = self.out.version(connection);
        for sender in [Sender::Client, Sender::Server] {
            let mut found = Vec::new();
            let mut splitter = std::mem::replace(&mut self.splitters[sender as usize], Splitter::new(sender));
            splitter.finish(version, &mut |what| found.push(what));
            self.found(connection, sender, found);
        }
    }
}

/// The name of a variant, as the recording has it.
fn variant(value: &impl serde::Serialize) -> String {
    let name = match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object.keys().next().cloned().unwrap_or_default(),
        Ok(Value::String(name)) => name,
        _ => String::new(),
    };
    name.replace('_', " ")
}
