//! Resolving and dialling, and sockets as the engine reads and writes them.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use sterna_client::{Endpoint, SocketOptions, Target};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, lookup_host};

/// A network operation under way.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// A connection, whatever carries it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes the stream to a server in the place of a socket.
pub(crate) type MakeStream = Box<dyn FnMut(Endpoint) -> Pending<Box<dyn Stream>> + Send>;

pub(crate) fn resolve(host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
    Box::pin(async move { Ok(lookup_host((&*host, port)).await?.collect()) })
}

pub(crate) fn dial(
    target: Target,
    options: SocketOptions,
    make: Option<&mut MakeStream>,
) -> Pending<Box<dyn Stream>> {
    match (target, make) {
        (Target::Tcp(address), _) => Box::pin(dial_tcp(address, options)),
        #[cfg(all(unix, feature = "unix"))]
        (Target::Unix(path), _) => {
            Box::pin(async move { Ok(Box::new(tokio::net::UnixStream::connect(path).await?) as _) })
        }
        (Target::Stream(endpoint), Some(make)) => make(*endpoint),
        #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
        (other, _) => Box::pin(async move {
            Err(io::Error::new(ErrorKind::Unsupported, format!("{other} cannot be dialled here")))
        }),
    }
}

async fn dial_tcp(address: SocketAddr, options: SocketOptions) -> io::Result<Box<dyn Stream>> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_nodelay(options.nodelay)?;
    socket.set_keepalive(options.keepalive)?;
    if let Some(local) = options.bind {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    Ok(Box::new(socket.connect(address).await?))
}

/// A stream within a poll of its task: what would block wakes the task.
pub(crate) struct Polled<'a, 'b> {
    pub(crate) stream: &'a mut dyn Stream,
    pub(crate) cx: &'a mut Context<'b>,
}

impl Polled<'_, '_> {
    fn poll<T>(
        &mut self,
        operation: impl FnOnce(Pin<&mut dyn Stream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        match operation(Pin::new(self.stream), self.cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for Polled<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        self.poll(|stream, cx| stream.poll_read(cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl Write for Polled<'_, '_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.poll(|stream, cx| stream.poll_write(cx, data))
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.poll(|stream, cx| stream.poll_write_vectored(cx, data))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.poll(|stream, cx| stream.poll_flush(cx))
    }
}
