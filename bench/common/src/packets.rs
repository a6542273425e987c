//! MQTT 3.1.1 by hand, for those who have no client: the sink and the socket's ceiling.

use crate::TOPIC;

/// CONNECT with a clean session, no keep alive and the client identifier `raw`.
pub const CONNECT: &[u8] = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03raw";

/// Of PUBACK.
pub const PUBACK_LENGTH: usize = 4;

/// A PUBLISH of the measured message; `id` is for QoS 1 and 2.
pub fn publish(qos: u8, id: u16, payload: &[u8], version: u8) -> Vec<u8> {
    let mut packet = Vec::with_capacity(payload.len() + 32);
    publish_into(&mut packet, qos, id, payload, version);
    packet
}

pub fn publish_into(packet: &mut Vec<u8>, qos: u8, id: u16, payload: &[u8], version: u8) {
    let properties = usize::from(version == 5);
    let mut remaining = 2 + TOPIC.len() + if qos > 0 { 2 } else { 0 } + properties + payload.len();
    packet.push(0x30 | qos << 1);
    while remaining >= 0x80 {
        packet.push(remaining as u8 | 0x80);
        remaining >>= 7;
    }
    packet.push(remaining as u8);
    packet.extend_from_slice(&(TOPIC.len() as u16).to_be_bytes());
    packet.extend_from_slice(TOPIC.as_bytes());
    if qos > 0 {
        packet.extend_from_slice(&id.to_be_bytes());
    }
    packet.resize(packet.len() + properties, 0);
    packet.extend_from_slice(payload);
}

#[test]
fn the_measured_message_has_88_bytes() {
    assert_eq!(publish(0, 0, crate::PAYLOAD, 4).len(), 88);
}
