//! The test broker over real sockets, spoken to in plain bytes.
#![cfg(feature = "tokio")]

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use sterna_core::packet::PacketType;
use sterna_simulator::TestBroker;
use sterna_simulator::broker::{Fault, OnReceive, OnSend, Options, Sessions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Far longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client of MQTT 3.1.1 by hand.
struct Client(TcpStream);

impl Client {
    async fn connect(broker: &TestBroker, client_id: &str, clean: bool) -> Self {
        let mut client = Self(TcpStream::connect(broker.address()).await.expect("the broker listens"));
        let mut packet = vec![0x10, 12 + client_id.len() as u8];
        packet.extend(b"\0\x04MQTT\x04");
        packet.extend([u8::from(clean) << 1, 0, 0, 0, client_id.len() as u8]);
        packet.extend(client_id.as_bytes());
        client.write(&packet).await;
        client
    }

    async fn join(broker: &TestBroker, client_id: &str) -> Self {
        let mut client = Self::connect(broker, client_id, true).await;
        client.expect(b"\x20\x02\0\0").await;
        client
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("writes");
    }

    async fn expect(&mut self, expected: &[u8]) {
        let mut received = vec![0; expected.len()];
        let read = timeout(PATIENCE, self.0.read_exact(&mut received)).await.expect("an answer in time");
        read.expect("reads");
        assert_eq!(received, expected);
    }

    async fn expect_close(&mut self) {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("closed in time").expect("no reset");
        assert!(rest.is_empty(), "{rest:02x?}");
    }
}

#[tokio::test]
async fn messages_go_from_one_socket_to_another() {
    let broker = TestBroker::start().await.expect("starts");
    assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", broker.address().port()));
    let mut subscriber = Client::join(&broker, "s").await;
    subscriber.write(b"\x82\x06\0\x01\0\x01t\x01").await;
    subscriber.expect(b"\x90\x03\0\x01\x01").await;
    let mut publisher = Client::join(&broker, "p").await;
    // A packet in pieces, then many in one.
    for byte in b"\x32\x06\0\x01t\0\x07x" {
        publisher.write(&[*byte]).await;
    }
    publisher.expect(b"\x40\x02\0\x07").await;
    subscriber.expect(b"\x32\x06\0\x01t\0\x01x").await;
    publisher.write(&b"\x30\x04\0\x01ty".repeat(1000)).await;
    subscriber.expect(&b"\x30\x04\0\x01ty".repeat(1000)).await;
    publisher.write(b"\xe0\0").await;
    publisher.expect_close().await;
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let broker = TestBroker::start().await.expect("starts");
    let mut client = Client::join(&broker, "a").await;
    client.write(b"\x82\x06\0\x01\0\x01t\0").await;
    client.expect(b"\x90\x03\0\x01\0").await;
    // 1 MiB and three bytes of topic: a remaining length of 1,048,579.
    let mut packet = b"\x30\x83\x80\x40\0\x01t".to_vec();
    packet.extend((0..1_048_576_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]));
    client.write(&packet).await;
    client.expect(&packet).await;
}

#[tokio::test]
async fn faults_strike_and_records_can_be_awaited() {
    let broker = TestBroker::start().await.expect("starts");
    let mut client = Client::join(&broker, "a").await;
    broker.with(|model, _| {
        model.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard).times(1));
        model.add_fault(
            Fault::sending(PacketType::PingResp, OnSend::Delay(Duration::from_millis(30))).times(1),
        );
        let answer = OnReceive::SendThenClose(Bytes::from_static(b"\xff"));
        model.add_fault(Fault::receiving(PacketType::Unsubscribe, answer))
    });
    client.write(b"\x32\x05\0\x01t\0\x01").await;
    let record = timeout(PATIENCE, broker.wait_for("a", PacketType::Publish, 1)).await.expect("arrives");
    assert_eq!(record.bytes().as_ref(), b"\x32\x05\0\x01t\0\x01");
    client.write(b"\xc0\0\x32\x05\0\x01t\0\x02").await;
    client.expect(b"\xd0\0\x40\x02\0\x02").await;
    broker.with(|model, now| {
        let id = model.connection_of("a").expect("connected");
        model.send_raw(now, id, b"\x40\x02\0\x63");
    });
    client.expect(b"\x40\x02\0\x63").await;
    client.write(b"\xa2\x05\0\x03\0\x01t").await;
    client.expect(b"\xff").await;
    client.expect_close().await;
    timeout(PATIENCE, broker.wait_until(|model| (!model.has_session("a")).then_some(())))
        .await
        .expect("forgotten");
}

#[tokio::test]
async fn time_passes_for_the_model() {
    let options = Options { connect_timeout: Duration::from_millis(20), ..Options::default() };
    let broker = TestBroker::bind("127.0.0.1:0", options).await.expect("starts");
    let mut silent = Client(TcpStream::connect(broker.address()).await.expect("the broker listens"));
    silent.expect_close().await;
}

#[tokio::test]
async fn it_goes_down_and_comes_back_at_the_same_address() {
    let broker = TestBroker::start().await.expect("starts");
    let mut client = Client::connect(&broker, "a", false).await;
    client.expect(b"\x20\x02\0\0").await;
    broker.take_down(Sessions::Keep).await;
    client.expect_close().await;
    let refused = TcpStream::connect(broker.address()).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    broker.bring_up().await.expect("the address is free");
    let mut client = Client::connect(&broker, "a", false).await;
    client.expect(b"\x20\x02\x01\0").await;
    broker.take_down(Sessions::Lose).await;
    broker.bring_up().await.expect("the address is free");
    let mut client = Client::connect(&broker, "a", false).await;
    client.expect(b"\x20\x02\0\0").await;
}

#[tokio::test]
async fn nothing_is_left_after_it_ended() {
    let broker = TestBroker::start().await.expect("starts");
    let address = broker.address();
    let mut client = Client::join(&broker, "a").await;
    broker.shutdown().await;
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, client.0.read_to_end(&mut rest)).await.expect("closed in time");
    assert!(rest.is_empty());
    TcpStream::connect(address).await.expect_err("nobody listens");
}
