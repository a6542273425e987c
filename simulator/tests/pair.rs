//! The client's state machine against the broker's model, both in memory under virtual time: random commands, byte
//! streams split anywhere, connections lost with whatever was on its way. One seed is one run; a failure names it, and
//! `SEED=n` runs it alone.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sterna_core::packet::{FiltersBuf, ProtocolVersion, QoS, SubscribeFilter, SubscribeOptions};
use sterna_core::{
    Action, Attempt, CleanStart, ClientId, Config, ConnectOverrides, Connection, Disconnect, Event, Ingress,
    Instant, Lost, LostKind, OperationError, Publish, State, Subscribe, Token, Transmit, VersionPolicy,
};
use sterna_simulator::broker::{Broker, ConnectionId, Options, Output, Reading, Sessions};

const SEEDS: u64 = 200;
const STEPS: usize = 600;
const QUEUE_LIMIT: usize = 30;
const WINDOW: u16 = 5;

/// SplitMix64: enough for choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// Names the seed when a check fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with SEED={}", self.0);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    KeepsSessions,
    ForgetsSessions,
}

struct Pair {
    choices: Choices,
    now: Instant,
    client: Connection,
    broker: Broker,
    server: Server,
    /// The network connection, while there is one.
    link: Option<Attempt>,
    transmit: Transmit,
    to_broker: BytesMut,
    to_client: BytesMut,
    client_input: BytesMut,
    /// What was published, by its number, which is its payload.
    published: BTreeMap<Token, (usize, QoS)>,
    outcomes: BTreeMap<Token, Result<(), OperationError>>,
    received: Vec<usize>,
    numbers: usize,
    losses: usize,
}

impl Pair {
    fn new(seed: u64, server: Server) -> Self {
        let mut choices = Choices(seed);
        let version = [ProtocolVersion::V5, ProtocolVersion::V3_1_1, ProtocolVersion::V3_1][choices.below(3)];
        let config = Config {
            version: VersionPolicy::Only(version),
            client_id: ClientId::Given("pair".into()),
            clean_start: CleanStart::Never,
            queue_limit: QUEUE_LIMIT,
            in_flight_limit: WINDOW,
            send_buffer: 60,
            receive_maximum: 8,
            incoming_limit: 1 + choices.below(6),
            keep_alive: 20,
            session_expiry: u32::MAX,
            ..Config::new(seed)
        };
        let mut config = config;
        config.reconnect.first = true;
        let now = Instant::from_micros(1);
        let options = Options { receive_maximum: 1 + choices.below(6) as u16, ..Options::default() };
        let mut pair = Self {
            choices,
            now,
            client: Connection::new(config, now).unwrap(),
            broker: Broker::new(options),
            server,
            link: None,
            transmit: Transmit::new(),
            to_broker: BytesMut::new(),
            to_client: BytesMut::new(),
            client_input: BytesMut::new(),
            published: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            received: Vec::new(),
            numbers: 0,
            losses: 0,
        };
        pair.subscribe();
        pair.client.connect(now);
        pair
    }

