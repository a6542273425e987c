//! Where in a batch the change of each record stands.

use alloc::vec::Vec;

use super::batch::Key;

const FEWEST: usize = 16;

/// A hash table with open addressing that holds places only: who asks knows the key at each place.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// 0 is free, anything else the place after it. The length is a power of two, or zero.
    slots: Vec<u32>,
}

impl Places {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Whether at least every other slot stays free with so many entries.
    pub(super) fn has_room(&self, entries: usize) -> bool {
        2 * entries <= self.slots.len()
    }

    /// Forgets all entries, and makes room for so many and as many again.
    pub(super) fn reset(&mut self, entries: usize) {
        let slots = (4 * entries).next_power_of_two().max(FEWEST).max(self.slots.len());
        self.slots.clear();
        self.slots.resize(slots, 0);
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
    }

    /// How many bytes it takes.
    pub(super) fn size(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    /// The place of `key`.
    pub(super) fn get(&self, key: Key, key_at: impl Fn(usize) -> Key) -> Option<usize> {
        let slot = self.slot(key, key_at)?;
        (self.slots[slot] as usize).checked_sub(1)
    }

    /// Enters the place of `key`, instead of the one it had. There must be [room](Self::has_room).
    pub(super) fn set(&mut self, key: Key, place: usize, key_at: impl Fn(usize) -> Key) {
        if let Some(slot) = self.slot(key, key_at) {
            self.slots[slot] = place as u32 + 1;
        }
    }

    /// The slot that has `key`, or where it belongs; `None` for a table without slots.
    fn slot(&self, key: Key, key_at: impl Fn(usize) -> Key) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(key) as usize & mask;
        while let Some(place) = (self.slots[slot] as usize).checked_sub(1)
            && key_at(place) != key
        {
            slot = (slot + 1) & mask;
        }
        Some(slot)
    }
}

/// Neighbouring numbers of one kind get slots of their own, one behind the other; the kinds stand apart.
fn hash(key: Key) -> u32 {
    let (kind, number) = key.parts();
    u32::from(kind).wrapping_mul(0x9E37_79B9).wrapping_add(number as u32)
}
