//! A sink for many connections, which goes away and comes back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::Plan;
use super::session::Session;

/// The queue of connections that are not accepted yet.
const BACKLOG: u32 = 4_096;
/// How much is read at once: these clients say little.
const READ: usize = 1_024;

/// It listens, as long as it lives.
pub(crate) struct Many {
    pub(crate) port: u16,
    /// When each CONNECT came.
    pub(crate) connects: Arc<Mutex<Vec<Instant>>>,
    /// Ends all connections with it.
    runtime: Runtime,
}

impl Many {
    /// `port`: 0 for any.
    pub(crate) fn start(port: u16) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let connects = Arc::new(Mutex::new(Vec::new()));
        let listener = {
            let _entered = runtime.enter();
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
            socket.listen(BACKLOG)?
        };
        let port = listener.local_addr()?.port();
        runtime.spawn(listen(listener, connects.clone()));
        Ok(Self { port, connects, runtime })
    }

    pub(crate) fn stop(self) {
        self.runtime.shutdown_background();
    }
}

async fn listen(listener: TcpListener, connects: Arc<Mutex<Vec<Instant>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, connects.clone()));
    }
}

async fn serve(mut stream: TcpStream, connects: Arc<Mutex<Vec<Instant>>>) {
    let mut session = Session::new(Arc::new(Plan::default()));
    let mut input = Vec::with_capacity(READ);
    let mut output = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut input).await {
        let Ok(taken) = session.take(&input, &mut output) else { return };
        input.drain(..taken);
        if session.counts.connected > 0 {
            connects.lock().expect("no panic").push(Instant::now());
            session.counts.connected = 0;
        }
        if stream.write_all(&output).await.is_err() || session.closed {
            return;
        }
        output.clear();
    }
}
