//! When to try again: exponential back-off with full jitter.

use core::time::Duration;

use super::random::Random;
use crate::config::Reconnect;
use crate::time::Instant;

/// How many attempts failed since the last stable connection, and since when.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    failing_since: Option<Instant>,
}

impl Backoff {
    /// The connection held long enough: the next loss starts from the initial pause.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// The pause before the next attempt; `None` when the policy gives up.
    pub(crate) fn next_pause(
        &mut self,
        policy: &Reconnect,
        random: &mut Random,
        now: Instant,
    ) -> Option<Duration> {
        let since = *self.failing_since.get_or_insert(now);
        if policy.attempts.is_some_and(|attempts| self.failures >= attempts) {
            return None;
        }
        if policy.total.is_some_and(|total| now - since >= total) {
            return None;
        }
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let ceiling = policy.initial.saturating_mul(factor).min(policy.maximum);
        self.failures = self.failures.saturating_add(1);
        Some(random.duration_up_to(ceiling).max(policy.minimum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: REC-01
    #[test]
    fn pauses_grow_within_their_bounds_and_start_over_after_a_reset() {
        let policy = Reconnect::default();
        let mut random = Random::new(3);
        let mut backoff = Backoff::default();
        for failure in 0..40 {
            let ceiling = policy.initial.saturating_mul(1 << failure.min(20)).min(policy.maximum);
            let pause = backoff.next_pause(&policy, &mut random, Instant::ZERO).unwrap();
            assert!(pause >= policy.minimum && pause <= ceiling, "{pause:?} after {failure} failures");
        }
        backoff.reset();
        assert!(backoff.next_pause(&policy, &mut random, Instant::ZERO).unwrap() <= policy.initial);
    }

    // R: REC-01
    #[test]
    fn attempts_and_total_time_bound_the_tries() {
        let mut random = Random::new(3);
        let mut backoff = Backoff::default();
        let policy = Reconnect { attempts: Some(2), ..Reconnect::default() };
        assert!(backoff.next_pause(&policy, &mut random, Instant::ZERO).is_some());
        assert!(backoff.next_pause(&policy, &mut random, Instant::ZERO).is_some());
        assert_eq!(backoff.next_pause(&policy, &mut random, Instant::ZERO), None);
        assert_eq!(Backoff::default().next_pause(&Reconnect::off(), &mut random, Instant::ZERO), None);

        let policy = Reconnect { total: Some(Duration::from_secs(5)), ..Reconnect::default() };
        let mut backoff = Backoff::default();
        assert!(backoff.next_pause(&policy, &mut random, Instant::ZERO).is_some());
        assert!(backoff.next_pause(&policy, &mut random, Instant::from_micros(4_999_999)).is_some());
        assert_eq!(backoff.next_pause(&policy, &mut random, Instant::from_micros(5_000_000)), None);
    }
}
