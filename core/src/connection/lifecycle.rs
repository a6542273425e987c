//! From one phase to the next: connecting, losing and ending connections, and the deadlines.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::inflight::Stage;
use super::queue::Request;
use super::state::{Input, Phase};
use super::timer::Timer;
use super::{Connection, Ping};
use crate::command::Disconnect;
use crate::config::{CleanStart, ClientId, ServerClose, VersionPolicy};
use crate::error::{Cause, DisconnectError, Lost, LostKind, OperationError, ProtocolError, Refusal};
use crate::event::{Action, Attempt, Event, Granted, Receipt, Token};
use crate::packet::{
    self, ConnAck, Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, PropertiesBuf, Property,
    PropertyId, ProtocolVersion, QoS, ReasonCode,
};
use crate::server::Server;
use crate::time::Instant;

/// How the user wants the client to end.
#[derive(Debug)]
pub(super) struct Ending {
    reason: ReasonCode,
    properties: PropertiesBuf,
}

/// What is known of the session at the server.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is one independent fact.
pub(super) struct Session {
    /// A connection was accepted since the client was started.
    accepted: bool,
    /// A connection was accepted ever: Clean Start holds for the first one.
    known: bool,
    /// The server should have a session of ours.
    exists: bool,
    /// When its last connection ended.
    lost_at: Option<Instant>,
    /// The next attempt follows at once, on request.
    retry_now: bool,
    /// When the CONNACK of this network connection came.
    up_since: Option<Instant>,
    /// How many CONNECTs were sent since the last connection was accepted, and not refused.
    unanswered: u32,
}

impl Connection {
    // Starting

    pub(super) fn start(&mut self) {
        if self.phase == Phase::Closed || self.phase == Phase::Idle {
            self.session.accepted = false;
            self.session.retry_now = false;
            self.backoff.reset();
        }
        let Some(phase) = self.phase.next(Input::Start) else { return };
        self.phase = phase;
        self.attempt = Attempt(self.attempt.0.saturating_add(1));
        self.statistics.reconnects += u64::from(self.attempt.0 > 1);
        self.timers.disarm(Timer::Reconnect);
        self.timers.arm_in(Timer::Connect, self.config.connect_timeout);
        let attempt = self.attempt;
        self.act(Action::Connect { attempt });
        self.report(Event::Connecting { attempt });
    }

    pub(super) fn start_again(&mut self) {
        self.start();
        if self.phase == Phase::Connected {
            self.session.retry_now = true;
            // So that the server does not publish the will.
            self.send_disconnect(ReasonCode::NORMAL_DISCONNECTION, &PropertiesBuf::new());
            self.fail(Cause::Requested);
        }
    }

    pub(super) fn transport_up(&mut self, attempt: Attempt) {
        if attempt != self.attempt {
            return;
        }
        let Some(phase) = self.phase.next(Input::TransportUp) else { return };
        self.phase = phase;
        self.last_sent = self.now;
        self.last_received = self.now;
        if let Err(error) = self.send_connect() {
            self.fail(Cause::Connect(error));
        }
    }

    fn send_connect(&mut self) -> Result<(), packet::EncodeError> {
        let version = self.version;
        self.clean_start = self.clean_start_flag();
        let config = &self.config;
        let mut properties = PropertiesBuf::new();
        if version == ProtocolVersion::V5 {
            properties = config.connect_properties()?;
        }
        let will = config.will.as_deref().map(|will| packet::Will {
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.as_properties(),
            topic: &will.topic,
            payload: &will.payload,
        });
        let connect = Connect {
            version,
            bridge: config.bridge && version != ProtocolVersion::V5,
            clean_start: self.clean_start,
            keep_alive: config.keep_alive,
            properties: properties.as_properties(),
            client_id: &self.client_id,
            will,
            user_name: config.user_name.as_deref(),
            password: config.password.as_deref(),
        };
        let start = self.out.buffer().len();
        connect.encode(PROTOCOL_MAXIMUM_PACKET_SIZE, self.out.buffer())?;
        self.session.unanswered = self.session.unanswered.saturating_add(1);
        self.sent(PacketType::Connect, 0, start, 0);
        Ok(())
    }

