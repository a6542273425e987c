//! Messages of QoS 0 that wait for the transport and for nothing else: encoded already, for the present connection. They
//! cost what is sent at once costs, where a record for each is copied, checked and encoded later. Whatever wants to
//! know more of one than its place has all of them become records.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::event::Token;
use crate::packet::{self, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender};

/// A block that is this long gets no more messages.
const BLOCK: usize = 64 << 10;
/// So many empty blocks are kept for the next messages until the client is idle, of at most this capacity.
const SPARE: (usize, usize) = (16, 2 * BLOCK);

/// A run that is this long gets no more messages: what is known of one is known of all its messages.
const RUN: usize = 4 << 10;

/// Encoded messages one behind the other, whose tokens follow one another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) first: Token,
    pub(crate) count: u64,
    pub(crate) bytes: usize,
}

impl Run {
    pub(crate) fn new(first: Token, bytes: usize) -> Self {
        Self { first, count: 1, bytes }
    }

    /// Whether the message that is encoded next belongs to it.
    #[inline]
    pub(crate) fn takes(&self, token: Token) -> bool {
        self.end() == token && self.bytes < RUN
    }

    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// The token behind its last one.
    pub(crate) fn end(&self) -> Token {
        Token(self.first.0 + self.count)
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        self.first <= token && token < self.end()
    }
}

