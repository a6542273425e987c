//! Several servers of one cluster, with one session for each client: several addresses of the same broker, some of which
//! are down, silent or send clients on at times.

use std::fmt::Write;

use super::random::Random;
use super::report::Fault;
use super::world::World;
use crate::broker::{ConnectionId, Redirect};

/// The cluster, and what all clients are told of it.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// How many servers every client knows; each client begins its list with another one.
    pub(super) servers: u8,
    pub(super) shuffled: bool,
    /// How many times in a row clients follow a server that sends them on.
    pub(super) redirects: u8,
    /// The server that is up at the end whatever happens to the others.
    pub(super) survivor: u8,
    /// All others are gone for good at the end.
    pub(super) shrinks: bool,
}

/// Where a server sends its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Server(u8),
    /// An address where nobody is.
    Nowhere,
    /// No address at all.
    Nonsense,
}

/// What is wrong with one server for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody listens; `breaks`: what was connected is lost.
    Down { breaks: bool },
    /// Nobody answers.
    Silent,
    /// Whoever speaks 5.0 is sent on.
    SendsOn { permanent: bool, to: [Place; 2] },
}

/// One thing that happens to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClusterEvent {
    Fails {
        server: u8,
        trouble: Trouble,
        lasts: u64,
    },
    /// The server that a client is connected to sends it on.
    SendsOn {
        client: usize,
        permanent: bool,
        to: [Place; 2],
    },
}

/// The servers' troubles, each until its time.
pub(super) type Troubles = Vec<Option<(Trouble, u64)>>;

const SECOND: u64 = 1_000_000;

impl Cluster {
    pub(super) fn draw(random: &mut Random) -> Self {
        let servers = if random.percent(30) { random.within(2, 4) as u8 } else { 1 };
        Self {
            servers,
            shuffled: random.percent(50),
            redirects: if servers > 1 { random.pick(&[0, 1, 2, 5]) } else { 0 },
            survivor: random.below(u64::from(servers)) as u8,
            shrinks: random.percent(60),
        }
    }

    /// The servers in the order in which this client is told of them.
    pub(super) fn list(&self, client: usize) -> impl Iterator<Item = u8> {
        let (first, count) = (client % usize::from(self.servers), self.servers);
        (0..count).map(move |index| (index + first as u8) % count)
    }

    /// The Server Reference. A move for good also names the server that is there at the end: who moved has forgotten the
    /// others.
    fn reference(&self, permanent: bool, to: [Place; 2], named: bool) -> String {
        let last = permanent.then_some(Place::Server(self.survivor));
        let mut text = String::new();
        for place in to.into_iter().chain(last) {
            // Writing to a String cannot fail.
            let _ = match place {
                Place::Server(server) if named => write!(text, "{} ", name(server)),
                Place::Server(server) => write!(text, "{}:1883 ", address(server)),
                Place::Nowhere => write!(text, "10.0.99.0 "),
                Place::Nonsense => write!(text, "mqtt://:: "),
            };
        }
        text.trim_end().to_owned()
    }
}

pub(super) fn address(server: u8) -> std::net::Ipv4Addr {
    [10, 0, server, 0].into()
}

pub(super) fn name(server: u8) -> String {
    format!("broker-{server}")
}

/// The server that a name or an address stands for, whether somebody is there or not.
pub(super) fn server_of(host: &str) -> u8 {
    let number = host.strip_prefix("broker-").or_else(|| host.split('.').nth(2));
    number.and_then(|number| number.parse().ok()).unwrap_or(u8::MAX)
}

pub(super) fn draw_event(random: &mut Random, cluster: &Cluster, clients: usize) -> ClusterEvent {
    let server = random.below(u64::from(cluster.servers)) as u8;
    let mut place = || match random.below(8) {
        0 => Place::Nowhere,
        1 => Place::Nonsense,
        _ => Place::Server(random.below(u64::from(cluster.servers)) as u8),
    };
    let to = [place(), place()];
    let permanent = random.percent(30);
    if random.percent(25) {
        return ClusterEvent::SendsOn { client: random.below(clients as u64) as usize, permanent, to };
    }
    let trouble = match random.below(5) {
        0 | 1 => Trouble::Down { breaks: random.percent(70) },
        2 => Trouble::Silent,
        _ => Trouble::SendsOn { permanent, to },
    };
    ClusterEvent::Fails { server, trouble, lasts: random.span(SECOND / 10, 300 * SECOND) }
}

impl World {
    pub(super) fn apply_to_cluster(&mut self, event: ClusterEvent) {
        match event {
            ClusterEvent::Fails { server, trouble, lasts } => {
                self.troubles[usize::from(server)] = Some((trouble, self.now + lasts));
                if trouble == (Trouble::Down { breaks: true }) {
                    self.break_server(server);
                }
                self.fault(Fault::ServerFails);
            }
            ClusterEvent::SendsOn { client, permanent, to } => {
                let Some(id) = self.broker_connection(client) else { return };
                let redirect = self.redirect(permanent, to);
                self.broker.redirect(self.broker_now(), id, &redirect);
            }
        }
    }

    fn redirect(&self, permanent: bool, to: [Place; 2]) -> Redirect {
        let named = matches!(self.setup.clients[0].address, super::setup::Address::Name(_));
        Redirect { permanent, reference: self.setup.cluster.reference(permanent, to, named) }
    }

    /// All network connections to this server are lost.
    fn break_server(&mut self, server: u8) {
        let at = self.broker_now();
        for link in self.links.values_mut().filter(|link| link.server == server && link.broker_is_there) {
            self.broker.disconnected(at, ConnectionId(link.id));
            link.broker_closes(self.now);
        }
        self.read_ledger();
    }

    /// What is wrong with a server now.
    pub(super) fn trouble_of(&self, server: u8) -> Option<Trouble> {
        let (trouble, until) = (*self.troubles.get(usize::from(server))?)?;
        (until > self.now).then_some(trouble)
    }

    /// Where a server sends its clients now.
    pub(super) fn redirect_of(&self, server: u8) -> Option<Redirect> {
        match self.trouble_of(server) {
            Some(Trouble::SendsOn { permanent, to }) => Some(self.redirect(permanent, to)),
            _ => None,
        }
    }

    /// All is well again, or only one server is left.
    pub(super) fn heal_cluster(&mut self) {
        for server in 0..self.setup.cluster.servers {
            let gone = self.setup.cluster.shrinks && server != self.setup.cluster.survivor;
            self.troubles[usize::from(server)] = gone.then_some((Trouble::Down { breaks: true }, u64::MAX));
            if gone {
                self.break_server(server);
            }
        }
    }
}
