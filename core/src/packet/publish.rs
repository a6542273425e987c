use super::{EncodeError, Properties, ProtocolVersion, QoS};
use alloc::vec::Vec;
/// PUBLISH: an application message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    pub duplicate: bool,
    pub qos: QoS,
    pub retain: bool,
    /// May be empty on 5.0 when a Topic Alias property is there.
    pub topic: &'a str,
    /// Zero exactly when `qos` is `AtMostOnce`.
    pub packet_id: u16,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}
impl Publish<'_> {
    /// Like `Packet::encode`.
    pub fn encode(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> { todo!() }
    /// Writes all but the payload's bytes, which the caller sends behind it; `self.payload` only gives its length.
    pub fn encode_head(&self, version: ProtocolVersion, limit: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> { todo!() }
    // also encoded_len(); note: topic and property checks cost; see packet/error.rs. `topic` is checked for wildcards, NUL, length.
}
