//! The read buffer: it grows with what comes and is given back when nothing does.

use std::io::{self, Read};

use bytes::BytesMut;

/// Enough for a CONNACK: a client that has nothing else to read touches no more memory.
const SMALLEST: usize = 512;
const LARGEST: usize = 256 << 10;
/// So many reads in a row that need a quarter make it smaller.
const SMALL_READS: u32 = 16;

/// Bytes that were read and not yet understood, and room for the next read.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// Initialised, and usually the same block right behind `bytes`, so that what is read there joins them without
    /// being copied.
    room: BytesMut,
    /// How much one read may take.
    size: usize,
    small_reads: u32,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), room: BytesMut::new(), size: SMALLEST, small_reads: 0 }
    }

    /// Reads once; how many bytes came. What the server announces plays no part in the room for them: memory follows
    /// bytes received.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn read(&mut self, reader: &mut impl Read) -> io::Result<usize> {
        if self.room.len() < self.size / 2 {
            self.make_room();
        }
        let offered = self.room.len();
        let count = reader.read(&mut self.room)?.min(offered);
        // An empty one is replaced, without holding on to a block that is used up.
        self.bytes.unsplit(self.room.split_to(count));
        self.adapt(count, offered);
        Ok(count)
    }

    /// A new block, or the same from its beginning when nobody has a part of it any more.
    fn make_room(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        self.room.clear();
        self.room.reserve(self.size);
        let size = self.room.capacity().min(LARGEST);
        self.room.resize(size, 0);
    }

    /// One read took `count` bytes of those that were offered.
    fn adapt(&mut self, count: usize, offered: usize) {
        if count >= offered {
            self.size = (self.size * 2).min(LARGEST);
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
    }

    /// Drops what was read.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Nothing came for a while: keeps only what is not yet understood.
    pub(crate) fn release(&mut self) {
        self.bytes = BytesMut::from(&self.bytes[..]);
        self.room = BytesMut::new();
        self.size = SMALLEST;
        self.small_reads = 0;
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
        buffer.read(&mut Counting { next: 0, at_most }).unwrap()
    }

    #[test]
    fn it_grows_under_load_and_shrinks_again() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..20 {
            read(&mut buffer, usize::MAX);
            buffer.clear();
        }
        assert_eq!(buffer.size, LARGEST);
        for _ in 0..SMALL_READS * (LARGEST / SMALLEST).ilog2() {
            read(&mut buffer, 10);
            buffer.clear();
        }
        assert_eq!(buffer.size, SMALLEST);
        read(&mut buffer, 10);
        buffer.release();
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
                buffer.read(&mut reader).unwrap();
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
    fn a_failing_read_changes_nothing() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let mut buffer = ReadBuffer::new();
        read(&mut buffer, 10);
        assert_eq!(buffer.read(&mut Failing).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(&buffer.bytes[..], (0..10).collect::<Vec<u8>>());
    }
}
