//! A server that breaks the protocol gets the specified answer, the client says who broke what, and comes back.

use std::io;

use sterna::{Cause, Event, ProtocolVersion, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::brokers::Setup;
use crate::cell::{Kind, Scope, Transport};
use crate::tools::{connected, event, poll_once};

const EVERY: &[ProtocolVersion] = &[ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
const NEW: &[ProtocolVersion] = &[ProtocolVersion::V5];

/// What the client does before the server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Publishes(QoS),
    SubscribesToTwo,
}

/// One way to break the protocol.
struct Case {
    name: &'static str,
    versions: &'static [ProtocolVersion],
    before: Before,
    /// What the server sends; `ID` stands for the packet identifier of what the client sent.
    bytes: &'static [u8],
    /// The reason code of the DISCONNECT that 5.0 clients answer with.
    reason: u8,
    /// What the client says, in part.
    says: &'static str,
}

const ID: u8 = 0xee;

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "garbage", versions: EVERY, before: Before::Nothing,
        bytes: b"HTTP/1.1 400 Bad Request\r\n\r\n", reason: 0x81, says: "" },
    Case { name: "a reserved packet type", versions: EVERY, before: Before::Nothing,
        bytes: &[0x00, 0x00], reason: 0x81, says: "" },
    Case { name: "a remaining length of five bytes", versions: EVERY, before: Before::Nothing,
        bytes: &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], reason: 0x81, says: "" },
    Case { name: "256 MiB announced, 1 MiB allowed", versions: EVERY, before: Before::Nothing,
        bytes: &[0x30, 0xff, 0xff, 0xff, 0x7f], reason: 0x95, says: "" },
    Case { name: "QoS 3", versions: EVERY, before: Before::Nothing,
        bytes: &[0x36, 0x07, 0x00, 0x01, b'a', 0x00, 0x01, 0x00, b'x'], reason: 0x81, says: "QoS" },
    Case { name: "a topic that is not UTF-8", versions: EVERY, before: Before::Nothing,
        bytes: &[0x30, 0x06, 0x00, 0x02, 0xc3, 0x28, 0x00, b'x'], reason: 0x81, says: "UTF-8" },
    Case { name: "an unknown topic alias", versions: NEW, before: Before::Nothing,
        bytes: &[0x30, 0x06, 0x00, 0x00, 0x03, 0x23, 0x00, 0x05], reason: 0x82, says: "alias 5" },
    Case { name: "a topic alias above the maximum", versions: NEW, before: Before::Nothing,
        bytes: &[0x30, 0x07, 0x00, 0x01, b'a', 0x03, 0x23, 0x00, 0x64], reason: 0x94, says: "alias 100" },
    Case { name: "a second CONNACK", versions: NEW, before: Before::Nothing,
        bytes: &[0x20, 0x03, 0x00, 0x00, 0x00], reason: 0x82, says: "second CONNACK" },
    Case { name: "a second CONNACK of 3.x", versions: &[ProtocolVersion::V3_1, ProtocolVersion::V3_1_1],
        before: Before::Nothing, bytes: &[0x20, 0x02, 0x00, 0x00], reason: 0, says: "second CONNACK" },
    Case { name: "AUTH out of turn", versions: NEW, before: Before::Nothing,
        bytes: &[0xf0, 0x00], reason: 0x82, says: "AUTH" },
    Case { name: "PUBREC for QoS 1", versions: EVERY, before: Before::Publishes(QoS::AtLeastOnce),
        bytes: &[0x50, 0x02, 0x00, ID], reason: 0x82, says: "PubRec" },
    Case { name: "PUBACK for QoS 2", versions: EVERY, before: Before::Publishes(QoS::ExactlyOnce),
        bytes: &[0x40, 0x02, 0x00, ID], reason: 0x82, says: "PubAck" },
    Case { name: "PUBCOMP before PUBREC", versions: EVERY, before: Before::Publishes(QoS::ExactlyOnce),
        bytes: &[0x70, 0x02, 0x00, ID], reason: 0x82, says: "PubComp" },
    Case { name: "PUBACK for SUBSCRIBE", versions: EVERY, before: Before::SubscribesToTwo,
        bytes: &[0x40, 0x02, 0x00, ID], reason: 0x82, says: "PubAck" },
    Case { name: "SUBACK with one code for two filters", versions: NEW, before: Before::SubscribesToTwo,
        bytes: &[0x90, 0x04, 0x00, ID, 0x00, 0x00], reason: 0x82, says: "1 reason codes for 2" },
    Case { name: "SUBACK of 3.x with three codes for two filters",
        versions: &[ProtocolVersion::V3_1, ProtocolVersion::V3_1_1], before: Before::SubscribesToTwo,
        bytes: &[0x90, 0x05, 0x00, ID, 0x00, 0x00, 0x00], reason: 0, says: "3 reason codes for 2" },
];

