//! The streams of messages, and acknowledging.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use sterna_core::packet::ReasonCode;
use sterna_core::{AckError, Backlog, Message, MessageId};

use super::Inner;
use crate::inbox::{AckMode, Reroute};
use crate::router::StreamId;
use crate::stream::OnFull;

impl Inner {
    /// One owner of the message is done with it; the last one's word acknowledges it.
    ///
    /// # Errors
    /// Nothing is owed any more, or the reason code cannot be sent.
    pub(crate) fn settle(
        &mut self,
        id: MessageId,
        owner: StreamId,
        reason: ReasonCode,
    ) -> Result<(), AckError> {
        // Before one owner's word is taken down.
        self.connection.check_acknowledgement(reason)?;
        let Some(reason) = self.inbox.settle(id, owner, reason)? else { return Ok(()) };
        // Another owner may have said more to a server of 5.0: an older one can only be told that it was taken.
        let lawful = self.connection.check_acknowledgement(reason).is_ok();
        self.acknowledge(id, if lawful { reason } else { ReasonCode::SUCCESS })
    }

    /// Settles what `owner` is done with: an acknowledgement that is not owed any more is none that is missing.
    pub(crate) fn settle_all(&mut self, owner: StreamId, ids: impl IntoIterator<Item = MessageId>) {
        let mut any = false;
        for id in ids {
            any = true;
            let _ = if self.inbox.is_shared(id) {
                self.settle(id, owner, ReasonCode::SUCCESS)
            } else {
                self.connection.acknowledge(self.now, id, ReasonCode::SUCCESS)
            };
        }
        if any {
            self.touch();
        }
    }

    /// Acknowledges what no stream has to.
    pub(crate) fn acknowledge_all(&mut self, ids: impl IntoIterator<Item = MessageId>) {
        for id in ids {
            let _ = self.acknowledge(id, ReasonCode::SUCCESS);
        }
    }

    fn acknowledge(&mut self, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
        let result = self.connection.acknowledge(self.now, id, reason);
        self.touch();
        result
    }

    /// What waits for the application, and whether somebody waits for messages.
    pub(crate) fn backlog(&self) -> Backlog {
        let mut backlog = self.inbox.backlog();
        // Room comes with answers.
        backlog.starving |= self.requests.is_waiting() || !self.room.is_empty();
        backlog
    }

    /// Messages were taken: a driver that holds reading back has to look.
    pub(crate) fn taken(&mut self) {
        if self.paused {
            self.touch();
        }
    }

    /// A filter's streams, held messages and late messages are done with; then it is unsubscribed.
    pub(crate) fn forget_filter(&mut self, filter: &str) {
        let acknowledged = self.inbox.unsubscribed(filter, &mut self.wakers);
        self.acknowledge_all(acknowledged);
        self.taken();
    }

    /// A new stream of messages. See [`Inbox::open`].
    pub(crate) fn open_stream(
        &mut self,
        filters: Vec<(Box<str>, u32)>,
        mode: AckMode,
        on_full: OnFull,
    ) -> StreamId {
        let (stream, acknowledged) = self.inbox.open(filters, mode, on_full);
        self.acknowledge_all(acknowledged);
        stream
    }

    /// Until nothing more can be read before somebody takes the messages of `stream`, a subscribe that is not answered.
    pub(crate) fn poll_stuck(&mut self, stream: StreamId, waker: &Waker) -> Poll<()> {
        if self.connection.is_held_back() && self.inbox.has_messages(stream) {
            return Poll::Ready(());
        }
        self.inbox.register_subscriber(stream, Some(waker));
        Poll::Pending
    }

    /// Ends a stream. Its messages that were not handed over go to others, or are done with. See
    /// [`Inbox::close`].
    pub(crate) fn close_stream(&mut self, stream: StreamId, batch: &mut VecDeque<Message>, reroute: bool) {
        self.subscribing.retain(|_, subscribing| subscribing.stream != stream);
        let reroute = reroute.then(|| Reroute { hold: self.holds_unclaimed() });
        let acknowledged = self.inbox.close(stream, batch, reroute, &mut self.wakers);
        self.settle_all(stream, acknowledged);
        self.taken();
    }

    /// The connection has taken back the subscribe to `filter` that was `stream`'s, unless it was granted before: what came
    /// for it, and still comes, is for nobody.
    pub(super) fn withdrawn(&mut self, stream: StreamId, filter: &str) {
        let unwanted = self.inbox.leave_filter(stream, filter, &mut self.wakers);
        if unwanted && !self.connection.wants(filter) {
            self.forget_filter(filter);
        }
    }

    /// Takes every filter from `stream`; those that no other stream wants, which are to be unsubscribed.
    pub(crate) fn release_filters(&mut self, stream: StreamId) -> Vec<Box<str>> {
        let mut unwanted = self.inbox.filters(stream).to_vec();
        unwanted.retain(|filter| self.inbox.leave_filter(stream, filter, &mut self.wakers));
        for filter in &unwanted {
            self.forget_filter(filter);
        }
        unwanted
    }
}
