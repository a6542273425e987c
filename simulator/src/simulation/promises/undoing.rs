//! Messages that were withdrawn, and came back with the next process: a crash came before their removal was stored.

use std::collections::BTreeSet;

use super::Promises;

/// One crash.
#[derive(Debug)]
struct Crash {
    /// What had been withdrawn, had not reached the broker, and was on the disk nevertheless.
    undone: BTreeSet<u32>,
    /// All that was on the disk: what is later is sent again, behind what was undone.
    left: BTreeSet<u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Undone(Vec<Crash>);

impl Undone {
    /// Whether this message comes back, and the later one `last` had overtaken it while it was not to be sent.
    pub(super) fn explains(&self, number: u32, last: u32) -> bool {
        self.0.iter().any(|crash| crash.undone.contains(&number) && crash.left.contains(&last))
    }
}

impl Promises {
    /// The process is gone, and the next one finds these messages.
    pub(in super::super) fn leaves_on_disk(&mut self, client: usize, left: BTreeSet<u32>) {
        let is_undone = |number: &u32| {
            // Those that have an end of their own may have had it, and nobody was told.
            self.messages
                .get(*number as usize)
                .is_some_and(|message| message.taken == 0 && (message.is_withdrawn || message.terms.may_end))
        };
        let undone: BTreeSet<_> = left.iter().copied().filter(is_undone).collect();
        if !undone.is_empty() {
            self.accounts[client].undone.0.push(Crash { undone, left });
        }
    }
}
