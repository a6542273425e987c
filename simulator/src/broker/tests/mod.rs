//! The model under virtual time, driven with bytes in memory. `Lab` holds the other ends of its connections.

mod authentication;
mod bounds;
mod connect;
mod delivery;
mod faults;
mod hostile;
mod sessions;
mod subscriptions;
mod wills;

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::BytesMut;
use sterna_core::packet::{
    Ack, Connect, Disconnect, FiltersBuf, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties,
    PropertiesBuf, Property, ProtocolVersion, Publish, QoS, ReasonCode, Sender, Subscribe, SubscribeFilter,
    SubscribeOptions, TopicFiltersBuf, Unsubscribe,
};

use super::{Broker, ConnectionId, Instant, Options, Output, Reading};

pub(super) const VERSIONS: [ProtocolVersion; 3] =
    [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
pub(super) const V4: ProtocolVersion = ProtocolVersion::V3_1_1;
pub(super) const V5: ProtocolVersion = ProtocolVersion::V5;

/// The client's end of one connection.
#[derive(Default)]
struct End {
    version: ProtocolVersion,
    input: BytesMut,
    output: Vec<u8>,
    is_closed: bool,
}

/// A broker and the clients that talk to it.
pub(super) struct Lab {
    pub(super) broker: Broker,
    pub(super) now: Instant,
    ends: BTreeMap<u64, End>,
}

/// What a test's CONNECT says, apart from the defaults: clean start, keep alive off, no properties.
pub(super) fn connect(version: ProtocolVersion, client_id: &str) -> Connect<'_> {
    Connect {
        version,
        bridge: false,
        clean_start: true,
        keep_alive: 0,
        properties: Properties::EMPTY,
        client_id,
        will: None,
        user_name: None,
        password: None,
    }
}

pub(super) fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for property in list {
        properties.push(*property).expect("a valid property");
    }
    properties
}

pub(super) fn publish<'a>(topic: &'a str, payload: &'a str, qos: u8, packet_id: u16) -> Publish<'a> {
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
    let payload = payload.as_bytes();
    Publish { duplicate: false, qos, retain: false, topic, packet_id, properties: Properties::EMPTY, payload }
}

pub(super) fn ack(packet_id: u16) -> Ack<'static> {
    Ack { packet_id, reason: ReasonCode::SUCCESS, properties: Properties::EMPTY }
}

pub(super) fn goodbye() -> Packet<'static> {
    Packet::Disconnect(Disconnect { reason: ReasonCode::NORMAL_DISCONNECTION, properties: Properties::EMPTY })
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        Self { broker: Broker::new(options), now: Instant::from_micros(1_000_000), ends: BTreeMap::new() }
    }

    /// Opens a connection, without a word on it yet.
    pub(super) fn open(&mut self, id: u64, version: ProtocolVersion) {
        self.ends.insert(id, End { version, ..End::default() });
        self.broker.connected(self.now, ConnectionId(id));
    }

    /// Opens a connection and sends CONNECT; what comes back.
    pub(super) fn connect(&mut self, id: u64, connect: Connect<'_>) -> Vec<String> {
        self.open(id, connect.version);
        self.send(id, &Packet::Connect(connect))
    }

    /// A clean start that must succeed.
    pub(super) fn join(&mut self, id: u64, version: ProtocolVersion, client_id: &str) {
        let answer = self.connect(id, connect(version, client_id));
        assert!(answer[0].starts_with("connack 00 new"), "{answer:?}");
    }

    /// Sends a packet; what comes back on the same connection.
    pub(super) fn send(&mut self, id: u64, packet: &Packet<'_>) -> Vec<String> {
        let mut bytes = Vec::new();
        packet.encode(self.ends[&id].version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).expect("encodes");
        self.send_bytes(id, &bytes)
    }

    pub(super) fn send_bytes(&mut self, id: u64, bytes: &[u8]) -> Vec<String> {
        self.input(id, bytes);
        self.received(id)
    }

    /// Gives bytes to the broker without taking its outputs.
    pub(super) fn input(&mut self, id: u64, bytes: &[u8]) -> Reading {
        let end = self.ends.get_mut(&id).expect("an open connection");
        end.input.extend_from_slice(bytes);
        self.broker.input(self.now, ConnectionId(id), &mut end.input)
    }

    pub(super) fn publish(
        &mut self,
        id: u64,
        topic: &str,
        payload: &str,
        qos: u8,
        packet_id: u16,
    ) -> Vec<String> {
        self.send(id, &Packet::Publish(publish(topic, payload, qos, packet_id)))
    }

    pub(super) fn subscribe(&mut self, id: u64, filter: &str, qos: QoS) -> Vec<String> {
        self.subscribe_with(id, filter, SubscribeOptions { qos, ..SubscribeOptions::default() }, &[])
    }

    pub(super) fn subscribe_with(
        &mut self,
        id: u64,
        filter: &str,
        options: SubscribeOptions,
        list: &[Property<'_>],
    ) -> Vec<String> {
        let mut filters = FiltersBuf::default();
        filters.push(SubscribeFilter { filter, options }).expect("a valid filter");
        let properties = properties(list);
        let properties = properties.as_properties();
        self.send(
            id,
            &Packet::Subscribe(Subscribe { packet_id: 9, properties, filters: filters.as_filters() }),
        )
    }

    pub(super) fn unsubscribe(&mut self, id: u64, filter: &str) -> Vec<String> {
        let mut filters = TopicFiltersBuf::default();
        filters.push(filter).expect("a valid filter");
        let filters = filters.as_filters();
        self.send(
            id,
            &Packet::Unsubscribe(Unsubscribe { packet_id: 8, properties: Properties::EMPTY, filters }),
        )
    }

    /// The network of a connection fails.
    pub(super) fn lose(&mut self, id: u64) {
        self.broker.disconnected(self.now, ConnectionId(id));
        self.ends.remove(&id);
    }

    /// Lets time pass, with every timeout on the way at its time.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.broker.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.broker.handle_timeout(self.now);
            assert!(
                self.broker.poll_timeout().is_none_or(|next| next > self.now),
                "a timeout that stays due"
            );
        }
        self.now = end;
    }

    pub(super) fn pass_seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn carry(&mut self) {
        while let Some((id, output)) = self.broker.poll_output() {
            let end = self.ends.get_mut(&id.0).expect("outputs are for open connections");
            assert!(!end.is_closed, "output after close");
            match output {
                Output::Send(bytes) => end.output.extend_from_slice(&bytes),
                Output::Close => end.is_closed = true,
            }
        }
    }

    /// What came on a connection since the last call, in words.
    pub(super) fn received(&mut self, id: u64) -> Vec<String> {
        self.carry();
        let end = self.ends.get_mut(&id).expect("an open connection");
        let mut words = Vec::new();
        let output = core::mem::take(&mut end.output);
        let mut rest = output.as_slice();
        while let Some(header) =
            FixedHeader::parse(rest, end.version, PROTOCOL_MAXIMUM_PACKET_SIZE).expect("a valid fixed header")
        {
            let Some((packet, behind)) = rest.split_at_checked(header.packet_size()) else { break };
            let body = &packet[usize::from(header.header_length)..];
            words.push(word(
                &Packet::decode(header, body, end.version, Sender::Server).expect("a valid packet"),
            ));
            rest = behind;
        }
        if !rest.is_empty() {
            words.push(format!("bytes {rest:02x?}"));
        }
        if end.is_closed {
            words.push("closed".to_owned());
        }
        words
    }

    /// The bytes that came on a connection, undecoded.
    pub(super) fn received_bytes(&mut self, id: u64) -> Vec<u8> {
        self.carry();
        core::mem::take(&mut self.ends.get_mut(&id).expect("an open connection").output)
    }
}

