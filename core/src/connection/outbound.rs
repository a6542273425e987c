//! What waits becomes packets, oldest call first, as far as nothing holds it back.

use alloc::boxed::Box;

use super::encoding::Changes;
use super::flight::Stage;
use super::inflight::{Planned, Window};
use super::queue::{Control, Record, Request};
use super::send_buffer::Transmit;
use super::state::Phase;
use super::subscriptions::{AGAIN, Batch};
use super::timer::Timer;
use super::{Connection, Unwritten};
use crate::bug::Bug;
use crate::error::{OperationError, ServerLimit};
use crate::event::{Event, Receipt, Token};
use crate::packet::{
    self, EncodeError, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, PropertiesBuf, ProtocolVersion, QoS,
    ReasonCode, SubscribeFilter,
};
use crate::session::StoredStage;

impl Connection {
    /// A session was resumed, or is new: PUBRELs go out first [MQTT-4.6.0-4], outside the window, as soon as they are
    /// stored; messages follow in order as the window allows; then what the session lacks, and what waits.
    pub(super) fn resume(&mut self, resumed: bool) {
        if resumed {
            let mut releases = self.in_flight.resume();
            self.planted_on_resuming(&mut releases);
            for packet_id in releases {
                // Its time starts anew, however long it waits for the store.
                self.in_flight.touch_release(packet_id, self.now);
                let stored_by = self.in_flight.table.get(packet_id).map(|entry| entry.stored_by);
                self.reply_pubrel(stored_by.unwrap_or_default(), packet_id, ReasonCode::SUCCESS);
            }
        }
        self.drop_unsupported_subscriptions();
        let largest = self.packet_limit() as usize;
        let identifiers = self.takes_identifiers();
        for batch in self.subscriptions.take_missing(largest, identifiers) {
            let Batch { filters, identifier, .. } = batch;
            let request = Request::Subscribe { filters, identifier, again: true };
            let properties = batch.properties;
            let control = Box::new(Control::new(AGAIN, request, properties));
            self.queue.hold(&control);
            self.queue.push_control(control);
        }
        self.flush();
    }

