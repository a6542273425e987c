//! Making secrets unreadable: every value keeps its length, and equal ones stay equal, so that a recording can still be
//! replayed.

mod entry;
mod names;
mod packet;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;

use sterna_core::packet::{Properties, PropertiesBuf, Property};

pub(crate) use self::names::Key;
use self::names::Names;
use self::stream::Stream;
use crate::data::{Hex, PropertyList};
use crate::entry::{End, Entry, Input, Output};
use crate::header::{Header, Redacted};
use crate::line::weight;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A password, or authentication data.
    Secret,
    UserName,
    /// A topic name or filter.
    Topic,
    /// A text of the server's, which may have topics in it.
    Text,
    Payload,
}

/// Redacts one recording, line by line. Entries are held back while a packet whose end is missing must be redacted as a whole.
pub(crate) struct Redactor {
    values: Values,
    stream: Stream,
    held: VecDeque<Entry>,
    /// What they take.
    held_bytes: usize,
    limit: usize,
}

impl Redactor {
    pub(crate) fn new(redacted: Redacted, key: &Key, limit: usize) -> Self {
        Self {
            values: Values { redacted, names: Names::new(key), farewell: None },
            stream: Stream::default(),
            held: VecDeque::new(),
            held_bytes: 0,
            limit,
        }
    }

    pub(crate) fn header(&mut self, header: &mut Header) {
        self.values.header(header);
    }

    /// Takes an entry, and gives those that are ready; whether more can follow.
    ///
    /// # Errors
    /// Those of `write`.
    pub(crate) fn entry(
        &mut self,
        mut entry: Entry,
        write: &mut dyn FnMut(&Entry) -> io::Result<()>,
    ) -> io::Result<bool> {
        let is_end = matches!(entry.output, Some(Output::End(_)));
        match (&entry.input, &mut entry.output) {
            (Some(Input::Received { bytes, cleared }), _) => {
                if *cleared {
                    self.stream.cut(&mut self.values);
                }
                self.stream.receive(bytes, &mut self.values);
            }
            (Some(Input::Connected(_)), _) => self.stream.begin(&mut self.values),
            (Some(Input::Lost { .. }), _) | (_, Some(Output::Close { .. } | Output::End(_))) => {
                self.stream.end(&mut self.values);
            }
            (None, Some(Output::Transmit { bytes })) => {
                *bytes = self.stream.transmit(bytes, &mut self.values);
            }
            _ => {}
        }
        self.values.entry(&mut entry);
        let at = entry.at;
        self.held_bytes += weight(&entry);
        self.held.push_back(entry);
        self.release(write)?;
        if self.held_bytes > self.limit && !is_end {
            // What is held cannot be shown, and no more can be held.
            write(&Entry::output(
                self.held.front().map_or(at, |entry| entry.at),
                Output::End(End::Overflow),
            ))?;
            return Ok(false);
        }
        Ok(!is_end)
    }

    /// Gives the entries at the front whose bytes are redacted.
    fn release(&mut self, write: &mut dyn FnMut(&Entry) -> io::Result<()>) -> io::Result<()> {
        while let Some(entry) = self.held.front_mut() {
            let weight = weight(entry);
            if let Some(Input::Received { bytes, .. }) = &mut entry.input {
                let Some(redacted) = self.stream.take(bytes.len()) else { return Ok(()) };
                *bytes = Hex(redacted);
            }
            self.held_bytes -= weight;
            write(entry)?;
            self.held.pop_front();
        }
        Ok(())
    }
}

fn reason_string(properties: Properties<'_>) -> Option<&str> {
    properties.into_iter().find_map(|property| match property {
        Property::ReasonString(text) => Some(text),
        _ => None,
    })
}

/// Redacts values.
pub(crate) struct Values {
    redacted: Redacted,
    names: Names,
    /// The Reason String that the application has for DISCONNECT: any other one is the connection's own, which a replay says
    /// again as it is.
    farewell: Option<Box<str>>,
}

impl Values {
    /// The application disconnects with these properties.
    fn disconnects(&mut self, properties: &PropertyList) {
        let farewell = reason_string(properties.0.as_properties());
        self.farewell = farewell.map(Into::into);
    }

    /// Whether values of this kind are redacted.
    pub(crate) fn hides(&self, kind: Kind) -> bool {
        match kind {
            Kind::Secret => self.redacted.secrets,
            Kind::UserName => self.redacted.user_names,
            Kind::Topic | Kind::Text => self.redacted.topics,
            Kind::Payload => self.redacted.payloads,
        }
    }

    /// Makes `bytes` unreadable.
    pub(crate) fn hide(&mut self, kind: Kind, bytes: &mut [u8]) {
        if !self.hides(kind) {
            return;
        }
        match kind {
            Kind::Secret | Kind::UserName => bytes.fill(b'*'),
            Kind::Topic => self.names.topic(bytes),
            Kind::Text | Kind::Payload => self.names.hash(bytes),
        }
    }

    fn text(&mut self, kind: Kind, text: &mut String) {
        if self.hides(kind) {
            let mut bytes = std::mem::take(text).into_bytes();
            self.hide(kind, &mut bytes);
            // Only whole runs of characters are replaced, and by ASCII.
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }

    fn bytes(&mut self, kind: Kind, bytes: &mut Hex) {
        if self.hides(kind) {
            let mut copy = bytes.to_vec();
            self.hide(kind, &mut copy);
            *bytes = copy.into();
        }
    }

    fn properties(&mut self, list: &mut PropertyList) {
        if list.is_empty() {
            return;
        }
        let mut changed = PropertiesBuf::new();
        for property in list.0.as_properties() {
            let pushed = match property {
                Property::ResponseTopic(text) => {
                    changed.push(Property::ResponseTopic(&self.hidden_text(Kind::Topic, text)))
                }
                Property::ResponseInformation(text) => {
                    changed.push(Property::ResponseInformation(&self.hidden_text(Kind::Text, text)))
                }
                Property::ReasonString(text) => {
                    changed.push(Property::ReasonString(&self.hidden_text(Kind::Text, text)))
                }
                Property::CorrelationData(data) => {
                    changed.push(Property::CorrelationData(&self.hidden(Kind::Payload, data)))
                }
                Property::AuthenticationData(data) => {
                    changed.push(Property::AuthenticationData(&self.hidden(Kind::Secret, data)))
                }
                Property::UserProperty { name, value } => changed.push(Property::UserProperty {
                    name: &self.hidden_text(Kind::Payload, name),
                    value: &self.hidden_text(Kind::Payload, value),
                }),
                other => changed.push(other),
            };
            // What was valid before is valid again; what is not is left out rather than shown.
            let _ = pushed;
        }
        list.0 = changed;
    }

    fn hidden(&mut self, kind: Kind, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        self.hide(kind, &mut bytes);
        bytes
    }

    fn hidden_text(&mut self, kind: Kind, text: &str) -> String {
        let mut text = text.to_owned();
        self.text(kind, &mut text);
        text
    }
}
