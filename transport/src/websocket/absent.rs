//! What stands for WebSocket in a build without: no connection ever has it.
#![expect(clippy::unnecessary_wraps, reason = "the real one can fail")]

use bytes::Buf;

use crate::{Endpoint, Subprotocol, TransportError, TransportOptions};

pub(crate) enum WebSocketLayer {}

impl WebSocketLayer {
    pub(crate) fn for_endpoint(
        _: &Endpoint,
        _: &TransportOptions,
        _: Subprotocol,
    ) -> Result<Option<Box<Self>>, TransportError> {
        Ok(None)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _: &[u8], _: &mut impl FnMut(&[u8])) -> Result<(), TransportError> {
        match *self {}
    }

    pub(crate) fn close(&mut self) {
        match *self {}
    }

    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        match *self {}
    }

    pub(crate) fn stage(&mut self) -> &[u8] {
        match *self {}
    }

    pub(crate) fn advance(&mut self, _: usize) {
        match *self {}
    }

    pub(crate) fn frame(&mut self, _: &mut impl Buf) -> usize {
        match *self {}
    }

    pub(crate) fn release(&mut self) {
        match *self {}
    }
}
