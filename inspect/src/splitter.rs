//! One direction's bytes, taken apart into packets; and how to go on behind bytes that are missing.

use sterna_core::packet::{
    DecodeError, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType, ProtocolVersion, Sender,
};
use sterna_core::topic;

/// The largest packet that is shown, in bytes; of a larger one only its size.
const LARGEST_PACKET: usize = 64 * 1024 * 1024;
/// How much of what cannot be read is kept, in bytes.
const SHOWN: usize = 4096;

/// What the bytes of one direction are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A packet, whole; its body has not been looked at.
    Packet(Vec<u8>),
    /// No packet begins like this. What follows cannot be told apart, up to a place that looks like a beginning.
    Malformed { bytes: Vec<u8>, error: DecodeError },
    /// A packet of which `missing` bytes are not there; of `size` bytes, if its size is known.
    Damaged { bytes: Vec<u8>, size: Option<usize>, missing: u64 },
    /// A packet of more bytes than are shown.
    TooLarge { size: usize },
    /// So many bytes could not be told apart, up to here.
    Skipped(u64),
}

#[derive(Debug)]
pub(crate) struct Splitter {
    sender: Sender,
    buffer: Vec<u8>,
    /// How many bytes of a packet that is not kept are still to come.
    rest: u64,
    /// It is not known where the next packet begins.
    is_lost: bool,
    skipped: u64,
}

impl Splitter {
    pub(crate) fn new(sender: Sender) -> Self {
        Self { sender, buffer: Vec::new(), rest: 0, is_lost: false, skipped: 0 }
    }

    /// One that does not know where the first packet begins.
    pub(crate) fn lost(sender: Sender) -> Self {
        Self { is_lost: true, ..Self::new(sender) }
    }

