//! The receiving side of QoS 1 and 2: what is owed to the server, and in which order.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::id_table::IdTable;
use super::line::Line;
use crate::error::{AckError, ProtocolError};
use crate::message::MessageId;
use crate::packet::{PacketType, QoS, ReasonCode};

/// A message that was received and whose acknowledgement is not complete.
#[derive(Debug)]
struct Incoming {
    sequence: u64,
    exactly_once: bool,
    /// It came, or came again, on this connection: only then may it be acknowledged.
    live: bool,
    /// It may belong to a session that the server has lost without our knowing.
    unsure: bool,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The application has not acknowledged it.
    Held,
    /// It has, but an earlier message has not, or the server must send it again first.
    Acknowledged(ReasonCode),
    /// PUBREC was sent; PUBREL must come.
    Received,
    /// PUBREC was sent on an earlier connection, and is to be sent again in its turn.
    ReceivedBefore,
}

impl Incoming {
    /// A QoS 2 message that the application has acknowledged: it must not be delivered again.
    fn is_completing(&self) -> bool {
        self.exactly_once
            && match self.stage {
                Stage::Held => false,
                Stage::Acknowledged(reason) => !reason.is_error(),
                Stage::Received | Stage::ReceivedBefore => true,
            }
    }
}

/// What to do with a PUBLISH of QoS 1 or 2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Deliver it.
    New(MessageId),
    /// Deliver it; an earlier message under its identifier was forgotten by the server.
    Anew(MessageId),
    /// It is here already, or was delivered: do not deliver it again. Its acknowledgement may be due.
    Duplicate,
    /// It was delivered, and its PUBREC is to be sent at once, again on this connection [MQTT-4.3.3-10].
    Repeat,
}

/// Every message that is held for the application or waits for PUBREL. PUBACKs leave in the order of their PUBLISHes
/// [MQTT-4.6.0-2], PUBRECs likewise [MQTT-4.6.0-3], whatever order the application acknowledges in.
#[derive(Debug)]
pub(crate) struct Received {
    table: IdTable<Incoming>,
    /// In the order of arrival on this connection.
    pubacks: Line,
    pubrecs: Line,
    /// How many count against our Receive Maximum on this connection.
    live: u16,
    sequence: u64,
}

impl Received {
    pub(crate) fn new() -> Self {
        Self {
            table: IdTable::new(),
            pubacks: Line::default(),
            pubrecs: Line::default(),
            live: 0,
            sequence: 0,
        }
    }

    /// A store has this from an earlier process: PUBREC may have been sent.
    pub(crate) fn restore(&mut self, packet_id: u16) {
        self.sequence += 1;
        let (sequence, stage) = (self.sequence, Stage::Received);
        let entry = Incoming { sequence, exactly_once: true, live: false, unsure: false, stage };
        self.table.insert(packet_id, entry);
    }

    /// The identifiers of the QoS 2 messages that were acknowledged and not completed, in the order of these.
    pub(crate) fn completing(&self) -> Vec<u16> {
        let completing = self.table.iter().filter(|(_, entry)| entry.is_completing());
        let mut completing: Vec<_> = completing.map(|(packet_id, _)| packet_id).collect();
        completing.sort_unstable();
        completing
    }

    /// A session was resumed that may be another one than ours.
    pub(crate) fn resumed_unsurely(&mut self) {
        for (_, entry) in self.table.iter_mut() {
            entry.unsure = true;
        }
    }

    /// A PUBLISH came. `maximum`: our Receive Maximum, where the server must obey it.
    pub(crate) fn arrive(
        &mut self,
        packet_id: u16,
        qos: QoS,
        duplicate: bool,
        maximum: Option<u16>,
    ) -> Result<Arrival, ProtocolError> {
        let exactly_once = qos == QoS::ExactlyOnce;
        let mut arrival = Arrival::New as fn(MessageId) -> Arrival;
        if let Some(entry) = self.table.get_mut(packet_id) {
            // Its identifier tells a QoS 2 message [MQTT-4.3.3-10], unless the server may have begun anew: then DUP does.
            let told_by_id = exactly_once && (entry.live || !entry.unsure);
            let same = entry.exactly_once == exactly_once && (duplicate || told_by_id);
            if entry.live && !same {
                return Err(ProtocolError::PacketIdInUse(packet_id));
            }
            if same {
                entry.unsure = false;
                let again = !core::mem::replace(&mut entry.live, true);
                let repeat = entry.stage == Stage::Received;
                if again {
                    if repeat {
                        entry.stage = Stage::ReceivedBefore;
                    }
                    self.count(maximum)?;
                    self.line_up(packet_id, exactly_once);
                }
                return Ok(if repeat && !again { Arrival::Repeat } else { Arrival::Duplicate });
            }
            // Another message under an identifier whose first message the server has forgotten.
            self.table.remove(packet_id);
            arrival = Arrival::Anew;
        }
        self.count(maximum)?;
        self.sequence += 1;
        let sequence = self.sequence;
        self.table.insert(
            packet_id,
            Incoming { sequence, exactly_once, live: true, unsure: false, stage: Stage::Held },
        );
        self.line_up(packet_id, exactly_once);
        Ok(arrival(MessageId { sequence, packet_id }))
    }

