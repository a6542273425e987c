//! Carrying out the events of a plan.

use std::time::Duration;

use sterna_core::packet::{PacketType, ReasonCode};

use super::plan::{Direction, Event, Misdeed};
use super::report::Fault;
use super::stream::Habits;
use super::world::{Doom, World};
use crate::broker::{self, ConnectionId, OnReceive, OnSend, Sessions};

const RECEIVED: [PacketType; 4] =
    [PacketType::Publish, PacketType::PubRel, PacketType::Subscribe, PacketType::PubAck];
const SENT: [PacketType; 4] =
    [PacketType::PubAck, PacketType::PubRec, PacketType::PubComp, PacketType::ConnAck];

impl World {
    pub(super) fn apply(&mut self, event: &Event) {
        self.trace.note(self.now, "event", 0, || format!("{event:?}"));
        match *event {
            Event::Publish { client, .. }
            | Event::Request { client, .. }
            | Event::Subscribe { client, .. }
            | Event::Unsubscribe { client, .. }
            | Event::EndStream { client, .. }
            | Event::TakeUnclaimed { client }
            | Event::Read { client, .. }
            | Event::Ack { client, .. }
            | Event::Reconnect { client }
            | Event::Disconnect { client, .. } => self.use_client(client, event),
            Event::DropHandles { client, back_after } => {
                // The engine goes on by itself until it is finished.
                self.promises.closed(client);
                self.promises.loosen(client);
                self.routes[client].disturbed();
                if self.processes[client].application.take().is_some() {
                    self.fault(Fault::HandlesDropped);
                    self.processes[client].ends_at = Some(self.now + back_after);
                }
            }
            Event::Crash { client, after_steps, at_commit, death, back_after } => {
                let waits = at_commit && self.setup.clients[client].has_store;
                let steps = if waits { after_steps.min(8) } else { after_steps };
                if self.processes[client].engine.is_some() {
                    self.processes[client].doom = Some(Doom { steps, waits, death, back_after });
                }
            }
            Event::Cluster(event) => self.apply_to_cluster(event),
            Event::Authentication(event) => self.apply_to_authentication(event),
            Event::Disk(event) => self.break_disk(event),
            Event::Freeze { client, lasts } => {
                self.processes[client].is_frozen_until = self.now + lasts;
                self.fault(Fault::Freeze);
                self.jumped(client, lasts);
            }
            Event::ClockJump { client, by } => {
                self.processes[client].clock_offset += by;
                self.promises.jumped(client);
                self.fault(Fault::ClockJump);
                self.jumped(client, 0);
            }
            _ => self.trouble(event),
        }
    }

    /// The process measures time anew after a pause of `lasts`.
    fn jumped(&mut self, client: usize, lasts: u64) {
        let lasts = lasts.max(self.processes[client].is_frozen_until.saturating_sub(self.now));
        let now = self.now + lasts + self.processes[client].clock_offset;
        self.wires[client].jumped(now);
        if self.processes[client].commit.is_some() && self.promises.has_closed(client) {
            // To a client that closes, its store has taken as long, which may be more than it waits for that.
            self.promises.store_failed(client);
        }
        if let Some(since) = &mut self.processes[client].blocked_since {
            *since = self.now + lasts;
        }
    }

    fn use_client(&mut self, client: usize, event: &Event) {
        let mode = self.setup.clients[client].ack;
        let Some(mut application) = self.processes[client].application.take() else { return };
        if self.processes[client].is_frozen_until > self.now {
            self.processes[client].application = Some(application);
            return;
        }
        let now = self.now;
        let mut around = self.surroundings(client);
        match *event {
            Event::Publish { .. } => application.publish(event, &mut around),
            Event::Request { .. } => application.request(event, &mut around),
            Event::Subscribe { filter, qos, mode, reading, acking, sent, drop_after, wishes, .. } => {
                let habits = Habits { filter: Some(filter), mode, reading, acking };
                application.subscribe(qos, habits, wishes, sent, drop_after, &mut around);
            }
            Event::Unsubscribe { filter, drop_after, .. } => {
                application.unsubscribe(filter, drop_after, &mut around);
            }
            Event::EndStream { unsubscribe, .. } => application.end_stream(unsubscribe, &mut around),
            Event::TakeUnclaimed { .. } => application.take_unclaimed(mode, &mut around),
            Event::Read { reading, .. } => application.set_reading(reading, now),
            Event::Ack { acking, .. } => application.set_acking(acking),
            Event::Reconnect { .. } => {
                application.client.reconnect();
                self.wires[client].ends_itself();
                self.routes[client].disturbed();
            }
            Event::Disconnect { at_once, back_after, .. } => {
                around.promises.closed(client);
                application.disconnect(at_once, &mut around);
                self.wires[client].ends_itself();
                self.routes[client].disturbed();
                self.processes[client].reconnect_at = None;
                self.processes[client].close_pause = Some(back_after);
                self.fault(Fault::Disconnect);
            }
            _ => {}
        }
        self.processes[client].application = Some(application);
    }

