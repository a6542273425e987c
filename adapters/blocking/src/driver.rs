//! The driver: the client's task, and one wait for all that can wake it.

use std::any::Any;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use mio::{Events, Poll};
use sterna_client::{Engine, driver};

use crate::net::{INTERRUPT, Interrupt, MakeStream, Net};

const EVENTS: usize = 16;

/// Drives one client until its engine is finished.
#[derive(Debug)]
pub(crate) struct Driver {
    task: driver::Driver<Net>,
    poll: Poll,
    events: Events,
    interrupt: Arc<Interrupt>,
    /// The same, for the task.
    waker: Waker,
    happenings: Arc<AtomicU64>,
}

impl Driver {
    /// # Errors
    /// The system has no means to wait for the network.
    pub(crate) fn new(engine: Engine, make_stream: Option<MakeStream>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let interrupt = Arc::new(Interrupt::new(poll.registry())?);
        let happenings = Arc::new(AtomicU64::new(0));
        let net = Net {
            registry: Arc::new(poll.registry().try_clone()?),
            interrupt: interrupt.clone(),
            happenings: happenings.clone(),
            make_stream,
            origin: Instant::now(),
            deadline: None,
        };
        Ok(Self {
            task: driver::Driver::new(engine, net),
            poll,
            events: Events::with_capacity(EVENTS),
            waker: Waker::from(interrupt.clone()),
            interrupt,
            happenings,
        })
    }

    pub(crate) fn interrupt(&self) -> Arc<Interrupt> {
        self.interrupt.clone()
    }

    /// Drives to the end. What goes wrong ends the client, which tells its users.
    pub(crate) fn run(mut self) {
        let end = catch_unwind(AssertUnwindSafe(|| {
            while !self.carry_on() {
                self.wait(None)?;
            }
            io::Result::Ok(())
        }));
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.task.fail(&error),
            Err(panic) => self.task.fail(&describe(&*panic)),
        }
    }

    /// Carries on, and, if `stop` does not say that there is something better to do, waits once, up to the deadline, and
    /// carries on; whether the client has ended.
    pub(crate) fn turn(&mut self, deadline: Option<Instant>, stop: impl Fn() -> bool) -> bool {
        if self.carry_on() {
            return true;
        }
        if stop() {
            return false;
        }
        if let Err(error) = self.wait(deadline) {
            self.task.fail(&error);
            return true;
        }
        self.carry_on()
    }

    /// Does what takes no waiting, up to the task's budget; whether the client has ended.
    pub(crate) fn carry_on(&mut self) -> bool {
        Pin::new(&mut self.task).poll(&mut Context::from_waker(&self.waker)).is_ready()
    }

    /// Waits for the network, the task's deadline, an interrupt, or the caller's deadline.
    fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        let until = self.task.network().deadline.into_iter().chain(deadline).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        self.interrupt.waiting.store(true, Ordering::SeqCst);
        let is_pending = self.interrupt.pending.swap(false, Ordering::SeqCst);
        let waited =
            self.poll.poll(&mut self.events, if is_pending { Some(Duration::ZERO) } else { timeout });
        self.interrupt.waiting.store(false, Ordering::SeqCst);
        self.interrupt.pending.store(false, Ordering::SeqCst);
        match waited {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if self.events.iter().any(|event| event.token() != INTERRUPT) {
            self.happenings.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(|it| &**it));
    format!("the client's driver panicked: {}", text.unwrap_or("it did not say why"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    use sterna_client::{Blocking, BlockingRuntime, ClientBuilder, ConnectError};
    use sterna_simulator::ThreadedBroker;

    use super::*;
    use crate::Client;
    use crate::waiter::Waiter;

    /// A thread that counts how often it wakes.
    struct Counting(Arc<AtomicUsize>);

    impl sterna_client::Runtime for Counting {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            let mut driver = Driver::new(engine, None).unwrap();
            std::thread::spawn(move || {
                while !driver.carry_on() {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    driver.wait(None).unwrap();
                }
            });
            Ok(())
        }
    }

    impl BlockingRuntime for Counting {
        type Client = Client;

        fn on_this_thread(self) -> Self {
            self
        }

        fn build(builder: ClientBuilder<Self, Blocking>) -> Result<Client, ConnectError> {
            Ok(Client::new(builder.start()?, Waiter::new(None)))
        }

        fn connect(client: &Client) -> Result<(), ConnectError> {
            client.connect().wait()
        }
    }

    fn wakes_while_idle(keep_alive: Duration, window: Duration) -> usize {
        let broker = ThreadedBroker::start().unwrap();
        let wakes = Arc::new(AtomicUsize::new(0));
        let builder = ClientBuilder::blocking(&broker.url(), Counting(wakes.clone())).keep_alive(keep_alive);
        let client = builder.connect().unwrap();
        let mut inbox = client.subscribe("a").wait().unwrap();
        client.publish("a", "x").wait().unwrap();
        inbox.recv().unwrap();
        // Until the buffers are given back.
        std::thread::sleep(Duration::from_millis(2_500));
        wakes.store(0, Ordering::Relaxed);
        // Somebody waits all the time.
        assert!(inbox.recv_timeout(window).is_err());
        wakes.load(Ordering::Relaxed)
    }

    /// LESSONS 17: a blocking client that spins when idle.
    #[test]
    fn an_idle_client_does_not_wake_between_its_deadlines() {
        assert_eq!(wakes_while_idle(Duration::ZERO, Duration::from_secs(2)), 0);
        // For each ping: its deadline, its answer, and two looks at whether the buffers are idle.
        let wakes = wakes_while_idle(Duration::from_secs(2), Duration::from_secs(5));
        assert!((2..=3 * 6).contains(&wakes), "{wakes} wakes");
    }
}
