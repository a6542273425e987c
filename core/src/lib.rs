//! The sans-IO core of Sterna: MQTT 3.1, 3.1.1 and 5.0 as [packets](packet) and as one state machine, [`Connection`].
//!
//! It does no I/O, reads no clock and draws no randomness of its own: bytes, times and commands go in; bytes, deadlines
//! and events come out. The same inputs give the same outputs, byte for byte. It needs `alloc`, but not `std`: without
//! the feature `std` (on by default, for vectored writes of [`Transmit`]) it builds for bare metal.
//!
//! # A whole run
//!
//! A driver owns the socket and the clock. Here both are played by hand: the server's packets are literals.
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use sterna_core::{
//!     Action, Cause, Config, ConnectOverrides, Connection, Disconnect, Event, Instant, Lost, LostKind, Publish, Transmit,
//! };
//! use sterna_core::packet::QoS;
//!
//! let mut now = Instant::from_micros(0);
//! let mut connection = Connection::new(Config::new(42), now)?;
//! let (mut out, mut input) = (Transmit::new(), BytesMut::new());
//!
//! // The user starts it; the driver makes the network connection and says so.
//! connection.connect(now);
//! let Some(Action::Connect { attempt, .. }) = connection.poll_action() else { unreachable!() };
//! connection.handle_connected(now, attempt, ConnectOverrides::default());
//!
//! // Bytes out: the driver writes what there is and reports how much the transport took.
//! assert!(connection.poll_transmit(now, &mut out));
//! let written = out.remaining();
//! assert_eq!(out.copy_to_bytes(written)[..9], *b"\x10\x2f\x00\x04MQTT\x05");
//! connection.handle_written(now, written);
//!
//! // Bytes in: the server's CONNACK.
//! input.extend_from_slice(b"\x20\x03\x00\x00\x00");
//! connection.handle_input(now, &mut input);
//! assert_eq!(connection.poll_event(), Some(Event::Connecting { attempt }));
//! assert_eq!(connection.poll_event(), Some(Event::Connected { attempt, session_present: false }));
//!
//! // A command, its packet, its acknowledgement, its completion.
//! let token = connection.publish(now, Publish::new("a/b", "hello").qos(QoS::AtLeastOnce))?;
//! connection.poll_transmit(now, &mut out);
//! let written = out.remaining();
//! assert_eq!(out.copy_to_bytes(written), b"\x32\x0d\x00\x03a/b\x00\x01\x00hello"[..]);
//! connection.handle_written(now, written);
//! input.extend_from_slice(b"\x40\x02\x00\x01");
//! connection.handle_input(now, &mut input);
//! let Some(Event::Published { token: done, result: Ok(_) }) = connection.poll_event() else { unreachable!() };
//! assert_eq!(done, token);
//!
//! // Time passes: the next deadline is the keep alive.
//! (now, _) = connection.poll_timeout().expect("a deadline");
//! connection.handle_timeout(now);
//! connection.poll_transmit(now, &mut out);
//! assert_eq!(out.copy_to_bytes(2), b"\xc0\x00"[..]);
//! connection.handle_written(now, 2);
//!
//! // The end: DISCONNECT leaves, then the driver is asked to close, and does.
//! connection.disconnect(now, Disconnect::default())?;
//! connection.poll_transmit(now, &mut out);
//! let written = out.remaining();
//! connection.handle_written(now, written);
//! assert_eq!(connection.poll_action(), Some(Action::Close { attempt }));
//! connection.handle_disconnected(now, attempt, Lost { kind: LostKind::Eof, detail: "".into() });
//! let last = std::iter::from_fn(|| connection.poll_event()).last();
//! assert_eq!(last, Some(Event::Closed { cause: Cause::Requested }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(all(feature = "std", not(test)))]
extern crate std;

mod bug;
mod command;
mod config;
mod connection;
mod error;
mod event;
mod message;
pub mod packet;
mod server;
mod session;
mod text;
mod time;
pub mod topic;

#[cfg(feature = "planted-bugs")]
pub use bug::Bug;
/// The buffers that [`Connection`] reads from and writes to.
pub use bytes;
pub use command::{Auth, ConnectOverrides, Credentials, Data, Disconnect, Publish, Subscribe, Unsubscribe};
pub use config::{
    Acknowledge, AfterPubRec, Authentication, CleanStart, ClientId, Config, InDoubt, QueuePolicy, Reconnect,
    ServerClose, SessionLoss, TopicAliases, VersionPolicy, Will,
};
pub use connection::{Backlog, Connection, Ingress, Sharing, State, Statistics, Timer, Transmit};
pub use error::{
    AckError, AuthError, CancelError, Cause, ConfigError, DisconnectError, Lost, LostKind, OperationError,
    ProtocolError, PublishError, Refusal, ServerLimit, SubscribeError,
};
pub use event::{Action, Attempt, Event, Granted, PacketInfo, Receipt, Sent, Token};
pub use message::{Message, MessageId};
pub use server::Server;
pub use session::{
    Batch, Key, Pending, PersistId, RestoreError, Session, SessionError, StoreError, StoreOp, StoredMessage,
};
pub use time::Instant;
