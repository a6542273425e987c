//! Reading from and writing to the adapter's socket.

use std::io::{self, ErrorKind, IoSlice};

use bytes::Buf;
use sterna_core::LostKind;

use super::{Drive, Link};

/// How many pieces one write takes.
const SLICES: usize = 64;

impl Drive {
    pub(super) fn read(&mut self, reader: &mut impl io::Read) -> bool {
        // What came before the end counts, also if writing found that out.
        let is_gone = matches!(self.link, Link::Gone { .. });
        if !is_gone && !matches!(self.link, Link::Up { .. } | Link::Lingering { .. }) {
            return false;
        }
        match self.input.read(reader) {
            Ok(0) => self.handle_lost(LostKind::Eof, String::new()),
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

    pub(super) fn write(&mut self, writer: &mut impl io::Write) -> bool {
        let mut moved = false;
        match self.write_and_flush(writer, &mut moved) {
            Ok(()) => moved,
            Err(error) if error.kind() == ErrorKind::WouldBlock => moved,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => {
                self.handle_lost(LostKind::Io, error.to_string());
                true
            }
        }
    }

    fn write_and_flush(&mut self, writer: &mut impl io::Write, moved: &mut bool) -> io::Result<()> {
        if self.transmit.has_remaining() {
            self.write_pending(writer)?;
            *moved = true;
        }
        if self.unflushed && !self.transmit.has_remaining() {
            writer.flush()?;
            self.unflushed = false;
            *moved = true;
        }
        Ok(())
    }

    /// One vectored write of what is pending.
    fn write_pending(&mut self, writer: &mut impl io::Write) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.transmit.chunks_vectored(&mut slices);
        let count = match &slices[..count] {
            [one] => writer.write(one)?,
            many => writer.write_vectored(many)?,
        };
        if count == 0 {
            // A socket that takes nothing of something is broken.
            return Err(ErrorKind::WriteZero.into());
        }
        self.traffic = true;
        self.unflushed = true;
        self.transmit.advance(count);
        self.written += count;
        Ok(())
    }
}
