//! What a client knows from what it has read.

use std::collections::VecDeque;

use sterna_client::{Reconnect, ServerClose};
use sterna_core::packet::{
    Ack, ConnAck, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties, ProtocolVersion, Publish, QoS, ReasonCode,
};

use super::super::promises::Loss;
use super::{Answer, Bench, Incoming, Phase, Stage, Wire, is_error, number_of};

/// What a server says to a client that broke the protocol.
const BLAME: [ReasonCode; 9] = [
    ReasonCode::MALFORMED_PACKET,
    ReasonCode::PROTOCOL_ERROR,
    ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
    ReasonCode::TOPIC_ALIAS_INVALID,
    ReasonCode::PACKET_TOO_LARGE,
    ReasonCode::RETAIN_NOT_SUPPORTED,
    ReasonCode::QOS_NOT_SUPPORTED,
    ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
    ReasonCode::KEEP_ALIVE_TIMEOUT,
];

/// Whether clients try again after this.
pub(in super::super) fn retries(close: ServerClose) -> bool {
    // A CONNECT of ours that the network held up can take over the session of the connection after it. Nothing in the
    // server's DISCONNECT tells it from another client of this name, with which a client that comes back at once would
    // fight for ever: so it ends by default (REC-02), and an application that knows better says so as here.
    close == ServerClose::Disconnected(ReasonCode::SESSION_TAKEN_OVER) || Reconnect::default_retry(close)
}

impl Wire {
    pub(super) fn received(&mut self, packet: &Packet<'_>, bench: &mut Bench<'_>) {
        match packet {
            Packet::ConnAck(connack) if !is_error(connack.reason) => self.received_connack(connack, bench),
            Packet::Publish(publish) if publish.qos != QoS::AtMostOnce => self.received_publish(publish),
            Packet::PubAck(ack) => self.complete(ack.packet_id, |stage| stage == Stage::Published),
            Packet::PubRec(ack) => self.received_pubrec(ack, bench),
            Packet::PubComp(ack) => {
                self.complete(ack.packet_id, |stage| matches!(stage, Stage::Released { .. }));
            }
            Packet::SubAck(ack) => self.complete(ack.packet_id, |stage| stage == Stage::Controlled),
            Packet::UnsubAck(ack) => self.complete(ack.packet_id, |stage| stage == Stage::Controlled),
            Packet::PubRel(ack) => {
                if let Some(connection) = &mut self.connection {
                    *connection.pubcomps.entry(ack.packet_id).or_default() += 1;
                    // The server may have an earlier PUBREC after all.
                    connection.arrived.remove(&ack.packet_id);
                    connection.pubrecs.retain(|other| *other != ack.packet_id);
                }
                let is_received = |incoming: &Incoming| incoming.is_received || incoming.is_unsure;
                if self.incoming.get(&ack.packet_id).is_some_and(is_received) {
                    self.incoming.remove(&ack.packet_id);
                }
            }
            Packet::Auth(auth) => self.received_auth(auth, bench),
            Packet::ConnAck(refused) => {
                self.ended_by_server(ServerClose::Refused(refused.reason), refused.properties, bench);
            }
            Packet::Disconnect(disconnect) => {
                let close = ServerClose::Disconnected(disconnect.reason);
                self.ended_by_server(close, disconnect.properties, bench);
                // Silence is judged by the times of the bytes, since a delay can look like it to the server.
                let is_blame = BLAME[..8].contains(&disconnect.reason);
                let detail = || format!("{disconnect:?}");
                self.require(!is_blame, bench, "the server was made to complain", detail);
            }
            _ => {}
        }
    }

    /// The server does not want the client, perhaps because another does.
    fn ended_by_server(&mut self, close: ServerClose, properties: Properties<'_>, bench: &mut Bench<'_>) {
        let (ServerClose::Refused(reason) | ServerClose::Disconnected(reason)) = close;
        if !retries(close) {
            bench.promises.closed(self.client);
        }
        let (Some(connection), Some(reference)) = (&self.connection, properties.server_reference()) else {
            return;
        };
        // Where CONNACK was lost on the way DISCONNECT is out of turn, and means nothing.
        if matches!(close, ServerClose::Disconnected(_)) && connection.phase == Phase::Connecting {
            return;
        }
        let permanent = reason == ReasonCode::SERVER_MOVED;
        if permanent || reason == ReasonCode::USE_ANOTHER_SERVER {
            let is_certain = !connection.was_paused && connection.phase != Phase::Over;
            self.answers.push_back(Answer::SentOn { is_certain, permanent, reference: reference.to_owned() });
        }
    }

