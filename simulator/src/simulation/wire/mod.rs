//! Whether what a client sends is lawful, judged at its socket: by the bytes that it wrote and those that it had read
//! by then. Nothing here is taken from the client's own memory.

mod authentication;
mod connect;
mod received;
mod sent;

pub(super) use received::retries;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BytesMut;
use sterna_core::packet::{
    FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, QoS, ReasonCode, Sender,
};

use super::findings::Findings;
use super::promises::Promises;
use super::setup::ClientSetup;

/// What the server says to CONNECT, or at any time, that decides where the client goes next.
#[derive(Debug)]
pub(super) enum Answer {
    Accepted,
    /// `is_certain`: the client has looked at it.
    SentOn {
        is_certain: bool,
        permanent: bool,
        reference: String,
    },
}

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was sent.
    Fresh,
    /// CONNECT was sent.
    Connecting,
    /// CONNACK was read.
    Open,
    /// DISCONNECT was sent: nothing may follow.
    Over,
}

/// What a client has in flight towards the server.
#[derive(Debug, Clone)]
struct Sending {
    stage: Stage,
    number: Option<u32>,
    qos: QoS,
    /// The order of first sending.
    sequence: u64,
    /// The connection that its PUBLISH, SUBSCRIBE or UNSUBSCRIBE was last sent on.
    connection: u64,
    sent_at: u64,
    /// It counts against the server's Receive Maximum now.
    counts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Published,
    /// PUBREC has come, as the so-and-so-manieth; and how often PUBREL may be sent for it still.
    Released {
        order: u64,
        credit: u32,
        sent: bool,
    },
    Controlled,
}

impl Sending {
    /// Whether PUBLISH may follow on another connection: PUBREC may have been read and thrown away unseen, as long as
    /// PUBREL was not sent.
    fn may_be_resent(&self) -> bool {
        matches!(self.stage, Stage::Published | Stage::Released { sent: false, .. })
    }
}

/// What the server has in flight towards a client.
#[derive(Debug, Clone)]
struct Incoming {
    number: Option<u32>,
    qos: QoS,
    /// It came with DUP last.
    is_duplicate: bool,
    /// PUBREC was sent.
    is_received: bool,
    /// The process that knew how far it was is gone: its store may have more than was seen here.
    is_unsure: bool,
}

/// The network connection's own state.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
struct Connection {
    number: u64,
    phase: Phase,
    version: ProtocolVersion,
    clean_start: bool,
    resumed: bool,
    opened_at: u64,
    last_written: u64,
    last_read: u64,
    /// The client held reading back at some time.
    was_paused: bool,
    /// Its application ends it.
    is_ending: bool,
    /// The client held reading back, or waited to write, when it was last looked at.
    is_held: bool,
    keep_alive: u64,
    receive_maximum: u16,
    packet_limit: u32,
    maximum_qos: QoS,
    retain_available: bool,
    alias_maximum: u16,
    aliases: BTreeMap<u16, String>,
    written: BytesMut,
    read: BytesMut,
    /// Resent last, by its sequence.
    last_resent: u64,
    /// The last place that was given on this connection to what the server does not know of.
    last_new: u64,
    /// PUBRELs that a resumed session has to begin with, in their order.
    releases: VecDeque<u16>,
    /// PUBACKs and PUBRECs that are owed, in their order.
    pubacks: VecDeque<u16>,
    pubrecs: VecDeque<u16>,
    /// The QoS 2 messages that came and were not completed.
    arrived: BTreeSet<u16>,
    /// How often PUBREC may be sent at once, PUBCOMP, and PUBREL for unknown identifiers.
    repeats: BTreeMap<u16, u32>,
    pubcomps: BTreeMap<u16, u32>,
    strays: BTreeMap<u16, u32>,
    exchange: authentication::Exchanging,
}

/// See the module. One for each client, over all its connections and processes.
#[derive(Debug)]
pub(super) struct Wire {
    client: usize,
    setup: ClientSetup,
    in_flight_limit: usize,
    exactly_once_limit: usize,
    connect_timeout: u64,
    ping_timeout: u64,
    ack_timeout: u64,
    connection: Option<Connection>,
    connections: u64,
    sending: BTreeMap<u16, Sending>,
    /// Completed since the process began: its store may not know it yet.
    completed: BTreeMap<u16, Sending>,
    incoming: BTreeMap<u16, Incoming>,
    sequence: u64,
    pubrecs: u64,
    /// A 3.1 session goes on without the server saying so.
    has_session: bool,
    has_store: bool,
    /// A connection ended, or a process, with answers that were read from the socket and perhaps not looked at.
    forgot_answers: bool,
    /// The authentication method of every CONNECT.
    method: Option<&'static str>,
    answers: VecDeque<Answer>,
}

