//! Topic aliases that we set; they live as long as one network connection [MQTT-3.3.2-7].
//!
//! Everything is decided when a packet is encoded, in the order of the wire: [`plan`](OutgoingAliases::plan) says what
//! to send, and [`commit`](OutgoingAliases::commit) notes it once it was sent.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::TopicAliases;

/// How a PUBLISH names its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By the topic alone.
    Topic,
    /// By the topic, and this alias stands for it from now on.
    Declare(u16),
    /// By the alias alone.
    Alias(u16),
}

/// One alias of this connection. Number zero stands for none.
#[derive(Debug, Default)]
struct Slot {
    /// Empty: vacant.
    topic: String,
    hash: u64,
    /// The neighbours among those in use: `newer` was used later.
    newer: u16,
    older: u16,
}

#[derive(Debug, Default)]
pub(crate) struct OutgoingAliases {
    /// The server's Topic Alias Maximum [MQTT-3.2.2-17].
    maximum: u16,
    /// Index: the alias; the first one is never used.
    slots: Vec<Slot>,
    /// An open-addressed table from topic to alias, zero where it is free; at least half of it is.
    table: Vec<u16>,
    used: usize,
    newest: u16,
    oldest: u16,
    /// No alias below it is vacant: within one connection none becomes so again. It may be beyond every alias.
    vacant: u32,
    /// What the application declared by hand, over all connections: an empty topic is resolved by it.
    declared: BTreeMap<u16, Arc<str>>,
}

impl OutgoingAliases {
    /// A new connection: every alias is forgotten.
    pub(crate) fn connected(&mut self, maximum: u16) {
        let declared = core::mem::take(&mut self.declared);
        *self = Self { maximum, vacant: 1, declared, ..Self::default() };
    }

    /// The application gives an alias to a topic by hand.
    pub(crate) fn declare(&mut self, alias: u16, topic: &str) {
        if self.declared.get(&alias).is_none_or(|declared| **declared != *topic) {
            self.declared.insert(alias, topic.into());
        }
    }

    /// What the application declared this alias to stand for.
    pub(crate) fn declared(&self, alias: u16) -> Option<Arc<str>> {
        self.declared.get(&alias).cloned()
    }

    /// How to name `topic` now. `wanted`: the alias that was given by hand, or zero.
    pub(crate) fn plan(&self, policy: TopicAliases, wanted: u16, topic: &str) -> Naming {
        if wanted > 0 {
            return match self.slots.get(usize::from(wanted)) {
                _ if wanted > self.maximum => Naming::Topic,
                Some(slot) if slot.topic == topic => Naming::Alias(wanted),
                _ => Naming::Declare(wanted),
            };
        }
        if policy == TopicAliases::Manual || self.maximum == 0 {
            return Naming::Topic;
        }
        match self.find(hash(topic), topic) {
            Some(place) => Naming::Alias(self.table[place]),
            None if policy == TopicAliases::Use => Naming::Topic,
            None if self.vacant <= u32::from(self.maximum) => Naming::Declare(self.vacant as u16),
            None => Naming::Declare(self.oldest),
        }
    }

    /// The packet was sent as planned.
    pub(crate) fn commit(&mut self, naming: Naming, topic: &str) {
        match naming {
            Naming::Topic => {}
            Naming::Alias(alias) => self.touch(alias),
            Naming::Declare(alias) => {
                self.set(alias, topic);
                self.touch(alias);
            }
        }
    }

