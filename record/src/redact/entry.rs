//! The values of headers and entries.

use sterna_core::StoredMessage;

use super::{Kind, Values};
use crate::data::Hex;
use crate::entry::{
    Auth, Change, Connected, Entry, Input, Message, Output, Publish, StoredRecord, Subscribe, Unsubscribe,
    Will, WillOverride,
};
use crate::event::{Event, Outcome};
use crate::failure::Failure;
use crate::header::Header;

/// The first byte of the key of a stored message.
const MESSAGE: u8 = 1;

impl Values {
    pub(super) fn header(&mut self, header: &mut Header) {
        let config = &mut header.config;
        self.option(Kind::Secret, config.password.as_mut());
        self.option(Kind::Secret, config.authentication_data.as_mut());
        if let Some(user_name) = &mut config.user_name {
            self.text(Kind::UserName, user_name);
        }
        if let Some(will) = &mut config.will {
            self.will(will);
        }
        self.properties(&mut config.user_properties);
    }

    /// All but the bytes to and from the server.
    pub(super) fn entry(&mut self, entry: &mut Entry) {
        if let Some(input) = &mut entry.input {
            self.input(input);
        }
        if let Some(output) = &mut entry.output {
            self.output(output);
        }
    }

    fn option(&mut self, kind: Kind, bytes: Option<&mut Hex>) {
        if let Some(bytes) = bytes {
            self.bytes(kind, bytes);
        }
    }

    fn input(&mut self, input: &mut Input) {
        match input {
            Input::Stored(record) => self.stored(record),
            Input::Connected(connected) => self.connected(connected),
            Input::Publish(publish) => self.publish(publish),
            Input::Subscribe(Subscribe { filters, properties, .. }) => {
                for filter in filters {
                    self.text(Kind::Topic, &mut filter.topic_filter);
                }
                self.properties(properties);
            }
            Input::Unsubscribe(Unsubscribe { topic_filters, properties, .. }) => {
                for filter in topic_filters {
                    self.text(Kind::Topic, filter);
                }
                self.properties(properties);
            }
            Input::Authenticate { auth, .. } | Input::Reauthenticate(auth) => self.auth(auth),
            Input::Disconnect { properties, .. } => {
                self.disconnects(properties);
                self.properties(properties);
            }
            _ => {}
        }
    }

    fn output(&mut self, output: &mut Output) {
        match output {
            Output::Persist { changes, .. } => {
                for change in changes {
                    if let Change::Put(record) = change {
                        self.stored(record);
                    }
                }
            }
            Output::Event(event) => self.event(event),
            Output::Message(message) => self.message(message),
            _ => {}
        }
    }

    fn will(&mut self, will: &mut Will) {
        self.text(Kind::Topic, &mut will.topic);
        self.bytes(Kind::Payload, &mut will.payload);
        self.properties(&mut will.properties);
    }

    fn connected(&mut self, connected: &mut Connected) {
        if let Some(credentials) = &mut connected.credentials {
            if let Some(user_name) = &mut credentials.user_name {
                self.text(Kind::UserName, user_name);
            }
            self.option(Kind::Secret, credentials.password.as_mut());
        }
        self.option(Kind::Secret, connected.authentication_data.as_mut());
        if let Some(properties) = &mut connected.user_properties {
            self.properties(properties);
        }
        if let Some(WillOverride::Will(will)) = &mut connected.will {
            self.will(will);
        }
    }

    fn publish(&mut self, publish: &mut Publish) {
        self.text(Kind::Topic, &mut publish.topic);
        self.bytes(Kind::Payload, &mut publish.payload);
        self.properties(&mut publish.properties);
    }

    fn auth(&mut self, auth: &mut Auth) {
        self.option(Kind::Secret, auth.data.as_mut());
        self.properties(&mut auth.properties);
    }

    fn message(&mut self, message: &mut Message) {
        self.text(Kind::Topic, &mut message.topic);
        self.bytes(Kind::Payload, &mut message.payload);
        self.properties(&mut message.properties);
    }

    /// A record of the store: a message in it is redacted in its place.
    fn stored(&mut self, stored: &mut StoredRecord) {
        if stored.key.first() != Some(&MESSAGE) {
            return;
        }
        let mut record = stored.record.to_vec();
        let Some(message) = StoredMessage::read(&stored.record) else { return };
        let start = stored.record.as_ptr() as usize;
        let mut hide = |part: &[u8], kind| {
            let start = part.as_ptr() as usize - start;
            self.hide(kind, &mut record[start..start + part.len()]);
        };
        super::packet::each_property(message.properties, &mut hide);
        hide(message.topic.as_bytes(), Kind::Topic);
        hide(message.payload, Kind::Payload);
        stored.record = record.into();
    }

    fn failure(&mut self, failure: &mut Failure) {
        if self.hides(Kind::Text) && !failure.properties.is_empty() {
            // It has the server's text.
            failure.text.clear();
        }
        self.properties(&mut failure.properties);
    }

    fn outcome(&mut self, outcome: &mut Outcome) {
        match outcome {
            Outcome::Ok { properties, .. } => self.properties(properties),
            Outcome::Error(failure) => self.failure(failure),
        }
    }

    fn event(&mut self, event: &mut Event) {
        match event {
            Event::Disconnected { cause, .. } | Event::Closed { cause } => self.failure(cause),
            Event::Published { outcome, .. }
            | Event::Subscribed { outcome, .. }
            | Event::Unsubscribed { outcome, .. }
            | Event::Reauthenticated { outcome, .. } => self.outcome(outcome),
            Event::Resubscribed { filter: topic, .. } | Event::AckBlocked { topic, .. } => {
                self.text(Kind::Topic, topic);
            }
            Event::Authenticate { properties, .. } => self.properties(properties),
            // One that this version does not know may have anything in it.
            Event::Other(text) => self.text(Kind::Text, text),
            _ => {}
        }
    }
}
