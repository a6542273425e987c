//! The sans-IO core of Sterna: MQTT 3.1, 3.1.1 and 5.0 as packets and as one state machine.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "std", not(test)))]
extern crate std;

mod command;
mod config;
mod connection;
mod error;
mod event;
mod message;
pub mod packet;
mod server;
mod time;
pub mod topic;

/// The buffers that [`Connection`] reads from and writes to.
pub use bytes;
pub use command::{Data, Disconnect, Publish, Subscribe, Unsubscribe};
pub use config::{Acknowledge, CleanStart, ClientId, Config, Reconnect, ServerClose, VersionPolicy, Will};
pub use connection::{Connection, Ingress, State, Statistics, Timer, Transmit};
pub use error::{
    AckError, Cause, ConfigError, DisconnectError, Lost, LostKind, OperationError, ProtocolError,
    PublishError, Refusal, ServerLimit, SubscribeError,
};
pub use event::{Action, Attempt, Event, Granted, PacketInfo, Receipt, Token};
pub use message::{Message, MessageId};
pub use server::Server;
pub use time::Instant;
