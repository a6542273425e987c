//! The read buffer: it grows with what comes and is given back when nothing does.

use bytes::BytesMut;

const SMALLEST: usize = 2 << 10;
const LARGEST: usize = 256 << 10;
/// So many reads in a row that need a quarter make it smaller.
const SMALL_READS: u32 = 16;

/// Bytes that were read and not yet understood, and room for the next read.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// How much one read may take.
    size: usize,
    /// What the last `prepare` offered.
    offered: usize,
    small_reads: u32,
}

impl ReadBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: BytesMut::new(), size: SMALLEST, offered: 0, small_reads: 0 }
    }

    /// Makes room for one read. What the server announces plays no part: memory follows bytes received.
    pub(crate) fn prepare(&mut self) -> &mut BytesMut {
        if self.bytes.capacity() - self.bytes.len() < self.size / 2 {
            self.bytes.reserve(self.size);
        }
        self.offered = self.bytes.capacity() - self.bytes.len();
        &mut self.bytes
    }

    /// One read took `count` bytes.
    pub(crate) fn filled(&mut self, count: usize) {
        if count >= self.offered {
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

    /// Nothing came for a while: keeps only what is not yet understood.
    pub(crate) fn release(&mut self) {
        self.bytes = BytesMut::from(&self.bytes[..]);
        self.size = SMALLEST;
        self.small_reads = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut ReadBuffer, at_most: usize) -> usize {
        let room = buffer.prepare();
        let count = at_most.min(room.capacity() - room.len());
        let length = room.len() + count;
        room.resize(length, 0);
        buffer.filled(count);
        count
    }

    #[test]
    fn it_grows_under_load_and_shrinks_again() {
        let mut buffer = ReadBuffer::new();
        for _ in 0..20 {
            read(&mut buffer, usize::MAX);
            buffer.bytes.clear();
        }
        assert_eq!(buffer.size, LARGEST);
        for _ in 0..SMALL_READS * 7 {
            read(&mut buffer, 10);
            buffer.bytes.clear();
        }
        assert_eq!(buffer.size, SMALLEST);
        read(&mut buffer, 10);
        buffer.release();
        assert_eq!(buffer.bytes.len(), 10);
        assert!(buffer.bytes.capacity() < 64);
    }
}
