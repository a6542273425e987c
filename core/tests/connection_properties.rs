//! Properties of the state machine: no bytes and no order of calls do any harm, and how the stream is split does not
//! matter.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;
use sterna_core::packet::{
    Ack, ConnAck, FiltersBuf, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, Properties, PropertiesBuf,
    Property, ProtocolVersion, QoS, ReasonCode, ReasonCodes, SubAck, SubscribeFilter, SubscribeOptions,
    TopicFiltersBuf, UnsubAck,
};
use sterna_core::{
    Acknowledge, Action, Attempt, Auth, Authentication, Backlog, ClientId, Config, ConnectOverrides,
    Connection, Disconnect, Event, Ingress, Instant, Lost, LostKind, Message, MessageId, Publish,
    QueuePolicy, State, Subscribe, Token, TopicAliases, Transmit, Unsubscribe, VersionPolicy,
};

const METHOD: &str = "M";
const QUEUE_LIMIT: usize = 6;
const QUEUE_BYTES: usize = 4_000;
const SEND_BUFFER: usize = 200;
const INCOMING_LIMIT: usize = 3;
const INCOMING_RESERVE: usize = 2_000;
/// No packet of these tests is larger.
const LARGEST: usize = 400;

fn config(cases: u32) -> ProptestConfig {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../proptest-regressions/connection_properties.txt");
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(path))),
        ..ProptestConfig::default()
    }
}

/// What a server sends; identifiers are few, so that they meet.
#[derive(Debug, Clone)]
enum FromServer {
    Accepted { session_present: bool, limits: u8 },
    Refused,
    Ack(PacketType, u16, bool),
    SubAck(u16, usize),
    UnsubAck(u16, usize),
    Publish { qos: QoS, packet_id: u16, duplicate: bool, alias: Option<u16>, topic: bool, size: usize },
    PingResp,
    Auth { success: bool, right: bool },
    Disconnect,
    Bytes(Vec<u8>),
}

impl FromServer {
    /// `method`: there is enhanced authentication.
    fn encode(&self, version: ProtocolVersion, method: bool, out: &mut Vec<u8>) {
        let v5 = version == ProtocolVersion::V5;
        let mut properties = PropertiesBuf::new();
        let codes = [0; 4];
        let packet = match self {
            Self::Bytes(bytes) => return out.extend_from_slice(bytes),
            Self::Accepted { session_present, limits } => {
                if v5 {
                    push_limits(*limits, &mut properties);
                }
                if method {
                    properties.push(Property::AuthenticationMethod(METHOD)).unwrap();
                }
                let (session_present, reason) = (*session_present, ReasonCode::SUCCESS);
                Packet::ConnAck(ConnAck { session_present, reason, properties: properties.as_properties() })
            }
            Self::Refused => Packet::ConnAck(ConnAck {
                session_present: false,
                reason: ReasonCode::SERVER_UNAVAILABLE,
                properties: Properties::EMPTY,
            }),
            Self::Ack(packet_type, packet_id, refused) => ack(*packet_type, *packet_id, *refused && v5),
            Self::SubAck(packet_id, count) => Packet::SubAck(SubAck {
                packet_id: *packet_id,
                properties: Properties::EMPTY,
                reasons: ReasonCodes::new(&codes[..*count], PacketType::SubAck, version).unwrap(),
            }),
            Self::UnsubAck(packet_id, count) => Packet::UnsubAck(UnsubAck {
                packet_id: *packet_id,
                properties: Properties::EMPTY,
                reasons: ReasonCodes::new(
                    &codes[..if v5 { *count } else { 0 }],
                    PacketType::UnsubAck,
                    version,
                )
                .unwrap(),
            }),
            Self::Publish { qos, packet_id, duplicate, alias, topic, size } => {
                let alias = alias.filter(|_| v5);
                if let Some(alias) = alias {
                    properties.push(Property::TopicAlias(alias)).unwrap();
                }
                Packet::Publish(sterna_core::packet::Publish {
                    duplicate: *duplicate && *qos != QoS::AtMostOnce,
                    qos: *qos,
                    retain: false,
                    topic: if alias.is_some() && !topic { "" } else { "t" },
                    packet_id: if *qos == QoS::AtMostOnce { 0 } else { *packet_id },
                    properties: properties.as_properties(),
                    payload: &[7; LARGEST][..*size],
                })
            }
            Self::PingResp => Packet::PingResp,
            Self::Auth { .. } | Self::Disconnect if !v5 => Packet::PingResp,
            Self::Auth { success, right } => {
                let method = if *right { METHOD } else { "other" };
                properties.push(Property::AuthenticationMethod(method)).unwrap();
                let reason = if *success { ReasonCode::SUCCESS } else { ReasonCode::CONTINUE_AUTHENTICATION };
                Packet::Auth(sterna_core::packet::Auth { reason, properties: properties.as_properties() })
            }
            Self::Disconnect => Packet::Disconnect(sterna_core::packet::Disconnect {
                reason: ReasonCode::SERVER_SHUTTING_DOWN,
                properties: Properties::EMPTY,
            }),
        };
        packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, out).unwrap();
    }
}

