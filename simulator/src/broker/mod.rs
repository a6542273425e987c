//! The model of a broker: MQTT 3.1, 3.1.1 and 5.0 from the server's side, with no I/O and no clock.
//!
//! A driver tells the [`Broker`] of its network connections ([`connected`](Broker::connected),
//! [`input`](Broker::input), [`disconnected`](Broker::disconnected)) and of the time
//! ([`handle_timeout`](Broker::handle_timeout)), and carries out what [`poll_output`](Broker::poll_output) says. The
//! same calls give the same outputs, to the byte.
//!
//! ```
//! use bytes::BytesMut;
//! use sterna_simulator::broker::{Broker, ConnectionId, Instant, Options, Output};
//!
//! let mut broker = Broker::new(Options::default());
//! let (now, client) = (Instant::ZERO, ConnectionId(1));
//! broker.connected(now, client);
//! // CONNECT of MQTT 3.1.1: clean session, keep alive 10 s, client identifier "a".
//! let mut input = BytesMut::from(&b"\x10\x0d\0\x04MQTT\x04\x02\0\x0a\0\x01a"[..]);
//! broker.input(now, client, &mut input);
//! let Some((_, Output::Send(bytes))) = broker.poll_output() else { panic!("no CONNACK") };
//! assert_eq!(&bytes[..], b"\x20\x02\0\0");
//! // One and a half times the keep alive later.
//! let silent = broker.poll_timeout().expect("the keep alive is watched");
//! assert!(silent <= Instant::from_micros(15_000_000));
//! broker.handle_timeout(Instant::from_micros(15_000_000));
//! assert_eq!(broker.poll_output(), Some((client, Output::Close)));
//! ```

mod authentication;
mod connect;
mod connection;
mod control;
mod fault;
mod inbound;
mod ledger;
mod message;
mod options;
mod outbound;
mod outbox;
mod record;
mod retained;
#[cfg(feature = "scram")]
mod scram;
mod session;
mod subscribe;
mod subscriptions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use authentication::{Authentication, Redirect};
pub use control::Sessions;
pub use fault::{Fault, FaultId, OnReceive, OnSend};
pub use ledger::Entry;
pub use options::{Credentials, Options};
pub use record::Record;
pub use sterna_core::Instant;

use connection::{Connection, Phase};
use fault::Faults;
use record::Records;
use retained::Retained;
use session::Session;
use subscriptions::Subscriptions;

/// A network connection, named by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A client identifier.
pub type ClientId = Arc<str>;

/// What a driver does for a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write these bytes.
    Send(Bytes),
    /// Close the connection; it is forgotten, and `disconnected` need not be called.
    Close,
}

/// Whether a driver should go on reading from a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// What is left of the input is an incomplete packet.
    Continue,
    /// Call [`Broker::input`] again, without new bytes, after outputs were taken or the broker was told to read on.
    Paused,
}

/// A broker without a network. See the [module](self) for how to drive it.
///
/// Its memory is bounded by its [`Options`]. `now` may not go back; where it does, the latest time holds.
#[derive(Debug)]
pub struct Broker {
    options: Options,
    now: Instant,
    connections: BTreeMap<ConnectionId, Connection>,
    sessions: BTreeMap<ClientId, Session>,
    subscriptions: Subscriptions,
    retained: Retained,
    faults: Faults,
    records: Records,
    /// Connections that may have an output.
    ready: BTreeSet<ConnectionId>,
    /// Connections that have ended, whose sessions do not know it yet.
    ended: Vec<(ConnectionId, ClientId)>,
    /// No deadline is earlier. It may be too early, since a deadline that moves back does not move this.
    next_timeout: Option<Instant>,
    assigned_ids: u64,
    dropped_messages: u64,
    ledger: Option<VecDeque<Entry>>,
    encoded: Vec<u8>,
}