/// Everything that a judgement touches besides the wire itself.
pub(super) struct Bench<'a> {
    pub(super) now: u64,
    pub(super) findings: &'a mut Findings,
    pub(super) promises: &'a mut Promises,
}

impl Wire {
    pub(super) fn new(client: usize, setup: &ClientSetup) -> Self {
        Self {
            client,
            setup: setup.clone(),
            in_flight_limit: usize::from(setup.in_flight_limit),
            exactly_once_limit: usize::from(setup.exactly_once_limit),
            connect_timeout: setup.connect_timeout,
            ping_timeout: setup.ping_timeout,
            ack_timeout: setup.ack_timeout,
            connection: None,
            connections: 0,
            sending: BTreeMap::new(),
            completed: BTreeMap::new(),
            incoming: BTreeMap::new(),
            sequence: 0,
            pubrecs: 0,
            has_session: false,
            has_store: setup.has_store,
            forgot_answers: false,
            method: None,
            answers: VecDeque::new(),
        }
    }

    /// Every CONNECT begins an exchange.
    pub(super) fn authenticates(&mut self) {
        self.method = Some(super::authentication::METHOD);
    }

    /// What the last bytes that were read say of where the client goes.
    pub(super) fn take_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// A new network connection.
    pub(super) fn connected(&mut self, now: u64) {
        self.lost();
        self.connections += 1;
        self.connection = Some(Connection {
            number: self.connections,
            phase: Phase::Fresh,
            version: ProtocolVersion::V5,
            clean_start: false,
            resumed: false,
            opened_at: now,
            last_written: now,
            last_read: now,
            was_paused: false,
            is_ending: false,
            is_held: false,
            keep_alive: 0,
            receive_maximum: u16::MAX,
            packet_limit: PROTOCOL_MAXIMUM_PACKET_SIZE,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            alias_maximum: 0,
            aliases: BTreeMap::new(),
            written: BytesMut::new(),
            read: BytesMut::new(),
            last_resent: 0,
            last_new: 0,
            releases: VecDeque::new(),
            pubacks: VecDeque::new(),
            pubrecs: VecDeque::new(),
            arrived: BTreeSet::new(),
            repeats: BTreeMap::new(),
            pubcomps: BTreeMap::new(),
            strays: BTreeMap::new(),
            exchange: authentication::Exchanging::default(),
        });
    }

    /// The network connection is gone.
    pub(super) fn lost(&mut self) {
        self.forgot_answers |= self.connection.take().is_some_and(|connection| connection.was_paused);
        self.sending.retain(|_, sending| sending.stage != Stage::Controlled);
        for sending in self.sending.values_mut() {
            sending.counts = false;
        }
    }

    /// Whether a SUBSCRIBE or UNSUBSCRIBE waits for its answer.
    pub(super) fn is_subscribing(&self) -> bool {
        self.sending.values().any(|sending| sending.stage == Stage::Controlled)
    }

    /// The client holds reading back, though it may be for no time at all.
    pub(super) fn paused(&mut self) {
        if let Some(connection) = self.connection.as_mut().filter(|it| it.phase == Phase::Open) {
            connection.was_paused = true;
        }
    }

    /// The application ends the connection: what is read from now on may not be looked at.
    pub(super) fn ends_itself(&mut self) {
        self.forgot_answers = true;
        if let Some(connection) = &mut self.connection {
            connection.is_ending = true;
        }
    }

    /// The client closed: what its application had acknowledged out of its turn counts as received in its next life.
    pub(super) fn closed(&mut self) {
        for incoming in self.incoming.values_mut() {
            incoming.is_unsure = true;
        }
    }

    /// The process is gone. With a store it comes back with what was committed, else with nothing.
    pub(super) fn died(&mut self, has_store: bool) {
        self.lost();
        if !has_store {
            self.sending.clear();
            self.incoming.clear();
            self.has_session = false;
        }
        if !has_store {
            self.completed.clear();
        }
        self.forgot_answers = true;
        self.closed();
    }

    /// The clock of the client jumped, or the client did not run: what it measures begins anew.
    pub(super) fn jumped(&mut self, now: u64) {
        if let Some(connection) = &mut self.connection {
            connection.last_read = now;
            connection.last_written = now;
            connection.opened_at = now;
        }
    }

