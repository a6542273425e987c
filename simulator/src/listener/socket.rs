//! The sockets below it all: TCP and Unix.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time;

use super::stream::AnyStream;

/// How long it is tried to get the port back, and how often.
const REBIND: Duration = Duration::from_secs(10);
const REBIND_PAUSE: Duration = Duration::from_millis(5);

/// Where a broker listens.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A socket that listens. A Unix socket's file goes with it.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<AnyStream> {
        match self {
            Self::Tcp(listener) => {
                let stream = listener.accept().await?.0;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }

    /// Listens at a place where another listener was. Some systems take a moment to free the port of connections that
    /// are gone.
    pub(super) async fn bind_again(place: &Place) -> io::Result<Self> {
        let give_up = time::Instant::now() + REBIND;
        loop {
            let result = match place {
                Place::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
                #[cfg(unix)]
                Place::Unix(path) => return Self::bind_unix(path.clone()),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && time::Instant::now() < give_up => {
                    time::sleep(REBIND_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    #[cfg(unix)]
    pub(super) fn bind_unix(path: PathBuf) -> io::Result<Self> {
        Ok(Self::Unix(UnixListener::bind(&path)?, path))
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // Somebody else may have removed it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Listens on the first of the addresses that can be had. The other socket is bound to the same port and never listens:
/// while the broker is down no other program gets the port, and no client that reconnects gets it as its own source
/// port and so connects to itself. Only Linux lets the two share it.
pub(super) async fn listen(
    addresses: impl IntoIterator<Item = SocketAddr>,
) -> io::Result<(Option<TcpSocket>, TcpListener)> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for mut address in addresses {
        let reserved = if cfg!(target_os = "linux") {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_reuseaddr(true)?;
            if let Err(error) = socket.bind(address) {
                result = Err(error);
                continue;
            }
            address = socket.local_addr()?;
            Some(socket)
        } else {
            None
        };
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok((reserved, listener)),
            Err(error) => result = Err(error),
        }
    }
    result
}
