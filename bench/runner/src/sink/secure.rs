//! The sink behind TLS and WebSocket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket, accept_hdr_with_config};

use super::serve::serve;
use super::{Counts, Plan};

/// What lies between MQTT and the socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Transport {
    #[default]
    Tcp,
    Tls,
    WebSocket,
    WebSocketTls,
}

impl Transport {
    /// The clients' arguments for that.
    pub(crate) fn arguments(self) -> Vec<String> {
        match self {
            Self::Tcp => Vec::new(),
            Self::Tls => vec!["scheme=mqtts".into(), Certificate::argument()],
            Self::WebSocket => vec!["scheme=ws".into()],
            Self::WebSocketTls => vec!["scheme=wss".into(), Certificate::argument()],
        }
    }
}

/// The sink's own, which signs itself.
pub(crate) struct Certificate {
    config: Arc<ServerConfig>,
    /// Where clients find it.
    file: PathBuf,
}

impl Certificate {
    /// One for all.
    pub(crate) fn get() -> &'static Self {
        static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
        CERTIFICATE.get_or_init(|| {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
                    .expect("a certificate");
            let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .expect("it is ours");
            let file = std::env::temp_dir().join(format!("sterna-bench-{}.pem", std::process::id()));
            std::fs::write(&file, cert.pem()).expect("a temporary file");
            Self { config: Arc::new(config), file }
        })
    }

    fn argument() -> String {
        format!("ca={}", Self::get().file.display())
    }

    /// Removes the file.
    pub(crate) fn clean_up(&self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

pub(super) fn tls(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    let connection = ServerConnection::new(Certificate::get().config.clone()).expect("a configuration");
    StreamOwned::new(connection, stream)
}

/// One message for each write.
struct Frames<S> {
    socket: WebSocket<S>,
    message: tungstenite::Bytes,
}

impl<S: Read + Write> Read for Frames<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.message.is_empty() {
            match self.socket.read() {
                Ok(Message::Binary(message)) => self.message = message,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => return Err(error),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.message.len());
        buffer[..count].copy_from_slice(&self.message.split_to(count));
        Ok(count)
    }
}

impl<S: Read + Write> Write for Frames<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            let message = Message::Binary(tungstenite::Bytes::copy_from_slice(bytes));
            self.socket.send(message).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn websocket(stream: impl Read + Write, plan: Arc<Plan>) -> (Counts, Result<(), String>) {
    // The error is the library's.
    #[allow(clippy::result_large_err)]
    let protocol = |_: &Request, mut response: Response| {
        response.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
        Ok(response)
    };
    let config = WebSocketConfig::default();
    match accept_hdr_with_config(stream, protocol, Some(config)) {
        Ok(socket) => serve(Frames { socket, message: tungstenite::Bytes::new() }, plan),
        Err(error) => (Counts::default(), Err(error.to_string())),
    }
}
