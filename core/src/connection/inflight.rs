//! What was sent and waits for the server's acknowledgement.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::id_table::{IdTable, PacketIds};
use super::queue::{Control, Record, Request};
use crate::event::{Attempt, Token};
use crate::packet::{PacketType, PropertiesBuf, QoS, ReasonCode};
use crate::time::Instant;

/// An operation with a packet identifier.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) token: Token,
    /// When its last packet was handed to the driver.
    pub(crate) sent_at: Instant,
    /// The connection that its last packet was sent on.
    pub(crate) sent_on: Attempt,
    pub(crate) stage: Stage,
    /// It was reported to the application already, and only its identifier stays reserved.
    pub(crate) abandoned: bool,
}

/// What an operation waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBACK, or PUBREC.
    Published(Record),
    /// PUBCOMP. PUBREL is resent in the order of the PUBRECs [MQTT-4.6.0-4]; the PUBREC's reason and properties
    /// are the receipt's.
    Released { order: u64, reason: ReasonCode, properties: PropertiesBuf },
    /// SUBACK or UNSUBACK.
    Controlled(Box<Control>),
}

/// How many messages of one connection are not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    pub(crate) messages: u16,
    /// How many of them are of QoS 2.
    pub(crate) exactly_once: u16,
}

impl Window {
    fn enter(&mut self, qos: QoS) {
        self.messages += 1;
        self.exactly_once += u16::from(qos == QoS::ExactlyOnce);
    }

    fn leave(&mut self, qos: QoS) {
        self.messages = self.messages.saturating_sub(1);
        self.exactly_once = self.exactly_once.saturating_sub(u16::from(qos == QoS::ExactlyOnce));
    }
}

/// A message that is to be sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resend {
    pub(crate) token: Token,
    pub(crate) packet_id: u16,
    pub(crate) qos: QoS,
}

/// All operations with a packet identifier: one table, so that the identifiers of publish, subscribe and
/// unsubscribe never meet.
#[derive(Debug)]
pub(crate) struct InFlights {
    pub(crate) table: IdTable<InFlight>,
    ids: PacketIds,
    /// Messages of earlier connections to send again, in order, as the window allows.
    resend: VecDeque<(Token, u16)>,
    /// Messages of this connection that count against the server's Receive Maximum.
    window: Window,
    /// Entries that nobody waits for any more.
    abandoned: usize,
    pubrecs: u64,
    /// Sent since the driver last took bytes: their time starts then.
    unstamped: Vec<u16>,
}

impl InFlights {
    pub(crate) fn new() -> Self {
        Self {
            table: IdTable::new(),
            ids: PacketIds::default(),
            resend: VecDeque::new(),
            window: Window::default(),
            abandoned: 0,
            pubrecs: 0,
            unstamped: Vec::new(),
        }
    }

    pub(crate) fn last_id(&self) -> Option<u16> {
        self.ids.last()
    }

    /// How many messages of this connection are unacknowledged.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Whether the application waits for any of them.
    pub(crate) fn is_awaited(&self) -> bool {
        self.table.len() > self.abandoned
    }

    pub(crate) fn has_free_id(&self) -> bool {
        self.table.len() < usize::from(u16::MAX)
    }

    /// A free packet identifier; `None` while all are in use.
    pub(crate) fn free_id(&mut self) -> Option<u16> {
        self.ids.next(&self.table)
    }

    /// An operation was sent for the first time.
    pub(crate) fn insert(&mut self, id: u16, token: Token, attempt: Attempt, now: Instant, stage: Stage) {
        if let Some(qos) = stage.qos() {
            self.window.enter(qos);
        }
        self.table.insert(id, InFlight { token, sent_at: now, sent_on: attempt, stage, abandoned: false });
        self.unstamped.push(id);
    }

