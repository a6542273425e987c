//! A server's frames, lawful and not.

use bytes::BytesMut;
use sterna_transport::{Pipe, TransportError, WebSocketError};

use crate::support::{Split, give, sent};
use crate::websocket::open;

/// What this makes of a pipe, however it is split.
fn read(bytes: &[u8]) -> (Vec<u8>, Result<(), WebSocketError>, Pipe) {
    let mut results = Vec::from(Split::ALL.map(|mut split| {
        let mut pipe = open();
        let mut plain = BytesMut::new();
        let parts = split.cut(bytes).into_iter();
        let result =
            parts.map(|part| give(&mut pipe, part, &mut plain)).find(Result::is_err).unwrap_or(Ok(()));
        let result = result.map_err(|error| match error {
            TransportError::WebSocket(error) => error,
            other => panic!("{other:?}"),
        });
        (plain.to_vec(), result, pipe)
    }));
    let first = results.swap_remove(0);
    for (plain, result, _) in results {
        assert_eq!((plain, result), (first.0.clone(), first.1.clone()), "splitting changes nothing");
    }
    first
}

/// The opcode and the payload of the one frame that a pipe has to send, unmasked.
fn answer(pipe: &mut Pipe) -> (u8, Vec<u8>) {
    let mut wire = Vec::new();
    pipe.close(&mut wire).unwrap();
    unmask(&wire)
}

fn unmask(wire: &[u8]) -> (u8, Vec<u8>) {
    let (length, rest) = (wire[1] & 0x7F, &wire[2..]);
    assert_eq!(wire[1] & 0x80, 0x80, "a client masks");
    assert_eq!(rest.len(), 4 + usize::from(length), "one short frame");
    let (mask, payload) = rest.split_at(4);
    (wire[0], payload.iter().enumerate().map(|(index, byte)| byte ^ mask[index % 4]).collect())
}

// R: RUN-05
#[test]
fn messages_are_a_stream_of_bytes() {
    let mut bytes = b"\x02\x02ab\x00\x00\x89\x01!\x00\x01c\x80\x01d\x82\x00\x82\x7e\x01\x00".to_vec();
    bytes.extend([b'e'; 256]);
    bytes.extend(b"\x82\x7f\0\0\0\0\0\0\0\x03fgh");
    let (plain, result, mut pipe) = read(&bytes);
    assert_eq!(result, Ok(()));
    let expected = [&b"abcd"[..], &[b'e'; 256], b"fgh"].concat();
    assert_eq!(plain, expected);
    assert_eq!(unmask(&sent(&mut pipe, b"")), (0x8A, b"!".to_vec()), "the ping within is answered");
}

// R: RUN-05
#[test]
fn bytes_are_handed_on_before_their_frame_is_complete() {
    let mut pipe = open();
    let mut plain = BytesMut::new();
    // It announces more than there is memory.
    give(&mut pipe, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc", &mut plain).unwrap();
    assert_eq!(&plain[..], b"abc");
    assert!(plain.capacity() < 1_000, "nothing is reserved for what was announced");
}

// R: RUN-05
#[test]
fn text_is_refused() {
    let (plain, result, mut pipe) = read(b"\x82\x01a\x81\x02hi\x82\x01b");
    assert_eq!(plain, b"a", "what came before is not lost");
    assert_eq!(result, Err(WebSocketError::Text));
    assert_eq!(answer(&mut pipe), (0x88, 1003_u16.to_be_bytes().to_vec()));
}

// R: RUN-05
#[test]
fn what_rfc_6455_forbids_is_refused() {
    let too_long = [&b"\x89\x7e\x00\x7e"[..], &[0; 126]].concat();
    let cases: [&[u8]; 13] = [
        b"\xC2\x01a",
        b"\xA2\x01a",
        b"\x92\x01a",
        b"\x82\x81\x01\x02\x03\x04a",
        b"\x83\x01a",
        b"\x8B\x01a",
        b"\x80\x01a",
        b"\x02\x01a\x82\x01b",
        b"\x09\x00",
        &too_long,
        b"\x82\x7f\x80\0\0\0\0\0\0\0",
        b"\x88\x01\x03",
        b"\x88\x02\x03\xed",
    ];
    for bytes in cases {
        let (_, result, mut pipe) = read(bytes);
        assert!(matches!(result, Err(WebSocketError::Violation(_))), "{bytes:x?}: {result:?}");
        assert_eq!(answer(&mut pipe), (0x88, 1002_u16.to_be_bytes().to_vec()), "{bytes:x?}");
    }
}

// R: RUN-05
#[test]
fn a_close_frame_is_reported_and_answered() {
    let (plain, result, mut pipe) = read(b"\x82\x01a\x88\x09\x03\xf1no more\x82\x01b");
    assert_eq!(plain, b"a", "what came before is not lost");
    let closed = WebSocketError::Closed { code: Some(1009), reason: "no more".into() };
    assert_eq!(result, Err(closed.clone()));
    assert_eq!(closed.to_string(), "the server closed the WebSocket with code 1009: \"no more\"");
    assert_eq!(answer(&mut pipe), (0x88, vec![0x03, 0xf1]));
    assert!(pipe.handle_eof().is_ok());

    let (_, result, mut pipe) = read(b"\x88\x00");
    assert_eq!(result, Err(WebSocketError::Closed { code: None, reason: "".into() }));
    assert_eq!(answer(&mut pipe), (0x88, vec![]));

    let (_, result, _) = read(b"\x88\x03\x03\xe8\xff");
    assert!(matches!(result, Err(WebSocketError::Violation(_))), "{result:?}");
}

// R: RUN-05
#[test]
fn an_end_without_a_close_frame_is_a_cut() {
    let cut = open().handle_eof();
    assert!(matches!(cut, Err(TransportError::WebSocket(WebSocketError::Cut))), "{cut:?}");
}

// R: RUN-05
#[test]
fn a_flood_of_pings_fills_no_memory() {
    let mut pipe = open();
    let mut plain = BytesMut::new();
    for number in 0..=255 {
        give(&mut pipe, &[0x89, 0x01, number], &mut plain).unwrap();
    }
    assert!(pipe.wants_send());
    assert_eq!(unmask(&sent(&mut pipe, b"")), (0x8A, vec![255]), "the last one is answered");
    assert!(!pipe.wants_send());
}

#[test]
fn masks_are_not_alike() {
    let mut pipe = open();
    let masks: std::collections::BTreeSet<_> =
        (0..100).map(|_| sent(&mut pipe, b"x")[2..6].to_vec()).collect();
    assert!(masks.len() > 90, "{masks:?}");
}
