//! mqtt-protocol-core: its packets, and its `Connection`, which mqtt-endpoint-tokio is built on.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use bench_common::{PAYLOAD, TOPIC};
use mqtt_protocol_core::mqtt;
use mqtt_protocol_core::mqtt::prelude::*;

use mqtt::connection::Event;
use mqtt::packet::{
    ContentType, CorrelationData, MessageExpiryInterval, Packet, Property, Qos, ResponseTopic, UserProperty,
    v3_1_1, v5_0,
};

use crate::measured::{count, repeat};
use crate::message::{self, CONTENT_TYPE, CORRELATION, EXPIRY, LARGE_PAYLOAD, RESPONSE_TOPIC, USER_PROPERTY};
use crate::{
    DECODE_OWNED, DECODE_RICH, ENCODE, ENCODE_RICH, READ, RECEIVE_BATCH, RECEIVE_ONE, Run, SEND_BATCH,
    SEND_ONE, SENT,
};

type Connection = mqtt::Connection<mqtt::role::Client>;

pub(crate) const SCENARIOS: &[(&str, Run)] = &[
    (ENCODE, encode),
    (DECODE_OWNED, decode),
    (ENCODE_RICH, encode_rich),
    (DECODE_RICH, decode_rich),
    (SEND_BATCH, || send(SENT)),
    (SEND_ONE, || send(1)),
    (RECEIVE_BATCH, || receive(READ)),
    (RECEIVE_ONE, || receive(1)),
];

fn publish(qos: Qos, id: Option<u16>) -> v3_1_1::Publish {
    let builder =
        v3_1_1::Publish::builder().topic_name(TOPIC).expect("a topic").qos(qos).payload(&PAYLOAD[..]);
    let builder = match id {
        Some(id) => builder.packet_id(id),
        None => builder,
    };
    builder.build().expect("lawful")
}

/// What a packet has is copied to where the socket's bytes wait.
fn append(out: &mut Vec<u8>, packet: &impl GenericPacketTrait) {
    for part in packet.to_buffers() {
        out.extend_from_slice(&part);
    }
}

fn encode() -> u64 {
    let publish = publish(Qos::AtMostOnce, None);
    let mut out = Vec::with_capacity(4_096);
    repeat(1, |counts| {
        out.clear();
        count(counts, || append(&mut out, black_box(&publish)));
    })
}

/// Behind the fixed header, as its `Connection` has it.
fn body(packet: &[u8]) -> Arc<[u8]> {
    let header = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).expect("a length") + 1;
    packet[header..].into()
}

fn decode() -> u64 {
    let packet = message::plain(0, 0);
    repeat(1, |counts| {
        count(counts, || {
            black_box(v3_1_1::Publish::parse(0, body(black_box(&packet))).expect("lawful"));
        });
    })
}

fn encode_rich() -> u64 {
    let properties = vec![
        Property::MessageExpiryInterval(MessageExpiryInterval::new(EXPIRY).expect("lawful")),
        Property::ContentType(ContentType::new(CONTENT_TYPE).expect("lawful")),
        Property::ResponseTopic(ResponseTopic::new(RESPONSE_TOPIC).expect("lawful")),
        Property::CorrelationData(CorrelationData::new(CORRELATION.to_vec()).expect("lawful")),
        Property::UserProperty(UserProperty::new(USER_PROPERTY.0, USER_PROPERTY.1).expect("lawful")),
    ];
    let builder = v5_0::Publish::builder().topic_name(TOPIC).expect("a topic").qos(Qos::AtMostOnce);
    let publish = builder.props(properties).payload(LARGE_PAYLOAD).build().expect("lawful");
    let mut out = Vec::with_capacity(4_096);
    repeat(1, |counts| {
        out.clear();
        count(counts, || append(&mut out, black_box(&publish)));
    })
}

fn decode_rich() -> u64 {
    let packet = message::rich();
    repeat(1, |counts| {
        count(counts, || {
            black_box(v5_0::Publish::parse(0, body(black_box(&packet))).expect("lawful"));
        });
    })
}

fn connected() -> Connection {
    let mut connection = Connection::new(mqtt::Version::V3_1_1);
    connection.set_auto_pub_response(true);
    let connect = v3_1_1::Connect::builder().client_id("core").expect("a name").clean_session(true);
    connection.checked_send(connect.build().expect("lawful"));
    let events = connection.recv(&mut mqtt::common::Cursor::new(&[0x20, 2, 0, 0][..]));
    assert!(matches!(events[..], [Event::NotifyPacketReceived(Packet::V3_1_1Connack(_)), ..]), "connected");
    connection
}

fn transmit(connection: &mut Connection, publish: v3_1_1::Publish, out: &mut Vec<u8>) {
    for event in connection.checked_send(publish) {
        match event {
            Event::RequestSendPacket { packet, .. } => append(out, &packet),
            Event::NotifyError(error) => panic!("{error:?}"),
            _ => {}
        }
    }
}

fn send(batch: u64) -> u64 {
    let mut connection = connected();
    let mut out = Vec::with_capacity(64 * 1_024);
    repeat(batch, |counts| {
        out.clear();
        count(counts, || {
            (0..batch).for_each(|_| transmit(&mut connection, publish(Qos::AtMostOnce, None), &mut out));
        });
    })
}

/// Each call takes one packet.
fn receive(batch: u64) -> u64 {
    let mut connection = connected();
    let packet = message::plain(0, 0);
    let input: Vec<u8> = (0..batch).flat_map(|_| packet.clone()).collect();
    repeat(batch, |counts| {
        count(counts, || {
            let mut cursor = mqtt::common::Cursor::new(black_box(&input[..]));
            for _ in 0..batch {
                let events = connection.recv(&mut cursor);
                let is_message =
                    |event: &Event| matches!(event, Event::NotifyPacketReceived(Packet::V3_1_1Publish(_)));
                assert!(events.iter().any(is_message), "a message");
            }
        });
    })
}

pub(crate) fn in_flight(many: u16) -> u64 {
    let mut connection = connected();
    let mut out = Vec::with_capacity(64 * 1_024);
    let mut ids = VecDeque::new();
    for _ in 0..many {
        out.clear();
        let id = connection.acquire_packet_id().expect("one is free");
        transmit(&mut connection, publish(Qos::AtLeastOnce, Some(id)), &mut out);
        ids.push_back(id);
    }
    repeat(1, |counts| {
        let [high, low] = ids.pop_front().expect("in flight").to_be_bytes();
        out.clear();
        let id = count(counts, || {
            let events = connection.recv(&mut mqtt::common::Cursor::new(&[0x40, 2, high, low][..]));
            assert!(!events.iter().any(|event| matches!(event, Event::NotifyError(_))), "in flight");
            drop(events);
            let id = connection.acquire_packet_id().expect("one is free");
            transmit(&mut connection, publish(Qos::AtLeastOnce, Some(id)), &mut out);
            id
        });
        ids.push_back(id);
    })
}
