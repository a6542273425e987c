//! PUBLISH with topic and payload alone, as most are: written without a look at all that it does not have.

use alloc::vec::Vec;

use super::{PacketType, ProtocolVersion, QoS};

/// What it takes at most besides topic and payload, in bytes.
pub(crate) const OVERHEAD: usize = 8;

/// Appends one of QoS 0 to `out` and says how many bytes it has. The topic is valid, and the remaining length no more than
/// 16,383.
#[inline(never)] // It needs the registers that its callers need too.
pub(crate) fn encode(topic: &str, payload: &[u8], version: ProtocolVersion, out: &mut Vec<u8>) -> usize {
    append(topic, payload, version, out, QoS::AtMostOnce, 0)
}

/// The same with an identifier.
#[inline(never)]
pub(crate) fn encode_acknowledged(
    topic: &str,
    payload: &[u8],
    version: ProtocolVersion,
    out: &mut Vec<u8>,
    qos: QoS,
    packet_id: u16,
) -> usize {
    append(topic, payload, version, out, qos, packet_id)
}

#[allow(clippy::inline_always)] // Where there is no identifier, nothing is left of it.
#[inline(always)]
fn append(
    topic: &str,
    payload: &[u8],
    version: ProtocolVersion,
    out: &mut Vec<u8>,
    qos: QoS,
    packet_id: u16,
) -> usize {
    let has_id = qos != QoS::AtMostOnce;
    let has_properties = version == ProtocolVersion::V5;
    let length = 2 + topic.len() + 2 * usize::from(has_id) + usize::from(has_properties) + payload.len();
    debug_assert!(length <= 0x3FFF);
    let first = (PacketType::Publish as u8) << 4 | (qos as u8) << 1;
    let [high, low] = (topic.len() as u16).to_be_bytes();
    let header = if length <= 0x7F {
        out.extend_from_slice(&[first, length as u8, high, low]);
        2
    } else {
        out.extend_from_slice(&[first, length as u8 | 0x80, (length >> 7) as u8, high, low]);
        3
    };
    out.extend_from_slice(topic.as_bytes());
    if has_id {
        out.extend_from_slice(&packet_id.to_be_bytes());
    }
    if has_properties {
        // None.
        out.push(0);
    }
    out.extend_from_slice(payload);
    header + length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{PROTOCOL_MAXIMUM_PACKET_SIZE, Properties, Publish};

    #[test]
    fn the_bytes_are_those_of_any_publish() {
        let payload = [b'x'; 0x3FFF - 8];
        for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            for (qos, packet_id) in
                [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 0x0102), (QoS::ExactlyOnce, 0xFFFF)]
            {
                for length in (0..300).chain([payload.len()]) {
                    let (topic, payload) = ("a/b", &payload[..length]);
                    let (duplicate, retain, properties) = (false, false, Properties::EMPTY);
                    let publish = Publish { duplicate, qos, retain, topic, packet_id, properties, payload };
                    let (mut expected, mut out) = (b"before".to_vec(), b"before".to_vec());
                    publish.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut expected).unwrap();
                    let size = match qos {
                        QoS::AtMostOnce => encode(topic, payload, version, &mut out),
                        _ => encode_acknowledged(topic, payload, version, &mut out, qos, packet_id),
                    };
                    assert_eq!(out, expected);
                    assert_eq!(size, out.len() - b"before".len());
                    assert!(size <= topic.len() + length + OVERHEAD);
                }
            }
        }
    }
}
