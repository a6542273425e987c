//! Clients whose calls block.

use super::{ClientBuilder, Runtime};
use crate::blocking::{Client, Wait, Waiter};
use crate::error::ConnectError;

/// What an adapter gives whose calls block: how they wait.
pub trait BlockingRuntime: Runtime {
    /// How the calls of the client that this will drive wait.
    type Wait: Wait + 'static;

    /// See [`ClientBuilder::on_this_thread`].
    #[must_use]
    fn on_this_thread(self) -> Self;

    /// How the calls will wait. It is asked for before [`start`](Runtime::start).
    fn waiter(&self) -> Self::Wait;
}

/// Marks a [`ClientBuilder`] whose client is one with calls that block: [`blocking::Client`](Client).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Blocking;

/// A client whose calls block.
impl<R: BlockingRuntime> ClientBuilder<R, Blocking> {
    /// As [`new`](ClientBuilder::new), for a client whose calls block.
    pub fn blocking(url: &str, runtime: R) -> Self {
        Self::with_runtime(url, runtime)
    }

    /// No thread for the client: the calls that wait drive it, and between them it stands still. Default: it has a
    /// thread of its own.
    pub fn on_this_thread(mut self) -> Self {
        self.runtime = self.runtime.on_this_thread();
        self
    }

    /// Starts the client and waits for the server's CONNACK. The first failure is the end, unless
    /// [`retry_first`](Self::retry_first) was chosen; later losses are repaired by reconnecting.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, the client cannot be driven, or the connection could not be
    /// made.
    pub fn connect(self) -> Result<Client, ConnectError> {
        let client = self.build()?;
        client.connect().wait()?;
        Ok(client)
    }

    /// Starts the client without connecting: its `connect` does that. Operations before that are queued, so streams can
    /// be there before the first message of a session that the server kept.
    ///
    /// # Errors
    /// [`ConnectError`]: the URL or the options are wrong, the client cannot be driven, or the store is not this
    /// client's.
    pub fn build(self) -> Result<Client, ConnectError> {
        let waiter = Waiter::new(self.runtime.waiter());
        Ok(Client::new(self.start()?, waiter))
    }
}
