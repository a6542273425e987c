//! What the tests have in common.

pub mod certificates;
pub mod server;

use std::io;

use bytes::{Buf, BytesMut};
use sterna_transport::{Endpoint, Pipe, Subprotocol, TransportError, TransportOptions};

pub use certificates::Authority;
pub use server::Server;

/// How bytes are cut on their way.
#[derive(Debug, Clone, Copy)]
pub enum Split {
    /// As they come.
    Whole,
    /// One at a time.
    Single,
    /// Between 1 and 5,000 bytes, as a seed draws it.
    Random(u64),
}

impl Split {
    pub const ALL: [Self; 4] = [Self::Whole, Self::Single, Self::Random(1), Self::Random(0x5EED)];

    fn next(&mut self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Single => 1,
            Self::Random(state) => 1 + (draw(state) % 5_000) as usize,
        }
    }

    /// The parts of these bytes.
    pub fn cut<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut parts = Vec::new();
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(self.next()));
            parts.push(part);
            bytes = rest;
        }
        parts
    }
}

/// xorshift64.
pub fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// `length` bytes that are not all alike.
pub fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_4F6C_DD1D;
    (0..length).map(|_| draw(&mut state) as u8).collect()
}

/// A socket that takes some bytes a call, and blocks before each.
#[derive(Debug)]
pub struct Narrow {
    pub taken: Vec<u8>,
    at_once: usize,
    blocks: bool,
}

impl Narrow {
    pub fn new(at_once: usize) -> Self {
        Self { taken: Vec::new(), at_once, blocks: false }
    }
}

impl io::Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.blocks = !self.blocks;
        if self.blocks {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = bytes.len().min(self.at_once);
        self.taken.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe for a URL, which has one.
pub fn pipe(url: &str, options: &TransportOptions) -> Pipe {
    try_pipe(url, options).expect(url).expect("it has layers")
}

pub fn try_pipe(url: &str, options: &TransportOptions) -> Result<Option<Pipe>, TransportError> {
    Pipe::new(&Endpoint::parse(url).expect(url), options, Subprotocol::Mqtt, None)
}

/// What a pipe writes when it has this to send.
pub fn sent(pipe: &mut Pipe, mut plain: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let length = plain.len();
    let taken = pipe.send(&mut plain, &mut wire).expect("memory takes all");
    assert_eq!(taken, length - plain.len(), "what is taken is what is missing");
    assert!(!pipe.wants_send(), "memory never blocks");
    wire
}

/// Gives a pipe these bytes.
pub fn give(pipe: &mut Pipe, bytes: &[u8], plain: &mut BytesMut) -> Result<(), TransportError> {
    pipe.receive(bytes, |piece| plain.extend_from_slice(piece))
}

/// A client's pipe and its server, and what each has got.
pub struct Pair {
    pub pipe: Pipe,
    pub server: Server,
    pub split: Split,
    pub plain: BytesMut,
}

impl Pair {
    pub fn new(url: &str, options: &TransportOptions, server: Server, split: Split) -> Self {
        Self { pipe: pipe(url, options), server, split, plain: BytesMut::new() }
    }

    /// Exchanges bytes until nobody has any. What is left in `plain` was not taken.
    pub fn exchange(&mut self, plain: &mut &[u8]) -> Result<(), TransportError> {
        loop {
            let mut wire = Vec::new();
            self.pipe.send(plain, &mut wire)?;
            for part in self.split.cut(&wire) {
                self.server.receive(part);
            }
            let answer = self.server.output();
            for part in self.split.cut(&answer) {
                give(&mut self.pipe, part, &mut self.plain)?;
            }
            if wire.is_empty() && answer.is_empty() {
                return Ok(());
            }
        }
    }

    /// Completes the hand-shakes.
    pub fn open(mut self) -> Self {
        self.exchange(&mut &[][..]).expect("the hand-shake succeeds");
        assert!(!self.pipe.is_handshaking());
        self
    }

    /// Sends `there` to the server and `back` from it.
    pub fn talk(&mut self, there: &[u8], back: &[u8]) {
        self.server.send(back);
        let mut rest = there;
        self.exchange(&mut rest).expect("nothing is wrong");
        assert!(rest.is_empty(), "all is sent");
        assert!(std::mem::take(&mut self.server.plain) == there, "the server has what was sent");
        assert!(self.plain[..] == *back, "the client has what was sent");
        self.plain.clear();
    }

    /// What the hand-shake fails with.
    pub fn failure(mut self) -> TransportError {
        self.exchange(&mut &[][..]).expect_err("the hand-shake fails")
    }
}

/// A buffer of many small pieces that cannot be seen at once.
pub struct Pieces(pub std::collections::VecDeque<Vec<u8>>);

impl Buf for Pieces {
    fn remaining(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |piece| piece)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(piece) = self.0.front_mut() {
            let length = piece.len().min(count);
            piece.drain(..length);
            count -= length;
            if !piece.is_empty() {
                return;
            }
            self.0.pop_front();
        }
        assert_eq!(count, 0);
    }
}