    /// Clean Start, or Clean Session of 3.x.
    fn clean_start_flag(&self) -> bool {
        let version = self.version;
        match self.config.clean_start {
            CleanStart::Always => true,
            CleanStart::Never => self.session_expired(),
            CleanStart::FirstConnection if version == ProtocolVersion::V5 => {
                !self.session.known || self.session_expired()
            }
            // A 5.0 client fell back to 3.1.1, where only Clean Session 0 keeps a session. For a random client
            // identifier nobody could ever end it.
            CleanStart::FirstConnection => {
                let fell_back = matches!(self.config.version, VersionPolicy::Automatic { .. });
                let named = matches!(&self.config.client_id, ClientId::Given(id) if !id.is_empty());
                !(fell_back && named && self.config.session_expiry > 0)
            }
        }
    }

    /// Whether the server must have let go of the session, by the expiry that was agreed on.
    fn session_expired(&self) -> bool {
        let Some(server) = self.server.as_deref().filter(|server| server.version == ProtocolVersion::V5)
        else {
            return false;
        };
        let expiry = Duration::from_secs(u64::from(server.session_expiry));
        let expires = server.session_expiry != u32::MAX && self.session.exists;
        expires && self.session.lost_at.is_some_and(|lost_at| self.now - lost_at > expiry)
    }

    // CONNACK

    pub(super) fn accepted(&mut self, connack: &ConnAck<'_>) -> Result<(), ProtocolError> {
        let unknown =
            !self.session.exists && (self.config.strict_session || self.config.client_id == ClientId::Random);
        if connack.session_present && (self.clean_start || unknown) {
            return Err(ProtocolError::UnexpectedSession);
        }
        if let Some(assigned) = connack.properties.assigned_client_identifier() {
            self.client_id = assigned.into();
        } else if self.client_id.is_empty() && self.version == ProtocolVersion::V5 {
            return Err(ProtocolError::NoAssignedClientId);
        }
        let Some(phase) = self.phase.next(Input::Accepted) else { return Ok(()) };
        self.phase = phase;
        let server = Server::new(connack, self.version, self.config.keep_alive, self.config.session_expiry);
        // 3.1 does not tell: its session is there if it was not clean, and subscribing again is harmless.
        let silent = self.version == ProtocolVersion::V3_1;
        let resumed = if silent { !self.clean_start && self.session.exists } else { connack.session_present };
        // Whether it is the session that we know: a CONNECT whose answer was lost may have begun another.
        let unsure = silent || self.session.unanswered > 1;
        self.session = Session {
            accepted: true,
            known: true,
            exists: match self.version {
                ProtocolVersion::V5 => server.session_expiry > 0,
                ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => !self.clean_start,
            },
            lost_at: None,
            retry_now: false,
            up_since: Some(self.now),
            unanswered: 0,
        };
        self.server = Some(Box::new(server));
        self.timers.disarm(Timer::Connect);
        self.report(Event::Connected { attempt: self.attempt, session_present: resumed });
        if !resumed {
            self.lose_session();
        }
        if unsure {
            self.received.resumed_unsurely();
        }
        if unsure || !resumed {
            self.subscriptions.unconfirm(self.config.resubscribe);
        }
        self.resume(resumed);
        if self.ending.is_some() {
            self.phase = self.phase.next(Input::Drain).unwrap_or(self.phase);
            self.finish_if_drained();
        }
        Ok(())
    }

    /// The server has no session: what was in flight is published again as new, or its fate is unknown [REC-05];
    /// what was never sent is not concerned.
    fn lose_session(&mut self) {
        self.received.clear();
        let mut again = Vec::new();
        for entry in self.in_flight.take_all() {
            match entry.stage {
                Stage::Published(record) if entry.abandoned => self.queue.release(record),
                Stage::Published(record) if record.qos == QoS::AtLeastOnce => {
                    again.push((entry.token, record));
                }
                Stage::Published(record) => {
                    self.queue.release(record);
                    self.publish_failed(entry.token, OperationError::SessionLost);
                }
                Stage::Released { reason, properties, .. } => {
                    if !entry.abandoned {
                        let result = Ok(Receipt { reason, properties });
                        self.report(Event::Published { token: entry.token, result });
                    }
                }
                Stage::Controlled(control) => self.queue.push_control(control),
            }
        }
        // They are older than what waits: the latest first, so that each goes to the front.
        for (token, record) in again.into_iter().rev() {
            self.queue.push(token, record);
        }
        self.complete_idle_unsubscribes();
    }

