use super::{Properties, ReasonCode};
/// AUTH (5.0 only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth<'a> { pub reason: ReasonCode, pub properties: Properties<'a> }
