//! The read buffer: it grows with what comes, is used again when its messages are gone, and is given back when nothing
//! comes.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::BytesMut;

/// What comes first is read to the stack: a client that waits for it has no memory for that.
pub(crate) const FIRST: usize = 128;
const SMALLEST: usize = 512;
const LARGEST: usize = 64 << 10;
/// So many reads in a row that need a quarter make it smaller.
const SMALL_READS: u32 = 16;
/// How much memory messages may keep alive, besides what waits for the application: then small ones are copied out of
/// what they came in.
const PINNED: usize = 2 << 20;
/// How much memory that nobody has a part of is kept for the next blocks.
const SPARE: usize = 256 << 10;
/// How much may be appended at once behind a large packet.
const BEHIND: usize = 48 << 10;
/// How many blocks are looked at for one that can be used again.
const BLOCKS: usize = 64;

/// How much one read may take: it follows how much comes.
#[derive(Debug)]
pub(crate) struct ReadSize {
    size: usize,
    largest: usize,
    small_reads: u32,
}

impl ReadSize {
    pub(crate) fn up_to(largest: usize) -> Self {
        Self { size: SMALLEST, largest, small_reads: 0 }
    }

    pub(crate) fn get(&self) -> usize {
        self.size
    }

    /// One read took `count` bytes of those that were offered. Whether the next is to be offered others.
    pub(crate) fn adapt(&mut self, count: usize, offered: usize) -> bool {
        let before = self.size;
        if count >= offered {
            self.size = (self.size * 2).min(self.largest);
            self.small_reads = 0;
        } else if count < self.size / 4 && self.size > SMALLEST {
            self.small_reads += 1;
            if self.small_reads == SMALL_READS {
                self.size /= 2;
                self.small_reads = 0;
            }
        } else {
            self.small_reads = 0;
        }
        self.size != before
    }
}

/// A block of memory that was read into, and messages may be parts of.
#[derive(Debug)]
struct Block {
    /// None of its bytes: while this is the only handle nobody has a part of it.
    handle: BytesMut,
    size: usize,
    /// It is the only handle.
    is_free: bool,
}

impl Block {
    /// Whether it has just become free.
    fn becomes_free(&mut self) -> bool {
        let becomes = !self.is_free && self.handle.try_reclaim(self.size);
        self.is_free |= becomes;
        becomes
    }
}

