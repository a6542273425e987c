//! The MQTT client without an async runtime: calls that block.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = sterna_blocking::connect("mqtt://localhost")?;
//! let mut presence = client.subscribe("presence").wait()?;
//! client.publish("presence", "Hello mqtt").wait()?;
//! if let Some(message) = presence.next() {
//!     println!("{}", message.text()?);
//! }
//! client.disconnect().wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! What is awaited with an async client is waited for here: [`Call::wait`], and [`Call::wait_timeout`] for a while, which
//! loses nothing. A [`Subscription`] is an iterator that blocks, with `recv`, `try_recv` and `recv_timeout` besides.
//!
//! # Who drives the client
//! By default a thread of its own: it keeps the connection alive and reconnects, whatever the application does, and uses
//! no time while nothing happens. If it cannot be started, `connect` and `build` say so; if it panics, the client ends, and
//! every call that waits says why.
//!
//! With [`on_this_thread`](sterna_client::ClientBuilder::on_this_thread) there is no such thread: whichever thread is in a
//! call that waits drives the client meanwhile, with one wait for the network, the timers and other threads' calls. (When
//! several threads wait, they relieve each other.) Between calls nothing happens: no message is read, no PINGREQ is sent, and
//! a server closes the connection after one and a half times the keep alive. [`Client::run_for`] is there for applications
//! that have no other call to make. [`Call::wait`] on `disconnect` says goodbye; where the last handle is merely dropped,
//! DISCONNECT leaves only if nothing has to be waited for, and otherwise the server publishes the will.
//!
//! Either way other threads carry out what the operating system has no other way for: one for the time in which a name is
//! resolved (so that the connect time-out holds), and one for a [`store`](sterna_client::ClientBuilder::store).
#![forbid(unsafe_code)]

mod driver;
mod hub;
mod net;
mod tcp;
mod waiter;

/// What a [`Stream`] needs.
pub use mio;
pub use net::Stream;
pub use sterna_client::blocking::{
    Call, Client, Events, Incoming, Messages, Operation, Pending, Subscription, TimedOut,
};
pub use waiter::Waiter;

use std::sync::{Arc, OnceLock};
use std::{fmt, io, thread};

use sterna_client::driver::Dialled;
use sterna_client::{Blocking, BlockingRuntime, ClientBuilder, ConnectError, Endpoint, Engine};

use crate::driver::Driver;
use crate::net::{MakeStream, Socket};
use crate::waiter::Seat;

/// A thread for the client, or none; see the crate's documentation.
///
/// It drives an async client as well: one of `ClientBuilder::new(url, Runtime::default())` has a thread of its own, and its
/// futures and streams are for any executor, also for one that knows nothing of I/O.
#[derive(Clone, Default)]
pub struct Runtime {
    make_stream: Option<MakeStream>,
    /// Where the driver goes that has no thread.
    seat: Option<Arc<OnceLock<Seat>>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("makes_streams", &self.make_stream.is_some())
            .field("on_this_thread", &self.seat.is_some())
            .finish()
    }
}

/// The client cannot be driven: the system gives no thread, or no means to wait for the network.
#[derive(Debug, thiserror::Error)]
#[error("the MQTT client's driver cannot be started: {0}")]
pub struct StartError(#[source] io::Error);

impl sterna_client::Runtime for Runtime {
    type Error = StartError;

    fn makes_streams(&self) -> bool {
        self.make_stream.is_some()
    }

    fn start(self, engine: Engine) -> Result<(), StartError> {
        let driver = Driver::new(engine, self.make_stream, self.seat.is_none()).map_err(StartError)?;
        if let Some(seat) = self.seat {
            seat.get_or_init(|| Seat::new(driver));
            return Ok(());
        }
        let thread = thread::Builder::new().name("sterna".into());
        thread.spawn(move || driver.run()).map(drop).map_err(StartError)
    }
}

impl BlockingRuntime for Runtime {
    type Wait = Waiter;

    fn on_this_thread(mut self) -> Self {
        self.seat = Some(Arc::default());
        self
    }

    fn waiter(&self) -> Waiter {
        Waiter { seat: self.seat.clone() }
    }
}

/// A client for the server at `url`, to be set up with options.
///
/// ```no_run
/// # fn main() -> Result<(), sterna_client::ConnectError> {
/// use std::time::Duration;
///
/// let client = sterna_blocking::builder("mqtt://localhost")
///     .client_id("thermometer")
///     .keep_alive(Duration::from_secs(20))
///     .connect()?;
/// # Ok(())
/// # }
/// ```
pub fn builder(url: &str) -> ClientBuilder<Runtime, Blocking> {
    ClientBuilder::blocking(url, Runtime::default())
}

/// A client over streams of your own: `make` is called for each attempt, on a thread of its own so that it may block, and
/// makes a stream to the server that it is given. What the URL's scheme asks for, such as TLS, is spoken over that stream;
/// neither names are resolved nor sockets opened. A stream that comes after the connect time-out is dropped.
///
/// ```no_run
/// # fn main() -> Result<(), sterna_client::ConnectError> {
/// use std::net::TcpStream;
///
/// let client = sterna_blocking::builder_over("mqtt://broker", |endpoint| {
///     let stream = TcpStream::connect(("192.0.2.1", endpoint.port))?;
///     stream.set_nonblocking(true)?;
///     Ok(sterna_blocking::mio::net::TcpStream::from_std(stream))
/// })
/// .connect()?;
/// # Ok(())
/// # }
/// ```
pub fn builder_over<S: Stream + 'static>(
    url: &str,
    make: impl Fn(Endpoint) -> io::Result<S> + Send + Sync + 'static,
) -> ClientBuilder<Runtime, Blocking> {
    let make_stream: MakeStream =
        Arc::new(move |endpoint, hub| Ok(Dialled::new(Socket::new(hub, make(endpoint)?)?)));
    ClientBuilder::blocking(url, Runtime { make_stream: Some(make_stream), seat: None })
}

/// Connects to the server at `url` with the default options.
///
/// # Errors
/// [`ConnectError`]: the URL is wrong, the client cannot be driven, or the connection could not be made.
pub fn connect(url: &str) -> Result<Client, ConnectError> {
    builder(url).connect()
}
