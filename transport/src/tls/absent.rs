//! What stands for TLS in a build without: no connection ever has it.
#![expect(clippy::unnecessary_wraps, reason = "the real one can fail")]

use std::io;

use crate::{Endpoint, TransportError, TransportOptions};

pub(crate) enum TlsLayer {}

impl TlsLayer {
    pub(crate) fn for_endpoint(
        _: &Endpoint,
        _: &TransportOptions,
    ) -> Result<Option<Box<Self>>, TransportError> {
        Ok(None)
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn receive(
        &mut self,
        _: &[u8],
        _: impl FnMut(&[u8]) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        match *self {}
    }

    pub(crate) fn encrypt(&mut self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn encrypt_vectored(&mut self, _: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn flush(&mut self, _: &mut dyn io::Write) -> io::Result<bool> {
        match *self {}
    }

    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        match *self {}
    }

    pub(crate) fn close(&mut self) {
        match *self {}
    }
}
