//! Levels, names and fields of what is told. Payloads, passwords, user names and authentication data are never among it.

use std::time::Duration;

use sterna_core::packet::{ProtocolVersion, ReasonCode};
use sterna_core::{Attempt, Cause, Instant, OperationError, Server};
use sterna_transport::Endpoint;
use tracing::{Level, Span, debug, enabled, error_span, field, info, trace, warn};

use crate::engine::Step;
use crate::events::Event;

/// The target of everything: `RUST_LOG=sterna=debug`.
const TARGET: &str = "sterna";
/// Dropped messages are a warning this often at most; what is dropped in between is told at the level of debugging.
const QUIET: Duration = Duration::from_secs(1);

/// What a client tells, within a span of its own.
///
/// A subscriber is foreign code, which may use this very client: it is called only after the client's lock is
/// released. Until then what is to be told waits as notes, which are made only of what somebody listens to.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
pub(crate) struct Trace {
    span: Span,
    /// The span has the client identifier.
    is_named: bool,
    notes: Vec<Note>,
    /// The application has asked for events of packets.
    packet_events: bool,
    /// The connection is up.
    is_up: bool,
    /// There is a session that the server should have.
    keeps_session: bool,
    /// When dropped messages were a warning.
    warned: Option<Instant>,
}

#[derive(Debug)]
enum Note {
    Event(Event, Level),
    Accepted { client_id: Box<str>, version: Option<ProtocolVersion>, is_name: bool },
    SessionLost,
    Resolving { host: Box<str>, port: u16 },
    Dialling { target: Box<str> },
    Opened { attempt: Attempt, endpoint: Box<str> },
    Subscribed { filter: Box<str>, reason: ReasonCode },
    Failed { operation: &'static str, error: OperationError, level: Level },
}

/// What is told once the lock is released.
pub(crate) struct Notes(Option<(Span, Vec<Note>)>);

fn is_enabled(level: Level) -> bool {
    match level {
        Level::ERROR | Level::WARN => enabled!(target: TARGET, Level::WARN),
        Level::INFO => enabled!(target: TARGET, Level::INFO),
        Level::DEBUG => enabled!(target: TARGET, Level::DEBUG),
        Level::TRACE => enabled!(target: TARGET, Level::TRACE),
    }
}

impl Trace {
    /// Whether somebody listens to packets, now that the client is made.
    pub(crate) fn wants_packets() -> bool {
        is_enabled(Level::TRACE)
    }

    /// `packet_events`: the application has asked for these. `keeps_session`: there is one from an earlier run.
    pub(crate) fn new(client_id: &str, packet_events: bool, keeps_session: bool) -> Self {
        // At the level of what is told within it at all.
        let is_named = !client_id.is_empty();
        let id = is_named.then_some(client_id);
        let span = error_span!(target: TARGET, "client", id);
        Self { span, is_named, notes: Vec::new(), packet_events, is_up: false, keeps_session, warned: None }
    }

    /// Whether anything is to be told.
    pub(crate) fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// What is to be told once the lock is released.
    pub(crate) fn take(&mut self) -> Notes {
        if self.notes.is_empty() {
            return Notes(None);
        }
        Notes(Some((self.span.clone(), std::mem::take(&mut self.notes))))
    }

    fn note(&mut self, level: Level, note: impl FnOnce() -> Note) {
        if is_enabled(level) {
            self.notes.push(note());
        }
    }

    /// Tells an event; whether it is for the application too.
    pub(crate) fn event(&mut self, now: Instant, event: &Event) -> bool {
        let level = self.level_of(now, event);
        if let Some(level) = level {
            self.note(level, || Note::Event(event.clone(), level));
        }
        match event {
            Event::Connected { .. } => self.is_up = true,
            Event::Disconnected { .. } => self.is_up = false,
            Event::PacketSent(_) | Event::PacketReceived(_) => return self.packet_events,
            _ => {}
        }
        true
    }

