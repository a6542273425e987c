//! What a stream with a bound of its own may drop: nothing without counting it.

use std::collections::BTreeSet;

use sterna_core::topic;

use super::super::findings::Findings;
use super::Promises;

/// One stream of a client that has no other, from the beginning of a process on.
#[derive(Debug)]
struct Watch {
    filter: &'static str,
    /// Acknowledged, which is done as soon as the stream has it.
    acknowledged: BTreeSet<u32>,
    handed: BTreeSet<u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Drops {
    watch: Option<Watch>,
    /// Others may have its messages.
    is_spoilt: bool,
}

impl Drops {
    pub(super) fn spoil(&mut self) {
        self.is_spoilt = true;
        self.watch = None;
    }

    /// There is a subscription. Only one that is alone gets all that matches.
    pub(super) fn subscribed(&mut self) {
        if self.watch.is_some() {
            self.spoil();
        }
    }

    pub(super) fn acknowledged(&mut self, number: u32, name: &str) {
        let Some(watch) = &mut self.watch else { return };
        let filter = topic::split_shared(watch.filter).map_or(watch.filter, |(_, filter)| filter);
        if topic::matches(filter, name) {
            watch.acknowledged.insert(number);
        }
    }

    pub(super) fn handed(&mut self, number: u32) {
        if let Some(watch) = &mut self.watch {
            watch.handed.insert(number);
        }
    }
}

impl Promises {
    /// The process begins with this subscription alone, whose stream has a bound.
    pub(in super::super) fn watch(&mut self, client: usize, filter: &'static str) {
        let drops = &mut self.accounts[client].drops;
        if !drops.is_spoilt {
            drops.watch = Some(Watch { filter, acknowledged: BTreeSet::new(), handed: BTreeSet::new() });
        }
    }

    /// Everything that came was read, and the stream says how many it `dropped`.
    pub(in super::super) fn check_drops(&mut self, client: usize, dropped: u64, findings: &mut Findings) {
        let Some(watch) = &self.accounts[client].drops.watch else { return };
        self.dropped += dropped;
        let missing: Vec<_> = watch.acknowledged.difference(&watch.handed).collect();
        findings.require(missing.len() as u64 <= dropped, "messages were dropped and not counted", || {
            format!("c{client}: {missing:?}, and {dropped} are counted")
        });
    }
}
