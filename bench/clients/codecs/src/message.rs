//! The messages: the measured one, and one with five properties and 256 bytes, as `../../counts` has them.

use bench_common::{PAYLOAD, TOPIC, publish};

pub(crate) const LARGE_PAYLOAD: &[u8] = &[b'x'; 256];
pub(crate) const EXPIRY: u32 = 3_600;
pub(crate) const CONTENT_TYPE: &str = "application/json";
pub(crate) const RESPONSE_TOPIC: &str = "answers/client-17/0042";
pub(crate) const CORRELATION: &[u8] = b"0123456789abcdef";
pub(crate) const USER_PROPERTY: (&str, &str) =
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

/// A PUBLISH of 88 bytes.
pub(crate) fn plain(qos: u8, id: u16) -> Vec<u8> {
    publish(qos, id, PAYLOAD, 4)
}

/// A PUBLISH of MQTT 5.0 with five properties.
pub(crate) fn rich() -> Vec<u8> {
    let mut properties = vec![2];
    properties.extend(EXPIRY.to_be_bytes());
    for (identifier, texts) in [
        (3, vec![CONTENT_TYPE.as_bytes()]),
        (8, vec![RESPONSE_TOPIC.as_bytes()]),
        (9, vec![CORRELATION]),
        (38, vec![USER_PROPERTY.0.as_bytes(), USER_PROPERTY.1.as_bytes()]),
    ] {
        properties.push(identifier);
        for text in texts {
            properties.extend((text.len() as u16).to_be_bytes());
            properties.extend(text);
        }
    }
    let mut packet = vec![0x30];
    length(
        &mut packet,
        2 + TOPIC.len() + length_of(properties.len()) + properties.len() + LARGE_PAYLOAD.len(),
    );
    packet.extend((TOPIC.len() as u16).to_be_bytes());
    packet.extend(TOPIC.as_bytes());
    length(&mut packet, properties.len());
    packet.extend(properties);
    packet.extend(LARGE_PAYLOAD);
    packet
}

fn length(packet: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
}

fn length_of(number: usize) -> usize {
    if number < 0x80 { 1 } else { 2 }
}
