//! The driver: the client's task, and one wait for all that can wake it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Instant;

use mio::{Events, Poll};
use sterna_client::{Engine, driver};

use crate::hub::Hub;
use crate::net::{MakeStream, Net};

const EVENTS: usize = 16;

/// Drives one client until its engine is finished.
#[derive(Debug)]
pub(crate) struct Driver {
    task: driver::Driver<Net>,
    poll: Poll,
    events: Events,
    hub: Arc<Hub>,
    /// The same, for the task.
    waker: Waker,
}

impl Driver {
    /// `has_thread`: it is to [`run`](Self::run) on a thread of its own.
    ///
    /// # Errors
    /// The system has no means to wait for the network.
    pub(crate) fn new(engine: Engine, make_stream: Option<MakeStream>, has_thread: bool) -> io::Result<Self> {
        let poll = Poll::new()?;
        let hub = Hub::new(&poll)?;
        let task = driver::Driver::new(engine, Net::new(hub.clone(), make_stream, has_thread));
        let (events, waker) = (Events::with_capacity(EVENTS), Waker::from(hub.clone()));
        Ok(Self { task, poll, events, hub, waker })
    }

    pub(crate) fn hub(&self) -> Arc<Hub> {
        self.hub.clone()
    }

    /// Drives to the end.
    pub(crate) fn run(mut self) {
        while !self.carry_on() && self.wait(None) {}
    }

    /// Carries on, and, if `stop` does not say that there is something better to do, waits once, up to the deadline, and
    /// carries on; whether the client has ended.
    pub(crate) fn turn(&mut self, deadline: Option<Instant>, stop: impl Fn() -> bool) -> bool {
        self.carry_on() || (!stop() && (!self.wait(deadline) || self.carry_on()))
    }

    /// Does what takes no waiting, up to the task's budget; whether the client has ended.
    pub(crate) fn carry_on(&mut self) -> bool {
        Pin::new(&mut self.task).poll(&mut Context::from_waker(&self.waker)).is_ready()
    }

    /// Waits for the network, the task's deadline, an interrupt, or the caller's deadline. False: that is not possible,
    /// which is the end of the client.
    fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let until = self.task.network().deadline.into_iter().chain(deadline).min();
        let timeout = until.map(|until| until.saturating_duration_since(Instant::now()));
        let waited = self.hub.wait(&mut self.poll, &mut self.events, timeout);
        waited.map_err(|error| self.task.fail(&error)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use sterna_client::{BlockingRuntime, ClientBuilder};
    use sterna_simulator::ThreadedBroker;

    use super::*;
    use crate::waiter::Waiter;

    /// A thread that counts how often it wakes.
    struct Counting(Arc<AtomicUsize>);

    impl sterna_client::Runtime for Counting {
        type Error = Infallible;

        fn start(self, engine: Engine) -> Result<(), Infallible> {
            let mut driver = Driver::new(engine, None, true).unwrap();
            std::thread::spawn(move || {
                while !driver.carry_on() {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    assert!(driver.wait(None));
                }
            });
            Ok(())
        }
    }

    impl BlockingRuntime for Counting {
        type Wait = Waiter;

        fn on_this_thread(self) -> Self {
            self
        }

        fn waiter(&self) -> Waiter {
            Waiter::default()
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
