//! The messages of one kind whose acknowledgement is owed, in the order of arrival, each with its topic.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

/// How many bytes of a topic are kept, so that long topics cannot fill the memory.
const TOPIC_BYTES: usize = 1_024;

/// First in, first out.
///
/// Topics are copied: once a message was handed over, only the application may have it, and a share in it would keep its
/// payload alive until the acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Line(Option<Box<Lined>>);

#[derive(Debug, Default)]
struct Lined {
    /// The packet identifiers, and how long their topics are.
    heads: VecDeque<(u16, u16)>,
    /// The topics, one behind the other, so that a message costs no allocation.
    topics: Vec<u8>,
    /// Where the first one's begins; what is before it is of messages that have left.
    start: usize,
}

impl Line {
    pub(crate) fn push(&mut self, packet_id: u16) {
        self.0.get_or_insert_default().heads.push_back((packet_id, 0));
    }

    /// Gives the message that came last its topic, if that is `packet_id` and has none yet.
    pub(crate) fn name(&mut self, packet_id: u16, topic: &[u8]) {
        let Some(Lined { heads, topics, .. }) = self.0.as_deref_mut() else { return };
        let Some((_, length)) = heads.back_mut().filter(|head| **head == (packet_id, 0)) else { return };
        let topic = &topic[..topic.len().min(TOPIC_BYTES)];
        *length = topic.len() as u16;
        topics.extend_from_slice(topic);
    }

    #[inline]
    fn head(&self) -> Option<(u16, u16)> {
        self.0.as_deref()?.heads.front().copied()
    }

    #[inline]
    pub(crate) fn front(&self) -> Option<u16> {
        self.head().map(|(packet_id, _)| packet_id)
    }

    /// The topic of the first; what is longer than 1,024 bytes is cut there.
    pub(crate) fn front_topic(&self) -> Box<str> {
        let (Some(Lined { topics, start, .. }), Some((_, length))) = (self.0.as_deref(), self.head()) else {
            return Box::default();
        };
        let bytes = &topics[*start..*start + usize::from(length)];
        let text = match core::str::from_utf8(bytes) {
            Ok(text) => String::from(text),
            // Cut within a character.
            Err(error) => String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned(),
        };
        text.into_boxed_str()
    }

    pub(crate) fn pop(&mut self) {
        let Some(Lined { heads, topics, start }) = self.0.as_deref_mut() else { return };
        let Some((_, length)) = heads.pop_front() else { return };
        *start += usize::from(length);
        if *start == topics.len() {
            topics.clear();
            *start = 0;
        } else if *start > topics.len() / 2 && *start > TOPIC_BYTES {
            topics.drain(..*start);
            *start = 0;
        }
    }

    /// Takes one out of its turn, at a cost that grows with the others.
    pub(crate) fn remove(&mut self, packet_id: u16) {
        let Some(Lined { heads, topics, start }) = self.0.as_deref_mut() else { return };
        let mut at = *start;
        for index in 0..heads.len() {
            let (other, length) = heads[index];
            let end = at + usize::from(length);
            if other == packet_id {
                heads.remove(index);
                topics.drain(at..end);
                return;
            }
            at = end;
        }
    }

    /// Gives memory back that its messages do not need.
    pub(crate) fn trim(&mut self) {
        if self.is_empty() {
            self.0 = None;
        } else if let Some(Lined { heads, topics, start }) = self.0.as_deref_mut() {
            topics.drain(..core::mem::take(start));
            topics.shrink_to_fit();
            heads.shrink_to_fit();
        }
    }

    fn is_empty(&self) -> bool {
        self.head().is_none()
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
    fn what_is_left_keeps_its_topic_when_memory_is_given_back() {
        let mut line = Line::default();
        for packet_id in 1..=1_000 {
            line.push(packet_id);
            line.name(packet_id, alloc::format!("topic/{packet_id}").as_bytes());
        }
        for _ in 1..1_000 {
            line.pop();
        }
        line.trim();
        assert_eq!((line.front(), &*line.front_topic()), (Some(1_000), "topic/1000"));
        let lined = line.0.as_deref().unwrap();
        assert!(lined.heads.capacity() + lined.topics.capacity() < 32);
        line.pop();
        line.trim();
        assert!(line.0.is_none());
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
