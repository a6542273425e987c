//! What a test may do to a broker and ask it, at any time.

use sterna_core::packet::ReasonCode;

use super::{Broker, ClientId, ConnectionId, Fault, FaultId, Instant, Options, Record, Redirect};

/// What a restart does to the broker's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Sessions that outlive their connection and retained messages are still there, as with persistence.
    Keep,
    /// Everything is forgotten.
    Lose,
}

impl Broker {
    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Changes the options. What was negotiated with a connection stays as it is until it reconnects.
    pub fn options_mut(&mut self) -> &mut Options {
        &mut self.options
    }

    /// Adds a misbehaviour, behind those that are there: the first that strikes decides.
    pub fn add_fault(&mut self, fault: Fault) -> FaultId {
        self.faults.add(fault)
    }

    /// Removes a misbehaviour. Nothing happens if it is used up.
    pub fn remove_fault(&mut self, id: FaultId) {
        self.faults.remove(id);
    }

    /// Removes all misbehaviours.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Sends bytes as they are, whatever they mean to the client.
    pub fn send_raw(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) {
        self.advance(now);
        self.emit(id, bytes, self.now);
        self.settle();
    }

    /// Closes a connection without a word, as a lost network would.
    pub fn drop_connection(&mut self, now: Instant, id: ConnectionId) {
        self.advance(now);
        self.abort(id);
        self.settle();
    }

    /// Ends a connection with a DISCONNECT (5.0) and closes it.
    pub fn disconnect(&mut self, now: Instant, id: ConnectionId, reason: ReasonCode) {
        self.advance(now);
        self.fail(id, reason, "");
        self.settle();
    }

    /// Ends a 5.0 connection with a DISCONNECT that sends the client to another server.
    pub fn redirect(&mut self, now: Instant, id: ConnectionId, redirect: &Redirect) {
        self.advance(now);
        self.send_on(id, redirect);
        self.settle();
    }

    /// Stops carrying out the packets of a connection, or goes on with it. What the client sends meanwhile fills the
    /// buffers between the two. Keep alive is not watched while nothing is read.
    pub fn set_reading(&mut self, now: Instant, id: ConnectionId, is_reading: bool) {
        self.advance(now);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.is_reading = is_reading;
        connection.heard(self.now);
        let silent_at = connection.silent_at(&self.options);
        self.arm(silent_at);
        self.ready.insert(id);
    }

    /// Ends as a broker that is killed and started again: all connections are lost without a word, and no will is
    /// published.
    pub fn restart(&mut self, now: Instant, sessions: Sessions) {
        self.advance(now);
        for session in self.sessions.values_mut() {
            session.will = None;
        }
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.abort(id);
        }
        self.settle();
        if sessions == Sessions::Lose {
            for client in self.sessions.keys().cloned().collect::<Vec<_>>() {
                self.end_session(&client);
            }
            self.retained.clear();
        }
    }

    /// The connection of a client, if it is connected.
    pub fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        self.sessions.get(client_id)?.connection
    }

    /// Whether there is a session for this client identifier, connected or not.
    pub fn has_session(&self, client_id: &str) -> bool {
        self.sessions.contains_key(client_id)
    }

    /// Whether this client's session has a subscription with this topic filter.
    pub fn has_subscription(&self, client_id: &str, filter: &str) -> bool {
        self.subscriptions.contains(&ClientId::from(client_id), filter)
    }

    /// How many messages of QoS 1 and 2 this client's session holds: those that wait to be sent, and those whose
    /// acknowledgement is not complete.
    pub fn pending(&self, client_id: &str) -> usize {
        self.sessions.get(client_id).map_or(0, super::Session::pending)
    }

    /// The packets received, oldest first, as far as [`Options::maximum_records`] keeps them.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// The packets received from one client identifier, over all its connections.
    pub fn records_of<'a>(&'a self, client_id: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records().filter(move |record| *record.client_id == *client_id)
    }

    /// Messages that were dropped at a bound: QoS 0 for a connection that is not taking its bytes, QoS 1 and 2 beyond
    /// a session's queue, retained ones beyond what may be retained (those were forwarded).
    pub fn dropped_messages(&self) -> u64 {
        self.dropped_messages
    }
}