/// A packet from the broker in words; reason codes and flags as far as they say something.
fn word(packet: &Packet<'_>) -> String {
    let (text, properties) = match packet {
        Packet::ConnAck(connack) => {
            let session = if connack.session_present { "present" } else { "new" };
            (format!("connack {:02x} {session}", connack.reason.value()), connack.properties)
        }
        Packet::Publish(publish) => {
            let duplicate = if publish.duplicate { " dup" } else { "" };
            let retain = if publish.retain { " retain" } else { "" };
            let id = if publish.packet_id > 0 { format!(" #{}", publish.packet_id) } else { String::new() };
            let payload = String::from_utf8_lossy(publish.payload);
            let qos = publish.qos as u8;
            (format!("publish q{qos}{id}{duplicate}{retain} {}={payload}", publish.topic), publish.properties)
        }
        Packet::Auth(auth) => (format!("auth {:02x}", auth.reason.value()), auth.properties),
        Packet::PubAck(ack) => {
            (format!("puback #{} {:02x}", ack.packet_id, ack.reason.value()), ack.properties)
        }
        Packet::PubRec(ack) => {
            (format!("pubrec #{} {:02x}", ack.packet_id, ack.reason.value()), ack.properties)
        }
        Packet::PubRel(ack) => {
            (format!("pubrel #{} {:02x}", ack.packet_id, ack.reason.value()), ack.properties)
        }
        Packet::PubComp(ack) => {
            (format!("pubcomp #{} {:02x}", ack.packet_id, ack.reason.value()), ack.properties)
        }
        Packet::SubAck(suback) => {
            let reasons: Vec<u8> = suback.reasons.iter().map(ReasonCode::value).collect();
            (format!("suback {reasons:02x?}"), suback.properties)
        }
        Packet::UnsubAck(unsuback) => {
            let reasons: Vec<u8> = unsuback.reasons.iter().map(ReasonCode::value).collect();
            (format!("unsuback {reasons:02x?}"), unsuback.properties)
        }
        Packet::Disconnect(disconnect) => {
            // The reason string is for people.
            (format!("disconnect {:02x}", disconnect.reason.value()), Properties::EMPTY)
        }
        Packet::PingResp => ("pingresp".to_owned(), Properties::EMPTY),
        other => (format!("{other:?}"), Properties::EMPTY),
    };
    if properties.is_empty() {
        return text;
    }
    let list: Vec<String> = properties.iter().map(|property| format!("{property:?}")).collect();
    format!("{text} [{}]", list.join(", "))
}
