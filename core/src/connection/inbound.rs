//! Bytes become packets, and each packet moves the state on.

use bytes::BytesMut;

use super::flight::{InFlight, Stage};
use super::queue::{Control, Request};
use super::state::Phase;
use super::timer::Timer;
use super::unread::Taken;
use super::window::Since;
use super::{Connection, Ingress};
use crate::bug::Bug;
use crate::error::{Cause, OperationError, ProtocolError, Refusal};
use crate::event::{Event, Granted, Receipt};
use crate::packet::ack;
use crate::packet::{
    Ack, ConnAck, FixedHeader, Packet, PacketType, Properties, ProtocolVersion, QoS, ReasonCode, ReasonCodes,
    Sender,
};
use crate::session::{PersistId, StoredStage};

/// Why a packet was not taken.
pub(super) enum Refused {
    /// The server broke the protocol.
    Protocol(ProtocolError),
    /// There is no room for it.
    Paused,
}

impl From<ProtocolError> for Refused {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

/// The bytes of a PUBACK, PUBREC, PUBREL or PUBCOMP with a reason code.
const LONGEST_REPLY: u64 = 5;

impl Connection {
    pub(super) fn take_input(&mut self, input: &mut BytesMut) -> Ingress {
        if !self.reads() {
            input.clear();
            return Ingress::NeedData { missing: 1 };
        }
        if input.len() > self.left_over {
            self.last_received = self.now;
        }
        self.waiting_before = self.unread() + self.backlog.messages + self.backlog.bounded;
        let ingress = self.take_packets(input);
        self.left_over = input.len();
        self.set_paused(ingress == Ingress::Paused);
        self.watch_stall();
        self.report_dropped();
        ingress
    }

    fn take_packets(&mut self, input: &mut BytesMut) -> Ingress {
        let mut taken = Taken::default();
        let ingress = loop {
            if !self.reads() {
                taken.finish(input, &mut self.unread);
                // The rest is not for anybody.
                input.clear();
                return Ingress::NeedData { missing: 1 };
            }
            if self.replies_pile_up() || self.is_unconfirmed() {
                break Ingress::Paused;
            }
            let result = match self.take_plain(input, &mut taken) {
                Ok(true) => continue,
                Ok(false) if taken.bytes == input.len() => break Ingress::NeedData { missing: 1 },
                Ok(false) => self.take_packet(input, &mut taken),
                Err(error) => Err(error.into()),
            };
            match result {
                Ok(None) => {}
                Ok(Some(missing)) => break Ingress::NeedData { missing },
                Err(Refused::Paused) => break Ingress::Paused,
                Err(Refused::Protocol(error)) => self.fail(Cause::Protocol(error)),
            }
        };
        taken.finish(input, &mut self.unread);
        ingress
    }

    /// Takes one packet; or says how many bytes are missing.
    #[inline(never)] // What most messages do not need is not to be in their way.
    fn take_packet(&mut self, input: &mut BytesMut, taken: &mut Taken) -> Result<Option<usize>, Refused> {
        let rest = &input[taken.bytes..];
        let limit = self.config.maximum_packet_size;
        if let Some((packet, packet_id)) = ack::plain(rest)
            && self.phase.is_up()
            && limit as usize >= ack::PLAIN_SIZE
        {
            self.count_packet(packet, packet_id, ack::PLAIN_SIZE);
            let ack = Ack { packet_id, reason: ReasonCode::SUCCESS, properties: Properties::EMPTY };
            self.take_ack(packet, &ack)?;
            taken.bytes += ack::PLAIN_SIZE;
            return Ok(None);
        }
        let header = FixedHeader::parse(rest, self.version, limit).map_err(ProtocolError::Decode)?;
        let Some(header) = header else { return Ok(Some(1)) };
        self.check_order(header.packet_type)?;
        let size = header.packet_size();
        if rest.len() < size {
            return Ok(Some(size - rest.len()));
        }
        if header.packet_type == PacketType::Publish {
            self.take_publish(header, input, taken)?;
        } else {
            let body = &rest[usize::from(header.header_length)..size];
            let packet = Packet::decode(header, body, self.version, Sender::Server);
            self.take_other(&packet.map_err(ProtocolError::Decode)?, size)?;
            taken.bytes += size;
        }
        Ok(None)
    }

    /// Whether this packet may come now, by its type alone.
    fn check_order(&self, packet: PacketType) -> Result<(), ProtocolError> {
        match (self.phase, packet) {
            (_, PacketType::Auth) if self.config.authentication.is_some() => Ok(()),
            (_, PacketType::Auth) => Err(ProtocolError::UnsolicitedAuth),
            (Phase::Handshaking | Phase::Authenticating, PacketType::ConnAck) => Ok(()),
            (Phase::Handshaking | Phase::Authenticating, packet) => Err(ProtocolError::BeforeConnAck(packet)),
            (_, PacketType::ConnAck) => Err(ProtocolError::SecondConnAck),
            _ => Ok(()),
        }
    }

