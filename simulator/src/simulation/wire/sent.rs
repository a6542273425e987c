//! The rules for what a client sends.

use sterna_core::packet::{Ack, Packet, ProtocolVersion, Publish, QoS, Subscribe};

use super::{Bench, Phase, Sending, Stage, Wire, is_error, number_of};

impl Wire {
    pub(super) fn sent(&mut self, packet: &Packet<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let lawful = match connection.phase {
            Phase::Fresh => matches!(packet, Packet::Connect(_)),
            Phase::Connecting => matches!(packet, Packet::Auth(_) | Packet::Disconnect(_)),
            Phase::Open => !matches!(packet, Packet::Connect(_)),
            Phase::Over => false,
        };
        if !lawful {
            let detail = format!("{:?} in {:?}", packet.packet_type(), connection.phase);
            return self.unlawful(bench, "a packet comes at the wrong time", detail);
        }
        match packet {
            Packet::Connect(connect) => {
                connection.phase = Phase::Connecting;
                connection.version = connect.version;
                connection.clean_start = connect.clean_start;
                connection.keep_alive = u64::from(connect.keep_alive) * 1_000_000;
                self.sent_connect(connect, bench);
                self.sent_method(connect, bench);
            }
            Packet::Disconnect(_) => connection.phase = Phase::Over,
            Packet::Publish(publish) => self.sent_publish(publish, bench),
            Packet::PubRel(ack) => self.sent_pubrel(ack.packet_id, bench),
            Packet::PubAck(ack) => self.sent_puback(ack, bench),
            Packet::PubRec(ack) => self.sent_pubrec(ack, bench),
            Packet::PubComp(ack) => {
                let credit = connection.pubcomps.get_mut(&ack.packet_id).filter(|credit| **credit > 0);
                match credit {
                    Some(credit) => *credit -= 1,
                    None => self.unlawful(bench, "PUBCOMP without PUBREL", ack.packet_id.to_string()),
                }
            }
            Packet::Auth(auth) => self.sent_auth(auth, bench),
            Packet::Subscribe(subscribe) => self.sent_subscribe(subscribe, bench),
            Packet::Unsubscribe(unsubscribe) => self.sent_control(unsubscribe.packet_id, bench),
            _ => {}
        }
    }

    fn sent_publish(&mut self, publish: &Publish<'_>, bench: &mut Bench<'_>) {
        self.check_limits(publish, bench);
        if publish.qos == QoS::AtMostOnce {
            let number = number_of(publish.payload);
            if let (Some(number), Some(connection)) = (number, &self.connection) {
                bench.promises.left(self.client, number, connection.written.len(), bench.findings);
            }
        } else {
            self.sent_acknowledged(publish, bench);
        }
    }

    fn sent_acknowledged(&mut self, publish: &Publish<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let (id, now, on) = (publish.packet_id, bench.now, connection.number);
        let number = number_of(publish.payload);
        let completed = self.completed.remove(&id);
        match self.sending.get(&id) {
            Some(known) if known.may_be_resent() => {
                let known = known.clone();
                let is_same = known.number == number && known.qos == publish.qos;
                let in_order = known.sequence > connection.last_resent;
                connection.last_resent = known.sequence;
                self.require(
                    is_same,
                    bench,
                    "a packet identifier in use is used again [MQTT-2.2.1-3]",
                    || format!("{id}: {:?}, then {number:?}", known.number),
                );
                self.require(
                    known.connection != on,
                    bench,
                    "PUBLISH is resent on the same connection [MQTT-4.4.0-1]",
                    || id.to_string(),
                );
                self.require(
                    publish.duplicate,
                    bench,
                    "PUBLISH is resent without DUP [MQTT-3.3.1-1]",
                    || id.to_string(),
                );
                self.require(in_order, bench, "PUBLISH is resent out of order [MQTT-4.6.0-1]", || {
                    id.to_string()
                });
                if let Some(known) = self.sending.get_mut(&id) {
                    (known.connection, known.sent_at, known.counts) = (on, now, true);
                    known.stage = Stage::Published;
                }
            }
            Some(known) => {
                let detail = format!("{id}: {:?}, then {number:?}", known.stage);
                self.unlawful(bench, "a packet identifier in use is used again [MQTT-2.2.1-3]", detail);
            }
            None => {
                if let Some(number) = number {
                    bench.promises.published_anew(number, publish.duplicate, bench.findings);
                }
                let is_lawful = !publish.duplicate || connection.resumed;
                self.require(is_lawful, bench, "DUP in a new session [MQTT-3.3.1-1]", || id.to_string());
                self.sequence += 1;
                let Some(connection) = &mut self.connection else { return };
                // Its acknowledgement was read and thrown away unseen, or not stored: it keeps its place. Unless one that
                // came after it has a new place already: then the session was lost, and this one only happens to have
                // the identifier that it had before.
                let earlier = completed.filter(|known| {
                    publish.duplicate && known.number == number && known.sequence > connection.last_new
                });
                let sequence = earlier.map_or(self.sequence, |known| known.sequence);
                connection.last_new = connection.last_new.max(sequence);
                let sending = Sending {
                    stage: Stage::Published,
                    number,
                    qos: publish.qos,
                    sequence,
                    connection: on,
                    sent_at: now,
                    counts: true,
                };
                self.sending.insert(id, sending);
            }
        }
        self.check_window(bench);
    }

