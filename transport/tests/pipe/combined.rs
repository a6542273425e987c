//! Every combination of layers: sockets that block at every byte, pieces, ends.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use sterna_transport::rustls::ServerConfig;
use sterna_transport::{Pipe, Proxy, TlsOptions, TransportError, TransportOptions, WebSocketError};

use crate::support::{Authority, Narrow, Pair, Pieces, Server, Split, draw, give, pattern, pipe, sent};

/// A combination of layers below MQTT.
#[derive(Debug, Clone, Copy)]
struct Layers {
    proxy: bool,
    tls: bool,
    websocket: bool,
}

struct World {
    authority: Authority,
    config: Arc<ServerConfig>,
}

impl Layers {
    /// All but none.
    fn all() -> impl Iterator<Item = Self> {
        (1..8).map(|bits| Self { proxy: bits & 1 != 0, tls: bits & 2 != 0, websocket: bits & 4 != 0 })
    }

    fn url(self) -> &'static str {
        match (self.tls, self.websocket) {
            (false, false) => "mqtt://broker.example",
            (true, false) => "mqtts://broker.example",
            (false, true) => "ws://broker.example/mqtt",
            (true, true) => "wss://broker.example/mqtt",
        }
    }
}

impl World {
    fn new() -> Self {
        let authority = Authority::new("test");
        let config = Arc::new(authority.certify(&["broker.example"]).server());
        Self { authority, config }
    }

    fn pipe(&self, layers: Layers) -> Pipe {
        let mut options = TransportOptions::default();
        if layers.tls {
            options.tls = TlsOptions::new().ca_pem(self.authority.pem());
        }
        if layers.proxy {
            options.proxies = Proxy::parse("http://a:b@proxy").unwrap().into();
        }
        pipe(layers.url(), &options)
    }

    fn server(&self, layers: Layers) -> Server {
        let server = if layers.tls { Server::tls_shared(&self.config) } else { Server::default() };
        if layers.websocket { server.with_websocket() } else { server }
    }

    /// A pipe whose proxy has connected us, and the server behind.
    fn pair(&self, layers: Layers, split: Split) -> Pair {
        let mut pipe = self.pipe(layers);
        if layers.proxy {
            assert!(sent(&mut pipe, b"").ends_with(b"\r\n\r\n"));
            give(&mut pipe, b"HTTP/1.1 200 OK\r\n\r\n", &mut BytesMut::new()).unwrap();
        }
        Pair { pipe, server: self.server(layers), split, plain: BytesMut::new() }.open()
    }
}

#[test]
fn what_a_driver_holds_goes_between_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Pipe>();
    is_send_and_sync::<TransportOptions>();
    is_send_and_sync::<TransportError>();
}

// R: CON-15, RUN-05
#[test]
fn bytes_go_both_ways_through_all_layers() {
    let world = World::new();
    for layers in Layers::all() {
        for split in Split::ALL {
            let mut pair = world.pair(layers, split);
            pair.talk(b"there", b"back");
            pair.talk(&pattern(50_000), &pattern(50_001));
        }
    }
}

// R: RUN-05
#[test]
fn sixteen_mebibytes_go_through_all_layers() {
    let payload = pattern(16 << 20);
    World::new()
        .pair(Layers { proxy: true, tls: true, websocket: true }, Split::Whole)
        .talk(&payload, &payload);
}

/// Sends with a socket that takes so much at once and blocks before each write.
fn send_narrowly(pair: &mut Pair, plain: &mut impl Buf, at_once: usize) -> usize {
    let mut narrow = Narrow::new(at_once);
    let mut taken = 0;
    let length = plain.remaining();
    while plain.has_remaining() || pair.pipe.wants_send() {
        let before = plain.remaining();
        let now = pair.pipe.send(plain, &mut narrow).unwrap();
        assert_eq!(before - plain.remaining(), now);
        taken += now;
        let written = narrow.taken.len();
        assert!(taken <= written + 66_000, "{taken} taken, {written} written");
    }
    assert_eq!(taken, length);
    pair.server.receive(&narrow.taken);
    narrow.taken.len()
}

// R: RUN-05
#[test]
fn a_socket_that_blocks_at_every_byte_loses_nothing() {
    let world = World::new();
    let payload = pattern(70_000);
    for layers in Layers::all() {
        for (at_once, length) in [(1, 300), (7, 20_000), (1_000, 70_000)] {
            let mut pair = world.pair(layers, Split::Whole);
            send_narrowly(&mut pair, &mut &payload[..length], at_once);
            assert!(pair.server.plain == payload[..length], "{layers:?}");
        }
    }
}

// R: RUN-05
#[test]
fn hand_shakes_go_over_a_socket_that_blocks_at_every_byte() {
    let world = World::new();
    for layers in Layers::all().filter(|layers| !layers.proxy) {
        let mut pipe = world.pipe(layers);
        let mut server = world.server(layers);
        let mut plain = &b"the first packet"[..];
        let mut received = BytesMut::new();
        for _ in 0..2_000 {
            let mut narrow = Narrow::new(3);
            // Each call meets a blocked socket first, and is made anew when that takes something.
            for _ in 0..2 {
                pipe.send(&mut plain, &mut narrow).unwrap();
            }
            for part in Split::Single.cut(&narrow.taken) {
                server.receive(part);
            }
            give(&mut pipe, &server.output(), &mut received).unwrap();
        }
        assert_eq!(server.plain, b"the first packet", "{layers:?}");
    }
}