    #[inline]
    pub(super) fn count_packet(&mut self, packet: PacketType, packet_id: u16, size: usize) {
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += size as u64;
        self.report_packet(false, packet, packet_id, size);
    }

    fn take_other(&mut self, packet: &Packet<'_>, size: usize) -> Result<(), ProtocolError> {
        let packet_type = packet.packet_type();
        let packet_id = match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                ack.packet_id
            }
            Packet::SubAck(ack) => ack.packet_id,
            Packet::UnsubAck(ack) => ack.packet_id,
            _ => 0,
        };
        self.count_packet(packet_type, packet_id, size);
        match packet {
            Packet::ConnAck(connack) => self.take_connack(connack)?,
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                self.take_ack(packet_type, ack)?;
            }
            Packet::SubAck(ack) => {
                self.take_control_ack(packet_type, packet_id, ack.reasons, ack.properties)?;
            }
            Packet::UnsubAck(ack) => {
                self.take_control_ack(packet_type, packet_id, ack.reasons, ack.properties)?;
            }
            Packet::PingResp => {
                self.ping = None;
                self.timers.disarm(Timer::Ping);
            }
            Packet::Disconnect(disconnect) => {
                self.closed_by_server(false, disconnect.reason, disconnect.properties);
            }
            Packet::Auth(auth) => self.take_auth(auth)?,
            // The decoder refuses what a server must not send; PUBLISH was dealt with before.
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Publish(_) => {}
        }
        Ok(())
    }

    fn take_connack(&mut self, connack: &ConnAck<'_>) -> Result<(), ProtocolError> {
        if connack.reason.is_error() {
            self.closed_by_server(true, connack.reason, connack.properties);
            return Ok(());
        }
        if self.awaits_confirmation(connack)? {
            return Ok(());
        }
        self.accepted(connack)
    }

    // Acknowledgements

    /// The operation that an acknowledgement is for; `None` if its identifier is not in use.
    #[inline]
    fn awaiting(&mut self, packet: PacketType, packet_id: u16) -> Result<Option<&InFlight>, ProtocolError> {
        let Some(entry) = self.in_flight.table.get(packet_id) else {
            self.statistics.unexpected_acks += 1;
            return Ok(None);
        };
        if entry.stage.awaits(packet) {
            Ok(Some(entry))
        } else {
            Err(ProtocolError::WrongAck { packet, packet_id })
        }
    }

    fn take_ack(&mut self, packet: PacketType, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        match packet {
            PacketType::PubAck => self.take_puback(ack),
            PacketType::PubRec => self.take_pubrec(ack),
            PacketType::PubComp => self.take_pubcomp(ack),
            _ => self.take_pubrel(ack),
        }
    }

    fn take_pubrel(&mut self, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        let reason = self.received.release(ack.packet_id)?;
        self.watch_window(Since::Now);
        if reason == ReasonCode::SUCCESS {
            self.forget_incoming(ack.packet_id);
        }
        self.reply_incoming(PacketType::PubComp, ack.packet_id, reason);
        Ok(())
    }

    fn take_puback(&mut self, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        match self.awaiting(PacketType::PubAck, ack.packet_id).map(|entry| entry.is_some()) {
            Ok(true) => self.complete_publish(ack.packet_id, ack.reason, ack.properties),
            Ok(false) => {}
            Err(error) => {
                self.end_downgraded(ack.packet_id);
                return Err(error);
            }
        }
        Ok(())
    }

    fn take_pubrec(&mut self, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        let packet_id = ack.packet_id;
        let Some(entry) = self.awaiting(PacketType::PubRec, packet_id)? else {
            // We have no such message: let the server forget it as well.
            let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
            self.reply_pubrel(PersistId::default(), packet_id, reason);
            return Ok(());
        };
        let repeated = matches!(entry.stage, Stage::Released { .. });
        if ack.reason.is_error() {
            if !repeated {
                if self.has_bug(Bug::SlotLeakedOnRefusal) {
                    self.in_flight.leak_place(QoS::ExactlyOnce);
                }
                self.complete_publish(packet_id, ack.reason, ack.properties);
            }
            return Ok(());
        }
        let mut stored_by = entry.stored_by;
        if !repeated {
            let (token, abandoned) = (entry.token, entry.abandoned);
            let order = self.in_flight.next_pubrec();
            if let Some(record) = self.in_flight.release(packet_id, order, ack.reason, ack.properties) {
                self.queue.release(record);
            }
            self.forget_message(token);
            let stage = StoredStage::Released { order, reason: ack.reason, abandoned };
            stored_by = self.store_flight(token, packet_id, stage);
            self.in_flight.stored_by(packet_id, stored_by);
        }
        self.reply_pubrel(stored_by, packet_id, ReasonCode::SUCCESS);
        Ok(())
    }

    fn take_pubcomp(&mut self, ack: &Ack<'_>) -> Result<(), ProtocolError> {
        if self.awaiting(PacketType::PubComp, ack.packet_id)?.is_some() {
            self.complete_publish(ack.packet_id, ack.reason, ack.properties);
        }
        Ok(())
    }

    /// A publish is complete: PUBACK, PUBCOMP, or a PUBREC that refuses it. Its place in the window is free.
    fn complete_publish(&mut self, packet_id: u16, reason: ReasonCode, properties: Properties<'_>) {
        let Some(entry) = self.in_flight.remove(packet_id, self.attempt) else { return };
        let InFlight { token, stage, abandoned, .. } = entry;
        self.forget_stage(token, &stage);
        let (receipt, refused) = match stage {
            // PUBCOMP: the PUBREC told the outcome. That the server does not know the identifier any more means
            // that it has completed before.
            Stage::Released { reason, properties: of_pubrec, .. } => {
                let properties = match of_pubrec {
                    Some(of_pubrec) if properties.is_empty() => *of_pubrec,
                    _ => properties.into(),
                };
                (Receipt { reason, properties }, false)
            }
            Stage::Published(record) => {
                self.queue.release(record);
                (Receipt { reason, properties: properties.into() }, reason.is_error())
            }
            Stage::Abandoned { .. } => return self.completed(),
            Stage::Controlled(_) => return,
        };
        if !abandoned {
            let Receipt { reason, properties } = receipt;
            let result = if refused {
                Err(OperationError::Refused(Refusal { reason, properties }))
            } else {
                Ok(Receipt { reason, properties })
            };
            self.published(token, result);
        }
        self.completed();
    }

    fn take_control_ack(
        &mut self,
        packet: PacketType,
        packet_id: u16,
        reasons: ReasonCodes<'_>,
        properties: Properties<'_>,
    ) -> Result<(), ProtocolError> {
        let Some(entry) = self.awaiting(packet, packet_id)? else { return Ok(()) };
        let Stage::Controlled(control) = &entry.stage else { return Ok(()) };
        let expected = control.filters();
        // UNSUBACK of 3.x has no codes.
        let silent = packet == PacketType::UnsubAck && self.version != ProtocolVersion::V5;
        if !silent && reasons.len() != expected {
            return Err(ProtocolError::AckCount { packet, expected, actual: reasons.len() });
        }
        let Some(entry) = self.in_flight.remove(packet_id, self.attempt) else { return Ok(()) };
        let Stage::Controlled(control) = entry.stage else { return Ok(()) };
        let granted = Granted {
            reasons: if silent {
                core::iter::repeat_n(ReasonCode::SUCCESS, expected).collect()
            } else {
                reasons.iter().collect()
            },
            properties: properties.into(),
        };
        self.complete_control(&control, granted, entry.abandoned);
        self.completed();
        Ok(())
    }

    fn complete_control(&mut self, control: &Control, granted: Granted, abandoned: bool) {
        let Control { token, .. } = *control;
        match &control.request {
            Request::Subscribe { filters, again, .. } => {
                for (filter, reason) in filters.as_filters().iter().zip(&granted.reasons) {
                    self.subscriptions.answered(token, filter.filter, !reason.is_error());
                    if *again {
                        self.report(Event::Resubscribed { filter: filter.filter.into(), reason: *reason });
                    }
                }
            }
            Request::Unsubscribe { .. } => {}
        }
        self.control_ended(control, Ok(granted), !abandoned);
    }

    /// An operation completed: others may go.
    pub(super) fn completed(&mut self) {
        if !self.in_flight.is_awaited() {
            self.timers.disarm(Timer::Ack);
        }
        if self.has_bug(Bug::WindowNotRefilled) {
            return;
        }
        self.flush();
    }

    /// The server does not read what we answer: do not read what it asks. Our own messages do not count: a server
    /// that first wants to write must be read, or both wait for each other. Nor do as many answers as a lawful server can
    /// ask for before it reads one. Answers that wait for the store count too.
    pub(super) fn replies_pile_up(&self) -> bool {
        let replies = self.replies + self.waiting_replies();
        if replies == 0 {
            return false;
        }
        let theirs = match self.version {
            ProtocolVersion::V5 => self.config.receive_maximum,
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => u16::MAX,
        };
        let lawful = (u64::from(theirs) + u64::from(self.config.in_flight_limit)) * LONGEST_REPLY;
        replies > lawful.max(self.config.send_buffer as u64)
    }

    /// Whether packets are taken in this phase.
    fn reads(&self) -> bool {
        matches!(self.phase, Phase::Handshaking | Phase::Authenticating) || self.phase.is_up()
    }

    /// While we hold reading back, no PINGRESP can come: its time starts anew when we go on.
    fn set_paused(&mut self, paused: bool) {
        if paused {
            self.timers.disarm(Timer::Ping);
        } else if self.paused {
            self.last_received = self.now;
        }
        self.paused = paused;
        self.arm_ping();
    }
}
