//! What lies below MQTT, proxy, TLS and WebSocket, against a server that keeps to them as long as it likes.

mod server;

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use sterna_transport::{Endpoint, Pipe, Proxy, Subprotocol, TlsOptions, TransportOptions};

use self::server::{Server, authority};
use crate::input::Input;

/// Each URL with the proxy before it.
const ROUTES: [(&str, Option<&str>); 10] = [
    ("ws://localhost/mqtt", None),
    ("mqtts://localhost", None),
    ("wss://localhost/mqtt", None),
    ("mqtt://broker", Some("http://proxy")),
    ("mqtt://broker", Some("http://user:password@proxy")),
    ("mqtt://broker", Some("socks5h://proxy")),
    ("mqtt://broker", Some("socks5h://user:password@proxy")),
    ("mqtt://broker", Some("socks5://proxy")),
    ("mqtts://localhost", Some("socks5h://proxy")),
    ("wss://localhost/mqtt", Some("http://proxy")),
];
/// What TLS may hold of a record that is not whole: 16 KiB and its own.
const RECORD: usize = (16 << 10) + 512;
/// What a pipe holds of bytes that the socket does not take: 64 KiB in TLS and as much in WebSocket, and their frames.
const HELD: usize = 160 << 10;

/// First byte: the way to the server, one of ten. Then what happens, a byte for its kind:
/// 0 to 2 raw bytes come from the socket (behind their length), 3 the server answers as it should, 4 the server says
/// these bytes above TLS, 5 one byte of what it says next is damaged (its place, two bytes, and the change), 6 MQTT
/// sends (so many times 256 bytes), 7 the socket takes only so many bytes from now on (0: all), 8 the server ends
/// TLS, 9 the socket has no more bytes, 10 the pipe is closed.
pub fn pipe(input: &[u8]) {
    let mut input = Input::new(input);
    let (url, proxy) = ROUTES[usize::from(input.byte()) % ROUTES.len()];
    let mut wire = Wire::new(url, proxy);
    while let Some(kind) = input.next() {
        let is_alive = match kind % 11 {
            0..=2 => wire.receive(input.piece()),
            3 => wire.answer(),
            4 => {
                wire.server.say(input.piece());
                wire.answer()
            }
            5 => {
                wire.damage = Some((usize::from(input.number()), input.byte()));
                true
            }
            6 => {
                let length = usize::from(input.byte()) << 8;
                wire.waiting.resize(wire.waiting.len().min(HELD) + length, 0x55);
                wire.send()
            }
            7 => {
                wire.socket.room = Some(usize::from(input.byte())).filter(|room| *room > 0);
                wire.send()
            }
            8 => {
                wire.server.close();
                wire.answer()
            }
            9 => {
                let _ = wire.pipe.handle_eof();
                false
            }
            _ => false,
        };
        if !is_alive {
            break;
        }
    }
    wire.close();
}

/// A socket that takes only so many bytes at a time.
#[derive(Default)]
struct Socket {
    taken: Vec<u8>,
    room: Option<usize>,
    is_full: bool,
}

impl io::Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = bytes.len().min(self.room.unwrap_or(usize::MAX));
        self.is_full = self.room.is_some();
        self.taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client's pipe and its server.
struct Wire {
    pipe: Pipe,
    server: Server,
    socket: Socket,
    /// What MQTT has to send.
    waiting: Vec<u8>,
    has_tls: bool,
    damage: Option<(usize, u8)>,
}

impl Wire {
    fn new(url: &str, proxy: Option<&str>) -> Self {
        let endpoint = Endpoint::parse(url).expect("it is well-formed");
        let has_tls = endpoint.transport.is_encrypted();
        let mut options = TransportOptions::default();
        if has_tls {
            options.tls = TlsOptions::new().ca_pem(authority());
        }
        if let Some(proxy) = proxy {
            options.proxies = Proxy::parse(proxy).expect("it is well-formed").into();
        }
        let address = IpAddr::V6(Ipv6Addr::LOCALHOST);
        let pipe = Pipe::new(&endpoint, &options, Subprotocol::Mqtt, Some(address));
        let pipe = pipe.expect("the options are lawful").expect("it has layers");
        let server = Server::new(proxy, has_tls, endpoint.transport.is_websocket());
        let socket = Socket::default();
        let mut wire = Self { pipe, server, socket, waiting: Vec::new(), has_tls, damage: None };
        wire.send();
        wire
    }

    /// Gives the pipe what came from the socket; whether it goes on.
    fn receive(&mut self, bytes: &[u8]) -> bool {
        let mut length = 0;
        let result = self.pipe.receive(bytes, |piece| length += piece.len());
        let held = if self.has_tls { RECORD } else { 0 };
        assert!(length <= bytes.len() + held, "more bytes than there were");
        result.is_ok() && self.send()
    }

    /// Sends what waits, and has the server read it.
    fn send(&mut self) -> bool {
        self.socket.is_full = false;
        let mut rest = &self.waiting[..];
        let length = rest.len();
        let is_handshaking = self.pipe.is_handshaking();
        let Ok(taken) = self.pipe.send(&mut rest, &mut self.socket) else { return false };
        assert_eq!(taken, length - rest.len(), "what is taken is what is missing");
        assert!(!is_handshaking || taken == 0 || !self.pipe.is_handshaking(), "MQTT waits for hand-shakes");
        assert!(self.socket.taken.len() <= 2 * length + HELD, "more was held than may be");
        self.waiting.drain(..taken);
        let bytes = std::mem::take(&mut self.socket.taken);
        self.server.receive(&bytes);
        true
    }

    /// Exchanges bytes until the server has no more to say.
    fn answer(&mut self) -> bool {
        // More rounds than any hand-shake has.
        for _ in 0..16 {
            let mut answer = self.server.output();
            if answer.is_empty() {
                return true;
            }
            if let Some((place, change)) = self.damage.take() {
                let place = place % answer.len();
                answer[place] ^= change;
            }
            if !self.receive(&answer) {
                return false;
            }
        }
        true
    }

    fn close(mut self) {
        self.socket.room = None;
        self.socket.is_full = false;
        if self.pipe.close(&mut self.socket).is_ok() {
            assert!(self.socket.taken.len() <= HELD, "more was held than may be");
        }
        assert!(!format!("{:?}", self.pipe).contains("password"), "a secret is shown");
    }
}
