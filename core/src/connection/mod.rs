//! The state machine of one client.

mod timer;
pub use timer::Timer;

use bytes::{Buf, Bytes, BytesMut};
use crate::command::{Disconnect, Publish, Subscribe, Unsubscribe};
use crate::error::*;
use crate::event::*;
use crate::packet::ReasonCode;
use crate::{Config, Instant, Message, MessageId, Server};

/// What `handle_input` wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingress {
    /// All whole packets were taken; `missing`: how many more bytes the next packet needs at least (1 when unknown).
    /// Reserve no more than what one read takes: the announced length is the peer's word.
    NeedData { missing: usize },
    /// Stop reading. Call again, without new bytes, when messages were taken or bytes were written.
    Paused,
}

/// Where the client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State { Idle, Connecting, Connected, /** Between two attempts. */ Reconnecting, /** Draining or closing on request. */ Disconnecting, Closed }

/// Counters since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics { pub packets_sent: u64, pub packets_received: u64, pub bytes_sent: u64, pub bytes_received: u64, pub reconnects: u64,
    pub dropped_messages: u64, pub unexpected_acks: u64 }

/// Outgoing bytes, owned by the driver, one for each network connection; implements `Buf` with `chunks_vectored`.
#[derive(Debug, Default)]
pub struct Transmit {}
impl Transmit { pub fn new() -> Self { todo!() } pub fn is_empty(&self) -> bool { todo!() } pub fn clear(&mut self) { todo!() } }
impl Buf for Transmit { fn remaining(&self) -> usize { todo!() } fn chunk(&self) -> &[u8] { todo!() } fn advance(&mut self, n: usize) { todo!() } }

pub struct Connection {}
impl Connection {
    pub fn new(config: Config, now: Instant) -> Result<Self, ConfigError> { todo!() }

    // handlers
    /// The network connection of `Action::Connect` is there. Ignored for another attempt.
    pub fn handle_connected(&mut self, now: Instant, attempt: Attempt) { todo!() }
    /// Takes whole packets from the front of `input` and leaves the rest.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> Ingress { todo!() }
    /// The transport took `bytes` of what poll_transmit gave.
    pub fn handle_written(&mut self, now: Instant, bytes: usize) { todo!() }
    /// The network connection is gone, or could not be made, or was closed as asked. Exactly once for each `Action::Connect`.
    pub fn handle_disconnected(&mut self, now: Instant, attempt: Attempt, lost: Lost) { todo!() }
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }
    /// How much of what poll_message handed over still waits for the application; counts with what waits here. Not calling it: nothing waits outside.
    pub fn handle_backlog(&mut self, messages: usize, bytes: usize) { todo!() }

    // commands
    /// Starts from Idle or Closed; ends the pause between two attempts; otherwise nothing. `new` does not start by itself.
    pub fn connect(&mut self, now: Instant) { todo!() }
    /// Like connect; a connection that is up is closed and made anew at once.
    pub fn reconnect(&mut self, now: Instant) { todo!() }
    pub fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<Token, PublishError> { todo!() }
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe<'_>) -> Result<Token, SubscribeError> { todo!() }
    pub fn unsubscribe(&mut self, now: Instant, unsubscribe: Unsubscribe<'_>) -> Result<Token, SubscribeError> { todo!() }
    pub fn acknowledge(&mut self, now: Instant, id: MessageId, reason: ReasonCode) -> Result<(), AckError> { todo!() }
    /// Ends with Event::Closed.
    pub fn disconnect(&mut self, now: Instant, disconnect: Disconnect<'_>) { todo!() }

    // outputs, in this order
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool { todo!() }
    pub fn poll_action(&mut self) -> Option<Action> { todo!() }
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    pub fn poll_message(&mut self) -> Option<Message> { todo!() }
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> { todo!() }

    // state
    pub fn state(&self) -> State { todo!() }
    /// What the server of the connection announced; the last one's while there is none.
    pub fn server(&self) -> Option<&Server> { todo!() }
    pub fn client_id(&self) -> &str { todo!() }
    pub fn statistics(&self) -> Statistics { todo!() }
    /// The packet identifier sent last (PUB-09).
    pub fn last_packet_id(&self) -> Option<u16> { todo!() }
    /// Room for one more operation (what publish would answer `Full` for).
    pub fn has_room(&self) -> bool { todo!() }
}
