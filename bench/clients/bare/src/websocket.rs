//! tokio-tungstenite.

use bench_common::{CONNECT, Meter, PAYLOAD, Work, publish};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{VERSION, batch, count, subscribe};

type Stream = WebSocketStream<TcpStream>;

pub(crate) async fn run(work: &Work) -> Value {
    let socket = TcpStream::connect(("127.0.0.1", work.port())).await.expect("the sink listens");
    socket.set_nodelay(true).expect("a socket");
    let mut request =
        format!("ws://127.0.0.1:{}/mqtt", work.port()).into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (mut stream, _) = client_async(request, socket).await.expect("a hand-shake");
    send(&mut stream, Bytes::from_static(CONNECT)).await;
    next(&mut stream).await;
    match work.scenario() {
        "pub0" | "single0" => publish_all(&mut stream, work).await,
        "recv0" => receive(&mut stream).await,
        _ => work.unknown(),
    }
}

async fn send(stream: &mut Stream, bytes: Bytes) {
    stream.send(Message::Binary(bytes)).await.expect("the sink takes it");
}

async fn next(stream: &mut Stream) -> Bytes {
    match stream.next().await.expect("the sink sends").expect("the sink sends") {
        Message::Binary(bytes) => bytes,
        other => panic!("{other}: not binary"),
    }
}

async fn publish_all(stream: &mut Stream, work: &Work) -> Value {
    let (batch, messages) = batch(work);
    let batch = Bytes::from(batch);
    let mut meter = Meter::start(work);
    while meter.more() {
        send(stream, batch.clone()).await;
        meter.add(messages - 1);
    }
    send(stream, publish(1, 1, PAYLOAD, VERSION).into()).await;
    next(stream).await;
    meter.finish()
}

async fn receive(stream: &mut Stream) -> Value {
    let mut meter = Meter::start_unlimited();
    send(stream, subscribe().into()).await;
    let mut input = Vec::new();
    loop {
        input.extend_from_slice(&next(stream).await);
        if count(&mut input, &mut meter) {
            return meter.finish();
        }
    }
}
