//! Connecting, disconnecting, and the end.

use std::task::Waker;

use sterna_core::{Cause, Disconnect, DisconnectError, Lost, LostKind, State, StoreError};

use super::{Inner, Lent};
use crate::error::RequestError;
use crate::events::Event;
use crate::machine::end_recording;

impl Inner {
    /// Starts connecting, unless it is up or on its way.
    pub(crate) fn connect(&mut self) {
        // A close that was not reported yet belongs to the life before.
        self.drain_events();
        self.announce_closed();
        self.closed = None;
        self.connection.connect(self.now);
        self.touch();
    }

    pub(crate) fn reconnect(&mut self) {
        self.connection.reconnect(self.now);
        self.touch();
    }

    /// # Errors
    /// The options are not lawful; nothing happened.
    pub(crate) fn disconnect(&mut self, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        self.connection.disconnect(self.now, disconnect)?;
        self.touch();
        Ok(())
    }

    /// The last handle is gone.
    pub(super) fn abandon(&mut self) {
        self.abandoned = true;
        if !self.dead && self.connection.state() != State::Closed {
            // Without options there is nothing to refuse.
            let _ = self.disconnect(Disconnect::default());
        }
        self.touch();
    }

    /// The engine is gone, for this reason: nothing is carried out any more.
    pub(crate) fn die(&mut self, reason: String) {
        self.drain_events();
        self.announce_closed();
        self.dead = true;
        self.lent = Lent::No;
        end_recording(&mut self.connection);
        self.completions.close(&mut self.wakers);
        self.authentications.close(&mut self.wakers);
        self.fill_room();
        if self.closed.is_none() {
            self.closings += 1;
            let lost = Lost { kind: LostKind::Io, detail: reason.into() };
            let cause = Cause::Lost(lost);
            if !self.abandoned {
                self.trace.event(self.now, &Event::Closed { cause: cause.clone() });
            }
            self.closed = Some(cause);
        }
        self.wakers.others.append(&mut self.watchers);
        self.inbox.wake_all(&mut self.wakers);
        self.requests.fail(None, &RequestError::Closed, &mut self.wakers);
        self.events.wake(&mut self.wakers);
    }

    /// Whether the client has closed and its store has to let go.
    pub(crate) fn is_releasing(&self) -> bool {
        self.releasing.is_some()
    }

    /// The store has let go, so that another client may use it.
    pub(crate) fn store_released(&mut self, result: Result<(), StoreError>) {
        if let (Some(cause), Err(error)) = (&mut self.releasing, result)
            && *cause == Cause::Requested
        {
            *cause = Cause::Store(error);
        }
        self.announce_closed();
    }

    /// Whether the client has closed, or is about to say so, because of its store, which is not asked again.
    pub(crate) fn has_lost_store(&self) -> bool {
        matches!(self.releasing.as_ref().or(self.closed.as_ref()), Some(Cause::Store(_)))
    }

    /// Says that the client has closed, if that is still to be said.
    pub(crate) fn announce_closed(&mut self) {
        let Some(cause) = self.releasing.take() else { return };
        self.closings += 1;
        self.closed = Some(cause.clone());
        self.wakers.others.append(&mut self.watchers);
        self.inbox.wake_all(&mut self.wakers);
        self.requests.fail(None, &RequestError::Closed, &mut self.wakers);
        self.announce(Event::Closed { cause });
    }

    /// How often the client was connected and closed.
    pub(crate) fn turns(&self) -> (u64, u64) {
        (self.connections, self.closings)
    }

    /// The number of the connection that what is published now is sent on: this one, or the next.
    pub(crate) fn connection_to_use(&self) -> u64 {
        self.connections + u64::from(self.state() != State::Connected)
    }

    /// Why it closed, while it is closed.
    pub(crate) fn closed(&self) -> Option<&Cause> {
        self.closed.as_ref()
    }

    /// Has `waker` woken at the next connect or close.
    pub(crate) fn watch(&mut self, waker: &Waker) {
        if !self.watchers.iter().any(|known| known.will_wake(waker)) {
            self.watchers.push(waker.clone());
        }
    }
}