/// See the module. In the order of the calls.
#[derive(Debug)]
pub(crate) struct Ahead {
    version: ProtocolVersion,
    blocks: VecDeque<Vec<u8>>,
    /// How much of the first block was taken.
    taken: usize,
    runs: VecDeque<Run>,
    messages: usize,
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl Ahead {
    /// For packets of this version.
    pub(crate) fn new(version: ProtocolVersion) -> Self {
        Self {
            version,
            blocks: VecDeque::new(),
            taken: 0,
            runs: VecDeque::new(),
            messages: 0,
            bytes: 0,
            spare: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<Token> {
        self.runs.front().map(|run| run.first)
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        let at = self.runs.partition_point(|run| run.end() <= token);
        self.runs.get(at).is_some_and(|run| run.contains(token))
    }

    /// Where the next message is encoded to.
    #[inline]
    pub(crate) fn block(&mut self) -> &mut Vec<u8> {
        if self.blocks.back().is_none_or(|block| block.len() >= BLOCK) {
            self.blocks.push_back(self.spare.pop().unwrap_or_default());
        }
        let last = self.blocks.len() - 1;
        &mut self.blocks[last]
    }

    /// A message was encoded, from `start` of the block on. Its token is beyond all others.
    #[inline]
    pub(crate) fn push(&mut self, token: Token, start: usize) {
        let bytes = self.blocks.back().map_or(0, Vec::len) - start;
        self.messages += 1;
        self.bytes += bytes;
        match self.runs.back_mut() {
            Some(run) if start > 0 && run.takes(token) => run.add(bytes),
            _ => self.runs.push_back(Run::new(token, bytes)),
        }
    }

    /// Moves the oldest run behind what is in `out`.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) -> Option<Run> {
        let run = self.runs.pop_front()?;
        let block = self.blocks.front_mut()?;
        let end = self.taken + run.bytes;
        out.extend_from_slice(&block[self.taken..end]);
        self.taken = end;
        self.messages -= run.count as usize;
        self.bytes -= run.bytes;
        if end == block.len() {
            block.clear();
            self.taken = 0;
            let block = self.blocks.pop_front().unwrap_or_default();
            if self.spare.len() < SPARE.0 && block.capacity() <= SPARE.1 {
                self.spare.push(block);
            }
        }
        Some(run)
    }

    /// All of them, as the packets that were called for.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Token, packet::Publish<'_>)> {
        let tokens = self.runs.iter().flat_map(|run| (run.first.0..run.end().0).map(Token));
        let taken = core::iter::once(self.taken).chain(core::iter::repeat(0));
        let packets = self.blocks.iter().zip(taken).flat_map(move |(block, taken)| {
            let mut rest = &block[taken..];
            core::iter::from_fn(move || {
                let (packet, after) = first_publish(rest, self.version)?;
                rest = after;
                Some(packet)
            })
        });
        tokens.zip(packets)
    }
}

/// The first packet of what was encoded here, and what is behind it.
fn first_publish(bytes: &[u8], version: ProtocolVersion) -> Option<(packet::Publish<'_>, &[u8])> {
    let header = FixedHeader::parse(bytes, version, PROTOCOL_MAXIMUM_PACKET_SIZE).ok()??;
    let (packet, rest) = bytes.split_at_checked(header.packet_size())?;
    let body = &packet[usize::from(header.header_length)..];
    match Packet::decode(header, body, version, Sender::Client) {
        Ok(Packet::Publish(publish)) => Some((publish, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Properties, QoS};
    use std::format;
    use std::string::{String, ToString};

    const VERSION: ProtocolVersion = ProtocolVersion::V5;

    fn push(ahead: &mut Ahead, token: u64, payload: &[u8]) {
        let topic = format!("t/{token}");
        let packet = packet::Publish {
            duplicate: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: &topic,
            packet_id: 0,
            properties: Properties::EMPTY,
            payload,
        };
        let block = ahead.block();
        let start = block.len();
        packet.encode(VERSION, PROTOCOL_MAXIMUM_PACKET_SIZE, block).unwrap();
        ahead.push(Token(token), start);
    }

    fn topics(ahead: &Ahead) -> Vec<(u64, String)> {
        ahead.messages().map(|(token, packet)| (token.0, packet.topic.to_string())).collect()
    }

    fn expected(tokens: impl IntoIterator<Item = u64>) -> Vec<(u64, String)> {
        tokens.into_iter().map(|token| (token, format!("t/{token}"))).collect()
    }

    #[test]
    fn runs_end_where_tokens_or_blocks_do() {
        let mut ahead = Ahead::new(VERSION);
        let payload = [7; 1_000];
        let tokens: Vec<_> = (1..=3).chain(5..=200).collect();
        for token in &tokens {
            push(&mut ahead, *token, &payload);
        }
        assert_eq!(ahead.len(), 199);
        assert_eq!(topics(&ahead), expected(tokens));
        assert!(ahead.contains(Token(3)) && !ahead.contains(Token(4)) && ahead.contains(Token(200)));
        assert!(!ahead.contains(Token(0)) && !ahead.contains(Token(201)));
        let mut out = Vec::new();
        let first = ahead.take(&mut out).unwrap();
        assert_eq!((first.first, first.count, first.bytes), (Token(1), 3, out.len()));
        assert_eq!(topics(&ahead), expected(5..=200));
        let second = ahead.take(&mut out).unwrap();
        assert!(second.first == Token(5) && second.bytes >= RUN && second.count == 5, "{second:?}");
        assert_eq!(topics(&ahead), expected(second.end().0..=200));
        while ahead.take(&mut out).is_some() {}
        assert_eq!((ahead.len(), ahead.bytes(), ahead.front()), (0, 0, None));
        let mut sent = Vec::new();
        let mut rest = &out[..];
        while let Some((packet, after)) = first_publish(rest, VERSION) {
            assert_eq!(packet.payload, payload);
            sent.push(packet.topic.to_string());
            rest = after;
        }
        assert_eq!(sent.len(), 199);
    }

    #[test]
    fn blocks_are_used_again_and_large_ones_are_not_kept() {
        let mut ahead = Ahead::new(VERSION);
        for token in 0..10_000 {
            push(&mut ahead, token, &[1; 100]);
            if token % 700 == 0 {
                while ahead.take(&mut Vec::new()).is_some() {}
            }
        }
        assert!(ahead.spare.len() + ahead.blocks.len() <= 3, "{} blocks", ahead.spare.len());
        while ahead.take(&mut Vec::new()).is_some() {}
        let spare = ahead.spare.len();
        push(&mut ahead, 10_000, &[1; 4 * BLOCK]);
        ahead.take(&mut Vec::new()).unwrap();
        assert!(ahead.spare.len() <= spare, "the large block is not kept");
        assert!(ahead.blocks.is_empty());
    }
}
