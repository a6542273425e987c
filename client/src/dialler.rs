//! The addresses of a server, several of them dialled at once: happy eyeballs, RFC 8305 §5.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sterna_core::Instant;
use sterna_transport::Endpoint;

/// How long an address has the field to itself: the "Connection Attempt Delay" of RFC 8305.
const DELAY: Duration = Duration::from_millis(250);

/// Names one dial among those of its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialId(u64);

/// What to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A TCP address, with [`Engine::socket_options`](crate::Engine::socket_options).
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A stream of the runtime's own making for this server: asked for instead of all others if
    /// [`Runtime::makes_streams`](crate::Runtime::makes_streams).
    Stream(Box<Endpoint>),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
            Self::Stream(endpoint) => endpoint.fmt(f),
        }
    }
}

/// Which address to dial when. One that does not answer has company after [`DELAY`], and one that fails at once; what
/// was begun goes on until the first success.
#[derive(Debug)]
pub(crate) struct Dialler {
    waiting: VecDeque<Target>,
    under_way: Vec<(DialId, Target)>,
    /// When the next one is due.
    next: Instant,
    /// The last number given out; over all diallers of an engine.
    last: u64,
    /// What failed so far.
    failures: Vec<String>,
}

impl Dialler {
    /// `last` is the number of the last dial before.
    pub(crate) fn new(targets: impl IntoIterator<Item = Target>, last: u64) -> Self {
        Self {
            waiting: targets.into_iter().collect(),
            under_way: Vec::new(),
            next: Instant::ZERO,
            last,
            failures: Vec::new(),
        }
    }

    /// What to dial now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(DialId, Target)> {
        if self.next > now {
            return None;
        }
        let target = self.waiting.pop_front()?;
        self.next = now + DELAY;
        self.last += 1;
        let dial = DialId(self.last);
        self.under_way.push((dial, target.clone()));
        Some((dial, target))
    }

    /// When there is something to dial.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// The number of the last dial.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Whether this dial was begun and has not failed.
    pub(crate) fn is_under_way(&self, dial: DialId) -> bool {
        self.under_way.iter().any(|(id, _)| *id == dial)
    }

    /// This dial failed: the next one is due at once.
    pub(crate) fn failed(&mut self, dial: DialId, error: &dyn fmt::Display) {
        let Some(at) = self.under_way.iter().position(|(id, _)| *id == dial) else { return };
        let (_, target) = self.under_way.remove(at);
        self.failures.push(format!("{target}: {error}"));
        self.next = Instant::ZERO;
    }

    /// Whether everything has failed.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// What to tell then: each failure.
    pub(crate) fn into_error(self) -> String {
        if self.failures.is_empty() { "the name has no address".into() } else { self.failures.join("; ") }
    }
}

/// The addresses in their order, but IPv6 and IPv4 by turns: a host may have no route for one of them.
pub(crate) fn alternate_families(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = Vec::new();
    for address in addresses {
        if !seen.contains(&address) {
            seen.push(address);
        }
    }
    let first_is_v6 = seen.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = seen.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut sorted: Vec<_> =
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

    fn dialler(list: &[&str]) -> Dialler {
        Dialler::new(addresses(list).into_iter().map(Target::Tcp), 10)
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
    fn a_silent_address_has_company_after_a_while() {
        let now = Instant::from_micros(7);
        let mut dialler = dialler(&["[::1]:1", "1.1.1.1:1", "[::2]:1"]);
        let (first, target) = dialler.next(now).unwrap();
        assert_eq!(target.to_string(), "[::1]:1");
        assert_eq!(dialler.next(now), None);
        assert_eq!(dialler.deadline(), Some(now + DELAY));
        let (second, target) = dialler.next(now + DELAY).unwrap();
        assert_eq!(target.to_string(), "1.1.1.1:1");
        assert!(dialler.is_under_way(first) && dialler.is_under_way(second) && first != second);
        assert!(dialler.next(now + 2 * DELAY).is_some());
        assert_eq!(dialler.deadline(), None, "all were begun");
    }

    // R: CON-05
    #[test]
    fn a_failure_is_followed_at_once_and_all_are_told() {
        let now = Instant::from_micros(7);
        let mut dialler = dialler(&["[::1]:1", "1.1.1.1:1"]);
        let (first, _) = dialler.next(now).unwrap();
        dialler.failed(first, &"no route");
        let (second, _) = dialler.next(now).unwrap();
        // What is not under way any more cannot fail again.
        dialler.failed(first, &"late");
        assert!(!dialler.is_exhausted());
        dialler.failed(second, &"refused");
        assert!(dialler.is_exhausted());
        assert_eq!(dialler.last(), 12);
        assert_eq!(dialler.into_error(), "[::1]:1: no route; 1.1.1.1:1: refused");
    }

    #[test]
    fn no_address_at_all_is_told() {
        let dialler = dialler(&[]);
        assert!(dialler.is_exhausted());
        assert_eq!(dialler.into_error(), "the name has no address");
    }
}