    /// An operation is complete: its identifier is free, and so is its place in the window.
    pub(crate) fn remove(&mut self, id: u16, attempt: Attempt) -> Option<InFlight> {
        let entry = self.table.remove(id)?;
        self.abandoned -= usize::from(entry.abandoned);
        if let Some(qos) = entry.stage.qos().filter(|_| entry.sent_on == attempt) {
            self.window.leave(qos);
        }
        Some(entry)
    }

    /// PUBREC: the message itself is not needed any more. Gives it back, to be recycled.
    pub(crate) fn release(
        &mut self,
        id: u16,
        reason: ReasonCode,
        properties: PropertiesBuf,
    ) -> Option<Record> {
        let order = self.pubrecs;
        self.pubrecs += 1;
        let entry = self.table.get_mut(id)?;
        let stage = Stage::Released { order, reason, properties };
        match core::mem::replace(&mut entry.stage, stage) {
            Stage::Published(record) => Some(record),
            Stage::Released { .. } | Stage::Controlled(_) => None,
        }
    }

    /// A new connection resumes the session: gives the PUBRELs to send at once, in the order of their PUBRECs, and
    /// plans the messages to send again [MQTT-4.4.0-1].
    pub(crate) fn resume(&mut self) -> Vec<u16> {
        let mut releases = Vec::new();
        let mut messages = Vec::new();
        for (id, entry) in self.table.iter() {
            match &entry.stage {
                Stage::Published(_) if !entry.abandoned => messages.push((entry.token, id)),
                Stage::Released { order, .. } => releases.push((*order, id)),
                Stage::Published(_) | Stage::Controlled(_) => {}
            }
        }
        messages.sort_unstable();
        releases.sort_unstable();
        self.resend = messages.into();
        releases.into_iter().map(|(_, id)| id).collect()
    }

    /// The oldest message to send again.
    pub(crate) fn next_resend(&mut self) -> Option<Resend> {
        while let Some(&(token, packet_id)) = self.resend.front() {
            let waiting = self.table.get(packet_id).filter(|entry| entry.token == token && !entry.abandoned);
            if let Some(Stage::Published(record)) = waiting.map(|entry| &entry.stage) {
                return Some(Resend { token, packet_id, qos: record.qos });
            }
            self.resend.pop_front();
        }
        None
    }

    /// The message that `next_resend` gave was sent.
    pub(crate) fn resent(&mut self, attempt: Attempt, now: Instant) {
        let Some((_, id)) = self.resend.pop_front() else { return };
        self.touch(id, attempt, now);
        if let Some(qos) = self.table.get(id).and_then(|entry| entry.stage.qos()) {
            self.window.enter(qos);
        }
    }

