//! The task: it carries out the engine's steps, and decides nothing.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sterna_client::{Commit, Committed, DialId, Engine, Instant, Step, Target};
use tokio::io::AsyncWrite;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Sleep;

use crate::net::{self, MakeStream, Pending, Polled, Stream};

/// How many steps are carried out before other tasks have a turn.
const BUDGET: usize = 16;

/// What is under way in the network.
enum Io {
    None,
    Resolving(Pending<Vec<SocketAddr>>),
    Dialling(Vec<(DialId, Pending<Box<dyn Stream>>)>),
    Up(Box<dyn Stream>),
}

/// How names are looked up.
type Resolve = fn(Box<str>, u16) -> Pending<Vec<SocketAddr>>;

/// The future that drives one client until its engine is finished.
pub(crate) struct Driver {
    engine: Engine,
    io: Io,
    resolve: Resolve,
    make_stream: Option<MakeStream>,
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
    pub(crate) fn new(engine: Engine, make_stream: Option<MakeStream>) -> Self {
        let origin = tokio::time::Instant::now();
        Self {
            engine,
            io: Io::None,
            resolve: net::resolve,
            make_stream,
            commit: None,
            read: false,
            write: false,
            origin,
            sleep: None,
        }
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
            Io::Dialling(_) => self.poll_dials(cx),
            Io::Up(stream) => {
                let mut stream = Polled { stream: &mut **stream, cx };
                let written = self.write && self.engine.write(&mut stream);
                let read = self.read && self.engine.read(&mut stream);
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

    /// Whether a dial has ended. The first that succeeds is the connection.
    fn poll_dials(&mut self, cx: &mut Context<'_>) -> bool {
        let Io::Dialling(dials) = &mut self.io else { return false };
        for at in 0..dials.len() {
            let (dial, pending) = &mut dials[at];
            let Poll::Ready(result) = pending.as_mut().poll(cx) else { continue };
            let dial = *dial;
            let result = match result {
                Ok(stream) => {
                    self.io = Io::Up(stream);
                    Ok(())
                }
                Err(error) => {
                    drop(dials.swap_remove(at));
                    Err(error)
                }
            };
            self.engine.handle_dialled(dial, result);
            return true;
        }
        false
    }

    fn dial(&mut self, dial: DialId, target: Target) {
        let pending = net::dial(target, self.engine.socket_options(), self.make_stream.as_mut());
        match &mut self.io {
            Io::Dialling(dials) => dials.push((dial, pending)),
            io => *io = Io::Dialling(vec![(dial, pending)]),
        }
    }

    fn shut_down(&mut self, cx: &mut Context<'_>) {
        let Io::Up(stream) = &mut self.io else { return };
        while self.engine.write(&mut Polled { stream: &mut **stream, cx }) {}
        // If that fails the connection is gone, and reading will tell.
        let _ = Pin::new(stream).poll_shutdown(cx);
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
                Step::Resolve { host, port } => this.io = Io::Resolving((this.resolve)(host, port)),
                Step::Dial { dial, target } => this.dial(dial, target),
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, OnceLock};

    use sterna_client::{ClientBuilder, QoS};
    use sterna_simulator::TestBroker;
    use tokio::net::{TcpListener, TcpSocket, TcpStream};
    use tokio::time::timeout;

    use super::*;

    /// Runs the driver and counts how often it is polled.
    struct Counting(Arc<AtomicUsize>);

    impl sterna_client::Runtime for Counting {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            let mut driver = Box::pin(Driver::new(engine, None));
            tokio::spawn(std::future::poll_fn(move |cx| {
                self.0.fetch_add(1, Ordering::Relaxed);
                driver.as_mut().poll(cx)
            }));
            Ok(())
        }
    }

    /// Runs the driver with names of its own.
    struct Naming(Resolve);

    impl sterna_client::Runtime for Naming {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            tokio::spawn(Driver { resolve: self.0, ..Driver::new(engine, None) });
            Ok(())
        }
    }

    /// An address where connections are begun and never made: the queue of a listener that accepts nobody is full.
    async fn silent_address() -> (Vec<TcpStream>, TcpListener, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queue.push(connected.unwrap());
        }
        (queue, listener, address)
    }

    // R: CON-05
    #[tokio::test]
    async fn a_silent_address_does_not_hold_up_the_next() {
        static ADDRESSES: OnceLock<Vec<SocketAddr>> = OnceLock::new();
        let broker = TestBroker::start().await.unwrap();
        let (_queue, _listener, silent) = silent_address().await;
        let answers = broker.url().strip_prefix("mqtt://").unwrap().parse().unwrap();
        ADDRESSES.set(vec![silent, answers]).unwrap();
        let resolve: Resolve = |_, _| Box::pin(async { Ok(ADDRESSES.get().unwrap().clone()) });
        let builder = ClientBuilder::new("mqtt://named", Naming(resolve));
        let begin = std::time::Instant::now();
        let client = timeout(Duration::from_secs(20), builder.connect()).await.unwrap().unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(250), "the first one has the field to itself");
        client.publish("a", "x").qos(QoS::AtLeastOnce).await.unwrap();
        client.disconnect().await.unwrap();
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
