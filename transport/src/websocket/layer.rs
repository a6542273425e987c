//! One WebSocket over memory.

use bytes::{Buf, BytesMut};
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::frames::{FrameReader, Piece, write_frame};
use super::handshake::Handshake;
use super::{WebSocketError, WebSocketOptions};
use crate::pipe::BUFFERED;
use crate::{Endpoint, Subprotocol};

/// How much of MQTT's bytes goes into one frame, so that the frame fits into the pipe's buffer.
const FRAME_LIMIT: usize = BUFFERED - 8;
/// A buffer that has grown above this is given back when it is empty.
const KEPT: usize = 4 * 1024;

/// One WebSocket over memory.
#[derive(Debug)]
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

#[derive(Debug)]
enum State {
    /// Boxed, since it is gone soon.
    Handshaking(Box<Handshake>),
    Open,
    /// A close frame of ours is sent or waits, or the hand-shake failed: no data any more, either way.
    Closing,
}

impl WebSocketLayer {
    pub(crate) fn new(
        endpoint: &Endpoint,
        options: &WebSocketOptions,
        subprotocol: Subprotocol,
    ) -> Result<Self, WebSocketError> {
        let (handshake, out) = Handshake::start(endpoint, options, subprotocol)?;
        let state = State::Handshaking(Box::new(handshake));
        Ok(Self { state, reader: FrameReader::default(), out, written: 0, ping: None, close: None })
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshaking(_))
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.pending().is_empty() || self.ping.is_some() || self.close.is_some()
    }

    /// Reads all of `input`. Also on failure, what came before it is in `plain`.
    pub(crate) fn receive(&mut self, mut input: &[u8], plain: &mut BytesMut) -> Result<(), WebSocketError> {
        if let State::Handshaking(handshake) = std::mem::replace(&mut self.state, State::Closing) {
            match handshake.receive(&mut input)? {
                Some(handshake) => self.state = State::Handshaking(Box::new(handshake)),
                None => self.state = State::Open,
            }
        } else {
            unreachable!()
        }
        while let State::Open = self.state {
            let piece = match self.reader.next(&mut input) {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(()),
                Err(error) => return Err(self.fail(error)),
            };
            match piece {
                Piece::Data(data) => plain.extend_from_slice(data),
                Piece::Ping(payload) => self.ping = Some(payload.into()),
                Piece::Close(payload) => return Err(self.handle_close(payload.to_vec())),
            }
        }
        Ok(())
    }
}
