//! The layers between MQTT's bytes and the socket's.

use std::fmt;
use std::io;
use std::net::IpAddr;

use bytes::Buf;

use crate::proxy::ProxyHandshake;
use crate::tls::TlsLayer;
use crate::websocket::WebSocketLayer;
use crate::{Endpoint, Subprotocol, TransportError, TransportOptions};

/// What a layer holds of bytes that it was given and that the socket has not taken, in bytes.
#[cfg(any(feature = "tls", feature = "websocket"))]
pub(crate) const BUFFERED: usize = 64 * 1024;

/// The layers between MQTT's bytes and the socket's, over memory: a proxy's hand-shake, then TLS, then WebSocket, as the
/// endpoint and the options ask.
///
/// The driver gives the bytes that it reads to [`receive`](Self::receive), and calls [`send`](Self::send) when the socket
/// is writable and there is something to send or [`wants_send`](Self::wants_send). Hand-shakes happen within these two.
/// After an error nothing but [`close`](Self::close) is called.
pub struct Pipe {
    /// Until it has connected us.
    proxy: Option<Box<ProxyHandshake>>,
    tls: Option<Box<TlsLayer>>,
    websocket: Option<Box<WebSocketLayer>>,
}

impl Pipe {
    /// A pipe for a connection that is about to be dialled, or `None` where MQTT's bytes are the socket's: over TCP and
    /// Unix sockets without a proxy. `address` is the server's where
    /// [`Route::resolve_server`](crate::Route::resolve_server) asks for it.
    ///
    /// # Errors
    /// [`TransportError`], as [`TransportOptions::check`], and where the proxy cannot be told of the server.
    pub fn new(
        endpoint: &Endpoint,
        options: &TransportOptions,
        subprotocol: Subprotocol,
        address: Option<IpAddr>,
    ) -> Result<Option<Self>, TransportError> {
        options.check(endpoint)?;
        let proxy = ProxyHandshake::for_endpoint(endpoint, options, address)?;
        let tls = TlsLayer::for_endpoint(endpoint, options)?;
        let websocket = WebSocketLayer::for_endpoint(endpoint, options, subprotocol)?;
        let is_needed = proxy.is_some() || tls.is_some() || websocket.is_some();
        Ok(is_needed.then_some(Self { proxy, tls, websocket }))
    }

    /// Takes all bytes of `wire`, which were read from the socket, and hands those of MQTT's packets to `plain`, piece by
    /// piece. These are never more than `wire` had and what TLS held of an unfinished record, 16 KiB. Bytes to answer
    /// with wait for [`send`](Self::send).
    ///
    /// # Errors
    /// [`TransportError`]: the connection is over. What came before the failure has been handed over all the same, and is
    /// to be read first: a server's DISCONNECT may stand there. [`close`](Self::close) then sends the answer that the
    /// failure deserves.
    pub fn receive(&mut self, mut wire: &[u8], mut plain: impl FnMut(&[u8])) -> Result<(), TransportError> {
        if let Some(proxy) = &mut self.proxy {
            if !proxy.receive(&mut wire)? {
                return Ok(());
            }
            self.proxy = None;
        }
        if wire.is_empty() {
            return Ok(());
        }
        match (&mut self.tls, &mut self.websocket) {
            (Some(tls), Some(websocket)) => {
                let received = tls.receive(wire, |decrypted| websocket.receive(decrypted, &mut plain));
                if let Err(TransportError::Closed) = received {
                    websocket.handle_eof()?;
                }
                received
            }
            (Some(tls), None) => tls.receive(wire, |decrypted| {
                plain(decrypted);
                Ok(())
            }),
            (None, Some(websocket)) => websocket.receive(wire, &mut plain),
            (None, None) => {
                plain(wire);
                Ok(())
            }
        }
    }

    /// Whether there is nothing left to do for it: MQTT's bytes are the socket's, now that the proxy has connected us.
    pub fn is_spent(&self) -> bool {
        self.proxy.is_none() && self.tls.is_none() && self.websocket.is_none()
    }

    /// Writes what waits in the pipe, then as much of `plain` as the socket takes, until that returns
    /// [`WouldBlock`](io::ErrorKind::WouldBlock), and gives how many bytes of `plain` were taken; `plain` is advanced by
    /// them. Taken bytes are in the socket or in the pipe, which holds some 64 KiB of them at most and takes no more
    /// before the socket has all of these. Nothing of `plain` is taken during hand-shakes.
    ///
    /// `plain` had best have a [`chunks_vectored`](Buf::chunks_vectored) of its own if it is in many pieces.
    ///
    /// # Errors
    /// [`TransportError::Io`] with the socket's error: the connection is over.
    pub fn send(&mut self, plain: &mut impl Buf, wire: &mut dyn io::Write) -> Result<usize, TransportError> {
        let mut taken = 0;
        while self.flush(wire)? && plain.has_remaining() && !self.is_handshaking() {
            match self.take(plain, wire)? {
                0 => break,
                length => taken += length,
            }
        }
        Ok(taken)
    }

