//! The client's task, under the runtime's own clock where that helps.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sterna_client::driver::Driver;
use sterna_client::{ClientBuilder, Engine, QoS};
use sterna_simulator::TestBroker;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::net::{Net, Resolve};

/// Runs the driver and counts how often it is polled.
struct Counting(Arc<AtomicUsize>);

impl sterna_client::Runtime for Counting {
    type Error = Infallible;

    fn start(self, engine: Engine) -> Result<(), Infallible> {
        let mut driver = Box::pin(Driver::new(engine, Net::new(None)));
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
        let mut net = Net::new(None);
        net.resolve = self.0;
        tokio::spawn(Driver::new(engine, net));
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
