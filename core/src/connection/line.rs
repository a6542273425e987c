//! The messages of one kind whose acknowledgement is owed, in the order of arrival, each with its topic.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// How many bytes of a topic are kept, so that long topics cannot fill the memory.
const TOPIC_BYTES: usize = 1_024;

#[derive(Debug)]
struct Entry {
    packet_id: u16,
    /// How many bytes `topics` has of it.
    topic: u16,
}

/// First in, first out. The topics stand one behind the other, so that a message costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Line {
    entries: VecDeque<Entry>,
    topics: VecDeque<u8>,
}

impl Line {
    pub(crate) fn push(&mut self, packet_id: u16) {
        self.entries.push_back(Entry { packet_id, topic: 0 });
    }

    /// Gives the message that came last its topic, if that is `packet_id` and has none yet.
    pub(crate) fn name(&mut self, packet_id: u16, topic: &[u8]) {
        let Some(entry) = self.entries.back_mut() else { return };
        if entry.packet_id == packet_id && entry.topic == 0 {
            let topic = &topic[..topic.len().min(TOPIC_BYTES)];
            entry.topic = topic.len() as u16;
            self.topics.extend(topic);
        }
    }

    pub(crate) fn front(&self) -> Option<u16> {
        self.entries.front().map(|entry| entry.packet_id)
    }

    /// The topic of the first; what is longer than 1,024 bytes is cut there.
    pub(crate) fn front_topic(&self) -> Box<str> {
        let length = self.entries.front().map_or(0, |entry| usize::from(entry.topic));
        let bytes: Vec<u8> = self.topics.iter().take(length).copied().collect();
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            // Cut within a character.
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned()
            }
        };
        text.into_boxed_str()
    }

    pub(crate) fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.topics.drain(..usize::from(entry.topic));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_topic_in_turn() {
        let mut line = Line::default();
        for (packet_id, topic) in [(7, "a"), (8, "b/c"), (9, "")] {
            line.push(packet_id);
            line.name(packet_id, topic.as_bytes());
            line.name(packet_id + 1, b"another's");
        }
        line.name(9, b"late");
        line.name(9, b"twice");
        for (packet_id, topic) in [(7, "a"), (8, "b/c"), (9, "late")] {
            assert_eq!((line.front(), &*line.front_topic()), (Some(packet_id), topic));
            line.pop();
        }
        assert!(line.is_empty() && line.topics.is_empty() && line.front_topic().is_empty());
    }

    #[test]
    fn a_long_topic_is_cut_at_a_character() {
        let mut line = Line::default();
        line.push(1);
        let topic = alloc::format!("a{}", "é".repeat(600));
        line.name(1, topic.as_bytes());
        assert_eq!(*line.front_topic(), topic[..1_023]);
    }
}