    /// A waiting UNSUBSCRIBE has nothing to do in a session that has no subscriptions, unless a SUBSCRIBE before it
    /// makes one.
    fn complete_idle_unsubscribes(&mut self) {
        let mut waiting = core::mem::take(&mut self.queue.control);
        let mut subscribed: BTreeSet<Box<str>> = BTreeSet::new();
        for control in waiting.drain(..) {
            match &control.request {
                Request::Subscribe { filters, .. } => {
                    subscribed.extend(filters.as_filters().iter().map(|filter| filter.filter.into()));
                    self.queue.control.push_back(control);
                }
                Request::Unsubscribe { filters } => {
                    let filters = filters.as_filters();
                    if filters.iter().any(|filter| subscribed.contains(filter)) {
                        self.queue.control.push_back(control);
                        continue;
                    }
                    let reason = match self.version {
                        ProtocolVersion::V5 => ReasonCode::NO_SUBSCRIPTION_EXISTED,
                        ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => ReasonCode::SUCCESS,
                    };
                    let reasons = vec![reason; filters.iter().count()];
                    let result = Ok(Granted { reasons, properties: PropertiesBuf::new() });
                    self.queue.release_control(&control);
                    self.report(Event::Unsubscribed { token: control.token, result });
                }
            }
        }
    }

    // Ending

    pub(super) fn end(&mut self, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        self.check_disconnect(&disconnect)?;
        if self.phase == Phase::Closed {
            return Ok(());
        }
        if self.ending.is_none() {
            self.timers.arm_in(Timer::Drain, self.config.drain_timeout);
            let properties = disconnect.properties.into();
            self.ending = Some(Box::new(Ending { reason: disconnect.reason, properties }));
        }
        let pending = self.has_pending();
        match self.phase {
            Phase::Connected | Phase::Draining if disconnect.at_once => {
                self.finish();
                self.abort();
            }
            Phase::Connected if pending => {
                self.phase = self.phase.next(Input::Drain).unwrap_or(self.phase);
            }
            Phase::Connected => self.finish(),
            Phase::Connecting | Phase::Handshaking if pending && !disconnect.at_once => {}
            Phase::Draining | Phase::Closed => {}
            Phase::Flushing if !disconnect.at_once => {}
            Phase::Idle | Phase::Waiting => self.close(Cause::Requested),
            Phase::Connecting | Phase::Handshaking | Phase::Flushing | Phase::Closing => self.abort(),
        }
        Ok(())
    }

    fn check_disconnect(&self, disconnect: &Disconnect<'_>) -> Result<(), DisconnectError> {
        let plain = disconnect.reason == ReasonCode::NORMAL_DISCONNECTION && disconnect.properties.is_empty();
        if plain {
            return Ok(());
        }
        if self.version != ProtocolVersion::V5 {
            return Err(DisconnectError::UnsupportedByVersion);
        }
        if let Some(property) = disconnect.properties.get(PropertyId::ServerReference) {
            return Err(DisconnectError::Property(property.id()));
        }
        let prolongs = disconnect.properties.session_expiry_interval().is_some_and(|expiry| expiry > 0);
        if prolongs && self.config.session_expiry == 0 {
            return Err(DisconnectError::SessionExpiry);
        }
        let packet = packet::Disconnect { reason: disconnect.reason, properties: disconnect.properties };
        packet
            .encode(self.version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut vec![])
            .map_err(DisconnectError::Encode)
    }

    /// Whether anything is left for a graceful end to wait for.
    pub(super) fn has_pending(&self) -> bool {
        self.in_flight.is_awaited() || !self.queue.is_empty() || !self.unwritten.is_empty()
    }

    pub(super) fn finish_if_drained(&mut self) {
        if self.phase == Phase::Draining && !self.has_pending() {
            self.finish();
        }
    }

    /// DISCONNECT may have left.
    pub(super) fn flushed(&mut self) {
        if self.phase == Phase::Flushing && self.unsent() == 0 {
            self.phase = self.phase.next(Input::Flushed).unwrap_or(self.phase);
            self.timers.disarm_all();
            self.cause.get_or_insert_with(|| Box::new(Cause::Requested));
            self.act(Action::Close { attempt: self.attempt });
        }
    }