scenarios!(BY_HAND => a_server_that_breaks_the_protocol);

/// The server here is neither of the brokers, and knows bare TCP only.
const BY_HAND: Scope = Scope::only(|cell| cell.transport == Transport::Tcp && cell.kind == Kind::TestBroker);

// R: SUB-02, SUB-08, SUB-09
async fn a_server_that_breaks_the_protocol(setup: Setup) {
    for case in CASES.iter().filter(|case| case.versions.contains(&setup.version())) {
        misbehave(setup, case).await;
    }
}

async fn misbehave(setup: Setup, case: &'static Case) {
    let version = setup.version();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("mqtt://{}", listener.local_addr().expect("it is bound"));
    let server = tokio::spawn(serve(listener, version, case.before, case.bytes));
    let client = setup.builder(&url, "victim").maximum_packet_size(1 << 20).build().expect("a client");
    let mut events = client.events();
    client.connect().await.expect("connected");
    match case.before {
        Before::Nothing => {}
        Before::Publishes(qos) => drop(client.publish("a", "x").qos(qos).send().expect("accepted")),
        Before::SubscribesToTwo => {
            // It is dropped, and goes on unsubscribing: the filters do not come back.
            assert!(poll_once(client.subscribe(["a", "b"])).await.is_none());
        }
    }
    let (cause, retry_in) = event(&mut events, |event| match event {
        Event::Disconnected { cause, retry_in, .. } => Some((cause.clone(), *retry_in)),
        _ => None,
    })
    .await;
    let Cause::Protocol(error) = cause else { panic!("{}: {cause}", case.name) };
    assert!(error.to_string().contains(case.says), "{}: {error}", case.name);
    assert!(!error.statement(version).is_empty(), "{}: {error}", case.name);
    assert!(retry_in.is_some_and(|pause| !pause.is_zero()), "{}: it comes back after a pause", case.name);

    connected(&mut events).await;
    let answer = server.await.expect("no panic").expect("the client came back");
    if version == ProtocolVersion::V5 {
        // One DISCONNECT and nothing else; its properties may explain.
        assert_eq!(answer.first(), Some(&0xe0), "{}: {answer:x?}", case.name);
        assert_eq!(answer.get(2), Some(&case.reason), "{}: {answer:x?}", case.name);
        assert_eq!(answer.len(), 2 + usize::from(answer[1]), "{}: {answer:x?}", case.name);
    } else {
        assert!(answer.is_empty(), "{}: 3.x clients just close, not with {answer:x?}", case.name);
    }
}

/// Takes a connection, misbehaves on it, takes the next one. What the client sent after the misbehaviour.
async fn serve(
    listener: TcpListener,
    version: ProtocolVersion,
    before: Before,
    bytes: &[u8],
) -> io::Result<Vec<u8>> {
    let mut first = accept(&listener, version).await?;
    let packet_id = match before {
        Before::Nothing => 0,
        // The identifier is behind the topic's length and its one byte, or the first of all.
        Before::Publishes(_) => packet(&mut first).await?[4],
        Before::SubscribesToTwo => {
            let subscribe = packet(&mut first).await?;
            packet(&mut first).await?; // UNSUBSCRIBE
            subscribe[1]
        }
    };
    let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte == ID { packet_id } else { *byte }).collect();
    first.write_all(&bytes).await?;
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).await?;
    let second = accept(&listener, version).await?;
    drop(listener);
    // It stays open until the test has seen it.
    tokio::spawn(async move {
        let mut second = second;
        let _ = second.read_to_end(&mut Vec::new()).await;
    });
    Ok(answer)
}

/// The next connection, after its CONNECT was accepted.
async fn accept(listener: &TcpListener, version: ProtocolVersion) -> io::Result<TcpStream> {
    let (mut stream, _) = listener.accept().await?;
    packet(&mut stream).await?;
    let connack: &[u8] =
        if version == ProtocolVersion::V5 { &[0x20, 0x03, 0, 0, 0] } else { &[0x20, 0x02, 0, 0] };
    stream.write_all(connack).await?;
    Ok(stream)
}

/// The body of the next packet, which is a short one.
async fn packet(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; usize::from(header[1])];
    stream.read_exact(&mut body).await?;
    Ok(body)
}
