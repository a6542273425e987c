//! Subscription identifiers that the client itself gives its subscriptions.

use std::collections::HashMap;

/// The largest there is.
const LARGEST: u32 = 268_435_455;

/// Small numbers, none of them used twice while a message may still carry it.
#[derive(Debug)]
pub(crate) struct Identifiers {
    /// How many filters have each.
    used: HashMap<u32, usize>,
    next: u32,
}

impl Default for Identifiers {
    fn default() -> Self {
        Self { used: HashMap::new(), next: 1 }
    }
}

impl Identifiers {
    /// One that no filter has. The server may keep messages with an earlier one for as long as it keeps the session:
    /// so they go on upwards.
    pub(crate) fn draw(&mut self) -> u32 {
        loop {
            let identifier = self.next;
            self.next = if identifier >= LARGEST { 1 } else { identifier + 1 };
            // There cannot be as many filters as identifiers.
            if !self.used.contains_key(&identifier) {
                return identifier;
            }
        }
    }

    /// A filter has it now.
    pub(crate) fn hold(&mut self, identifier: u32) {
        *self.used.entry(identifier).or_default() += 1;
    }

    /// A filter has it no longer.
    pub(crate) fn release(&mut self, identifier: u32) {
        if let Some(count) = self.used.get_mut(&identifier) {
            *count -= 1;
            if *count == 0 {
                self.used.remove(&identifier);
            }
        }
    }

    /// The server's session is gone, and every message of it: what no filter has is free again.
    pub(crate) fn session_lost(&mut self) {
        self.next = self.used.keys().max().map_or(1, |largest| largest % LARGEST + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: SUB-05
    #[test]
    fn none_is_used_twice_while_a_message_may_carry_it() {
        let mut identifiers = Identifiers::default();
        for expected in 1..=3 {
            assert_eq!(identifiers.draw(), expected);
            identifiers.hold(expected);
        }
        identifiers.hold(2);
        identifiers.release(2);
        identifiers.release(3);
        assert_eq!(identifiers.draw(), 4);
        identifiers.session_lost();
        assert_eq!(identifiers.draw(), 3, "2 is held once more");
        identifiers.next = LARGEST;
        assert_eq!([identifiers.draw(), identifiers.draw()], [LARGEST, 3]);
    }
}
