//! Which server is next: several in turn, and where they send us.
//!
//! An attempt that fails moves on to the next server at once; when all have failed, there is a pause. A connection that
//! held is made again to the same server first, which is likely to have the session at hand. One that did not hold, or
//! that the server itself ended, moves on.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::random::Random;
use crate::config::Config;
use crate::packet::ProtocolVersion;

/// So many references of one redirection are tried: a server must not have us dial half the world.
const REFERENCES: usize = 8;

/// A server, or where it has sent us.
#[derive(Debug)]
struct Place {
    /// Its index in the configuration.
    server: u16,
    /// What it speaks, as far as is known.
    version: ProtocolVersion,
    /// Which of the references is next.
    position: u8,
    /// Where it is to be found instead: server references, separated by spaces.
    references: Option<Box<str>>,
}

impl Place {
    fn list(&self) -> impl Iterator<Item = &str> {
        self.references.as_deref().unwrap_or_default().split_ascii_whitespace().take(REFERENCES)
    }

    /// Goes on to the next reference; false after the last one, and the first is next again.
    fn next_reference(&mut self) -> bool {
        let more = usize::from(self.position) + 1 < self.list().count();
        self.position = if more { self.position + 1 } else { 0 };
        more
    }
}

/// Where a server has sent us, and whether it is to be found there from now on.
#[derive(Debug)]
struct Detour {
    place: Place,
    permanent: bool,
}

/// All servers of a client, in the order in which they are tried.
#[derive(Debug)]
pub(super) struct Servers {
    places: Vec<Place>,
    detour: Option<Box<Detour>>,
    current: u16,
    /// How many have failed since the last pause, or connection.
    failed: u16,
    /// How often we were sent on since the last connection that held.
    hops: u8,
    /// The version to begin with.
    version: ProtocolVersion,
}

impl Servers {
    pub(super) fn new(config: &Config, version: ProtocolVersion, random: &mut Random) -> Self {
        let place = |server| Place { server, version, position: 0, references: None };
        let mut places: Vec<_> = (0..config.servers).map(place).collect();
        if config.shuffle_servers {
            for last in (1..places.len()).rev() {
                let other = random.next() % (last as u64 + 1);
                places.swap(last, other as usize);
            }
        }
        Self { places, current: 0, failed: 0, hops: 0, detour: None, version }
    }

    /// The client is started anew.
    pub(super) fn restart(&mut self) {
        self.failed = 0;
        self.hops = 0;
        self.detour = None;
    }

    fn place(&self) -> &Place {
        self.detour.as_ref().map_or(&self.places[usize::from(self.current)], |detour| &detour.place)
    }

    fn place_mut(&mut self) -> &mut Place {
        self.detour.as_mut().map_or(&mut self.places[usize::from(self.current)], |detour| &mut detour.place)
    }

    /// The server to connect to, and where it is to be found instead.
    pub(super) fn target(&self) -> (u16, Option<Box<str>>) {
        let place = self.place();
        (place.server, place.list().nth(usize::from(place.position)).map(Into::into))
    }

    /// The version to speak there.
    pub(super) fn version(&self) -> ProtocolVersion {
        self.place().version
    }

    /// It does not speak 5.0; this is kept for it.
    pub(super) fn fall_back(&mut self) {
        self.place_mut().version = ProtocolVersion::V3_1_1;
    }

    /// The last connection of another process spoke this version. Which of several servers it was is not known: each
    /// is asked again.
    pub(super) fn spoke(&mut self, version: ProtocolVersion) {
        if let [only] = &mut self.places[..] {
            only.version = version;
        }
    }

    /// The connection was accepted.
    pub(super) fn accepted(&mut self) {
        self.failed = 0;
        if self.detour.as_ref().is_some_and(|detour| detour.permanent)
            && let Some(detour) = self.detour.take()
        {
            self.places[usize::from(self.current)] = detour.place;
        }
    }

    /// The connection held.
    pub(super) fn held(&mut self) {
        self.hops = 0;
    }

    /// A connection that was accepted is gone. `stay`: the same server is tried first.
    pub(super) fn lost(&mut self, stay: bool) {
        self.failed = 0;
        // A temporary detour ends with its connection.
        if self.detour.take().is_none() && !stay {
            self.move_on();
        }
    }

