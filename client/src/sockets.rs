//! What adapters over the standard library have in common: its clock, its names, and its sockets without waiting.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use sterna_core::Instant;
use sterna_transport::SocketOptions;

/// A deadline beyond this wakes the driver in between: the system's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// The system's clock as a driver counts time: from when this was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// It begins now.
    #[allow(clippy::new_without_default)] // No two are the same.
    pub fn new() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time.
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.0.elapsed()
    }

    /// When that is by the system's clock.
    pub fn at(&self, instant: Instant) -> std::time::Instant {
        self.0 + (instant - Instant::ZERO).min(FAR)
    }
}

/// Waits until the system has resolved `host`.
///
/// # Errors
/// What the system says.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

/// Starts connecting to `address` without waiting: the stream is non-blocking, and writable once
/// [`is_connected`] has something to say.
///
/// # Errors
/// What the operating system says when there is no socket, or no way to `address`.
pub fn connect(address: SocketAddr, options: SocketOptions) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(options.nodelay)?;
    socket.set_keepalive(options.keepalive)?;
    if let Some(local) = options.bind {
        socket.bind(&SocketAddr::new(local, 0).into())?;
    }
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(socket.into())
}

/// Whether a connect is merely not done.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    let in_progress = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let in_progress = false;
    in_progress || error.kind() == io::ErrorKind::WouldBlock
}

/// Whether a stream that [`connect`] has made is connected; it is worth asking when it is writable.
///
/// # Errors
/// Why it cannot be.
pub fn is_connected<'a>(stream: impl Into<SockRef<'a>>) -> io::Result<bool> {
    let socket = stream.into();
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