impl Broker {
    /// A broker with no sessions and no retained messages.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            now: Instant::ZERO,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            faults: Faults::default(),
            records: Records::default(),
            ready: BTreeSet::new(),
            ended: Vec::new(),
            next_timeout: None,
            assigned_ids: 0,
            dropped_messages: 0,
            ledger: None,
            encoded: Vec::new(),
        }
    }

    /// A network connection was accepted. `id` must not name one that is still there.
    pub fn connected(&mut self, now: Instant, id: ConnectionId) {
        self.advance(now);
        let connection = Connection::new(self.now, &self.options);
        let has_room = self.connections.len() < self.options.maximum_connections;
        self.arm(connection.silent_at(&self.options));
        self.connections.insert(id, connection);
        if !has_room {
            self.close(id);
        }
        self.settle();
    }

    /// Carries out the packets at the start of `input` and takes them out of it; an incomplete packet is left there
    /// for the next call. Bytes for a connection that is closing are thrown away.
    pub fn input(&mut self, now: Instant, id: ConnectionId, input: &mut BytesMut) -> Reading {
        self.advance(now);
        while self.is_reading(id) && self.input_packet(id, input) {
            self.settle();
        }
        self.settle();
        if self.connections.get(&id).is_none_or(|connection| connection.phase == Phase::Closing) {
            input.clear();
        }
        if self.is_reading(id) { Reading::Continue } else { Reading::Paused }
    }

    /// The client closed the network connection, or it was lost. Nothing happens if it is not there (any more).
    pub fn disconnected(&mut self, now: Instant, id: ConnectionId) {
        self.advance(now);
        self.close(id);
        self.settle();
        self.connections.remove(&id);
        self.ready.remove(&id);
    }

    /// Does what is due. Nothing happens if it is called too early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        if self.next_timeout.is_none_or(|at| self.now < at) {
            return;
        }
        self.expire_connections();
        self.expire_sessions();
        let connections = self
            .connections
            .values()
            .flat_map(|connection| [connection.silent_at(&self.options), connection.outbox.next_release()]);
        let sessions = self
            .sessions
            .values()
            .flat_map(|session| [session.expires_at, session.will.as_ref().and_then(|will| will.due)]);
        self.next_timeout = connections.chain(sessions).flatten().min();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. It may be called earlier or, as far as the
    /// model is concerned, later.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout
    }

    /// The next output for any connection, lowest id first. All outputs for one connection come in their order.
    pub fn poll_output(&mut self) -> Option<(ConnectionId, Output)> {
        while let Some(&id) = self.ready.first() {
            if let Some(output) = self.poll_connection(id) {
                return Some((id, output));
            }
        }
        None
    }

    /// The next output for one connection: everything there is to send, in one piece.
    pub fn poll_connection(&mut self, id: ConnectionId) -> Option<Output> {
        let connection = self.connections.get_mut(&id)?;
        let was_reading = connection.takes_input(&self.options);
        if let Some(bytes) = connection.outbox.take() {
            if !was_reading {
                connection.heard(self.now);
            }
            let silent_at = connection.silent_at(&self.options);
            let client = connection.client_id.clone();
            self.arm(silent_at);
            self.pump(&client);
            self.settle();
            return Some(Output::Send(bytes));
        }
        self.ready.remove(&id);
        if connection.phase == Phase::Closing && connection.outbox.is_empty() {
            self.connections.remove(&id);
            return Some(Output::Close);
        }
        None
    }

    /// The connections that [`poll_output`](Self::poll_output) would look at.
    pub fn ready_connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.ready.iter().copied()
    }

    /// Whether the connection's input is carried out now; see [`Reading`].
    pub fn is_reading(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| connection.takes_input(&self.options))
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn arm(&mut self, at: Option<Instant>) {
        self.next_timeout = [self.next_timeout, at].into_iter().flatten().min();
    }

    /// Sends what is there and ends the connection. Its session learns of it in [`settle`](Self::settle), so that no
    /// function in the middle of its work finds a session changed under it.
    fn close(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        connection.phase = Phase::Closing;
        self.ended.push((id, connection.client_id.clone()));
        self.ready.insert(id);
    }

    /// Ends the connection without what is still delayed.
    fn abort(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.outbox.drop_delayed();
        }
        self.close(id);
    }

    /// Lets the sessions of ended connections know. Their wills may end further connections, by a fault.
    fn settle(&mut self) {
        while let Some((id, client)) = self.ended.pop() {
            self.detach(id, &client);
        }
    }

    /// The end of a network connection, for its session.
    fn detach(&mut self, id: ConnectionId, client: &ClientId) {
        let Some(session) = self.sessions.get_mut(client).filter(|session| session.connection == Some(id))
        else {
            return;
        };
        session.detach();
        let expiry = session.expiry;
        if expiry == 0 {
            self.end_session(client);
            return;
        }
        // 5.0 §3.1.3.2.2: the will is due at the end of its delay or of the session, whichever is first; the latter
        // publishes what is left.
        if let Some(will) = &mut session.will {
            will.due = Some(message::seconds_after(self.now, will.delay));
        }
        session.expires_at = (expiry != u32::MAX).then(|| message::seconds_after(self.now, expiry));
        let due = session.will.as_ref().and_then(|will| will.due);
        let expires_at = session.expires_at;
        self.arm(due);
        self.arm(expires_at);
        if due.is_some_and(|due| due <= self.now) {
            self.publish_will(client);
        }
    }

    /// Discards a session and publishes its will, if there is one left [MQTT-4.1.0-2], [MQTT-3.1.2-8].
    fn end_session(&mut self, client: &ClientId) {
        self.subscriptions.remove_all(client);
        let Some(session) = self.sessions.remove(client) else { return };
        self.note(|| Entry::SessionEnded { client: client.clone() });
        if let Some(will) = session.will {
            self.publish(will.into_message(self.now));
        }
    }

    fn publish_will(&mut self, client: &ClientId) {
        if let Some(will) = self.sessions.get_mut(client).and_then(|session| session.will.take()) {
            self.publish(will.into_message(self.now));
        }
    }

    fn expire_connections(&mut self) {
        let mut silent = Vec::new();
        for (id, connection) in &mut self.connections {
            if connection.outbox.release(self.now) {
                self.ready.insert(*id);
            }
            if connection.silent_at(&self.options).is_some_and(|at| at <= self.now) {
                silent.push(*id);
            }
        }
        for id in silent {
            self.fail(
                id,
                sterna_core::packet::ReasonCode::KEEP_ALIVE_TIMEOUT,
                "nothing was heard for too long",
            );
        }
        self.settle();
    }

    fn expire_sessions(&mut self) {
        let now = self.now;
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let clients = |sessions: &BTreeMap<ClientId, Session>, due: fn(&Session) -> Option<Instant>| {
            let due = sessions.iter().filter(|(_, session)| is_due(due(session)));
            due.map(|(client, _)| client.clone()).collect::<Vec<_>>()
        };
        for client in clients(&self.sessions, |session| session.will.as_ref()?.due) {
            self.publish_will(&client);
        }
        for client in clients(&self.sessions, |session| session.expires_at) {
            self.end_session(&client);
        }
        self.settle();
    }
}
