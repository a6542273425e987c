//! The network and the time, by async-io.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::{fmt, future::Future};

use async_io::{Async, Timer};
use blocking::unblock;
use sterna_client::driver::{Dialled, MakeStream, Network, Others, Pending, cannot_dial};
use sterna_client::sockets::{self, Clock};
use sterna_client::{Commit, Committed, Instant, SocketOptions, Target};

use crate::tcp;

/// The reactor of async-io, which smol and async-std share, and the threads of the crate `blocking`.
pub(crate) struct Reactor {
    clock: Clock,
    /// The timer, and what it is set to.
    timer: Option<(Timer, Instant)>,
    make_stream: Option<MakeStream>,
}

impl Reactor {
    pub(crate) fn new(make_stream: Option<MakeStream>) -> Self {
        Self { clock: Clock::new(), timer: None, make_stream }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("timer", &self.timer).finish_non_exhaustive()
    }
}

impl Network for Reactor {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn poll_deadline(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.timer = None;
            return Poll::Pending;
        };
        let at = self.clock.at(deadline);
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
        Box::pin(unblock(move || sockets::resolve(&host, port)))
    }

    fn dial(&mut self, target: Target, options: SocketOptions) -> Pending<Dialled> {
        match (target, &mut self.make_stream) {
            (Target::Tcp(address), _) => Box::pin(dial_tcp(address, options, self.clock)),
            #[cfg(all(unix, feature = "unix"))]
            (Target::Unix(path), _) => Box::pin(async move {
                let stream = async_net::unix::UnixStream::connect(path).await?;
                Ok(Dialled::new(stream))
            }),
            (Target::Stream(endpoint), Some(make)) => make(*endpoint),
            #[allow(unreachable_patterns)] // Only without Unix sockets is there anything else.
            (other, _) => Box::pin(async move { Err(cannot_dial(&other)) }),
        }
    }

    fn gives_way_to(&self) -> Others {
        Others::Tasks
    }

    fn commit(&mut self, commit: Commit) -> Pending<Committed> {
        Box::pin(unblock(move || Ok(commit.run())))
    }
}

async fn dial_tcp(address: SocketAddr, options: SocketOptions, clock: Clock) -> io::Result<Dialled> {
    let stream = Async::new_nonblocking(sockets::connect(address, options)?)?;
    loop {
        stream.writable().await?;
        if sockets::is_connected(stream.get_ref())? {
            return Ok(tcp::dialled(stream, clock));
        }
    }
}
