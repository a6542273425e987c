//! The connection as the client has it: every call of the client's to it goes through here, so that a recorder can stand
//! beside it. Without the feature `record` it is the connection itself.

use std::time::Duration;

use sterna_core::{Config, Instant, Key, RestoreError, Session};

#[cfg(not(feature = "record"))]
pub(crate) use sterna_core::Connection as Machine;
#[cfg(feature = "record")]
pub(crate) use sterna_record::Recorded as Machine;

/// The recorder of a client that is made, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    #[cfg(feature = "record")]
    pub(crate) recorder: Option<sterna_record::Recorder>,
}

/// Nothing is carried out any more: a recording has its end.
#[cfg(feature = "record")]
pub(crate) fn end_recording(machine: &mut Machine) {
    machine.end_recording();
}

#[cfg(not(feature = "record"))]
pub(crate) fn end_recording(_: &mut Machine) {}

#[cfg(feature = "record")]
impl Attached {
    /// There is a store.
    pub(crate) fn begin_store(&mut self, wall_clock: Option<Duration>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.begin_store(wall_clock);
        }
    }

    /// The store has this record.
    pub(crate) fn stored(&mut self, key: Key, record: &[u8]) {
        if let Some(recorder) = &mut self.recorder {
            recorder.stored(key, record);
        }
    }

    /// Makes the connection, with the session of a store if there is one.
    ///
    /// # Errors
    /// The configuration contradicts itself or the session.
    pub(crate) fn machine(
        self,
        config: Config,
        session: Option<Session>,
        now: Instant,
    ) -> Result<Machine, RestoreError> {
        Ok(match session {
            Some(session) => Machine::restore(config, session, now, self.recorder)?,
            None => Machine::new(config, now, self.recorder)?,
        })
    }
}

#[cfg(not(feature = "record"))]
#[allow(clippy::unused_self)] // As with the feature.
impl Attached {
    pub(crate) fn begin_store(&mut self, _: Option<Duration>) {}

    pub(crate) fn stored(&mut self, _: Key, _: &[u8]) {}

    /// Makes the connection, with the session of a store if there is one.
    ///
    /// # Errors
    /// The configuration contradicts itself or the session.
    pub(crate) fn machine(
        self,
        config: Config,
        session: Option<Session>,
        now: Instant,
    ) -> Result<Machine, RestoreError> {
        Ok(match session {
            Some(session) => Machine::restore(config, session, now)?,
            None => Machine::new(config, now)?,
        })
    }
}