    /// What CONNACK announced.
    fn check_limits(&mut self, publish: &Publish<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let mut broken = None;
        if publish.qos > connection.maximum_qos {
            broken = Some("above the Maximum QoS [MQTT-3.2.2-11]");
        }
        if publish.retain && !connection.retain_available {
            broken = Some("RETAIN where it is not available [MQTT-3.2.2-14]");
        }
        if let Some(alias) = publish.properties.topic_alias() {
            if alias == 0 || alias > connection.alias_maximum {
                broken = Some("above the Topic Alias Maximum [MQTT-3.3.2-9]");
            } else if publish.topic.is_empty() {
                if !connection.aliases.contains_key(&alias) {
                    broken = Some("an unknown topic alias");
                }
            } else {
                connection.aliases.insert(alias, publish.topic.to_owned());
            }
        }
        if let Some(check) = broken {
            self.unlawful(bench, check, format!("{publish:?}"));
        }
        let topic = connection_topic(self, publish);
        if let (Some(number), Some(topic)) = (number_of(publish.payload), topic) {
            let is_right = bench.promises.topic_of(number).is_none_or(|expected| expected == topic);
            self.require(is_right, bench, "a message goes to another topic", || format!("{number}: {topic}"));
            bench.promises.check_type(number, publish.properties.content_type(), true, bench.findings);
        }
    }

    fn check_window(&self, bench: &mut Bench<'_>) {
        let Some(connection) = &self.connection else { return };
        let counted = self.sending.values().filter(|sending| sending.counts);
        let (mut all, mut exactly_once) = (0, 0);
        for sending in counted {
            all += 1;
            exactly_once += usize::from(sending.qos == QoS::ExactlyOnce);
        }
        let maximum = usize::from(connection.receive_maximum);
        self.require(all <= maximum, bench, "above the Receive Maximum [MQTT-3.3.4-7]", || {
            format!("{all} of {maximum}")
        });
        self.require(all <= self.in_flight_limit, bench, "above the in-flight limit", || all.to_string());
        let is_bound = connection.version != ProtocolVersion::V5;
        let lawful = !is_bound || exactly_once <= self.exactly_once_limit;
        self.require(lawful, bench, "above the limit on QoS 2", || exactly_once.to_string());
    }

    fn sent_subscribe(&mut self, subscribe: &Subscribe<'_>, bench: &mut Bench<'_>) {
        let batch = self.setup.choices.subscribe_batch;
        let fits = batch == 0 || subscribe.filters.len() <= batch;
        self.require(fits, bench, "SUBSCRIBE has more filters than were allowed", || {
            format!("{subscribe:?}")
        });
        let identifier = subscribe.properties.subscription_identifiers().next();
        for wanted in subscribe.filters.iter() {
            let is_asked = bench.promises.is_asked(self.client, wanted.filter, wanted.options, identifier);
            self.require(is_asked, bench, "SUBSCRIBE asks for what nobody wants", || {
                format!("{wanted:?} with {identifier:?}")
            });
        }
        self.sent_control(subscribe.packet_id, bench);
    }