    /// The topic of the message that has just arrived.
    pub(crate) fn name(&mut self, packet_id: u16, qos: QoS, topic: &[u8]) {
        let line = if qos == QoS::ExactlyOnce { &mut self.pubrecs } else { &mut self.pubacks };
        line.name(packet_id, topic);
    }

    /// Whether at least `maximum` messages are not acknowledged.
    #[inline]
    pub(crate) fn is_full(&self, maximum: u16) -> bool {
        self.live >= maximum
    }

    /// While it [is full](Self::is_full): the oldest that waits for the application.
    pub(crate) fn blocking(&self, maximum: u16) -> Option<MessageId> {
        if !self.is_full(maximum) {
            return None;
        }
        let held = |line: &Line| {
            let packet_id = line.front()?;
            let entry = self.table.get(packet_id).filter(|entry| entry.stage == Stage::Held)?;
            Some(MessageId { sequence: entry.sequence, packet_id })
        };
        [held(&self.pubacks), held(&self.pubrecs)].into_iter().flatten().min()
    }

    /// The topic of what [`blocking`](Self::blocking) gave.
    pub(crate) fn topic_of_blocking(&self, id: MessageId) -> Box<str> {
        let is_first = |line: &&Line| line.front() == Some(id.packet_id);
        [&self.pubacks, &self.pubrecs].into_iter().find(is_first).map(Line::front_topic).unwrap_or_default()
    }

    /// The application acknowledges a message: `next_release` may have something to send then. Whether it is not to be
    /// delivered again, whatever happens: a QoS 2 message that was not refused.
    pub(crate) fn acknowledge(&mut self, id: MessageId, reason: ReasonCode) -> Result<bool, AckError> {
        match self.table.get_mut(id.packet_id) {
            Some(entry) if entry.sequence == id.sequence && entry.stage == Stage::Held => {
                entry.stage = Stage::Acknowledged(reason);
                Ok(entry.is_completing())
            }
            _ => Err(AckError::Stale),
        }
    }

    /// The next PUBACK or PUBREC to send, in order.
    pub(crate) fn next_release(&mut self) -> Option<(PacketType, u16, ReasonCode)> {
        if let Some((packet_id, reason)) = self.turn(&self.pubacks) {
            self.pubacks.pop();
            self.forget(packet_id);
            return Some((PacketType::PubAck, packet_id, reason));
        }
        let (packet_id, reason) = self.turn(&self.pubrecs)?;
        self.pubrecs.pop();
        if reason.is_error() {
            // The identifier is free at once [MQTT-4.3.3-9].
            self.forget(packet_id);
        } else if let Some(entry) = self.table.get_mut(packet_id) {
            entry.stage = Stage::Received;
        }
        Some((PacketType::PubRec, packet_id, reason))
    }

    /// PUBREL came: gives the reason code of its PUBCOMP.
    pub(crate) fn release(&mut self, packet_id: u16) -> Result<ReasonCode, ProtocolError> {
        match self.table.get(packet_id) {
            Some(Incoming { stage: stage @ (Stage::Received | Stage::ReceivedBefore), .. }) => {
                if *stage == Stage::ReceivedBefore {
                    // The server has an earlier PUBREC after all.
                    self.pubrecs.remove(packet_id);
                }
                self.forget(packet_id);
                Ok(ReasonCode::SUCCESS)
            }
            Some(Incoming { live: true, .. }) => {
                Err(ProtocolError::WrongAck { packet: PacketType::PubRel, packet_id })
            }
            _ => Ok(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND),
        }
    }

