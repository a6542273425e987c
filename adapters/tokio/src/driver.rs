//! The task: it carries out the engine's steps, and decides nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sterna_client::{Commit, Committed, Engine, Instant, Step};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Sleep;

use crate::net::{Pending, dial, poll_read, poll_write, resolve};

/// How many steps are carried out before other tasks have a turn.
const BUDGET: usize = 16;

/// What is under way in the network.
enum Io {
    None,
    Resolving(Pending<Vec<std::net::SocketAddr>>),
    Dialling(Pending<TcpStream>),
    Up(TcpStream),
}

/// The future that drives one client until its engine is finished.
pub(crate) struct Driver {
    engine: Engine,
    io: Io,
    /// What the store is at, on a thread of the runtime's that may block.
    commit: Option<JoinHandle<Committed>>,
    /// What the engine wants of the socket.
    read: bool,
    write: bool,
    origin: tokio::time::Instant,
    /// The timer, and what it is set to.
    sleep: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Driver {
    /// To be called in the context of the runtime.
    pub(crate) fn new(engine: Engine) -> Self {
        let origin = tokio::time::Instant::now();
        Self { engine, io: Io::None, commit: None, read: false, write: false, origin, sleep: None }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// Carries on with what is under way; whether anything moved. If not, each direction that is wanted is
    /// registered to wake the task.
    fn transfer(&mut self, cx: &mut Context<'_>) -> bool {
        let committed = self.poll_commit(cx);
        let transferred = match &mut self.io {
            Io::None => false,
            Io::Resolving(pending) => match pending.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    self.io = Io::None;
                    self.engine.handle_resolved(result);
                    true
                }
                Poll::Pending => false,
            },
            Io::Dialling(pending) => match pending.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    let (io, result) = match result {
                        Ok(stream) => (Io::Up(stream), Ok(())),
                        Err(error) => (Io::None, Err(error)),
                    };
                    self.io = io;
                    self.engine.handle_dialled(result);
                    true
                }
                Poll::Pending => false,
            },
            Io::Up(_) => {
                let written = self.write && self.write(cx);
                let read = self.read && self.read(cx);
                written || read
            }
        };
        committed || transferred
    }

    fn poll_commit(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(Poll::Ready(result)) = self.commit.as_mut().map(|commit| Pin::new(commit).poll(cx)) else {
            return false;
        };
        self.commit = None;
        // It is cancelled only with the whole runtime, and this task with it.
        result.is_ok_and(|committed| {
            self.engine.handle_committed(committed);
            true
        })
    }

    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        let Io::Up(stream) = &mut self.io else { return false };
        if self.engine.transmit().is_empty() {
            // The budget ended before the engine could say so. A socket that takes nothing of something is broken,
            // one that takes nothing of nothing is not.
            return false;
        }
        match poll_write(stream, self.engine.transmit(), cx) {
            Poll::Ready(Ok(count)) => self.engine.handle_written(count),
            Poll::Ready(Err(error)) => self.engine.handle_lost(&error),
            Poll::Pending => return false,
        }
        true
    }

    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        let Io::Up(stream) = &mut self.io else { return false };
        match poll_read(stream, || self.engine.input(), cx) {
            Poll::Ready(Ok(count)) => self.engine.handle_read(count),
            Poll::Ready(Err(error)) => self.engine.handle_lost(&error),
            Poll::Pending => return false,
        }
        true
    }

    fn shut_down(&mut self, cx: &mut Context<'_>) {
        while !self.engine.transmit().is_empty() && self.write(cx) {}
        if let Io::Up(stream) = &mut self.io {
            // If that fails the connection is gone, and reading will tell.
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }

    /// Whether the task may return: the timer is set, and no command came in the meantime.
    fn sleep(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(deadline) = self.engine.deadline() {
            let at = self.origin + (deadline - Instant::ZERO).min(FAR);
            let (sleep, set) =
                self.sleep.get_or_insert_with(|| (Box::pin(tokio::time::sleep_until(at)), deadline));
            if *set != deadline {
                sleep.as_mut().reset(at);
                *set = deadline;
            }
            if sleep.as_mut().poll(cx).is_ready() {
                return false;
            }
        } else {
            self.sleep = None;
        }
        self.engine.sleep(cx.waker())
    }
}

/// A deadline beyond this wakes the task in between: the runtime's clock cannot count for ever.
const FAR: Duration = Duration::from_secs(365 * 86_400);

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // What has come is read before the time is looked at.
        this.transfer(cx);
        for _ in 0..BUDGET {
            match this.engine.poll(this.now()) {
                Step::Resolve { host, port } => this.io = Io::Resolving(resolve(host, port)),
                Step::Dial(address) => this.io = Io::Dialling(dial(address, this.engine.socket_options())),
                Step::Transfer { read, write } => {
                    (this.read, this.write) = (read, write);
                    if !this.transfer(cx) && this.sleep(cx) {
                        return Poll::Pending;
                    }
                }
                Step::Commit(commit) => this.commit = Some(spawn_blocking(|| Commit::run(commit))),
                Step::Shutdown => this.shut_down(cx),
                Step::Close => this.io = Io::None,
                Step::Finished => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sterna_client::ClientBuilder;
    use sterna_simulator::TestBroker;

    use super::*;

    /// Runs the driver and counts how often it is polled.
    struct Counting(Arc<AtomicUsize>);

    impl sterna_client::Runtime for Counting {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            let mut driver = Box::pin(Driver::new(engine));
            tokio::spawn(std::future::poll_fn(move |cx| {
                self.0.fetch_add(1, Ordering::Relaxed);
                driver.as_mut().poll(cx)
            }));
            Ok(())
        }
    }

    async fn polls_in_an_hour(keep_alive: Duration) -> usize {
        let broker = TestBroker::start().await.unwrap();
        let polls = Arc::new(AtomicUsize::new(0));
        let builder = ClientBuilder::new(&broker.url(), Counting(polls.clone())).keep_alive(keep_alive);
        let client = builder.connect().await.unwrap();
        client.publish("a", "x").await.unwrap();
        tokio::time::sleep(Duration::from_secs(30)).await;
        polls.store(0, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        drop(client);
        polls.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_is_not_polled_between_its_deadlines() {
        assert_eq!(polls_in_an_hour(Duration::ZERO).await, 0);
        // For each ping: its deadline, its answer, and two looks at whether the buffers are idle.
        let polls = polls_in_an_hour(Duration::from_secs(60)).await;
        assert!((120..=5 * 60).contains(&polls), "{polls} polls");
    }
}
