//! PUBLISH of QoS 0 with topic and payload alone, as most are: encoded without a look at all that it does not have.

use alloc::vec::Vec;

use super::{PacketType, ProtocolVersion};

/// What it takes at most besides topic and payload, in bytes.
pub(crate) const OVERHEAD: usize = 6;
/// The largest remaining length: it takes no more than two bytes.
const LONGEST: usize = 0x3FFF;

/// Appends one to `out` and says how many bytes it has. The topic is valid, and all of it no longer than 16 KiB.
#[inline(never)] // It needs the registers that its callers need too.
pub(crate) fn encode(topic: &str, payload: &[u8], version: ProtocolVersion, out: &mut Vec<u8>) -> usize {
    let first = (PacketType::Publish as u8) << 4;
    let has_properties = version == ProtocolVersion::V5;
    let length = 2 + topic.len() + usize::from(has_properties) + payload.len();
    debug_assert!(length <= LONGEST);
    let [high, low] = (topic.len() as u16).to_be_bytes();
    let header = if length <= 0x7F {
        out.extend_from_slice(&[first, length as u8, high, low]);
        2
    } else {
        out.extend_from_slice(&[first, length as u8 | 0x80, (length >> 7) as u8, high, low]);
        3
    };
    out.extend_from_slice(topic.as_bytes());
    if has_properties {
        out.push(0);
    }
    out.extend_from_slice(payload);
    header + length
}
