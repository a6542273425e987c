//! What the broker took over and promised, for a test that keeps books of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use sterna_core::packet::QoS;

use super::message::Message;
use super::{Broker, ClientId};

/// One thing that happened at the broker; see [`Broker::keep_ledger`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A client's message was taken over, to be distributed. The same message of QoS 2 that comes again before its
    /// PUBREL is not taken over again [MQTT-4.3.3-10].
    Taken {
        /// Who published it.
        publisher: ClientId,
        /// Its payload.
        payload: Bytes,
        /// The quality of service it was published with.
        qos: QoS,
    },
    /// A copy for a session: sent, or kept until it can be.
    Queued {
        /// Whose session.
        client: ClientId,
        /// The payload.
        payload: Bytes,
        /// The quality of service of this copy.
        qos: QoS,
    },
    /// A session began, with nothing in it.
    SessionBegan {
        /// Whose.
        client: ClientId,
    },
    /// A session ended, and what it held is gone.
    SessionEnded {
        /// Whose.
        client: ClientId,
    },
}

impl Broker {
    /// Writes down from now on what [`poll_entry`](Self::poll_entry) gives. It grows until that is asked for.
    pub fn keep_ledger(&mut self) {
        self.ledger.get_or_insert_with(VecDeque::new);
    }

    /// The oldest entry that was not asked for yet.
    pub fn poll_entry(&mut self) -> Option<Entry> {
        self.ledger.as_mut()?.pop_front()
    }

    pub(super) fn note(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(ledger) = &mut self.ledger {
            ledger.push_back(entry());
        }
    }

    pub(super) fn note_taken(&mut self, message: &Message) {
        self.note(|| Entry::Taken {
            publisher: message.publisher.clone(),
            payload: message.payload.clone(),
            qos: message.qos,
        });
    }

    pub(super) fn note_queued(&mut self, client: &ClientId, message: &Message, qos: QoS) {
        self.note(|| Entry::Queued { client: client.clone(), payload: message.payload.clone(), qos });
    }
}
