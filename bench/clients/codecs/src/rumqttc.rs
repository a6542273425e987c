//! rumqttc's codec, and its `MqttState` with the codec: what its event loop does between the channel and the socket.

use std::hint::black_box;

use bench_common::{PAYLOAD, TOPIC};
use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::v5;
use rumqttc::{MqttState, Packet, Publish, QoS, Request};

use crate::measured::{count, repeat};
use crate::message::{self, CONTENT_TYPE, CORRELATION, EXPIRY, LARGE_PAYLOAD, RESPONSE_TOPIC, USER_PROPERTY};
use crate::{
    DECODE_OWNED, DECODE_RICH, ENCODE, ENCODE_RICH, READ, RECEIVE_BATCH, RECEIVE_ONE, Run, SEND_BATCH,
    SEND_ONE, SENT,
};

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

const LIMIT: usize = 10 * 1_024;

fn publish(qos: QoS) -> Publish {
    Publish::from_bytes(TOPIC, qos, Bytes::from_static(PAYLOAD))
}

fn encode() -> u64 {
    let publish = publish(QoS::AtMostOnce);
    let mut out = BytesMut::with_capacity(4_096);
    repeat(1, |counts| {
        out.clear();
        count(counts, || black_box(&publish).write(&mut out).expect("lawful"));
    })
}

/// From a read buffer that others share, as they do.
fn decode() -> u64 {
    let packet = message::plain(0, 0);
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(1, |counts| {
        input.extend_from_slice(&packet);
        count(counts, || {
            black_box(Packet::read(&mut input, LIMIT).expect("whole"));
        });
    })
}

fn encode_rich() -> u64 {
    let properties = v5::PublishProperties {
        message_expiry_interval: Some(EXPIRY),
        content_type: Some(CONTENT_TYPE.into()),
        response_topic: Some(RESPONSE_TOPIC.into()),
        correlation_data: Some(Bytes::from_static(CORRELATION)),
        user_properties: vec![(USER_PROPERTY.0.into(), USER_PROPERTY.1.into())],
        ..Default::default()
    };
    let qos = rumqttc::v5::mqttbytes::QoS::AtMostOnce;
    let publish = v5::Publish::new(TOPIC, qos, Bytes::from_static(LARGE_PAYLOAD), Some(properties));
    let mut out = BytesMut::with_capacity(4_096);
    repeat(1, |counts| {
        out.clear();
        count(counts, || black_box(&publish).write(&mut out).expect("lawful"));
    })
}

fn decode_rich() -> u64 {
    let packet = message::rich();
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(1, |counts| {
        input.extend_from_slice(&packet);
        count(counts, || {
            black_box(v5::Packet::read(&mut input, None).expect("whole"));
        });
    })
}

/// The bytes of one message; what it tells of itself is taken.
fn transmit(state: &mut MqttState, qos: QoS, out: &mut BytesMut) {
    let packet = state.handle_outgoing_packet(Request::Publish(publish(qos))).expect("connected");
    packet.expect("it is sent").write(out, LIMIT).expect("lawful");
    state.events.clear();
}

fn send(batch: u64) -> u64 {
    let mut state = MqttState::new(100, false);
    let mut out = BytesMut::with_capacity(64 * 1_024);
    repeat(batch, |counts| {
        out.clear();
        count(counts, || (0..batch).for_each(|_| transmit(&mut state, QoS::AtMostOnce, &mut out)));
    })
}

fn receive(batch: u64) -> u64 {
    let packet = message::plain(0, 0);
    let mut state = MqttState::new(100, false);
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(batch, |counts| {
        (0..batch).for_each(|_| input.extend_from_slice(&packet));
        count(counts, || {
            for _ in 0..batch {
                let packet = Packet::read(&mut input, LIMIT).expect("whole");
                state.handle_incoming_packet(packet).expect("lawful");
                drop(state.events.pop_front());
            }
        });
    })
}

pub(crate) fn in_flight(many: u16) -> u64 {
    let mut state = MqttState::new(u16::MAX - 1, false);
    let many = many.min(u16::MAX - 1);
    let mut out = BytesMut::with_capacity(64 * 1_024);
    for _ in 0..many {
        out.clear();
        transmit(&mut state, QoS::AtLeastOnce, &mut out);
    }
    let mut oldest = 0_u16;
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(1, |counts| {
        oldest = oldest % (u16::MAX - 1) + 1;
        let [high, low] = oldest.to_be_bytes();
        input.extend_from_slice(&[0x40, 2, high, low]);
        out.clear();
        count(counts, || {
            let packet = Packet::read(&mut input, LIMIT).expect("whole");
            state.handle_incoming_packet(packet).expect("in flight");
            transmit(&mut state, QoS::AtLeastOnce, &mut out);
        });
    })
}
