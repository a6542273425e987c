//! Nothing is told.

use sterna_core::packet::ReasonCode;
use sterna_core::{Attempt, Instant, OperationError, Server};
use sterna_transport::Endpoint;

use crate::engine::Step;
use crate::events::Event;

/// What a client tells: nothing.
#[derive(Debug)]
pub(crate) struct Trace;

/// What is told once the lock is released: nothing.
pub(crate) struct Notes;

#[allow(clippy::unused_self)] // The other one has something to do.
impl Trace {
    pub(crate) fn wants_packets() -> bool {
        false
    }

    pub(crate) fn new(_: &str, _: bool, _: bool) -> Self {
        Self
    }

    pub(crate) fn has_notes(&self) -> bool {
        false
    }

    pub(crate) fn take(&mut self) -> Notes {
        Notes
    }

    pub(crate) fn event(&mut self, _: Instant, _: &Event) -> bool {
        true
    }

    pub(crate) fn accepted(&mut self, _: &str, _: Option<&Server>, _: bool, _: bool) {}

    pub(crate) fn step(&mut self, _: &Step) {}

    pub(crate) fn opened(&mut self, _: Attempt, _: &Endpoint) {}

    pub(crate) fn subscribed(&mut self, _: &str, _: ReasonCode) {}

    pub(crate) fn failed(&mut self, _: Instant, _: &'static str, _: &OperationError) {}
}

#[allow(clippy::unused_self)]
impl Notes {
    pub(crate) fn tell(self) {}
}
