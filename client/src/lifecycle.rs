//! Connecting and disconnecting by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sterna_core::packet::{PropertiesBuf, ReasonCode};
use sterna_core::{Cause, Disconnect, State};

use crate::error::{ConnectError, DisconnectError};
use crate::shared::{Handle, Inner};

/// Waits until the client is connected; see [`Client::connect`](crate::Client::connect).
///
/// # Cancel safety
/// Dropping it after its first poll does not stop connecting.
#[derive(Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct Connecting {
    handle: Arc<Handle>,
    /// How often the client had been connected and closed when this began.
    since: Option<(u64, u64)>,
}

impl Connecting {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle, since: None }
    }
}

impl Future for Connecting {
    type Output = Result<(), ConnectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.handle.with(|inner| {
            let since = *this.since.get_or_insert_with(|| {
                if !inner.is_dead() {
                    inner.connect();
                }
                inner.turns()
            });
            let (connections, closings) = inner.turns();
            if let Some(cause) = inner.closed().filter(|_| closings != since.1 || inner.is_dead()) {
                return Poll::Ready(Err(ConnectError::Closed(cause.clone())));
            }
            if connections != since.0 || inner.connection.state() == State::Connected {
                return Poll::Ready(Ok(()));
            }
            inner.watch(cx.waker());
            Poll::Pending
        })
    }
}

/// A disconnect: set it up, then await it. See [`Client::disconnect`](crate::Client::disconnect).
///
/// # Cancel safety
/// Dropping it before its first poll does nothing, after it nothing stops disconnecting.
#[derive(Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct Disconnecting {
    handle: Arc<Handle>,
    at_once: bool,
    reason: ReasonCode,
    properties: PropertiesBuf,
    /// How often the client had closed when this began.
    since: Option<u64>,
}

impl Disconnecting {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        Self { handle, at_once: false, reason, properties: PropertiesBuf::new(), since: None }
    }

    /// Do not wait for what is pending: it ends as closed.
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }

    /// The reason code (5.0); with [`ReasonCode::DISCONNECT_WITH_WILL`] the server publishes the will.
    pub fn reason(mut self, reason: ReasonCode) -> Self {
        self.reason = reason;
        self
    }

    /// The properties of DISCONNECT (5.0): Session Expiry Interval, Reason String, User Property.
    pub fn properties(mut self, properties: impl Into<PropertiesBuf>) -> Self {
        self.properties = properties.into();
        self
    }

    /// Gives the command. The number of closings to wait beyond; `None` when it is closed already.
    fn start(&self, inner: &mut Inner) -> Result<Option<u64>, DisconnectError> {
        if inner.closed().is_some() {
            return Ok(None);
        }
        let closings = inner.turns().1;
        inner.disconnect(Disconnect {
            at_once: self.at_once,
            reason: self.reason,
            properties: self.properties.as_properties(),
        })?;
        Ok(Some(closings))
    }
}

impl Future for Disconnecting {
    type Output = Result<(), DisconnectError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let handle = this.handle.clone();
        handle.with(|inner| {
            let since = match this.since {
                Some(since) => since,
                None => match this.start(inner) {
                    Ok(Some(closings)) => closings,
                    Ok(None) => return Poll::Ready(Ok(())),
                    Err(error) => return Poll::Ready(Err(error)),
                },
            };
            this.since = Some(since);
            if inner.turns().1 == since {
                inner.watch(cx.waker());
                return Poll::Pending;
            }
            Poll::Ready(match inner.closed() {
                None | Some(Cause::Requested) => Ok(()),
                Some(cause) => Err(DisconnectError::Ended(cause.clone())),
            })
        })
    }
}
