//! The deadlines of single operations, and the expiry of messages: one ordered structure for both.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use crate::event::Token;
use crate::time::Instant;

/// What comes to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Its Message Expiry Interval is over.
    Expiry,
    /// The application waits no longer.
    Deadline,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    /// Set by a command, whose time may be the driver's last one: counts from the driver's next call.
    In(Duration),
    At(Instant),
}

impl Time {
    fn settle(&mut self, now: Instant) {
        if let Self::In(duration) = *self {
            *self = Self::At(now + duration);
        }
    }
}

#[derive(Debug)]
struct Times {
    deadline: Option<Time>,
    expiry: Option<Time>,
    /// The Message Expiry Interval that the message came with, in seconds.
    interval: u32,
    /// It was sent: it does not expire any more here.
    sent: bool,
    packet_id: Option<u16>,
}

#[derive(Debug, Default)]
struct Table {
    times: BTreeMap<Token, Times>,
    /// What can still come.
    order: BTreeSet<(Instant, Token, Kind)>,
    /// Set since the driver's last call, and the shortest of these times.
    unsettled: Vec<Token>,
    soonest: Option<Duration>,
}

/// Only operations that have a deadline or an expiry are here. It allocates nothing before the first of them.
#[derive(Debug, Default)]
pub(crate) struct Due(Option<Box<Table>>);

impl Due {
    /// An operation was accepted.
    #[inline]
    pub(crate) fn add(&mut self, token: Token, deadline: Option<Duration>, interval: Option<u32>) {
        if deadline.is_some() || interval.is_some() {
            self.enter_times(token, deadline, interval);
        }
    }

    fn enter_times(&mut self, token: Token, deadline: Option<Duration>, interval: Option<u32>) {
        let expiry = interval.map(|interval| Duration::from_secs(u64::from(interval)));
        let Some(soonest) = deadline.into_iter().chain(expiry).min() else { return };
        let table = self.0.get_or_insert_default();
        table.soonest = Some(table.soonest.map_or(soonest, |earlier| earlier.min(soonest)));
        table.unsettled.push(token);
        let (deadline, expiry) = (deadline.map(Time::In), expiry.map(Time::In));
        let interval = interval.unwrap_or_default();
        table.times.insert(token, Times { deadline, expiry, interval, sent: false, packet_id: None });
    }

    /// A store has a message from an earlier process: it expires at `at`.
    pub(crate) fn restore(&mut self, token: Token, interval: u32, at: Instant, sent: Option<u16>) {
        let table = self.0.get_or_insert_default();
        let expiry = Some(Time::At(at));
        let times = Times { deadline: None, expiry, interval, sent: sent.is_some(), packet_id: sent };
        times.enter(token, &mut table.order);
        table.times.insert(token, times);
    }

    /// Whether any operation has a time.
    #[inline]
    pub(crate) fn is_used(&self) -> bool {
        self.0.is_some()
    }

    /// It has its packet identifier.
    pub(crate) fn enter(&mut self, token: Token, packet_id: u16) {
        if let Some(times) = self.times(token) {
            times.packet_id = Some(packet_id);
        }
    }

    /// It was sent, under its packet identifier if it has one: it cannot expire here any more.
    #[inline]
    pub(crate) fn sent(&mut self, token: Token, packet_id: Option<u16>) {
        if let Some(table) = self.0.as_deref_mut() {
            table.sent(token, packet_id);
        }
    }

    /// It waits again, to be sent as if it had never been.
    pub(crate) fn waits_again(&mut self, token: Token) {
        let Some(table) = self.0.as_deref_mut() else { return };
        let Some(times) = table.times.get_mut(&token) else { return };
        times.sent = false;
        times.packet_id = None;
        times.enter(token, &mut table.order);
    }

    /// The operation has ended.
    #[inline]
    pub(crate) fn remove(&mut self, token: Token) {
        if let Some(table) = self.0.as_deref_mut() {
            table.remove(token);
        }
    }

    /// Nobody waits for the operation any longer, but it goes on.
    pub(crate) fn remove_deadline(&mut self, token: Token) {
        let deadline = self.times(token).and_then(|times| times.deadline.take());
        if let Some(table) = self.0.as_deref_mut() {
            table.forget(token, Kind::Deadline, deadline);
        }
    }

    /// The driver calls with a fresh time.
    #[inline]
    pub(crate) fn settle(&mut self, now: Instant) {
        if let Some(table) = self.0.as_deref_mut() {
            table.settle(now);
        }
    }

