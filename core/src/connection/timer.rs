//! The deadlines of a connection: a fixed table, indexed by what they are for.

use core::fmt;

use crate::time::Instant;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Timer {
    /// The attempt to connect must have its CONNACK.
    Connect,
    /// A PINGREQ is due.
    KeepAlive,
    /// The PINGRESP must have come.
    Ping,
    /// The oldest operation in flight must have been acknowledged.
    Ack,
    /// Waiting bytes must have made progress.
    Write,
    /// The connection counts as stable: the back-off starts anew.
    Stable,
    /// The next attempt to connect begins.
    Reconnect,
    /// A graceful disconnect waits no longer.
    Drain,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting took too long",
            Self::KeepAlive => "keep alive",
            Self::Ping => "no PINGRESP",
            Self::Ack => "an operation was not acknowledged",
            Self::Write => "the transport takes no bytes",
            Self::Stable => "stable",
            Self::Reconnect => "reconnect",
            Self::Drain => "draining took too long",
        })
    }
}

/// The deadlines that are stored; keep alive and write follow from other times, so traffic moves no timer.
#[derive(Debug, Default)]
pub(crate) struct Timers([Option<Instant>; Timer::Drain as usize + 1]);

impl Timers {
    pub(crate) fn arm(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }
}