    /// Takes the next bytes: as they came in one piece, since a lost one looks for a packet at its beginning.
    pub(crate) fn receive(
        &mut self,
        mut bytes: &[u8],
        version: Option<ProtocolVersion>,
        give: &mut impl FnMut(Found),
    ) {
        if self.is_lost {
            if !looks_like_packets(bytes, self.sender, version) {
                self.skipped += bytes.len() as u64;
                return;
            }
            self.is_lost = false;
            self.say_skipped(give);
        }
        let skipped = bytes.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        self.rest -= skipped as u64;
        bytes = &bytes[skipped..];
        self.buffer.extend_from_slice(bytes);
        let mut begin = 0;
        loop {
            let input = &self.buffer[begin..];
            match header(input, version) {
                Ok(Some(header)) => {
                    let size = header.packet_size();
                    if size > LARGEST_PACKET {
                        give(Found::TooLarge { size });
                        let there = input.len().min(size);
                        self.rest = (size - there) as u64;
                        begin += there;
                    } else if let Some(packet) = input.get(..size) {
                        give(Found::Packet(packet.to_vec()));
                        begin += size;
                    } else {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    give(Found::Malformed { bytes: input[..input.len().min(SHOWN)].to_vec(), error });
                    self.skipped += input.len() as u64;
                    self.is_lost = true;
                    begin = self.buffer.len();
                }
            }
        }
        self.buffer.drain(..begin);
        if self.buffer.is_empty() && self.buffer.capacity() > SHOWN {
            self.buffer = Vec::new();
        }
    }

    /// So many bytes are missing here.
    pub(crate) fn miss(
        &mut self,
        missing: u64,
        version: Option<ProtocolVersion>,
        give: &mut impl FnMut(Found),
    ) {
        if self.is_lost {
            return;
        }
        if self.buffer.is_empty() && self.rest == 0 {
            self.is_lost = true;
            return;
        }
        if !self.buffer.is_empty() {
            let size = header(&self.buffer, version).ok().flatten().map(|header| header.packet_size());
            self.rest = size.map_or(0, |size| (size - self.buffer.len()) as u64);
            let mut bytes = std::mem::take(&mut self.buffer);
            bytes.truncate(SHOWN);
            give(Found::Damaged { bytes, size, missing: missing.min(self.rest.max(1)) });
        }
        self.is_lost = missing > self.rest;
        self.rest = self.rest.saturating_sub(missing);
    }

    /// Nothing more comes.
    pub(crate) fn finish(&mut self, version: Option<ProtocolVersion>, give: &mut impl FnMut(Found)) {
        self.say_skipped(give);
        if self.buffer.is_empty() {
            return;
        }
        let size = header(&self.buffer, version).ok().flatten().map(|header| header.packet_size());
        let missing = size.map_or(0, |size| size - self.buffer.len()) as u64;
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.truncate(SHOWN);
        give(Found::Damaged { bytes, size, missing });
    }

    fn say_skipped(&mut self, give: &mut impl FnMut(Found)) {
        match std::mem::take(&mut self.skipped) {
            0 => {}
            skipped => give(Found::Skipped(skipped)),
        }
    }
}

fn header(input: &[u8], version: Option<ProtocolVersion>) -> Result<Option<FixedHeader>, DecodeError> {
    // Where the version is not known, 5.0 is the one that has every packet type.
    FixedHeader::parse(input, version.unwrap_or_default(), PROTOCOL_MAXIMUM_PACKET_SIZE)
}

/// Whether `bytes` look like the beginning of packets from `sender`: at least one is whole or is the beginning of a
/// PUBLISH, and all that are there are lawful.
pub(crate) fn looks_like_packets(bytes: &[u8], sender: Sender, version: Option<ProtocolVersion>) -> bool {
    let versions = match version {
        Some(version) => &[version][..],
        None => &[ProtocolVersion::V5, ProtocolVersion::V3_1_1],
    };
    versions.iter().any(|&version| {
        let mut input = bytes;
        let mut packets = 0;
        loop {
            let Ok(parsed) = header(input, Some(version)) else { return false };
            let Some(parsed) = parsed else { return packets > 0 };
            let Some(body) = input.get(parsed.header_length.into()..parsed.packet_size()) else {
                return packets > 0 && parsed.packet_type.is_sent_by(sender, version)
                    || begins_publish(&input[parsed.header_length.into()..], parsed);
            };
            if Packet::decode(parsed, body, version, sender).is_err() {
                return false;
            }
            packets += 1;
            input = &input[parsed.packet_size()..];
        }
    })
}

/// Whether a part of a PUBLISH is there, with a lawful topic.
fn begins_publish(body: &[u8], header: FixedHeader) -> bool {
    let [high, low, rest @ ..] = body else { return false };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    header.packet_type == PacketType::Publish
        && header.packet_size() <= LARGEST_PACKET
        && header.flags & 0b110 != 0b110
        && length + 2 <= header.remaining_length as usize
        && rest.get(..length).and_then(|name| std::str::from_utf8(name).ok()).is_some_and(is_name)
}

fn is_name(name: &str) -> bool {
    !name.chars().any(char::is_control) && topic::validate_name(name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: Option<ProtocolVersion> = Some(ProtocolVersion::V3_1_1);
    const PUBLISH: &[u8] = b"\x30\x0a\x00\x03a/bhello";
    const PING: &[u8] = b"\xc0\x00";

    fn split(pieces: &[Result<&[u8], u64>]) -> Vec<Found> {
        let mut splitter = Splitter::new(Sender::Client);
        let mut found = Vec::new();
        for piece in pieces {
            match piece {
                Ok(bytes) => splitter.receive(bytes, V, &mut |what| found.push(what)),
                Err(missing) => splitter.miss(*missing, V, &mut |what| found.push(what)),
            }
        }
        splitter.finish(V, &mut |what| found.push(what));
        found
    }

    fn packet(bytes: &[u8]) -> Found {
        Found::Packet(bytes.to_vec())
    }

    // R: DET-04
    #[test]
    fn packets_are_found_however_they_are_split() {
        let all = [PUBLISH, PING, PUBLISH].concat();
        for first in 0..=all.len() {
            for second in first..=all.len() {
                let pieces = [Ok(&all[..first]), Ok(&all[first..second]), Ok(&all[second..])];
                assert_eq!(split(&pieces), [packet(PUBLISH), packet(PING), packet(PUBLISH)]);
            }
        }
    }

    #[test]
    fn a_hole_inside_a_packet_damages_that_packet_alone() {
        let damaged = Found::Damaged { bytes: PUBLISH[..6].to_vec(), size: Some(12), missing: 4 };
        let found = split(&[Ok(&PUBLISH[..6]), Err(4), Ok(&[&PUBLISH[10..], PING].concat())]);
        assert_eq!(found, [damaged, packet(PING)]);
        let damaged = Found::Damaged { bytes: PUBLISH[..6].to_vec(), size: Some(12), missing: 1 };
        let found = split(&[Ok(&PUBLISH[..6]), Err(1), Ok(b"e"), Err(2), Ok(&PUBLISH[10..]), Ok(PING)]);
        assert_eq!(found, [damaged, packet(PING)]);
    }

    #[test]
    fn behind_a_hole_of_unknown_contents_a_piece_that_is_packets_is_found() {
        let found = split(&[Ok(PING), Err(100), Ok(b"llo"), Ok(PUBLISH), Ok(PING)]);
        assert_eq!(found, [packet(PING), Found::Skipped(3), packet(PUBLISH), packet(PING)]);
        let long = [b"\x30\xa0\x1f\x00\x03a/b", &[b'x'; 2000][..]].concat();
        let found = split(&[Err(7), Ok(&long), Ok(&[b'y'; 1995]), Ok(PING)]);
        assert!(matches!(&found[..], [Found::Packet(_), Found::Packet(last)] if last == PING));
    }

    #[test]
    fn no_packet_begins_like_this() {
        let found = split(&[Ok(PING), Ok(b"\x00garbage"), Ok(b"more"), Ok(PING)]);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], packet(PING));
        assert!(matches!(&found[1], Found::Malformed { bytes, .. } if bytes == b"\x00garbage"));
        assert_eq!(found[2..], [Found::Skipped(12), packet(PING)]);
    }

    #[test]
    fn an_end_inside_a_packet_is_said() {
        let found = split(&[Ok(&PUBLISH[..9])]);
        assert_eq!(found, [Found::Damaged { bytes: PUBLISH[..9].to_vec(), size: Some(12), missing: 3 }]);
    }
}
