//! Starting: the network connection, CONNECT, CONNACK, and what becomes of the session.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::Connection;
use super::flight::Stage;
use super::queue::Request;
use super::state::{Input, Phase};
use super::timer::Timer;
use crate::bug::Bug;
use crate::command::{ConnectOverrides, Credentials};
use crate::config::{AfterPubRec, CleanStart, ClientId, InDoubt, VersionPolicy};
use crate::error::{Cause, OperationError, ProtocolError};
use crate::event::{Action, Attempt, Event, Granted, Receipt};
use crate::packet::{
    self, ConnAck, Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, PacketType, PropertiesBuf, ProtocolVersion, QoS,
    ReasonCode,
};
use crate::server::Server;
use crate::time::Instant;

/// What is known of the session at the server.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Each is one independent fact.
pub(super) struct ServerSession {
    /// A connection was accepted since the client was started.
    pub(super) accepted: bool,
    /// A connection was accepted ever: Clean Start holds for the first one.
    pub(super) known: bool,
    /// The server should have a session of ours.
    pub(super) exists: bool,
    /// When its last connection ended.
    pub(super) lost_at: Option<Instant>,
    /// The next attempt follows at once, on request.
    pub(super) retry_now: bool,
    /// When the CONNACK of this network connection came.
    pub(super) up_since: Option<Instant>,
    /// How many CONNECTs were sent since the last connection was accepted, and not refused.
    pub(super) unanswered: u32,
}

