//! The state machine under virtual time, against a server that a test scripts packet by packet.

mod ahead;
mod aliases;
mod authenticating;
mod backpressure;
mod closing;
mod connecting;
mod deadlines;
mod hostile;
mod identifiers;
mod overrides;
mod persisting;
mod phases;
mod publishing;
mod queueing;
mod quick;
mod receiving;
mod reconnecting;
mod reviving;
mod servers;
mod session_loss;
mod splitting;
mod stalling;
mod subscribing;
mod window;
mod withdrawing;

use std::string::{String, ToString};
use std::vec::Vec;

use bytes::{Buf, BytesMut};
use core::time::Duration;

use super::{Connection, Ingress, State, Transmit};
use crate::command::{ConnectOverrides, Disconnect, Publish, Subscribe, Unsubscribe};
use crate::config::{Config, VersionPolicy};
use crate::error::{Cause, Lost, LostKind, OperationError};
use crate::event::{Action, Attempt, Event, Granted, Receipt, Token};
use crate::message::Message;
use crate::packet;
use crate::packet::{
    Ack, ConnAck, Connect, FiltersBuf, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType,
    Properties, PropertiesBuf, Property, ProtocolVersion, QoS, ReasonCode, ReasonCodes, Sender, SubAck,
    SubscribeFilter, SubscribeOptions, TopicFiltersBuf, UnsubAck,
};
use crate::time::Instant;

/// A connection, its virtual clock, and the network between it and the test.
struct Rig {
    connection: Connection,
    now: Instant,
    transmit: Transmit,
    /// What the client has sent and the test has not looked at.
    wire: Vec<u8>,
    input: BytesMut,
    /// The version of the packets on the wire.
    version: ProtocolVersion,
}

fn config() -> Config {
    Config::new(1)
}

