//! A small proxy: HTTP CONNECT, SOCKS5, or one that asks nothing and has one server only.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The longest head of a request that is read, in bytes.
const MAXIMUM_HEAD: usize = 8 * 1024;

/// How it is asked for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not at all.
    Forward(SocketAddr),
    /// `CONNECT host:port` (RFC 9110, 9.3.6).
    Http,
    /// RFC 1928, RFC 1929.
    Socks5,
}

/// A user name and a password.
pub(crate) type Login = (&'static str, &'static str);

/// A proxy on a loopback port of its own, in the runtime in which it was started. It ends with the value, and so do its
/// connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// With a login, only for whom has it.
    pub(crate) async fn start(kind: Kind, login: Option<Login>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&served);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((stream, _)) = accepted else { return };
                        connections.spawn(serve(stream, kind, login, Arc::clone(&count)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, served, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has carried.
    pub(crate) fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }

    /// Cuts all connections and takes no more, like a machine that is switched off.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await; // it was cancelled, as it should be
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut client: TcpStream,
    kind: Kind,
    login: Option<Login>,
    served: Arc<AtomicUsize>,
) -> io::Result<()> {
    let mut server = match kind {
        Kind::Forward(address) => TcpStream::connect(address).await?,
        Kind::Http => http(&mut client, login).await?,
        Kind::Socks5 => socks5(&mut client, login).await?,
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    served.fetch_add(1, Ordering::Relaxed);
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

async fn http(client: &mut TcpStream, login: Option<Login>) -> io::Result<TcpStream> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAXIMUM_HEAD {
            return Err(refused("the request is too long"));
        }
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).map_err(|_| refused("the request is not text"))?;
    let mut lines = head.split("\r\n");
    let target = lines
        .next()
        .and_then(|line| line.strip_prefix("CONNECT "))
        .and_then(|line| line.strip_suffix(" HTTP/1.1"))
        .ok_or_else(|| refused("not a CONNECT"))?;
    let given = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("proxy-authorization"))
        .map(|(_, value)| value);
    let wanted = login.map(|(user, password)| {
        format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())) // RFC 7617
    });
    if wanted.as_deref() != given {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
        client.write_all(answer.as_bytes()).await?;
        return Err(refused("not the login"));
    }
    match TcpStream::connect(target).await {
        Ok(server) => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            Ok(server)
        }
        Err(error) => {
            client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await?;
            Err(error)
        }
    }
}

async fn socks5(client: &mut TcpStream, login: Option<Login>) -> io::Result<TcpStream> {
    let methods = {
        let (version, count) = (client.read_u8().await?, client.read_u8().await?);
        let mut methods = vec![0; usize::from(count)];
        client.read_exact(&mut methods).await?;
        if version != 5 {
            return Err(refused("not SOCKS5"));
        }
        methods
    };
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(&[5, 0xff]).await?;
        return Err(refused("no method"));
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = login {
        client.read_u8().await?;
        let given = (socks5_text(client).await?, socks5_text(client).await?);
        if (given.0.as_str(), given.1.as_str()) != (user, password) {
            client.write_all(&[1, 1]).await?;
            return Err(refused("not the login"));
        }
        client.write_all(&[1, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request {
        [5, 1, 0, 1] => Ipv4Addr::from(client.read_u32().await?).to_string(),
        [5, 1, 0, 3] => socks5_text(client).await?,
        [5, 1, 0, 4] => Ipv6Addr::from(client.read_u128().await?).to_string(),
        _ => return Err(refused("not a request to connect")),
    };
    let port = client.read_u16().await?;
    let server = TcpStream::connect((host, port)).await;
    let reply = if server.is_ok() { 0 } else { 5 };
    client.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    server
}

/// A length in one byte, and so much text.
async fn socks5_text(client: &mut TcpStream) -> io::Result<String> {
    let mut text = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(|_| refused("not text"))
}
