//! ntex-mqtt's codecs.

use std::hint::black_box;
use std::num::NonZeroU32;

use bench_common::{PAYLOAD, TOPIC};
use ntex_bytes::{BytePages, ByteString, Bytes, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{QoS, v3, v5};

use crate::measured::{count, repeat};
use crate::message::{self, CONTENT_TYPE, CORRELATION, EXPIRY, LARGE_PAYLOAD, RESPONSE_TOPIC, USER_PROPERTY};
use crate::{DECODE_OWNED, DECODE_RICH, ENCODE, ENCODE_RICH, Run};

pub(crate) const SCENARIOS: &[(&str, Run)] =
    &[(ENCODE, encode), (DECODE_OWNED, decode), (ENCODE_RICH, encode_rich), (DECODE_RICH, decode_rich)];

/// It takes the packet, whose copy is made before.
fn encode() -> u64 {
    let codec = v3::codec::Codec::new();
    let publish = v3::codec::Publish {
        dup: false,
        retain: false,
        qos: QoS::AtMostOnce,
        topic: ByteString::from_static(TOPIC),
        packet_id: None,
        payload_size: PAYLOAD.len() as u32,
    };
    let packet = v3::codec::Encoded::Publish(publish, Some(Bytes::from_static(PAYLOAD)));
    let mut out = BytePages::default();
    repeat(1, |counts| {
        out.clear();
        let packet = packet.clone();
        count(counts, || codec.encodev(black_box(packet), &mut out).expect("lawful"));
    })
}

fn decode() -> u64 {
    let packet = message::plain(0, 0);
    let codec = v3::codec::Codec::new();
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(1, |counts| {
        input.extend_from_slice(&packet);
        count(counts, || {
            let packet = codec.decode(&mut input).expect("lawful");
            assert!(matches!(packet, Some(v3::codec::Decoded::Publish(..))), "whole");
            drop(black_box(packet));
        });
    })
}

fn encode_rich() -> u64 {
    let codec = v5::codec::Codec::new();
    let properties = v5::codec::PublishProperties {
        message_expiry_interval: NonZeroU32::new(EXPIRY),
        content_type: Some(ByteString::from_static(CONTENT_TYPE)),
        response_topic: Some(ByteString::from_static(RESPONSE_TOPIC)),
        correlation_data: Some(Bytes::from_static(CORRELATION)),
        user_properties: vec![(
            ByteString::from_static(USER_PROPERTY.0),
            ByteString::from_static(USER_PROPERTY.1),
        )],
        ..Default::default()
    };
    let publish = v5::codec::Publish {
        topic: ByteString::from_static(TOPIC),
        payload_size: LARGE_PAYLOAD.len() as u32,
        properties,
        ..Default::default()
    };
    let packet = v5::codec::Encoded::Publish(publish, Some(Bytes::from_static(LARGE_PAYLOAD)));
    let mut out = BytePages::default();
    repeat(1, |counts| {
        out.clear();
        let packet = packet.clone();
        count(counts, || codec.encodev(black_box(packet), &mut out).expect("lawful"));
    })
}

fn decode_rich() -> u64 {
    let packet = message::rich();
    let codec = v5::codec::Codec::new();
    let mut input = BytesMut::with_capacity(1 << 20);
    repeat(1, |counts| {
        input.extend_from_slice(&packet);
        count(counts, || {
            let packet = codec.decode(&mut input).expect("lawful");
            assert!(matches!(packet, Some(v5::codec::Decoded::Publish(..))), "whole");
            drop(black_box(packet));
        });
    })
}