fn config_of(version: ProtocolVersion) -> Config {
    Config { version: VersionPolicy::Only(version), ..config() }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Rig {
    fn new(config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        let connection = Connection::new(config, now).unwrap();
        let version = connection.version();
        Self { connection, now, transmit: Transmit::new(), wire: Vec::new(), input: BytesMut::new(), version }
    }

    /// A client that is connected, without a session at the server.
    fn connected(config: Config) -> Self {
        Self::connected_to(config, &[])
    }

    /// The same, to a server whose CONNACK has these properties.
    fn connected_to(config: Config, list: &[Property<'_>]) -> Self {
        let mut rig = Self::new(config);
        rig.connection.connect(rig.now);
        rig.accept(false, properties(list).as_properties());
        rig.events();
        rig
    }

    fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// Lets time pass to the next deadline, which must be before `limit` from now.
    fn next_deadline(&mut self, limit: Duration) {
        let (at, timer) = self.connection.poll_timeout().expect("a deadline");
        assert!(at <= self.now + limit, "the next deadline, {timer:?}, is in {:?}", at - self.now);
        self.now = self.now.max(at);
        self.connection.handle_timeout(self.now);
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.connection.poll_action()).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// The publishes that completed.
    fn published(&mut self) -> Vec<(Token, Result<Receipt, OperationError>)> {
        let published = |event| match event {
            Event::Published { token, result } => Some((token, result)),
            _ => None,
        };
        self.events().into_iter().filter_map(published).collect()
    }

    /// The publishes that completed, in success with the reason code, or by which error.
    fn outcomes(&mut self) -> Vec<(Token, Result<u8, OperationError>)> {
        let published = self.published();
        let code = |receipt: Receipt| receipt.reason.value();
        published.into_iter().map(|(token, result)| (token, result.map(code))).collect()
    }

    /// The subscribes and unsubscribes that completed.
    fn granted(&mut self) -> Vec<(Token, Result<Vec<u8>, OperationError>)> {
        let codes = |granted: Granted| granted.reasons.iter().map(|reason| reason.value()).collect();
        let granted = |event| match event {
            Event::Subscribed { token, result } | Event::Unsubscribed { token, result } => {
                Some((token, result.map(codes)))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(granted).collect()
    }

    /// The topics of the messages that the application takes.
    fn topics(&mut self) -> Vec<String> {
        self.messages().iter().map(|message| message.topic().to_string()).collect()
    }

    fn messages(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.connection.poll_message()).collect()
    }

    /// Carries out the `Connect` that must be the only action.
    fn dial(&mut self) -> Attempt {
        let actions = self.actions();
        let [Action::Connect { attempt, .. }] = actions[..] else { panic!("no Connect in {actions:?}") };
        self.connection.handle_connected(self.now, attempt, ConnectOverrides::default());
        attempt
    }

    /// Dials, reads the CONNECT and accepts it.
    fn accept(&mut self, session_present: bool, properties: Properties<'_>) {
        self.dial();
        self.version = self.connection.version();
        self.expect(&[PacketType::Connect]);
        self.send(&Packet::ConnAck(ConnAck { session_present, reason: ReasonCode::SUCCESS, properties }));
    }

    /// Moves what the client has to send onto the wire.
    fn pump(&mut self) {
        loop {
            self.connection.poll_transmit(self.now, &mut self.transmit);
            let length = self.transmit.remaining();
            if length == 0 {
                return;
            }
            let bytes = self.transmit.copy_to_bytes(length);
            self.wire.extend_from_slice(&bytes);
            self.connection.handle_written(self.now, length);
        }
    }

    /// The packets that the client has sent since the last look, as text.
    fn sent(&mut self) -> Vec<String> {
        self.pump();
        let version = self.version;
        let mut wire = std::mem::take(&mut self.wire);
        let mut packets = Vec::new();
        while !wire.is_empty() {
            let header = FixedHeader::parse(&wire, version, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
            let body = &wire[usize::from(header.header_length)..header.packet_size()];
            packets.push(describe(&Packet::decode(header, body, version, Sender::Client).unwrap()));
            wire.drain(..header.packet_size());
        }
        packets
    }

    /// The client has sent exactly packets of these types.
    fn expect(&mut self, types: &[PacketType]) {
        let sent = self.sent();
        let expected: Vec<_> = types.iter().map(|packet| format!("{packet:?}")).collect();
        let actual: Vec<_> = sent.iter().map(|packet| packet.split(' ').next().unwrap()).collect();
        assert_eq!(actual, expected, "{sent:?}");
    }

    /// The server sends a packet.
    fn send(&mut self, packet: &Packet<'_>) -> Ingress {
        let mut bytes = Vec::new();
        packet.encode(self.version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).unwrap();
        self.send_bytes(&bytes)
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> Ingress {
        self.input.extend_from_slice(bytes);
        self.connection.handle_input(self.now, &mut self.input)
    }

    fn ack(&mut self, packet: PacketType, packet_id: u16, reason: ReasonCode) -> Ingress {
        let ack = Ack { packet_id, reason, properties: Properties::EMPTY };
        self.send(&match packet {
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            _ => Packet::PubComp(ack),
        })
    }

    fn suback(&mut self, packet_id: u16, codes: &[u8]) -> Ingress {
        let reasons = ReasonCodes::new(codes, PacketType::SubAck, self.version).unwrap();
        self.send(&Packet::SubAck(SubAck { packet_id, properties: Properties::EMPTY, reasons }))
    }

    fn unsuback(&mut self, packet_id: u16, codes: &[u8]) -> Ingress {
        let reasons = ReasonCodes::new(codes, PacketType::UnsubAck, self.version).unwrap();
        self.send(&Packet::UnsubAck(UnsubAck { packet_id, properties: Properties::EMPTY, reasons }))
    }

    /// The server sends a message.
    fn deliver(&mut self, topic: &str, qos: QoS, packet_id: u16, duplicate: bool) -> Ingress {
        self.send(&Packet::Publish(packet::Publish {
            duplicate,
            qos,
            retain: false,
            topic,
            packet_id,
            properties: Properties::EMPTY,
            payload: b"payload",
        }))
    }

    fn publish(&mut self, topic: &str, qos: QoS) -> Token {
        self.connection.publish(self.now, Publish::new(topic, "payload").qos(qos)).unwrap()
    }

    fn subscribe(&mut self, filters: &[&str]) -> Token {
        let filters = filters_buf(filters, SubscribeOptions::default());
        let subscribe = Subscribe::new(filters.as_filters());
        self.connection.subscribe(self.now, subscribe).unwrap()
    }

    fn unsubscribe(&mut self, filters: &[&str]) -> Token {
        let mut list = TopicFiltersBuf::new();
        for filter in filters {
            list.push(filter).unwrap();
        }
        let unsubscribe = Unsubscribe::new(list.as_filters());
        self.connection.unsubscribe(self.now, unsubscribe).unwrap()
    }

    /// The network fails.
    fn lose(&mut self) {
        let attempt = self.connection.attempt;
        self.connection.handle_disconnected(self.now, attempt, eof());
        self.input.clear();
    }

    /// The network fails, the pause passes, and the server accepts again.
    fn reconnect(&mut self, session_present: bool) {
        self.reconnect_to(session_present, &[]);
    }

    /// The same, with these properties of CONNACK.
    fn reconnect_to(&mut self, session_present: bool, list: &[Property<'_>]) {
        self.lose();
        self.next_deadline(seconds(60));
        self.accept(session_present, properties(list).as_properties());
    }

    /// The client has asked to close, and why, once the driver has done it.
    fn closed_because(&mut self) -> Cause {
        let actions = self.actions();
        let [Action::Close { attempt }] = actions[..] else { panic!("no Close in {actions:?}") };
        self.connection.handle_disconnected(self.now, attempt, eof());
        self.input.clear();
        let events = self.events();
        let cause = events.into_iter().rev().find_map(|event| match event {
            Event::Disconnected { cause, .. } => Some(cause),
            _ => None,
        });
        cause.expect("an event that tells of the loss")
    }
}

fn eof() -> Lost {
    Lost { kind: LostKind::Eof, detail: "".into() }
}

fn filters_buf(filters: &[&str], options: SubscribeOptions) -> FiltersBuf {
    let mut list = FiltersBuf::new();
    for filter in filters {
        list.push(SubscribeFilter { filter, options }).unwrap();
    }
    list
}

fn properties(list: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for property in list {
        properties.push(*property).unwrap();
    }
    properties
}

fn number(name: &str, number: Option<u32>) -> String {
    number.map_or(String::new(), |number| format!("{name}{number}"))
}

/// A packet as one line: what matters to the tests, its type first.
fn describe(packet: &Packet<'_>) -> String {
    let kind = packet.packet_type();
    let ack = |ack: &Ack<'_>| format!("{kind:?} {} {:#04x}", ack.packet_id, ack.reason.value());
    match packet {
        Packet::Publish(publish) => format!(
            "Publish {} q{}{}{} {}{}{}",
            publish.packet_id,
            publish.qos as u8,
            if publish.duplicate { " dup" } else { "" },
            if publish.retain { " retain" } else { "" },
            publish.topic,
            number(" alias=", publish.properties.topic_alias().map(u32::from)),
            number(" expiry=", publish.properties.message_expiry_interval())
        ),
        Packet::PubAck(packet)
        | Packet::PubRec(packet)
        | Packet::PubRel(packet)
        | Packet::PubComp(packet) => ack(packet),
        Packet::Subscribe(packet) => {
            let filters: Vec<_> = packet.filters.iter().map(|filter| filter.filter).collect();
            format!("Subscribe {} {}", packet.packet_id, filters.join(" "))
        }
        Packet::Unsubscribe(packet) => {
            let filters: Vec<_> = packet.filters.iter().collect();
            format!("Unsubscribe {} {}", packet.packet_id, filters.join(" "))
        }
        Packet::Disconnect(packet) => format!("Disconnect {:#04x}", packet.reason.value()),
        Packet::Connect(Connect { version, clean_start, client_id, .. }) => {
            format!("Connect {version} clean={} {client_id}", u8::from(*clean_start))
        }
        _ => format!("{kind:?}"),
    }
}
