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

mod net;
mod tcp;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::io;

use sterna_client::driver::{Dialled, Driver, MakeStream};
use sterna_client::{Client, ClientBuilder, ConnectError, Endpoint, Engine};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::net::{Carried, Net};

/// The tokio runtime that is current when the client is started.
#[derive(Default)]
pub struct Runtime {
    make_stream: Option<MakeStream>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("makes_streams", &self.make_stream.is_some()).finish()
    }
}

/// The client was started outside of a tokio runtime.
#[derive(Debug)]
pub struct NoRuntime(tokio::runtime::TryCurrentError);

impl fmt::Display for NoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    fn makes_streams(&self) -> bool {
        self.make_stream.is_some()
    }

    fn start(self, engine: Engine) -> Result<(), NoRuntime> {
        let runtime = tokio::runtime::Handle::try_current().map_err(NoRuntime)?;
        // The origin of time and the timers belong to that runtime.
        let _entered = runtime.enter();
        runtime.spawn(Driver::new(engine, Net::new(self.make_stream)));
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
    ClientBuilder::new(url, Runtime::default())
}

/// A client over streams of your own: `make` is called for each attempt and makes a stream to the server that it is
/// given. What the URL's scheme asks for, such as TLS, is spoken over that stream; neither names are resolved nor sockets
/// opened. Where `make` does not succeed within the connect time-out, its future is dropped.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = sterna_tokio::builder_over("mqtt://in-memory", |_endpoint| async {
///     let (ours, theirs) = tokio::io::duplex(4_096);
///     serve(theirs);
///     Ok(ours)
/// })
/// .connect()
/// .await?;
/// # Ok(())
/// # }
/// # fn serve(_: tokio::io::DuplexStream) {}
/// ```
pub fn builder_over<S, F>(
    url: &str,
    mut make: impl FnMut(Endpoint) -> F + Send + 'static,
) -> ClientBuilder<Runtime>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
{
    let make_stream: MakeStream = Box::new(move |endpoint| {
        let made = make(endpoint);
        Box::pin(async move { Ok(Dialled::new(Carried(made.await?))) })
    });
    ClientBuilder::new(url, Runtime { make_stream: Some(make_stream) })
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
