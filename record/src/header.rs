//! The first line of a recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The version of the format that this library writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// What a recording begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format: [`FORMAT`].
    pub sterna_recording: u32,
    /// The version of the library that wrote it.
    pub library: String,
    /// When it began, in microseconds since 1970, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// What whoever recorded it wanted to say about it, such as which server it was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: BTreeMap<String, String>,
    /// What was made unreadable.
    pub redacted: Redacted,
    /// The client's options, its seed among them.
    pub config: Config,
    /// The time at which the client was made, in microseconds since its origin.
    pub at: u64,
    /// The client's store, if it has one; its records follow as `stored`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<StoredSession>,
}

/// What was made unreadable in a recording. Lengths stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // Each is a choice of its own.
pub struct Redacted {
    /// Passwords and authentication data are asterisks.
    pub secrets: bool,
    /// User names are asterisks.
    pub user_names: bool,
    /// The levels of topics are keyed hashes.
    pub topics: bool,
    /// Payloads, correlation data and user properties are keyed hashes.
    pub payloads: bool,
}

/// The store that a client began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredSession {
    /// How many records it had.
    pub records: u64,
    /// The time of day, in microseconds since 1970, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_clock: Option<u64>,
}
