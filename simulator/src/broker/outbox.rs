//! What waits to be written to one connection.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Instant;

/// Bytes for one connection, in order; some of them only from a certain time on.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    ready: Vec<u8>,
    /// Never before `ready`, and in order among themselves, so that a delay holds up what is behind it.
    delayed: VecDeque<(Instant, Vec<u8>)>,
    delayed_bytes: usize,
}

impl Outbox {
    /// Appends `bytes`, not to leave before `at` (nor before what is already there).
    pub(super) fn push(&mut self, bytes: &[u8], at: Instant, now: Instant) {
        let at = self.delayed.back().map_or(at, |(last, _)| at.max(*last));
        if at <= now && self.delayed.is_empty() {
            self.ready.extend_from_slice(bytes);
            return;
        }
        self.delayed_bytes += bytes.len();
        match self.delayed.back_mut() {
            Some((last, chunk)) if *last == at => chunk.extend_from_slice(bytes),
            _ => self.delayed.push_back((at, bytes.to_vec())),
        }
    }

    /// Makes ready what was delayed until `now`; whether there was any.
    pub(super) fn release(&mut self, now: Instant) -> bool {
        let before = self.delayed.len();
        while self.delayed.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, chunk)) = self.delayed.pop_front() else { break };
            self.delayed_bytes -= chunk.len();
            self.ready.extend_from_slice(&chunk);
        }
        self.delayed.len() < before
    }

    /// When [`release`](Self::release) has something to do.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.delayed.front().map(|(at, _)| *at)
    }

    /// Everything that is ready.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.ready.is_empty() { None } else { Some(Bytes::from(core::mem::take(&mut self.ready))) }
    }

    /// Throws away what is delayed: the connection ends before it would have left.
    pub(super) fn drop_delayed(&mut self) {
        self.delayed.clear();
        self.delayed_bytes = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.delayed_bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.delayed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_delay_holds_up_what_is_behind_it() {
        let now = Instant::ZERO;
        let later = now + Duration::from_secs(1);
        let mut outbox = Outbox::default();
        outbox.push(b"a", now, now);
        outbox.push(b"b", later, now);
        outbox.push(b"c", now, now);
        assert_eq!(outbox.take().as_deref(), Some(&b"a"[..]));
        assert_eq!((outbox.take(), outbox.len(), outbox.next_release()), (None, 2, Some(later)));
        assert!(!outbox.release(now));
        assert!(outbox.release(later));
        assert_eq!(outbox.take().as_deref(), Some(&b"bc"[..]));
        assert!(outbox.is_empty());
    }
}
