//! Sterna is an MQTT client: MQTT 3.1, 3.1.1 and 5.0, on any Rust runtime, over a state machine that does no I/O.
//!
#![cfg_attr(feature = "tokio", doc = "```")]
#![cfg_attr(not(feature = "tokio"), doc = "```ignore")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let broker = sterna_simulator::TestBroker::start().await?;
//! # let url = broker.url();
//! let client = sterna::tokio::connect(&url).await?; // such as mqtt://localhost
//! let mut presence = client.subscribe("presence").await?;
//! client.publish("presence", "Hello mqtt").await?;
//! let message = presence.next().await.ok_or("closed")?;
//! assert_eq!(message.text()?, "Hello mqtt");
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to start
//! - `sterna::tokio::connect` and `sterna::tokio::builder` make a [`Client`]; [`ClientBuilder`] has the options. `smol`,
//!   `async_std` and `blocking` have functions of the same names; what is awaited elsewhere, `blocking` waits for.
//! - [`Client::publish`] is a future with options; [`Client::subscribe`] gives a [`Subscription`], a stream.
//! - [`Client::events`] tells of connections and losses; the client reconnects by itself.
//! - [`protocol`] is the protocol alone: packets, and the state machine for drivers of your own.
//!
//! # Features
//! - `tokio` (default): the adapter for the tokio runtime.
//! - `smol`, `async-std`: the adapters for these runtimes, `sterna::smol` and `sterna::async_std`.
//! - `blocking`: a client whose calls block, `sterna::blocking`, on a thread of its own or driven by those calls. No async
//!   runtime is linked for it.
//! - `tls` (default): `mqtts:`, with ring, trusting what the platform trusts. It is `tls-ring` and `tls-native-roots`; instead
//!   of them there are `tls-aws-lc-rs`, and `tls-webpki-roots` (Mozilla's certificates, compiled in).
//!   `tls-encrypted-keys`: private keys that a passphrase protects.
//! - `websocket`: `ws:`, and with TLS `wss:`.
//! - `proxy`: through HTTP CONNECT and SOCKS5.
//! - `unix`: Unix sockets, `unix:`.
//! - `store-redb`: `RedbStore`, which keeps a session in a file. It needs Rust 1.90.
//! - `record`: `ClientBuilder::record` writes everything that a client does, and `sterna::record::Recording` replays it with
//!   no network and no waiting.
//! - `scram`: `Scram`, which authenticates by SCRAM-SHA-256 (MQTT 5.0).
//! - `tracing`: what happens is told to [`tracing`](https://docs.rs/tracing), under the target `sterna` and in a span `client`
//!   with its identifier. Connected, lost, refused and closed are information; what an operator must know, such as a lost
//!   session or dropped messages, is a warning; attempts and subscriptions are for debugging, packets (type, identifier and
//!   size) for tracing, if that is listened to when the client is made. Payloads, user names, passwords and authentication
//!   data are never told.
#![forbid(unsafe_code)]

pub use sterna_client::*;

/// The sans-IO core: packets, and the `Connection` state machine.
pub use sterna_core as protocol;

/// The adapter for the tokio runtime.
#[cfg(feature = "tokio")]
pub use sterna_tokio as tokio;

#[cfg(feature = "smol")]
pub use sterna_async_std::smol;

#[cfg(feature = "async-std")]
pub use sterna_async_std::async_std;

/// The adapter without an async runtime: calls that block.
#[cfg(feature = "blocking")]
pub use sterna_blocking as blocking;

/// The README's example is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
