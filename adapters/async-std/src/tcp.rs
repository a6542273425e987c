//! A TCP socket of async-io's, whose sending half others have too.

use std::io::{self, IoSlice, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};
use sterna_client::driver::Dialled;
use sterna_client::sockets::Clock;
use sterna_client::{Instant, Outlet};

/// The driver's, and what others write to it through.
pub(crate) fn dialled(stream: Async<TcpStream>, clock: Clock) -> Dialled {
    let socket = Arc::new(Socket { stream, clock });
    Dialled { stream: Box::new(Tcp(socket.clone())), outlet: Some(socket) }
}

struct Socket {
    stream: Async<TcpStream>,
    clock: Clock,
}

impl Outlet for Socket {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.get_ref().write_vectored(data)
    }
}

struct Tcp(Arc<Socket>);

impl AsyncRead for Tcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &self.0.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut &self.0.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &self.0.stream).poll_write_vectored(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.stream.get_ref().shutdown(Shutdown::Write))
    }
}
