//! The MQTT client on smol and async-std: one task for each client, over the reactor that both have in common.
//!
//! `smol` and `async_std` are the same but for the executor that the task is spawned on; [`Runtime::on`] takes any
//! other that leaves I/O to async-io.
#![forbid(unsafe_code)]

mod net;
mod tcp;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::{fmt, io};

use futures_io::{AsyncRead, AsyncWrite};
use sterna_client::driver::{Dialled, Driver, MakeStream};
use sterna_client::{Endpoint, Engine};

use crate::net::Reactor;

/// What drives a client: spawn it, or poll it. It ends when the last handle is gone; dropping it ends the client.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An executor for the client's task.
pub struct Runtime {
    spawn: Box<dyn FnOnce(Task) + Send>,
    make_stream: Option<MakeStream>,
}

impl Runtime {
    /// `spawn` has the task polled until it ends, such as by an executor of the application's own. Dropping that executor
    /// ends the client.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use async_executor::Executor;
    /// use sterna_async_std::Runtime;
    /// use sterna_client::ClientBuilder;
    ///
    /// let executor = Arc::new(Executor::new());
    /// let spawner = executor.clone();
    /// let runtime = Runtime::on(move |task| spawner.spawn(task).detach());
    /// let builder = ClientBuilder::new("mqtt://localhost", runtime);
    /// ```
    pub fn on(spawn: impl FnOnce(Task) + Send + 'static) -> Self {
        Self { spawn: Box::new(spawn), make_stream: None }
    }

    /// Has `make` make a stream for each attempt, in the place of resolving and dialling; see `builder_over` of `smol` and
    /// `async_std`.
    #[must_use]
    pub fn over<S, F>(mut self, mut make: impl FnMut(Endpoint) -> F + Send + 'static) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        self.make_stream = Some(Box::new(move |endpoint| {
            let made = make(endpoint);
            Box::pin(async move { Ok(Dialled::new(made.await?)) })
        }));
        self
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("makes_streams", &self.make_stream.is_some()).finish_non_exhaustive()
    }
}

impl sterna_client::Runtime for Runtime {
    type Error = Infallible;

    fn makes_streams(&self) -> bool {
        self.make_stream.is_some()
    }

    fn start(self, engine: Engine) -> Result<(), Infallible> {
        (self.spawn)(Box::pin(Driver::new(engine, Reactor::new(self.make_stream))));
        Ok(())
    }
}

/// The same functions on each executor.
macro_rules! on_executor {
    ($(#[$doc:meta])* $feature:literal $name:ident: $spawn:expr) => {
        $(#[$doc])*
        #[cfg(feature = $feature)]
        pub mod $name {
            use std::future::Future;
            use std::io;

            use futures_io::{AsyncRead, AsyncWrite};
            use sterna_client::{Client, ClientBuilder, ConnectError, Endpoint};

            pub use crate::{Runtime, Task};

            /// The executor, for what takes a [`Runtime`].
            pub fn runtime() -> Runtime {
                Runtime::on($spawn)
            }

            /// A client for the server at `url`, to be set up with options.
            pub fn builder(url: &str) -> ClientBuilder<Runtime> {
                ClientBuilder::new(url, runtime())
            }

            /// A client over streams of your own: `make` is called for each attempt and makes a stream to the server that
            /// it is given. What the URL's scheme asks for, such as TLS, is spoken over that stream; neither names are
            /// resolved nor sockets opened. Where `make` does not succeed within the connect time-out, its future is
            /// dropped.
            pub fn builder_over<S, F>(
                url: &str,
                make: impl FnMut(Endpoint) -> F + Send + 'static,
            ) -> ClientBuilder<Runtime>
            where
                S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
                F: Future<Output = io::Result<S>> + Send + 'static,
            {
                ClientBuilder::new(url, runtime().over(make))
            }

            /// Connects to the server at `url` with the default options.
            ///
            /// # Errors
            /// [`ConnectError`]: the URL is wrong, or the connection could not be made.
            ///
            /// # Cancel safety
            /// Dropping the future ends the client.
            pub async fn connect(url: &str) -> Result<Client, ConnectError> {
                builder(url).connect().await
            }
        }
    };
}

on_executor! {
    /// The client on smol: its task is spawned on smol's global executor.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// smol::block_on(async {
    ///     let client = sterna_async_std::smol::connect("mqtt://localhost").await?;
    ///     let mut presence = client.subscribe("presence").await?;
    ///     client.publish("presence", "Hello mqtt").await?;
    ///     if let Some(message) = presence.next().await {
    ///         println!("{}", message.text()?);
    ///     }
    ///     client.disconnect().await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    "smol" smol: |task| ::smol::spawn(task).detach()
}

on_executor! {
    /// The client on async-std: its task is spawned there.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// async_std::task::block_on(async {
    ///     let client = sterna_async_std::async_std::connect("mqtt://localhost").await?;
    ///     let mut presence = client.subscribe("presence").await?;
    ///     client.publish("presence", "Hello mqtt").await?;
    ///     if let Some(message) = presence.next().await {
    ///         println!("{}", message.text()?);
    ///     }
    ///     client.disconnect().await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    "async-std" async_std: |task| drop(::async_std::task::spawn(task))
}
