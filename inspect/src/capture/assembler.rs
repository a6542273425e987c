//! One direction of a TCP connection: from segments in any order to its bytes in their order (RFC 9293 §3.4).

use std::collections::BTreeMap;

/// How many bytes a direction may hold behind a hole, at [`OVERHEAD`] more for each segment.
const PENDING: usize = 16 * 1024 * 1024;
/// What a held segment costs besides its bytes.
const OVERHEAD: usize = 128;
/// How many more segments of the connection are awaited after the receiver has acknowledged what is missing here: a
/// capture of several processors or interfaces may have an order of its own.
const PATIENCE: u32 = 16;

/// A piece of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Bytes as one segment had them; `time` is that of the segment which made them readable.
    Data { time: u64, bytes: &'a [u8] },
    /// Bytes that are not in the capture.
    Missing { time: u64, bytes: u64 },
}

/// What waits behind a hole.
#[derive(Debug)]
struct Held {
    time: u64,
    bytes: Vec<u8>,
    cut: u64,
}

/// Puts the segments of one direction into order. What was captured twice is taken from the first copy.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// The sequence number of position 0; `None` before the first segment.
    origin: Option<u32>,
    /// How far the stream was given out: positions count from `origin`, and do not wrap.
    next: u64,
    /// By position.
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    /// Up to where the receiver has everything.
    acknowledged: u64,
    patience: u32,
}

impl Assembler {
    /// Whether it knows where the stream begins.
    pub(super) fn has_begun(&self) -> bool {
        self.origin.is_some()
    }

