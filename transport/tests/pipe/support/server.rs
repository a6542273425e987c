//! A server in memory: TLS by rustls, WebSocket by tungstenite.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use sterna_transport::rustls::{ServerConfig, ServerConnection};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// What a server speaks, from the socket upwards, and what it has got.
#[derive(Default)]
pub struct Server {
    pub tls: Option<ServerConnection>,
    websocket: Option<Socket>,
    /// What the client sent.
    pub plain: Vec<u8>,
    /// The WebSocket messages that are no data.
    pub messages: Vec<Message>,
    /// The request for a WebSocket.
    pub request: Option<Request>,
    /// What is to be sent, when there is no TLS.
    out: Vec<u8>,
    /// Why TLS failed.
    pub failure: Option<String>,
    /// The client ended TLS in an orderly way.
    pub is_closed: bool,
    waiting: Vec<u8>,
}

enum Socket {
    Handshaking(Vec<u8>),
    Open(Box<WebSocket<Memory>>),
}

#[derive(Clone, Default)]
struct Memory(Rc<RefCell<(VecDeque<u8>, Vec<u8>)>>);

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = &mut self.0.borrow_mut().0;
        if input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        input.read(buffer)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Server {
    pub fn tls(config: ServerConfig) -> Self {
        Self::tls_shared(&Arc::new(config))
    }

    pub fn tls_shared(config: &Arc<ServerConfig>) -> Self {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        connection.set_buffer_limit(None);
        Self { tls: Some(connection), ..Self::default() }
    }

    #[must_use]
    pub fn with_websocket(mut self) -> Self {
        self.websocket = Some(Socket::Handshaking(Vec::new()));
        self
    }

    /// Takes what came from the client.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.handle(bytes) };
        let mut decrypted = Vec::new();
        while !bytes.is_empty() && self.failure.is_none() {
            tls.read_tls(&mut bytes).unwrap();
            match tls.process_new_packets() {
                Ok(state) => self.is_closed |= state.peer_has_closed(),
                Err(error) => self.failure = Some(error.to_string()),
            }
            let _ = tls.reader().read_to_end(&mut decrypted);
        }
        self.handle(&decrypted);
    }

    fn handle(&mut self, bytes: &[u8]) {
        match &mut self.websocket {
            None => self.plain.extend_from_slice(bytes),
            Some(Socket::Handshaking(request)) => {
                request.extend_from_slice(bytes);
                if request.ends_with(b"\r\n\r\n") {
                    let memory = Memory::default();
                    memory.0.borrow_mut().0.extend(request.drain(..));
                    self.accept(memory);
                }
            }
            Some(Socket::Open(websocket)) => {
                websocket.get_ref().0.borrow_mut().0.extend(bytes);
                self.read();
            }
        }
        self.send(&[]);
    }

    fn accept(&mut self, memory: Memory) {
        let mut seen = None;
        #[expect(clippy::result_large_err, reason = "tungstenite wants it so")]
        let callback = |request: &Request, mut response: Response| {
            let protocol = request.headers().get("sec-websocket-protocol").unwrap().to_str().unwrap();
            let first = protocol.split(", ").next().unwrap();
            response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(first).unwrap());
            seen = Some(request.clone());
            Ok(response)
        };
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let websocket = tungstenite::accept_hdr_with_config(memory, callback, Some(config)).unwrap();
        self.request = seen;
        self.websocket = Some(Socket::Open(Box::new(websocket)));
    }

    fn read(&mut self) {
        let Some(Socket::Open(websocket)) = &mut self.websocket else { return };
        loop {
            match websocket.read() {
                Ok(Message::Binary(data)) => self.plain.extend_from_slice(&data),
                Ok(message) => self.messages.push(message),
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.failure = Some(error.to_string());
                    break;
                }
            }
        }
        let _ = websocket.flush();
    }

    /// Sends MQTT's bytes, as soon as it can.
    pub fn send(&mut self, plain: &[u8]) {
        self.waiting.extend_from_slice(plain);
        match &mut self.websocket {
            None => {
                let plain = std::mem::take(&mut self.waiting);
                self.send_raw(&plain);
            }
            Some(Socket::Handshaking(_)) => {}
            Some(Socket::Open(websocket)) => {
                let plain = std::mem::take(&mut self.waiting);
                if !plain.is_empty() {
                    websocket.send(Message::binary(plain)).unwrap();
                }
                let frames = std::mem::take(&mut websocket.get_ref().0.borrow_mut().1);
                self.send_raw(&frames);
            }
        }
    }

    /// Sends a message of another kind.
    pub fn send_message(&mut self, message: Message) {
        if let Some(Socket::Open(websocket)) = &mut self.websocket {
            websocket.send(message).unwrap();
        }
        self.send(&[]);
    }

    fn send_raw(&mut self, bytes: &[u8]) {
        match &mut self.tls {
            Some(tls) if !bytes.is_empty() => tls.writer().write_all(bytes).unwrap(),
            Some(_) => {}
            None => self.out.extend_from_slice(bytes),
        }
    }

    /// Ends TLS in an orderly way.
    pub fn close(&mut self) {
        self.tls.as_mut().unwrap().send_close_notify();
    }

    /// What goes to the client.
    pub fn output(&mut self) -> Vec<u8> {
        let mut wire = std::mem::take(&mut self.out);
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut wire).unwrap();
            }
        }
        wire
    }
}
