//! The server's side of WebSocket.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_core::Stream as _;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::stream::AnyStream;

/// How many hand-shakes are remembered.
const MAXIMUM_UPGRADES: usize = 1_000;
/// The largest frame sent, in bytes: it is copied.
const MAXIMUM_FRAME: usize = 64 * 1024;
const PROTOCOL: &str = "sec-websocket-protocol";

/// A WebSocket hand-shake that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The path and the query of the request.
    pub path: String,
    /// The request's headers, names in small letters, in no particular order.
    pub headers: Vec<(String, String)>,
    /// The subprotocol that was chosen.
    pub protocol: String,
}

pub(super) struct WebSocket {
    /// The largest frame that is sent, in bytes.
    frame: usize,
    upgrades: Arc<Mutex<VecDeque<Upgrade>>>,
}

impl WebSocket {
    pub(super) fn new(frame: usize) -> Self {
        Self { frame: frame.clamp(1, MAXIMUM_FRAME), upgrades: Arc::default() }
    }

    pub(super) fn upgrades(&self) -> Vec<Upgrade> {
        let upgrades = self.upgrades.lock().unwrap_or_else(PoisonError::into_inner);
        upgrades.iter().cloned().collect()
    }

    pub(super) async fn accept(&self, stream: AnyStream) -> io::Result<WebSocketBytes> {
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            .max_write_buffer_size(usize::MAX);
        let upgrades = Arc::clone(&self.upgrades);
        let stream = accept_hdr_async_with_config(stream, Answer(upgrades), Some(config));
        // Its state is large, and only needed for a moment.
        let stream = Box::pin(stream).await.map_err(to_io)?;
        Ok(WebSocketBytes { stream, received: Bytes::new(), frame: self.frame })
    }
}

/// The answer to an upgrade.
struct Answer(Arc<Mutex<VecDeque<Upgrade>>>);

impl tokio_tungstenite::tungstenite::handshake::server::Callback for Answer {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let offered = request.headers().get_all(PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
        let chosen = offered
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .find(|protocol| ["mqtt", "mqttv3.1"].contains(protocol));
        let Some(chosen) = chosen else {
            let mut refusal = ErrorResponse::new(Some("the subprotocol must be mqtt".to_owned()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return Err(refusal);
        };
        let protocol = HeaderValue::from_str(chosen).expect("it came in a header");
        response.headers_mut().insert(PROTOCOL, protocol); // [MQTT-6.0.0-4]
        let upgrade = Upgrade {
            path: request.uri().to_string(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect(),
            protocol: chosen.to_owned(),
        };
        let mut upgrades = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if upgrades.len() == MAXIMUM_UPGRADES {
            upgrades.pop_front();
        }
        upgrades.push_back(upgrade);
        Ok(response)
    }
}

/// The bytes in a WebSocket's binary frames.
pub(super) struct WebSocketBytes {
    stream: WebSocketStream<AnyStream>,
    received: Bytes,
    frame: usize,
}

impl AsyncRead for WebSocketBytes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.received.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.received = bytes,
                // [MQTT-6.0.0-1]
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                // Pings were answered, and so is a close before the stream ends.
                Some(Ok(_)) => {}
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) | None => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(to_io(error))),
            }
        }
        let length = self.received.len().min(buffer.remaining());
        buffer.put_slice(&self.received[..length]);
        self.received.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WebSocketBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.stream).poll_ready(cx)).map_err(to_io)?;
        let frame = &data[..data.len().min(self.frame)];
        Pin::new(&mut self.stream)
            .start_send(Message::Binary(Bytes::copy_from_slice(frame)))
            .map_err(to_io)?;
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map_err(to_io)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(to_io)
    }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
