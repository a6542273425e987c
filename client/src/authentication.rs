//! Enhanced authentication (5.0): who takes the client's steps, and authenticating anew.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sterna_core::packet::ReasonCode;
use sterna_core::{AuthError, OperationError};

use crate::shared::Handle;

/// The client's part in an exchange of AUTH packets; see
/// [`ClientBuilder::authentication`](crate::ClientBuilder::authentication).
///
/// It is called by the driver, in the order of the exchange and never while the client is locked, so that it may use the
/// client. While it computes, the driver does nothing else: it must not wait for anything.
///
/// ```
/// use sterna_client::{Authenticator, ReasonCode};
///
/// /// A password that is asked for by the server's word.
/// struct Watchword;
///
/// impl Authenticator for Watchword {
///     fn start(&mut self) -> Option<Vec<u8>> {
///         Some(b"anna".to_vec())
///     }
///
///     fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
///         match challenge {
///             Some(b"flash") => Ok(Some(b"thunder".to_vec())),
///             _ => Err(ReasonCode::UNSPECIFIED_ERROR),
///         }
///     }
/// }
/// ```
pub trait Authenticator: Send {
    /// A new exchange begins, with a connection or a re-authentication: the data of CONNECT, or of the first AUTH.
    fn start(&mut self) -> Option<Vec<u8>>;

    /// The server's AUTH asks for the next step, with this data: the data of our answer.
    ///
    /// # Errors
    /// The exchange cannot go on: DISCONNECT is sent with this reason, and the connection is closed. One that a client
    /// cannot send there counts as [`ReasonCode::UNSPECIFIED_ERROR`].
    fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode>;

    /// The server accepts us, with this data: the place to check its own proof, if the method has one. Nothing is sent
    /// over a new connection, and nothing is taken from it, before this says so. Default: it is right.
    ///
    /// # Errors
    /// The server is not the right one: as with [`step`](Self::step).
    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), ReasonCode> {
        let _ = data;
        Ok(())
    }
}

/// Why a re-authentication did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReauthenticateError {
    /// It was not begun.
    #[error(transparent)]
    Rejected(#[from] AuthError),
    /// It was begun and ended without success. [`Refused`](OperationError::Refused): by the server, which disconnects.
    #[error(transparent)]
    Failed(#[from] OperationError),
    /// The [`Authenticator`] did not accept the server's last data, for this reason; the connection was closed.
    #[error("the server did not prove itself: {0}")]
    Server(ReasonCode),
}

/// A re-authentication; nothing happens until it is awaited. See
/// [`Client::reauthenticate`](crate::Client::reauthenticate).
///
/// # Cancel safety
/// Dropping it before its first poll does nothing, after it the re-authentication goes on.
#[derive(Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct Reauthenticating {
    handle: Arc<Handle>,
    /// Its number, once it was asked for.
    request: Option<u64>,
}

impl Reauthenticating {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, request: None }
    }
}

impl Future for Reauthenticating {
    type Output = Result<(), ReauthenticateError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { handle, request } = self.get_mut();
        handle.with(|inner| {
            let request = *request.get_or_insert_with(|| inner.request_reauthentication());
            inner.authentications.poll(request, cx.waker())
        })
    }
}

impl Drop for Reauthenticating {
    fn drop(&mut self) {
        if let Some(request) = self.request {
            self.handle.with(|inner| inner.authentications.forget(request));
        }
    }
}
