//! Recordings of MQTT sessions: made beside a running client, and replayed with no network and no waiting.
//!
//! A [`Recorder`] writes every call of a client's [`Connection`](sterna_core::Connection) as a line of JSON: what went in,
//! and what came out. [`Recording::replay`] feeds what went in to a new one, and compares what comes out byte for byte.
//! `tests/vectors/README.md` in the repository is the reference of the format.
#![forbid(unsafe_code)]

mod apply;
mod bless;
mod capture;
mod config;
mod data;
mod difference;
mod entry;
mod event;
mod failure;
mod header;
mod line;
mod read;
mod recorded;
mod recorder;
mod redact;
mod replay;
mod retry;

pub use bless::Blessed;
pub use config::{Choice, Config, Loss, ReconnectPolicy, Version};
pub use data::{Hex, PropertyList};
pub use difference::{Context, Difference};
pub use entry::{
    Auth, Backlog, Change, Connected, Credentials, End, Entry, Filter, Input, Message, MessageName, Output,
    Publish, StoredRecord, Subscribe, Unsubscribe, Will, WillOverride,
};
pub use event::{Event, Outcome, Packet};
pub use failure::Failure;
pub use header::{FORMAT, Header, Redacted, StoredSession};
pub use read::{LARGEST_IN_MEMORY, LONGEST_LINE, ReadError, Reader, Recording};
pub use recorded::Recorded;
pub use recorder::{Finished, Recorder, Written};
pub use replay::{Replay, ReplayError, Summary};
pub use retry::RetryTable;
