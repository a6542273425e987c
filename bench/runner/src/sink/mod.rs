//! The sink: a server of as little work as possible, which counts and acknowledges. The clients are measured, not it.

mod flood;
mod many;
mod secure;
mod serve;
mod session;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use flood::{Flood, Until};
pub(crate) use many::Many;
pub(crate) use secure::{Certificate, Transport};

/// What the sink does with its connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Send every message of QoS 0 back.
    pub(crate) echo: bool,
    /// Whether every message is the measured one; else payloads are not looked at.
    pub(crate) small: bool,
    /// What comes after a SUBSCRIBE.
    pub(crate) flood: Option<Flood>,
    /// Which processor its threads are on.
    pub(crate) processor: Option<usize>,
    pub(crate) transport: Transport,
}

/// What has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connected: u64,
    /// PUBLISH by quality of service.
    pub(crate) published: [u64; 3],
    /// PUBREL.
    pub(crate) released: u64,
    /// PUBACK.
    pub(crate) acknowledged: u64,
    /// Of PUBLISH.
    pub(crate) bytes: u64,
    /// PUBLISH sent by a flood, its end not counted.
    pub(crate) flooded: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.connected += other.connected;
        for (sum, more) in self.published.iter_mut().zip(other.published) {
            *sum += more;
        }
        self.released += other.released;
        self.acknowledged += other.acknowledged;
        self.bytes += other.bytes;
        self.flooded += other.flooded;
    }
}

/// What all connections have come to.
#[derive(Debug, Default)]
struct Results {
    counts: Counts,
    faults: Vec<String>,
}

/// A listening sink on a port of the system's choice.
#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) port: u16,
    results: Arc<Mutex<Results>>,
    stop: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl Sink {
    /// Starts it, with a thread for each connection.
    pub(crate) fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let results = Arc::new(Mutex::new(Results::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let listening = {
            let (results, stop) = (results.clone(), stop.clone());
            thread::spawn(move || listen(&listener, &Arc::new(plan), &results, &stop))
        };
        Self { port, results, stop, listening }
    }

    /// Waits until all connections have ended, whose client is gone; what has come.
    pub(crate) fn finish(self) -> Result<Counts, String> {
        self.stop.store(true, Ordering::Relaxed);
        // Has it look.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.listening.join().map_err(|_| "the sink panicked")?;
        let results = self.results.lock().map_err(|_| "the sink panicked")?;
        match results.faults.first() {
            Some(fault) => Err(format!("the sink: {fault}")),
            None => Ok(results.counts),
        }
    }
}

fn listen(listener: &TcpListener, plan: &Arc<Plan>, results: &Arc<Mutex<Results>>, stop: &AtomicBool) {
    let mut connections = Vec::new();
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(100))).expect("a socket");
        let (plan, results) = (plan.clone(), results.clone());
        connections.push(thread::spawn(move || {
            if let Some(processor) = plan.processor {
                crate::process::pin(processor);
            }
            let (counts, outcome) = match plan.transport {
                Transport::Tcp => serve::serve(stream, plan),
                Transport::Tls => serve::serve(secure::tls(stream), plan),
                Transport::WebSocket => secure::websocket(stream, plan),
                Transport::WebSocketTls => secure::websocket(secure::tls(stream), plan),
            };
            let mut results = results.lock().expect("no panic");
            results.counts.add(&counts);
            results.faults.extend(outcome.err());
        }));
    }
    for connection in connections {
        connection.join().expect("no panic");
    }
}
