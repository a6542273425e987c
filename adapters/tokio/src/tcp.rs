//! A TCP socket of tokio's, whose sending half others have too.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use sterna_client::driver::Dialled;
use sterna_client::{Instant, Outlet};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::net::Carried;

/// The driver's, and what others write to it through.
pub(crate) fn dialled(stream: TcpStream, origin: tokio::time::Instant) -> Dialled {
    let (reader, writer) = stream.into_split();
    let writer = Arc::new(Writer { half: writer, origin });
    Dialled {
        stream: Box::new(Tcp { reader: Carried(reader), writer: writer.clone() }),
        outlet: Some(writer),
    }
}

struct Writer {
    half: OwnedWriteHalf,
    origin: tokio::time::Instant,
}

impl Outlet for Writer {
    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        match data {
            [one] => self.half.try_write(one),
            many => self.half.try_write_vectored(many),
        }
    }
}

struct Tcp {
    reader: Carried<OwnedReadHalf>,
    writer: Arc<Writer>,
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.writer.try_write(data) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            ready!(self.writer.half.as_ref().poll_write_ready(cx))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nobody else has it any more.
        let Some(writer) = Arc::get_mut(&mut self.writer) else {
            return Poll::Ready(Err(ErrorKind::ResourceBusy.into()));
        };
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut writer.half), cx)
    }
}
