//! The test broker for tests that block: on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use sterna_core::packet::PacketType;
use tokio::runtime::{Builder, Runtime};

use crate::broker::{Broker, Instant, Options, Record, Sessions};
use crate::{TestBroker, TestBrokerBuilder};

/// A [`TestBroker`] on a runtime of its own, for callers that have none: its methods block. Not to be used, nor dropped,
/// within an async runtime of tokio's.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let broker = sterna_simulator::ThreadedBroker::start()?;
/// let stream = std::net::TcpStream::connect(broker.address())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ThreadedBroker {
    // Before the runtime that it needs to end.
    broker: TestBroker,
    runtime: Runtime,
}

impl ThreadedBroker {
    /// Starts a broker with default options on a free loopback port.
    ///
    /// # Errors
    ///
    /// What the operating system says when there is no port or no thread to be had.
    pub fn start() -> io::Result<Self> {
        Self::with_options(Options::default())
    }

    /// Starts a broker on a free loopback port.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn with_options(options: Options) -> io::Result<Self> {
        Self::run(TestBroker::builder().options(options))
    }

    /// Starts a broker that was set up.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the place is taken.
    pub fn run(builder: TestBrokerBuilder) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let broker = runtime.block_on(builder.start())?;
        Ok(Self { broker, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.broker.address()
    }

    /// Where it listens, as a URL such as `mqtt://127.0.0.1:1883`.
    pub fn url(&self) -> String {
        self.broker.url()
    }

    /// As [`TestBroker::with`].
    pub fn with<T>(&self, f: impl FnOnce(&mut Broker, Instant) -> T) -> T {
        self.broker.with(f)
    }

    /// As [`TestBroker::wait_until`]; gives up after `timeout`.
    pub fn wait_until<T>(&self, timeout: Duration, f: impl FnMut(&Broker) -> Option<T>) -> Option<T> {
        let found = async { tokio::time::timeout(timeout, self.broker.wait_until(f)).await.ok() };
        self.runtime.block_on(found)
    }

    /// As [`TestBroker::wait_for`]; gives up after `timeout`.
    pub fn wait_for(
        &self,
        timeout: Duration,
        client_id: &str,
        packet: PacketType,
        count: usize,
    ) -> Option<Record> {
        let found = async {
            tokio::time::timeout(timeout, self.broker.wait_for(client_id, packet, count)).await.ok()
        };
        self.runtime.block_on(found)
    }

    /// As [`TestBroker::take_down`].
    pub fn take_down(&self, sessions: Sessions) {
        self.runtime.block_on(self.broker.take_down(sessions));
    }

    /// As [`TestBroker::bring_up`].
    ///
    /// # Errors
    ///
    /// What the operating system says when the address cannot be bound any more.
    pub fn bring_up(&self) -> io::Result<()> {
        self.runtime.block_on(self.broker.bring_up())
    }
}
