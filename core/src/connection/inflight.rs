//! What was sent and waits for the server's acknowledgement.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::flight::{InFlight, Stage};
use super::id_table::{IdTable, PacketIds, Turn};
use super::queue::Record;
use crate::event::{Attempt, Token};
use crate::packet::{PacketType, Properties, QoS, ReasonCode};
use crate::session::PersistId;
use crate::time::Instant;

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

/// A message that has its packet identifier and is to be sent, or sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Planned {
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
    /// Messages of earlier connections to send again, and with a store those that were not sent yet, in order, as the
    /// window allows.
    planned: VecDeque<Planned>,
    /// Those that are planned.
    planned_window: Window,
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
            planned: VecDeque::new(),
            planned_window: Window::default(),
            window: Window::default(),
            abandoned: 0,
            pubrecs: 0,
            unstamped: Vec::new(),
        }
    }

    pub(crate) fn last_id(&self) -> Option<u16> {
        self.ids.last()
    }

    /// Identifiers are handed out from the first one again.
    #[cfg(test)]
    pub(crate) fn restart_ids(&mut self) {
        self.ids = PacketIds::default();
    }

    /// How many messages of this connection are unacknowledged.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// The window with everything in it that is planned.
    pub(crate) fn planned_window(&self) -> Window {
        Window {
            messages: self.window.messages.saturating_add(self.planned_window.messages),
            exactly_once: self.window.exactly_once.saturating_add(self.planned_window.exactly_once),
        }
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

    /// Which identifiers were given out last.
    pub(crate) fn ids(&self) -> Turn {
        self.ids.turn()
    }

    /// The identifier given out since then is not used.
    pub(crate) fn restore_ids(&mut self, turn: Turn) {
        self.ids.restore(turn);
    }

    /// An operation was sent for the first time.
    pub(crate) fn insert(&mut self, id: u16, token: Token, attempt: Attempt, now: Instant, stage: Stage) {
        if let Some(qos) = stage.qos() {
            self.window.enter(qos);
        }
        let stored_by = PersistId::default();
        let entry = InFlight {
            token,
            sent_at: now,
            sent_on: attempt,
            stage,
            abandoned: false,
            sent: true,
            stored_by,
        };
        self.table.insert(id, entry);
        self.unstamped.push(id);
    }

    /// A message gets its packet identifier, and is sent once that is stored.
    pub(crate) fn admit(
        &mut self,
        id: u16,
        token: Token,
        now: Instant,
        record: Record,
        stored_by: PersistId,
    ) {
        self.plan(Planned { token, packet_id: id, qos: record.qos });
        let entry = InFlight {
            token,
            sent_at: now,
            sent_on: Attempt(0),
            stage: Stage::Published(record),
            abandoned: false,
            sent: false,
            stored_by,
        };
        self.table.insert(id, entry);
    }

    /// A store has this from an earlier process.
    pub(crate) fn restore(&mut self, id: u16, token: Token, now: Instant, stage: Stage, abandoned: bool) {
        self.abandoned += usize::from(abandoned);
        if let Stage::Released { order, .. } = stage {
            self.pubrecs = self.pubrecs.max(order + 1);
        }
        let stored_by = PersistId::default();
        let entry =
            InFlight { token, sent_at: now, sent_on: Attempt(0), stage, abandoned, sent: true, stored_by };
        self.table.insert(id, entry);
    }

    fn plan(&mut self, planned: Planned) {
        self.planned_window.enter(planned.qos);
        self.planned.push_back(planned);
    }

    pub(crate) fn has_planned(&self) -> bool {
        !self.planned.is_empty()
    }

    fn pop_planned(&mut self) -> Option<Planned> {
        let planned = self.planned.pop_front()?;
        self.planned_window.leave(planned.qos);
        Some(planned)
    }

    fn clear_planned(&mut self) {
        self.planned = VecDeque::new();
        self.planned_window = Window::default();
    }

    /// An operation is complete: its identifier is free, and so is its place in the window.
    pub(crate) fn remove(&mut self, id: u16, attempt: Attempt) -> Option<InFlight> {
        let entry = self.table.get(id)?;
        self.abandoned -= usize::from(entry.abandoned);
        if let Some(qos) = entry.stage.qos().filter(|_| entry.sent_on == attempt) {
            self.window.leave(qos);
        }
        let entry = self.table.remove(id);
        self.ids.freed(id, &self.table);
        entry
    }

    /// The place of a PUBREC among all.
    pub(crate) fn next_pubrec(&mut self) -> u64 {
        self.pubrecs += 1;
        self.pubrecs - 1
    }

    /// What must be stored before the operation's next packet may leave.
    pub(crate) fn stored_by(&mut self, id: u16, stored_by: PersistId) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.stored_by = stored_by;
        }
    }

    /// PUBREC: the message itself is not needed any more. Gives it back, to be recycled.
    pub(crate) fn release(
        &mut self,
        id: u16,
        order: u64,
        reason: ReasonCode,
        properties: Properties<'_>,
    ) -> Option<Record> {
        let entry = self.table.get_mut(id)?;
        let properties = (!properties.is_empty()).then(|| Box::new(properties.into()));
        let stage = Stage::Released { order, reason, properties };
        match core::mem::replace(&mut entry.stage, stage) {
            Stage::Published(record) => Some(record),
            Stage::Released { .. } | Stage::Abandoned { .. } | Stage::Controlled(_) => None,
        }
    }

    /// A new connection resumes the session: gives the PUBRELs to send at once, in the order of their PUBRECs, and
    /// plans the messages to send again [MQTT-4.4.0-1].
    pub(crate) fn resume(&mut self) -> Vec<u16> {
        let mut releases = Vec::new();
        let mut messages = Vec::new();
        for (id, entry) in self.table.iter() {
            match &entry.stage {
                Stage::Published(record) => {
                    messages.push(Planned { token: entry.token, packet_id: id, qos: record.qos });
                }
                Stage::Released { order, .. } => releases.push((*order, id)),
                Stage::Abandoned { .. } | Stage::Controlled(_) => {}
            }
        }
        messages.sort_unstable();
        releases.sort_unstable();
        for planned in messages {
            self.plan(planned);
        }
        releases.into_iter().map(|(_, id)| id).collect()
    }

    /// For planted faults only: what is planned is sent in the reverse order.
    pub(crate) fn reverse_planned(&mut self) {
        self.planned.make_contiguous().reverse();
    }

    /// For planted faults only: what is planned with this QoS is not sent.
    pub(crate) fn forget_planned(&mut self, qos: QoS) {
        self.planned.retain(|planned| planned.qos != qos);
    }

    /// For planted faults only: takes one more place in the window than there are messages.
    pub(crate) fn leak_place(&mut self, qos: QoS) {
        self.window.enter(qos);
    }

    /// For planted faults only: this identifier is the next one.
    pub(crate) fn give_out_again(&mut self, packet_id: u16) {
        self.ids.give_out_again(packet_id);
    }

    /// The oldest message to send or to send again, and what must be stored before.
    pub(crate) fn next_planned(&mut self) -> Option<(Planned, PersistId)> {
        while let Some(&planned) = self.planned.front() {
            let waiting = self
                .table
                .get(planned.packet_id)
                .filter(|entry| entry.token == planned.token && !entry.abandoned);
            if let Some(entry) = waiting.filter(|entry| matches!(entry.stage, Stage::Published(_))) {
                return Some((planned, entry.stored_by));
            }
            self.pop_planned();
        }
        None
    }

    /// The message that `next_planned` gave was sent.
    pub(crate) fn sent(&mut self, attempt: Attempt, now: Instant) {
        let Some(Planned { packet_id, qos, .. }) = self.pop_planned() else { return };
        self.touch(packet_id, attempt, now);
        self.window.enter(qos);
    }

    /// A packet for this operation was sent again.
    pub(crate) fn touch(&mut self, id: u16, attempt: Attempt, now: Instant) {
        if let Some(entry) = self.table.get_mut(id) {
            entry.sent_on = attempt;
            entry.sent_at = now;
            entry.sent = true;
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
        self.clear_planned();
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
        self.clear_planned();
        self.unstamped = Vec::new();
        let mut all: Vec<_> = self.table.take_all().into_iter().map(|(_, entry)| entry).collect();
        all.sort_unstable_by_key(|entry| entry.token);
        all
    }

    /// The driver takes the bytes now: what was sent since the last time counts from here.
    #[inline]
    pub(crate) fn stamp(&mut self, now: Instant) {
        if !self.unstamped.is_empty() {
            self.stamp_all(now);
        }
    }

    fn stamp_all(&mut self, now: Instant) {
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

    /// The application is told of the operation's end. A message is given back: only its identifier stays reserved,
    /// until its acknowledgement or the end of the session.
    pub(crate) fn abandon(&mut self, id: u16) -> Option<(Token, Record)> {
        let entry = self.table.get_mut(id).filter(|entry| !entry.abandoned)?;
        entry.abandoned = true;
        self.abandoned += 1;
        let Stage::Published(record) = &entry.stage else { return None };
        let stage = Stage::Abandoned { qos: record.qos };
        match core::mem::replace(&mut entry.stage, stage) {
            Stage::Published(record) => Some((entry.token, record)),
            Stage::Released { .. } | Stage::Abandoned { .. } | Stage::Controlled(_) => None,
        }
    }

    /// If this identifier is that of a QoS 2 PUBLISH that is not answered: those of all that were sent on the connection
    /// and are not, in the order of the calls.
    pub(crate) fn downgraded(&self, id: u16, attempt: Attempt) -> Vec<u16> {
        let is_meant = |entry: &InFlight| {
            entry.sent_on == attempt
                && entry.stage.qos() == Some(QoS::ExactlyOnce)
                && !matches!(entry.stage, Stage::Released { .. })
        };
        if !self.table.get(id).is_some_and(is_meant) {
            return Vec::new();
        }
        let downgraded = self.table.iter().filter(|(_, entry)| is_meant(entry));
        let mut downgraded: Vec<_> = downgraded.map(|(id, entry)| (entry.token, id)).collect();
        downgraded.sort_unstable();
        downgraded.into_iter().map(|(_, id)| id).collect()
    }

    /// The messages that the application waits for, in the order of the calls.
    pub(crate) fn awaited(&self) -> Vec<(Token, u16)> {
        let awaited = self.table.iter().filter(|(_, entry)| !entry.abandoned && entry.stage.qos().is_some());
        let mut awaited: Vec<_> = awaited.map(|(id, entry)| (entry.token, id)).collect();
        awaited.sort_unstable();
        awaited
    }

    /// The packet identifier of a message that the application waits for.
    pub(crate) fn message(&self, token: Token) -> Option<u16> {
        let is_it =
            |entry: &InFlight| entry.token == token && !entry.abandoned && entry.stage.qos().is_some();
        self.table.iter().find(|(_, entry)| is_it(entry)).map(|(id, _)| id)
    }

    /// The packet identifiers of a SUBSCRIBE or UNSUBSCRIBE, or its parts, that the application waits for.
    pub(crate) fn controls(&self, token: Token) -> Vec<u16> {
        let is_it =
            |entry: &InFlight| entry.token == token && !entry.abandoned && entry.stage.qos().is_none();
        let mut controls: Vec<_> =
            self.table.iter().filter(|(_, entry)| is_it(entry)).map(|(id, _)| id).collect();
        controls.sort_unstable();
        controls
    }

    /// What was sent for operations before `end` and is not answered, in the order of the calls.
    pub(crate) fn waiting_before(&self, attempt: Attempt, end: Token) -> Vec<(Token, u16, PacketType)> {
        self.unanswered(|entry| entry.waits_on(attempt) && entry.token < end)
    }

    /// What was sent `timeout` ago and is not answered, in the order of the calls.
    pub(crate) fn overdue(
        &self,
        attempt: Attempt,
        now: Instant,
        timeout: Duration,
    ) -> Vec<(Token, u16, PacketType)> {
        self.unanswered(|entry| entry.waits_on(attempt) && entry.sent_at + timeout <= now)
    }

    fn unanswered(&self, is_meant: impl Fn(&InFlight) -> bool) -> Vec<(Token, u16, PacketType)> {
        let unanswered = self.table.iter().filter(|(_, entry)| is_meant(entry));
        let mut unanswered: Vec<_> =
            unanswered.map(|(id, entry)| (entry.token, id, entry.stage.operation())).collect();
        unanswered.sort_unstable();
        unanswered
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.table.trim();
        self.ids.trim();
        self.planned.shrink_to_fit();
        self.unstamped.shrink_to_fit();
    }
}
