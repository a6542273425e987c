//! Our receive window, and who holds it up.

use super::Connection;
use super::timer::Timer;
use crate::event::Event;

/// Since when a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// A driver's call: now.
    Now,
    /// A command: the driver's next call.
    NextCall,
}

impl Connection {
    /// A message came or was acknowledged. While the window is full and the oldest message in it waits for the
    /// application, a timer runs; it starts anew when another message is the one that holds it up.
    #[inline]
    pub(super) fn watch_window(&mut self, since: Since) {
        if self.blocking != 0 || self.received.is_full(self.config.receive_maximum) {
            self.watch_full_window(since);
        }
    }

    fn watch_full_window(&mut self, since: Since) {
        let blocking = self.received.blocking(self.config.receive_maximum).map_or(0, |id| id.sequence);
        if blocking == self.blocking {
            return;
        }
        self.blocking = blocking;
        let timeout = self.config.ack_blocked_after;
        match since {
            _ if blocking == 0 || timeout.is_zero() => self.timers.disarm(Timer::AckBlocked),
            Since::Now => self.timers.arm(Timer::AckBlocked, self.now + timeout),
            Since::NextCall => self.timers.arm_in(Timer::AckBlocked, timeout),
        }
    }

    /// Said once: the timer runs again for another message only.
    pub(super) fn report_ack_blocked(&mut self) {
        if let Some(id) = self.received.blocking(self.config.receive_maximum) {
            let topic = self.received.topic_of_blocking(id);
            self.report(Event::AckBlocked { id, topic });
        }
    }
}
