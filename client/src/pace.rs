//! When a driver that runs beside its publishers gives way to them, so that it carries much at a time.
//!
//! A driver with a processor of its own is quicker than those who publish: left alone it writes every few messages by
//! themselves, falls asleep and is woken again, and each of these costs as much as many messages. What it does about that
//! never holds up a message that comes after a pause: only who publishes without one is let get ahead.

use std::time::Duration;

/// With less than this to write it is worth waiting for more.
const ENOUGH: usize = 8 << 10;
/// After so many writes, each with more to write as soon as it was done, there is more to come.
const STREAK: u32 = 4;
/// Having written less than this since it last slept, a driver has no load.
const LOAD: usize = 1 << 10;

/// What a driver has carried since it last slept.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    writes: u32,
    written: usize,
    /// Something moved since it last gave way.
    moved: bool,
    /// It has waited for what it writes next.
    gathered: bool,
}

impl Pace {
    /// How long it is worth waiting for more: as long as it takes to publish what one write should have.
    pub(crate) const MOMENT: Duration = Duration::from_micros(20);

    pub(crate) fn moved(&mut self) {
        self.moved = true;
    }

    /// Whether to wait a moment before writing the `unsent` bytes; asked before each write.
    pub(crate) fn gathers(&mut self, unsent: usize) -> bool {
        let gathers = !self.gathered && self.writes >= STREAK && unsent < ENOUGH;
        if !gathers {
            self.writes += 1;
            self.written += unsent;
        }
        self.gathered = gathers;
        gathers
    }

    /// Whether to let others run and look once more; asked when there is nothing to do. Without load that would only delay
    /// what comes next, where the processor has other work.
    pub(crate) fn gives_way(&mut self) -> bool {
        std::mem::take(&mut self.moved) && self.written >= LOAD
    }

    /// It sleeps.
    pub(crate) fn slept(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_pause_is_written_at_once() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            for _ in 0..STREAK {
                assert!(!pace.gathers(88));
            }
            pace.slept();
        }
    }

    #[test]
    fn who_publishes_without_a_pause_is_let_get_ahead_once_for_each_write() {
        let mut pace = Pace::default();
        for _ in 0..STREAK {
            assert!(!pace.gathers(88));
        }
        for _ in 0..1_000 {
            assert!(pace.gathers(88));
            // However little came in the meantime.
            assert!(!pace.gathers(176));
            // Much is written without waiting.
            assert!(!pace.gathers(ENOUGH));
        }
    }

    #[test]
    fn it_gives_way_once_for_what_moved_and_only_under_load() {
        let mut pace = Pace::default();
        assert!(!pace.gathers(LOAD - 1));
        pace.moved();
        assert!(!pace.gives_way());
        assert!(!pace.gathers(1) && !pace.gives_way());
        pace.moved();
        assert!(pace.gives_way() && !pace.gives_way());
        pace.slept();
        pace.moved();
        assert!(!pace.gives_way());
    }
}
