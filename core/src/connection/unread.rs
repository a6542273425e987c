//! Messages that came and were not polled. Those of one input share one handle of its memory until they are polled: what
//! waits for each is only where its parts stand.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

use super::MESSAGE_OVERHEAD;
use crate::message::{Message, MessageId, Parts};

/// A message without its packet.
#[derive(Debug)]
struct Waiting {
    parts: Parts,
    /// How long its packet is, and how many bytes of other packets stand between the message before and it.
    size: u32,
    skip: usize,
}

/// What it counts against the bounds.
#[inline]
fn cost(parts: &Parts, size: usize) -> usize {
    size + parts.aliased.as_ref().map_or(0, |topic| topic.len()) + MESSAGE_OVERHEAD
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Unread {
    messages: VecDeque<Waiting>,
    /// The packets of the next ones, and those behind: each block ends with the last message that is in it.
    block: Bytes,
    blocks: VecDeque<Bytes>,
    bytes: usize,
}

impl Unread {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// What they count against the bounds.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A message is taken, of `size` bytes, which `skip` others stand before, as [`Taken`] says.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls and moves.
    #[inline(always)]
    pub(super) fn push(&mut self, parts: Parts, size: usize, skip: usize) {
        self.bytes += cost(&parts, size);
        self.messages.push_back(Waiting { parts, size: size as u32, skip });
    }

    /// What the next one is to be acknowledged by.
    pub(super) fn next_id(&self) -> Option<MessageId> {
        self.messages.front()?.parts.id()
    }

    // Its caller has the message in one piece then. Taken apart to registers it would be written in pieces, which a processor
    // cannot forward to loads of other sizes.
    #[inline(never)]
    pub(super) fn pop(&mut self) -> Option<Message> {
        let Waiting { parts, size, skip } = self.messages.pop_front()?;
        let size = size as usize;
        self.bytes -= cost(&parts, size);
        if skip > 0 {
            self.block.advance(skip);
        }
        let packet = if self.block.len() == size { self.next_block() } else { self.block.split_to(size) };
        Some(Message { packet, parts })
    }

    /// Gives the block up, for the next one to take its place.
    #[inline]
    fn next_block(&mut self) -> Bytes {
        let next = if self.blocks.is_empty() { None } else { self.blocks.pop_front() };
        core::mem::replace(&mut self.block, next.unwrap_or_default())
    }

    #[inline]
    fn push_block(&mut self, block: Bytes) {
        if self.block.is_empty() {
            self.block = block;
        } else {
            self.blocks.push_back(block);
        }
    }

    /// Gives memory back that is not needed now, its own included.
    pub(super) fn trim(unread: &mut Option<Box<Self>>) {
        match unread {
            Some(some) if some.len() > 0 => {
                some.messages.shrink_to_fit();
                some.blocks.shrink_to_fit();
            }
            _ => *unread = None,
        }
    }
}

/// How far one input was taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// So many bytes are done with.
    pub(super) bytes: usize,
    /// Of these, up to the end of the last message that is to share them.
    shared: usize,
}

impl Taken {
    /// The next `size` bytes are a message's. How many of other packets stand between the message before and it.
    #[inline]
    pub(super) fn share(&mut self, size: usize) -> usize {
        let skip = self.bytes - self.shared;
        self.bytes += size;
        self.shared = self.bytes;
        skip
    }

    /// The same, and the message does not keep the input's memory alive.
    #[cold]
    pub(super) fn copy(
        &mut self,
        size: usize,
        input: &mut BytesMut,
        unread: &mut Option<Box<Unread>>,
    ) -> usize {
        // In order behind those that share it.
        self.finish(input, unread);
        unread.get_or_insert_default().push_block(Bytes::copy_from_slice(&input[..size]));
        self.bytes += size;
        0
    }

    /// Leaves what was not taken in `input`.
    pub(super) fn finish(&mut self, input: &mut BytesMut, unread: &mut Option<Box<Unread>>) {
        let Self { bytes, shared } = core::mem::take(self);
        if shared > 0
            && let Some(unread) = unread
        {
            unread.push_block(input.split_to(shared).freeze());
        }
        if bytes > shared {
            input.advance(bytes - shared);
        }
    }
}
