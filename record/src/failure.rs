//! Errors and causes as they stand in a recording: a name that stays, and a text for people.

use std::fmt::{Debug, Display};

use serde::{Deserialize, Serialize};
use sterna_core::packet::ProtocolVersion;
use sterna_core::{Cause, LostKind, OperationError, Refusal, Timer};

use crate::data::PropertyList;

/// Why something failed.
#[derive(Debug, Clone, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The name of the error in [`sterna_core`], in snake case: `full`, `lost`, `timeout`, …
    pub error: String,
    /// What it is about: the kind of a loss, the timer of a time-out, the broken statement of the specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// The reason code, where a server has said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<u8>,
    /// The properties that came with it.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
    /// For people. It is not compared.
    #[serde(default)]
    pub text: String,
}

/// The text does not count: a better one is no other behaviour.
impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        let parts = |failure: &Self| (failure.error.clone(), failure.about.clone(), failure.reason);
        parts(self) == parts(other) && self.properties == other.properties
    }
}

impl Failure {
    /// Of an error whose name is all that counts.
    pub(crate) fn named<E: Debug + Display>(error: &E) -> Self {
        Self {
            error: name_of(error),
            about: None,
            reason: None,
            properties: PropertyList::default(),
            text: error.to_string(),
        }
    }

    fn about(mut self, about: impl Into<String>) -> Self {
        self.about = Some(about.into());
        self
    }

    fn refused(mut self, refusal: &Refusal) -> Self {
        self.reason = Some(refusal.reason.value());
        self.properties = (&refusal.properties).into();
        self
    }

    pub(crate) fn of_operation(error: &OperationError) -> Self {
        let failure = Self::named(error);
        match error {
            OperationError::Refused(refusal) => failure.refused(refusal),
            OperationError::Limit(limit) => failure.about(name_of(limit)),
            _ => failure,
        }
    }

    /// `version`: what the connection spoke, for the number of a statement.
    pub(crate) fn of_cause(cause: &Cause, version: ProtocolVersion) -> Self {
        let failure = Self::named(cause);
        match cause {
            Cause::Refused(refusal) | Cause::ServerDisconnected(refusal) => failure.refused(refusal),
            Cause::Protocol(error) => failure.about(error.statement(version)),
            Cause::Authentication(reason) => Self { reason: Some(reason.value()), ..failure },
            Cause::Lost(lost) => failure.about(lost_kind_name(lost.kind)),
            Cause::Timeout(timer) => failure.about(timer_name(*timer)),
            _ => failure,
        }
    }
}

/// The name of a variant in snake case, as `Debug` gives it.
pub(crate) fn name_of(value: &impl Debug) -> String {
    let debug = format!("{value:?}");
    let end = debug.find(|character: char| !character.is_alphanumeric()).unwrap_or(debug.len());
    let mut name = String::with_capacity(end + 4);
    let mut after_lower = false;
    for character in debug[..end].chars() {
        if character.is_uppercase() && after_lower {
            name.push('_');
        }
        after_lower = !character.is_uppercase();
        name.extend(character.to_lowercase());
    }
    name.replace("qo_s", "qos")
}

/// The name of a timer in a recording.
pub(crate) fn timer_name(timer: Timer) -> String {
    name_of(&timer)
}

/// The kinds of a loss by their names in a recording.
const LOST_KINDS: [(LostKind, &str); 8] = [
    (LostKind::Resolve, "resolve"),
    (LostKind::Hook, "hook"),
    (LostKind::Dial, "dial"),
    (LostKind::Proxy, "proxy"),
    (LostKind::Tls, "tls"),
    (LostKind::WebSocket, "web_socket"),
    (LostKind::Eof, "eof"),
    (LostKind::Io, "io"),
];

pub(crate) fn lost_kind_name(kind: LostKind) -> String {
    LOST_KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or_else(|| name_of(&kind), |(_, name)| (*name).into())
}

pub(crate) fn lost_kind(name: &str) -> Option<LostKind> {
    LOST_KINDS.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_variant_in_snake_case() {
        assert_eq!(name_of(&OperationError::SessionLost), "session_lost");
        assert_eq!(name_of(&Cause::Timeout(Timer::KeepAlive)), "timeout");
        assert_eq!(timer_name(Timer::KeepAlive), "keep_alive");
        for (kind, name) in LOST_KINDS {
            assert_eq!(name_of(&kind), name);
            assert_eq!(lost_kind(name), Some(kind));
        }
    }
}
