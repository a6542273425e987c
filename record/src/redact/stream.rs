//! What the server sends, redacted packet by packet although it comes in pieces.

use bytes::{Bytes, BytesMut};
use sterna_core::packet::{FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, ProtocolVersion, Sender};

use super::Values;
use crate::data::Hex;

/// The bytes of one network connection.
pub(super) struct Stream {
    version: ProtocolVersion,
    /// What was not taken.
    bytes: BytesMut,
    /// How much of it is redacted.
    done: usize,
    /// How much more comes of a packet that has nothing to redact.
    skip: usize,
    /// Nobody reads what comes now.
    deaf: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Self { version: ProtocolVersion::V5, bytes: BytesMut::new(), done: 0, skip: 0, deaf: true }
    }
}

impl Stream {
    /// A network connection is there.
    pub(super) fn begin(&mut self, values: &mut Values) {
        self.cut(values);
        self.deaf = false;
    }

    /// It is gone, or nobody reads from it any more.
    pub(super) fn end(&mut self, values: &mut Values) {
        self.cut(values);
        self.deaf = true;
    }

    /// The rest of a packet that is not whole will not come.
    pub(super) fn cut(&mut self, values: &mut Values) {
        let rest = &mut self.bytes[self.done..];
        let header = FixedHeader::parse(rest, self.version, PROTOCOL_MAXIMUM_PACKET_SIZE);
        let shown = match header {
            Ok(Some(header)) if !values.concerns(header.packet_type) => rest.len(),
            Ok(Some(header)) => usize::from(header.header_length),
            Ok(None) | Err(_) => rest.len().min(HEADER),
        };
        rest[shown..].fill(0);
        self.done = self.bytes.len();
        self.skip = 0;
    }

    /// More came.
    pub(super) fn receive(&mut self, more: &[u8], values: &mut Values) {
        self.bytes.extend_from_slice(more);
        if self.deaf {
            self.bytes[self.done..].fill(0);
            self.done = self.bytes.len();
            return;
        }
        loop {
            let skipped = self.skip.min(self.bytes.len() - self.done);
            self.done += skipped;
            self.skip -= skipped;
            let rest = &mut self.bytes[self.done..];
            match FixedHeader::parse(rest, self.version, PROTOCOL_MAXIMUM_PACKET_SIZE) {
                Ok(Some(header)) if !values.concerns(header.packet_type) => self.skip = header.packet_size(),
                Ok(Some(header)) if header.packet_size() <= rest.len() => {
                    let size = header.packet_size();
                    values.packet(header, &mut rest[..size], self.version, Sender::Server);
                    self.done += size;
                }
                Ok(_) => return,
                Err(_) => {
                    // The connection fails here.
                    self.cut(values);
                    self.deaf = true;
                    return;
                }
            }
            if self.skip > 0 && self.done == self.bytes.len() {
                return;
            }
        }
    }

    /// The next bytes that came, if they are redacted.
    pub(super) fn take(&mut self, length: usize) -> Option<Bytes> {
        self.done = self.done.checked_sub(length)?;
        Some(self.bytes.split_to(length).freeze())
    }

    /// What we send, redacted.
    pub(super) fn transmit(&mut self, bytes: &Hex, values: &mut Values) -> Hex {
        let mut copy = bytes.to_vec();
        if let Some(version) = values.sent(&mut copy, self.version) {
            self.version = version;
        }
        copy.into()
    }
}

/// The longest fixed header.
const HEADER: usize = 5;
