//! A table keyed by packet identifier, used for what we sent and for what we received.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// An entry's home is its identifier's low bits: identifiers are mostly handed out in a row, so nearly every look-up
/// is a direct hit. Collisions move on, and of two entries the one that is further from its home has the slot, so that
/// taking one out moves only those that are not at home, however many entries there are. At least half of the slots are
/// free until every identifier has a slot of its own.
#[derive(Debug)]
pub(crate) struct IdTable<T> {
    slots: Box<[Option<(u16, T)>]>,
    length: usize,
}

const SMALLEST: usize = 8;
/// One slot for each identifier.
const LARGEST: usize = 1 << 16;

impl<T> IdTable<T> {
    pub(crate) fn new() -> Self {
        Self { slots: Box::default(), length: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.find(id).is_some()
    }

    pub(crate) fn get(&self, id: u16) -> Option<&T> {
        let slot = self.find(id)?;
        self.slots[slot].as_ref().map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, id: u16) -> Option<&mut T> {
        let slot = self.find(id)?;
        self.slots[slot].as_mut().map(|(_, value)| value)
    }

    /// Adds an entry whose identifier is not in the table.
    pub(crate) fn insert(&mut self, id: u16, value: T) {
        debug_assert!(!self.contains(id), "packet identifier {id} is in use");
        if self.length * 2 >= self.slots.len() && self.slots.len() < LARGEST {
            self.grow();
        }
        self.place(id, value);
        self.length += 1;
    }

    pub(crate) fn remove(&mut self, id: u16) -> Option<T> {
        let mut hole = self.find(id)?;
        let (_, removed) = self.slots[hole].take()?;
        self.length -= 1;
        // Those behind it that are not at home move up, so that no search stops early at the hole.
        loop {
            let next = (hole + 1) & self.mask();
            match &self.slots[next] {
                Some((id, _)) if self.distance(*id, next) > 0 => self.slots.swap(hole, next),
                _ => break,
            }
            hole = next;
        }
        Some(removed)
    }

    /// In no useful order, but always the same for the same history.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &T)> {
        self.slots.iter().flatten().map(|(id, value)| (*id, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut T)> {
        self.slots.iter_mut().flatten().map(|(id, value)| (*id, value))
    }

    /// Empties the table and gives its memory back.
    pub(crate) fn take_all(&mut self) -> Vec<(u16, T)> {
        self.length = 0;
        core::mem::take(&mut self.slots).into_iter().flatten().collect()
    }

    /// Gives the memory of an empty table back.
    pub(crate) fn trim(&mut self) {
        if self.is_empty() {
            self.slots = Box::default();
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    fn find(&self, id: u16) -> Option<usize> {
        if self.length == 0 {
            return None;
        }
        let mask = self.mask();
        let mut slot = usize::from(id) & mask;
        for _ in 0..=mask {
            match &self.slots[slot] {
                Some((other, _)) if *other == id => return Some(slot),
                Some(_) => slot = (slot + 1) & mask,
                None => return None,
            }
        }
        None
    }

    /// How far `slot` is from the home of `id`.
    fn distance(&self, id: u16, slot: usize) -> usize {
        slot.wrapping_sub(usize::from(id)) & self.mask()
    }

    fn place(&mut self, id: u16, value: T) {
        let mask = self.mask();
        let mut slot = usize::from(id) & mask;
        let mut entry = (id, value);
        loop {
            let distance = self.distance(entry.0, slot);
            match &mut self.slots[slot] {
                free @ None => {
                    *free = Some(entry);
                    return;
                }
                Some(other) => {
                    if (slot.wrapping_sub(usize::from(other.0)) & mask) < distance {
                        core::mem::swap(other, &mut entry);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(SMALLEST);
        let larger = core::iter::repeat_with(|| None).take(size).collect();
        let old = core::mem::replace(&mut self.slots, larger);
        for (id, value) in old.into_iter().flatten() {
            self.place(id, value);
        }
    }
}

/// Hands out packet identifiers 1..=65535 in turn [MQTT-2.2.1-3], [MQTT-2.3.1-2].
#[derive(Debug, Default)]
pub(crate) struct PacketIds {
    last: u16,
}

impl PacketIds {
    /// The next identifier that is not in `table`; `None` while all are in use.
    pub(crate) fn next<T>(&mut self, table: &IdTable<T>) -> Option<u16> {
        if table.len() >= usize::from(u16::MAX) {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !table.contains(self.last) {
                return Some(self.last);
            }
        }
    }

    /// For planted faults only: the next one is `packet_id`.
    pub(crate) fn give_out_again(&mut self, packet_id: u16) {
        self.last = packet_id - 1;
    }

    /// The identifier handed out last.
    pub(crate) fn last(&self) -> Option<u16> {
        (self.last != 0).then_some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_like_a_map(
            operations in proptest::collection::vec((any::<bool>(), prop_oneof![1u16..40, any::<u16>(), Just(65535u16)]), 0..400)
        ) {
            let mut table = IdTable::new();
            let mut model = BTreeMap::new();
            for (step, (insert, id)) in operations.into_iter().enumerate() {
                if insert && !model.contains_key(&id) {
                    table.insert(id, step);
                    model.insert(id, step);
                } else {
                    prop_assert_eq!(table.remove(id), model.remove(&id));
                }
                prop_assert_eq!(table.len(), model.len());
                for (id, value) in &model {
                    prop_assert_eq!(table.get(*id), Some(value));
                }
            }
            let mut all = table.take_all();
            all.sort_unstable();
            prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
        }
    }

    // R: PUB-03
    #[test]
    fn all_identifiers_are_handed_out_once_and_zero_never() {
        let mut table = IdTable::new();
        let mut ids = PacketIds::default();
        assert_eq!(ids.last(), None);
        for expected in 1..=u16::MAX {
            let id = ids.next(&table).unwrap();
            assert_eq!(id, expected);
            table.insert(id, ());
        }
        assert_eq!(ids.next(&table), None);
        table.remove(700);
        assert_eq!(ids.next(&table), Some(700));
        assert_eq!(ids.last(), Some(700));
    }

    #[test]
    fn identifiers_that_share_a_home_stay_apart() {
        let mut table = IdTable::new();
        for step in 0..200u16 {
            table.insert(1 + step * 256, step);
        }
        for step in (0..200u16).step_by(2) {
            assert_eq!(table.remove(1 + step * 256), Some(step));
        }
        for step in (1..200u16).step_by(2) {
            assert_eq!(table.get(1 + step * 256), Some(&step));
        }
    }
}
