use super::{Properties, ReasonCode};
/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    pub packet_id: u16,
    /// Always `SUCCESS` on 3.x.
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
// pub fn encode(&self, packet_type: PacketType, version, limit, out). Canonical 5.0 form is the shortest: no reason code when it is
// 0x00 and there are no properties; no property length when there are none. Decoding accepts all forms.
