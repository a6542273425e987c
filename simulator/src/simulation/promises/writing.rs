//! What was written at QoS 0, and whether what the application is told of it is true.

use sterna_client::{OperationError, PublishError, QoS, State};

use super::super::findings::Findings;
use super::{Account, Promise, Promises};

/// One that nobody had asked for may count as lost with so many bytes behind it...
const RUN: u64 = 4 << 10;
/// ...and the rest of the one that goes beyond them.
const LARGEST: u64 = 5_200;

/// What a client wrote.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// The bytes of each network connection.
    connections: Vec<u64>,
    /// Network connections that the client knows to be lost.
    losses: u64,
}

impl Written {
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }
}

/// Where a message left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    connection: usize,
    end: u64,
}

/// The index of an outcome in [`Promises::unasked`].
pub(super) fn outcome<T>(result: &Result<T, PublishError>, left: Option<Place>) -> usize {
    match (result, left) {
        (Ok(_), _) => 1,
        (Err(PublishError::Failed(OperationError::Lost)), None) => 2,
        (Err(PublishError::Failed(OperationError::Lost)), Some(_)) => 3,
        (Err(_), _) => 4,
    }
}

impl Account {
    /// Whether this message may count as lost with its connection; `has_limits`: the broker announces limits.
    pub(super) fn may_be_lost(&self, message: &Promise, has_limits: bool) -> bool {
        let terms = message.terms;
        if message.qos != QoS::AtMostOnce || terms.requeues {
            return false;
        }
        if let Some(Place { connection, end }) = message.left {
            let behind = self.written.connections[connection] - end;
            return terms.is_asked_late && behind < RUN + LARGEST;
        }
        // Nobody remembers in which other way one ended that was not asked for.
        let ended = terms.is_asked_late && (self.was_paused || terms.may_end || has_limits);
        self.written.losses > message.losses_before || self.has_closed || ended
    }
}

impl Promises {
    /// The client has a new network connection.
    pub(in super::super) fn opens(&mut self, client: usize) {
        self.accounts[client].written.connections.push(0);
    }

    /// The client knows that its network connection is gone.
    pub(in super::super) fn loses(&mut self, client: usize) {
        self.accounts[client].written.losses += 1;
    }

    /// The client wrote these bytes.
    pub(in super::super) fn writes(&mut self, client: usize, bytes: usize) {
        if let Some(written) = self.accounts[client].written.connections.last_mut() {
            *written += bytes as u64;
        }
    }

    /// All of this message was written, and so many bytes `behind` it. At QoS 0 that is once.
    pub(in super::super) fn left(
        &mut self,
        client: usize,
        number: u32,
        behind: usize,
        findings: &mut Findings,
    ) {
        let connections = &self.accounts[client].written.connections;
        let Some(message) = self.messages.get_mut(number as usize) else { return };
        let Some(written) = connections.last() else { return };
        let place = Place { connection: connections.len() - 1, end: written - behind as u64 };
        let before = message.left.replace(place);
        findings.require(before.is_none(), "a message of QoS 0 is sent twice", || {
            format!("message {number}: {place:?}, before {before:?}")
        });
        findings.require(!message.is_revoked, "a message is sent that was cancelled while it waited", || {
            number.to_string()
        });
    }

    /// The application has cancelled a message.
    pub(in super::super) fn cancelled(&mut self, number: u32, state: State) {
        let message = &mut self.messages[number as usize];
        // A crash may bring back what a store has.
        message.is_revoked = message.qos == QoS::AtMostOnce
            && matches!(state, State::Idle | State::Connecting | State::Reconnecting);
    }
}
