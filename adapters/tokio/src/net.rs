//! The network and the time, by tokio.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sterna_client::driver::{Dialled, MakeStream, Network, Pending, cannot_dial};
use sterna_client::{Commit, Committed, Instant, SocketOptions, Target};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::Sleep;

use crate::tcp;

/// A deadline beyond this wakes the task in between: the runtime's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// How names are looked up.
pub(crate) type Resolve = fn(Box<str>, u16) -> Pending<Vec<SocketAddr>>;

/// The I/O, the timers and the threads of the runtime that is current.
pub(crate) struct Net {
    origin: tokio::time::Instant,
    /// The timer, and what it is set to.
    sleep: Option<(Pin<Box<Sleep>>, Instant)>,
    pub(crate) resolve: Resolve,
    make_stream: Option<MakeStream>,
}

impl Net {
    /// To be called in the context of the runtime.
    pub(crate) fn new(make_stream: Option<MakeStream>) -> Self {
        let resolve: Resolve =
            |host, port| Box::pin(async move { Ok(lookup_host((&*host, port)).await?.collect()) });
        Self { origin: tokio::time::Instant::now(), sleep: None, resolve, make_stream }
    }
}

impl Network for Net {
    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    fn poll_deadline(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.sleep = None;
            return Poll::Pending;
        };
        let at = self.origin + (deadline - Instant::ZERO).min(FAR);
        let (sleep, set) =
            self.sleep.get_or_insert_with(|| (Box::pin(tokio::time::sleep_until(at)), deadline));
        if *set != deadline {
            sleep.as_mut().reset(at);
            *set = deadline;
        }
        sleep.as_mut().poll(cx)
    }

    fn resolve(&mut self, host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
        (self.resolve)(host, port)
    }

    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Dialled> {
        match (target, &mut self.make_stream) {
            (Target::Tcp(address), _) => Box::pin(dial_tcp(address, options, self.origin)),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => Box::pin(async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok(Dialled::new(Carried(stream)))
            }),
            (Target::Stream(endpoint), Some(make)) => make(*endpoint),
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => Box::pin(async move { Err(cannot_dial(&other)) }),
        }
    }

    fn commit(&mut self, commit: Commit) -> Pending<Committed> {
        let committed = spawn_blocking(|| commit.run());
        Box::pin(async { Ok(committed.await?) })
    }
}

async fn dial_tcp(
    address: SocketAddr,
    options: SocketOptions,
    origin: tokio::time::Instant,
) -> io::Result<Dialled> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(options.nodelay)?;
    socket.set_keepalive(options.keepalive)?;
    if let Some(local) = options.bind {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    Ok(tcp::dialled(socket.connect(address).await?, origin))
}

/// A stream of tokio's with the traits that all runtimes have in common.
pub(crate) struct Carried<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> futures_io::AsyncRead for Carried<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<S: AsyncWrite + Unpin> futures_io::AsyncWrite for Carried<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
