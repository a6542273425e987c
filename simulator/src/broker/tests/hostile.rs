//! Damaged packets at any time: no panic, no growth, and the same again from the same seed.

use sterna_core::packet::{Packet, Property, QoS};

use super::*;

/// A small generator of reproducible numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

/// Well-formed packets of a client, for one version.
fn corpus(version: ProtocolVersion) -> Vec<Vec<u8>> {
    let alias = properties(&[Property::TopicAlias(1), Property::MessageExpiryInterval(3)]);
    let stays = properties(&[Property::SessionExpiryInterval(5), Property::ReceiveMaximum(2)]);
    let in_v5 = |properties| if version == V5 { properties } else { Properties::EMPTY };
    let mut filters = FiltersBuf::default();
    for filter in ["a/#", "$share/g/a/+", "b"] {
        let options = SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() };
        filters.push(SubscribeFilter { filter, options }).expect("a valid filter");
    }
    let mut topics = TopicFiltersBuf::default();
    topics.push("b").expect("a valid filter");
    let connect =
        Connect { clean_start: false, properties: in_v5(stays.as_properties()), ..connect(version, "c") };
    let aliased = Publish { properties: in_v5(alias.as_properties()), ..publish("a/b", "payload", 1, 3) };
    let mut packets = vec![
        Packet::Connect(connect),
        Packet::Subscribe(Subscribe {
            packet_id: 1,
            properties: Properties::EMPTY,
            filters: filters.as_filters(),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: 2,
            properties: Properties::EMPTY,
            filters: topics.as_filters(),
        }),
        Packet::Publish(aliased),
        Packet::Publish(Publish { retain: true, ..publish("b", "retained", 2, 4) }),
        Packet::Publish(publish("a/c", "", 0, 0)),
        Packet::PingReq,
        goodbye(),
    ];
    for id in 1..4 {
        packets.extend([
            Packet::PubAck(ack(id)),
            Packet::PubRec(ack(id)),
            Packet::PubRel(ack(id)),
            Packet::PubComp(ack(id)),
        ]);
    }
    let encode = |packet: &Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut bytes).expect("encodes");
        bytes
    };
    packets.iter().map(encode).collect()
}

/// All outputs of a run, and how it ended.
fn run(seed: u64) -> (Vec<u8>, Lab) {
    let mut random = Random(seed);
    let mut lab = Lab::with(Options {
        maximum_sessions: 3,
        maximum_unsent: 200,
        maximum_queued_messages: 5,
        maximum_in_flight: 5,
        maximum_retained_messages: 2,
        maximum_records: 10,
        ..Options::default()
    });
    let packets: Vec<_> = VERSIONS.iter().map(|version| corpus(*version)).collect();
    let mut all = Vec::new();
    for _ in 0..3000 {
        let id = random.below(4) as u64;
        let version = (id % 3) as usize;
        if lab.ends.get(&id).is_none_or(|end| end.is_closed) {
            lab.open(id, VERSIONS[version]);
            lab.input(id, &packets[version][0]);
        }
        let mut bytes = packets[version][random.below(packets[version].len())].clone();
        if random.below(8) == 0 {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        let (first, second) = bytes.split_at(random.below(bytes.len() + 1));
        lab.input(id, first);
        lab.input(id, second);
        match random.below(20) {
            0 => lab.pass_seconds(1),
            1 => lab.lose(id),
            2..7 => {}
            _ => all.extend(lab.received_bytes(id)),
        }
    }
    (all, lab)
}

#[test]
fn damaged_packets_neither_panic_nor_pile_up() {
    for seed in 1..=5 {
        let (bytes, lab) = run(seed);
        assert!(!bytes.is_empty(), "seed {seed}");
        let Broker { connections, sessions, records, .. } = &lab.broker;
        assert!(connections.len() <= 4 && sessions.len() <= 3, "seed {seed}");
        assert!(records.iter().count() <= 10, "seed {seed}");
        // One packet above the bound on unsent bytes, and what a subscription's retained messages add.
        assert!(connections.values().all(|connection| connection.outbox.len() < 1000), "seed {seed}");
        assert_eq!(run(seed).0, bytes, "seed {seed} gives other bytes the second time");
    }
}