    fn level_of(&mut self, now: Instant, event: &Event) -> Option<Level> {
        Some(match event {
            Event::Connected { .. } | Event::Closed { cause: Cause::Requested } => Level::INFO,
            Event::Disconnected { cause, .. } => match cause {
                // That it closes is said anyway.
                Cause::Requested => Level::DEBUG,
                Cause::Refused(_) => Level::INFO,
                _ if self.is_up => Level::INFO,
                _ => Level::DEBUG,
            },
            Event::Closed { .. } | Event::AckBlocked { .. } => Level::WARN,
            Event::Resubscribed { reason, .. } if reason.is_error() => Level::WARN,
            Event::Connecting { .. } | Event::Resubscribed { .. } => Level::DEBUG,
            Event::Dropped { .. } | Event::Lagging { .. } => self.level_of_loss(now),
            Event::PacketSent(_) | Event::PacketReceived(_) => Level::TRACE,
            // The loss of the connection is told already, and one listener's slowness is its own affair.
            Event::Offline | Event::Lagged(_) => return None,
        })
    }

    fn level_of_loss(&mut self, now: Instant) -> Level {
        if self.warned.is_some_and(|warned| now - warned < QUIET) {
            return Level::DEBUG;
        }
        self.warned = Some(now);
        Level::WARN
    }

    /// The server accepted the connection. `keeps_session`: the session outlives it.
    pub(crate) fn accepted(
        &mut self,
        client_id: &str,
        server: Option<&Server>,
        session_present: bool,
        keeps_session: bool,
    ) {
        if std::mem::replace(&mut self.keeps_session, keeps_session) && !session_present {
            self.note(Level::WARN, || Note::SessionLost);
        }
        let is_name = !std::mem::replace(&mut self.is_named, true);
        let version = server.map(|server| server.version);
        self.note(Level::DEBUG, || Note::Accepted { client_id: client_id.into(), version, is_name });
    }

    /// What the adapter carries out, if that is a part of connecting.
    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Resolve { host, port } => {
                self.note(Level::DEBUG, || Note::Resolving { host: host.clone(), port: *port });
            }
            Step::Dial { target, .. } => {
                self.note(Level::DEBUG, || Note::Dialling { target: target.to_string().into() });
            }
            _ => {}
        }
    }

    /// There is a way to the server: the hand-shakes of TLS and the others are done.
    pub(crate) fn opened(&mut self, attempt: Attempt, endpoint: &Endpoint) {
        self.note(Level::DEBUG, || Note::Opened { attempt, endpoint: endpoint.to_string().into() });
    }

    /// The server has answered for one topic filter.
    pub(crate) fn subscribed(&mut self, filter: &str, reason: ReasonCode) {
        self.note(Level::DEBUG, || Note::Subscribed { filter: filter.into(), reason });
    }

    /// An operation has failed. Whoever waits for it is told why; a message that its queue had no room for may have nobody.
    pub(crate) fn failed(&mut self, now: Instant, operation: &'static str, error: &OperationError) {
        let is_dropped = matches!(error, OperationError::Dropped);
        let level = if is_dropped { self.level_of_loss(now) } else { Level::DEBUG };
        self.note(level, || Note::Failed { operation, error: error.clone(), level });
    }
}

impl Notes {
    /// Tells them, in their order.
    pub(crate) fn tell(self) {
        let Some((span, notes)) = self.0 else { return };
        for note in notes {
            note.tell(&span);
        }
    }
}

/// One event at either of two levels, whose metadata are constants.
macro_rules! at {
    ($level:expr, $span:ident, $one:ident | $other:ident, $($event:tt)+) => {
        if $level == level!($one) {
            $one!(target: TARGET, parent: $span, $($event)+);
        } else {
            $other!(target: TARGET, parent: $span, $($event)+);
        }
    };
}

macro_rules! level {
    (info) => {
        Level::INFO
    };
    (warn) => {
        Level::WARN
    };
}