fn waiting(messages: usize) -> Backlog {
    Backlog { messages, bytes: messages * 100, ..Backlog::default() }
}

fn ack(packet_type: PacketType, packet_id: u16, refused: bool) -> Packet<'static> {
    let refusing = matches!(packet_type, PacketType::PubAck | PacketType::PubRec);
    let reason = if refused && refusing { ReasonCode::QUOTA_EXCEEDED } else { ReasonCode::SUCCESS };
    let ack = Ack { packet_id, reason, properties: Properties::EMPTY };
    match packet_type {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        _ => Packet::PubComp(ack),
    }
}

fn push_limits(bits: u8, properties: &mut PropertiesBuf) {
    let limits = [
        Property::ReceiveMaximum(1),
        Property::MaximumQoS(QoS::AtMostOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(30),
        Property::WildcardSubscriptionAvailable(false),
        Property::ServerKeepAlive(1),
        Property::SessionExpiryInterval(1),
        Property::MaximumPacketSize(1),
    ];
    for (bit, limit) in limits.into_iter().enumerate() {
        if bits & 1 << bit != 0 {
            // The last one may be there already.
            let _ = properties.push(limit);
        }
    }
    properties.push(Property::TopicAliasMaximum(2)).unwrap();
}

fn from_server() -> impl Strategy<Value = FromServer> {
    let acks = [PacketType::PubAck, PacketType::PubRec, PacketType::PubRel, PacketType::PubComp];
    let qos = prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    let alias = prop_oneof![3 => Just(None), 1 => (1u16..4).prop_map(Some)];
    let limits = prop_oneof![3 => Just(0u8), 1 => any::<u8>()];
    prop_oneof![
        4 => (any::<bool>(), limits)
            .prop_map(|(session_present, limits)| FromServer::Accepted { session_present, limits }),
        1 => Just(FromServer::Refused),
        8 => (prop::sample::select(acks.to_vec()), 1u16..8, prop::bool::weighted(0.2))
            .prop_map(|(packet, id, refused)| FromServer::Ack(packet, id, refused)),
        3 => (1u16..8, 1usize..3).prop_map(|(id, count)| FromServer::SubAck(id, count)),
        2 => (1u16..8, 1usize..3).prop_map(|(id, count)| FromServer::UnsubAck(id, count)),
        8 => (qos, 1u16..8, any::<bool>(), alias, any::<bool>(), 0usize..300).prop_map(
            |(qos, packet_id, duplicate, alias, topic, size)| FromServer::Publish {
                qos, packet_id, duplicate, alias, topic, size
            }
        ),
        2 => Just(FromServer::PingResp),
        3 => (prop::bool::weighted(0.4), prop::bool::weighted(0.9))
            .prop_map(|(success, right)| FromServer::Auth { success, right }),
        1 => Just(FromServer::Disconnect),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(FromServer::Bytes),
    ]
}

/// What a publish has besides; times are in milliseconds.
#[derive(Debug, Clone)]
struct Limits {
    topic: usize,
    alias: Option<u16>,
    deadline: Option<u16>,
    expiry: Option<u32>,
    requeue: bool,
}

fn limits() -> impl Strategy<Value = Limits> {
    let rarely = |range: std::ops::Range<u16>| prop_oneof![3 => Just(None), 1 => range.prop_map(Some)];
    (0usize..3, rarely(1..4), rarely(0..3_000), rarely(0..4), prop::bool::weighted(0.3)).prop_map(
        |(topic, alias, deadline, expiry, requeue)| Limits {
            topic,
            alias,
            deadline,
            expiry: expiry.map(u32::from),
            requeue,
        },
    )
}

/// What a user or a driver does.
#[derive(Debug, Clone)]
enum Call {
    Publish { qos: u8, size: usize, retain: bool, valid: bool, limits: Limits },
    Subscribe(bool, usize, Option<u16>),
    Cancel(Index),
    Unsubscribe,
    Acknowledge(Index, bool),
    Authenticate(bool),
    Reauthenticate,
    Connect,
    Reconnect,
    Disconnect(bool),
    Act,
    Up(bool),
    Down(bool),
    Input(FromServer),
    Transmit,
    Written(usize),
    Time(u64),
    Take(usize),
    Backlog(usize),
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        10 => (0u8..3, 0usize..200, any::<bool>(), prop::bool::weighted(0.9), limits())
            .prop_map(|(qos, size, retain, valid, limits)| Call::Publish { qos, size, retain, valid, limits }),
        3 => (any::<bool>(), 1usize..4, prop::option::weighted(0.3, 0u16..3_000))
            .prop_map(|(wildcard, filters, deadline)| Call::Subscribe(wildcard, filters, deadline)),
        3 => any::<Index>().prop_map(Call::Cancel),
        2 => Just(Call::Unsubscribe),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(index, refuse)| Call::Acknowledge(index, refuse)),
        4 => prop::bool::weighted(0.1).prop_map(Call::Authenticate),
        2 => Just(Call::Reauthenticate),
        2 => Just(Call::Connect),
        1 => Just(Call::Reconnect),
        1 => any::<bool>().prop_map(Call::Disconnect),
        6 => Just(Call::Act),
        6 => prop::bool::weighted(0.9).prop_map(Call::Up),
        2 => prop::bool::weighted(0.8).prop_map(Call::Down),
        24 => from_server().prop_map(Call::Input),
        8 => Just(Call::Transmit),
        6 => (0usize..300).prop_map(Call::Written),
        5 => prop_oneof![0u64..2_000_000, Just(60_000_000), Just(4_000_000_000)].prop_map(Call::Time),
        5 => (0usize..4).prop_map(Call::Take),
        1 => (0usize..5).prop_map(Call::Backlog),
    ]
}

