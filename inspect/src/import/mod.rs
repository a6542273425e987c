//! From a connection in a capture to a recording: what Sterna would have done in that client's place.

mod config;

use std::collections::{BTreeMap, VecDeque};
use std::io;

use bytes::{Buf, BytesMut};
use sterna_core::packet::{
    FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, PropertiesBuf, Property, PropertyId, QoS,
    Sender,
};
use sterna_core::{
    Action, Attempt, Auth, ConfigError, ConnectOverrides, Disconnect, Instant, Lost, LostKind, Publish,
    Subscribe, Transmit, Unsubscribe,
};
use sterna_record::{Recorded, Recorder, Written};

use crate::describe;
use crate::splitter::{Found, Splitter};
use crate::timeline::{PacketEntry, Timeline, What};

/// How many deadlines pass between two packets at most.
const DEADLINES: usize = 100;

/// Why there is no recording of a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The time-line has no such connection.
    #[error("there is no connection {0}")]
    NoConnection(usize),
    /// Its first packet is no CONNECT, from which the configuration would be inferred.
    #[error("the connection does not begin with a CONNECT")]
    NoConnect,
    /// Sterna does not send such a CONNECT.
    #[error("no client of Sterna's has this configuration: {0}")]
    Config(#[from] ConfigError),
    /// The recording could not be written.
    #[error("the recording: {0}")]
    Write(#[from] io::Error),
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// What was written.
    pub written: Written,
    /// How many packets the captured client sent.
    pub captured: u64,
    /// How many Sterna sends in its place.
    pub sent: u64,
    /// The number of the entry at which Sterna closes the connection although the captured client does not: the server
    /// broke the protocol there, or goes on with a session that only the captured client knew.
    pub closed_at: Option<usize>,
}

/// Records what Sterna does when it is configured as the client of a connection (counted from 1), gets the bytes that the
/// server sent there at their times, and is told to publish, subscribe and disconnect when that client did.
///
/// The captured client's packet identifiers are its own; the server's acknowledgements are translated to Sterna's.
/// Passwords are redacted as the recorder is told to. It waits for what it writes to, so that it is recorded as a whole.
///
/// # Errors
/// The connection has no CONNECT, or one that Sterna does not send; or writing failed.
pub fn record_connection(
    timeline: &Timeline,
    connection: usize,
    recorder: Recorder,
) -> Result<Imported, ImportError> {
    let index = connection.checked_sub(1).filter(|&index| index < timeline.connections.len());
    let index = index.ok_or(ImportError::NoConnection(connection))?;
    let entries = timeline.entries.iter().enumerate();
    let mut packets = entries.filter_map(|(number, entry)| match &entry.what {
        What::Packet(packet) if entry.connection == Some(index) => Some((number + 1, entry.time, packet)),
        _ => None,
    });
    let (_, begin, first) = packets.next().ok_or(ImportError::NoConnect)?;
    let Some(Packet::Connect(connect)) = first.packet() else { return Err(ImportError::NoConnect) };
    let ends = &timeline.connections[index];
    let mut recorder =
        recorder.complete().without_date().about("capture", format!("{} – {}", ends.client, ends.server));
    if let Some(started) = timeline.started {
        recorder = recorder.about("captured", describe::date(started + begin));
    }
    let finished = recorder.finished();
    let now = Instant::from_micros(begin);
    let client = Recorded::new(config::infer(&connect), now, Some(recorder))?;
    let mut actor = Actor::new(client);
    actor.begin(now);
    let mut captured = 1;
    let mut closed_at = None;
    let mut last = now;
    for (number, time, packet) in packets {
        last = Instant::from_micros(time);
        actor.pass_time(last);
        captured += u64::from(packet.sender == Sender::Client);
        match packet.sender {
            Sender::Client => actor.act(last, packet),
            Sender::Server => actor.receive(last, packet),
        }
        let ends = matches!(packet.packet_type, PacketType::Disconnect);
        if actor.is_closing {
            closed_at = (!ends).then_some(number);
            break;
        }
    }
    actor.end(last);
    let sent = actor.sent;
    drop(actor);
    Ok(Imported { written: finished.wait()?, captured, sent, closed_at })
}

/// The client in the captured one's place, and its driver.
struct Actor {
    client: Recorded,
    attempt: Option<Attempt>,
    transmit: Transmit,
    splitter: Splitter,
    input: BytesMut,
    /// The captured client's packet identifiers and ours, of publishes (0) and of the rest (1).
    ids: [BTreeMap<u16, u16>; 2],
    /// Those that have none of ours yet, in order.
    waiting: [VecDeque<u16>; 2],
    sent: u64,
    is_closing: bool,
}

impl Actor {
    fn new(client: Recorded) -> Self {
        Self {
            client,
            attempt: None,
            transmit: Transmit::new(),
            splitter: Splitter::new(Sender::Client),
            input: BytesMut::new(),
            ids: Default::default(),
            waiting: Default::default(),
            sent: 0,
            is_closing: false,
        }
    }

    fn begin(&mut self, now: Instant) {
        self.client.connect(now);
        self.drain(now);
        if let Some(attempt) = self.attempt {
            self.client.handle_connected(now, attempt, ConnectOverrides::default());
            self.drain(now);
        }
    }

    /// Lets the deadlines up to `now` pass. Clocks jump, and captures are damaged: of very many only the first, and what is
    /// due after them at `now`.
    fn pass_time(&mut self, now: Instant) {
        for passed in 0..=DEADLINES {
            let Some((at, _)) = self.client.poll_timeout().filter(|(at, _)| *at < now) else { return };
            if self.is_closing {
                return;
            }
            let at = if passed < DEADLINES { at } else { now };
            self.client.handle_timeout(at);
            self.drain(at);
            if self.client.poll_timeout().is_some_and(|(next, _)| next <= at) {
                return;
            }
        }
    }

    /// Does what the captured client did. What Sterna does by itself (acknowledging, pinging) is left to it.
    fn act(&mut self, now: Instant, entry: &PacketEntry) {
        let Some(packet) = entry.packet() else { return };
        match packet {
            Packet::Publish(publish) => {
                let is_again = publish.duplicate && self.ids[0].contains_key(&publish.packet_id);
                if is_again {
                    return;
                }
                let (properties, topic_alias) = without_alias(publish.properties);
                let command = Publish {
                    topic_alias,
                    properties: properties.as_properties(),
                    ..Publish::new(publish.topic, publish.payload).qos(publish.qos).retain(publish.retain)
                };
                if self.client.publish(now, command).is_ok() && publish.qos != QoS::AtMostOnce {
                    self.waiting[0].push_back(publish.packet_id);
                }
            }
            Packet::Subscribe(subscribe) => {
                let command = Subscribe::new(subscribe.filters).properties(subscribe.properties);
                if self.client.subscribe(now, command).is_ok() {
                    self.waiting[1].push_back(subscribe.packet_id);
                }
            }
            Packet::Unsubscribe(unsubscribe) => {
                let command = Unsubscribe {
                    properties: unsubscribe.properties,
                    ..Unsubscribe::new(unsubscribe.filters)
                };
                if self.client.unsubscribe(now, command).is_ok() {
                    self.waiting[1].push_back(unsubscribe.packet_id);
                }
            }
            Packet::Disconnect(disconnect) => {
                let (reason, properties) = (disconnect.reason, disconnect.properties);
                // What it refuses, it does not send: the connection ends all the same.
                let _ = self.client.disconnect(now, Disconnect { at_once: true, reason, properties });
            }
            Packet::Auth(auth) => {
                let texts = reason_texts(auth.properties);
                let data = auth.properties.authentication_data();
                let step = Auth { data, properties: texts.as_properties() };
                if let Some(attempt) = self.attempt
                    && self.client.authenticate(now, attempt, step).is_err()
                {
                    let _ = self.client.reauthenticate(now, step);
                }
            }
            _ => {}
        }
        self.drain(now);
    }

    /// Takes what the server sent, with our identifiers in its acknowledgements.
    fn receive(&mut self, now: Instant, entry: &PacketEntry) {
        let mut bytes = entry.bytes.clone();
        let kind = match entry.packet_type {
            PacketType::PubAck | PacketType::PubRec | PacketType::PubComp => Some(0),
            PacketType::SubAck | PacketType::UnsubAck => Some(1),
            _ => None,
        };
        let header = FixedHeader::parse(&bytes, entry.version, PROTOCOL_MAXIMUM_PACKET_SIZE).ok().flatten();
        if let (Some(kind), Some(header)) = (kind, header) {
            let at = usize::from(header.header_length);
            if let Some([high, low]) = bytes.get(at..at + 2)
                && let Some(ours) = self.ids[kind].get(&u16::from_be_bytes([*high, *low]))
            {
                bytes[at..at + 2].copy_from_slice(&ours.to_be_bytes());
            }
        }
        self.input.extend_from_slice(&bytes);
        self.client.handle_input(now, &mut self.input);
        self.drain(now);
    }

    /// Takes everything out, as a driver whose network is always ready.
    fn drain(&mut self, now: Instant) {
        loop {
            let any = self.client.poll_transmit(now, &mut self.transmit);
            let length = self.transmit.remaining();
            if length > 0 {
                let bytes = self.transmit.copy_to_bytes(length);
                self.note_sent(&bytes);
                self.client.handle_written(now, length);
            }
            let mut is_busy = any;
            while let Some(action) = self.client.poll_action() {
                is_busy = true;
                match action {
                    Action::Connect { attempt, .. } => self.attempt = Some(attempt),
                    Action::Close { .. } => self.is_closing = true,
                }
            }
            while self.client.poll_event().is_some() {
                is_busy = true;
            }
            while self.client.poll_message().is_some() {
                is_busy = true;
            }
            if !self.input.is_empty() && is_busy {
                self.client.handle_input(now, &mut self.input);
            }
            if !is_busy {
                self.client.poll_timeout();
                return;
            }
        }
    }

    /// Learns which identifier each of our packets has.
    fn note_sent(&mut self, bytes: &[u8]) {
        let version = Some(self.client.version());
        let mut found = Vec::new();
        self.splitter.receive(bytes, version, &mut |what| found.push(what));
        for what in found {
            let Found::Packet(bytes) = what else { continue };
            self.sent += 1;
            let packet = crate::timeline::decode(&bytes, self.client.version(), Sender::Client);
            let (kind, ours) = match packet {
                Ok(Packet::Publish(publish)) if publish.qos != QoS::AtMostOnce && !publish.duplicate => {
                    (0, publish.packet_id)
                }
                Ok(Packet::Subscribe(subscribe)) => (1, subscribe.packet_id),
                Ok(Packet::Unsubscribe(unsubscribe)) => (1, unsubscribe.packet_id),
                _ => continue,
            };
            if let Some(theirs) = self.waiting[kind].pop_front() {
                self.ids[kind].insert(theirs, ours);
            }
        }
    }

    fn end(&mut self, now: Instant) {
        if let Some(attempt) = self.attempt {
            let lost = Lost { kind: LostKind::Eof, detail: "the capture ends here".into() };
            self.client.handle_disconnected(now, attempt, lost);
            self.is_closing = true;
            self.drain(now);
        }
    }
}

/// A PUBLISH's properties as a command takes them.
fn without_alias(properties: sterna_core::packet::Properties<'_>) -> (PropertiesBuf, Option<u16>) {
    let mut rest = PropertiesBuf::new();
    for property in properties.iter().filter(|property| property.id() != PropertyId::TopicAlias) {
        // They were well-formed in the packet.
        let _ = rest.push(property);
    }
    (rest, properties.topic_alias())
}

/// An AUTH's properties as a command takes them.
fn reason_texts(properties: sterna_core::packet::Properties<'_>) -> PropertiesBuf {
    let mut rest = PropertiesBuf::new();
    for property in &properties {
        if matches!(property, Property::ReasonString(_) | Property::UserProperty { .. }) {
            let _ = rest.push(property);
        }
    }
    rest
}
