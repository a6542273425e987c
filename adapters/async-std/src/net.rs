//! The network and the time, by async-io.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use std::{fmt, future::Future};

use async_io::{Async, Timer};
use blocking::unblock;
use sterna_client::driver::{MakeStream, Network, Pending, Stream};
use sterna_client::{Commit, Committed, SocketOptions, Target, sockets};

/// A deadline beyond this wakes the task in between: the system's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// The reactor of async-io, which smol and async-std share, and the threads of the crate `blocking`.
pub(crate) struct Reactor {
    origin: Instant,
    /// The timer, and what it is set to.
    timer: Option<(Timer, sterna_client::Instant)>,
    make_stream: Option<MakeStream>,
}

impl Reactor {
    pub(crate) fn new(make_stream: Option<MakeStream>) -> Self {
        Self { origin: Instant::now(), timer: None, make_stream }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("timer", &self.timer).finish_non_exhaustive()
    }
}

impl Network for Reactor {
    fn now(&self) -> sterna_client::Instant {
        sterna_client::Instant::ZERO + self.origin.elapsed()
    }

    fn poll_deadline(&mut self, deadline: Option<sterna_client::Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.timer = None;
            return Poll::Pending;
        };
        let at = self.origin + (deadline - sterna_client::Instant::ZERO).min(FAR);
        let (timer, set) = self.timer.get_or_insert_with(|| (Timer::at(at), deadline));
        if *set != deadline {
            timer.set_at(at);
            *set = deadline;
        }
        if Pin::new(timer).poll(cx).is_pending() {
            return Poll::Pending;
        }
        // One that has fired is never ready again.
        self.timer = None;
        Poll::Ready(())
    }

    fn resolve(&mut self, host: Box<str>, port: u16) -> Pending<Vec<SocketAddr>> {
        Box::pin(unblock(move || Ok((&*host, port).to_socket_addrs()?.collect())))
    }

    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Box<dyn Stream>> {
        match (target, &mut self.make_stream) {
            (Target::Tcp(address), _) => Box::pin(dial_tcp(address, options)),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => {
                Box::pin(async move { Ok(Box::new(async_net::unix::UnixStream::connect(path).await?) as _) })
            }
            (Target::Stream(endpoint), Some(make)) => make(*endpoint),
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => Box::pin(async move {
                Err(io::Error::new(ErrorKind::Unsupported, format!("{other} cannot be dialled here")))
            }),
        }
    }

    fn commit(&mut self, commit: Commit) -> Pending<Committed> {
        Box::pin(unblock(move || Ok(commit.run())))
    }
}

async fn dial_tcp(address: SocketAddr, options: SocketOptions) -> io::Result<Box<dyn Stream>> {
    let stream = Async::new_nonblocking(sockets::connect(address, options)?)?;
    loop {
        stream.writable().await?;
        if sockets::is_connected(stream.get_ref())? {
            return Ok(Box::new(async_net::TcpStream::from(stream)));
        }
    }
}