    /// Gives memory back that only traffic needs: to be called when nothing has moved for a while. While bytes keep going,
    /// the pipe keeps the buffer that they go through, of 64 KiB at most.
    pub fn release(&mut self) {
        if let Some(websocket) = &mut self.websocket {
            websocket.release();
        }
    }

    /// Whether the pipe itself has bytes for the socket: of a hand-shake, a pong, a key update, or some that
    /// [`send`](Self::send) took and the socket did not.
    pub fn wants_send(&self) -> bool {
        if let Some(proxy) = &self.proxy {
            return proxy.wants_write();
        }
        let has_tls_bytes = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
        let has_frames = self.websocket.as_ref().is_some_and(|websocket| websocket.wants_write());
        has_tls_bytes || has_frames && self.tls.as_ref().is_none_or(|tls| tls.is_open())
    }

    /// Whether a hand-shake is under way: MQTT's bytes are not sent yet.
    pub fn is_handshaking(&self) -> bool {
        self.proxy.is_some()
            || self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
            || self.websocket.as_ref().is_some_and(|websocket| websocket.is_handshaking())
    }

    /// The socket has no more bytes to read.
    ///
    /// # Errors
    /// [`TransportError`], unless each layer was closed before: a hand-shake or a TLS stream that was cut off is told
    /// from one that was closed.
    pub fn handle_eof(&mut self) -> Result<(), TransportError> {
        if let Some(proxy) = &self.proxy {
            return proxy.handle_eof();
        }
        // A hand-shake that is cut says more than the cut of TLS below it.
        if let Some(websocket) = &self.websocket
            && websocket.is_handshaking()
            && self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking())
        {
            return websocket.handle_eof();
        }
        self.tls.as_ref().map_or(Ok(()), |tls| tls.handle_eof())?;
        self.websocket.as_ref().map_or(Ok(()), |websocket| websocket.handle_eof())
    }

    /// Closes the layers, after the last [`send`](Self::send): a WebSocket close frame, then TLS close_notify; or, after
    /// an error, what that layer has to answer. Returns when all is written or the socket would block; call it again
    /// while [`wants_send`](Self::wants_send).
    ///
    /// # Errors
    /// [`TransportError::Io`] with the socket's error.
    pub fn close(&mut self, wire: &mut dyn io::Write) -> Result<(), TransportError> {
        if self.proxy.is_some() {
            return Ok(());
        }
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
        }
        if self.flush(wire)?
            && let Some(tls) = &mut self.tls
            && tls.is_open()
        {
            tls.close();
            self.flush(wire)?;
        }
        Ok(())
    }

    /// Writes what the layers hold. `false`: the socket would block.
    fn flush(&mut self, wire: &mut dyn io::Write) -> io::Result<bool> {
        if let Some(proxy) = &mut self.proxy {
            return proxy.flush(wire);
        }
        loop {
            if let Some(tls) = &mut self.tls {
                if !tls.flush(wire)? {
                    return Ok(false);
                }
                if self.websocket.is_none() || !tls.is_open() {
                    return Ok(true);
                }
            }
            let Some(websocket) = &mut self.websocket else { return Ok(true) };
            let frames = websocket.stage();
            if frames.is_empty() {
                return Ok(true);
            }
            let taken = match &mut self.tls {
                Some(tls) => write_some(|| tls.encrypt(frames))?,
                None => write_some(|| wire.write(frames))?,
            };
            let Some(taken) = taken else { return Ok(false) };
            websocket.advance(taken);
        }
    }

    /// Gives the uppermost layer bytes of `plain` when all before them are written.
    fn take(&mut self, plain: &mut impl Buf, wire: &mut dyn io::Write) -> io::Result<usize> {
        if let Some(websocket) = &mut self.websocket {
            return Ok(websocket.frame(plain));
        }
        let Some(tls) = &mut self.tls else {
            let taken = write_some(|| take_vectored(plain, |pieces| wire.write_vectored(pieces)))?;
            return Ok(taken.unwrap_or(0));
        };
        let mut taken = 0;
        while plain.has_remaining() {
            let one = plain.chunk();
            let length = if one.len() == plain.remaining() {
                let length = tls.encrypt(one)?;
                plain.advance(length);
                length
            } else {
                take_vectored(plain, |pieces| tls.encrypt_vectored(pieces))?
            };
            match length {
                0 => break,
                length => taken += length,
            }
        }
        Ok(taken)
    }
}

fn take_vectored(
    plain: &mut impl Buf,
    mut write: impl FnMut(&[io::IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut pieces = [io::IoSlice::new(&[]); 32];
    let count = plain.chunks_vectored(&mut pieces);
    let taken = write(&pieces[..count])?;
    plain.advance(taken);
    Ok(taken)
}

/// Writes something: `None` when the socket would block.
pub(crate) fn write_some(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match write() {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => return Ok(Some(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Shows nothing of what is on its way: requests hold secrets.
impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe")
            .field("is_handshaking", &self.is_handshaking())
            .field("has_tls", &self.tls.is_some())
            .field("has_websocket", &self.websocket.is_some())
            .finish_non_exhaustive()
    }
}
