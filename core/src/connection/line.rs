//! The messages of one kind whose acknowledgement is owed, in the order of arrival, each with its topic.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// How many bytes of a topic are kept, so that long topics cannot fill the memory.
const TOPIC_BYTES: usize = 1_024;

/// What stands before a topic: the packet identifier, and the topic's length.
const HEAD: usize = 4;

/// First in, first out. All stand one behind the other in one buffer, so that a message costs no allocation.
///
/// Topics are copied: once a message was handed over, only the application may have it, and a share in it would keep its
/// payload alive until the acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Line(VecDeque<u8>);

impl Line {
    pub(crate) fn push(&mut self, packet_id: u16) {
        self.0.extend(packet_id.to_be_bytes());
        self.0.extend([0, 0]);
    }

    /// Gives the message that came last its topic, if that is `packet_id` and has none yet.
    pub(crate) fn name(&mut self, packet_id: u16, topic: &[u8]) {
        let [high, low] = packet_id.to_be_bytes();
        // No topic ends with zeros, which it must not contain.
        if !self.0.iter().rev().take(HEAD).eq(&[0, 0, low, high]) {
            return;
        }
        let topic = &topic[..topic.len().min(TOPIC_BYTES)];
        self.0.truncate(self.0.len() - 2);
        self.0.extend((topic.len() as u16).to_be_bytes());
        self.0.extend(topic);
    }

    /// The packet identifier of the one that stands `at` this byte, and the length of its topic.
    fn head(&self, at: usize) -> Option<(u16, usize)> {
        let number = |at: usize| Some(u16::from_be_bytes([*self.0.get(at)?, *self.0.get(at + 1)?]));
        Some((number(at)?, usize::from(number(at + 2)?)))
    }

    pub(crate) fn front(&self) -> Option<u16> {
        self.head(0).map(|(packet_id, _)| packet_id)
    }

    /// The topic of the first; what is longer than 1,024 bytes is cut there.
    pub(crate) fn front_topic(&self) -> Box<str> {
        let length = self.head(0).map_or(0, |(_, length)| length);
        let bytes: Vec<u8> = self.0.iter().skip(HEAD).take(length).copied().collect();
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
        if let Some((_, length)) = self.head(0) {
            self.0.drain(..HEAD + length);
        }
    }

    /// Takes one out of its turn, at a cost that grows with those before it.
    pub(crate) fn remove(&mut self, packet_id: u16) {
        let mut at = 0;
        while let Some((other, length)) = self.head(at) {
            let end = at + HEAD + length;
            if other == packet_id {
                self.0.drain(at..end);
                return;
            }
            at = end;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        assert!(line.is_empty() && line.front_topic().is_empty());
    }

    #[test]
    fn one_can_leave_out_of_its_turn() {
        let mut line = Line::default();
        for (packet_id, topic) in [(7, "a"), (8, "b/c"), (9, "")] {
            line.push(packet_id);
            line.name(packet_id, topic.as_bytes());
        }
        line.remove(8);
        line.remove(10);
        assert_eq!((line.front(), &*line.front_topic()), (Some(7), "a"));
        line.pop();
        assert_eq!(line.front(), Some(9));
        line.remove(9);
        assert!(line.is_empty());
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
