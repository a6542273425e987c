//! The built-in test broker of Sterna. **It is not for production**: it has no access control to speak of, no
//! encryption unless asked for and no disk, it favours being small and predictable over being fast, and it can be told to misbehave.
//!
//! - [`broker::Broker`] is the model: MQTT 3.1, 3.1.1 and 5.0 from the server's side as a pure state machine.
//!   No socket, no clock, no randomness: bytes and times go in, bytes and deadlines come out.
//! - [`TestBroker`] (feature `tokio`, on by default) serves that model on a loopback address or a Unix socket, with
//!   feature `tls` over TLS, with feature `websocket` over WebSocket; [`ThreadedBroker`] does so for tests that block.
//!
//! Both are scripted in the same way: see [`broker::Fault`] for misbehaviour and [`broker::Record`] for what arrived.
#![forbid(unsafe_code)]

pub mod broker;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "tokio")]
mod listener;

#[cfg(feature = "tls")]
pub use certificates::{Identity, TestCertificates};
#[cfg(feature = "websocket")]
pub use listener::Upgrade;
#[cfg(feature = "tokio")]
pub use listener::{TestBroker, TestBrokerBuilder};
#[cfg(feature = "simulation")]
pub mod simulation;
#[cfg(feature = "tokio")]
mod threaded;
#[cfg(feature = "tokio")]
pub use threaded::ThreadedBroker;
