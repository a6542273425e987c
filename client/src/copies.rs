//! Copies of one message for several filters of one stream, from a server that sends one for each subscription.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use sterna_core::Message;

use crate::router::FilterId;

/// How many messages are remembered whose copies have not all come.
const REMEMBERED: usize = 64;

/// Messages of one content.
#[derive(Debug)]
struct Twins {
    content: u64,
    /// How many copies came for each filter.
    counts: Vec<(FilterId, u32)>,
    delivered: u32,
}

/// Tells a further copy of a message from another message of the same content: by how many came for each filter. The
/// stream gets as many as came for the filter with the most, so that a copy that never comes takes nothing away.
#[derive(Debug, Default)]
pub(crate) struct Copies(VecDeque<Twins>);

impl Copies {
    /// Whether `message`, which came for the filters `marked` out of as many as `of`, was delivered by another copy.
    pub(crate) fn is_repeated(&mut self, message: &Message, marked: &[FilterId], of: usize) -> bool {
        let content = content(message);
        let position = self.0.iter().position(|twins| twins.content == content).unwrap_or_else(|| {
            if self.0.len() == REMEMBERED {
                self.0.pop_front();
            }
            self.0.push_back(Twins { content, counts: Vec::new(), delivered: 0 });
            self.0.len() - 1
        });
        let twins = &mut self.0[position];
        let mut most = 0;
        for &filter in marked {
            let slot = twins.counts.iter().position(|(other, _)| *other == filter).unwrap_or_else(|| {
                twins.counts.push((filter, 0));
                twins.counts.len() - 1
            });
            twins.counts[slot].1 += 1;
            most = most.max(twins.counts[slot].1);
        }
        let repeated = most <= twins.delivered;
        twins.delivered = twins.delivered.max(most);
        if twins.counts.len() == of && twins.counts.iter().all(|(_, count)| *count == twins.delivered) {
            self.0.remove(position);
        }
        repeated
    }
}

fn content(message: &Message) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.topic().hash(&mut hasher);
    message.payload().hash(&mut hasher);
    hasher.finish()
}
