//! One WebSocket over memory.

use bytes::Buf;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::WebSocketError;
use super::frames::{FrameReader, Piece, write_frame};
use super::handshake::Handshake;
use crate::pipe::BUFFERED;
use crate::{Endpoint, Subprotocol, TransportError, TransportOptions};

/// How much of MQTT's bytes goes into one frame, so that the frame fits into the pipe's buffer.
const FRAME_LIMIT: usize = BUFFERED - 8;

/// One WebSocket over memory.
pub(crate) struct WebSocketLayer {
    state: State,
    reader: FrameReader,
    /// What is to be written: a request, or whole frames.
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    /// The payload of a ping that is to be answered. Of several the last one counts (RFC 6455 §5.5.3), so a server that
    /// pings and does not read fills no memory.
    ping: Option<Box<[u8]>>,
    /// The payload of our close frame, until it is in `out`.
    close: Option<Box<[u8]>>,
}

enum State {
    /// Boxed, since it is gone soon.
    Handshaking(Box<Handshake>),
    Open,
    /// A close frame of ours is sent or waits, or the hand-shake failed: no data any more, either way.
    Closing,
}

impl WebSocketLayer {
    /// The layer of a connection to this endpoint, if that has one.
    pub(crate) fn for_endpoint(
        endpoint: &Endpoint,
        options: &TransportOptions,
        subprotocol: Subprotocol,
    ) -> Result<Option<Box<Self>>, TransportError> {
        if !endpoint.transport.is_websocket() {
            return Ok(None);
        }
        let (handshake, out) = Handshake::start(endpoint, &options.websocket, subprotocol)?;
        let state = State::Handshaking(Box::new(handshake));
        let reader = FrameReader::new();
        Ok(Some(Box::new(Self { state, reader, out, written: 0, ping: None, close: None })))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshaking(_))
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.pending().is_empty() || self.ping.is_some() || self.close.is_some()
    }

    /// Reads all of `input`. Also on failure, what came before it has been handed to `plain`.
    pub(crate) fn receive(
        &mut self,
        mut input: &[u8],
        plain: &mut impl FnMut(&[u8]),
    ) -> Result<(), TransportError> {
        self.open(&mut input)?;
        while let State::Open = self.state {
            match self.reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Piece::Data(data))) => plain(data),
                Ok(Some(Piece::Ping(payload))) => self.ping = Some(payload.into()),
                Ok(Some(Piece::Close(payload))) => {
                    let payload = payload.to_vec();
                    return Err(self.handle_close(&payload).into());
                }
                Err(error) => return Err(self.fail(error).into()),
            }
        }
        Ok(())
    }

    fn open(&mut self, input: &mut &[u8]) -> Result<(), WebSocketError> {
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Handshaking(handshake) => {
                self.state = match handshake.receive(input)? {
                    Some(handshake) => State::Handshaking(Box::new(handshake)),
                    None => State::Open,
                };
            }
            state => self.state = state,
        }
        Ok(())
    }

    /// The server's close frame is answered with its own code.
    fn handle_close(&mut self, payload: &[u8]) -> WebSocketError {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            if !payload.is_empty() {
                return self.fail(WebSocketError::Violation("a close frame with half a code"));
            }
            self.start_closing(&[]);
            return WebSocketError::Closed { code: None, reason: "".into() };
        };
        let Ok(reason) = std::str::from_utf8(reason) else {
            return self.fail(WebSocketError::Violation("a close frame whose reason is not UTF-8"));
        };
        let number = u16::from_be_bytes(*code);
        if !CloseCode::from(number).is_allowed() {
            return self.fail(WebSocketError::Violation("a close frame with an unlawful code"));
        }
        self.start_closing(code);
        WebSocketError::Closed { code: Some(number), reason: reason.into() }
    }

    fn fail(&mut self, error: WebSocketError) -> WebSocketError {
        let code = if error == WebSocketError::Text { CloseCode::Unsupported } else { CloseCode::Protocol };
        self.start_closing(&u16::from(code).to_be_bytes());
        error
    }

    fn start_closing(&mut self, payload: &[u8]) {
        self.state = State::Closing;
        self.close = Some(payload.into());
    }

    /// Has a close frame sent, if there is anything to close.
    pub(crate) fn close(&mut self) {
        if let State::Open = self.state {
            self.start_closing(&u16::from(CloseCode::Normal).to_be_bytes());
        }
    }

    /// The connection has ended.
    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        match self.state {
            State::Handshaking(_) => Err(WebSocketError::HandshakeCut.into()),
            State::Open => Err(WebSocketError::Cut.into()),
            State::Closing => Ok(()),
        }
    }

    fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// What is to be written next. Control frames go between data frames.
    pub(crate) fn stage(&mut self) -> &[u8] {
        if self.pending().is_empty() {
            self.out.clear();
            self.written = 0;
            let pong = self.ping.take().map(|payload| (Control::Pong, payload));
            let close = self.close.take().map(|payload| (Control::Close, payload));
            for (control, payload) in pong.into_iter().chain(close) {
                let fill = |out: &mut Vec<u8>| out.extend_from_slice(&payload);
                write_frame(&mut self.out, OpCode::Control(control), payload.len(), fill);
            }
        }
        self.pending()
    }

    /// So much of what was staged is written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written;
    }

    /// Frames the next bytes, when all before them are written. Gives how many it took.
    pub(crate) fn frame(&mut self, plain: &mut impl Buf) -> usize {
        let length = plain.remaining().min(FRAME_LIMIT);
        if !self.stage().is_empty() || length == 0 || !matches!(self.state, State::Open) {
            return 0;
        }
        write_frame(&mut self.out, OpCode::Data(Data::Binary), length, |out| {
            let mut left = plain.take(length);
            while left.has_remaining() {
                let chunk = left.chunk();
                let taken = chunk.len();
                out.extend_from_slice(chunk);
                left.advance(taken);
            }
        });
        length
    }

    /// Gives the memory of frames back, if all of them are written.
    pub(crate) fn release(&mut self) {
        if self.pending().is_empty() {
            self.out = Vec::new();
            self.written = 0;
        }
    }
}