    fn set(&mut self, alias: u16, topic: &str) {
        let index = usize::from(alias);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default);
        }
        if self.slots[index].topic.is_empty() {
            self.used += 1;
        } else {
            self.unlink_topic(alias);
        }
        // An earlier alias of the same topic stays valid at the server, but the newest is the one to use.
        let hash = hash(topic);
        if let Some(place) = self.find(hash, topic) {
            self.remove_place(place);
        }
        let slot = &mut self.slots[index];
        slot.topic.clear();
        slot.topic.push_str(topic);
        slot.hash = hash;
        if self.used * 2 > self.table.len() {
            self.grow();
        }
        self.place(alias);
        while self.slots.get(self.vacant as usize).is_some_and(|slot| !slot.topic.is_empty()) {
            self.vacant += 1;
        }
    }

    /// It is the most recently used now.
    fn touch(&mut self, alias: u16) {
        if self.newest == alias {
            return;
        }
        let Slot { newer, older, .. } = self.slots[usize::from(alias)];
        // Out of the list, if it is in it.
        if newer != 0 {
            self.slots[usize::from(newer)].older = older;
        }
        if older != 0 {
            self.slots[usize::from(older)].newer = newer;
        }
        if self.oldest == alias {
            self.oldest = newer;
        }
        // And to its head.
        let slot = &mut self.slots[usize::from(alias)];
        slot.newer = 0;
        slot.older = self.newest;
        if self.newest != 0 {
            self.slots[usize::from(self.newest)].newer = alias;
        }
        self.newest = alias;
        if self.oldest == 0 {
            self.oldest = alias;
        }
    }

    // The table: the home of a topic is its hash's low bits, collisions move on to the next free place.

    fn find(&self, hash: u64, topic: &str) -> Option<usize> {
        let mut place = self.home(hash)?;
        while self.table[place] != 0 {
            let slot = &self.slots[usize::from(self.table[place])];
            if slot.hash == hash && slot.topic == topic {
                return Some(place);
            }
            place = (place + 1) & (self.table.len() - 1);
        }
        None
    }

    fn place(&mut self, alias: u16) {
        let Some(mut place) = self.home(self.slots[usize::from(alias)].hash) else { return };
        while self.table[place] != 0 {
            place = (place + 1) & (self.table.len() - 1);
        }
        self.table[place] = alias;
    }

    /// Takes `alias` out, if the topic is not another alias's by now.
    fn unlink_topic(&mut self, alias: u16) {
        let Slot { topic, hash, .. } = &self.slots[usize::from(alias)];
        if let Some(place) = self.find(*hash, topic).filter(|place| self.table[*place] == alias) {
            self.remove_place(place);
        }
    }

    /// Frees a place; later ones of the same run move up, so that no search stops early.
    fn remove_place(&mut self, mut hole: usize) {
        let mask = self.table.len() - 1;
        self.table[hole] = 0;
        let mut next = (hole + 1) & mask;
        while self.table[next] != 0 {
            let home = self.slots[usize::from(self.table[next])].hash as usize & mask;
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.table.swap(hole, next);
                hole = next;
            }
            next = (next + 1) & mask;
        }
    }

    /// A larger table, of the same topics.
    fn grow(&mut self) {
        let size = (self.used * 4).next_power_of_two().max(8);
        let old = core::mem::replace(&mut self.table, alloc::vec![0; size]);
        for alias in old.into_iter().filter(|alias| *alias != 0) {
            self.place(alias);
        }
    }

    fn home(&self, hash: u64) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        Some(hash as usize & mask)
    }
}

