use super::{Properties, ReasonCode};
/// CONNACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// 3.1 has no such flag: its reserved byte is ignored when read and written as 0.
    pub session_present: bool,
    /// 3.x return codes are translated: 1 → 0x84, 2 → 0x85, 3 → 0x88, 4 → 0x86, 5 → 0x87 (see `ReasonCode::connect_return_code`).
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
// A CONNACK with a two-byte body [0, 1..=5] when 5.0 was asked for is a 3.x-shaped refusal and decodes as such (CON-02).