impl Note {
    fn tell(self, span: &Span) {
        match self {
            Self::Event(event, level) => tell_event(span, &event, level),
            Self::Accepted { client_id, version, is_name } => {
                if is_name {
                    span.record("id", &*client_id);
                }
                let version = version.map(field::debug);
                debug!(target: TARGET, parent: span, %client_id, version, "accepted");
            }
            Self::SessionLost => warn!(target: TARGET, parent: span, "session lost"),
            Self::Resolving { host, port } => debug!(target: TARGET, parent: span, %host, port, "resolving"),
            Self::Dialling { target } => debug!(target: TARGET, parent: span, address = %target, "dialling"),
            Self::Opened { attempt, endpoint } => {
                debug!(target: TARGET, parent: span, attempt = attempt.number(), %endpoint, "transport open");
            }
            Self::Subscribed { filter, reason } => {
                debug!(target: TARGET, parent: span, %filter, %reason, "subscribed");
            }
            Self::Failed { error: OperationError::Dropped, level, .. } => {
                at!(level, span, warn | debug, "message dropped from a full queue");
            }
            Self::Failed { operation, error, .. } => {
                debug!(target: TARGET, parent: span, operation, %error, "operation failed");
            }
        }
    }
}

fn tell_event(span: &Span, event: &Event, level: Level) {
    match event {
        Event::Connecting { attempt } => {
            debug!(target: TARGET, parent: span, attempt = attempt.number(), "connecting");
        }
        Event::Connected { attempt, session_present } => {
            let attempt = attempt.number();
            info!(target: TARGET, parent: span, attempt, session_present, "connected");
        }
        Event::Disconnected { attempt, cause, retry_in } => {
            let attempt = attempt.number();
            let retry_in = retry_in.map(field::debug);
            match cause {
                Cause::Refused(_) => {
                    info!(target: TARGET, parent: span, attempt, %cause, retry_in, "refused");
                }
                _ if level == Level::INFO => {
                    info!(target: TARGET, parent: span, attempt, %cause, retry_in, "connection lost");
                }
                Cause::Requested => {
                    debug!(target: TARGET, parent: span, attempt, retry_in, "disconnected");
                }
                _ => debug!(target: TARGET, parent: span, attempt, %cause, retry_in, "attempt failed"),
            }
        }
        Event::Closed { cause } => at!(level, span, info | warn, %cause, "closed"),
        Event::Resubscribed { filter, reason } => {
            if reason.is_error() {
                warn!(target: TARGET, parent: span, %filter, %reason, "subscription refused");
            } else {
                debug!(target: TARGET, parent: span, %filter, %reason, "subscribed again");
            }
        }
        Event::Dropped { messages } => at!(level, span, warn | debug, messages, "messages dropped"),
        Event::Lagging { filters, messages } => {
            at!(level, span, warn | debug, ?filters, messages, "messages dropped");
        }
        Event::AckBlocked { id, topic, filters } => {
            warn!(target: TARGET, parent: span, ?id, %topic, ?filters, "acknowledgement overdue");
        }
        Event::PacketSent(info) => {
            trace!(target: TARGET, parent: span, packet = ?info.packet, id = info.packet_id, size = info.size, "sent");
        }
        Event::PacketReceived(info) => {
            trace!(target: TARGET, parent: span, packet = ?info.packet, id = info.packet_id, size = info.size, "received");
        }
        Event::Offline | Event::Lagged(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use tracing::subscriber::{NoSubscriber, with_default};

    use super::*;

    // R: OBS-01
    #[test]
    fn what_nobody_listens_to_costs_no_memory() {
        let events = [
            Event::Dropped { messages: 1 },
            Event::Closed { cause: Cause::Requested },
            Event::Lagging { filters: Box::from(["a".into()]), messages: 1 },
        ];
        let step = Step::Resolve { host: "broker".into(), port: 1_883 };
        with_default(NoSubscriber::new(), || {
            let mut trace = Trace::new("client", false, true);
            let used = measure(|| {
                for event in &events {
                    assert!(trace.event(Instant::ZERO, event));
                }
                trace.accepted("client", None, false, false);
                trace.step(&step);
                trace.subscribed("a", ReasonCode::SUCCESS);
                trace.failed(Instant::ZERO, "publish", &OperationError::Dropped);
                trace.take().tell();
            });
            assert_eq!(used.count_total, 0);
        });
    }
}
