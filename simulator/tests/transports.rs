//! The test broker over TLS, WebSocket, both, and Unix sockets.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Options, Sessions};
use sterna_simulator::{Identity, TestBroker, TestCertificates};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// Far longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// CONNECT of MQTT 3.1.1 by client `a`.
const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";
const CONNACK: &[u8] = b"\x20\x02\0\0";
const SUBSCRIBE: &[u8] = b"\x82\x06\0\x01\0\x01t\0";
const SUBACK: &[u8] = b"\x90\x03\0\x01\0";
const DISCONNECT: &[u8] = b"\xe0\0";

/// A PUBLISH of 100,000 bytes to `t`.
fn publish() -> Vec<u8> {
    let mut packet = b"\x30\xa3\x8d\x06\0\x01t".to_vec();
    packet.extend((0..100_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]));
    packet
}

async fn tcp(broker: &TestBroker) -> TcpStream {
    TcpStream::connect(broker.address()).await.expect("the broker listens")
}

async fn tls(
    broker: &TestBroker,
    certificates: &TestCertificates,
    identity: Option<&Identity>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(certificates.authority.as_bytes()).expect("PEM");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("PEM");
            config.with_client_auth_cert(vec![certificate], key).expect("a pair")
        }
    };
    let name = "localhost".try_into().expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, tcp(broker).await).await
}

/// Connects, subscribes, publishes to itself and disconnects.
async fn speak(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let talk = async {
        stream.write_all(CONNECT).await.expect("writes");
        expect(stream, CONNACK).await;
        stream.write_all(SUBSCRIBE).await.expect("writes");
        expect(stream, SUBACK).await;
        stream.write_all(&publish()).await.expect("writes");
        stream.flush().await.expect("writes");
        expect(stream, &publish()).await;
        stream.write_all(DISCONNECT).await.expect("writes");
        stream.flush().await.expect("writes");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("closed with a word");
        assert!(rest.is_empty(), "{rest:02x?}");
    };
    timeout(PATIENCE, talk).await.expect("in time");
}

async fn expect(stream: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    stream.read_exact(&mut received).await.expect("reads");
    assert!(received == expected, "something else came");
}

type Frames<S> = WebSocketStream<S>;

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    protocol: &'static str,
) -> Result<Frames<S>, tokio_tungstenite::tungstenite::Error> {
    let mut request = "ws://localhost/any?token=1".into_client_request().expect("a request");
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a header"));
    Ok(client_async(request, stream).await?.0)
}

/// As [`speak`], a byte in each frame where that is not too slow; the sizes of the frames that came.
async fn speak_in_frames<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Frames<S>) -> Vec<usize> {
    for byte in CONNECT {
        send(stream, std::slice::from_ref(byte)).await;
    }
    let mut sizes = Vec::new();
    receive(stream, CONNACK, &mut sizes).await;
    // Two packets in one frame.
    send(stream, &[SUBSCRIBE, &publish()].concat()).await;
    receive(stream, &[SUBACK, &publish()].concat(), &mut sizes).await;
    send(stream, DISCONNECT).await;
    let close = timeout(PATIENCE, next(stream)).await.expect("in time");
    assert!(matches!(close, Some(Ok(Message::Close(_)))), "{close:?}");
    sizes
}

async fn next<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut Frames<S>,
) -> Option<Result<Message, tokio_tungstenite::tungstenite::Error>> {
    std::future::poll_fn(|cx| futures_core::Stream::poll_next(std::pin::Pin::new(stream), cx)).await
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut Frames<S>, bytes: &[u8]) {
    use futures_sink::Sink;
    let mut stream = std::pin::Pin::new(stream);
    std::future::poll_fn(|cx| stream.as_mut().poll_ready(cx)).await.expect("ready");
    stream.as_mut().start_send(Message::Binary(bytes.to_vec().into())).expect("taken");
    std::future::poll_fn(|cx| stream.as_mut().poll_flush(cx)).await.expect("sent");
}

async fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut Frames<S>,
    expected: &[u8],
    sizes: &mut Vec<usize>,
) {
    let mut received = Vec::new();
    while received.len() < expected.len() {
        let message = timeout(PATIENCE, next(stream)).await.expect("in time").expect("open").expect("right");
        let Message::Binary(bytes) = message else { panic!("{message:?}") };
        sizes.push(bytes.len());
        received.extend_from_slice(&bytes);
    }
    assert!(received == expected, "something else came");
}

#[tokio::test]
async fn it_speaks_tls() {
    let certificates = TestCertificates::new();
    let broker = TestBroker::builder().tls(&certificates.server, None).start().await.expect("starts");
    assert_eq!(broker.url(), format!("mqtts://127.0.0.1:{}", broker.address().port()));
    speak(&mut tls(&broker, &certificates, None).await.expect("trusted")).await;
    for (identity, reason) in [
        (&certificates.expired, "Expired"),
        (&certificates.wrong_host, "NotValidForName"),
        (&certificates.self_signed, "UnknownIssuer"),
    ] {
        let broker = TestBroker::builder().tls(identity, None).start().await.expect("starts");
        let error = tls(&broker, &certificates, None).await.expect_err("not trusted");
        assert!(format!("{error:?}").contains(reason), "{error:?}");
    }
}

#[tokio::test]
async fn it_asks_for_certificates() {
    let certificates = TestCertificates::new();
    let authority = Some(certificates.authority.as_str());
    let broker = TestBroker::builder().tls(&certificates.server, authority).start().await.expect("starts");
    speak(&mut tls(&broker, &certificates, Some(&certificates.client)).await.expect("known")).await;
    for identity in [None, Some(&certificates.stranger)] {
        // In TLS 1.3 the client is done before the server has looked at its certificate.
        let Ok(mut stream) = tls(&broker, &certificates, identity).await else { continue };
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("in time");
        read.expect_err("refused with an alert");
    }
}

