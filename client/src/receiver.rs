//! The application's half of a stream of messages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sterna_core::MessageId;

use crate::inbox::AckMode;
use crate::message::{Message, Origin};
use crate::router::StreamId;
use crate::shared::Handle;
use crate::stream::OnFull;

/// How many acknowledgements may wait for the lock while the driver is busy anyway.
const ACK_BATCH: usize = 32;
/// An empty batch of more places goes back to the stream: the application may not ask again for long.
const KEPT: usize = 32;

/// Takes everything queued for its stream at once and hands it over one by one.
#[derive(Debug)]
pub(crate) struct Receiver {
    origin: Arc<Origin>,
    stream: StreamId,
    mode: AckMode,
    batch: VecDeque<sterna_core::Message>,
    /// Handed over last: acknowledged when the next one is asked for.
    last: Option<MessageId>,
    /// To be acknowledged when the lock is taken next.
    acks: Vec<MessageId>,
    /// Whether messages that were not handed over go to others at the end.
    reroute: bool,
}

impl Receiver {
    /// Without filters: what no subscription claims.
    pub(crate) fn open(
        handle: Arc<Handle>,
        filters: Vec<(Box<str>, u32)>,
        mode: AckMode,
        on_full: OnFull,
    ) -> Self {
        // What may be dropped cannot be owed.
        let mode = if on_full == OnFull::Wait { mode } else { AckMode::OnReceipt };
        let stream = handle.with(|inner| inner.open_stream(filters, mode, on_full));
        let owner = (mode == AckMode::Manual).then_some(stream);
        let origin = Arc::new(Origin { handle, owner });
        Self { origin, stream, mode, batch: VecDeque::new(), last: None, acks: Vec::new(), reroute: true }
    }

    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.origin.handle
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// How many messages the stream has dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.origin.handle.with(|inner| inner.inbox.dropped_by(self.stream))
    }

    /// Until nothing more is read, not even the answer to its subscribe, before its messages are taken.
    pub(crate) fn poll_stuck(&self, waker: &Waker) -> Poll<()> {
        self.origin.handle.with(|inner| inner.poll_stuck(self.stream, waker))
    }

    /// What is left goes to nobody.
    pub(crate) fn discard(&mut self) {
        self.reroute = false;
    }

    /// The next message. Asking is what acknowledges the one before, and that holds even if the caller goes away
    /// while this is pending: nothing is left to be done later.
    #[inline]
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.batch.is_empty() || self.last.is_some() || !self.acks.is_empty() {
            match self.prepare(cx) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(message) = pop(&mut self.batch) else { return Poll::Pending };
        if self.batch.is_empty() || !self.acks.is_empty() {
            self.put_back();
        }
        if self.mode == AckMode::OnNext {
            self.last = message.id();
        }
        let origin = self.origin.wanted_by(&message);
        Poll::Ready(Some(Message::new(message, origin)))
    }

    /// What is done with is to be acknowledged, and there is a batch; false at the end.
    fn prepare(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.acks.extend(self.last.take());
        if self.batch.is_empty() {
            return self.poll_batch(cx);
        }
        Poll::Ready(true)
    }

    /// Acknowledges what is due, and gives the memory of a large batch back.
    #[inline(never)]
    fn put_back(&mut self) {
        let Self { origin, stream, batch, acks, .. } = self;
        let ends = batch.is_empty();
        let is_large = ends && batch.capacity() > KEPT;
        // With the last one of a batch too: the application may not ask again for long, and what it is done with must
        // not keep the server's window closed for others.
        let is_due =
            acks.len() >= ACK_BATCH || (!acks.is_empty() && (ends || origin.handle.shared().seems_asleep()));
        if is_large || is_due {
            origin.handle.with(|inner| {
                inner.settle_all(*stream, acks.drain(..));
                if is_large {
                    inner.inbox.keep(*stream, batch);
                }
            });
        }
    }

    /// Whether there is a batch; false at the end.
    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Self { origin, stream, batch, acks, .. } = self;
        origin.handle.with(|inner| {
            inner.settle_all(*stream, acks.drain(..));
            if inner.inbox.take(*stream, batch) {
                inner.taken();
                return Poll::Ready(true);
            }
            if inner.closed().is_some() || inner.inbox.is_ended(*stream) {
                return Poll::Ready(false);
            }
            inner.waits_during_nap();
            if inner.inbox.register(*stream, cx.waker()) {
                // Reading goes on for those who wait.
                inner.taken();
            }
            Poll::Pending
        })
    }
}

/// Takes the first one, in one piece: within its caller it would be taken apart to registers and written in pieces, which a
/// processor cannot forward to loads of other sizes.
#[inline(never)]
fn pop(batch: &mut VecDeque<sterna_core::Message>) -> Option<sterna_core::Message> {
    batch.pop_front()
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let last = self.last.take();
        if !std::thread::panicking() {
            self.acks.extend(last);
        }
        self.origin.handle.with(|inner| {
            inner.settle_all(self.stream, self.acks.drain(..));
            inner.close_stream(self.stream, &mut self.batch, self.reroute);
        });
    }
}