    /// The SYN: the stream begins behind its sequence number.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.origin.get_or_insert(sequence.wrapping_add(1));
    }

    /// Whether a SYN with this sequence number is that of another connection.
    pub(super) fn is_foreign(&self, sequence: u32) -> bool {
        self.origin.is_some_and(|origin| origin != sequence.wrapping_add(1))
    }

    /// What is held back, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes a segment's payload; `cut` bytes behind it were not captured.
    pub(super) fn receive(
        &mut self,
        time: u64,
        sequence: u32,
        payload: &[u8],
        cut: usize,
        give: &mut impl FnMut(Piece<'_>),
    ) {
        if payload.is_empty() && cut == 0 {
            return;
        }
        let origin = *self.origin.get_or_insert(sequence);
        let Some(position) = position(origin, self.next, sequence) else { return };
        if position <= self.next {
            self.advance(time, position, payload, cut as u64, give);
            self.drain(time, give);
        } else {
            self.hold(time, position, payload, cut as u64);
            if self.held_bytes > PENDING {
                self.skip_hole(give);
            }
        }
    }

    /// The other side acknowledged up to `sequence`.
    pub(super) fn acknowledge(&mut self, sequence: u32) {
        let Some(origin) = self.origin else { return };
        if let Some(position) = position(origin, self.next, sequence) {
            self.acknowledged = self.acknowledged.max(position);
        }
    }

    /// Some segment of the connection was handled: what never comes is given up after a while.
    pub(super) fn tick(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        let is_lost = self.held.first_key_value().is_some_and(|(&first, _)| first <= self.acknowledged);
        if !is_lost {
            self.patience = 0;
            return;
        }
        self.patience += 1;
        if self.patience > PATIENCE {
            self.patience = 0;
            self.skip_hole(give);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, time: u64, end: Option<u32>, give: &mut impl FnMut(Piece<'_>)) {
        while !self.held.is_empty() {
            self.skip_hole(give);
        }
        let end = match (self.origin, end) {
            (Some(origin), Some(sequence)) => position(origin, self.next, sequence).unwrap_or(0),
            _ => 0,
        };
        // The SYN and the FIN take a sequence number each, which the acknowledgement counts too.
        let end = if end > 0 { end } else { self.acknowledged.saturating_sub(1) };
        if end > self.next {
            give(Piece::Missing { time, bytes: end - self.next });
            self.next = end;
        }
    }

    /// Gives what is new of bytes that begin at or before `self.next`.
    fn advance(
        &mut self,
        time: u64,
        position: u64,
        payload: &[u8],
        cut: u64,
        give: &mut impl FnMut(Piece<'_>),
    ) {
        let known = self.next - position;
        let length = payload.len() as u64;
        if known < length {
            give(Piece::Data { time, bytes: &payload[known as usize..] });
            self.next = position + length;
        }
        if cut > 0 && self.next < position + length + cut {
            // A retransmission may have been cut as well: it is as missing as it was.
            let missing = position + length + cut - self.next;
            give(Piece::Missing { time, bytes: missing });
            self.next += missing;
        }
    }

    /// Gives what has become readable.
    fn drain(&mut self, time: u64, give: &mut impl FnMut(Piece<'_>)) {
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() > self.next {
                return;
            }
            let (position, held) = entry.remove_entry();
            self.held_bytes -= held.bytes.len() + OVERHEAD;
            let time = time.max(held.time);
            self.advance(time, position, &held.bytes, held.cut, give);
        }
    }

    fn hold(&mut self, time: u64, position: u64, payload: &[u8], cut: u64) {
        let size = |held: &Held| held.bytes.len() as u64 + held.cut;
        let new = Held { time, bytes: payload.to_vec(), cut };
        if self.held.get(&position).is_some_and(|old| size(old) >= size(&new)) {
            return;
        }
        self.held_bytes += new.bytes.len() + OVERHEAD;
        if let Some(old) = self.held.insert(position, new) {
            self.held_bytes -= old.bytes.len() + OVERHEAD;
        }
    }

    /// Gives up what is missing before the first held segment.
    fn skip_hole(&mut self, give: &mut impl FnMut(Piece<'_>)) {
        let Some((&position, held)) = self.held.first_key_value() else { return };
        let time = held.time;
        give(Piece::Missing { time, bytes: position - self.next });
        self.next = position;
        self.drain(time, give);
    }
}

/// The position of a sequence number near `next`; `None` before the stream.
fn position(origin: u32, next: u64, sequence: u32) -> Option<u64> {
    let distance = sequence.wrapping_sub(origin.wrapping_add(next as u32)).cast_signed();
    next.checked_add_signed(i64::from(distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came out: the bytes, a hole as `_` for each byte.
    #[derive(Default)]
    struct Out(String);

    impl Out {
        fn take(&mut self) -> impl FnMut(Piece<'_>) + '_ {
            |piece| match piece {
                Piece::Data { bytes, .. } => self.0.push_str(std::str::from_utf8(bytes).unwrap()),
                Piece::Missing { bytes, .. } => self.0.push_str(&"_".repeat(bytes as usize)),
            }
        }
    }

    fn assemble(isn: u32, segments: &[(u32, &str)]) -> String {
        let mut assembler = Assembler::default();
        let mut out = Out::default();
        assembler.begin(isn);
        for (time, (offset, text)) in segments.iter().enumerate() {
            let sequence = isn.wrapping_add(1).wrapping_add(*offset);
            assembler.receive(time as u64, sequence, text.as_bytes(), 0, &mut out.take());
        }
        assembler.finish(99, None, &mut out.take());
        assert_eq!(assembler.held_bytes(), 0);
        out.0
    }

    // R: DET-04
    #[test]
    fn order_copies_and_overlaps_do_not_matter() {
        for isn in [0, 1000, u32::MAX, u32::MAX - 1, u32::MAX - 5, 1 << 31] {
            for segments in [
                &[(0, "abc"), (3, "def"), (6, "ghi")][..],
                &[(0, "abc"), (6, "ghi"), (3, "def")],
                &[(6, "ghi"), (3, "def"), (0, "abc")],
                &[(0, "abc"), (0, "abc"), (3, "def"), (0, "abcdef"), (6, "ghi"), (6, "ghi")],
                &[(0, "abcd"), (2, "cdef"), (5, "fghi")],
                &[(4, "efghi"), (6, "gh"), (2, "cde"), (0, "abcd")],
                &[(3, "d"), (3, "defghi"), (0, "abc")],
                &[(8, "i"), (7, "h"), (6, "g"), (5, "f"), (4, "e"), (3, "d"), (2, "c"), (1, "b"), (0, "a")],
            ] {
                assert_eq!(assemble(isn, segments), "abcdefghi", "from {isn}: {segments:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_counted() {
        assert_eq!(assemble(u32::MAX - 2, &[(0, "ab"), (4, "ef"), (9, "jk")]), "ab__ef___jk");
    }

    #[test]
    fn an_acknowledged_hole_is_given_up_after_a_while_and_one_that_is_not_is_awaited() {
        let mut assembler = Assembler::default();
        let mut out = Out::default();
        assembler.begin(9);
        assembler.receive(1, 10, b"ab", 0, &mut out.take());
        assembler.receive(2, 15, b"fg", 0, &mut out.take());
        for _ in 0..=PATIENCE {
            assembler.tick(&mut out.take());
        }
        assembler.acknowledge(17);
        for _ in 0..PATIENCE {
            assembler.tick(&mut out.take());
        }
        assert_eq!(out.0, "ab");
        assembler.tick(&mut out.take());
        assert_eq!(out.0, "ab___fg");
        assembler.receive(3, 12, b"cde", 0, &mut out.take());
        assert_eq!(out.0, "ab___fg", "too late");
    }

    #[test]
    fn cut_segments_and_an_end_that_was_not_captured_are_missing() {
        let mut assembler = Assembler::default();
        let mut out = Out::default();
        assembler.receive(1, 5, b"ab", 3, &mut out.take());
        assembler.receive(2, 10, b"fg", 0, &mut out.take());
        assembler.acknowledge(5 + 7 + 4 + 1);
        assembler.finish(3, None, &mut out.take());
        assert_eq!(out.0, "ab___fg____");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut assembler = Assembler::default();
        let mut given = 0;
        assembler.begin(0);
        let payload = [0; 1000];
        for index in 0..40_000_u32 {
            let sequence = 1 + (index + 1) * 2000;
            assembler.receive(0, sequence, &payload, 0, &mut |piece| {
                given += usize::from(matches!(piece, Piece::Data { .. }));
            });
            assert!(assembler.held_bytes() <= PENDING + payload.len() + OVERHEAD);
        }
        assert!(given > 20_000, "{given}");
    }
}