    fn subscribe(&mut self) {
        let mut filters = FiltersBuf::new();
        let options = SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() };
        filters.push(SubscribeFilter { filter: "t/#", options }).unwrap();
        let subscribe = Subscribe::new(filters.as_filters());
        self.client.subscribe(self.now, subscribe).unwrap();
    }

    fn publish(&mut self, qos: QoS) {
        let payload = self.numbers.to_string();
        let topic = if self.choices.below(2) == 0 { "t/a" } else { "t/b" };
        let publish = Publish::new(topic, &payload).qos(qos);
        if let Ok(token) = self.client.publish(self.now, publish) {
            self.published.insert(token, (self.numbers, qos));
            self.numbers += 1;
        }
    }

    fn broker_id(attempt: Attempt) -> ConnectionId {
        ConnectionId(u64::from(attempt.number()))
    }

    /// Carries out what the client asks for, and collects what it reports.
    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Connect { attempt, .. } => {
                    if self.choices.below(8) == 0 {
                        self.client.handle_disconnected(self.now, attempt, lost());
                    } else {
                        self.link = Some(attempt);
                        self.broker.connected(self.now, Self::broker_id(attempt));
                        self.client.handle_connected(self.now, attempt, ConnectOverrides::default());
                    }
                }
                Action::Close { .. } => self.lose(),
            }
        }
        while let Some(event) = self.client.poll_event() {
            if let Event::Published { token, result } = event {
                let earlier = self.outcomes.insert(token, result.map(drop));
                assert!(earlier.is_none(), "{token:?} was resolved twice");
            }
        }
        assert!(self.client.queued() <= QUEUE_LIMIT + usize::from(WINDOW) + 1);
    }

    /// The network fails; what is on its way is gone.
    fn lose(&mut self) {
        let Some(attempt) = self.link.take() else { return };
        self.losses += 1;
        self.broker.disconnected(self.now, Self::broker_id(attempt));
        self.to_broker.clear();
        self.to_client.clear();
        self.client_input.clear();
        self.transmit.clear();
        self.client.handle_disconnected(self.now, attempt, lost());
        self.drain();
    }

    /// Moves some bytes each way; whether anything moved.
    fn exchange(&mut self) -> bool {
        let Some(attempt) = self.link else { return false };
        let id = Self::broker_id(attempt);
        self.client.poll_transmit(self.now, &mut self.transmit);
        let written = self.some(self.transmit.remaining());
        if written > 0 {
            self.to_broker.extend_from_slice(&self.transmit.copy_to_bytes(written));
            self.client.handle_written(self.now, written);
        }
        let reading = self.broker.input(self.now, id, &mut self.to_broker);
        let mut moved = written > 0;
        let mut closed = false;
        while let Some((_, output)) = self.broker.poll_output() {
            moved = true;
            match output {
                Output::Send(bytes) => self.to_client.extend_from_slice(&bytes),
                Output::Close => closed = true,
            }
        }
        moved |= reading == Reading::Paused && self.broker.is_reading(id);
        let arriving = self.some(self.to_client.len());
        self.client_input.extend_from_slice(&self.to_client.split_to(arriving));
        let before = self.client_input.len();
        let ingress = self.client.handle_input(self.now, &mut self.client_input);
        moved |= arriving > 0 || self.client_input.len() < before;
        if ingress == Ingress::Paused && self.choices.below(3) == 0 {
            moved |= self.take_messages(1);
        }
        if closed {
            self.lose();
        }
        self.drain();
        moved
    }

    /// From one to `available`, if any.
    fn some(&mut self, available: usize) -> usize {
        if available == 0 { 0 } else { 1 + self.choices.below(available) }
    }

    fn take_messages(&mut self, count: usize) -> bool {
        let taken: Vec<_> = std::iter::from_fn(|| self.client.poll_message()).take(count).collect();
        self.received.extend(taken.iter().map(|message| message.text().unwrap().parse::<usize>().unwrap()));
        !taken.is_empty()
    }

    /// Lets time pass to the next deadline of either side.
    fn pass_time(&mut self) {
        if self.link.is_some() {
            self.client.poll_transmit(self.now, &mut self.transmit);
        }
        let clients = self.client.poll_timeout().map(|(at, _)| at);
        if let Some(at) = [clients, self.broker.poll_timeout()].into_iter().flatten().min() {
            self.now = self.now.max(at);
        }
        self.client.handle_timeout(self.now);
        let next = self.client.poll_timeout();
        assert!(next.is_none_or(|(at, _)| at > self.now), "busy: {next:?} at {:?}", self.now);
        self.broker.handle_timeout(self.now);
        self.drain();
    }

    fn step(&mut self) {
        match self.choices.below(100) {
            0..25 => {
                let qos = self.choices.below(3) as u8;
                self.publish(QoS::try_from(qos).unwrap());
            }
            25..80 => {
                self.exchange();
            }
            80..90 => {
                self.take_messages(2);
            }
            90..93 => self.pass_time(),
            93..96 => self.now = self.now + Duration::from_millis(100),
            96 => self.client.reconnect(self.now),
            97 if self.server == Server::ForgetsSessions => {
                self.broker.restart(self.now, Sessions::Lose);
                self.lose();
            }
            _ => self.lose(),
        }
        self.drain();
    }

    /// Without further faults everything comes to an end.
    fn settle(&mut self) {
        for _ in 0..20_000 {
            if !self.exchange() && !self.take_messages(usize::MAX) {
                let resolved = self.published.keys().all(|token| self.outcomes.contains_key(token));
                if resolved && self.client.state() == State::Connected && self.client.in_flight() == 0 {
                    return;
                }
                self.pass_time();
            }
        }
        panic!("livelock: {:?}, {} of {} resolved", self.client, self.outcomes.len(), self.published.len());
    }

    fn copies(&self, number: usize) -> usize {
        self.received.iter().filter(|received| **received == number).count()
    }

    /// What the specification promises while the session lives.
    fn check_delivery(&self) {
        for (token, (number, qos)) in &self.published {
            let (copies, outcome) = (self.copies(*number), &self.outcomes[token]);
            match qos {
                QoS::AtMostOnce => assert!(copies <= 1, "QoS 0 came {copies} times"),
                QoS::AtLeastOnce => {
                    assert!(copies >= 1 && outcome.is_ok(), "{number}: {copies} copies, {outcome:?}");
                }
                QoS::ExactlyOnce => {
                    assert!(copies == 1 && outcome.is_ok(), "{number}: {copies} copies, {outcome:?}");
                }
            }
        }
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let sent: Vec<_> =
                self.published.values().filter(|(_, of)| *of == qos).map(|(number, _)| *number).collect();
            let mut first_copies = Vec::new();
            for number in self.received.iter().filter(|number| sent.contains(number)) {
                if !first_copies.contains(number) {
                    first_copies.push(*number);
                }
            }
            assert_eq!(first_copies, sent, "the order of first copies of {qos:?}");
        }
    }

    fn end(&mut self) {
        self.client.disconnect(self.now, Disconnect::default()).unwrap();
        for _ in 0..100 {
            if !self.exchange() {
                self.pass_time();
            }
        }
        assert_eq!(self.client.state(), State::Closed);
        assert_eq!(self.client.poll_timeout(), None);
    }
}