    /// Sends DISCONNECT, the last packet of the connection.
    fn finish(&mut self) {
        let Some(phase) = self.phase.next(Input::Finish) else { return };
        self.phase = phase;
        // A graceful end may take this long again until its bytes have left.
        self.timers.arm_in(Timer::Drain, self.config.drain_timeout);
        self.timers.disarm(Timer::Ack);
        let (reason, mut properties) = match &self.ending {
            Some(ending) => (ending.reason, ending.properties.clone()),
            None => (ReasonCode::NORMAL_DISCONNECTION, PropertiesBuf::new()),
        };
        let v5 = self.version == ProtocolVersion::V5;
        // A random client identifier is never used again: its session need not linger.
        let lingers = v5 && self.config.client_id == ClientId::Random && self.config.session_expiry > 0;
        if lingers && properties.as_properties().session_expiry_interval().is_none() {
            // A new property in a lawful set.
            let _ = properties.push(Property::SessionExpiryInterval(0));
        }
        let expiry = properties.as_properties().session_expiry_interval();
        if v5 && expiry == Some(0) {
            self.session.exists = false;
        }
        if let (Some(expiry), Some(server)) = (expiry, self.server.as_deref_mut()) {
            server.session_expiry = expiry;
        }
        self.send_disconnect(reason, &properties);
    }

    /// Without its properties if they are more than the server takes [MQTT-3.14.2-3].
    fn send_disconnect(&mut self, reason: ReasonCode, properties: &PropertiesBuf) {
        let properties = properties.as_properties();
        if self.send(&Packet::Disconnect(packet::Disconnect { reason, properties })).is_err() {
            let properties = packet::Properties::EMPTY;
            // Four bytes; no server can mean less.
            let packet = Packet::Disconnect(packet::Disconnect { reason, properties });
            let _ = self.send_within(&packet, PROTOCOL_MAXIMUM_PACKET_SIZE);
        }
    }

    /// Closes without waiting any longer.
    fn abort(&mut self) {
        if let Some(phase) = self.phase.next(Input::Abort) {
            self.phase = phase;
            self.timers.disarm_all();
            self.cause.get_or_insert_with(|| Box::new(Cause::Requested));
            self.act(Action::Close { attempt: self.attempt });
        }
    }

    /// Closes the connection because of `cause`; the server is told if it broke the protocol.
    pub(super) fn fail(&mut self, cause: Cause) {
        let Some(phase) = self.phase.next(Input::Fail) else { return };
        if let Cause::Protocol(error) = &cause
            && self.version == ProtocolVersion::V5
            && self.phase != Phase::Flushing
        {
            let text = format!("{error} [{}]", error.statement(self.version));
            let mut properties = PropertiesBuf::new();
            let _ = properties.push(Property::ReasonString(&text));
            self.send_disconnect(error.reason(), &properties);
        }
        self.phase = phase;
        self.timers.disarm_all();
        self.cause = Some(Box::new(cause));
        self.act(Action::Close { attempt: self.attempt });
    }

    /// The server sent DISCONNECT, or refused the connection.
    pub(super) fn closed_by_server(
        &mut self,
        refused: bool,
        reason: ReasonCode,
        properties: packet::Properties<'_>,
    ) {
        let refusal = Refusal { reason, properties: properties.into() };
        self.session.unanswered -= u32::from(refused && self.session.unanswered > 0);
        self.fail(if refused { Cause::Refused(refusal) } else { Cause::ServerDisconnected(refusal) });
    }

    // Losing

    pub(super) fn transport_down(&mut self, attempt: Attempt, lost: Lost) {
        if attempt != self.attempt || !self.phase.has_transport() {
            return;
        }
        let was_handshaking = self.phase == Phase::Handshaking;
        let silent_close = was_handshaking && lost.kind == LostKind::Eof;
        let up_since = self.session.up_since.take();
        if up_since.is_some_and(|since| self.now - since >= self.config.reconnect.stable_after) {
            self.backoff.reset();
        }
        let finished = self.phase == Phase::Flushing;
        let cause = match self.cause.take() {
            Some(cause) => *cause,
            None if finished => Cause::Requested,
            None => Cause::Lost(lost),
        };
        self.tear_down();
        if up_since.is_some() {
            self.session.lost_at = Some(self.now);
        }
        let pause = self.retry_pause(&cause, silent_close);
        let input = if pause.is_some() { Input::LostRetry } else { Input::LostFinal };
        let retry_at = pause.map(|pause| self.now + pause);
        if let Some(phase) = self.phase.next(input) {
            self.phase = phase;
        }
        self.report(Event::Disconnected { attempt, cause: cause.clone(), retry_at });
        if up_since.is_some() {
            self.report(Event::Offline);
        }
        match retry_at {
            Some(at) if at <= self.now => self.start(),
            Some(at) => self.timers.arm(Timer::Reconnect, at),
            None => self.close(cause),
        }
    }

