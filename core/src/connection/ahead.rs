//! Messages of QoS 0 that wait for the transport and for nothing else: encoded already, for the present connection. They
//! cost what is sent at once costs, where a record for each is copied, checked and encoded later. Whatever wants to
//! know more of one than its place has all of them become records.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::event::Token;
use crate::packet::{self, FixedHeader, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, ProtocolVersion, Sender};

/// A block that is this long gets no more messages: as much as is handed to the transport at a time by default.
const BLOCK: usize = 256 << 10;
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
    const EMPTY: Self = Self { first: Token(0), count: 0, bytes: 0 };

    /// Whether the message that is encoded next belongs to it.
    #[inline]
    fn takes(&self, token: Token) -> bool {
        self.end() == token && self.bytes < RUN
    }

    #[inline]
    fn add(&mut self, bytes: usize) {
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
    /// Those that get no more messages, and the one that does.
    blocks: VecDeque<Vec<u8>>,
    last: Vec<u8>,
    /// How much of the first block was taken.
    taken: usize,
    /// The same of the runs; the last one may be empty.
    runs: VecDeque<Run>,
    last_run: Run,
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
            last: Vec::new(),
            taken: 0,
            runs: VecDeque::new(),
            last_run: Run::EMPTY,
            messages: 0,
            bytes: 0,
            spare: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages == 0
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().chain((self.last_run.count > 0).then_some(&self.last_run))
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<Token> {
        self.runs().next().map(|run| run.first)
    }

    pub(crate) fn contains(&self, token: Token) -> bool {
        let at = self.runs.partition_point(|run| run.end() <= token);
        self.runs.get(at).unwrap_or(&self.last_run).contains(token)
    }

    /// Where the next message is encoded to.
    #[inline]
    pub(crate) fn block(&mut self) -> &mut Vec<u8> {
        if self.last.len() >= BLOCK {
            self.add_block();
        }
        &mut self.last
    }

    /// The first block grows with what waits; whoever fills it is likely to fill more.
    #[cold]
    fn add_block(&mut self) {
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK + RUN));
        self.blocks.push_back(core::mem::replace(&mut self.last, next));
    }

    /// A message was encoded, from `start` of the block on. Its token is beyond all others.
    #[inline]
    pub(crate) fn push(&mut self, token: Token, start: usize) {
        let bytes = self.last.len() - start;
        self.messages += 1;
        self.bytes += bytes;
        if start == 0 || !self.last_run.takes(token) {
            self.close_run();
            self.last_run.first = token;
        }
        self.last_run.add(bytes);
    }

    #[cold]
    fn close_run(&mut self) {
        let run = core::mem::replace(&mut self.last_run, Run::EMPTY);
        if run.count > 0 {
            self.runs.push_back(run);
        }
    }

    /// Moves the oldest ones behind what is in `out`: a run, or a whole block, without a copy, where `out` is empty, all
    /// of the block came before `next`, and no run of it would begin behind `most` bytes. Tells `taken` of each run.
    pub(crate) fn take(
        &mut self,
        out: &mut Vec<u8>,
        next: Option<Token>,
        most: usize,
        mut taken: impl FnMut(Run),
    ) {
        self.close_run();
        let runs = if out.is_empty() && self.taken == 0 { self.runs_of_first(next, most) } else { None };
        let block = self.blocks.front_mut().unwrap_or(&mut self.last);
        if let Some(runs) = runs {
            core::mem::swap(out, block);
            self.messages -= self.runs.range(..runs).map(|run| run.count as usize).sum::<usize>();
            self.bytes -= out.len();
            self.runs.drain(..runs).for_each(taken);
            return self.recycle_first();
        }
        let Some(run) = self.runs.pop_front() else { return };
        let end = self.taken + run.bytes;
        out.extend_from_slice(&block[self.taken..end]);
        self.taken = end;
        self.messages -= run.count as usize;
        self.bytes -= run.bytes;
        if end == block.len() {
            block.clear();
            self.recycle_first();
        }
        taken(run);
    }

    /// For planted faults only: what was taken of the first block is there again.
    pub(crate) fn rewind(&mut self) {
        self.taken = 0;
    }

    /// How many runs the first block has, if all of them came before `next`, and the last one begins within `most` bytes.
    fn runs_of_first(&self, next: Option<Token>, most: usize) -> Option<usize> {
        let length = self.blocks.front().unwrap_or(&self.last).len();
        let mut bytes = 0;
        let last = self.runs.iter().position(|run| {
            bytes += run.bytes;
            bytes == length
        })?;
        let comes_before = next.is_none_or(|next| self.runs[last].end() <= next);
        (comes_before && length - self.runs[last].bytes < most).then_some(last + 1)
    }

    /// The first block is empty: the next messages may have it.
    fn recycle_first(&mut self) {
        self.taken = 0;
        let Some(block) = self.blocks.pop_front() else {
            if self.last.capacity() > SPARE.1 {
                self.last = Vec::new();
            }
            return;
        };
        if self.spare.len() < SPARE.0 && block.capacity() <= SPARE.1 {
            self.spare.push(block);
        }
    }

    /// All of them, as the packets that were called for.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (Token, packet::Publish<'_>)> {
        let tokens = self.runs().flat_map(|run| (run.first.0..run.end().0).map(Token));
        let taken = core::iter::once(self.taken).chain(core::iter::repeat(0));
        let blocks = self.blocks.iter().chain(core::iter::once(&self.last));
        let packets = blocks.zip(taken).flat_map(move |(block, taken)| {
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

    fn take(ahead: &mut Ahead, out: &mut Vec<u8>, next: Option<Token>) -> Vec<Run> {
        let mut runs = Vec::new();
        ahead.take(out, next, 2 * BLOCK, |run| runs.push(run));
        runs
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
        let tokens: Vec<_> = (1..=3).chain(5..=600).collect();
        for token in &tokens {
            push(&mut ahead, *token, &payload);
        }
        assert_eq!(ahead.len(), 599);
        assert_eq!(topics(&ahead), expected(tokens));
        assert!(ahead.contains(Token(3)) && !ahead.contains(Token(4)) && ahead.contains(Token(600)));
        assert!(!ahead.contains(Token(0)) && !ahead.contains(Token(601)));
        let mut out = b"x".to_vec();
        let first = take(&mut ahead, &mut out, None);
        assert_eq!((first[0].first, first[0].count, first[0].bytes), (Token(1), 3, out.len() - 1));
        assert_eq!(topics(&ahead), expected(5..=600));
        let second = take(&mut ahead, &mut out, None);
        assert!(second[0].first == Token(5) && second[0].bytes >= RUN && second[0].count == 5);
        assert_eq!(topics(&ahead), expected(second[0].end().0..=600));
        while !take(&mut ahead, &mut out, None).is_empty() {}
        assert_eq!((ahead.len(), ahead.bytes(), ahead.front()), (0, 0, None));
        out.remove(0);
        let mut sent = Vec::new();
        let mut rest = &out[..];
        while let Some((packet, after)) = first_publish(rest, VERSION) {
            assert_eq!(packet.payload, payload);
            sent.push(packet.topic.to_string());
            rest = after;
        }
        assert_eq!(sent.len(), 599);
    }

    #[test]
    fn a_block_is_taken_as_a_whole_if_nothing_comes_between() {
        let mut ahead = Ahead::new(VERSION);
        for token in 1..=100 {
            push(&mut ahead, token, &[7; 1_000]);
        }
        let (bytes, mut out) = (ahead.bytes(), Vec::new());
        let runs = take(&mut ahead, &mut out, Some(Token(100)));
        assert_eq!(runs.len(), 1, "the last one came after the other");
        assert!(out.len() < 2 * RUN);
        push(&mut ahead, 101, &[7; 1_000]);
        out.clear();
        assert_eq!(take(&mut ahead, &mut out, None).len(), 1, "the block has begun");
        while !ahead.is_empty() {
            take(&mut ahead, &mut out, None);
        }
        for token in 201..=300 {
            push(&mut ahead, token, &[7; 1_000]);
        }
        out.clear();
        let runs = take(&mut ahead, &mut out, Some(Token(301)));
        assert!(out.len() >= bytes && runs.len() > 10);
        assert_eq!(runs.iter().map(|run| run.bytes).sum::<usize>(), out.len());
        assert_eq!(runs.iter().map(|run| run.count).sum::<u64>(), 100);
        assert_eq!((ahead.len(), ahead.bytes(), ahead.front()), (0, 0, None));
    }

    #[test]
    fn blocks_are_used_again_and_large_ones_are_not_kept() {
        let mut ahead = Ahead::new(VERSION);
        let mut out = Vec::new();
        let empty = |ahead: &mut Ahead, out: &mut Vec<u8>| {
            while !ahead.is_empty() {
                out.clear();
                take(ahead, out, None);
            }
        };
        for token in 0..20_000 {
            push(&mut ahead, token, &[1; 100]);
            if token % 3_000 == 0 {
                empty(&mut ahead, &mut out);
            }
        }
        assert!(ahead.spare.len() + ahead.blocks.len() <= 2, "{} blocks", ahead.spare.len());
        empty(&mut ahead, &mut out);
        out.push(0);
        push(&mut ahead, 20_000, &vec![1; 4 * BLOCK]);
        take(&mut ahead, &mut out, None);
        assert_eq!(ahead.last.capacity(), 0, "the large block is not kept");
        assert!(ahead.blocks.is_empty());
    }
}
