//! One TLS connection over memory.

use std::io::{self, BufRead, Write};

use rustls::ClientConnection;

use super::TlsError;
use crate::pipe::{BUFFERED, write_some};
use crate::{Endpoint, TransportError, TransportOptions};

/// One TLS connection over memory.
pub(crate) struct TlsLayer {
    connection: ClientConnection,
    /// The server has closed its side.
    is_closed: bool,
    /// It has failed: nothing but its alert is sent any more.
    is_failed: bool,
}

impl TlsLayer {
    /// The layer of a connection to this endpoint, if that has one.
    pub(crate) fn for_endpoint(
        endpoint: &Endpoint,
        options: &TransportOptions,
    ) -> Result<Option<Box<Self>>, TransportError> {
        if !endpoint.transport.is_encrypted() {
            return Ok(None);
        }
        let (config, name) = (options.tls.client_config()?, options.tls.name_for(&endpoint.host)?);
        let mut connection =
            ClientConnection::new(config, name).map_err(|error| TlsError::new(error, true))?;
        connection.set_buffer_limit(Some(BUFFERED));
        Ok(Some(Box::new(Self { connection, is_closed: false, is_failed: false })))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether bytes can be encrypted.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_failed && !self.connection.is_handshaking()
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Decrypts all of `wire` and hands what it says to `sink`, piece by piece. Also on failure, what came before it has
    /// been handed over.
    pub(crate) fn receive(
        &mut self,
        mut wire: &[u8],
        mut sink: impl FnMut(&[u8]) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        while !wire.is_empty() && !self.is_closed {
            let read = self.connection.read_tls(&mut wire);
            let processed = self.connection.process_new_packets();
            self.is_failed = processed.is_err();
            self.drain(&mut sink)?;
            let is_answered = self.connection.protocol_version().is_some();
            let state = processed.map_err(|error| TlsError::new(error, is_answered))?;
            // It reads nothing only when it has no room, and all that it could hand over is handed over.
            if read.unwrap_or(0) == 0 && !state.peer_has_closed() {
                return Err(TlsError::Rustls(rustls::Error::PeerSentOversizedRecord).into());
            }
            self.is_closed = state.peer_has_closed();
        }
        if !self.is_closed {
            return Ok(());
        }
        let cut = self.connection.is_handshaking();
        Err(if cut { TlsError::HandshakeCut.into() } else { TransportError::Closed })
    }

    fn drain(
        &mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), TransportError>,
    ) -> Result<(), TransportError> {
        let mut reader = self.connection.reader();
        loop {
            let length = match reader.fill_buf() {
                Ok([]) | Err(_) => return Ok(()),
                Ok(chunk) => {
                    sink(chunk)?;
                    chunk.len()
                }
            };
            reader.consume(length);
        }
    }

    /// Encrypts as much as the buffer has room for, and gives how much that was.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(bytes)
    }

    /// The same for bytes in several pieces, which share records.
    pub(crate) fn encrypt_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.connection.writer().write_vectored(pieces)
    }

    /// Writes what is encrypted. `false`: the socket would block.
    pub(crate) fn flush(&mut self, wire: &mut dyn Write) -> io::Result<bool> {
        while self.connection.wants_write() {
            if write_some(|| self.connection.write_tls(wire))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn handle_eof(&self) -> Result<(), TransportError> {
        if self.is_closed {
            Ok(())
        } else if self.connection.is_handshaking() {
            Err(TlsError::HandshakeCut.into())
        } else {
            Err(TlsError::Truncated.into())
        }
    }

    /// Has the server told that nothing more comes. After a failure its alert says so.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