    fn move_on(&mut self) {
        let next = self.current.saturating_add(1);
        self.current = if usize::from(next) < self.places.len() { next } else { 0 };
    }

    /// An attempt has failed. Whether another place is to be tried at once; else every server has failed.
    pub(super) fn failed(&mut self) -> bool {
        if self.place_mut().next_reference() {
            return true;
        }
        self.detour = None;
        self.move_on();
        self.failed += 1;
        let more = usize::from(self.failed) < self.places.len();
        if !more {
            self.failed = 0;
        }
        more
    }

    /// The server sends us to one of `references`. Whether we follow: within `limit`.
    pub(super) fn redirect(&mut self, limit: u8, permanent: bool, references: &str) -> bool {
        if self.hops >= limit || references.split_ascii_whitespace().next().is_none() {
            return false;
        }
        self.hops += 1;
        let server = self.place().server;
        let place = Place { server, version: self.version, position: 0, references: Some(references.into()) };
        // What a temporary place says of itself does not move the server that sent us there.
        let permanent = permanent && self.detour.as_ref().is_none_or(|detour| detour.permanent);
        self.detour = Some(Box::new(Detour { place, permanent }));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: u16, shuffle: bool, seed: u64) -> Servers {
        let config = Config { servers: count, shuffle_servers: shuffle, ..Config::new(seed) };
        Servers::new(&config, ProtocolVersion::V5, &mut Random::new(seed))
    }

    fn order(servers: &mut Servers) -> Vec<u16> {
        let mut order = Vec::new();
        loop {
            order.push(servers.target().0);
            if !servers.failed() {
                return order;
            }
        }
    }

    // R: CON-10
    #[test]
    fn the_seed_shuffles_and_every_server_has_its_turn() {
        assert_eq!(order(&mut servers(4, false, 1)), [0, 1, 2, 3]);
        let shuffled = order(&mut servers(20, true, 1));
        assert_ne!(shuffled, order(&mut servers(20, true, 2)));
        assert_eq!(shuffled, order(&mut servers(20, true, 1)));
        let mut sorted = shuffled.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        assert_ne!(shuffled, sorted);
    }

    // R: CON-10
    #[test]
    fn rounds_wrap_and_begin_where_the_last_connection_was() {
        let mut servers = servers(3, false, 1);
        assert!(servers.failed());
        servers.accepted();
        servers.lost(true);
        assert_eq!(order(&mut servers), [1, 2, 0]);
        assert_eq!(order(&mut servers), [1, 2, 0]);
        servers.accepted();
        servers.lost(false);
        assert_eq!(order(&mut servers), [2, 0, 1]);
    }

    // R: CON-13
    #[test]
    fn references_are_tried_in_turn_and_then_the_server_counts_as_failed() {
        let mut servers = servers(2, false, 1);
        assert!(servers.redirect(1, false, " a  b:1 "));
        assert_eq!(servers.target(), (0, Some("a".into())));
        assert!(servers.failed());
        assert_eq!(servers.target(), (0, Some("b:1".into())));
        assert!(servers.failed());
        assert_eq!(servers.target(), (1, None));
        assert!(!servers.redirect(1, false, "c"), "the limit is reached");
        assert!(!servers.failed());
        assert_eq!(servers.target(), (0, None));
    }

    // R: CON-13
    #[test]
    fn a_list_without_end_is_cut() {
        let mut servers = servers(1, false, 1);
        assert!(servers.redirect(1, false, &"host ".repeat(1_000)));
        assert_eq!(order(&mut servers).len(), REFERENCES);
        assert!(!servers.redirect(9, false, "  "), "no reference at all");
    }

    // R: CON-13
    #[test]
    fn only_a_move_that_was_seen_to_work_is_permanent() {
        let mut servers = servers(1, false, 1);
        assert!(servers.redirect(3, true, "nowhere"));
        assert!(!servers.failed());
        assert_eq!(servers.target(), (0, None), "nobody is there");
        assert!(servers.redirect(3, true, "new"));
        servers.accepted();
        servers.held();
        servers.lost(true);
        assert_eq!(servers.target(), (0, Some("new".into())));
        assert!(servers.redirect(3, false, "elsewhere"));
        servers.accepted();
        servers.lost(true);
        assert_eq!(servers.target(), (0, Some("new".into())), "the other was for once");
    }
}