    fn trouble(&mut self, event: &Event) {
        let now = self.now;
        match *event {
            Event::Reset { client } => {
                if let Some(link) = self.processes[client].link.and_then(|id| self.links.get_mut(&id)) {
                    link.break_off(now);
                    self.fault(Fault::Reset);
                }
            }
            Event::HalfOpen { client, direction } => self.deaden(client, direction),
            Event::Stall { client, direction, lasts } => {
                if let Some(link) = self.processes[client].link.and_then(|id| self.links.get_mut(&id)) {
                    link.stall(direction, now + lasts);
                    self.fault(Fault::Stall);
                }
            }
            Event::Partition { client, lasts } => {
                self.processes[client].is_cut_off_until = now + lasts;
                self.deaden(client, Direction::Both);
                self.fault(Fault::Partition);
            }
            Event::BrokerRestart { keeps, down } => self.restart_broker(keeps, down),
            Event::BrokerDrops { client } => {
                if let Some(id) = self.broker_connection(client) {
                    self.broker.drop_connection(self.broker_now(), id);
                    self.fault(Fault::BrokerDrops);
                }
            }
            Event::BrokerDisconnects { client } => {
                if let Some(id) = self.broker_connection(client) {
                    self.broker.disconnect(self.broker_now(), id, ReasonCode::SERVER_SHUTTING_DOWN);
                    self.fault(Fault::BrokerDisconnects);
                }
            }
            Event::BrokerStopsReading { client, lasts } => {
                if let Some(id) = self.broker_connection(client) {
                    self.broker.set_reading(self.broker_now(), id, false);
                    self.deaf.insert(id.0, now + lasts);
                    self.fault(Fault::BrokerStopsReading);
                }
            }
            Event::BrokerMisbehaves { client, misdeed, after, times } => {
                self.misbehave(client, misdeed, after, times);
            }
            _ => {}
        }
        self.read_ledger();
    }

    pub(super) fn broker_connection(&self, client: usize) -> Option<ConnectionId> {
        self.broker.connection_of(&self.setup.clients[client].id)
    }

    fn deaden(&mut self, client: usize, direction: Direction) {
        if let Some(link) = self.processes[client].link.and_then(|id| self.links.get_mut(&id)) {
            link.deaden(direction);
            self.fault(Fault::HalfOpen);
        }
    }

    fn restart_broker(&mut self, keeps: bool, down: u64) {
        let at = self.broker_now();
        self.broker.restart(at, if keeps { Sessions::Keep } else { Sessions::Lose });
        for link in self.links.values_mut().filter(|link| link.broker_is_there) {
            self.broker.disconnected(at, ConnectionId(link.id));
            link.broker_closes(self.now);
        }
        self.broker_down_until = self.now + down;
        self.fault(if keeps { Fault::BrokerRestart } else { Fault::BrokerForgets });
    }

    fn misbehave(&mut self, client: usize, misdeed: Misdeed, after: u64, times: u64) {
        use broker::Fault as Rule;
        let is_v5 = self.speaks_v5(client);
        let rule = match misdeed {
            Misdeed::CloseOnReceiving(packet) => Rule::receiving(RECEIVED[packet], OnReceive::Close),
            Misdeed::CloseOnSending(packet) => Rule::sending(SENT[packet], OnSend::Close),
            Misdeed::DiscardReceived(packet) => {
                self.processes[client].needs_reconnect = true;
                Rule::receiving(RECEIVED[packet], OnReceive::Discard)
            }
            Misdeed::DiscardSent(packet) => {
                self.processes[client].needs_reconnect = true;
                Rule::sending(SENT[packet], OnSend::Discard)
            }
            Misdeed::DelaySent(packet, delay) => {
                Rule::sending(SENT[packet], OnSend::Delay(Duration::from_micros(delay)))
            }
            Misdeed::RefuseConnect => {
                Rule::receiving(PacketType::Connect, OnReceive::Answer(ReasonCode::SERVER_UNAVAILABLE))
            }
            // Older versions cannot refuse a message.
            Misdeed::RefusePublish if !is_v5 => return,
            Misdeed::RefusePublish => {
                Rule::receiving(PacketType::Publish, OnReceive::Answer(ReasonCode::QUOTA_EXCEEDED))
            }
            Misdeed::RefuseSubscribe => {
                Rule::receiving(PacketType::Subscribe, OnReceive::Answer(ReasonCode::NOT_AUTHORIZED))
            }
            Misdeed::CloseAfterReceived(bytes) => Rule::close_after_received(bytes),
            Misdeed::CloseAfterSent(bytes) => Rule::close_after_sent(bytes),
        };
        if matches!(misdeed, Misdeed::DiscardReceived(0) | Misdeed::RefusePublish) {
            self.promises.lose_order(client);
        }
        if misdeed == Misdeed::RefuseSubscribe {
            // A stream can lose its filter, and what still comes for it is nobody's.
            self.promises.loosen(client);
        }
        let counts_bytes = matches!(misdeed, Misdeed::CloseAfterReceived(_) | Misdeed::CloseAfterSent(_));
        let rule = rule.client(self.setup.clients[client].id.as_str());
        self.broker.add_fault(if counts_bytes { rule } else { rule.after(after).times(times) });
        self.fault(Fault::BrokerMisbehaves);
    }

    fn speaks_v5(&self, client: usize) -> bool {
        use sterna_client::{ProtocolVersion, VersionPolicy};
        self.setup.clients[client].version == VersionPolicy::Only(ProtocolVersion::V5)
    }
}
