//! When a driver that runs beside its publishers gives way to them, so that much is carried at a time.
//!
//! A driver with a processor of its own is quicker than those who publish: left alone it writes every few messages by
//! themselves, and each of these writes costs as much as many messages, for both of them. It does better to leave the writing
//! to them, and to come now and then for what they left. That never holds up a message that comes after a pause, nor one that
//! anybody waits for: only who publishes without either is let get ahead.

use std::time::Duration;

use sterna_core::Instant;

use crate::shared::BULK;

/// With less than this to write it is worth waiting for more.
const ENOUGH: u64 = 8 << 10;
/// After so many writes of less than that, each with more to write as soon as it was done, somebody publishes without a pause.
const STREAK: u32 = 4;
/// How long the writing is left to them: as long as the last message of a burst may wait.
const NAP: Duration = Duration::from_millis(1);
/// Having written less than this since it last slept, a driver has no load.
const LOAD: u64 = 1 << 10;

/// What a driver has carried since it last slept.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    writes: u32,
    written: u64,
    /// Something moved since it last gave way.
    moved: bool,
    /// The writing is left to those who publish until then.
    naps_until: Option<Instant>,
    /// They have written since it was.
    busy: bool,
}

impl Pace {
    pub(crate) fn moved(&mut self) {
        self.moved = true;
    }

    /// Whether the `unsent` bytes are left to those who publish; asked before each write, with whether these have written
    /// since it was asked last.
    pub(crate) fn leaves(&mut self, now: Instant, unsent: u64, wrote: bool) -> bool {
        self.busy |= wrote;
        let leaves = match self.naps_until {
            Some(until) if now < until => unsent < BULK,
            Some(_) => {
                // They may have come to a pause.
                let goes_on = std::mem::take(&mut self.busy) || unsent >= ENOUGH;
                self.naps_until = goes_on.then(|| now + NAP);
                self.writes = 0;
                false
            }
            None if unsent == 0 => false,
            None => {
                self.writes = if unsent < ENOUGH { self.writes + 1 } else { 0 };
                let is_streak = self.writes > STREAK;
                if is_streak {
                    (self.naps_until, self.busy) = (Some(now + NAP), false);
                }
                is_streak
            }
        };
        if !leaves {
            self.written += unsent;
        }
        leaves
    }

    /// Until when it leaves the writing to those who publish, if it does.
    pub(crate) fn naps_until(&self) -> Option<Instant> {
        self.naps_until
    }

    /// Whether to let others run and look once more; asked when there is nothing to do. Without load that would only delay
    /// what comes next, where the processor has other work.
    pub(crate) fn gives_way(&mut self) -> bool {
        std::mem::take(&mut self.moved) && self.written >= LOAD && self.naps_until.is_none()
    }

    /// It sleeps.
    pub(crate) fn slept(&mut self) {
        (self.writes, self.written, self.moved) = (0, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);

    /// One that naps from [`NOW`] on.
    fn napping() -> Pace {
        let mut pace = Pace::default();
        for _ in 0..STREAK {
            assert!(!pace.leaves(NOW, 88, false));
        }
        assert!(pace.leaves(NOW, 88, false));
        assert_eq!(pace.naps_until(), Some(NOW + NAP));
        pace
    }

    #[test]
    fn what_comes_after_a_pause_is_written_at_once() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            for _ in 0..STREAK {
                assert!(!pace.leaves(NOW, 88, false));
            }
            pace.slept();
        }
        assert_eq!(pace.naps_until(), None);
    }

    #[test]
    fn large_writes_are_no_reason_to_nap() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            assert!(!pace.leaves(NOW, 88, false));
            assert!(!pace.leaves(NOW, ENOUGH, false));
        }
    }

    #[test]
    fn a_nap_goes_on_while_others_write() {
        let mut pace = napping();
        let mut now = NOW;
        for _ in 0..100 {
            assert!(pace.leaves(now, 0, true) && pace.leaves(now, BULK - 1, false));
            assert!(!pace.leaves(now, BULK, false), "that should have been written");
            pace.slept();
            now = now + NAP;
            assert!(!pace.leaves(now, 88, false), "what is left is written");
            assert_eq!(pace.naps_until(), Some(now + NAP));
        }
        now = now + NAP;
        assert!(!pace.leaves(now, ENOUGH, false));
        assert_eq!(pace.naps_until(), Some(now + NAP), "they do not write, but publish");
        now = now + NAP;
        assert!(!pace.leaves(now, ENOUGH - 1, false));
        assert_eq!(pace.naps_until(), None, "they have come to a pause");
    }

    #[test]
    fn it_gives_way_once_for_what_moved_and_only_under_load() {
        let mut pace = Pace::default();
        assert!(!pace.leaves(NOW, LOAD - 1, false));
        pace.moved();
        assert!(!pace.gives_way());
        assert!(!pace.leaves(NOW, 1, false) && !pace.gives_way());
        pace.moved();
        assert!(pace.gives_way() && !pace.gives_way());
        pace.slept();
        pace.moved();
        assert!(!pace.gives_way());
        let mut pace = napping();
        pace.moved();
        assert!(!pace.gives_way());
    }
}
