//! PUBLISH of QoS 0 with topic and payload alone, as most are: encoded without a look at all that it does not have.

use alloc::vec::Vec;

use super::{PacketType, ProtocolVersion};

/// The largest one that [`encode`] writes, in bytes: the length of the rest takes no more than two.
#[cfg(debug_assertions)]
const LARGEST: u64 = 0x3FFF + 3;

/// What it takes in bytes, if that is not too large.
#[inline]
pub(crate) fn size(topic: &str, payload: &[u8], version: ProtocolVersion) -> u64 {
    let length = remaining_length(topic, payload, version);
    length + if length <= 0x7F { 2 } else { 3 }
}

#[inline]
fn remaining_length(topic: &str, payload: &[u8], version: ProtocolVersion) -> u64 {
    2 + topic.len() as u64 + u64::from(version == ProtocolVersion::V5) + payload.len() as u64
}

/// Appends one to `out`, whose topic is valid and whose size was checked.
#[inline(never)] // It needs the registers that its callers need too.
pub(crate) fn encode(topic: &str, payload: &[u8], version: ProtocolVersion, out: &mut Vec<u8>) {
    #[cfg(debug_assertions)]
    assert!(size(topic, payload, version) <= LARGEST);
    let first = (PacketType::Publish as u8) << 4;
    let length = remaining_length(topic, payload, version);
    let [high, low] = (topic.len() as u16).to_be_bytes();
    if length <= 0x7F {
        out.extend_from_slice(&[first, length as u8, high, low]);
    } else {
        out.extend_from_slice(&[first, length as u8 | 0x80, (length >> 7) as u8, high, low]);
    }
    out.extend_from_slice(topic.as_bytes());
    if version == ProtocolVersion::V5 {
        // No properties.
        out.push(0);
    }
    out.extend_from_slice(payload);
}
