//! One packet to bytes and back.

use std::hint::black_box;

use bytes::Bytes;
use sterna_core::packet::{
    FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Publish, QoS, Sender,
};

use super::{Scenario, count, repeat};
use crate::message::{self, Content, LARGE_PAYLOAD, PLAIN, five_properties};

pub fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (name, version, rich) in [
        ("3.1.1, 88 bytes", ProtocolVersion::V3_1_1, false),
        ("5.0, 89 bytes", ProtocolVersion::V5, false),
        ("5.0, five properties, 256 bytes", ProtocolVersion::V5, true),
    ] {
        scenarios.extend([
            Scenario::new(format!("encode PUBLISH {name}"), move || encode(version, rich)),
            Scenario::new(format!("decode PUBLISH {name}"), move || decode(version, rich)),
            Scenario::new(format!("decode PUBLISH {name}, owned"), move || decode_owned(version, rich)),
        ]);
    }
    scenarios
}

fn with_content(rich: bool, use_it: impl FnOnce(Content<'_>) -> u64) -> u64 {
    let properties = five_properties();
    let rich_content = Content { properties: properties.as_properties(), payload: LARGE_PAYLOAD };
    use_it(if rich { rich_content } else { PLAIN })
}

fn encode(version: ProtocolVersion, rich: bool) -> u64 {
    with_content(rich, |content| {
        let publish = message::publish(QoS::AtMostOnce, 0, content);
        let mut out = Vec::with_capacity(4_096);
        repeat(1, |counts| {
            out.clear();
            count(counts, || {
                black_box(&publish).encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut out).expect("lawful");
            });
        })
    })
}

fn encoded(version: ProtocolVersion, content: Content<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message::encode(&Packet::Publish(message::publish(QoS::AtMostOnce, 0, content)), version, &mut out);
    out
}

fn decode_one(bytes: &[u8], version: ProtocolVersion) -> Publish<'_> {
    let header =
        FixedHeader::parse(bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE).expect("lawful").expect("whole");
    let body = &bytes[usize::from(header.header_length)..header.packet_size()];
    match Packet::decode(header, body, version, Sender::Server).expect("lawful") {
        Packet::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

fn decode(version: ProtocolVersion, rich: bool) -> u64 {
    with_content(rich, |content| {
        let bytes = encoded(version, content);
        repeat(1, |counts| {
            count(counts, || {
                black_box(decode_one(black_box(&bytes), version));
            });
        })
    })
}

/// Topic and payload are kept, as slices of the packet.
fn decode_owned(version: ProtocolVersion, rich: bool) -> u64 {
    with_content(rich, |content| {
        let bytes = Bytes::from(encoded(version, content));
        // Shared from the beginning, as every packet of a read buffer is.
        let other = bytes.clone();
        let messages = repeat(1, |counts| {
            count(counts, || {
                let publish = decode_one(black_box(&bytes), version);
                let owned = (bytes.slice_ref(publish.topic.as_bytes()), bytes.slice_ref(publish.payload));
                black_box(owned);
            });
        });
        drop(other);
        messages
    })
}