    /// A packet for this operation was sent again.
    pub(crate) fn touch(&mut self, id: u16, attempt: Attempt, now: Instant) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.sent_on = attempt;
            entry.sent_at = now;
            self.unstamped.push(id);
        }
    }

    /// The PUBREL of a session's earlier connection does not count against this connection's window, nor does
    /// its completion.
    pub(crate) fn touch_release(&mut self, id: u16, now: Instant) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.sent_at = now;
            self.unstamped.push(id);
        }
    }

    /// The connection is gone: nothing counts against a window, and SUBSCRIBE and UNSUBSCRIBE are given back, in the
    /// order of the calls, to be sent again under a new identifier.
    pub(crate) fn disconnected(&mut self) -> Vec<InFlight> {
        self.window = Window::default();
        self.resend = VecDeque::new();
        self.unstamped = Vec::new();
        let controls: Vec<u16> = self
            .table
            .iter()
            .filter(|(_, entry)| matches!(entry.stage, Stage::Controlled(_)))
            .map(|(id, _)| id)
            .collect();
        // No connection has this number: nothing is taken from the window.
        let removed = controls.into_iter().filter_map(|id| self.remove(id, Attempt(0)));
        let mut removed: Vec<_> = removed.collect();
        removed.sort_unstable_by_key(|entry| (entry.token, entry.stage.part()));
        removed
    }

    /// The session is gone: gives everything back, in the order of the calls.
    pub(crate) fn take_all(&mut self) -> Vec<InFlight> {
        self.window = Window::default();
        self.abandoned = 0;
        self.resend = VecDeque::new();
        self.unstamped = Vec::new();
        let mut all: Vec<_> = self.table.take_all().into_iter().map(|(_, entry)| entry).collect();
        all.sort_unstable_by_key(|entry| entry.token);
        all
    }

    /// The driver takes the bytes now: what was sent since the last time counts from here.
    pub(crate) fn stamp(&mut self, now: Instant) {
        for id in self.unstamped.drain(..) {
            if let Some(entry) = self.table.get_mut(id) {
                entry.sent_at = now;
            }
        }
    }

    /// When the longest-waiting operation of this connection was sent.
    pub(crate) fn oldest(&self, attempt: Attempt) -> Option<Instant> {
        let waiting = self.table.iter().filter(|(_, entry)| entry.waits_on(attempt));
        waiting.map(|(_, entry)| entry.sent_at).min()
    }

    /// The application was told already: only the identifier stays reserved.
    pub(crate) fn abandon_one(&mut self, id: u16) {
        if let Some(entry) = self.table.get_mut(id).filter(|entry| !entry.abandoned) {
            entry.abandoned = true;
            self.abandoned += 1;
        }
    }

    /// Gives up waiting for what was sent `timeout` ago: the identifiers stay reserved.
    pub(crate) fn abandon(
        &mut self,
        attempt: Attempt,
        now: Instant,
        timeout: Duration,
    ) -> Vec<(Token, PacketType)> {
        let mut given_up = Vec::new();
        for (_, entry) in self.table.iter_mut() {
            if entry.waits_on(attempt) && entry.sent_at + timeout <= now {
                entry.abandoned = true;
                given_up.push((entry.token, entry.stage.operation()));
            }
        }
        self.abandoned += given_up.len();
        given_up.sort_unstable();
        given_up
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.table.trim();
        if self.resend.is_empty() {
            self.resend = VecDeque::new();
        }
        if self.unstamped.is_empty() {
            self.unstamped = Vec::new();
        }
    }
}

impl InFlight {
    /// Whether the application waits for the answer to something that was sent on this connection. A message of an
    /// earlier one may still wait for the window.
    fn waits_on(&self, attempt: Attempt) -> bool {
        !self.abandoned && (self.sent_on == attempt || !matches!(self.stage, Stage::Published(_)))
    }
}

impl Stage {
    /// The acknowledgement that completes it or moves it on.
    pub(crate) fn awaits(&self, packet: PacketType) -> bool {
        match self {
            Self::Published(record) if record.qos == QoS::AtLeastOnce => packet == PacketType::PubAck,
            Self::Published(_) => packet == PacketType::PubRec,
            // A PUBREC may come twice: the server sent it again before it saw the PUBREL.
            Self::Released { .. } => matches!(packet, PacketType::PubComp | PacketType::PubRec),
            Self::Controlled(control) => match control.request {
                Request::Subscribe { .. } => packet == PacketType::SubAck,
                Request::Unsubscribe { .. } => packet == PacketType::UnsubAck,
            },
        }
    }

    /// Of a message.
    fn qos(&self) -> Option<QoS> {
        match self {
            Self::Published(record) => Some(record.qos),
            Self::Released { .. } => Some(QoS::ExactlyOnce),
            Self::Controlled(_) => None,
        }
    }

    /// Where the part of an operation begins.
    fn part(&self) -> usize {
        match self {
            Self::Published(_) | Self::Released { .. } => 0,
            Self::Controlled(control) => control.order().1,
        }
    }

    /// PUBLISH, SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn operation(&self) -> PacketType {
        match self {
            Self::Published(_) | Self::Released { .. } => PacketType::Publish,
            Self::Controlled(control) => control.operation(),
        }
    }
}

impl Control {
    /// SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn operation(&self) -> PacketType {
        match self.request {
            Request::Subscribe { .. } => PacketType::Subscribe,
            Request::Unsubscribe { .. } => PacketType::Unsubscribe,
        }
    }
}
