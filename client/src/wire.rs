//! What is read from the socket of a connection with a pipe.

use std::io::{self, Read};

use crate::buffer::ReadSize;

/// Two TLS records. What they say fits into one block of the read buffer with what TLS held of the record before.
const LARGEST: usize = 32 << 10;
/// What comes first is read to the stack: a client that waits for it has no memory for that.
const FIRST: usize = 128;

/// Memory for bytes that a pipe takes at once. Nobody keeps a part of it, so it is initialised once and read into again and
/// again.
#[derive(Debug)]
pub(crate) struct WireBuffer {
    bytes: Vec<u8>,
    size: ReadSize,
}

impl WireBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), size: ReadSize::up_to(LARGEST) }
    }

    /// Reads once, and has `take` take what came; how many bytes that was.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn read(&mut self, reader: &mut impl Read, take: impl FnOnce(&[u8])) -> io::Result<usize> {
        if self.bytes.is_empty() {
            let mut first = [0; FIRST];
            let count = reader.read(&mut first)?.min(FIRST);
            take(&first[..count]);
            if count > 0 {
                self.bytes.resize(self.size.get(), 0);
            }
            return Ok(count);
        }
        let offered = self.bytes.len();
        let count = reader.read(&mut self.bytes)?.min(offered);
        take(&self.bytes[..count]);
        if self.size.adapt(count, offered) {
            self.bytes.resize(self.size.get(), 0);
            self.bytes.shrink_to_fit();
        }
        Ok(count)
    }

    /// How much one read may take.
    pub(crate) fn size(&self) -> usize {
        self.size.get()
    }

    /// Nothing came for a while.
    pub(crate) fn release(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_under_load_shrinks_again_and_is_given_back() {
        let mut wire = WireBuffer::new();
        let endless = &mut io::repeat(7);
        for _ in 0..20 {
            let mut came = 0;
            let count = wire.read(endless, |bytes| came = bytes.len()).unwrap();
            assert!(came == count && count > 0);
        }
        assert_eq!((wire.bytes.len(), wire.size()), (LARGEST, LARGEST));
        for _ in 0..200 {
            wire.read(&mut &b"little"[..], |bytes| assert_eq!(bytes, b"little")).unwrap();
        }
        assert!(wire.bytes.capacity() <= 1_024, "{}", wire.bytes.capacity());
        wire.release();
        assert_eq!(wire.bytes.capacity(), 0);
    }

    #[test]
    fn the_first_bytes_need_no_memory_until_they_come() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let mut wire = WireBuffer::new();
        wire.read(&mut Silent, |_| panic!("nothing came")).unwrap_err();
        assert_eq!(wire.bytes.capacity(), 0);
        let hello = [1; FIRST];
        assert_eq!(wire.read(&mut &hello[..], |bytes| assert_eq!(bytes, hello)).unwrap(), FIRST);
    }
}
