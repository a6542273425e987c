//! A table keyed by packet identifier, used for what we sent and for what we received.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// An entry's home is its identifier's low bits: identifiers are mostly handed out in a row, so nearly every look-up
/// is a direct hit. At least half of the slots are free until every identifier has a slot of its own.
///
/// Entries that share a home stand in a run, in the order of their homes (Robin Hood hashing): a search ends at the first
/// entry that is nearer to its home, and so does closing the hole that a removed one leaves. So neither looks at the
/// rest of a run, which is long where identifiers are handed out in a row.
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

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.find(id).is_some()
    }

    #[inline]
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
        // Later entries move up, as far as they are not at home.
        let mask = self.mask();
        loop {
            let next = (hole + 1) & mask;
            if self.distance(next).is_none_or(|distance| distance == 0) {
                return Some(removed);
            }
            self.slots.swap(hole, next);
            hole = next;
        }
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

    /// Gives memory back that its entries do not need.
    pub(crate) fn trim(&mut self) {
        let size = match self.length {
            0 => 0,
            length => (length * 2).next_power_of_two().max(SMALLEST),
        };
        if size < self.slots.len() {
            self.resize(size);
        }
    }

    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn find(&self, id: u16) -> Option<usize> {
        let home = usize::from(id) & self.mask();
        match self.slots.get(home)? {
            Some((other, _)) if *other == id => Some(home),
            Some(_) => self.find_away(id),
            None => None,
        }
    }

    /// As `find`, of an entry that is not at home.
    fn find_away(&self, id: u16) -> Option<usize> {
        let mask = self.mask();
        let mut slot = usize::from(id) & mask;
        for distance in 0..=mask {
            match &self.slots[slot] {
                Some((other, _)) if *other == id => return Some(slot),
                // It would stand before this one.
                _ if self.distance(slot).is_none_or(|other| other < distance) => return None,
                _ => slot = (slot + 1) & mask,
            }
        }
        None
    }

    /// How far from its home the entry of this slot is.
    #[inline]
    fn distance(&self, slot: usize) -> Option<usize> {
        let (id, _) = self.slots[slot].as_ref()?;
        Some(slot.wrapping_sub(usize::from(*id)) & self.mask())
    }

    #[inline]
    fn place(&mut self, id: u16, value: T) {
        let home = usize::from(id) & self.mask();
        match &mut self.slots[home] {
            slot @ None => *slot = Some((id, value)),
            Some(_) => self.place_away(id, value),
        }
    }

    /// As `place`, where the home is taken.
    fn place_away(&mut self, id: u16, value: T) {
        let mask = self.mask();
        let mut slot = usize::from(id) & mask;
        let mut carried = Some((id, value));
        let mut distance = 0;
        // Who is nearer to home makes room, and moves on.
        while let Some(other) = self.distance(slot) {
            if other < distance {
                core::mem::swap(&mut carried, &mut self.slots[slot]);
                distance = other;
            }
            slot = (slot + 1) & mask;
            distance += 1;
        }
        self.slots[slot] = carried;
    }

    fn grow(&mut self) {
        self.resize((self.slots.len() * 2).max(SMALLEST));
    }

    fn resize(&mut self, size: usize) {
        let slots = core::iter::repeat_with(|| None).take(size).collect();
        let old = core::mem::replace(&mut self.slots, slots);
        for (id, value) in old.into_iter().flatten() {
            self.place(id, value);
        }
    }
}

/// Hands out packet identifiers 1..=65535 in turn [MQTT-2.2.1-3], [MQTT-2.3.1-2].
#[derive(Debug, Default)]
pub(crate) struct PacketIds {
    turn: Turn,
    /// While most are in use: those that became free. The next one in turn may be far away.
    #[allow(clippy::box_collection)] // Rare, and an idle client pays for its bytes.
    freed: Option<Box<VecDeque<u16>>>,
}

/// Which identifiers were given out last; zero is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Turn {
    last: u16,
    /// Of those that are given out in turn.
    in_turn: u16,
}

