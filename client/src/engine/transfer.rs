//! Reading from and writing to the adapter's socket, through the pipe if there is one.

use std::io::{self, ErrorKind, IoSlice};

use bytes::Buf;
use sterna_core::LostKind;
use sterna_transport::TransportError;

use super::reach::kind_of;
use super::{Drive, Link, Piped};
use crate::shared::write_once;

impl Drive {
    pub(super) fn read(&mut self, reader: &mut impl io::Read) -> bool {
        // What came before the end counts, also if writing found that out; but not what a broken pipe would read.
        let is_gone = matches!(self.link, Link::Gone { .. });
        if !(is_gone || self.is_there()) || self.farewell.is_some() {
            return false;
        }
        let result = match &self.pipe {
            Some(_) => self.read_through(reader),
            None => self.input.read(reader, self.missing),
        };
        match result {
            Ok(0) => self.handle_end(),
            Ok(_) => {
                self.traffic = true;
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => return true,
            Err(error) => self.handle_lost(LostKind::Io, error.to_string()),
        }
        !is_gone
    }

    /// Whether there is a socket of the present attempt.
    fn is_there(&self) -> bool {
        matches!(self.link, Link::Opening { .. } | Link::Up { .. } | Link::Lingering { .. })
    }

    /// Has what is read go through the pipe.
    fn read_through(&mut self, reader: &mut impl io::Read) -> io::Result<usize> {
        let Some(piped) = &mut self.pipe else { return Ok(0) };
        let Piped { pipe, wire } = &mut **piped;
        let is_lingering = matches!(self.link, Link::Lingering { .. });
        let (input, missing, size) = (&mut self.input, &mut self.missing, wire.size());
        let mut received = Ok(());
        let count = wire.read(reader, |bytes| {
            if bytes.is_empty() || is_lingering {
                return;
            }
            input.expect(bytes.len(), size, *missing);
            received = pipe.receive(bytes, |piece| input.append(piece, missing));
        })?;
        let is_spent = pipe.is_spent();
        match received {
            Ok(()) if count > 0 && !is_lingering => {
                self.handle_opened();
                if is_spent {
                    self.pipe = None;
                }
            }
            Ok(()) => {}
            Err(error) => self.handle_broken(&error),
        }
        Ok(count)
    }

    /// The server has closed the socket.
    fn handle_end(&mut self) {
        let end = self.pipe.as_mut().and_then(|piped| piped.pipe.handle_eof().err());
        match end {
            None | Some(TransportError::Closed) => self.handle_lost(LostKind::Eof, String::new()),
            Some(error) => {
                // Once MQTT is spoken, all ways to be cut off are one; MQTT's packets say themselves where they end.
                let was_opening = matches!(self.link, Link::Opening { .. });
                let kind = if was_opening { kind_of(&error) } else { LostKind::Eof };
                self.handle_lost(kind, error.to_string());
            }
        }
    }

    /// The pipe has failed.
    fn handle_broken(&mut self, error: &TransportError) {
        match error {
            TransportError::Io(error) => self.handle_lost(LostKind::Io, error.to_string()),
            TransportError::Closed => self.handle_lost(LostKind::Eof, String::new()),
            error => self.handle_lost(kind_of(error), error.to_string()),
        }
        if !matches!(error, TransportError::Io(_)) {
            self.farewell = self.pipe.take();
            self.farewell_asked = false;
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        let pipe = self.pipe.as_ref().is_some_and(|piped| piped.pipe.wants_send());
        pipe || self.transmit.has_remaining() || self.unflushed
    }

    pub(super) fn write(&mut self, writer: &mut impl io::Write) -> bool {
        if !self.is_there() && self.farewell.is_none() {
            return false;
        }
        let mut wire = Counted { writer, count: 0 };
        let written = self.write_pending(&mut wire);
        self.full = false;
        let mut moved = wire.count > 0;
        if moved {
            self.traffic = true;
            self.unflushed = true;
        }
        let flushed = written.and_then(|taken| {
            moved |= self.handle_opened() || taken > 0;
            if self.unflushed && !self.has_unwritten() {
                wire.writer.flush()?;
                self.unflushed = false;
                moved = true;
            }
            Ok(())
        });
        match flushed {
            Ok(()) => {}
            Err(TransportError::Io(error)) if error.kind() == ErrorKind::WouldBlock => self.full = true,
            Err(TransportError::Io(error)) if error.kind() == ErrorKind::Interrupted => moved = true,
            // What it had to say cannot be said.
            Err(_) if self.farewell.is_some() => {
                self.farewell = None;
                moved = true;
            }
            Err(error) => {
                self.handle_broken(&error);
                moved = true;
            }
        }
        moved
    }

    /// How many bytes of what is pending were taken, by the socket or into the pipe.
    fn write_pending<W: io::Write>(&mut self, wire: &mut Counted<'_, W>) -> Result<usize, TransportError> {
        if let Some(piped) = &mut self.farewell {
            piped.pipe.close(wire)?;
            return Ok(0);
        }
        let taken = match &mut self.pipe {
            Some(piped) => {
                let taken = piped.pipe.send(&mut self.transmit, wire)?;
                if matches!(self.link, Link::Lingering { .. }) && !self.transmit.has_remaining() {
                    piped.pipe.close(wire)?;
                }
                taken
            }
            None if self.transmit.has_remaining() => write_plain(&mut self.transmit, wire)?,
            None => 0,
        };
        self.written += taken;
        Ok(taken)
    }

    fn has_unwritten(&self) -> bool {
        self.transmit.has_remaining() || self.pipe.as_ref().is_some_and(|piped| piped.pipe.wants_send())
    }
}

fn write_plain(pending: &mut impl Buf, writer: &mut impl io::Write) -> io::Result<usize> {
    write_once(pending, |data| match data {
        [one] => writer.write(one),
        many => writer.write_vectored(many),
    })
}

/// Counts what the socket takes.
struct Counted<'a, W> {
    writer: &'a mut W,
    count: usize,
}

impl<W: io::Write> io::Write for Counted<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(data)?;
        self.count += count;
        Ok(count)
    }

    fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> io::Result<usize> {
        let count = self.writer.write_vectored(data)?;
        self.count += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
