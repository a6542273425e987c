//! Writing by whoever publishes, on its own thread, while the driver sleeps: what it would have to be woken for is done by
//! then.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use sterna_core::{Attempt, Instant, Transmit};

use super::Inner;
use crate::outlet::Outlet;

/// So much of what nobody waits for is written at a time.
pub(crate) const BULK: u64 = 64 << 10;
/// A driver that has had no turn for this long is left something to do: it has to read too, and where it shares a thread
/// with those who publish, those who wait for it have to run.
const TURN: Duration = Duration::from_millis(10);
/// How many pieces one write takes.
const SLICES: usize = 64;

/// What a driver that sleeps is to be woken for of what nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sleep {
    /// All of it.
    Light,
    /// It comes by itself before long: only for much of it.
    Nap,
    /// None: the socket takes no more.
    Full,
}

/// The sending half of the connection: the driver's, which leaves it to those who publish while it sleeps. Whoever writes has
/// it alone meanwhile, without the lock.
pub(crate) struct Direct {
    outlet: Arc<dyn Outlet>,
    attempt: Attempt,
    pending: Transmit,
    /// The driver's last turn.
    since: Instant,
    /// The driver comes by itself then at the latest.
    until: Option<Instant>,
    /// It has no more to do: the socket does not take all, or the driver is to have a turn.
    ended: bool,
    /// Something was written.
    used: bool,
}

impl Direct {
    pub(crate) fn new(outlet: Arc<dyn Outlet>, attempt: Attempt) -> Self {
        let pending = Transmit::new();
        Self { outlet, attempt, pending, since: Instant::ZERO, until: None, ended: false, used: false }
    }

    /// It is left to those who publish, with what is still to be written.
    pub(crate) fn lend(&mut self, pending: Transmit, since: Instant, until: Option<Instant>) {
        self.pending = pending;
        (self.since, self.until, self.ended, self.used) = (since, until, false, false);
    }

    /// It is the driver's again: what is still to be written, and whether anything was.
    pub(crate) fn reclaim(&mut self) -> (Transmit, bool) {
        (std::mem::take(&mut self.pending), self.used)
    }

    /// Writes what is pending, as far as the socket takes it; how much that was. Not under the lock.
    pub(super) fn write(&mut self) -> usize {
        let mut count = 0;
        while !self.pending.is_empty() {
            match write_once(&mut self.pending, |data| self.outlet.try_write(data)) {
                Ok(written) => count += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whatever it is, the driver meets it too.
                Err(_) => {
                    self.ended = true;
                    break;
                }
            }
        }
        self.used |= count > 0;
        count
    }
}

/// Where the sending half is.
#[derive(Default)]
pub(crate) enum Lent {
    /// With the driver.
    #[default]
    No,
    /// Whoever publishes may take it.
    Idle(Box<Direct>),
    /// Somebody writes to this connection, and `missed`: the driver has looked for it meanwhile.
    Away { attempt: Attempt, missed: bool },
}

impl Lent {
    /// Takes it, if it is there.
    pub(crate) fn take(&mut self) -> Option<Box<Direct>> {
        match std::mem::take(self) {
            Self::Idle(direct) => Some(direct),
            elsewhere => {
                *self = elsewhere;
                None
            }
        }
    }
}

/// One vectored write of what is pending.
///
/// # Errors
/// Those of `write`; one that takes nothing of something is broken.
pub(crate) fn write_once(
    pending: &mut impl Buf,
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let count = pending.chunks_vectored(&mut slices);
    let count = write(&slices[..count])?;
    if count == 0 {
        return Err(ErrorKind::WriteZero.into());
    }
    pending.advance(count);
    Ok(count)
}

impl Inner {
    /// Something was published by a caller that does not wait for it.
    #[inline]
    pub(crate) fn tell_of_publish(&mut self) {
        if self.connection.unsent() >= BULK && self.sleep != Sleep::Full {
            self.tell_of_much();
        } else if match self.sleep {
            Sleep::Light => self.connection.has_output(),
            Sleep::Nap | Sleep::Full => self.connection.is_unsettled(),
        } {
            self.touch();
        }
    }

    #[inline(never)]
    fn tell_of_much(&mut self) {
        if !self.will_write() {
            self.touch();
        }
    }

    /// Its caller is about to wait, so that nothing more comes from there. What was published is written by it, as soon as the
    /// lock is released, if that can be done; or else the driver is woken. Where many wait, it writes for all of them at once.
    pub(crate) fn waits(&mut self) {
        let is_pending = matches!(&self.lent, Lent::Idle(direct) if !direct.pending.is_empty());
        if (is_pending || self.connection.has_output())
            && (self.completions.has_waiters() || !self.will_write())
        {
            self.awaited = true;
            self.touch();
        }
    }

    /// Whether somebody waits for what the driver has to write, the first time.
    pub(crate) fn take_awaited(&mut self) -> bool {
        std::mem::take(&mut self.awaited)
    }

    /// As [`waits`](Self::waits), where the driver was told of what was published, unless it naps.
    #[inline]
    pub(crate) fn waits_during_nap(&mut self) {
        if self.sleep == Sleep::Nap {
            self.waits();
        }
    }

    /// Has whoever has the lock write what there is once that is released, if that can be done; whether it can.
    fn will_write(&mut self) -> bool {
        let Lent::Idle(direct) = &mut self.lent else { return false };
        if direct.ended {
            return false;
        }
        let now = direct.outlet.now();
        if now - direct.since > TURN {
            direct.ended = true;
            return false;
        }
        self.now = now;
        self.writes = true;
        true
    }

    /// The driver looks for it; whether somebody has it, who wakes the driver then.
    pub(crate) fn misses_direct(&mut self) -> bool {
        let Lent::Away { missed, .. } = &mut self.lent else { return false };
        *missed = true;
        true
    }

    /// What is to be written without the lock.
    pub(super) fn send_away(&mut self) -> Option<Box<Direct>> {
        if !std::mem::take(&mut self.writes) {
            return None;
        }
        let mut direct = self.lent.take()?;
        self.connection.poll_transmit(self.now, &mut direct.pending);
        self.lent = Lent::Away { attempt: direct.attempt, missed: false };
        Some(direct)
    }

    /// So many bytes were written. What is left to do is the driver's, and it is woken for that.
    pub(super) fn come_back(&mut self, direct: Box<Direct>, count: usize) {
        let missed = match self.lent {
            Lent::Away { attempt, missed } if attempt == direct.attempt => missed,
            // That connection is gone.
            _ => return,
        };
        let (ended, until) = (direct.ended, direct.until);
        self.lent = Lent::Idle(direct);
        if count > 0 {
            self.connection.handle_written(self.now, count);
            self.drain();
        }
        let is_late =
            self.connection.poll_timeout().is_some_and(|(at, _)| until.is_none_or(|until| at < until));
        if missed || ended || is_late || self.connection.has_output() {
            self.touch();
        }
    }
}
