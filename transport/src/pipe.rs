//! The layers between MQTT's bytes and the socket's.

use std::fmt;
use std::io;
use std::net::IpAddr;

use bytes::{Buf, BytesMut};

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
    #[cfg(feature = "proxy")]
    proxy: Option<Box<crate::proxy::ProxyHandshake>>,
    #[cfg(feature = "tls")]
    tls: Option<Box<crate::tls::TlsLayer>>,
    #[cfg(feature = "websocket")]
    websocket: Option<Box<crate::websocket::WebSocketLayer>>,
}

impl Pipe {
    /// A pipe for a connection that is about to be dialled, or `None` where MQTT's bytes are the socket's: over TCP and
    /// Unix sockets without a proxy. `address` is the server's where
    /// [`Route::resolve_server`](crate::Route::resolve_server) asks for it.
    ///
    /// # Errors
    /// [`TransportError`], as [`TransportOptions::check`], and where the proxy cannot be told of the server.
    #[cfg_attr(not(feature = "proxy"), allow(unused_variables))]
    #[cfg_attr(not(feature = "websocket"), allow(unused_variables))]
    pub fn new(
        endpoint: &Endpoint,
        options: &TransportOptions,
        subprotocol: Subprotocol,
        address: Option<IpAddr>,
    ) -> Result<Option<Self>, TransportError> {
        options.check(endpoint)?;
        let pipe = Self {
            #[cfg(feature = "proxy")]
            proxy: match options.proxies.select(endpoint) {
                Some(proxy) => Some(Box::new(crate::proxy::ProxyHandshake::start(proxy, endpoint, address)?)),
                None => None,
            },
            #[cfg(feature = "tls")]
            tls: match endpoint.transport.is_encrypted() {
                true => Some(Box::new(crate::tls::TlsLayer::new(&options.tls, &endpoint.host)?)),
                false => None,
            },
            #[cfg(feature = "websocket")]
            websocket: match endpoint.transport.is_websocket() {
                true => {
                    let layer =
                        crate::websocket::WebSocketLayer::new(endpoint, &options.websocket, subprotocol)?;
                    Some(Box::new(layer))
                }
                false => None,
            },
        };
        Ok(if pipe.has_layers() { Some(pipe) } else { None })
    }

    fn has_layers(&self) -> bool {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return true;
        }
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            return true;
        }
        self.has_tls()
    }

    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
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
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &mut self.proxy {
            if !proxy.receive(wire)? {
                return Ok(());
            }
            self.proxy = None;
        }
        if wire.is_empty() {
            return Ok(());
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.receive(wire, |decrypted| {
                #[cfg(feature = "websocket")]
                if let Some(websocket) = &mut self.websocket {
                    return Ok(websocket.receive(decrypted, plain)?);
                }
                plain.extend_from_slice(decrypted);
                Ok(())
            });
        }
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            let received = websocket.receive(wire, plain);
            wire.clear();
            return Ok(received?);
        }
        if plain.is_empty() {
            std::mem::swap(wire, plain);
        } else {
            plain.extend_from_slice(wire);
            wire.clear();
        }
        Ok(())
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
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            websocket.release();
        }
        Ok(taken)
    }

    /// Whether the pipe itself has bytes for the socket: of a hand-shake, a pong, a key update, or some that
    /// [`send`](Self::send) took and the socket did not.
    pub fn wants_send(&self) -> bool {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &self.proxy {
            return proxy.wants_write();
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            if tls.wants_write() {
                return true;
            }
            if !tls.is_open() {
                return false;
            }
        }
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &self.websocket {
            return websocket.wants_write();
        }
        false
    }

    /// Whether a hand-shake is under way: MQTT's bytes are not sent yet.
    pub fn is_handshaking(&self) -> bool {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return true;
        }
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(|tls| tls.is_handshaking()) {
            return true;
        }
        #[cfg(feature = "websocket")]
        if self.websocket.as_ref().is_some_and(|websocket| websocket.is_handshaking()) {
            return true;
        }
        false
    }

    /// The socket has no more bytes to read.
    ///
    /// # Errors
    /// [`TransportError`], unless each layer was closed before: a hand-shake or a TLS stream that was cut off is told
    /// from one that was closed.
    pub fn handle_eof(&mut self) -> Result<(), TransportError> {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return Err(crate::ProxyError::Cut.into());
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.handle_eof()?;
        }
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &self.websocket {
            websocket.handle_eof()?;
        }
        Ok(())
    }

    /// Closes the layers, after the last [`send`](Self::send): a WebSocket close frame, then TLS close_notify; or, after
    /// an error, what that layer has to answer. Returns when all is written or the socket would block; call it again
    /// while [`wants_send`](Self::wants_send).
    ///
    /// # Errors
    /// [`TransportError::Io`] with the socket's error.
    pub fn close(&mut self, wire: &mut dyn io::Write) -> Result<(), TransportError> {
        #[cfg(feature = "proxy")]
        if self.proxy.is_some() {
            return Ok(());
        }
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            websocket.close();
        }
        let is_written = self.flush(wire)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls
            && is_written
            && tls.is_open()
        {
            tls.close();
            self.flush(wire)?;
        }
        let _ = is_written;
        Ok(())
    }

    /// Writes what the layers hold. `false`: the socket would block.
    fn flush(&mut self, wire: &mut dyn io::Write) -> io::Result<bool> {
        #[cfg(feature = "proxy")]
        if let Some(proxy) = &mut self.proxy {
            return proxy.flush(wire);
        }
        loop {
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut self.tls {
                if !tls.flush(wire)? {
                    return Ok(false);
                }
                if !tls.is_open() {
                    return Ok(true);
                }
            }
            match self.pass_frames(wire)? {
                None => return Ok(false),
                Some(0) => return Ok(true),
                Some(_) => {}
            }
        }
    }

    /// Hands WebSocket frames to what is below. Gives how many bytes it took: 0 when there are none, `None` when the
    /// socket would block.
    #[cfg_attr(not(feature = "websocket"), allow(unused_variables, clippy::unnecessary_wraps))]
    fn pass_frames(&mut self, wire: &mut dyn io::Write) -> io::Result<Option<usize>> {
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            let frames = websocket.stage();
            if frames.is_empty() {
                return Ok(Some(0));
            }
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut self.tls {
                let taken = write_some(|| tls.encrypt(&[io::IoSlice::new(frames)]))?;
                websocket.advance(taken.unwrap_or(0));
                return Ok(taken);
            }
            let taken = write_some(|| wire.write(frames))?;
            websocket.advance(taken.unwrap_or(0));
            return Ok(taken);
        }
        Ok(Some(0))
    }

    /// Gives the uppermost layer bytes of `plain` when all before them are written.
    fn take(&mut self, plain: &mut impl Buf, wire: &mut dyn io::Write) -> io::Result<usize> {
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            return Ok(websocket.frame(plain));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            let mut taken = 0;
            while plain.has_remaining() {
                match take_vectored(plain, |pieces| tls.encrypt(pieces))? {
                    0 => break,
                    length => taken += length,
                }
            }
            return Ok(taken);
        }
        let taken = write_some(|| take_vectored(plain, |pieces| wire.write_vectored(pieces)))?;
        Ok(taken.unwrap_or(0))
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
            .field("has_tls", &self.has_tls())
            .finish_non_exhaustive()
    }
}