fn lost() -> Lost {
    Lost { kind: LostKind::Io, detail: "".into() }
}

fn run(seed: u64, server: Server) -> Pair {
    let mut pair = Pair::new(seed, server);
    pair.drain();
    for _ in 0..STEPS {
        pair.step();
    }
    pair.settle();
    pair
}

fn seeds() -> Vec<u64> {
    let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    chosen.map_or_else(|| (0..SEEDS).collect(), |seed| vec![seed])
}

// R: PUB-02, REC-04, REC-08, SUB-06
#[test]
fn while_the_session_lives_every_quality_of_service_is_kept() {
    let (mut losses, mut messages) = (0, 0);
    for seed in seeds() {
        let _named = Named(seed);
        let mut pair = run(seed, Server::KeepsSessions);
        pair.check_delivery();
        pair.end();
        losses += pair.losses;
        messages += pair.received.len();
    }
    assert!(
        seeds().len() == 1 || (losses > 1_000 && messages > 5_000),
        "{losses} losses, {messages} messages"
    );
}

// R: REC-03, REC-05, REC-08
#[test]
fn when_sessions_are_lost_everything_resolves_and_subscriptions_come_back() {
    for seed in seeds() {
        let _named = Named(seed);
        let mut pair = run(seed, Server::ForgetsSessions);
        for (token, (number, qos)) in &pair.published {
            match qos {
                QoS::AtLeastOnce => assert_eq!(pair.outcomes[token], Ok(()), "{number}"),
                QoS::ExactlyOnce => assert!(
                    matches!(pair.outcomes[token], Ok(()) | Err(OperationError::SessionLost)),
                    "{number}"
                ),
                QoS::AtMostOnce => {}
            }
        }
        let last = pair.numbers;
        pair.publish(QoS::ExactlyOnce);
        pair.settle();
        assert_eq!(pair.copies(last), 1, "the subscription was restored");
        pair.end();
    }
}
