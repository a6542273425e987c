//! What runs amounted to.

use std::fmt;

/// The kinds of trouble, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Crash,
    Reset,
    HalfOpen,
    Stall,
    Partition,
    DialFails,
    Freeze,
    ClockJump,
    BrokerRestart,
    BrokerForgets,
    SessionEnds,
    BrokerDrops,
    BrokerDisconnects,
    BrokerStopsReading,
    BrokerMisbehaves,
    Disconnect,
    HandlesDropped,
    ServerFails,
    SentOn,
    StoreFails,
    StoreUnreadable,
    AuthenticatesAgain,
    AuthenticationFails,
    AuthenticationBroken,
}

/// The kinds of trouble, in the order of [`Report::faults`].
pub const FAULTS: [&str; 24] = [
    "client crashed between two steps",
    "connection reset",
    "connection half-open",
    "connection stalled",
    "network partitioned",
    "dial failed",
    "process frozen",
    "clock jumped",
    "broker restarted, sessions kept",
    "broker restarted, sessions lost",
    "session ended",
    "broker dropped the connection",
    "broker disconnected",
    "broker stopped reading",
    "broker misbehaved at a packet",
    "client disconnected by its application",
    "all handles dropped",
    "server of several down, silent or sending clients on",
    "client sent to another server",
    "store failed",
    "store could not be read",
    "client authenticated anew",
    "client said something wrong in an exchange",
    "AUTH lost, late or out of turn",
];

/// What one run did, or many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many runs.
    pub runs: u64,
    /// Microseconds of virtual time.
    pub simulated: u64,
    /// Trouble by kind; see [`FAULTS`].
    pub faults: [u64; FAULTS.len()],
    /// Network connections made.
    pub connections: u64,
    /// Commits of stores.
    pub commits: u64,
    /// Messages handed in by applications, by QoS.
    pub offered: [u64; 3],
    /// Copies that applications got, by QoS.
    pub delivered: [u64; 3],
    /// How many of those had been there before, in the same stream.
    pub redelivered: u64,
    /// Requests that got their answers, and those that ended otherwise.
    pub requests: [u64; 2],
    /// Messages that streams with a bound of their own dropped, which were counted.
    pub dropped: u64,
    /// Publishes that ended with their session, and those that were published again without it.
    pub lost: [u64; 2],
    /// QoS 0 whose outcome was not asked for at once: what clients accepted, what had succeeded when it was asked for, what was
    /// lost, what counted as lost though it was written, and what ended otherwise.
    pub unasked: [u64; 5],
    /// Things that happened.
    pub steps: u64,
    /// A hash of all of them in their order, of one run: the same seed gives the same.
    pub hash: u64,
}

impl Report {
    /// Adds what another run did.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs.max(1);
        self.simulated += other.simulated;
        self.connections += other.connections;
        self.commits += other.commits;
        self.dropped += other.dropped;
        self.redelivered += other.redelivered;
        self.steps += other.steps;
        self.hash ^= other.hash;
        let pairs = self.faults.iter_mut().zip(other.faults);
        let pairs = pairs.chain(self.offered.iter_mut().zip(other.offered));
        let pairs = pairs.chain(self.requests.iter_mut().zip(other.requests));
        let pairs = pairs.chain(self.lost.iter_mut().zip(other.lost));
        let pairs = pairs.chain(self.unasked.iter_mut().zip(other.unasked));
        for (sum, more) in pairs.chain(self.delivered.iter_mut().zip(other.delivered)) {
            *sum += more;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.simulated as f64 / 3.6e9;
        writeln!(f, "{} runs, {hours:.1} simulated hours, {} steps", self.runs, self.steps)?;
        writeln!(f, "{} network connections, {} commits of stores", self.connections, self.commits)?;
        writeln!(f, "messages published by QoS: {:?}", self.offered)?;
        writeln!(f, "messages delivered by QoS: {:?}, {} of them again", self.delivered, self.redelivered)?;
        writeln!(
            f,
            "requests answered and not: {:?}, dropped by full streams: {}",
            self.requests, self.dropped
        )?;
        writeln!(f, "publishes lost with their session, and published again: {:?}", self.lost)?;
        writeln!(
            f,
            "QoS 0 asked for late or never, succeeded, lost, lost though written, ended otherwise: {:?}",
            self.unasked
        )?;
        for (name, count) in FAULTS.iter().zip(self.faults) {
            writeln!(f, "{count:>12} {name}")?;
        }
        Ok(())
    }
}
