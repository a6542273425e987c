//! The only source of randomness: a small generator seeded by the configuration (SplitMix64's step).

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from zero to `end`, to the microsecond.
    pub(crate) fn duration_up_to(&mut self, end: Duration) -> Duration {
        let micros = u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
        let drawn = (u128::from(self.next()) * (u128::from(micros) + 1)) >> 64;
        Duration::from_micros(u64::try_from(drawn).unwrap_or(micros))
    }

    /// `sterna` and 17 alphanumerics: 23 bytes, which every server takes [MQTT-3.1.3-5].
    pub(crate) fn client_id(&mut self) -> Box<str> {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = String::from("sterna");
        id.extend((0..17).map(|_| char::from(ALPHABET[(self.next() % 62) as usize])));
        id.into_boxed_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: CON-03
    #[test]
    fn client_ids_are_23_alphanumerics_and_follow_the_seed() {
        let id = Random::new(7).client_id();
        assert_eq!(id.len(), 23);
        assert!(id.starts_with("sterna") && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(id, Random::new(7).client_id());
        assert_ne!(id, Random::new(8).client_id());
    }

    #[test]
    fn durations_fill_their_range() {
        let mut random = Random::new(1);
        let end = Duration::from_secs(1);
        let drawn: std::vec::Vec<_> = (0..1_000).map(|_| random.duration_up_to(end)).collect();
        assert!(drawn.iter().all(|duration| *duration <= end));
        assert!(drawn.iter().any(|duration| *duration < Duration::from_millis(50)));
        assert!(drawn.iter().any(|duration| *duration > Duration::from_millis(950)));
        assert_eq!(random.duration_up_to(Duration::ZERO), Duration::ZERO);
        assert!(random.duration_up_to(Duration::MAX) <= Duration::from_micros(u64::MAX));
    }
}