    /// Forgets what belongs to the network connection.
    fn tear_down(&mut self) {
        self.actions.clear();
        self.timers.disarm_all();
        self.out.clear();
        self.out.release();
        self.enqueued = 0;
        self.written = 0;
        self.replies = 0;
        self.writing_since = None;
        self.ping = None;
        self.paused = false;
        self.left_over = 0;
        self.aliases.clear();
        self.received.disconnected();
        self.subscriptions.disconnected();
        for (_, token) in core::mem::take(&mut self.unwritten) {
            self.publish_failed(token, OperationError::Lost);
        }
        for entry in self.in_flight.disconnected().into_iter().rev() {
            let Stage::Controlled(control) = entry.stage else { continue };
            let again = matches!(control.request, Request::Subscribe { again: true, .. });
            if entry.abandoned {
                self.subscriptions.abandoned(entry.token);
            }
            if entry.abandoned || again {
                self.queue.release_control(&control);
            } else {
                self.queue.push_control(control);
            }
        }
        // What a reconnect had queued is found missing again.
        let again = |request: &Request| matches!(request, Request::Subscribe { again: true, .. });
        while self.queue.control.front().is_some_and(|control| again(&control.request)) {
            if let Some(control) = self.queue.control.pop_front() {
                self.queue.release_control(&control);
            }
        }
    }

    /// How long to wait before the next attempt; `None`: there is none.
    fn retry_pause(&mut self, cause: &Cause, silent_close: bool) -> Option<Duration> {
        if self.ending.is_some() {
            return None;
        }
        if core::mem::take(&mut self.session.retry_now) || self.fall_back(cause, silent_close) {
            return Some(Duration::ZERO);
        }
        let reconnect = &self.config.reconnect;
        let retries = match cause {
            Cause::Refused(refusal) => (reconnect.retry)(ServerClose::Refused(refusal.reason)),
            Cause::ServerDisconnected(refusal) => {
                (reconnect.retry)(ServerClose::Disconnected(refusal.reason))
            }
            Cause::Connect(_) => false,
            Cause::Requested | Cause::Protocol(_) | Cause::Lost(_) | Cause::Timeout(_) => true,
        };
        if !retries || !(self.session.accepted || reconnect.first) {
            return None;
        }
        self.backoff.next_pause(reconnect, &mut self.random, self.now)
    }

    /// Whether the server does not speak 5.0, and 3.1.1 is to be tried; the version is kept from then on.
    fn fall_back(&mut self, cause: &Cause, silent_close: bool) -> bool {
        let VersionPolicy::Automatic { on_close } = self.config.version else { return false };
        let refused = matches!(cause, Cause::Refused(refusal)
            if refusal.reason == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION);
        let falls_back = self.version == ProtocolVersion::V5 && (refused || (on_close && silent_close));
        if falls_back {
            self.version = ProtocolVersion::V3_1_1;
        }
        falls_back
    }

    /// The client has ended: everything is resolved.
    fn close(&mut self, cause: Cause) {
        self.phase = Phase::Closed;
        self.ending = None;
        self.timers.disarm_all();
        for entry in self.in_flight.take_all() {
            let operation = entry.stage.operation();
            match entry.stage {
                Stage::Published(record) => self.queue.release(record),
                Stage::Released { .. } => {}
                Stage::Controlled(control) => self.queue.release_control(&control),
            }
            if !entry.abandoned {
                self.failed(operation, entry.token, OperationError::Closed);
            }
        }
        for control in core::mem::take(&mut self.queue.control) {
            self.queue.release_control(&control);
            self.failed(control.operation(), control.token, OperationError::Closed);
        }
        let mut messages: VecDeque<_> = core::mem::take(&mut self.queue.at_most_once);
        messages.append(&mut self.queue.acknowledged);
        for (token, record) in messages {
            self.queue.release(record);
            self.publish_failed(token, OperationError::Closed);
        }
        self.subscriptions.close();
        self.received.clear();
        self.trim();
        self.report(Event::Closed { cause });
    }