    /// The client wrote these bytes.
    pub(super) fn wrote(&mut self, bytes: &[u8], bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else {
            return bench.findings.violated("bytes without a connection", self.client);
        };
        connection.last_written = bench.now;
        bench.promises.writes(self.client, bytes.len());
        connection.written.extend_from_slice(bytes);
        loop {
            let Some(connection) = &mut self.connection else { return };
            let version = connection.version;
            let mut bytes = std::mem::take(&mut connection.written);
            let header = match FixedHeader::parse(&bytes, version, connection.packet_limit) {
                Ok(Some(header)) if header.packet_size() <= bytes.len() => header,
                Ok(_) => {
                    connection.written = bytes;
                    return;
                }
                Err(error) => return self.unlawful(bench, "a packet is malformed", error.to_string()),
            };
            let packet = bytes.split_to(header.packet_size());
            connection.written = bytes;
            match Packet::decode(
                header,
                &packet[usize::from(header.header_length)..],
                version,
                Sender::Client,
            ) {
                Ok(packet) => self.sent(&packet, bench),
                Err(error) => return self.unlawful(bench, "a packet is malformed", error.to_string()),
            }
        }
    }

    /// The client read these bytes.
    pub(super) fn read(&mut self, bytes: &[u8], bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        connection.last_read = bench.now;
        connection.read.extend_from_slice(bytes);
        loop {
            let Some(connection) = &mut self.connection else { return };
            let version = connection.version;
            let header = FixedHeader::parse(&connection.read, version, PROTOCOL_MAXIMUM_PACKET_SIZE);
            let Ok(Some(header)) = header else { return };
            if header.packet_size() > connection.read.len() {
                return;
            }
            let packet = connection.read.split_to(header.packet_size());
            let body = &packet[usize::from(header.header_length)..];
            let Ok(packet) = Packet::decode(header, body, version, Sender::Server) else { return };
            self.received(&packet, bench);
        }
    }

    /// Whether the client keeps its deadlines. `paused`: it holds reading back; `blocked`: it waits to write.
    pub(super) fn check_time(&mut self, paused: bool, blocked: bool, bench: &mut Bench<'_>) {
        let (ping_timeout, ack_timeout) = (self.ping_timeout, self.ack_timeout);
        let Some(connection) = &mut self.connection else { return };
        let now = bench.now;
        if matches!(connection.phase, Phase::Fresh | Phase::Connecting) {
            let late = now.saturating_sub(connection.opened_at) > self.connect_timeout;
            if late {
                self.unlawful(bench, "CONNACK is waited for too long", String::new());
            }
            return;
        }
        if connection.phase != Phase::Open {
            return;
        }
        connection.was_paused |= paused;
        let held = std::mem::replace(&mut connection.is_held, paused || blocked);
        // Its time begins when reading goes on, which is between the last look and this one.
        if held || connection.is_held {
            connection.last_read = now;
        }
        let interval = connection.keep_alive;
        let (silent, quiet) =
            (now.saturating_sub(connection.last_read), now.saturating_sub(connection.last_written));
        let was_paused = connection.was_paused;
        let number = connection.number;
        if interval > 0 && !blocked {
            if quiet > interval {
                self.unlawful(bench, "keep alive was missed [MQTT-3.1.2-22]", format!("{quiet} us"));
            }
            if silent > interval + ping_timeout {
                self.unlawful(bench, "a silent server is not noticed", format!("{silent} us"));
            }
        }
        if ack_timeout > 0 && !was_paused && !bench.promises.has_closed(self.client) {
            if self.is_authentication_late(now) {
                self.unlawful(bench, "a re-authentication is waited for too long", String::new());
            }
            let late = |sending: &&Sending| {
                // A PUBREL may still wait to be written.
                let is_sent = !matches!(sending.stage, Stage::Released { sent: false, .. });
                is_sent
                    && !bench.promises.may_end(sending.number)
                    && sending.connection == number
                    && now.saturating_sub(sending.sent_at) > ack_timeout
            };
            if let Some(sending) = self.sending.values().find(late) {
                let detail = format!("{sending:?}");
                self.unlawful(bench, "an answer is waited for too long", detail);
            }
        }
    }

    #[allow(clippy::needless_pass_by_value)] // It is made for this.
    fn unlawful(&self, bench: &mut Bench<'_>, check: &'static str, detail: String) {
        let number = self.connection.as_ref().map_or(0, |connection| connection.number);
        bench.findings.violated(check, format!("c{}, connection {number}: {detail}", self.client));
    }

    fn require(
        &self,
        holds: bool,
        bench: &mut Bench<'_>,
        check: &'static str,
        detail: impl FnOnce() -> String,
    ) {
        if !holds {
            self.unlawful(bench, check, detail());
        }
    }
}

/// The number of the message with this payload; a will has none.
pub(super) fn number_of(payload: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(payload.get(..8)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

fn is_error(reason: ReasonCode) -> bool {
    reason.is_error()
}
