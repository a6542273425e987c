//! WebSockets against tungstenite's server, and hand-shakes that fail.

use bytes::BytesMut;
use sterna_transport::{
    Endpoint, Pipe, Subprotocol, TransportError, TransportOptions, WebSocketError, WebSocketOptions,
};
use tungstenite::Message;
use tungstenite::handshake::derive_accept_key;

use crate::support::{Pair, Server, Split, give, pattern, pipe, sent, try_pipe};

const URL: &str = "ws://broker.example/mqtt";

/// What a server says to a request that it accepts.
pub fn accept(request: &[u8]) -> Vec<u8> {
    let request = std::str::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    .into_bytes()
}

/// A pipe whose WebSocket is open.
pub fn open() -> Pipe {
    let mut pipe = pipe(URL, &TransportOptions::default());
    let answer = accept(&sent(&mut pipe, b""));
    give(&mut pipe, &answer, &mut BytesMut::new()).unwrap();
    assert!(!pipe.is_handshaking());
    pipe
}

fn pair(split: Split) -> Pair {
    Pair::new(URL, &TransportOptions::default(), Server::default().with_websocket(), split)
}

/// What an answer to the request fails with.
fn refusal(answer: impl FnOnce(&[u8]) -> Vec<u8>) -> WebSocketError {
    let mut pipe = pipe(URL, &TransportOptions::default());
    let answer = answer(&sent(&mut pipe, b""));
    match give(&mut pipe, &answer, &mut BytesMut::new()) {
        Err(TransportError::WebSocket(error)) => error,
        other => panic!("{other:?}"),
    }
}

// R: RUN-05
#[test]
fn bytes_go_both_ways_however_they_are_split() {
    for split in Split::ALL {
        let mut pair = pair(split).open();
        pair.talk(b"there", b"back");
        pair.talk(&pattern(100_000), &pattern(70_000));
        pair.talk(b"", b"x");
    }
}

// R: RUN-05
#[test]
fn sixteen_mebibytes_go_both_ways() {
    let payload = pattern(16 << 20);
    pair(Split::Whole).open().talk(&payload, &payload);
}

// R: RUN-05
#[test]
fn nothing_is_sent_before_the_server_agrees() {
    let mut pipe = pipe(URL, &TransportOptions::default());
    let mut plain = &b"CONNECT"[..];
    let mut wire = Vec::new();
    assert_eq!(pipe.send(&mut plain, &mut wire).unwrap(), 0);
    assert!(pipe.is_handshaking() && wire.starts_with(b"GET /mqtt HTTP/1.1\r\n"));
    give(&mut pipe, &accept(&wire), &mut BytesMut::new()).unwrap();
    assert_eq!(pipe.send(&mut plain, &mut wire).unwrap(), 7);
}

