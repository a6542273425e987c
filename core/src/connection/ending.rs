//! Ending: on request, because of a failure, and for good.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::Connection;
use super::state::{Input, Phase};
use super::timer::Timer;
use crate::command::Disconnect;
use crate::config::ClientId;
use crate::error::{Cause, DisconnectError, OperationError, ProtocolError, Refusal};
use crate::event::{Action, Event, Receipt, Token};
use crate::packet::{
    self, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, PropertiesBuf, Property, PropertyId,
    ProtocolVersion, ReasonCode,
};

/// How the user wants the client to end.
#[derive(Debug)]
pub(super) struct Ending {
    reason: ReasonCode,
    properties: PropertiesBuf,
}

impl Connection {
    pub(super) fn end(&mut self, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        self.check_disconnect(&disconnect)?;
        if self.phase == Phase::Closed {
            self.restart_when_closed(false);
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
            Phase::Connecting | Phase::Handshaking | Phase::Authenticating
                if pending && !disconnect.at_once => {}
            Phase::Draining | Phase::Closed => {}
            Phase::Flushing if !disconnect.at_once => {}
            Phase::Idle | Phase::Waiting => self.close(Cause::Requested),
            Phase::Connecting
            | Phase::Handshaking
            | Phase::Authenticating
            | Phase::Flushing
            | Phase::Closing => self.abort(),
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
        self.in_flight.is_awaited()
            || !self.queue.is_empty()
            || !self.unwritten.is_empty()
            || self.has_unreported()
            || self.is_reauthenticating()
    }

    #[inline]
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
    pub(super) fn finish(&mut self) {
        let Some(phase) = self.phase.next(Input::Finish) else { return };
        self.phase = phase;
        // A graceful end may take this long again until its bytes have left.
        self.timers.arm_in(Timer::Drain, self.config.drain_timeout);
        self.timers.disarm(Timer::Ack);
        self.timers.disarm(Timer::Authenticate);
        let (reason, mut properties) = match &self.ending {
            Some(ending) => (ending.reason, ending.properties.clone()),
            None => (ReasonCode::NORMAL_DISCONNECTION, PropertiesBuf::new()),
        };
        let v5 = self.version == ProtocolVersion::V5;
        // A random client identifier is never used again unless a store keeps it: its session need not linger.
        let random = self.config.client_id == ClientId::Random && self.persistence.is_none();
        let lingers = v5 && random && self.config.session_expiry > 0;
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
    pub(super) fn send_disconnect(&mut self, reason: ReasonCode, properties: &PropertiesBuf) {
        let properties = properties.as_properties();
        if self.send(&Packet::Disconnect(packet::Disconnect { reason, properties })).is_err() {
            let properties = packet::Properties::EMPTY;
            // Four bytes; no server can mean less.
            let packet = Packet::Disconnect(packet::Disconnect { reason, properties });
            let _ = self.send_within(&packet, PROTOCOL_MAXIMUM_PACKET_SIZE);
        }
    }

    /// Closes without waiting any longer.
    pub(super) fn abort(&mut self) {
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
        if let Cause::Protocol(ProtocolError::ReceiveMaximumExceeded(_)) = cause {
            // It counts otherwise than we do, and would exceed it again on every connection.
            self.config.receive_maximum = u16::MAX;
        }
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

    /// The client has ended, and says so once its store has everything: all operations are resolved then.
    pub(super) fn close(&mut self, cause: Cause) {
        self.phase = Phase::Closed;
        self.ending = None;
        self.timers.disarm_all();
        // Nothing comes any more for which older messages would have to go.
        self.excess = 0;
        if self.config.discard_on_close {
            self.drop_messages();
        }
        if self.waits_for_store(&cause) {
            self.timers.arm_in(Timer::Drain, self.config.store_patience());
            return;
        }
        if self.persistence.is_some() {
            self.keep_messages();
        } else {
            self.drop_messages();
        }
        for control in core::mem::take(&mut self.queue.control) {
            self.control_ended(&control, Err(OperationError::Closed), true);
        }
        while let Some((token, record)) = self.queue.pop_at_most_once() {
            self.queue.release(record);
            self.publish_failed(token, OperationError::Closed);
        }
        self.subscriptions.close();
        self.trim();
        self.report(Event::Closed { cause });
    }

    /// Nothing is sent any more. The server may still know the packet identifiers of what was: they stay reserved
    /// until the next connection tells whether its session lives.
    fn drop_messages(&mut self) {
        for (token, packet_id) in self.in_flight.awaited() {
            self.give_up(packet_id);
            self.publish_failed(token, OperationError::Closed);
        }
        while let Some((token, record)) = self.queue.pop_acknowledged() {
            self.queue.release(record);
            self.forget_message(token);
            self.publish_failed(token, OperationError::Closed);
        }
    }

    /// What the store has goes on when the client is started again, here or in another process.
    fn keep_messages(&mut self) {
        for (token, _) in self.in_flight.awaited() {
            self.kept(token);
        }
        let tokens: Vec<_> = self.queue.acknowledged().tokens().collect();
        for token in tokens {
            self.kept(token);
        }
    }

    /// Its expiry goes on, unlike the application's waiting.
    fn kept(&mut self, token: Token) {
        self.due.remove_deadline(token);
        let result = Err(self.closing_error(token));
        self.report(Event::Published { token, result });
    }

    /// Reports the end of an operation that was sent, and whose answer nobody waits for any longer.
    pub(super) fn given_up(&mut self, operation: PacketType, token: Token, error: OperationError) {
        if !self.splits.end(token) {
            return;
        }
        self.due.remove(token);
        match operation {
            PacketType::Subscribe if token == super::subscriptions::AGAIN => {}
            PacketType::Subscribe => self.report(Event::Subscribed { token, result: Err(error) }),
            PacketType::Unsubscribe => self.report(Event::Unsubscribed { token, result: Err(error) }),
            _ => self.publish_failed(token, error),
        }
    }

    pub(super) fn publish_failed(&mut self, token: Token, error: OperationError) {
        if let Some(unreported) = &mut self.unreported {
            unreported.failed(token);
        }
        self.published(token, Err(error));
    }

    /// A publish has its outcome.
    pub(super) fn published(&mut self, token: Token, result: Result<Receipt, OperationError>) {
        self.due.remove(token);
        self.report(Event::Published { token, result });
    }
}
