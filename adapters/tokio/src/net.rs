//! Resolving, dialling, reading and writing.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use sterna_transport::SocketOptions;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// A network operation under way.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// How many pieces one write takes.
const SLICES: usize = 64;

pub(crate) fn resolve(host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
    Box::pin(async move { Ok(lookup_host((&*host, port)).await?.collect()) })
}

pub(crate) fn dial(address: SocketAddr, options: SocketOptions) -> Pending<TcpStream> {
    Box::pin(async move {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_nodelay(options.nodelay)?;
        socket.set_keepalive(options.keepalive)?;
        if let Some(local) = options.bind {
            socket.bind(SocketAddr::new(local, 0))?;
        }
        socket.connect(address).await
    })
}

/// Reads once. The buffer is asked for when there is something to read.
pub(crate) fn poll_read<'a>(
    stream: &mut TcpStream,
    buffer: impl FnOnce() -> &'a mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    ready!(stream.poll_read_ready(cx))?;
    pin!(stream.read_buf(buffer())).poll(cx)
}

/// Writes once: everything, if the socket takes it.
pub(crate) fn poll_write(
    stream: &mut TcpStream,
    data: &impl Buf,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = data.chunks_vectored(&mut slices);
    let written = match &slices[..count] {
        [one] => ready!(Pin::new(stream).poll_write(cx, one)),
        many => ready!(Pin::new(stream).poll_write_vectored(cx, many)),
    };
    Poll::Ready(match written {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        written => written,
    })
}