fn lost() -> Lost {
    Lost { kind: LostKind::Io, detail: "".into() }
}

/// Options that change what happens to operations.
#[derive(Debug, Clone, Copy)]
struct Choices {
    queue_policy: QueuePolicy,
    topic_alias: TopicAliases,
    subscribe_batch: usize,
    authenticates: bool,
}

const PLAIN: Choices = Choices {
    queue_policy: QueuePolicy::Wait,
    topic_alias: TopicAliases::Manual,
    subscribe_batch: 0,
    authenticates: false,
};

fn choices() -> impl Strategy<Value = Choices> {
    let policies =
        [QueuePolicy::Wait, QueuePolicy::DropOldest, QueuePolicy::DropNewest, QueuePolicy::LatestPerTopic];
    let aliases = [TopicAliases::Manual, TopicAliases::Use, TopicAliases::Assign];
    (
        prop::sample::select(policies.to_vec()),
        prop::sample::select(aliases.to_vec()),
        0usize..3,
        any::<bool>(),
    )
        .prop_map(|(queue_policy, topic_alias, subscribe_batch, authenticates)| Choices {
            queue_policy,
            topic_alias,
            subscribe_batch,
            authenticates,
        })
}

struct World {
    connection: Connection,
    version: ProtocolVersion,
    /// Enhanced authentication is on.
    method: bool,
    now: Instant,
    attempt: Option<Attempt>,
    /// There is a network connection, or one is being made.
    open: bool,
    transmit: Transmit,
    input: BytesMut,
    pending: BTreeSet<Token>,
    /// Re-authentications: they cannot be cancelled.
    exchanges: BTreeSet<Token>,
    ids: Vec<MessageId>,
}

