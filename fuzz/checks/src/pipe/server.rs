//! A server in memory that does hand-shakes as it should, and a proxy before it.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use sterna_transport::rustls::crypto::ring;
use sterna_transport::rustls::pki_types::PrivatePkcs8KeyDer;
use sterna_transport::rustls::{ServerConfig, ServerConnection};
use tungstenite::handshake::derive_accept_key;

/// The longest request for a WebSocket.
const REQUEST: usize = 8 << 10;

struct Identity {
    pem: String,
    config: Arc<ServerConfig>,
}

fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = KeyPair::generate().expect("a key is drawn");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("the name is one");
        let certificate = params.self_signed(&key).expect("it is signed");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("key and certificate fit");
        Identity { pem: certificate.pem(), config: Arc::new(config) }
    })
}

/// The server's certificate, which is its own authority.
pub(super) fn authority() -> &'static str {
    &identity().pem
}

/// What a server has from its client, and has to say.
pub(super) struct Server {
    /// What the proxy says to each of the client's steps.
    answers: VecDeque<&'static [u8]>,
    tls: Option<ServerConnection>,
    /// The request for a WebSocket as far as it is there, until it was answered.
    request: Option<Vec<u8>>,
    out: Vec<u8>,
}

impl Server {
    pub(super) fn new(proxy: Option<&str>, has_tls: bool, has_websocket: bool) -> Self {
        const ACCEPTED: &[u8] = b"\x05\0\0\x01\x7f\0\0\x01\x07\x5b";
        let answers: &[&[u8]] = match proxy {
            None => &[],
            Some(proxy) if proxy.starts_with("http") => &[b"HTTP/1.1 200 OK\r\n\r\n"],
            Some(proxy) if proxy.contains("user") => &[b"\x05\x02", b"\x01\0", ACCEPTED],
            Some(_) => &[b"\x05\0", ACCEPTED],
        };
        let tls = has_tls.then(|| ServerConnection::new(identity().config.clone()).expect("it is lawful"));
        let request = has_websocket.then(Vec::new);
        Self { answers: answers.iter().copied().collect(), tls, request, out: Vec::new() }
    }

    /// Takes what came from the client.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) {
        if !self.answers.is_empty() {
            return;
        }
        let mut plain = Vec::new();
        match &mut self.tls {
            None => plain.extend_from_slice(bytes),
            Some(tls) => {
                while !bytes.is_empty() {
                    if tls.read_tls(&mut bytes).is_err() || tls.process_new_packets().is_err() {
                        break;
                    }
                    let _ = tls.reader().read_to_end(&mut plain);
                }
            }
        }
        if let Some(request) = &mut self.request {
            request.extend_from_slice(&plain);
            request.truncate(REQUEST);
            if request.ends_with(b"\r\n\r\n") {
                let answer = accept(&String::from_utf8_lossy(request));
                self.request = None;
                self.say(answer.as_bytes());
            }
        }
    }

    /// Says these bytes, above TLS if there is any.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) if tls.is_handshaking() => {}
            Some(tls) => drop(tls.writer().write_all(bytes)),
            None => self.out.extend_from_slice(bytes),
        }
    }

    /// Ends TLS in an orderly way.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
    }

    /// What goes to the client next.
    pub(super) fn output(&mut self) -> Vec<u8> {
        if let Some(answer) = self.answers.pop_front() {
            return answer.to_vec();
        }
        let mut wire = std::mem::take(&mut self.out);
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut wire).expect("memory takes all");
            }
        }
        wire
    }
}

fn accept(request: &str) -> String {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or("");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
}