// R: RUN-05
#[test]
fn pieces_become_one_stream() {
    let world = World::new();
    let payload = pattern(100_000);
    let mut state = 9;
    for layers in Layers::all() {
        let mut pieces = VecDeque::new();
        let mut rest = &payload[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min((draw(&mut state) % 300) as usize));
            pieces.push_back(piece.to_vec());
            rest = after;
        }
        let mut pair = world.pair(layers, Split::Whole);
        let wire = send_narrowly(&mut pair, &mut Pieces(pieces), 10_000);
        assert!(pair.server.plain == payload, "{layers:?}");
        // Records and frames are not as small as the pieces, at least where WebSocket gathers them.
        assert!(!layers.websocket || wire < payload.len() + 2_000, "{wire}");
    }
}

// R: RUN-05
#[test]
fn nothing_is_given_out_beyond_what_came() {
    let world = World::new();
    let payload = pattern(1 << 20);
    for layers in Layers::all() {
        let mut pair = world.pair(layers, Split::Whole);
        pair.server.send(&payload);
        let wire = pair.server.output();
        let mut plain = BytesMut::new();
        for part in wire.chunks(4_096) {
            let before = plain.len();
            give(&mut pair.pipe, part, &mut plain).unwrap();
            assert!(plain.len() - before <= 4_096 + 17_000, "{layers:?}");
        }
        assert!(plain[..] == payload);
    }
}

// R: RUN-05
#[test]
fn all_layers_are_closed_from_the_uppermost() {
    let world = World::new();
    let mut pair = world.pair(Layers { proxy: false, tls: true, websocket: true }, Split::Whole);
    let mut narrow = Narrow::new(2);
    for calls in 0.. {
        pair.pipe.close(&mut narrow).unwrap();
        if !pair.pipe.wants_send() && calls > 0 {
            break;
        }
        assert!(calls < 1_000, "it comes to an end");
    }
    pair.server.receive(&narrow.taken);
    assert_eq!(pair.server.messages.len(), 1, "{:?}", pair.server.messages);
    assert!(pair.server.is_closed, "close_notify has come");
}

// R: RUN-05
#[test]
fn a_cut_is_said_of_the_layer_that_it_hits() {
    let world = World::new();
    let layers = Layers { proxy: true, tls: true, websocket: true };
    let mut pipe = world.pipe(layers);
    let mut said = Vec::new();
    let mut say = |pipe: &mut Pipe| said.push(pipe.handle_eof().unwrap_err().to_string());
    say(&mut pipe);
    sent(&mut pipe, b"");
    give(&mut pipe, b"HTTP/1.1 200 OK\r\n\r\n", &mut BytesMut::new()).unwrap();
    say(&mut pipe);
    // TLS is made, and the request for a WebSocket gets no answer.
    let mut pair = Pair {
        pipe,
        server: world.server(Layers { websocket: false, ..layers }),
        split: Split::Whole,
        plain: BytesMut::new(),
    };
    pair.exchange(&mut &[][..]).unwrap();
    assert!(pair.pipe.is_handshaking() && pair.server.plain.starts_with(b"GET /mqtt"));
    say(&mut pair.pipe);
    pair.server.close();
    let closed = pair.exchange(&mut &[][..]).unwrap_err().to_string();
    let mut pair = world.pair(layers, Split::Whole);
    say(&mut pair.pipe);
    assert_eq!(
        said,
        [
            "the proxy closed the connection",
            "the connection was cut off during the TLS hand-shake",
            "the connection was cut off during the WebSocket hand-shake",
            "the connection was cut off without TLS's close_notify",
        ]
    );
    assert_eq!(closed, said[2], "an orderly end is none here");
    pair.server.close();
    let closed = pair.exchange(&mut &[][..]).unwrap_err().to_string();
    assert_eq!(closed, "the connection was cut off without a WebSocket close frame");
}

// R: RUN-05
#[test]
fn a_failure_above_tls_is_answered_through_tls() {
    let world = World::new();
    let mut pair = world.pair(Layers { proxy: false, tls: true, websocket: true }, Split::Whole);
    pair.server.send_message(tungstenite::Message::text("hello"));
    let result = pair.exchange(&mut &[][..]);
    assert!(matches!(result, Err(TransportError::WebSocket(WebSocketError::Text))), "{result:?}");
    let mut wire = Vec::new();
    pair.pipe.close(&mut wire).unwrap();
    pair.server.receive(&wire);
    let [tungstenite::Message::Close(Some(frame))] = &pair.server.messages[..] else {
        panic!("{:?}", pair.server.messages)
    };
    assert_eq!(u16::from(frame.code), 1003);
    assert!(pair.server.is_closed);
}

// R: RUN-05
#[test]
fn a_socket_that_fails_or_takes_nothing_is_reported() {
    struct Failing(std::io::Result<usize>);
    impl std::io::Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            std::mem::replace(&mut self.0, Err(std::io::ErrorKind::BrokenPipe.into()))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let world = World::new();
    for layers in Layers::all() {
        let mut pair = world.pair(layers, Split::Whole);
        let interrupted = Failing(Err(std::io::ErrorKind::Interrupted.into()));
        for (mut socket, kind) in
            [(interrupted, std::io::ErrorKind::BrokenPipe), (Failing(Ok(0)), std::io::ErrorKind::WriteZero)]
        {
            let result = pair.pipe.send(&mut &b"x"[..], &mut socket);
            assert!(matches!(&result, Err(TransportError::Io(error)) if error.kind() == kind), "{result:?}");
        }
    }
}