impl World {
    fn new(version: ProtocolVersion, acknowledge: Acknowledge, choices: Choices) -> Self {
        let Choices { queue_policy, topic_alias, subscribe_batch, authenticates } = choices;
        let method = authenticates && version == ProtocolVersion::V5;
        let authentication = Authentication { method: METHOD.into(), data: None };
        let mut config = Config {
            queue_policy,
            topic_alias,
            subscribe_batch,
            version: VersionPolicy::Only(version),
            client_id: ClientId::Given("anna".into()),
            queue_limit: QUEUE_LIMIT,
            queue_bytes: QUEUE_BYTES,
            send_buffer: SEND_BUFFER,
            in_flight_limit: 4,
            receive_maximum: 5,
            incoming_limit: INCOMING_LIMIT,
            incoming_reserve: INCOMING_RESERVE,
            packet_events: true,
            acknowledge,
            authentication: method.then(|| Box::new(authentication)),
            servers: 2,
            redirects: 2,
            ..Config::new(1)
        };
        config.reconnect.first = true;
        let now = Instant::from_micros(5);
        Self {
            connection: Connection::new(config, now).unwrap(),
            version,
            method,
            now,
            attempt: None,
            open: false,
            transmit: Transmit::new(),
            input: BytesMut::new(),
            pending: BTreeSet::new(),
            exchanges: BTreeSet::new(),
            ids: Vec::new(),
        }
    }

    fn call(&mut self, call: &Call) {
        match call {
            Call::Publish { qos, size, retain, valid, limits } => {
                let topic = if *valid { ["t", "u", ""][limits.topic] } else { "#" };
                let publish = Publish::new(topic, vec![1; *size]).qos(QoS::try_from(*qos).unwrap());
                self.publish(publish.retain(*retain), limits);
            }
            Call::Subscribe(wildcard, count, deadline) => self.subscribe(*wildcard, *count, *deadline),
            Call::Unsubscribe => self.unsubscribe("a"),
            Call::Cancel(index) => self.cancel(*index),
            Call::Acknowledge(index, refuse) => {
                if let Some(id) = (!self.ids.is_empty()).then(|| *index.get(&self.ids)) {
                    let reason = if *refuse { ReasonCode::UNSPECIFIED_ERROR } else { ReasonCode::SUCCESS };
                    let _ = self.connection.acknowledge(self.now, id, reason);
                }
            }
            Call::Authenticate(refuse) => self.authenticate(*refuse),
            Call::Reauthenticate => {
                let token = self.connection.reauthenticate(self.now, Auth::default()).ok();
                self.pending.extend(token);
                self.exchanges.extend(token);
            }
            Call::Connect => self.connection.connect(self.now),
            Call::Reconnect => self.connection.reconnect(self.now),
            Call::Disconnect(at_once) => {
                let disconnect = Disconnect { at_once: *at_once, ..Disconnect::default() };
                self.connection.disconnect(self.now, disconnect).unwrap();
            }
            Call::Act => self.act(),
            Call::Up(right) => self.up(*right),
            Call::Down(right) => self.down(*right),
            Call::Input(packet) => {
                let mut bytes = Vec::new();
                packet.encode(self.version, self.method, &mut bytes);
                // A driver does not read while it is told to pause.
                if self.input.len() < 4 * LARGEST {
                    self.input.extend_from_slice(&bytes);
                }
                self.connection.handle_input(self.now, &mut self.input);
            }
            Call::Transmit => {
                self.connection.poll_transmit(self.now, &mut self.transmit);
            }
            Call::Written(bytes) => {
                let bytes = (*bytes).min(self.transmit.remaining());
                self.transmit.advance(bytes);
                self.connection.handle_written(self.now, bytes);
            }
            Call::Time(micros) => {
                self.now = self.now + Duration::from_micros(*micros);
                self.connection.handle_timeout(self.now);
                let next = self.connection.poll_timeout();
                assert!(next.is_none_or(|(at, _)| at > self.now), "{next:?} is not after {:?}", self.now);
            }
            Call::Take(count) => {
                let take = || self.connection.poll_message();
                let taken: Vec<_> = std::iter::from_fn(take).take(*count).collect();
                self.ids.extend(taken.iter().filter_map(Message::id));
            }
            Call::Backlog(messages) => self.connection.handle_backlog(waiting(*messages)),
        }
        self.check();
    }

