//! What arrived, for tests to look at.

use core::fmt;
use std::collections::VecDeque;

use bytes::Bytes;
use sterna_core::packet::{FixedHeader, Packet, ProtocolVersion, Sender};

use super::{ClientId, ConnectionId, Instant};

/// One packet that a client sent, well-formed, kept as it was on the wire.
#[derive(Clone)]
pub struct Record {
    /// Counts all packets received by this broker, from 0.
    pub sequence: u64,
    /// When it arrived.
    pub at: Instant,
    /// The network connection that it came on.
    pub connection: ConnectionId,
    /// Who sent it; for a CONNECT the identifier in it, which may be empty.
    pub client_id: ClientId,
    /// The protocol version of the connection.
    pub version: ProtocolVersion,
    pub(super) header: FixedHeader,
    pub(super) bytes: Bytes,
}

impl Record {
    /// The packet, decoded.
    pub fn packet(&self) -> Packet<'_> {
        let body = self.bytes.get(usize::from(self.header.header_length)..).unwrap_or_default();
        Packet::decode(self.header, body, self.version, Sender::Client)
            .expect("only packets that were decoded are recorded")
    }

    /// The packet's bytes, its fixed header included. A CONNECT shows its password here.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("sequence", &self.sequence)
            .field("at", &self.at)
            .field("connection", &self.connection)
            .field("client_id", &self.client_id)
            .field("packet", &self.packet())
            .finish_non_exhaustive()
    }
}

/// The newest packets, within a number and a size.
#[derive(Debug, Default)]
pub(super) struct Records {
    kept: VecDeque<Record>,
    bytes: usize,
    next: u64,
}

impl Records {
    /// `record` makes the record for its sequence number.
    pub(super) fn push(
        &mut self,
        maximum: usize,
        maximum_bytes: usize,
        size: usize,
        record: impl FnOnce(u64) -> Record,
    ) {
        let sequence = self.next;
        self.next += 1;
        if maximum == 0 || size > maximum_bytes {
            return;
        }
        while self.kept.len() >= maximum || self.bytes + size > maximum_bytes {
            match self.kept.pop_front() {
                Some(oldest) => self.bytes -= oldest.bytes.len(),
                None => break,
            }
        }
        self.bytes += size;
        self.kept.push_back(record(sequence));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.kept.iter()
    }
}