impl Turn {
    /// The identifier given out last.
    pub(crate) fn last(self) -> Option<u16> {
        (self.last != 0).then_some(self.last)
    }
}

/// From so many in use on, freed identifiers are remembered.
const CROWDED: usize = 1 << 15;

impl PacketIds {
    /// The next identifier that is not in `table`; `None` while all are in use.
    pub(crate) fn next<T>(&mut self, table: &IdTable<T>) -> Option<u16> {
        if table.len() >= usize::from(u16::MAX) {
            return None;
        }
        self.turn.last = self.next_freed(table).unwrap_or_else(|| self.next_in_turn(table));
        Some(self.turn.last)
    }

    #[inline]
    fn next_freed<T>(&mut self, table: &IdTable<T>) -> Option<u16> {
        let freed = self.freed.as_deref_mut()?;
        while let Some(id) = freed.pop_front() {
            if !table.contains(id) {
                return Some(id);
            }
        }
        None
    }

    #[inline]
    fn next_in_turn<T>(&mut self, table: &IdTable<T>) -> u16 {
        loop {
            self.turn.in_turn = self.turn.in_turn.checked_add(1).unwrap_or(1);
            if !table.contains(self.turn.in_turn) {
                return self.turn.in_turn;
            }
        }
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.freed = None;
    }

    /// An identifier is not in `table` any more.
    #[inline]
    pub(crate) fn freed<T>(&mut self, id: u16, table: &IdTable<T>) {
        if table.len() >= CROWDED {
            self.freed.get_or_insert_default().push_back(id);
        }
    }

    /// For planted faults only: the next one is `packet_id`.
    pub(crate) fn give_out_again(&mut self, packet_id: u16) {
        self.turn.in_turn = packet_id - 1;
        self.freed = None;
    }

    /// The identifier handed out last.
    pub(crate) fn last(&self) -> Option<u16> {
        self.turn.last()
    }

    pub(crate) fn turn(&self) -> Turn {
        self.turn
    }

    /// As it was before the last identifier, which is not used.
    pub(crate) fn restore(&mut self, before: Turn) {
        if self.turn.in_turn == before.in_turn {
            self.freed.get_or_insert_default().push_front(self.turn.last);
        }
        self.turn = before;
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
                if step % 16 == 0 {
                    table.trim();
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

    #[test]
    fn a_table_that_was_full_gives_back_what_its_entries_do_not_need() {
        let mut table = IdTable::new();
        for id in 1..=10_000 {
            table.insert(id, id);
        }
        for id in 1..10_000 {
            table.remove(id);
        }
        table.trim();
        assert_eq!((table.slots.len(), table.get(10_000)), (SMALLEST, Some(&10_000)));
        table.remove(10_000);
        table.trim();
        assert_eq!(table.slots.len(), 0);
    }

    #[test]
    fn freed_identifiers_are_found_where_nearly_all_are_in_use() {
        let mut table = IdTable::new();
        let mut ids = PacketIds::default();
        while let Some(id) = ids.next(&table) {
            table.insert(id, ());
        }
        for id in [40_000, 7, 65_535] {
            table.remove(id);
            ids.freed(id, &table);
        }
        for expected in [40_000, 7, 65_535] {
            assert_eq!((ids.next(&table), ids.last()), (Some(expected), Some(expected)));
            table.insert(expected, ());
        }
        assert_eq!(ids.next(&table), None);
    }

    #[test]
    fn a_run_of_neighbours_stays_where_it_is() {
        let mut table = IdTable::new();
        for id in 1..=1_000 {
            table.insert(id, id);
        }
        // The same home as 1: those behind make room for it, and move back.
        table.insert(1 + 2_048, 0);
        assert!((2..=1_000).all(|id| table.find(id) == Some(usize::from(id) + 1)));
        assert_eq!(table.remove(1), Some(1));
        assert!((2..=1_000).all(|id| table.find(id) == Some(usize::from(id))));
        assert_eq!(table.get(2_049), Some(&0));
    }
}
