//! The layers between MQTT's bytes and the socket's.

use std::io;
use std::net::IpAddr;

use bytes::{Buf, BytesMut};

use crate::{Endpoint, Subprotocol, TransportError, TransportOptions};

/// The layers between MQTT's bytes and the socket's, over memory: a proxy's hand-shake, then TLS, then WebSocket, as the
/// endpoint and the options ask.
///
/// The driver gives the bytes that it reads to [`receive`](Self::receive), and calls [`send`](Self::send) when the socket
/// is writable and there is something to send or [`wants_send`](Self::wants_send). Hand-shakes happen within these two.
#[derive(Debug)]
pub struct Pipe {}

impl Pipe {
    /// A pipe for a connection that is about to be dialled, or `None` where MQTT's bytes are the socket's: over TCP and
    /// Unix sockets without a proxy. `address` is the server's where [`Route::resolve_server`](crate::Route) asks for it.
    ///
    /// # Errors
    /// [`TransportError`], as [`TransportOptions::check`].
    pub fn new(
        endpoint: &Endpoint,
        options: &TransportOptions,
        subprotocol: Subprotocol,
        address: Option<IpAddr>,
    ) -> Result<Option<Self>, TransportError> {
        options.check(endpoint)?;
        let _ = (subprotocol, address);
        Ok(None)
    }

    /// Takes all bytes of `wire`, which were read from the socket, and appends to `plain` those of MQTT's packets. What
    /// is appended is never more than `wire` had and what TLS held of an unfinished record, 16 KiB. Bytes to answer with
    /// wait for [`send`](Self::send).
    ///
    /// # Errors
    /// [`TransportError`]: the connection is over. What came before the failure is in `plain` all the same, and is to be
    /// read first: a server's DISCONNECT may stand there. [`close`](Self::close) then sends the answer that the failure
    /// deserves.
    pub fn receive(&mut self, wire: &mut BytesMut, plain: &mut BytesMut) -> Result<(), TransportError> {
        let _ = (wire, plain);
        Ok(())
    }

    /// Writes what waits in the pipe, then as much of `plain` as the socket takes, until that returns
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), and gives how many bytes of `plain` were taken; `plain` is advanced by
    /// them. Taken bytes are in the socket or in the pipe, which holds at most 64 KiB and is not given more before the
    /// socket has taken these. Nothing of `plain` is taken during hand-shakes.
    ///
    /// # Errors
    /// [`TransportError::Io`] with the socket's error, or what a layer has to say: the connection is over.
    pub fn send(&mut self, plain: &mut impl Buf, wire: &mut dyn io::Write) -> Result<usize, TransportError> {
        let _ = (plain, wire);
        Ok(0)
    }

    /// Whether the pipe itself has bytes for the socket: of a hand-shake, a pong, a key update, or some that
    /// [`send`](Self::send) took and the socket did not.
    pub fn wants_send(&self) -> bool {
        false
    }

    /// Whether a hand-shake is under way: MQTT's bytes are not sent yet.
    pub fn is_handshaking(&self) -> bool {
        false
    }

    /// The socket has no more bytes to read.
    ///
    /// # Errors
    /// [`TransportError`], unless the server had closed each layer before: a hand-shake or a TLS stream that was cut off
    /// is told from one that was closed.
    pub fn handle_eof(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Closes the layers, after the last [`send`](Self::send): a WebSocket close frame, then TLS close_notify. Returns
    /// when all is written or the socket would block; call it again while [`wants_send`](Self::wants_send).
    ///
    /// # Errors
    /// [`TransportError::Io`] with the socket's error.
    pub fn close(&mut self, wire: &mut dyn io::Write) -> Result<(), TransportError> {
        let _ = wire;
        Ok(())
    }
}