    /// Reports the end of an operation that did not succeed.
    pub(super) fn failed(&mut self, operation: PacketType, token: Token, error: OperationError) {
        match operation {
            PacketType::Subscribe if token == super::subscriptions::AGAIN => {}
            PacketType::Subscribe => self.report(Event::Subscribed { token, result: Err(error) }),
            PacketType::Unsubscribe => self.report(Event::Unsubscribed { token, result: Err(error) }),
            _ => self.publish_failed(token, error),
        }
    }

    pub(super) fn publish_failed(&mut self, token: Token, error: OperationError) {
        self.report(Event::Published { token, result: Err(error) });
    }

    // Deadlines

    pub(super) fn deadlines(&mut self) {
        if self.timers.take_due(Timer::Connect, self.now) {
            self.fail(Cause::Timeout(Timer::Connect));
        }
        if self.timers.take_due(Timer::Reconnect, self.now) {
            self.start();
        }
        if self.timers.take_due(Timer::Drain, self.now) {
            self.drain_timed_out();
        }
        if self.timers.take_due(Timer::Ping, self.now) {
            self.fail(Cause::Timeout(Timer::Ping));
        }
        if self.timers.take_due(Timer::Ack, self.now) {
            self.ack_timed_out();
        }
        if self.write_deadline().is_some_and(|at| at <= self.now) {
            self.fail(Cause::Timeout(Timer::Write));
        }
        if self.keep_alive_deadline().is_some_and(|at| at <= self.now) {
            self.send_ping();
        }
    }

    fn drain_timed_out(&mut self) {
        match self.phase {
            Phase::Draining => self.finish(),
            _ => self.abort(),
        }
    }

    /// The longest-waiting operation may have been sent later than when the timer was armed.
    fn ack_timed_out(&mut self) {
        let timeout = self.config.ack_timeout;
        // What the driver has not taken yet may carry an old time from its command.
        self.in_flight.stamp(self.now);
        let Some(oldest) = self.in_flight.oldest(self.attempt) else { return };
        if oldest + timeout > self.now {
            self.timers.arm(Timer::Ack, oldest + timeout);
            return;
        }
        if !self.paused {
            self.fail(Cause::Timeout(Timer::Ack));
            return;
        }
        // The answer may well be there, behind messages that the application does not read.
        for (token, operation) in self.in_flight.abandon(self.attempt, self.now, timeout) {
            self.failed(operation, token, OperationError::Stalled);
        }
        if let Some(oldest) = self.in_flight.oldest(self.attempt) {
            self.timers.arm(Timer::Ack, oldest + timeout);
        }
        self.finish_if_drained();
    }

    /// A PINGREQ is due when nothing was sent, or nothing was received, for the interval [MQTT-3.1.2-20]; not while
    /// bytes wait to be written, and not for want of receiving while we hold reading back.
    pub(super) fn keep_alive_deadline(&self) -> Option<Instant> {
        let interval = self.server.as_deref().map(|server| server.keep_alive)?;
        if !self.phase.is_up() || interval.is_zero() || self.unsent() > 0 {
            return None;
        }
        let since = if self.ping.is_some() || self.paused {
            self.last_sent
        } else {
            self.last_sent.min(self.last_received)
        };
        Some(since + interval)
    }

    pub(super) fn write_deadline(&self) -> Option<Instant> {
        let timeout = self.config.write_timeout;
        let since = self.writing_since.filter(|_| !timeout.is_zero() && self.phase != Phase::Closing)?;
        Some(since + timeout)
    }

    fn send_ping(&mut self) {
        // Two bytes; no server can mean less.
        let _ = self.send_within(&Packet::PingReq, PROTOCOL_MAXIMUM_PACKET_SIZE);
        let end = self.enqueued;
        self.ping.get_or_insert(Ping { end });
        // Nothing happens: a good time to give memory back.
        self.trim();
    }

    fn trim(&mut self) {
        self.queue.trim();
        self.in_flight.trim();
        self.received.trim();
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        if self.unwritten.is_empty() {
            self.unwritten = VecDeque::new();
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }
}
