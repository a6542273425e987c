//! A TCP socket of mio's, whose sending half others have too.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use sterna_client::sockets::Clock;
use sterna_client::{Instant, Outlet};

use crate::net::Stream;

/// What the driver has of it.
pub(crate) struct Tcp(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) stream: mio::net::TcpStream,
    clock: Clock,
}

impl Tcp {
    pub(crate) fn new(stream: mio::net::TcpStream, clock: Clock) -> Self {
        Self(Arc::new(Shared { stream, clock }))
    }

    /// The socket, while nobody else has it.
    fn alone(&mut self) -> io::Result<&mut mio::net::TcpStream> {
        Arc::get_mut(&mut self.0).map(|shared| &mut shared.stream).ok_or(ErrorKind::ResourceBusy.into())
    }
}

impl Outlet for Shared {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn try_write(&self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.stream).write_vectored(data)
    }
}

impl Read for Tcp {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0.stream).read(buffer)
    }
}

impl Write for Tcp {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&self.0.stream).write(data)
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0.stream).write_vectored(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// It is registered before others have it. Deregistering it is what closing it does too.
impl Source for Tcp {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.alone()?.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.alone()?.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.alone()?.deregister(registry)
    }
}

impl Stream for Tcp {
    fn shut_down(&mut self) -> io::Result<()> {
        self.0.stream.shutdown(Shutdown::Write)
    }
}
