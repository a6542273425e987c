//! The deadlines of a connection: a fixed table, indexed by what they are for.

use core::fmt;
use core::time::Duration;

use crate::time::Instant;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Timer {
    /// The attempt to connect must have its CONNACK.
    Connect,
    /// The PINGRESP must have come.
    Ping,
    /// The oldest operation in flight must have been acknowledged.
    Ack,
    /// A re-authentication must have ended.
    Authenticate,
    /// The next attempt to connect begins.
    Reconnect,
    /// A graceful disconnect waits no longer.
    Drain,
    /// The oldest message in a full receive window must have been acknowledged by the application.
    AckBlocked,
    /// A PINGREQ is due.
    KeepAlive,
    /// Waiting bytes must have made progress.
    Write,
    /// A message expires, or an operation's own deadline passes.
    Operation,
    /// Operations wait behind messages that the application does not read, and are to wait no longer.
    Stalled,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting took too long",
            Self::KeepAlive => "keep alive",
            Self::Ping => "no PINGRESP",
            Self::Ack => "an operation was not acknowledged",
            Self::Authenticate => "re-authentication took too long",
            Self::Write => "the transport takes no bytes",
            Self::Reconnect => "reconnect",
            Self::Drain => "draining took too long",
            Self::Operation => "an operation took too long",
            Self::Stalled => "the application does not read its messages",
            Self::AckBlocked => "a message is not acknowledged",
        })
    }
}

/// Those that are stored here come first: the others follow from other times.
const COUNT: usize = Timer::AckBlocked as usize + 1;
const ALL: [Timer; COUNT] = [
    Timer::Connect,
    Timer::Ping,
    Timer::Ack,
    Timer::Authenticate,
    Timer::Reconnect,
    Timer::Drain,
    Timer::AckBlocked,
];

#[derive(Debug, Clone, Copy)]
enum Deadline {
    At(Instant),
    /// Set by a command, whose time may be the driver's last one: counts from the driver's next call.
    In(Duration),
}

/// The deadlines that are stored. Keep alive and write follow from other times, so that traffic moves no timer.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    deadlines: [Option<Deadline>; COUNT],
    /// Whether one of them counts from the driver's next call.
    unsettled: bool,
}

impl Timers {
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.deadlines[timer as usize] = Some(Deadline::At(at));
    }

    /// Arms it to count from the driver's next call.
    pub(crate) fn arm_in(&mut self, timer: Timer, duration: Duration) {
        self.deadlines[timer as usize] = Some(Deadline::In(duration));
        self.unsettled = true;
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.deadlines[timer as usize] = None;
    }

    pub(crate) fn disarm_all(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_armed(&self, timer: Timer) -> bool {
        self.deadlines[timer as usize].is_some()
    }

    /// The driver calls with a fresh time.
    #[inline]
    pub(crate) fn settle(&mut self, now: Instant) {
        if !core::mem::take(&mut self.unsettled) {
            return;
        }
        for deadline in self.deadlines.iter_mut().flatten() {
            if let Deadline::In(duration) = *deadline {
                *deadline = Deadline::At(now + duration);
            }
        }
    }

    /// Whether `timer` is armed and due; it is disarmed then.
    pub(crate) fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.at(timer, now).is_some_and(|at| at <= now);
        if due {
            self.disarm(timer);
        }
        due
    }

    /// The earliest deadline.
    pub(crate) fn next(&self, now: Instant) -> Option<(Instant, Timer)> {
        ALL.into_iter().filter_map(|timer| Some((self.at(timer, now)?, timer))).min()
    }

    fn at(&self, timer: Timer, now: Instant) -> Option<Instant> {
        self.deadlines[timer as usize].map(|deadline| match deadline {
            Deadline::At(at) => at,
            Deadline::In(duration) => now + duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn the_table_has_every_timer_in_its_place() {
        for (index, timer) in ALL.into_iter().enumerate() {
            assert_eq!(timer as usize, index);
        }
    }

    #[test]
    fn the_earliest_deadline_is_next_and_fires_once() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(at(0)), None);
        timers.arm(Timer::Ping, at(20));
        timers.arm(Timer::Connect, at(30));
        assert_eq!(timers.next(at(0)), Some((at(20), Timer::Ping)));
        assert!(!timers.take_due(Timer::Ping, at(19)));
        assert!(timers.take_due(Timer::Ping, at(20)));
        assert!(!timers.take_due(Timer::Ping, at(20)));
        timers.disarm_all();
        assert_eq!(timers.next(at(0)), None);
    }

    #[test]
    fn a_deadline_of_a_command_counts_from_the_drivers_next_call() {
        let mut timers = Timers::default();
        timers.arm_in(Timer::Drain, Duration::from_micros(5));
        timers.settle(at(100));
        assert_eq!(timers.next(at(101)), Some((at(105), Timer::Drain)));
    }
}
