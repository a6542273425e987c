//! The addresses of a server, tried in turn.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sterna_core::Instant;

/// No address is given up sooner than this, however many there are.
const SHORTEST: Duration = Duration::from_millis(500);
/// An address that does not answer is given up after this, if there is another.
const LONGEST: Duration = Duration::from_secs(5);

/// Goes through the addresses. Each has a share of the time that is left, so that one that swallows packets does
/// not use up the whole connect time-out.
#[derive(Debug)]
pub(crate) struct Dialler {
    addresses: VecDeque<SocketAddr>,
    current: Option<SocketAddr>,
    /// When the present address is given up.
    limit: Option<Instant>,
    /// When the whole attempt is.
    end: Instant,
    /// What the last address failed with.
    error: String,
}

impl Dialler {
    pub(crate) fn new(addresses: impl IntoIterator<Item = SocketAddr>, end: Instant) -> Self {
        let addresses = alternate_families(addresses);
        Self { addresses, current: None, limit: None, end, error: "the name has no address".into() }
    }

    /// The next address to dial.
    pub(crate) fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        self.current = self.addresses.pop_front();
        let rest = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        self.limit =
            (rest > 0).then(|| now + ((self.end - now) / rest.saturating_add(1)).clamp(SHORTEST, LONGEST));
        self.current
    }

    /// When to give the present address up; `None` for the last one.
    pub(crate) fn limit(&self) -> Option<Instant> {
        self.limit
    }

    /// The present address failed.
    pub(crate) fn failed(&mut self, error: &dyn std::fmt::Display) {
        if let Some(address) = self.current {
            self.error = format!("{address}: {error}");
        }
    }

    /// What to tell when no address is left.
    pub(crate) fn into_error(self) -> String {
        self.error
    }
}

/// The addresses in their order, but IPv6 and IPv4 by turns: a host may have no route for one of them.
fn alternate_families(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    let first_is_v6 = seen.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = seen.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut sorted: VecDeque<_> =
        first.into_iter().flat_map(|address| [Some(address), second.next()]).flatten().collect();
    sorted.extend(second);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_and_doubles_go() {
        let sorted = alternate_families(addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::1]:1",
            "1.1.1.1:1",
            "2.2.2.2:1",
            "3.3.3.3:1",
        ]));
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]);
        assert_eq!(sorted, expected);
    }

    // R: CON-05
    #[test]
    fn an_unreachable_address_has_a_share_of_the_time() {
        let now = Instant::from_micros(7);
        let mut dialler = Dialler::new(addresses(&["[::1]:1", "1.1.1.1:1"]), now + Duration::from_secs(6));
        assert_eq!(dialler.next(now), Some("[::1]:1".parse().unwrap()));
        assert_eq!(dialler.limit(), Some(now + Duration::from_secs(3)));
        dialler.failed(&"no route");
        assert_eq!(dialler.next(now + Duration::from_secs(3)), Some("1.1.1.1:1".parse().unwrap()));
        assert_eq!(dialler.limit(), None, "the last one has all the rest");
        dialler.failed(&"refused");
        assert_eq!(dialler.next(now), None);
        assert_eq!(dialler.into_error(), "1.1.1.1:1: refused");
    }
}