    fn publish(&mut self, publish: Publish<'_>, limits: &Limits) {
        let mut properties = PropertiesBuf::new();
        if let Some(expiry) = limits.expiry.filter(|_| self.version == ProtocolVersion::V5) {
            properties.push(Property::MessageExpiryInterval(expiry)).unwrap();
        }
        let publish = Publish {
            topic_alias: limits.alias,
            deadline: limits.deadline.map(|millis| Duration::from_millis(millis.into())),
            requeue: limits.requeue,
            properties: properties.as_properties(),
            ..publish
        };
        self.pending.extend(self.connection.publish(self.now, publish).ok());
    }

    fn subscribe(&mut self, wildcard: bool, count: usize, deadline: Option<u16>) {
        let mut filters = FiltersBuf::new();
        let names = if wildcard { ["a/#", "b/#", "c/#"] } else { ["a", "b", "c"] };
        for filter in &names[..count] {
            filters.push(SubscribeFilter { filter, options: SubscribeOptions::default() }).unwrap();
        }
        let deadline = deadline.map(|millis| Duration::from_millis(millis.into()));
        let subscribe = Subscribe { deadline, ..Subscribe::new(filters.as_filters()) };
        self.pending.extend(self.connection.subscribe(self.now, subscribe).ok());
    }

    fn cancel(&mut self, index: Index) {
        let pending: Vec<_> = self.pending.difference(&self.exchanges).copied().collect();
        if !pending.is_empty() {
            let token = *index.get(&pending);
            self.connection.cancel(self.now, token).expect("what has not ended can be cancelled");
            self.check();
            assert!(!self.pending.contains(&token), "it ends at once");
            self.connection.cancel(self.now, token).unwrap_err();
        }
    }

    fn unsubscribe(&mut self, filter: &str) {
        let mut filters = TopicFiltersBuf::new();
        filters.push(filter).unwrap();
        let unsubscribe = Unsubscribe::new(filters.as_filters());
        self.pending.extend(self.connection.unsubscribe(self.now, unsubscribe).ok());
    }

    fn authenticate(&mut self, refuse: bool) {
        let attempt = self.connection.attempt();
        let _ = if refuse {
            self.connection.refuse_authentication(self.now, attempt, ReasonCode::UNSPECIFIED_ERROR)
        } else {
            self.connection.authenticate(self.now, attempt, Auth::default())
        };
    }

    fn act(&mut self) {
        match self.connection.poll_action() {
            Some(Action::Connect { attempt, .. }) => {
                assert!(!self.open, "one network connection at a time");
                self.attempt = Some(attempt);
                self.open = true;
            }
            Some(Action::Close { attempt }) => {
                assert!(self.open && self.attempt == Some(attempt));
                self.down(true);
            }
            None => {}
        }
    }

    fn up(&mut self, right: bool) {
        let Some(attempt) = self.attempt.filter(|_| self.open || !right) else { return };
        if right {
            self.connection.handle_connected(self.now, attempt, ConnectOverrides::default());
        } else if !self.open {
            self.connection.handle_disconnected(self.now, attempt, lost());
        }
    }

