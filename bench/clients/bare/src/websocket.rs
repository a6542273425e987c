//! tokio-tungstenite.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::Stream;

pub(crate) struct Frames<S>(WebSocketStream<S>);

pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(below: S) -> Frames<S> {
    let mut request = "ws://127.0.0.1/mqtt".into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (stream, _) = client_async(request, below).await.expect("a hand-shake");
    Frames(stream)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Frames<S> {
    async fn send(&mut self, bytes: &Bytes) {
        self.0.send(Message::Binary(bytes.clone())).await.expect("the sink takes it");
    }

    async fn receive(&mut self, input: &mut BytesMut) {
        match self.0.next().await.expect("the sink sends").expect("the sink sends") {
            Message::Binary(bytes) => input.extend_from_slice(&bytes),
            other => panic!("{other}: not binary"),
        }
    }
}