    /// The connection is gone: nothing can be acknowledged until the server sends it again.
    pub(crate) fn disconnected(&mut self) {
        for (_, entry) in self.table.iter_mut() {
            entry.live = false;
            if entry.stage == Stage::ReceivedBefore {
                entry.stage = Stage::Received;
            }
        }
        self.live = 0;
        self.pubacks = Line::default();
        self.pubrecs = Line::default();
    }

    /// The session is gone: nothing is owed for its messages.
    pub(crate) fn clear(&mut self) {
        self.table.take_all();
        self.disconnected();
    }

    /// Gives memory back that an idle client does not need.
    pub(crate) fn trim(&mut self) {
        self.table.trim();
        self.pubacks.trim();
        self.pubrecs.trim();
    }

    /// The first of this line, if it can be answered.
    #[inline]
    fn turn(&self, line: &Line) -> Option<(u16, ReasonCode)> {
        let packet_id = line.front()?;
        match self.table.get(packet_id)?.stage {
            Stage::Acknowledged(reason) => Some((packet_id, reason)),
            Stage::ReceivedBefore => Some((packet_id, ReasonCode::SUCCESS)),
            Stage::Held | Stage::Received => None,
        }
    }

    fn line_up(&mut self, packet_id: u16, exactly_once: bool) {
        if exactly_once { &mut self.pubrecs } else { &mut self.pubacks }.push(packet_id);
    }

    fn count(&mut self, maximum: Option<u16>) -> Result<(), ProtocolError> {
        if let Some(maximum) = maximum.filter(|maximum| self.live >= *maximum) {
            return Err(ProtocolError::ReceiveMaximumExceeded(maximum));
        }
        // At most one a packet identifier.
        self.live += 1;
        Ok(())
    }

