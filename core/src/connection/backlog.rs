//! Room for incoming messages: what waits here and outside, when reading pauses, and what is dropped instead.

use super::state::Phase;
use super::unread::Unread;
use super::{Connection, MESSAGE_OVERHEAD};
use crate::event::Event;
use crate::packet::QoS;

/// What was handed over and still waits for the application, as the driver says it. See
/// [`Connection::handle_backlog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// How many messages wait.
    pub messages: usize,
    /// How many bytes they have.
    pub bytes: usize,
    /// How many of those bytes are QoS 0 messages that the driver drops on request, in favour of later ones; see
    /// [`Connection::poll_excess`]. `None`: it drops none, and later ones are dropped instead.
    pub expendable: Option<usize>,
    /// Somebody waits for messages of which none is here: reading goes on for that, as it does for an operation.
    pub starving: bool,
    /// How many messages wait besides, where other bounds hold: they count against none here, but small ones are
    /// copied out of the read buffer rather than keep it alive.
    pub bounded: usize,
}

/// Whether an incoming message is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Take,
    Drop,
    Pause,
}

impl Connection {
    /// How many messages were not polled.
    #[inline]
    pub(super) fn unread(&self) -> usize {
        self.unread.as_deref().map_or(0, Unread::len)
    }

    /// While operations wait for the server, or somebody for messages, reading goes on into the reserve. When that
    /// is full, older messages of QoS 0 make room, where most of them wait; without any, QoS 0 is dropped.
    pub(super) fn room_for(&mut self, size: usize, qos: QoS) -> Room {
        let (messages, bytes) = self.unread.as_deref().map_or((0, 0), |it| (it.len(), it.bytes()));
        let (messages_bound, bytes_bound) = self.incoming_bounds();
        if messages < messages_bound && bytes < bytes_bound {
            return Room::Take;
        }
        // Messages of QoS 0 wait as well, for the transport: a server may take nothing until it is read.
        if !self.is_awaited() {
            return Room::Pause;
        }
        let bytes = bytes + self.backlog.bytes;
        let cost = size + MESSAGE_OVERHEAD;
        if bytes + cost <= self.config.incoming_reserve + self.excess {
            return Room::Take;
        }
        if let Some(expendable) = self.backlog.expendable {
            if self.excess + cost <= expendable {
                self.excess += cost;
                return Room::Take;
            }
            if messages > 0 {
                // Once they are outside, the driver can choose among them.
                return Room::Pause;
            }
        }
        if qos == QoS::AtMostOnce { Room::Drop } else { Room::Pause }
    }

    /// How many messages, and how many bytes of them, may wait to be polled, beside what waits outside. A message is taken
    /// while there are less of both.
    #[inline]
    pub(super) fn incoming_bounds(&self) -> (usize, usize) {
        let messages = self.config.incoming_limit.saturating_sub(self.backlog.messages);
        let bytes = self.config.incoming_bytes.saturating_sub(self.backlog.bytes);
        (messages, bytes)
    }

    pub(super) fn count_dropped(&mut self, messages: u64) {
        self.dropped += messages;
        self.statistics.dropped_messages += messages;
    }

    /// Once the client has said that it has ended, it says nothing more before it is started again.
    pub(super) fn report_dropped(&mut self) {
        let has_ended = self.phase == Phase::Closed && !self.is_closing();
        if self.dropped > 0 && !has_ended {
            let messages = core::mem::take(&mut self.dropped);
            self.report(Event::Dropped { messages });
        }
    }
}
