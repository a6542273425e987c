//! Opening a WebSocket.

use std::io::{self, Read, Write};

use tungstenite::client::IntoClientRequest;
use tungstenite::error::{Error, ProtocolError};
use tungstenite::handshake::client::{ClientHandshake, Request, generate_key};
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::http::Response;
use tungstenite::http::header::{
    CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tungstenite::protocol::WebSocketConfig;

use super::{WebSocketError, WebSocketOptions};
use crate::http_head::HttpHead;
use crate::{Endpoint, Subprotocol};

/// A hand-shake whose request is written and whose answer has not come.
pub(super) struct Handshake {
    machine: MidHandshake<ClientHandshake<Memory>>,
    head: HttpHead,
    offered: Box<str>,
}

/// What tungstenite takes for its socket.
#[derive(Debug, Default)]
struct Memory {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = self.input.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.input[..length]);
        self.input.drain(..length);
        Ok(length)
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Handshake {
    /// The hand-shake, and its request.
    pub(super) fn start(
        endpoint: &Endpoint,
        options: &WebSocketOptions,
        subprotocol: Subprotocol,
    ) -> Result<(Self, Vec<u8>), WebSocketError> {
        let offered = options.offered(subprotocol.as_str())?;
        let request = request(endpoint, options, &offered)?;
        // What it makes for the frames is dropped again: they are read without it.
        let config = WebSocketConfig::default().read_buffer_size(1);
        let started =
            ClientHandshake::start(Memory::default(), request, Some(config)).map(MidHandshake::handshake);
        match started {
            Ok(Err(HandshakeError::Interrupted(mut machine))) => {
                let request = std::mem::take(&mut machine.get_mut().get_mut().output);
                Ok((Self { machine, head: HttpHead::default(), offered: offered.into() }, request))
            }
            // There is nothing to read, so it cannot be done.
            Ok(Ok(_)) => Err(WebSocketError::Handshake("without an answer".into())),
            Ok(Err(HandshakeError::Failure(error))) | Err(error) => {
                Err(WebSocketError::Request(error.to_string().into()))
            }
        }
    }

    /// Takes the answer's bytes from `input`, however they are split. `None`: the WebSocket is open, and what follows
    /// the answer is in `input` still.
    pub(super) fn receive(mut self, input: &mut &[u8]) -> Result<Option<Self>, WebSocketError> {
        // tungstenite takes many small reads for an attack, so it gets the answer as a whole.
        let Some(head) = self.head.receive(input).map_err(|_| WebSocketError::ResponseTooLong)? else {
            return Ok(Some(self));
        };
        self.machine.get_mut().get_mut().input = head.to_vec();
        match self.machine.handshake() {
            Ok(_) => Ok(None),
            Err(HandshakeError::Failure(error)) => Err(refusal(error, &self.offered)),
            Err(HandshakeError::Interrupted(_)) => Err(WebSocketError::Handshake("it is incomplete".into())),
        }
    }
}

fn request(
    endpoint: &Endpoint,
    options: &WebSocketOptions,
    offered: &str,
) -> Result<Request, WebSocketError> {
    let unlawful = |error: &dyn std::fmt::Display| WebSocketError::Request(error.to_string().into());
    let target = if endpoint.path.is_empty() { "/" } else { &*endpoint.path };
    // The scheme says nothing here: whether there is TLS below has been decided. Nor does this host, which is not sent.
    let mut request =
        format!("ws://localhost{target}").into_client_request().map_err(|error| unlawful(&error))?;
    let is_default = endpoint.port == endpoint.transport.default_port();
    let authority = endpoint.authority();
    let host = if is_default {
        authority.rsplit_once(':').map_or(&*authority, |(host, _)| host)
    } else {
        &authority
    };
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| unlawful(&error));
    let fixed: [(HeaderName, HeaderValue); 6] = [
        (HOST, value(host)?),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_KEY, value(&generate_key())?),
        (SEC_WEBSOCKET_PROTOCOL, value(offered)?),
    ];
    let headers = request.headers_mut();
    headers.clear();
    headers.extend(fixed);
    headers.extend(options.header_map()?);
    Ok(request)
}

/// What a user can do something about.
fn refusal(error: Error, offered: &str) -> WebSocketError {
    match error {
        Error::Http(response) => refused(&response),
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(error)) => {
            WebSocketError::Subprotocol { offered: offered.into(), answered: error.to_string().into() }
        }
        error => WebSocketError::Handshake(error.to_string().into()),
    }
}

fn refused<T>(response: &Response<T>) -> WebSocketError {
    let status = response.status();
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    match location {
        Some(location) if status.is_redirection() => {
            let shown = location.split_once(['?', '#']).map_or(location, |(place, _)| place);
            WebSocketError::Redirected { status: status.as_u16(), location: shown.into() }
        }
        _ => WebSocketError::Refused {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default(),
        },
    }
}