// R: CON-01
#[test]
fn the_request_says_what_url_and_options_say() {
    let mut options = TransportOptions::default();
    options.websocket = WebSocketOptions::new()
        .header("Authorization", "Bearer abc")
        .header("X-Two", "1")
        .header("X-Two", "2");
    let url = "ws://ann:pw@[::1]:8080/a b/%20c?X-Amz-Signature=f%2Fg&clientId=me#part";
    let mut pair = Pair::new(url, &options, Server::default().with_websocket(), Split::Whole).open();
    pair.talk(b"a", b"b");
    let request = pair.server.request.unwrap();
    let target = request.uri().path_and_query().unwrap().as_str();
    assert_eq!(target, "/a%20b/%20c?X-Amz-Signature=f%2Fg&clientId=me");
    let header = |name: &str| {
        let values = request.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(header("host"), ["[::1]:8080"]);
    assert_eq!(header("authorization"), ["Bearer abc"]);
    assert_eq!(header("x-two"), ["1", "2"]);
    assert_eq!(header("sec-websocket-protocol"), ["mqtt"]);
    assert_eq!(header("sec-websocket-version"), ["13"]);
}

// R: CON-01
#[test]
fn the_host_has_a_port_only_if_it_is_not_the_usual_one() {
    let host = |url: &str, options: &TransportOptions| {
        let request = String::from_utf8(sent(&mut pipe(url, options), b"")).unwrap();
        request.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap().to_owned()
    };
    let mut options = TransportOptions::default();
    assert_eq!(host("ws://broker.example", &options), "broker.example");
    assert_eq!(host("ws://broker.example:81", &options), "broker.example:81");
    assert_eq!(host("ws://[2001:db8::1]", &options), "[2001:db8::1]");
    options.websocket = WebSocketOptions::new().header("Host", "front.example");
    assert_eq!(host("ws://broker.example:81", &options), "front.example");
}

// [MQTT-6.0.0-3]
#[test]
fn the_subprotocol_is_that_of_the_version_or_the_users() {
    let offered = |options: &TransportOptions, subprotocol| {
        let endpoint = Endpoint::parse(URL).unwrap();
        let mut pipe = Pipe::new(&endpoint, options, subprotocol, None).unwrap().unwrap();
        let request = String::from_utf8(sent(&mut pipe, b"")).unwrap();
        request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: ")).unwrap().to_owned()
    };
    let mut options = TransportOptions::default();
    assert_eq!(offered(&options, Subprotocol::Mqtt), "mqtt");
    assert_eq!(offered(&options, Subprotocol::MqttV31), "mqttv3.1");
    options.websocket = WebSocketOptions::new().subprotocol("mqtt.special").subprotocol("mqtt");
    assert_eq!(offered(&options, Subprotocol::Mqtt), "mqtt.special, mqtt");
}

#[test]
fn unlawful_options_are_refused_before_anything_is_sent() {
    let with = |websocket| {
        let mut options = TransportOptions::default();
        options.websocket = websocket;
        match try_pipe(URL, &options) {
            Err(TransportError::WebSocket(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let new = WebSocketOptions::new;
    for name in ["Bad Name", "", "Upgrade", "SEC-WEBSOCKET-KEY", "a:b"] {
        assert_eq!(with(new().header(name, "x")), WebSocketError::Header(name.into()));
    }
    assert_eq!(with(new().header("X", "a\r\nInjected: b")), WebSocketError::Header("X".into()));
    for name in ["", "a b", "a,b", "a\r\n"] {
        assert_eq!(with(new().subprotocol(name)), WebSocketError::SubprotocolName(name.into()));
    }
}

// R: RUN-05
#[test]
fn a_refusal_says_what_the_server_says() {
    let answer = |text: &str| refusal(|_| format!("HTTP/1.1 {text}\r\n\r\n").into_bytes());
    let error = answer("401 Nope\r\nWWW-Authenticate: Basic\r\nContent-Length: 0");
    assert_eq!(error, WebSocketError::Refused { status: 401, reason: "Unauthorized" });
    assert_eq!(error.to_string(), "the server refuses the WebSocket: 401 Unauthorized");
    assert_eq!(answer("200 OK"), WebSocketError::Refused { status: 200, reason: "OK" });
    assert_eq!(answer("599 Odd"), WebSocketError::Refused { status: 599, reason: "" });
    let error = answer("302 Found\r\nLocation: wss://other.example/mqtt?token=secret");
    let location = "wss://other.example/mqtt".into();
    assert_eq!(error, WebSocketError::Redirected { status: 302, location });
    assert!(error.to_string().contains("302, wss://other.example/mqtt"), "{error}");
}

// R: RUN-05
#[test]
fn an_answer_that_is_no_websockets_is_refused() {
    let changed = |from: &'static str, to: &'static str| {
        refusal(move |request| {
            let text = String::from_utf8(accept(request)).unwrap();
            assert!(text.contains(from));
            text.replace(from, to).into_bytes()
        })
    };
    let is_bad = |error: &WebSocketError| matches!(error, WebSocketError::Handshake(_));
    assert!(is_bad(&changed("Accept: ", "Accept: A")));
    assert!(is_bad(&changed("Upgrade: websocket", "Upgrade: h2c")));
    assert!(is_bad(&changed("HTTP/1.1", "MQTT/5.0")));
    assert!(is_bad(&refusal(|_| b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n".to_vec())));
    // [MQTT-6.0.0-4]
    let other = changed("Protocol: mqtt", "Protocol: soap");
    assert!(matches!(other, WebSocketError::Subprotocol { .. }), "{other:?}");
    let none = changed("Sec-WebSocket-Protocol: mqtt\r\n", "");
    assert!(none.to_string().contains("does not speak subprotocol mqtt"), "{none}");
    assert_eq!(refusal(|_| vec![b'a'; 20_000]), WebSocketError::ResponseTooLong);
}

// R: RUN-05
#[test]
fn a_hand_shake_that_is_cut_at_any_byte_says_so() {
    let length = accept(b"Sec-WebSocket-Key: x\n").len();
    for end in 0..length {
        let mut pipe = pipe(URL, &TransportOptions::default());
        let answer = accept(&sent(&mut pipe, b""));
        give(&mut pipe, &answer[..end], &mut BytesMut::new()).unwrap();
        let cut = pipe.handle_eof();
        assert!(matches!(cut, Err(TransportError::WebSocket(WebSocketError::HandshakeCut))), "{cut:?}");
    }
}

// R: RUN-05
#[test]
fn frames_behind_the_answer_are_read() {
    for split in Split::ALL {
        let mut pipe = pipe(URL, &TransportOptions::default());
        let mut answer = accept(&sent(&mut pipe, b""));
        answer.extend_from_slice(b"\x82\x03abc\x82\x01d");
        let mut plain = BytesMut::new();
        let mut split = split;
        for part in split.cut(&answer) {
            give(&mut pipe, part, &mut plain).unwrap();
        }
        assert_eq!(&plain[..], b"abcd");
    }
}

// R: RUN-05
#[test]
fn pings_are_answered_and_pongs_ignored() {
    let mut pair = pair(Split::Single).open();
    pair.server.send_message(Message::Pong("unasked".into()));
    pair.server.send_message(Message::Ping("are you there?".into()));
    pair.talk(b"yes", b"fine");
    assert!(
        pair.server.messages.contains(&Message::Pong("are you there?".into())),
        "{:?}",
        pair.server.messages
    );
}

// R: RUN-05
#[test]
fn we_close_with_a_frame() {
    let mut pair = pair(Split::Whole).open();
    let mut wire = Vec::new();
    pair.pipe.close(&mut wire).unwrap();
    pair.server.receive(&wire);
    let [Message::Close(Some(frame))] = &pair.server.messages[..] else {
        panic!("{:?}", pair.server.messages)
    };
    assert_eq!(u16::from(frame.code), 1000);
    wire.clear();
    pair.pipe.close(&mut wire).unwrap();
    assert!(wire.is_empty(), "once is enough");
}