    fn down(&mut self, right: bool) {
        let Some(attempt) = self.attempt.filter(|_| self.open) else { return };
        if right {
            self.open = false;
            self.input.clear();
            self.connection.handle_disconnected(self.now, attempt, lost());
            self.transmit.clear();
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Published { token, .. }
                | Event::Subscribed { token, .. }
                | Event::Reauthenticated { token, .. }
                | Event::Unsubscribed { token, .. } => {
                    assert!(self.pending.remove(&token), "{token:?} was resolved twice");
                }
                Event::Closed { .. } => assert!(self.pending.is_empty(), "{:?} hang", self.pending),
                _ => {}
            }
        }
        let controls = QUEUE_BYTES / 64 + 2;
        assert!(self.connection.queued() <= QUEUE_LIMIT + 4 + controls);
        // On 3.x a server may leave as many answers unread as there are packet identifiers.
        let answers = if self.version == ProtocolVersion::V5 { 0 } else { 5 * usize::from(u16::MAX) };
        assert!(self.transmit.remaining() <= 3 * SEND_BUFFER + 2 * LARGEST + answers);
    }

    /// However it stands, the client can be ended, and everything resolves.
    fn end(&mut self) {
        let disconnect = Disconnect { at_once: true, ..Disconnect::default() };
        self.connection.disconnect(self.now, disconnect).unwrap();
        self.check();
        for _ in 0..3 {
            self.act();
            self.check();
        }
        let ended = matches!(self.connection.state(), State::Closed);
        assert!(ended && self.pending.is_empty(), "{:?}: {:?} hang", self.connection, self.pending);
        assert_eq!(self.connection.poll_timeout(), None);
        let unread = std::iter::from_fn(|| self.connection.poll_message()).count();
        assert!(unread <= INCOMING_LIMIT + INCOMING_RESERVE / 128 + 1, "{unread} were unread");
    }
}

proptest! {
    #![proptest_config(config(300))]

    // R: REC-08, PUB-02
    #[test]
    fn no_order_of_calls_does_any_harm(
        version in prop::sample::select(&[ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5][..]),
        explicit in any::<bool>(),
        choices in choices(),
        calls in prop::collection::vec(call(), 0..150),
    ) {
        let acknowledge = if explicit { Acknowledge::Explicit } else { Acknowledge::WhenPolled };
        let mut world = World::new(version, acknowledge, choices);
        for setup in [Call::Connect, Call::Act, Call::Up(true)] {
            world.call(&setup);
        }
        let accepted = FromServer::Accepted { session_present: false, limits: 0 };
        world.call(&Call::Input(accepted));
        if world.method {
            world.call(&Call::Authenticate(false));
        }
        for call in &calls {
            world.call(call);
        }
        world.end();
    }
}

/// All that a connection makes of a stream that comes in these pieces.
fn outcome(
    version: ProtocolVersion,
    pieces: &[&[u8]],
) -> (Vec<Event>, Vec<Message>, Vec<u8>, Option<Ingress>) {
    let mut world = World::new(version, Acknowledge::Explicit, PLAIN);
    let (connection, now) = (&mut world.connection, world.now);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce] {
        connection.publish(now, Publish::new("t", "").qos(qos)).unwrap();
    }
    connection.connect(now);
    let Some(Action::Connect { attempt, .. }) = connection.poll_action() else { panic!() };
    connection.handle_connected(now, attempt, ConnectOverrides::default());
    let mut input = BytesMut::new();
    let mut ingress = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        ingress = Some(connection.handle_input(now, &mut input));
    }
    let events = std::iter::from_fn(|| connection.poll_event()).collect();
    let messages = std::iter::from_fn(|| connection.poll_message()).collect();
    let mut out = Transmit::new();
    connection.poll_transmit(now, &mut out);
    let length = out.remaining();
    (events, messages, out.copy_to_bytes(length).to_vec(), ingress)
}

proptest! {
    #![proptest_config(config(300))]

    // R: SUB-08
    #[test]
    fn how_the_stream_is_split_does_not_matter(
        version in prop::sample::select(&[ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5][..]),
        accepted in prop::bool::weighted(0.9),
        packets in prop::collection::vec(from_server(), 0..30),
        cuts in prop::collection::vec(any::<Index>(), 0..40),
    ) {
        let mut stream = Vec::new();
        if accepted {
            FromServer::Accepted { session_present: false, limits: 0 }.encode(version, false, &mut stream);
        }
        for packet in &packets {
            packet.encode(version, false, &mut stream);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for end in cuts.into_iter().chain([stream.len()]) {
            pieces.push(&stream[start..end]);
            start = end;
        }
        prop_assert_eq!(outcome(version, &pieces), outcome(version, &[&stream]));
    }
}