/// Bytes that were read and not yet understood, and room for the next read.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// Initialised, and the same block right behind `bytes`, so that what is read there joins them without being copied.
    room: BytesMut,
    /// What both are parts of.
    block: Option<Block>,
    /// Those before that messages were parts of when they were used up.
    used: VecDeque<Block>,
    /// What they take.
    pinned: usize,
    /// What was still pinned when nothing came for a while: nobody knows whether it still is.
    forgotten: usize,
    /// The capacity of `bytes` when they are a large packet.
    large: usize,
    size: ReadSize,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            room: BytesMut::new(),
            block: None,
            used: VecDeque::new(),
            pinned: 0,
            forgotten: 0,
            large: 0,
            size: ReadSize::up_to(LARGEST),
        }
    }

    /// Reads once; how many bytes came. `missing`: how many more the packet that is in `bytes` needs at least, as the
    /// server says, or 0. Whatever that is, memory follows bytes received.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn read(&mut self, reader: &mut impl Read, missing: usize) -> io::Result<usize> {
        if missing > LARGEST || (missing > 0 && self.bytes.len() > LARGEST) {
            return self.read_large(reader, missing);
        }
        if self.block.is_none() && self.bytes.is_empty() && self.size.get() == SMALLEST {
            return self.read_first(reader);
        }
        if self.room.len() < self.size.get() / 4 || self.room.is_empty() {
            self.make_room();
        }
        let offered = self.room.len();
        let count = reader.read(&mut self.room)?.min(offered);
        // An empty one is replaced, without holding on to a block that is used up.
        self.bytes.unsplit(self.room.split_to(count));
        self.size.adapt(count, offered);
        Ok(count)
    }

    fn read_first(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        let mut first = [0; FIRST];
        let count = reader.read(&mut first)?.min(FIRST);
        if count > 0 {
            self.make_room();
            self.room[..count].copy_from_slice(&first[..count]);
            self.bytes.unsplit(self.room.split_to(count));
            self.size.adapt(count, FIRST);
        }
        Ok(count)
    }

    /// Reads a part of a large packet right to where its message will be. Whenever that is full it is doubled, which large
    /// allocations do without a copy, and to the last byte when it is doubled for the last time.
    fn read_large(&mut self, reader: &mut impl Read, missing: usize) -> io::Result<usize> {
        let length = self.bytes.len();
        self.make_large(missing);
        let offered = missing.min(self.bytes.capacity() - length).min(LARGEST * 4);
        self.bytes.resize(length + offered, 0);
        let result = reader.read(&mut self.bytes[length..]);
        let count = result.as_ref().map_or(0, |count| *count).min(offered);
        self.bytes.truncate(length + count);
        result.map(|_| count)
    }

    /// Makes room for more of a large packet, if there is none.
    fn make_large(&mut self, missing: usize) {
        let length = self.bytes.len();
        if self.bytes.capacity() > length {
            return;
        }
        if self.large == length && length > 0 {
            self.bytes.reserve(1);
        } else {
            let mut capacity = length + missing;
            while capacity / 2 >= length + LARGEST {
                capacity = capacity.div_ceil(2);
            }
            let mut own = BytesMut::with_capacity(capacity);
            own.extend_from_slice(&self.bytes);
            self.bytes = own;
            self.room = BytesMut::new();
            self.retire();
        }
        self.large = self.bytes.capacity();
    }

    /// Some `length` bytes are going to be [appended](Self::append): a half more at most, which TLS held. `size`: how many
    /// that may be the next time. `missing`: as for [`read`](Self::read).
    pub(crate) fn expect(&mut self, length: usize, size: usize, missing: usize) {
        let is_large = missing > LARGEST || self.bytes.len() > LARGEST;
        if !is_large && self.bytes.capacity() - self.bytes.len() < length * 3 / 2 {
            self.make_block(length.max(size) * 3 / 2);
        }
    }

    /// Appends bytes. `missing`: as for [`read`](Self::read); it is counted down. Whatever that is, memory follows bytes
    /// received.
    pub(crate) fn append(&mut self, mut piece: &[u8], missing: &mut usize) {
        while !piece.is_empty() {
            let is_large = *missing > LARGEST || self.bytes.len() > LARGEST;
            if is_large && *missing > 0 {
                self.make_large(*missing + BEHIND);
            } else if !is_large && self.bytes.capacity() == self.bytes.len() {
                self.make_block(piece.len());
            }
            let mut room = self.bytes.capacity() - self.bytes.len();
            if is_large {
                room = if *missing > 0 { room.min(*missing) } else { piece.len() };
            }
            let (taken, rest) = piece.split_at(room.min(piece.len()));
            self.bytes.extend_from_slice(taken);
            *missing = missing.saturating_sub(taken.len());
            piece = rest;
        }
    }

    /// A block for what is read next.
    fn make_room(&mut self) {
        self.make_block(self.size.get() / 2);
        let length = self.bytes.len();
        self.bytes.resize(self.block.as_ref().map_or(length, |block| block.size), 0);
        self.room = self.bytes.split_off(length);
    }

    /// A block that nobody has a part of any more, or else a new one, which begins with what is not yet understood and has
    /// room for `more`.
    fn make_block(&mut self, more: usize) {
        self.room = BytesMut::new();
        if self.bytes.is_empty() {
            // It may be an empty part of the block.
            self.bytes = BytesMut::new();
        }
        self.retire();
        let left = std::mem::take(&mut self.bytes);
        // Always powers of two, so that one block can take another's place.
        let size = self.size.get().max((left.len() + more).next_power_of_two());
        let (mut bytes, size) = self.reclaim(size);
        bytes.extend_from_slice(&left);
        let handle = bytes.split_to(0);
        self.bytes = bytes;
        self.block = Some(Block { handle, size, is_free: false });
    }

    /// What is read next comes to another block.
    fn retire(&mut self) {
        let Some(block) = self.block.take() else { return };
        if self.used.len() == BLOCKS
            && let Some(oldest) = self.used.pop_front()
        {
            let pins = if oldest.is_free { 0 } else { oldest.size };
            self.pinned -= pins;
            self.forgotten += pins;
        }
        self.pinned += block.size;
        self.used.push_back(block);
    }

    /// Memory for `size` bytes or more, and how many.
    fn reclaim(&mut self, size: usize) -> (BytesMut, usize) {
        let (mut found, mut spare) = (None, 0);
        // The latest are the most likely to be in the processor's cache.
        for at in (0..self.used.len()).rev() {
            let block = &mut self.used[at];
            if block.becomes_free() {
                self.pinned -= block.size;
            }
            if !block.is_free {
                continue;
            }
            let is_found = found.is_none() && block.size >= size;
            spare += block.size;
            let goes = is_found || block.size < size || spare > SPARE;
            if let Some(block) = goes.then(|| self.used.remove(at)).flatten()
                && is_found
            {
                found = Some((block.handle, block.size));
            }
        }
        found.unwrap_or_else(|| (BytesMut::with_capacity(size), size))
    }

    /// Whether messages keep more memory alive than they need, as far as is known; `waiting`: how many bytes of messages
    /// wait for the application.
    pub(crate) fn pins_too_much(&self, waiting: usize) -> bool {
        self.pinned + self.forgotten > PINNED + 2 * waiting
    }

    /// Drops what was read.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Nothing came for a while: keeps only what is not yet understood. `waiting`: as for
    /// [`pins_too_much`](Self::pins_too_much).
    pub(crate) fn release(&mut self, waiting: usize) {
        // A large packet that is on its way stays where it is.
        if self.bytes.len() <= LARGEST {
            self.bytes = BytesMut::from(&self.bytes[..]);
        }
        self.room = BytesMut::new();
        self.retire();
        for block in &mut self.used {
            if block.becomes_free() {
                self.pinned -= block.size;
            }
        }
        self.forgotten += self.pinned.saturating_sub(2 * waiting);
        self.used = VecDeque::new();
        self.pinned = 0;
        self.size = ReadSize::up_to(LARGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has `bytes` to read, and counts them from 0.
    struct Counting {
        next: u8,
        at_most: usize,
    }

    impl Read for Counting {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let count = self.at_most.min(room.len());
            for byte in &mut room[..count] {
                *byte = self.next;
                self.next = self.next.wrapping_add(1);
            }
            Ok(count)
        }
    }

    fn read(buffer: &mut ReadBuffer, at_most: usize) -> usize {
        buffer.read(&mut Counting { next: 0, at_most }, 0).unwrap()
    }

    #[test]
    fn it_grows_under_load_and_shrinks_again() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..20 {
            read(&mut buffer, usize::MAX);
            buffer.clear();
        }
        assert_eq!(buffer.size.get(), LARGEST);
        for _ in 0..SMALL_READS * (LARGEST / SMALLEST).ilog2() {
            read(&mut buffer, 10);
            buffer.clear();
        }
        assert_eq!(buffer.size.get(), SMALLEST);
        read(&mut buffer, 10);
        buffer.release(0);
        assert_eq!(buffer.bytes.len(), 10);
        assert!(buffer.bytes.capacity() < 64 && buffer.room.capacity() == 0);
    }

    #[test]
    fn what_is_read_follows_what_is_there_whatever_was_taken() {
        for at_most in [1, 7, 1_000, 5_000] {
            let mut buffer = ReadBuffer::new();
            let mut reader = Counting { next: 0, at_most };
            let (mut expected, mut kept) = (0_u8, Vec::new());
            for round in 0..500 {
                buffer.read(&mut reader, 0).unwrap();
                // Some messages stay alive, so that their block does.
                let taken = buffer.bytes.split_to(buffer.bytes.len() * (round % 3) / 2).freeze();
                for byte in &taken {
                    assert_eq!(*byte, expected);
                    expected = expected.wrapping_add(1);
                }
                kept.push(taken);
                if round % 5 == 0 {
                    kept.clear();
                }
            }
        }
    }

    #[test]
    fn a_block_that_nobody_has_a_part_of_is_used_again() {
        let mut buffer = ReadBuffer::new();
        read(&mut buffer, 100);
        let block = buffer.bytes.as_ptr() as usize;
        for _ in 0..1_000 {
            drop(buffer.bytes.split().freeze());
            read(&mut buffer, 100);
            let place = buffer.bytes.as_ptr() as usize;
            assert!((block..block + SMALLEST).contains(&place), "another block");
        }
    }

    #[test]
    fn what_is_appended_follows_what_is_there_whatever_was_taken() {
        for at_most in [1, 7, 1_000, 50_000] {
            let mut buffer = ReadBuffer::new();
            let (mut next, mut expected, mut kept) = (0_u8, 0_u8, Vec::new());
            for round in 0..500 {
                let piece: Vec<u8> = (0..at_most).map(|at| next.wrapping_add(at as u8)).collect();
                next = next.wrapping_add(at_most as u8);
                let mut missing = [0, 5, 200_000][round % 3];
                buffer.expect(at_most, 512, missing);
                buffer.append(&piece[..at_most / 2], &mut missing);
                buffer.append(&piece[at_most / 2..], &mut missing);
                let taken = buffer.bytes.split_to(buffer.bytes.len() * (round % 3) / 2).freeze();
                for byte in &taken {
                    assert_eq!(*byte, expected);
                    expected = expected.wrapping_add(1);
                }
                kept.push(taken);
                if round % 5 == 0 {
                    kept.clear();
                }
            }
        }
    }

    #[test]
    fn appended_bytes_come_to_blocks_that_are_used_again_and_counted() {
        let mut buffer = ReadBuffer::new();
        let piece = vec![7; 32 << 10];
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..1_000 {
            buffer.expect(piece.len(), piece.len(), 0);
            buffer.append(&piece, &mut 0);
            let taken = buffer.bytes.split().freeze();
            places.insert(taken.as_ptr() as usize);
        }
        assert!(places.len() <= 8, "{} places", places.len());
        // One small message in each keeps all of it.
        let mut kept = Vec::new();
        while !buffer.pins_too_much(0) {
            assert!(kept.len() < 200, "nobody counts");
            buffer.expect(piece.len(), piece.len(), 0);
            buffer.append(&piece, &mut 0);
            kept.push(buffer.bytes.split().freeze().split_to(10));
        }
    }

    #[test]
    fn a_large_packet_that_is_appended_is_not_copied_again_and_again() {
        let mut buffer = ReadBuffer::new();
        let (total, mut missing, mut places) = (4 << 20, 4 << 20, 0);
        let piece = [7; 16 << 10];
        let mut place = 0;
        while buffer.bytes.len() < total + piece.len() {
            buffer.expect(piece.len(), piece.len(), missing);
            buffer.append(&piece, &mut missing);
            places += u32::from(buffer.bytes.as_ptr() as usize != place);
            place = buffer.bytes.as_ptr() as usize;
        }
        assert!(places <= 10, "{places} places");
        assert!(buffer.bytes.capacity() <= total + BEHIND, "{}", buffer.bytes.capacity());
    }

    #[test]
    fn a_failing_read_changes_nothing() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let mut buffer = ReadBuffer::new();
        read(&mut buffer, 10);
        assert_eq!(buffer.read(&mut Failing, 0).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(&buffer.bytes[..], (0..10).collect::<Vec<u8>>());
    }
}
