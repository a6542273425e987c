//! A peer may send anything: no pipe panics or grows.

use bytes::BytesMut;
use proptest::prelude::*;
use sterna_transport::{Pipe, Proxy, TransportOptions};

use crate::support::{Authority, Pair, Server, Split, give, pipe, sent};
use crate::websocket::{accept, open};

/// Feeds a pipe until it fails, and closes it then.
fn feed(pipe: &mut Pipe, parts: &[Vec<u8>]) {
    let mut plain = BytesMut::new();
    let total: usize = parts.iter().map(Vec::len).sum();
    for part in parts {
        let result = give(pipe, part, &mut plain);
        assert!(plain.len() <= total);
        if result.is_err() {
            break;
        }
        let mut out = Vec::new();
        if pipe.send(&mut &b"packet"[..], &mut out).is_err() {
            break;
        }
    }
    let mut out = Vec::new();
    let _ = pipe.close(&mut out);
    let _ = pipe.handle_eof();
}

fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..10)
}

/// Bytes that often have a lawful beginning.
fn frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let first = prop::sample::select(vec![0x82, 0x02, 0x00, 0x80, 0x81, 0x88, 0x89, 0x8A, 0x83, 0xC2]);
    let frame =
        (first, any::<u8>(), prop::collection::vec(any::<u8>(), 0..140)).prop_map(|(first, length, rest)| {
            let mut frame = vec![first, length];
            frame.extend(rest);
            frame
        });
    prop::collection::vec(frame, 0..10)
}

fn through(proxy: &str) -> Pipe {
    let mut options = TransportOptions::default();
    options.proxies = Proxy::parse(proxy).unwrap().into();
    pipe("mqtt://broker.example", &options)
}

proptest! {
    #[test]
    fn garbage_for_hand_shakes(parts in parts()) {
        let options = TransportOptions::default();
        for url in ["mqtts://h", "ws://h", "wss://h"] {
            feed(&mut pipe(url, &options), &parts);
        }
        for proxy in ["http://proxy", "socks5h://a:b@proxy", "socks5h://proxy"] {
            feed(&mut through(proxy), &parts);
        }
    }

    #[test]
    fn answers_of_a_kind(
        mut first in prop::sample::select(vec![&b"\x05\x00"[..], b"\x05\x02\x01\x00", b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 ", b"\x16\x03\x03\x00\x40"]),
        parts in parts(),
    ) {
        let mut all = vec![std::mem::take(&mut first).to_vec()];
        all.extend(parts);
        feed(&mut through("http://proxy"), &all);
        feed(&mut through("socks5h://a:b@proxy"), &all);
        feed(&mut pipe("mqtts://h", &TransportOptions::default()), &all);
    }

    #[test]
    fn garbage_for_an_open_websocket(garbage in parts(), frames in frames()) {
        feed(&mut open(), &garbage);
        feed(&mut open(), &frames);
    }

    #[test]
    fn a_damaged_answer_to_the_request(at in 0..150_usize, byte in any::<u8>()) {
        let mut pipe = pipe("ws://h", &TransportOptions::default());
        let mut answer = accept(&sent(&mut pipe, b""));
        let at = at % answer.len();
        answer[at] = byte;
        feed(&mut pipe, &[answer]);
    }
}

#[test]
fn a_hand_shake_with_any_byte_damaged() {
    let authority = Authority::new("test");
    let config = std::sync::Arc::new(authority.certify(&["broker.example"]).server());
    let mut options = TransportOptions::default();
    options.tls = sterna_transport::TlsOptions::new().ca_pem(authority.pem());
    let mut state = 77;
    for _ in 0..200 {
        let mut pipe = pipe("mqtts://broker.example", &options);
        let mut server = Server::tls_shared(&config);
        server.receive(&sent(&mut pipe, b""));
        let mut answer = server.output();
        let at = crate::support::draw(&mut state) as usize % answer.len();
        answer[at] ^= 1 << (crate::support::draw(&mut state) % 8);
        feed(&mut pipe, &[answer]);
    }
}

#[test]
fn a_record_with_any_byte_damaged_ends_the_connection() {
    let authority = Authority::new("test");
    let config = std::sync::Arc::new(authority.certify(&["broker.example"]).server());
    let mut options = TransportOptions::default();
    options.tls = sterna_transport::TlsOptions::new().ca_pem(authority.pem());
    for at in 5..60 {
        let server = Server::tls_shared(&config);
        let mut pair = Pair::new("mqtts://broker.example", &options, server, Split::Whole).open();
        pair.server.send(&[b'x'; 100]);
        let mut record = pair.server.output();
        record[at] ^= 1;
        let mut plain = BytesMut::new();
        assert!(give(&mut pair.pipe, &record, &mut plain).is_err());
        assert!(plain.is_empty());
        // Nothing follows it.
        pair.server.send(b"y");
        let after = pair.server.output();
        assert!(give(&mut pair.pipe, &after, &mut plain).is_err());
        assert!(plain.is_empty());
    }
}