    fn sent_control(&mut self, id: u16, bench: &mut Bench<'_>) {
        let Some(connection) = &self.connection else { return };
        let sending = Sending {
            stage: Stage::Controlled,
            number: None,
            qos: QoS::AtMostOnce,
            sequence: 0,
            connection: connection.number,
            sent_at: bench.now,
            counts: false,
        };
        let is_free = self.sending.insert(id, sending).is_none();
        self.require(is_free, bench, "a packet identifier in use is used again [MQTT-2.2.1-3]", || {
            id.to_string()
        });
    }

    fn sent_pubrel(&mut self, id: u16, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if let Some(at) = connection.releases.iter().position(|other| *other == id) {
            let skipped: Vec<u16> = connection.releases.drain(..=at).take(at).collect();
            let in_order =
                skipped.iter().all(|other| self.sending.get(other).is_none_or(Sending::may_be_resent));
            self.require(in_order, bench, "PUBREL is resent out of order [MQTT-4.6.0-4]", || id.to_string());
        }
        let Some(connection) = &mut self.connection else { return };
        if let Some(stray) = connection.strays.get_mut(&id).filter(|credit| **credit > 0) {
            *stray -= 1;
            return;
        }
        let on = connection.number;
        if self.forgot_answers && !self.sending.contains_key(&id) {
            // PUBCOMP was read and thrown away unseen.
            if let Some(known) = self.completed.remove(&id).filter(|known| known.stage != Stage::Published) {
                self.sending.insert(id, Sending { sent_at: bench.now, ..known });
                return;
            }
        }
        match self.sending.get_mut(&id) {
            Some(Sending { stage: Stage::Released { credit, sent, .. }, connection, sent_at, .. })
                if *credit > 0 =>
            {
                (*credit, *sent, *connection, *sent_at) = (*credit - 1, true, on, bench.now);
            }
            other => {
                let detail = format!("{id}: {other:?}");
                self.unlawful(bench, "PUBREL before PUBREC [MQTT-4.3.3-4]", detail);
            }
        }
    }

    fn sent_puback(&mut self, ack: &Ack<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let is_next = connection.pubacks.front() == Some(&ack.packet_id);
        let owed = connection.pubacks.clone();
        connection.pubacks.retain(|id| *id != ack.packet_id);
        self.require(is_next, bench, "PUBACK is not the next one owed [MQTT-4.6.0-2]", || {
            format!("{}, owed are {owed:?}", ack.packet_id)
        });
        if let Some(incoming) = self.incoming.remove(&ack.packet_id)
            && let Some(number) = incoming.number
        {
            let copy = (number, incoming.qos, incoming.is_duplicate);
            bench.promises.acknowledged(self.client, copy, ack.reason, bench.findings);
        }
    }

    fn sent_pubrec(&mut self, ack: &Ack<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let id = ack.packet_id;
        if let Some(credit) = connection.repeats.get_mut(&id).filter(|credit| **credit > 0) {
            *credit -= 1;
            connection.pubrecs.retain(|other| *other != id);
        } else {
            let is_next = connection.pubrecs.front() == Some(&id);
            let owed = connection.pubrecs.clone();
            connection.pubrecs.retain(|other| *other != id);
            self.require(is_next, bench, "PUBREC is not the next one owed [MQTT-4.6.0-3]", || {
                format!("{id}, owed are {owed:?}")
            });
        }
        let Some(incoming) = self.incoming.get_mut(&id) else { return };
        let is_first = !std::mem::replace(&mut incoming.is_received, true);
        let (number, qos, duplicate) = (incoming.number, incoming.qos, incoming.is_duplicate);
        if is_error(ack.reason) {
            self.incoming.remove(&id);
            if let Some(connection) = &mut self.connection {
                connection.arrived.remove(&id);
            }
        }
        if let Some(number) = number.filter(|_| is_first) {
            bench.promises.acknowledged(self.client, (number, qos, duplicate), ack.reason, bench.findings);
        }
    }
}

/// The topic that a PUBLISH is for, its alias resolved.
fn connection_topic<'a>(wire: &'a Wire, publish: &'a Publish<'_>) -> Option<&'a str> {
    if !publish.topic.is_empty() {
        return Some(publish.topic);
    }
    let alias = publish.properties.topic_alias()?;
    wire.connection.as_ref()?.aliases.get(&alias).map(String::as_str)
}
