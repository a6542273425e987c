//! Operations that are waited for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sterna_client as base;
use sterna_client::{
    AckMode, CancelError, OnFull, PropertiesBuf, PublishError, QoS, ReasonCode, RetainHandling, Unsent,
};

use crate::incoming::{Incoming, Subscription};
use crate::waiter::Waiter;

/// A future of [`sterna_client`]'s that a [`Call`] waits for. Nothing else implements it.
pub trait Operation: Future + Unpin + Sized + sealed::Finish {
    /// What waiting gives.
    type Outcome;
}

mod sealed {
    /// Makes what the future gives into what a caller without futures needs.
    pub trait Finish: std::future::Future + Sized {
        type Finished;
        fn finish(output: Self::Output, waiter: &crate::waiter::Waiter) -> Self::Finished;
    }
}
