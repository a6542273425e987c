//! The layers of Sterna's client without the client.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bench_common::Work;
use bytes::{Bytes, BytesMut};
use sterna_transport::{Endpoint, Pipe, Subprotocol, TlsOptions, TransportOptions};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::Stream;

/// How much the client reads at once under load.
const WIRE: usize = 32 * 1_024;

pub(crate) struct Layered {
    socket: TcpStream,
    pipe: Pipe,
    wire: Vec<u8>,
}

/// The hand-shakes with it.
pub(crate) async fn open(socket: TcpStream, scheme: &str, work: &Work) -> Layered {
    let endpoint = Endpoint::parse(&format!("{scheme}://127.0.0.1")).expect("a URL");
    let mut options = TransportOptions::default();
    if let Some(file) = work.find("ca") {
        options.tls = TlsOptions::new().ca_pem(std::fs::read(file).expect("a certificate"));
    }
    let pipe = Pipe::new(&endpoint, &options, Subprotocol::Mqtt, None).expect("options");
    let mut layered = Layered { socket, pipe: pipe.expect("it has layers"), wire: vec![0; WIRE] };
    let nothing = Bytes::new();
    let mut input = BytesMut::new();
    while layered.pipe.is_handshaking() {
        layered.send(&nothing).await;
        layered.read(&mut input).await;
    }
    layered.send(&nothing).await;
    assert!(input.is_empty(), "the sink spoke first");
    layered
}

impl Layered {
    async fn read(&mut self, input: &mut BytesMut) {
        let count = self.socket.read(&mut self.wire).await.expect("the sink sends");
        assert!(count > 0, "the sink has closed");
        self.pipe.receive(&self.wire[..count], |piece| input.extend_from_slice(piece)).expect("no failure");
    }
}

impl Stream for Layered {
    async fn send(&mut self, bytes: &Bytes) {
        let mut left = &bytes[..];
        poll_fn(|cx| {
            let mut wire = Wire { socket: &mut self.socket, cx };
            self.pipe.send(&mut left, &mut wire).expect("the sink takes it");
            let is_done = left.is_empty() && !self.pipe.wants_send();
            if is_done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn receive(&mut self, input: &mut BytesMut) {
        let before = input.len();
        while input.len() == before {
            self.read(input).await;
        }
    }
}

/// The socket as what the layers write to.
struct Wire<'a, 'c> {
    socket: &'a mut TcpStream,
    cx: &'a mut Context<'c>,
}

impl Wire<'_, '_> {
    fn ready(polled: Poll<io::Result<usize>>) -> io::Result<usize> {
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl io::Write for Wire<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Self::ready(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Self::ready(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