impl Connection {
    pub(super) fn start(&mut self) {
        if self.is_closing() {
            return self.restart_when_closed(true);
        }
        // While a connection is being closed for it, the end is still to come.
        if let Some(error) = self.store_failure().filter(|_| self.phase == Phase::Closed) {
            let cause = Cause::Store(error.clone());
            return self.report(Event::Closed { cause });
        }
        if self.phase == Phase::Closed || self.phase == Phase::Idle {
            self.session.accepted = false;
            self.session.retry_now = false;
            self.backoff.reset();
            self.servers.restart();
            self.version = self.servers.version();
        }
        let Some(phase) = self.phase.next(Input::Start) else { return };
        self.phase = phase;
        self.attempt = Attempt(self.attempt.0.saturating_add(1));
        self.statistics.reconnects += u64::from(self.attempt.0 > 1);
        self.timers.disarm(Timer::Reconnect);
        self.timers.arm_in(Timer::Connect, self.config.connect_timeout);
        let attempt = self.attempt;
        let (server, redirect) = self.servers.target();
        self.act(Action::Connect { attempt, server, redirect });
        self.report(Event::Connecting { attempt });
        self.report_dropped();
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

    pub(super) fn transport_up(&mut self, attempt: Attempt, overrides: ConnectOverrides<'_>) {
        if attempt != self.attempt {
            return;
        }
        let Some(phase) = self.phase.next(Input::TransportUp) else { return };
        self.phase = phase;
        self.last_sent = self.now;
        self.last_received = self.now;
        if let Err(error) = self.send_connect(overrides) {
            self.fail(Cause::Connect(error));
        }
    }

    fn send_connect(&mut self, overrides: ConnectOverrides<'_>) -> Result<(), packet::EncodeError> {
        let version = self.version;
        self.clean_start = self.clean_start_flag();
        let config = &self.config;
        let mut properties = PropertiesBuf::new();
        if version == ProtocolVersion::V5 {
            properties = config.connect_properties(overrides)?;
        }
        let will = overrides.will.unwrap_or(config.will.as_deref()).map(|will| packet::Will {
            qos: will.qos,
            retain: will.retain,
            properties: will.properties.as_properties(),
            topic: &will.topic,
            payload: &will.payload,
        });
        let credentials = overrides.credentials.unwrap_or(Credentials {
            user_name: config.user_name.as_deref(),
            password: config.password.as_deref(),
        });
        let connect = Connect {
            version,
            bridge: config.bridge && version != ProtocolVersion::V5,
            clean_start: self.clean_start,
            keep_alive: config.keep_alive,
            properties: properties.as_properties(),
            client_id: &self.client_id,
            will,
            user_name: credentials.user_name,
            password: credentials.password,
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

    pub(super) fn accepted(&mut self, connack: &ConnAck<'_>) -> Result<(), ProtocolError> {
        // An earlier CONNECT whose answer was lost may have begun it.
        let unknown = !self.session.exists
            && self.session.unanswered <= 1
            && (self.config.strict_session || self.config.client_id == ClientId::Random);
        if connack.session_present && (self.clean_start || unknown) {
            return Err(ProtocolError::UnexpectedSession);
        }
        let mut assigned = false;
        if let Some(id) = connack.properties.assigned_client_identifier() {
            assigned = *self.client_id != *id;
            self.client_id = id.into();
        } else if self.client_id.is_empty() && self.version == ProtocolVersion::V5 {
            return Err(ProtocolError::NoAssignedClientId);
        }
        let Some(phase) = self.phase.next(Input::Accepted) else { return Ok(()) };
        self.phase = phase;
        let server = Server::new(connack, self.version, self.config.keep_alive, self.config.session_expiry);
        // 3.1 does not tell: its session is there if it was not clean, and subscribing again is harmless.
        let silent = self.version == ProtocolVersion::V3_1;
        let ignores = self.has_bug(Bug::SessionPresentIgnored) && self.session.exists;
        let resumed = if silent || ignores {
            !self.clean_start && self.session.exists
        } else {
            connack.session_present
        };
        // Whether it is the session that we know: a CONNECT whose answer was lost may have begun another.
        let unsure = silent || self.session.unanswered > 1;
        self.session = ServerSession {
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
        if !(self.has_bug(Bug::AliasKeptOverReconnect) && self.outgoing_aliases.is_some()) {
            self.start_aliases(server.topic_alias_maximum);
        }
        self.server = Some(Box::new(server));
        self.servers.accepted();
        if assigned || self.stored_version() != Some(self.version) {
            self.store_header();
        }
        self.timers.disarm(Timer::Connect);
        self.report(Event::Connected { attempt: self.attempt, session_present: resumed });
        if !resumed {
            self.lose_session();
        }
        if unsure {
            self.received.resumed_unsurely();
        }
        if unsure || !resumed {
            self.subscriptions
                .unconfirm(self.config.resubscribe && !self.has_bug(Bug::SubscriptionsForgotten));
        }
        self.resume(resumed);
        if self.ending.is_some() {
            self.phase = self.phase.next(Input::Drain).unwrap_or(self.phase);
            self.finish_if_drained();
        }
        Ok(())
    }

    /// The server has no session: what was in flight is published again as new, or its fate is unknown, as
    /// [`SessionLoss`](crate::SessionLoss) says; what was never sent is not concerned.
    fn lose_session(&mut self) {
        self.forget_received();
        self.received.clear();
        let mut again = Vec::new();
        for entry in self.in_flight.take_all() {
            match entry.stage {
                Stage::Abandoned { .. } => self.forget_flight(entry.token),
                Stage::Published(record) if !entry.sent || self.publishes_again(record.qos) => {
                    self.forget_flight(entry.token);
                    again.push((entry.token, record));
                }
                Stage::Published(record) => {
                    self.forget_message(entry.token);
                    self.forget_flight(entry.token);
                    self.queue.release(record);
                    self.publish_failed(entry.token, OperationError::SessionLost);
                }
                Stage::Released { reason, properties, .. } => {
                    self.forget_flight(entry.token);
                    if !entry.abandoned {
                        let properties = properties.map_or_else(PropertiesBuf::new, |properties| *properties);
                        let result = match self.config.session_loss.after_pubrec {
                            AfterPubRec::Succeed => Ok(Receipt { reason, properties }),
                            AfterPubRec::Fail => Err(OperationError::SessionLost),
                        };
                        self.published(entry.token, result);
                    }
                }
                Stage::Controlled(control) => self.queue.push_control(control),
            }
        }
        // They are older than what waits: the latest first, so that each goes to the front.
        for (token, record) in again.into_iter().rev() {
            self.due.waits_again(token);
            self.queue.push(token, record);
        }
        self.complete_idle_unsubscribes();
    }

    fn publishes_again(&self, qos: QoS) -> bool {
        let loss = &self.config.session_loss;
        let choice = if qos == QoS::ExactlyOnce { loss.exactly_once } else { loss.at_least_once };
        choice == InDoubt::PublishAgain || self.has_bug(Bug::LossChoiceIgnored)
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
                    let granted = Granted { reasons, properties: PropertiesBuf::new() };
                    self.control_ended(&control, Ok(granted), true);
                }
            }
        }
    }
}
