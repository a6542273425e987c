use super::{Properties, ReasonCode};
/// DISCONNECT. Empty on 3.x (client only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnect<'a> { pub reason: ReasonCode, pub properties: Properties<'a> }