/// FNV-1a, its high bits folded into the low ones.
fn hash(topic: &str) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = topic.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicAliases::{Assign, Manual, Use};
    use Naming::{Alias, Declare, Topic};

    fn connected(maximum: u16) -> OutgoingAliases {
        let mut aliases = OutgoingAliases::default();
        aliases.connected(maximum);
        aliases
    }

    impl OutgoingAliases {
        /// Sends one message.
        fn send(&mut self, policy: TopicAliases, wanted: u16, topic: &str) -> Naming {
            let naming = self.plan(policy, wanted, topic);
            self.commit(naming, topic);
            naming
        }
    }

    // R: PUB-04
    #[test]
    fn by_hand_only_what_was_asked_for_has_an_alias() {
        let mut aliases = connected(2);
        assert_eq!(aliases.send(Manual, 2, "a"), Declare(2));
        assert_eq!(aliases.send(Manual, 2, "a"), Alias(2));
        assert_eq!(aliases.send(Manual, 0, "a"), Topic);
        assert_eq!(aliases.send(Manual, 3, "a"), Topic, "beyond the maximum");
        assert_eq!(aliases.send(Manual, 2, "b"), Declare(2), "overwritten");
        assert_eq!(aliases.send(Manual, 2, "a"), Declare(2));
        aliases.connected(2);
        assert_eq!(aliases.send(Manual, 2, "a"), Declare(2), "forgotten with the connection");
        aliases.connected(0);
        assert_eq!(aliases.send(Manual, 2, "a"), Topic);
    }

    // R: PUB-04
    #[test]
    fn a_known_alias_is_used_until_it_stands_for_another_topic() {
        let mut aliases = connected(5);
        assert_eq!(aliases.send(Use, 0, "t1"), Topic);
        assert_eq!(aliases.send(Use, 1, "t1"), Declare(1));
        assert_eq!(aliases.send(Use, 0, "t1"), Alias(1));
        assert_eq!(aliases.send(Use, 1, "t2"), Declare(1));
        assert_eq!(aliases.send(Use, 0, "t2"), Alias(1));
        assert_eq!(aliases.send(Use, 0, "t1"), Topic);
        assert_eq!(aliases.send(Use, 3, "t2"), Declare(3), "a second alias for the same topic");
        assert_eq!(aliases.send(Use, 1, "t1"), Declare(1));
        assert_eq!(aliases.send(Use, 0, "t2"), Alias(3));
        assert_eq!(aliases.send(Use, 0, "t1"), Alias(1));
    }

    // R: PUB-04
    #[test]
    fn vacant_aliases_come_first_and_then_the_least_recently_used() {
        let mut aliases = connected(3);
        assert_eq!(aliases.send(Assign, 2, "t2"), Declare(2));
        assert_eq!(aliases.send(Assign, 0, "t1"), Declare(1));
        assert_eq!(aliases.send(Assign, 0, "t3"), Declare(3), "2 is taken");
        assert_eq!(aliases.send(Assign, 0, "t2"), Alias(2));
        assert_eq!(aliases.send(Assign, 0, "t4"), Declare(1), "t1 was used least recently");
        assert_eq!(aliases.send(Assign, 0, "t1"), Declare(3));
        assert_eq!(aliases.send(Assign, 0, "t2"), Alias(2));
        assert_eq!(aliases.send(Assign, 0, "t4"), Alias(1));
        assert_eq!(aliases.send(Assign, 0, "t3"), Declare(3));
    }

    #[test]
    fn a_plan_alone_changes_nothing() {
        let aliases = connected(1);
        assert_eq!(aliases.plan(Assign, 0, "a"), Declare(1));
        assert_eq!(aliases.plan(Assign, 0, "b"), Declare(1));
    }

    /// Against a plain model, with as many aliases as there can be and more topics.
    // R: PUB-04
    #[test]
    fn behaves_like_a_list_of_the_most_recently_used() {
        for (maximum, topics, steps) in [(1u16, 3u32, 200u32), (7, 20, 3_000), (64, 100, 5_000)] {
            let mut aliases = connected(maximum);
            let mut model: Vec<(u16, String)> = Vec::new();
            let mut seed = 0x2545_f491u32;
            for _ in 0..steps {
                seed ^= seed << 13;
                seed ^= seed >> 17;
                seed ^= seed << 5;
                let topic = alloc::format!("t/{}", seed % topics);
                let naming = aliases.send(Assign, 0, &topic);
                let known = model.iter().position(|(_, known)| *known == topic);
                let expected = match known {
                    Some(index) => Alias(model.remove(index).0),
                    None if model.len() < usize::from(maximum) => Declare(model.len() as u16 + 1),
                    None => Declare(model.remove(0).0),
                };
                assert_eq!(naming, expected, "{topic}");
                let (Alias(alias) | Declare(alias)) = naming else { unreachable!() };
                model.push((alias, topic));
            }
        }
    }

    #[test]
    fn every_alias_there_is_can_be_assigned() {
        let mut aliases = connected(u16::MAX);
        for alias in 1..=u16::MAX {
            assert_eq!(aliases.send(Assign, 0, &alloc::format!("{alias}")), Declare(alias));
        }
        assert_eq!(aliases.send(Assign, 0, "1"), Alias(1));
        assert_eq!(aliases.send(Assign, 0, "new"), Declare(2));
        assert_eq!(aliases.send(Assign, 0, "65535"), Alias(u16::MAX));
    }
}
