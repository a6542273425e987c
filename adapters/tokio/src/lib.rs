//! The MQTT client on the tokio runtime: one task for each client, TCP.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = sterna_tokio::connect("mqtt://localhost").await?;
//! let mut presence = client.subscribe("presence").await?;
//! client.publish("presence", "Hello mqtt").await?;
//! if let Some(message) = presence.next().await {
//!     println!("{}", message.text()?);
//! }
//! client.disconnect().await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod driver;
mod net;

use sterna_client::{Client, ClientBuilder, ConnectError, Engine};

use crate::driver::Driver;

/// The tokio runtime that is current when the client is started.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Runtime;

/// The client was started outside of a tokio runtime.
#[derive(Debug)]
pub struct NoRuntime(tokio::runtime::TryCurrentError);

impl std::fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an MQTT client of sterna::tokio needs a tokio runtime: {}", self.0)
    }
}

impl std::error::Error for NoRuntime {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

impl sterna_client::Runtime for Runtime {
    type Error = NoRuntime;

    fn start(self, engine: Engine) -> Result<(), NoRuntime> {
        let runtime = tokio::runtime::Handle::try_current().map_err(NoRuntime)?;
        // The origin of time and the timers belong to that runtime.
        let _entered = runtime.enter();
        runtime.spawn(Driver::new(engine));
        Ok(())
    }
}

/// A client for the server at `url`, to be set up with options. The runtime must have I/O and time enabled.
///
/// ```no_run
/// # async fn example() -> Result<(), sterna_client::ConnectError> {
/// use std::time::Duration;
///
/// let client = sterna_tokio::builder("mqtt://localhost")
///     .client_id("thermometer")
///     .keep_alive(Duration::from_secs(20))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub fn builder(url: &str) -> ClientBuilder<Runtime> {
    ClientBuilder::new(url, Runtime)
}

/// Connects to the server at `url` with the default options.
///
/// # Errors
/// [`ConnectError`]: the URL is wrong, there is no tokio runtime here, or the connection could not be made.
///
/// # Cancel safety
/// Dropping the future ends the client.
pub async fn connect(url: &str) -> Result<Client, ConnectError> {
    builder(url).connect().await
}