#[tokio::test]
async fn it_speaks_websocket() {
    let broker = TestBroker::builder().websocket().start().await.expect("starts");
    assert_eq!(broker.url(), format!("ws://127.0.0.1:{}/mqtt", broker.address().port()));
    let mut stream = upgrade(tcp(&broker).await, "mqttv3.1, mqtt").await.expect("upgraded");
    speak_in_frames(&mut stream).await;
    let upgrades = broker.upgrades();
    assert_eq!((&*upgrades[0].path, &*upgrades[0].protocol), ("/any?token=1", "mqttv3.1"));
    assert!(upgrades[0].headers.contains(&("host".into(), "localhost".into())), "{upgrades:?}");

    let broker = TestBroker::builder().websocket_frames(7).start().await.expect("starts");
    let mut stream = upgrade(tcp(&broker).await, "mqtt").await.expect("upgraded");
    assert_eq!(speak_in_frames(&mut stream).await.into_iter().max(), Some(7));
    upgrade(tcp(&broker).await, "chat").await.expect_err("not its protocol");
    // Text is not MQTT.
    let mut stream = upgrade(tcp(&broker).await, "mqtt").await.expect("upgraded");
    {
        use futures_sink::Sink;
        let mut stream = std::pin::Pin::new(&mut stream);
        stream.as_mut().start_send(Message::Text("hello".into())).expect("taken");
        std::future::poll_fn(|cx| stream.as_mut().poll_flush(cx)).await.expect("sent");
    }
    let end = timeout(PATIENCE, next(&mut stream)).await.expect("in time");
    assert!(matches!(end, Some(Err(_)) | None), "{end:?}");
}

#[tokio::test]
async fn it_speaks_websocket_over_tls() {
    let certificates = TestCertificates::new();
    let broker =
        TestBroker::builder().tls(&certificates.server, None).websocket().start().await.expect("starts");
    assert_eq!(broker.url(), format!("wss://127.0.0.1:{}/mqtt", broker.address().port()));
    let stream = tls(&broker, &certificates, None).await.expect("trusted");
    speak_in_frames(&mut upgrade(stream, "mqtt").await.expect("upgraded")).await;
}

#[cfg(unix)]
#[tokio::test]
async fn it_listens_on_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("sterna-simulator-{}", std::process::id()));
    let broker = TestBroker::builder().unix(&path).start().await.expect("starts");
    assert_eq!(broker.url(), format!("unix://{}", path.display()));
    let taken = TestBroker::builder().unix(&path).start().await.expect_err("taken");
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    let connect = || tokio::net::UnixStream::connect(&path);
    speak(&mut connect().await.expect("it listens")).await;
    broker.take_down(Sessions::Keep).await;
    connect().await.expect_err("nobody listens");
    broker.bring_up().await.expect("the place is free");
    speak(&mut connect().await.expect("it listens again")).await;
    broker.shutdown().await;
    assert!(!path.exists(), "the file is gone");
}

#[tokio::test]
async fn connections_are_cut_in_every_hand_shake() {
    let certificates = TestCertificates::new();
    let broker = TestBroker::builder().tls(&certificates.server, None).start().await.expect("starts");
    for written in [0, 1, 5, 100, 500] {
        broker.cut_next(written);
        tls(&broker, &certificates, None).await.expect_err("cut");
    }
    speak(&mut tls(&broker, &certificates, None).await.expect("whole")).await;

    let broker = TestBroker::builder().websocket().start().await.expect("starts");
    for written in [0, 1, 50] {
        broker.cut_next(written);
        upgrade(tcp(&broker).await, "mqtt").await.expect_err("cut");
    }
    speak_in_frames(&mut upgrade(tcp(&broker).await, "mqtt").await.expect("whole")).await;

    // In the middle of a packet.
    let broker = TestBroker::start().await.expect("starts");
    broker.cut_next(2);
    let mut stream = tcp(&broker).await;
    stream.write_all(CONNECT).await.expect("writes");
    broker.wait_for("a", PacketType::Connect, 1).await;
    let mut received = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("in time").expect("closed");
    assert_eq!(received, &CONNACK[..2]);
}

#[tokio::test]
async fn a_hand_shake_may_not_take_for_ever() {
    let certificates = TestCertificates::new();
    let options = || Options { connect_timeout: Duration::from_millis(20), ..Options::default() };
    let encrypted = TestBroker::builder().options(options()).tls(&certificates.server, None);
    let framed = TestBroker::builder().options(options()).websocket();
    for builder in [encrypted, framed] {
        let broker = builder.start().await.expect("starts");
        let mut silent = tcp(&broker).await;
        let mut rest = Vec::new();
        timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("in time").expect("closed");
    }
}

#[tokio::test]
async fn a_broker_that_goes_down_ends_hand_shakes() {
    let broker = TestBroker::builder().websocket().start().await.expect("starts");
    broker.with(|model, _| model.options_mut().connect_timeout = Duration::from_secs(3_600));
    let mut silent = tcp(&broker).await;
    // What came first was accepted first.
    speak_in_frames(&mut upgrade(tcp(&broker).await, "mqtt").await.expect("upgraded")).await;
    broker.take_down(Sessions::Keep).await;
    let mut rest = Vec::new();
    timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("in time").expect("closed");
}