    /// Whether the driver has to call for the times to count.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.0.as_deref().is_some_and(|table| !table.unsettled.is_empty())
    }

    /// When the first of them comes.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        let table = self.0.as_deref()?;
        let first = table.order.first().map(|(at, _, _)| *at);
        first.into_iter().chain(table.soonest.map(|soonest| now + soonest)).min()
    }

    /// Takes the first that has come.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Token, Kind)> {
        let table = self.0.as_deref_mut()?;
        let (_, token, kind) = *table.order.first().filter(|(at, _, _)| *at <= now)?;
        table.order.pop_first();
        if let Some(times) = table.times.get_mut(&token).filter(|_| kind == Kind::Deadline) {
            times.deadline = None;
        }
        Some((token, kind))
    }

    /// The interval to send a message with, if it is not the one that it came with: what is left, in seconds, rounded
    /// up, and never 0.
    pub(crate) fn remaining(&self, token: Token, now: Instant) -> Option<u32> {
        let times = self.0.as_deref()?.times.get(&token)?;
        let Some(Time::At(at)) = times.expiry else { return None };
        let left = at - now;
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
        (seconds != times.interval).then_some(seconds)
    }

    pub(crate) fn packet_id(&self, token: Token) -> Option<u16> {
        self.0.as_deref()?.times.get(&token)?.packet_id
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        if self.0.as_deref().is_some_and(|table| table.times.is_empty() && table.unsettled.is_empty()) {
            self.0 = None;
        }
    }

    fn times(&mut self, token: Token) -> Option<&mut Times> {
        self.0.as_deref_mut()?.times.get_mut(&token)
    }
}

impl Times {
    fn settle(&mut self, now: Instant) {
        for time in self.deadline.iter_mut().chain(&mut self.expiry) {
            time.settle(now);
        }
    }

    /// Puts into `order` what can come.
    fn enter(&self, token: Token, order: &mut BTreeSet<(Instant, Token, Kind)>) {
        if let Some(Time::At(at)) = self.deadline {
            order.insert((at, token, Kind::Deadline));
        }
        if let Some(Time::At(at)) = self.expiry.filter(|_| !self.sent) {
            order.insert((at, token, Kind::Expiry));
        }
    }
}

impl Table {
    fn sent(&mut self, token: Token, packet_id: Option<u16>) {
        let Some(times) = self.times.get_mut(&token) else { return };
        times.sent = true;
        times.packet_id = packet_id;
        if let Some(Time::At(at)) = times.expiry {
            self.order.remove(&(at, token, Kind::Expiry));
        }
    }

    fn remove(&mut self, token: Token) {
        if let Some(Times { deadline, expiry, .. }) = self.times.remove(&token) {
            self.forget(token, Kind::Deadline, deadline);
            self.forget(token, Kind::Expiry, expiry);
        }
    }

    fn settle(&mut self, now: Instant) {
        self.soonest = None;
        for token in self.unsettled.drain(..) {
            if let Some(times) = self.times.get_mut(&token) {
                times.settle(now);
                times.enter(token, &mut self.order);
            }
        }
    }

    fn forget(&mut self, token: Token, kind: Kind, time: Option<Time>) {
        if let Some(Time::At(at)) = time {
            self.order.remove(&(at, token, kind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    // R: REC-07, REC-08
    #[test]
    fn they_come_in_the_order_of_their_times() {
        let mut due = Due::default();
        due.add(Token(1), Some(seconds(9)), Some(5));
        due.add(Token(2), Some(seconds(7)), None);
        due.add(Token(3), None, None);
        assert_eq!(due.next(at(0)), Some(at(5)), "from the time of the call, as far as is known");
        due.settle(at(10));
        assert!(!due.is_unsettled());
        assert_eq!(due.next(at(10)), Some(at(15)));
        assert_eq!(due.take(at(14)), None);
        let come: Vec<_> = core::iter::from_fn(|| due.take(at(20))).collect();
        assert_eq!(come, [(Token(1), Kind::Expiry), (Token(2), Kind::Deadline), (Token(1), Kind::Deadline)]);
        assert_eq!(due.next(at(20)), None);
    }

    // R: REC-07
    #[test]
    fn what_was_sent_expires_only_after_it_waits_again() {
        let mut due = Due::default();
        due.add(Token(1), None, Some(5));
        due.settle(at(0));
        due.sent(Token(1), Some(7));
        assert_eq!((due.packet_id(Token(1)), due.take(at(9))), (Some(7), None));
        assert_eq!(due.remaining(Token(1), at(9)), Some(1));
        due.waits_again(Token(1));
        assert_eq!((due.packet_id(Token(1)), due.take(at(9))), (None, Some((Token(1), Kind::Expiry))));
    }

    // R: REC-07
    #[test]
    fn the_remaining_interval_is_rounded_up() {
        let mut due = Due::default();
        due.add(Token(1), None, Some(5));
        assert_eq!(due.remaining(Token(1), at(0)), None, "no time has passed");
        due.settle(at(0));
        for (micros, left) in [(0, None), (1, None), (1_000_000, Some(4)), (4_999_999, Some(1))] {
            assert_eq!(due.remaining(Token(1), Instant::from_micros(micros)), left, "{micros}");
        }
    }

    #[test]
    fn nothing_is_left_of_what_has_ended() {
        let mut due = Due::default();
        due.add(Token(1), Some(seconds(1)), Some(1));
        due.settle(at(0));
        due.add(Token(2), Some(seconds(1)), Some(1));
        due.remove(Token(1));
        due.remove(Token(2));
        due.settle(at(0));
        assert_eq!((due.next(at(0)), due.take(at(9))), (None, None));
        due.trim();
        assert!(due.0.is_none());
    }
}
