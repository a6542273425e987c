//! The cells of the matrix: what each scenario is to run on.

use std::fmt;

use sterna::ProtocolVersion;

use crate::other_brokers::Make;

/// What drives the client, and runs the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Runtime {
    Tokio,
    Smol,
    AsyncStd,
    Blocking,
}

/// What the bytes travel through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    WebSocket,
    WebSocketTls,
    Unix,
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Mosquitto,
    TestBroker,
    Other(Make),
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) runtime: Runtime,
    pub(crate) transport: Transport,
    pub(crate) version: ProtocolVersion,
    pub(crate) kind: Kind,
}

const RUNTIMES: [Runtime; 4] = [Runtime::Tokio, Runtime::Smol, Runtime::AsyncStd, Runtime::Blocking];
const TRANSPORTS: [Transport; 5] =
    [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::WebSocketTls, Transport::Unix];
const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const KINDS: [Kind; 2] = [Kind::Mosquitto, Kind::TestBroker];

impl Cell {
    /// Every cell that there is. MQTT 3.1 is served over TCP only.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let places = RUNTIMES
            .iter()
            .flat_map(|runtime| TRANSPORTS.iter().map(move |transport| (*runtime, *transport)));
        places
            .flat_map(|place| VERSIONS.map(|version| (place, version)))
            .flat_map(|place| KINDS.map(|kind| (place, kind)))
            .map(|(((runtime, transport), version), kind)| Self { runtime, transport, version, kind })
            .filter(|cell| cell.version != ProtocolVersion::V3_1 || cell.transport == Transport::Tcp)
    }

    /// The cells of brokers of other makes: what each of them speaks.
    pub(crate) fn others() -> impl Iterator<Item = Self> {
        let places = Make::ALL
            .into_iter()
            .flat_map(|make| [Transport::Tcp, Transport::WebSocket].map(move |transport| (make, transport)));
        places
            .flat_map(|place| VERSIONS.map(|version| (place, version)))
            .filter(|((make, transport), version)| match (transport, version) {
                (Transport::WebSocket, version) => make.speaks_over_websocket(*version),
                (Transport::Tcp, version) => make.speaks(*version),
                _ => false,
            })
            .map(|((make, transport), version)| Self {
                runtime: Runtime::Tokio,
                transport,
                version,
                kind: Kind::Other(make),
            })
    }
}

impl Transport {
    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::WebSocketTls)
    }

    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::WebSocketTls)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}::{}::{}", self.runtime, self.transport, version_name(self.version), self.kind)
    }
}

pub(crate) fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::V3_1 => "v3_1",
        ProtocolVersion::V3_1_1 => "v3_1_1",
        ProtocolVersion::V5 => "v5",
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::AsyncStd => "async_std",
            Self::Blocking => "blocking",
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::WebSocketTls => "wss",
            Self::Unix => "unix",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosquitto => "mosquitto",
            Self::TestBroker => "test_broker",
            Self::Other(make) => make.name(),
        })
    }
}

/// Where a scenario can run, and where it does each time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    allows: fn(Cell) -> bool,
    /// Besides on tokio over TCP.
    usual: fn(Cell) -> bool,
}

/// Everywhere.
pub(crate) const ANYWHERE: Scope = Scope::only(|_| true);
/// Where the broker can be scripted.
pub(crate) const ON_TEST_BROKER: Scope = Scope::only(|cell| cell.kind == Kind::TestBroker);
/// Where there are ports and addresses.
pub(crate) const OVER_IP: Scope = Scope::only(|cell| cell.transport != Transport::Unix);
/// The version before 5.0.
pub(crate) const ON_V3: Scope = Scope::only(|cell| cell.version != ProtocolVersion::V5);
/// 5.0.
pub(crate) const ON_V5: Scope = Scope::only(|cell| cell.version == ProtocolVersion::V5);
/// Where a runtime can be ended.
pub(crate) const ON_TOKIO: Scope = Scope::only(|cell| cell.runtime == Runtime::Tokio);
/// Everywhere, and each time on every runtime: each has a driver of its own.
pub(crate) const ON_EVERY_RUNTIME: Scope = ANYWHERE.and_usual(|cell| {
    cell.transport == Transport::Tcp && cell.kind == Kind::TestBroker && cell.version == ProtocolVersion::V5
});
/// Everywhere, and one of the few that run everywhere each time.
pub(crate) const SMOKE: Scope = ANYWHERE.and_usual(|_| true);

impl Scope {
    pub(crate) const fn only(allows: fn(Cell) -> bool) -> Self {
        Self { allows, usual: |_| false }
    }

    /// What is shown in other places too, each time.
    pub(crate) const fn and_usual(self, usual: fn(Cell) -> bool) -> Self {
        Self { usual, ..self }
    }

    pub(crate) fn allows(self, cell: Cell) -> bool {
        (self.allows)(cell)
    }

    /// Whether it belongs to what runs each time: everything does on tokio over TCP, or, if it has no place there, over
    /// whatever it is for; smoke tests do everywhere.
    pub(crate) fn is_usual(self, cell: Cell) -> bool {
        let over_tcp = Cell { transport: Transport::Tcp, ..cell };
        let is_home = cell.transport == Transport::Tcp || !self.allows(over_tcp);
        (self.usual)(cell) || (cell.runtime == Runtime::Tokio && is_home)
    }
}