    /// What this server cannot take is dropped alone, as if it had refused it.
    fn drop_unsupported_subscriptions(&mut self) {
        let mut subscriptions = core::mem::take(&mut self.subscriptions);
        let refused = subscriptions.drop_missing(|filter, properties| {
            if self.check_subscribe_version(core::iter::once(filter), properties).is_err() {
                return Some(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
            }
            self.check_subscribe_limits(core::iter::once(filter), properties).err().map(ServerLimit::reason)
        });
        self.subscriptions = subscriptions;
        for (filter, reason) in refused {
            self.report(Event::Resubscribed { filter, reason });
        }
    }

    /// Sends whatever may go, oldest call first.
    #[inline]
    pub(super) fn flush(&mut self) {
        self.end_what_is_due();
        if !self.queue.is_empty() || self.in_flight.has_planned() {
            self.send_waiting();
        }
        self.finish_if_drained();
    }

    #[inline(never)]
    fn send_waiting(&mut self) {
        self.forget_quick();
        self.admit();
        while self.phase.is_up() && self.has_send_room() && self.send_next() {}
    }

    /// With a store, a message gets its packet identifier when it enters the window, and is sent once both are stored.
    fn admit(&mut self) {
        if self.persistence.is_none() || !self.phase.is_up() {
            return;
        }
        // What is planned and was given up does not take room.
        self.in_flight.next_planned();
        while let Some((_, record)) = self.queue.acknowledged().front() {
            if !self.fits(self.in_flight.planned_window(), record.qos) {
                return;
            }
            let Some(packet_id) = self.in_flight.free_id() else { return };
            let Some((token, record)) = self.queue.pop_acknowledged() else { return };
            let stored_by = self.store_admission(token, packet_id);
            self.due.enter(token, packet_id);
            self.in_flight.admit(packet_id, token, self.now, record, stored_by);
        }
    }

    /// Sends the oldest operation that nothing holds back; whether there was one.
    fn send_next(&mut self) -> bool {
        // While every packet identifier is in use, QoS 0 and what has an identifier go on.
        let has_id = self.in_flight.has_free_id();
        let control = self.queue.control.front().filter(|_| has_id).map(|control| control.token);
        let ahead = self.queue.front_ahead();
        let at_most_once = self.queue.at_most_once().front().map(|(token, _)| token);
        let planned = self.in_flight.next_planned();
        let acknowledged = match planned {
            // A message is never sent before an earlier one that is to be sent again, or waits for the store.
            Some((planned, stored_by)) => self.is_stored(stored_by).then_some((planned.token, planned.qos)),
            None if self.persistence.is_some() => None,
            None => {
                let front = self.queue.acknowledged().front().filter(|_| has_id);
                front.map(|(token, record)| (token, record.qos))
            }
        };
        let acknowledged = acknowledged.filter(|(_, qos)| self.fits(self.in_flight.window(), *qos));
        let acknowledged = acknowledged.map(|(token, _)| token);
        let next = [control, at_most_once, acknowledged].into_iter().flatten().min();
        let Some(oldest) = ahead.into_iter().chain(next).min() else { return false };
        if ahead == Some(oldest) {
            self.send_ahead(next);
        } else if control == Some(oldest) {
            self.send_control();
        } else if at_most_once == Some(oldest) {
            self.send_queued_at_most_once();
        } else if planned.is_some() {
            self.send_planned();
        } else {
            self.send_queued();
        }
        true
    }

    fn send_control(&mut self) {
        let Some(packet_id) = self.in_flight.free_id() else { return };
        let Some(mut control) = self.queue.control.pop_front() else { return };
        if let Err(limit) = self.check_control_limits(&control) {
            self.control_failed(&control, OperationError::Limit(limit));
            return;
        }
        let identified = match self.identified_control(&control) {
            Ok(identified) => identified,
            Err(error) => return self.control_failed(&control, operation_error(error)),
        };
        self.split_control(&mut control, identified.as_properties());
        let properties = identified.as_properties();
        let result = self.send(&match &control.request {
            Request::Subscribe { filters, .. } => {
                let filters = filters.as_filters();
                Packet::Subscribe(packet::Subscribe { packet_id, properties, filters })
            }
            Request::Unsubscribe { filters } => {
                let filters = filters.as_filters();
                Packet::Unsubscribe(packet::Unsubscribe { packet_id, properties, filters })
            }
        });
        match result {
            Ok(()) => {
                let token = control.token;
                control.sent = true;
                let silent = control.silent;
                self.in_flight.insert(packet_id, token, self.attempt, self.now, Stage::Controlled(control));
                if silent {
                    self.abandon(packet_id);
                }
            }
            Err(error) => self.control_failed(&control, operation_error(error)),
        }
    }

    /// The properties that it is sent with on this connection.
    fn identified_control(&self, control: &Control) -> Result<PropertiesBuf, EncodeError> {
        match &control.request {
            Request::Subscribe { identifier, .. } => {
                self.identified(control.properties.as_properties(), *identifier)
            }
            Request::Unsubscribe { .. } => Ok(control.properties.clone()),
        }
    }

    fn check_control_limits(&self, control: &Control) -> Result<(), ServerLimit> {
        match &control.request {
            Request::Subscribe { filters, .. } => {
                self.check_subscribe_limits(filters.as_filters().iter(), control.properties.as_properties())
            }
            Request::Unsubscribe { .. } => Ok(()),
        }
    }

    fn control_failed(&mut self, control: &Control, error: OperationError) {
        if let Request::Subscribe { filters, again, .. } = &control.request {
            for SubscribeFilter { filter, .. } in filters.as_filters().iter() {
                self.subscriptions.answered(control.token, filter, false);
                if *again {
                    // Only a filter that alone is too large can have come here.
                    let reason = ReasonCode::PACKET_TOO_LARGE;
                    self.report(Event::Resubscribed { filter: filter.into(), reason });
                }
            }
        }
        self.control_ended(control, Err(error), true);
    }

    fn send_queued_at_most_once(&mut self) {
        let Some((token, record)) = self.queue.pop_at_most_once() else { return };
        if self.has_bug(Bug::AtMostOnceTwice) {
            let _ = self.send_record(token, &record, 0, false);
        }
        match self.send_record(token, &record, 0, false) {
            Ok(()) if record.requeue => {
                self.queue.may_return(token, record);
                self.await_written(token);
            }
            Ok(()) => {
                self.queue.release(record);
                self.await_written(token);
            }
            Err(error) => {
                self.queue.release(record);
                self.publish_failed(token, error);
            }
        }
    }

    /// A QoS 0 message was encoded: it completes when the transport has taken it.
    #[inline]
    pub(super) fn await_written(&mut self, token: Token) {
        self.due.sent(token, None);
        self.remember_unwritten(token);
    }

    /// The same, of one that has no times.
    #[inline]
    pub(super) fn remember_unwritten(&mut self, token: Token) {
        self.unwritten.push_back(Unwritten { end: self.enqueued, token, withdrawn: false });
    }

    fn send_queued(&mut self) {
        let before = self.in_flight.last_id();
        let Some(packet_id) = self.in_flight.free_id() else { return };
        let Some((token, record)) = self.queue.pop_acknowledged() else { return };
        match self.send_record(token, &record, self.planted_id(before, packet_id), false) {
            Ok(()) => {
                self.due.sent(token, Some(packet_id));
                let qos = record.qos;
                let stage = Stage::Published(record);
                self.in_flight.insert(packet_id, token, self.attempt, self.now, stage);
                self.planted_after_sending(packet_id, qos);
            }
            Err(error) => {
                self.publish_failed(token, error);
                self.queue.release(record);
            }
        }
    }

    /// Sends a message that has its packet identifier; again, with DUP [MQTT-3.3.1-1], if it may have left before.
    fn send_planned(&mut self) {
        let Some((Planned { token, packet_id, qos }, _)) = self.in_flight.next_planned() else { return };
        let Some(entry) = self.in_flight.table.get_mut(packet_id) else { return };
        let duplicate = entry.sent && !self.config.has_bug(Bug::NoDuplicateFlag);
        // Taken out while it is sent, since sending needs the rest of the connection.
        let stage = core::mem::replace(&mut entry.stage, Stage::Abandoned { qos });
        let Stage::Published(record) = stage else { return };
        let result = self.send_record(token, &record, packet_id, duplicate);
        if let Some(entry) = self.in_flight.table.get_mut(packet_id) {
            entry.stage = Stage::Published(record);
        }
        match result {
            Ok(()) => {
                self.due.sent(token, Some(packet_id));
                self.in_flight.sent(self.attempt, self.now);
            }
            Err(error) => {
                self.give_up(packet_id);
                self.publish_failed(token, error);
            }
        }
    }

    /// A message in flight is not sent any more. Its identifier stays reserved if the server may know it from an
    /// earlier connection. Later messages do not wait until that is stored: where messages are given up more often than the
    /// store commits, none would ever be sent. If a crash undoes it, they are sent again behind this one.
    pub(super) fn give_up(&mut self, packet_id: u16) {
        let Some(entry) = self.in_flight.table.get(packet_id) else { return };
        let (token, sent) = (entry.token, entry.sent);
        if sent {
            self.abandon(packet_id);
        } else if let Some(entry) = self.in_flight.remove(packet_id, self.attempt) {
            self.forget_stage(token, &entry.stage);
            if let Stage::Published(record) = entry.stage {
                self.queue.release(record);
            }
        }
    }

    /// The application is told of the end of an operation that was sent: only its identifier stays reserved. What is
    /// past its PUBREC goes on to its PUBCOMP.
    pub(super) fn abandon(&mut self, packet_id: u16) {
        if let Some((token, record)) = self.in_flight.abandon(packet_id) {
            self.store_abandoned(token, packet_id, record.qos);
            self.queue.release(record);
        } else if let Some(entry) = self.in_flight.table.get(packet_id)
            && let Stage::Released { order, reason, .. } = entry.stage
        {
            let stage = StoredStage::Released { order, reason, abandoned: true };
            self.store_flight(entry.token, packet_id, stage);
        }
        self.planted_on_abandoning(packet_id);
    }

    /// Encodes a kept message against the limits of the current connection.
    fn send_record(
        &mut self,
        token: Token,
        record: &Record,
        packet_id: u16,
        duplicate: bool,
    ) -> Result<(), OperationError> {
        let packet = record.packet(packet_id, duplicate);
        self.check_publish_limits(record.qos, record.retain).map_err(OperationError::Limit)?;
        let changes = Changes { alias: record.alias, expiry: self.due.remaining(token, self.now) };
        self.encode_message(&packet, record.shared(), changes).map_err(operation_error)
    }

    /// Encodes a packet other than PUBLISH and CONNECT.
    pub(super) fn send(&mut self, packet: &Packet<'_>) -> Result<(), EncodeError> {
        self.send_within(packet, self.packet_limit())
    }

    pub(super) fn send_within(&mut self, packet: &Packet<'_>, limit: u32) -> Result<(), EncodeError> {
        let start = self.out.buffer().len();
        packet.encode(self.version, limit, self.out.buffer())?;
        let packet_id = match packet {
            Packet::Subscribe(packet) => packet.packet_id,
            Packet::Unsubscribe(packet) => packet.packet_id,
            _ => 0,
        };
        self.sent(packet.packet_type(), packet_id, start, 0);
        Ok(())
    }

    /// Counts a packet that was encoded from `start` on.
    #[inline]
    pub(super) fn sent(&mut self, packet: PacketType, packet_id: u16, start: usize, chained: usize) {
        let size = self.out.buffer().len() - start + chained;
        self.enqueued += size as u64;
        self.statistics.packets_sent += 1;
        self.report_packet(true, packet, packet_id, size);
    }

    pub(super) fn transmit(&mut self, out: &mut Transmit) -> bool {
        self.in_flight.stamp(self.now);
        let waits = self.in_flight.is_awaited() && !self.config.ack_timeout.is_zero() && self.phase.is_up();
        if waits && !self.timers.is_armed(Timer::Ack) && !self.has_bug(Bug::AckTimerNotArmed) {
            self.timers.arm(Timer::Ack, self.now + self.config.ack_timeout);
        }
        let any = out.take_from(&mut self.out, self.attempt);
        if any {
            self.writing_since.get_or_insert(self.now);
        }
        any
    }

    pub(super) fn bytes_written(&mut self, bytes: usize) {
        let bytes = (bytes as u64).min(self.unsent());
        if bytes == 0 {
            return;
        }
        self.written += bytes;
        self.replies = self.replies.min(self.unsent());
        self.statistics.bytes_sent += bytes;
        self.last_sent = self.now;
        self.writing_since = (self.unsent() > 0).then_some(self.now);
        if let Some(unreported) = &mut self.unreported {
            unreported.written(self.written);
        }
        while self.unwritten.front().is_some_and(|message| message.end <= self.written) {
            let Some(Unwritten { token, withdrawn, .. }) = self.unwritten.pop_front() else { break };
            if let Some(record) = self.queue.settle(token) {
                self.queue.release(record);
                self.forget_quick();
            }
            if !withdrawn {
                let receipt = Receipt { reason: ReasonCode::SUCCESS, properties: PropertiesBuf::new() };
                self.published(token, Ok(receipt));
            }
        }
        self.arm_ping();
        self.flush();
        self.flushed();
    }

    /// The PINGRESP must come within its time from when PINGREQ was written, and while we read.
    pub(super) fn arm_ping(&mut self) {
        let written = self.ping.is_some_and(|ping| ping.end <= self.written)
            && !(self.statistics.packets_received > 3 && self.has_bug(Bug::PingTimerNotArmedAgain));
        if written && !self.paused && !self.timers.is_armed(Timer::Ping) {
            self.timers.arm(Timer::Ping, self.now + self.config.ping_timeout);
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.phase == Phase::Closed || self.store_failure().is_some()
    }

    /// Whether the version is settled, and is not 5.0.
    pub(super) fn is_known_to_be_older(&self) -> bool {
        self.version != ProtocolVersion::V5
    }

    #[inline]
    pub(super) fn has_send_room(&self) -> bool {
        self.unsent() < self.config.send_buffer as u64
    }

    /// Whether one more message of this QoS may be in flight.
    pub(super) fn fits(&self, window: Window, qos: QoS) -> bool {
        if qos == QoS::ExactlyOnce
            && self.is_known_to_be_older()
            && window.exactly_once >= self.config.exactly_once_limit
        {
            return false;
        }
        let maximum = self.server.as_deref().map_or(u16::MAX, |server| server.receive_maximum);
        if self.has_bug(Bug::WindowTooLarge) {
            return window.messages <= maximum.min(self.config.in_flight_limit);
        }
        window.messages < maximum.min(self.config.in_flight_limit)
    }

    /// The largest packet that the server takes; the protocol's while there is none.
    #[inline]
    pub(super) fn packet_limit(&self) -> u32 {
        let server = self.server.as_deref().filter(|_| self.phase.is_up() || self.phase == Phase::Flushing);
        server.map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, |server| server.maximum_packet_size)
    }

    #[inline]
    pub(super) fn take_token(&mut self) -> Token {
        self.promise_token();
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }
}

/// A waiting operation met another version or other limits than when it was called.
fn operation_error(error: EncodeError) -> OperationError {
    match error {
        EncodeError::PacketTooLarge { size, limit } => {
            OperationError::Limit(ServerLimit::MaximumPacketSize { size, limit })
        }
        // Everything else was checked by the call.
        _ => OperationError::UnsupportedByVersion,
    }
}