    fn forget(&mut self, packet_id: u16) {
        if self.table.remove(packet_id).is_some_and(|entry| entry.live) {
            self.live -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QoS::{AtLeastOnce, ExactlyOnce};

    fn arrive(received: &mut Received, packet_id: u16, qos: QoS) -> MessageId {
        match received.arrive(packet_id, qos, false, None).unwrap() {
            Arrival::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn released(received: &mut Received) -> Vec<(PacketType, u16)> {
        core::iter::from_fn(|| received.next_release()).map(|(packet, id, _)| (packet, id)).collect()
    }

    // R: SUB-06
    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival() {
        let mut received = Received::new();
        let first = arrive(&mut received, 1, AtLeastOnce);
        let second = arrive(&mut received, 2, ExactlyOnce);
        let third = arrive(&mut received, 3, AtLeastOnce);
        let fourth = arrive(&mut received, 4, ExactlyOnce);
        received.acknowledge(third, ReasonCode::SUCCESS).unwrap();
        received.acknowledge(fourth, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), []);
        received.acknowledge(second, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 2), (PacketType::PubRec, 4)]);
        received.acknowledge(first, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubAck, 1), (PacketType::PubAck, 3)]);
        assert_eq!(received.acknowledge(first, ReasonCode::SUCCESS), Err(AckError::Stale));
    }

    // R: SUB-06
    #[test]
    fn exactly_once_is_delivered_once_over_reconnects() {
        let mut received = Received::new();
        let id = arrive(&mut received, 7, ExactlyOnce);
        assert_eq!(received.arrive(7, ExactlyOnce, true, None), Ok(Arrival::Duplicate));
        received.acknowledge(id, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 7)]);
        assert_eq!(received.completing(), [7]);
        received.disconnected();
        assert_eq!(received.arrive(7, ExactlyOnce, true, None), Ok(Arrival::Duplicate));
        assert_eq!(released(&mut received), [(PacketType::PubRec, 7)], "again");
        assert_eq!(received.arrive(7, ExactlyOnce, true, None), Ok(Arrival::Repeat), "on one connection");
        assert_eq!(received.release(7), Ok(ReasonCode::SUCCESS));
        assert_eq!(received.release(7), Ok(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND));
        assert!(matches!(received.arrive(7, ExactlyOnce, false, None), Ok(Arrival::New(_))));
    }

    // R: SUB-06
    #[test]
    fn a_repeated_pubrec_waits_for_its_turn() {
        let mut received = Received::new();
        let first = arrive(&mut received, 1, ExactlyOnce);
        let second = arrive(&mut received, 2, ExactlyOnce);
        received.acknowledge(second, ReasonCode::SUCCESS).unwrap();
        received.disconnected();
        for packet_id in [1, 2] {
            assert_eq!(received.arrive(packet_id, ExactlyOnce, true, None), Ok(Arrival::Duplicate));
        }
        assert_eq!(released(&mut received), [], "the first came first [MQTT-4.6.0-3]");
        received.acknowledge(first, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 1), (PacketType::PubRec, 2)]);
    }

    // R: SUB-06
    #[test]
    fn a_pubrel_may_come_before_the_pubrec_that_was_sent_before() {
        let mut received = Received::new();
        received.restore(2);
        let Ok(Arrival::New(first)) = received.arrive(1, ExactlyOnce, true, None) else { panic!() };
        assert_eq!(received.arrive(2, ExactlyOnce, true, None), Ok(Arrival::Duplicate));
        assert_eq!(received.release(2), Ok(ReasonCode::SUCCESS));
        let Ok(Arrival::New(again)) = received.arrive(2, ExactlyOnce, false, None) else { panic!() };
        received.acknowledge(first, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 1)]);
        received.acknowledge(again, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 2)]);
    }

    // R: SUB-06
    #[test]
    fn a_redelivery_takes_the_place_of_the_copy_that_is_held() {
        let mut received = Received::new();
        let held = arrive(&mut received, 1, AtLeastOnce);
        let acknowledged = arrive(&mut received, 2, AtLeastOnce);
        received.disconnected();
        received.acknowledge(acknowledged, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [], "nothing can be sent before it came again");
        assert_eq!(received.arrive(2, AtLeastOnce, true, None), Ok(Arrival::Duplicate));
        assert_eq!(released(&mut received), [(PacketType::PubAck, 2)]);
        assert_eq!(received.arrive(1, AtLeastOnce, true, None), Ok(Arrival::Duplicate));
        received.acknowledge(held, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubAck, 1)]);
    }

    #[test]
    fn an_identifier_that_the_server_uses_anew_makes_the_old_one_stale() {
        let mut received = Received::new();
        let old = arrive(&mut received, 1, AtLeastOnce);
        received.disconnected();
        let Ok(Arrival::Anew(new)) = received.arrive(1, AtLeastOnce, false, None) else { panic!() };
        assert_eq!(received.acknowledge(old, ReasonCode::SUCCESS), Err(AckError::Stale));
        received.acknowledge(new, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubAck, 1)]);
    }

    // R: SUB-08
    #[test]
    fn the_receive_maximum_counts_until_puback_and_pubcomp() {
        let mut received = Received::new();
        let maximum = Some(2);
        let Ok(Arrival::New(first)) = received.arrive(1, AtLeastOnce, false, maximum) else { panic!() };
        let Ok(Arrival::New(second)) = received.arrive(2, ExactlyOnce, false, maximum) else { panic!() };
        let exceeded = Err(ProtocolError::ReceiveMaximumExceeded(2));
        received.acknowledge(second, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubRec, 2)]);
        assert_eq!(received.arrive(3, AtLeastOnce, false, maximum), exceeded);
        received.release(2).unwrap();
        assert!(received.arrive(3, AtLeastOnce, false, maximum).is_ok());
        received.acknowledge(first, ReasonCode::SUCCESS).unwrap();
        assert_eq!(released(&mut received), [(PacketType::PubAck, 1)]);
        assert!(received.arrive(4, AtLeastOnce, false, maximum).is_ok());
    }

    #[test]
    fn identifiers_in_use_and_early_pubrels_are_protocol_errors() {
        let mut received = Received::new();
        arrive(&mut received, 1, AtLeastOnce);
        arrive(&mut received, 2, ExactlyOnce);
        assert_eq!(received.arrive(1, AtLeastOnce, false, None), Err(ProtocolError::PacketIdInUse(1)));
        assert_eq!(received.arrive(1, ExactlyOnce, true, None), Err(ProtocolError::PacketIdInUse(1)));
        for packet_id in [1, 2] {
            let wrong = ProtocolError::WrongAck { packet: PacketType::PubRel, packet_id };
            assert_eq!(received.release(packet_id), Err(wrong));
        }
    }

    #[test]
    fn a_negative_pubrec_frees_the_identifier() {
        let mut received = Received::new();
        let id = arrive(&mut received, 1, ExactlyOnce);
        received.acknowledge(id, ReasonCode::QUOTA_EXCEEDED).unwrap();
        assert_eq!(received.next_release(), Some((PacketType::PubRec, 1, ReasonCode::QUOTA_EXCEEDED)));
        assert!(matches!(received.arrive(1, ExactlyOnce, false, Some(1)), Ok(Arrival::New(_))));
    }
}