    fn received_connack(&mut self, connack: &ConnAck<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let properties = connack.properties;
        self.answers.push_back(Answer::Accepted);
        connection.phase = Phase::Open;
        connection.receive_maximum = properties.receive_maximum().unwrap_or(u16::MAX);
        connection.packet_limit = properties.maximum_packet_size().unwrap_or(PROTOCOL_MAXIMUM_PACKET_SIZE);
        connection.maximum_qos = properties.maximum_qos().unwrap_or(QoS::ExactlyOnce);
        connection.retain_available = properties.retain_available().unwrap_or(true);
        connection.alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
        if let Some(seconds) = properties.server_keep_alive() {
            connection.keep_alive = u64::from(seconds) * 1_000_000;
        }
        // 3.1 does not tell.
        let is_silent = connection.version == ProtocolVersion::V3_1;
        connection.resumed =
            if is_silent { !connection.clean_start && self.has_session } else { connack.session_present };
        self.has_session = !connection.clean_start;
        if !connection.resumed {
            // An application that distrusts the server has this CONNACK thrown away: the client forgets nothing, and takes
            // the session that began with it for its own.
            let may_distrust = bench.promises.proofs[self.client].missteps;
            let looks = !connection.is_ending && !may_distrust;
            // A store forgets them later than the client does.
            let sending = std::mem::take(&mut self.sending);
            for sending in sending.values().filter(|_| looks) {
                let loss = match sending.stage {
                    Stage::Published => Loss::InDoubt,
                    Stage::Released { .. } if self.forgot_answers => Loss::Either,
                    Stage::Released { .. } => Loss::Received,
                    Stage::Controlled => continue,
                };
                if let Some(number) = sending.number {
                    bench.promises.session_lost(number, loss);
                }
            }
            self.forgot_answers |= may_distrust;
            let is_kept = self.has_store || may_distrust;
            self.completed.retain(|_, _| is_kept);
            self.completed.extend(sending.into_iter().filter(|_| is_kept));
            self.incoming.clear();
            return;
        }
        let mut releases = Vec::new();
        for (packet_id, sending) in &mut self.sending {
            if let Stage::Released { order, credit, .. } = &mut sending.stage {
                *credit = 1;
                releases.push((*order, *packet_id));
            }
        }
        releases.sort_unstable();
        connection.releases = releases.into_iter().map(|(_, packet_id)| packet_id).collect::<VecDeque<_>>();
    }

    /// A server may use the identifier of a message that it has forgotten for another one: DUP tells them apart.
    fn received_publish(&mut self, publish: &Publish<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let id = publish.packet_id;
        let number = number_of(publish.payload);
        let arrived = Incoming {
            number,
            qos: publish.qos,
            is_duplicate: publish.duplicate,
            is_received: false,
            is_unsure: false,
        };
        let incoming = self.incoming.entry(id).or_insert_with(|| arrived.clone());
        incoming.is_duplicate = publish.duplicate;
        if incoming.number != number || incoming.qos != publish.qos {
            *incoming = arrived;
            connection.arrived.remove(&id);
        }
        if publish.qos == QoS::AtLeastOnce {
            connection.pubacks.push_back(id);
            return;
        }
        // Whatever was sent on earlier connections, PUBRECs leave in the order of this one's PUBLISHes.
        if connection.arrived.insert(id) {
            connection.pubrecs.push_back(id);
        } else {
            *connection.repeats.entry(id).or_default() += 1;
        }
    }

    fn received_pubrec(&mut self, ack: &Ack<'_>, bench: &Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let Some(sending) = self.sending.get_mut(&ack.packet_id) else {
            if !is_error(ack.reason) {
                *connection.strays.entry(ack.packet_id).or_default() += 1;
            }
            return;
        };
        match &mut sending.stage {
            Stage::Published if is_error(ack.reason) => self.complete(ack.packet_id, |_| true),
            Stage::Published if sending.qos == QoS::ExactlyOnce => {
                self.pubrecs += 1;
                sending.stage = Stage::Released { order: self.pubrecs, credit: 1, sent: false };
                sending.sent_at = bench.now;
            }
            Stage::Released { credit, .. } => *credit += 1,
            Stage::Published | Stage::Controlled => {}
        }
    }

    fn complete(&mut self, packet_id: u16, is_due: impl Fn(Stage) -> bool) {
        if self.sending.get(&packet_id).is_some_and(|sending| is_due(sending.stage))
            && let Some(mut sending) = self.sending.remove(&packet_id)
        {
            sending.counts = false;
            if sending.stage != Stage::Controlled {
                self.completed.insert(packet_id, sending);
            }
        }
    }
}
