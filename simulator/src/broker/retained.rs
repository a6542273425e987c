//! Retained messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use sterna_core::topic;

use super::message::Message;
use super::{Instant, Options};

/// The last retained message of each topic.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<String, Arc<Message>>,
    bytes: usize,
}

impl Retained {
    /// Stores `message` in its topic's place; an empty payload only removes what is there
    /// [MQTT-3.3.1-5, -6, -7]. Whether there was room.
    pub(super) fn store(&mut self, message: &Arc<Message>, options: &Options) -> bool {
        if let Some(old) = self.messages.remove(&message.topic) {
            self.bytes -= old.size();
        }
        if message.payload.is_empty() {
            return true;
        }
        let size = message.size();
        if self.messages.len() >= options.maximum_retained_messages
            || self.bytes + size > options.maximum_retained_bytes
        {
            return false;
        }
        self.bytes += size;
        self.messages.insert(message.topic.clone(), Arc::clone(message));
        true
    }

    /// The messages whose topic matches, in the order of their topics. Expired ones are forgotten.
    pub(super) fn matching(&mut self, filter: &str, now: Instant) -> Vec<Arc<Message>> {
        self.forget_expired(now);
        if !has_wildcard(filter) {
            return self.messages.get(filter).into_iter().cloned().collect();
        }
        self.messages.values().filter(|message| topic::matches(filter, &message.topic)).cloned().collect()
    }

    fn forget_expired(&mut self, now: Instant) {
        let bytes = &mut self.bytes;
        self.messages.retain(|_, message| {
            let keep = !message.is_expired(now);
            if !keep {
                *bytes -= message.size();
            }
            keep
        });
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

/// Whether a topic filter can match more than one topic.
pub(super) fn has_wildcard(filter: &str) -> bool {
    filter.contains(['+', '#'])
}
