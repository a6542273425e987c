//! What goes the quick way: nobody can tell that it did.

use proptest::prelude::*;

use super::*;
use crate::config::QueuePolicy;
use crate::error::PublishError;

#[derive(Debug, Clone)]
struct Message {
    topic: &'static str,
    size: usize,
    qos: QoS,
    /// What it has besides, if anything: retain, a deadline, a property, a topic alias, or being queued again.
    extra: u8,
    /// By `publish_unreported`, if it can be.
    unreported: bool,
}

#[derive(Debug, Clone)]
enum Operation {
    Publish(Message),
    Subscribe,
    Write(usize),
    Acknowledge,
    Cancel(usize),
    Advance(u64),
    Reconnect(bool),
    Rest,
    Disconnect,
}

fn message() -> impl Strategy<Value = Message> {
    let topic = prop_oneof![
        12 => prop_oneof![Just("a/b"), Just("sensors/house/0001/t"), Just("c d"), Just("\u{e4}")],
        1 => prop_oneof![Just(""), Just("+"), Just("a\0")],
    ];
    let size = prop_oneof![4 => 0..200_usize, 1 => 900..1_200_usize];
    let qos =
        prop_oneof![3 => Just(QoS::AtMostOnce), 2 => Just(QoS::AtLeastOnce), 1 => Just(QoS::ExactlyOnce)];
    let extra = prop_oneof![6 => Just(0_u8), 1 => 1..=5_u8];
    (topic, size, qos, extra, any::<bool>()).prop_map(|(topic, size, qos, extra, unreported)| Message {
        topic,
        size,
        qos,
        extra,
        unreported,
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        24 => message().prop_map(Operation::Publish),
        1 => Just(Operation::Subscribe),
        6 => (0..4_000_usize).prop_map(Operation::Write),
        5 => Just(Operation::Acknowledge),
        1 => any::<usize>().prop_map(Operation::Cancel),
        1 => (0..20_u64).prop_map(Operation::Advance),
        1 => any::<bool>().prop_map(Operation::Reconnect),
        1 => Just(Operation::Rest),
        1 => Just(Operation::Disconnect),
    ]
}

/// A client, and whether it may go the quick way: it does not where every packet is reported.
struct Client {
    rig: Rig,
    accepted: Vec<Token>,
    limits: Vec<Property<'static>>,
}

impl Client {
    fn new(config: Config, limits: Vec<Property<'static>>) -> Self {
        Self { rig: Rig::connected_to(config, &limits), accepted: Vec::new(), limits }
    }

    fn publish(&mut self, message: &Message) -> Result<Token, PublishError> {
        let Message { topic, size, qos, extra, unreported } = *message;
        let (payload, expiry) = (vec![b'x'; size], properties(&[Property::MessageExpiryInterval(9)]));
        let publish = Publish::new(topic, &payload).qos(qos).retain(extra == 1).requeue(extra == 2);
        let publish = match extra {
            3 => publish.deadline(seconds(5)),
            4 => publish.properties(expiry.as_properties()),
            5 => publish.topic_alias(1),
            _ => publish,
        };
        let Rig { connection, now, .. } = &mut self.rig;
        if unreported && let Some(sent) = connection.publish_unreported(*now, &publish) {
            return Ok(sent.token());
        }
        connection.publish(*now, publish)
    }

    /// What can be seen of it from outside.
    fn run(&mut self, operation: &Operation) -> (String, Vec<u8>) {
        let mut result = String::new();
        match operation {
            Operation::Publish(message) => {
                let published = self.publish(message);
                result = format!("{published:?}");
                self.accepted.extend(published);
            }
            Operation::Subscribe if self.may_subscribe() => drop(self.rig.subscribe(&["f"])),
            Operation::Write(most) => self.rig.write(*most),
            Operation::Acknowledge => self.acknowledge(),
            Operation::Cancel(at) if !self.accepted.is_empty() => {
                let token = self.accepted[at % self.accepted.len()];
                result = format!("{:?}", self.rig.connection.cancel(self.rig.now, token));
            }
            Operation::Advance(time) => {
                self.rig.advance(seconds(*time));
                self.rig.connection.handle_timeout(self.rig.now);
            }
            Operation::Reconnect(session_present) if self.rig.connection.phase.is_up() => {
                self.rig.pump();
                self.rig.wire.clear();
                if !self.rig.connection.is_ending() {
                    self.rig.lose();
                    self.rig.connection.connect(self.rig.now);
                    self.rig.accept(*session_present, properties(&self.limits).as_properties());
                }
            }
            Operation::Rest => self.rig.connection.release_memory(),
            Operation::Disconnect if self.accepted.len() > 60 => {
                self.rig.connection.disconnect(self.rig.now, Disconnect::default()).unwrap();
            }
            _ => {}
        }
        let connection = &mut self.rig.connection;
        let state =
            (connection.state(), connection.queued(), connection.in_flight(), connection.last_packet_id());
        let sent = connection.statistics().packets_sent;
        let events = self.rig.events();
        let is_seen = |event: &&Event| !matches!(event, Event::PacketSent(_) | Event::PacketReceived(_));
        let events: Vec<_> = events.iter().filter(is_seen).collect();
        let wire = std::mem::take(&mut self.rig.wire);
        (format!("{result} {state:?} {sent} {events:?}"), wire)
    }

    fn may_subscribe(&self) -> bool {
        self.rig.connection.has_room() && !self.rig.connection.is_ending()
    }

    /// The server acknowledges some of what was sent, in the shortest form or in another.
    fn acknowledge(&mut self) {
        for id in 1..=9 {
            let entry = self.rig.connection.in_flight.table.get(id);
            let Some(entry) = entry.filter(|entry| entry.sent && self.rig.connection.phase.is_up()) else {
                continue;
            };
            let awaited = [PacketType::PubAck, PacketType::PubRec, PacketType::PubComp];
            let Some(packet) = awaited.into_iter().rev().find(|packet| entry.stage.awaits(*packet)) else {
                continue;
            };
            let is_other = id % 3 == 0 && packet == PacketType::PubAck;
            let reason = if is_other { ReasonCode::NO_MATCHING_SUBSCRIBERS } else { ReasonCode::SUCCESS };
            self.rig.ack(packet, id, reason);
        }
    }
}

fn policy() -> impl Strategy<Value = QueuePolicy> {
    use QueuePolicy::{DropNewest, DropOldest, LatestPerTopic, Reject, Wait};
    prop_oneof![Just(Wait), Just(Reject), Just(DropOldest), Just(DropNewest), Just(LatestPerTopic)]
}

fn limits() -> impl Strategy<Value = Vec<Property<'static>>> {
    let size = prop_oneof![Just(100_u32), Just(1_000), Just(1_024), Just(100_000)];
    let limit = prop_oneof![
        size.prop_map(Property::MaximumPacketSize),
        (1..5_u16).prop_map(Property::ReceiveMaximum),
        Just(Property::RetainAvailable(false)),
        Just(Property::TopicAliasMaximum(1)),
        Just(Property::MaximumQoS(QoS::AtLeastOnce)),
    ];
    prop::collection::vec(limit, 0..2)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    // R: PUB-01
    #[test]
    fn a_client_that_goes_it_does_what_another_does(
        operations in prop::collection::vec(operation(), 1..120),
        bounds in (prop_oneof![Just(1_usize), 1..3_000_usize, Just(1 << 20)], 1..40_usize, 500..20_000_usize),
        queue_policy in policy(),
        limits in limits(),
    ) {
        let (send_buffer, queue_limit, queue_bytes) = bounds;
        let config = || Config { queue_limit, queue_bytes, queue_policy, send_buffer, ..config() };
        let mut client = Client::new(config(), limits.clone());
        let mut other = Client::new(Config { packet_events: true, ..config() }, limits);
        for mut operation in operations {
            // What is reported packet by packet is not encoded ahead.
            if let Operation::Publish(message) = &mut operation {
                message.unreported &= send_buffer == 1 << 20;
            }
            prop_assert_eq!(client.run(&operation), other.run(&operation));
        }
    }
}
