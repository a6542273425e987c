//! Outgoing bytes: one recycled vector, with chained payloads that are sent without a copy.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes};

use crate::event::Attempt;

/// A vector that grew beyond this is given back once it is empty: beyond what is encoded ahead by default.
const KEEP_CAPACITY: usize = 512 << 10;

/// Outgoing bytes on their way to the transport; the driver owns one for each network connection.
///
/// [`poll_transmit`](crate::Connection::poll_transmit) fills it, the driver writes it (it is a [`Buf`], vectored
/// with `chunks_vectored`), advances it by what the transport took, and reports the same number with
/// [`handle_written`](crate::Connection::handle_written). It may be dropped or reused after a connection was lost:
/// bytes of an earlier connection are discarded by the next `poll_transmit`.
#[derive(Debug, Default)]
pub struct Transmit {
    bytes: Vec<u8>,
    /// How much of `bytes` is consumed.
    position: usize,
    /// Payloads to send when `position` reaches the offset.
    chained: VecDeque<(usize, Bytes)>,
    chained_length: usize,
    attempt: Option<Attempt>,
}

impl Transmit {
    /// An empty one; it allocates nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Discards everything; small buffers are kept for reuse.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.position = 0;
        self.chained_length = 0;
        if !self.chained.is_empty() || self.bytes.capacity() > KEEP_CAPACITY {
            self.clear_large();
        }
    }

    #[inline(never)]
    fn clear_large(&mut self) {
        self.chained.clear();
        if self.bytes.capacity() > KEEP_CAPACITY {
            self.bytes = Vec::new();
        }
    }

    /// What waits, piece by piece, without consuming it.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(self.position).chain(self.chained.iter().map(|(at, _)| *at));
        let chained = self.chained.iter().zip(starts);
        let pieces = chained.flat_map(|((at, payload), start)| [&self.bytes[start..*at], &payload[..]]);
        let last = self.chained.back().map_or(self.position, |(at, _)| *at);
        pieces.chain([&self.bytes[last..]])
    }

    /// Gives back every allocation of an empty buffer.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
            self.position = 0;
            self.chained = VecDeque::new();
        }
    }

    /// The vector that packets are encoded into.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Sends `payload` behind what was encoded so far.
    pub(crate) fn push_shared(&mut self, payload: Bytes) {
        self.chained_length += payload.len();
        self.chained.push_back((self.bytes.len(), payload));
    }

    /// Moves all of `pending` behind what is here: by swapping when nothing is.
    #[inline]
    pub(crate) fn take_from(&mut self, pending: &mut Self, attempt: Attempt) -> bool {
        if self.attempt == Some(attempt) && !self.is_empty() {
            return self.append(pending);
        }
        self.clear();
        self.attempt = Some(attempt);
        if pending.is_empty() {
            return false;
        }
        core::mem::swap(&mut self.bytes, &mut pending.bytes);
        if !pending.chained.is_empty() {
            core::mem::swap(&mut self.chained, &mut pending.chained);
        }
        // What is swapped in its place is empty.
        self.chained_length = core::mem::take(&mut pending.chained_length);
        true
    }

    #[inline(never)]
    fn append(&mut self, pending: &mut Self) -> bool {
        if pending.is_empty() {
            return false;
        }
        self.compact();
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(&pending.bytes);
        self.chained.extend(pending.chained.drain(..).map(|(at, payload)| (offset + at, payload)));
        self.chained_length += pending.chained_length;
        pending.clear();
        true
    }

    /// Drops what was consumed once it is the larger part, so that a buffer that never runs empty does not grow.
    fn compact(&mut self) {
        if self.position > self.bytes.len() / 2 {
            self.bytes.drain(..self.position);
            for (at, _) in &mut self.chained {
                *at -= self.position;
            }
            self.position = 0;
        }
    }

    /// How much of `bytes` comes before the next chained payload.
    fn plain_end(&self) -> usize {
        self.chained.front().map_or(self.bytes.len(), |(at, _)| *at)
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.bytes.len() - self.position + self.chained_length
    }

    fn chunk(&self) -> &[u8] {
        match self.chained.front() {
            Some((at, payload)) if *at == self.position => payload,
            _ => &self.bytes[self.position..self.plain_end()],
        }
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining(), "advanced beyond what is there");
        while count > 0 {
            let plain = self.plain_end() - self.position;
            if plain > 0 {
                let step = plain.min(count);
                self.position += step;
                count -= step;
            } else if let Some((_, payload)) = self.chained.front_mut() {
                let step = payload.len().min(count);
                payload.advance(step);
                self.chained_length -= step;
                count -= step;
                if payload.is_empty() {
                    self.chained.pop_front();
                }
            }
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, out: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut position = self.position;
        let mut count = 0;
        for (at, payload) in &self.chained {
            for chunk in [&self.bytes[position..*at], &payload[..]] {
                if count == out.len() {
                    return count;
                }
                if !chunk.is_empty() {
                    out[count] = std::io::IoSlice::new(chunk);
                    count += 1;
                }
            }
            position = *at;
        }
        if position < self.bytes.len() && count < out.len() {
            out[count] = std::io::IoSlice::new(&self.bytes[position..]);
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSlice;

    const FIRST: Attempt = Attempt(1);

    fn filled() -> Transmit {
        let mut pending = Transmit::new();
        pending.buffer().extend_from_slice(b"head");
        pending.push_shared(Bytes::from_static(b"PAYLOAD"));
        pending.push_shared(Bytes::from_static(b"!"));
        pending.buffer().extend_from_slice(b"tail");
        pending
    }

    fn vectored(transmit: &Transmit, slots: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); slots];
        let count = transmit.chunks_vectored(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn every_split_gives_the_same_bytes() {
        for split in 0..=16 {
            let mut out = Transmit::new();
            assert!(out.take_from(&mut filled(), FIRST));
            assert_eq!(out.remaining(), 16);
            let mut read = out.copy_to_bytes(split).to_vec();
            assert_eq!(vectored(&out, 8), b"headPAYLOAD!tail"[split..]);
            assert_eq!(out.chunks().collect::<Vec<_>>().concat(), b"headPAYLOAD!tail"[split..]);
            read.extend(out.copy_to_bytes(16 - split));
            assert_eq!(read, b"headPAYLOAD!tail");
            assert!(out.is_empty());
        }
    }

    #[test]
    fn few_slots_take_the_front() {
        let mut out = Transmit::new();
        out.take_from(&mut filled(), FIRST);
        assert_eq!(vectored(&out, 2), b"headPAYLOAD");
    }

    #[test]
    fn more_is_appended_behind_what_is_left() {
        let mut out = Transmit::new();
        out.take_from(&mut filled(), FIRST);
        out.advance(6);
        let mut pending = filled();
        assert!(out.take_from(&mut pending, FIRST));
        assert!(pending.is_empty() && pending.remaining() == 0, "all of it is taken");
        assert_eq!(vectored(&out, 16), b"YLOAD!tailheadPAYLOAD!tail");
    }

    #[test]
    fn a_buffer_that_never_runs_empty_does_not_grow() {
        let mut out = Transmit::new();
        out.take_from(&mut filled(), FIRST);
        for _ in 0..1_000 {
            out.advance(15);
            out.take_from(&mut filled(), FIRST);
            assert_eq!(out.remaining(), 17);
            assert_eq!(vectored(&out, 8), b"lheadPAYLOAD!tail");
            out.advance(1);
        }
        assert!(out.bytes.len() < 64, "{}", out.bytes.len());
    }

    #[test]
    fn bytes_of_an_earlier_connection_are_discarded() {
        let mut out = Transmit::new();
        out.take_from(&mut filled(), FIRST);
        out.advance(2);
        assert!(!out.take_from(&mut Transmit::new(), Attempt(2)));
        assert!(out.is_empty());
    }
}
