//! How the application subscribes, reads and unsubscribes.

use std::task::{Poll, Waker};

use sterna_client::{AckMode, Property, QoS, SubscribeError};

use super::super::choices::{Wishes, properties};
use super::super::plan::{Acking, Reading};
use super::super::stream::{Flag, Habits, Source, Stream};
use super::{Application, Operation, Surroundings};

impl Application {
    pub(in super::super) fn subscribe(
        &mut self,
        qos: QoS,
        mut habits: Habits,
        wishes: Wishes,
        sent: bool,
        drop_after: Option<u64>,
        around: &mut Surroundings<'_>,
    ) {
        let Some(filter) = habits.filter else { return };
        let wishes = wishes.lawful(filter, around.setup.is_v5());
        let mode = habits.mode;
        if wishes.is_bounded() {
            // What may be dropped is never owed.
            habits.mode = AckMode::OnReceipt;
            around.promises.drops(around.client);
        }
        if habits.mode == AckMode::OnReceipt {
            around.promises.loosen(around.client);
        }
        around.promises.asks(around.client, filter, wishes.options(qos), wishes.identifier);
        let mut subscribing = self.client.subscribe(filter).qos(qos).ack(mode).on_full(wishes.on_full);
        subscribing = subscribing.no_local(wishes.no_local).retain_handling(wishes.retain_handling);
        subscribing = subscribing.retain_as_published(wishes.retain_as_published);
        if let Some(identifier) = wishes.identifier {
            subscribing = subscribing.properties(properties(&[Property::SubscriptionIdentifier(identifier)]));
        }
        if sent {
            if let Ok(subscription) = subscribing.send() {
                self.open(Source::Subscription(subscription), habits, false);
            }
            return;
        }
        self.start(Operation::Subscribe(subscribing, habits), None, drop_after, around.now);
        self.poll_task(self.tasks.len() - 1, around);
    }

    pub(super) fn open(&mut self, source: Source, mut habits: Habits, may_end: bool) {
        if self.hurries {
            (habits.reading, habits.acking) = (Reading::Eager, Acking::AtOnce);
        }
        let flag = Flag::raised();
        let waker = Waker::from(flag.clone());
        let key = self.next_key;
        self.next_key += 1;
        self.streams.push(Stream {
            key,
            source,
            flag,
            waker,
            habits,
            next_read: 0,
            last: None,
            owed: Vec::new(),
            acknowledged: 0,
            asked: Vec::new(),
            is_granted: false,
            may_end: may_end || self.is_ending,
        });
    }

    pub(in super::super) fn take_unclaimed(&mut self, mode: AckMode, around: &mut Surroundings<'_>) {
        if mode == AckMode::OnReceipt {
            around.promises.loosen(around.client);
        }
        let habits = Habits { filter: None, mode, reading: Reading::Eager, acking: Acking::AtOnce };
        self.open(Source::Unclaimed(self.client.messages()), habits, false);
    }

    pub(in super::super) fn unsubscribe(
        &mut self,
        filter: &'static str,
        drop_after: Option<u64>,
        around: &mut Surroundings<'_>,
    ) {
        around.promises.reroute(around.client);
        self.forget(filter);
        let unsubscribing = self.client.unsubscribe(filter);
        self.start(Operation::Unsubscribe(unsubscribing), None, drop_after, around.now);
        self.poll_task(self.tasks.len() - 1, around);
    }

    /// Streams that have this filter may end from now on.
    pub(super) fn forget(&mut self, filter: &'static str) {
        for stream in self.streams.iter_mut().filter(|stream| stream.habits.filter == Some(filter)) {
            stream.may_end = true;
        }
        for task in &mut self.tasks {
            task.may_end |=
                matches!(&task.operation, Operation::Subscribe(_, habits) if habits.filter == Some(filter));
        }
    }

    /// Lets go of the oldest stream.
    pub(in super::super) fn end_stream(&mut self, unsubscribe: bool, around: &mut Surroundings<'_>) {
        if self.streams.is_empty() {
            return;
        }
        around.promises.reroute(around.client);
        let mut stream = self.streams.remove(0);
        self.orphans.append(&mut stream.owed);
        if let (Source::Subscription(subscription), Some(filter), true) =
            (stream.source, stream.habits.filter, unsubscribe)
        {
            self.forget(filter);
            self.start(Operation::Unsubscribe(subscription.unsubscribe()), None, None, around.now);
        }
    }

    pub(in super::super) fn set_reading(&mut self, reading: Reading, now: u64) {
        for stream in &mut self.streams {
            stream.habits.reading = reading;
            stream.next_read = now;
            stream.flag.raise();
        }
    }

    pub(in super::super) fn set_acking(&mut self, acking: Acking) {
        for stream in &mut self.streams {
            stream.habits.acking = acking;
        }
    }

    /// Whether anything moved, and whether the stream has ended.
    pub(super) fn run_stream(&mut self, index: usize, around: &mut Surroundings<'_>) -> (bool, bool) {
        let stream = &mut self.streams[index];
        let mut any = stream.acknowledge_due(around);
        if stream.look_for_grant() {
            // Its filter is gone, and what comes for it is nobody's.
            around.promises.loosen(around.client);
        }
        loop {
            let stream = &mut self.streams[index];
            match stream.habits.reading {
                Reading::Eager if stream.flag.is_raised() => {}
                Reading::Every(_) if stream.flag.is_raised() && stream.next_read <= around.now => {}
                _ => return (any, false),
            }
            any = true;
            let read = stream.read(around);
            for request in std::mem::take(&mut stream.asked) {
                self.respond(&request, around);
            }
            let stream = &mut self.streams[index];
            match read {
                Poll::Ready(true) | Poll::Pending => {}
                Poll::Ready(false) => {
                    let filter = stream.habits.filter;
                    let is_explained = self.has_closed
                        || around.store_failed
                        || around.promises.has_closed(around.client)
                        || around.may_refuse
                        || stream.may_end
                        || around.promises.was_paused(around.client);
                    around.findings.require(is_explained, "a stream ended without reason", || {
                        format!("c{}: {filter:?}", around.client)
                    });
                    return (true, true);
                }
            }
            if let Reading::Every(pause) = stream.habits.reading {
                stream.next_read = around.now + pause;
            }
        }
    }
}

pub(super) fn check_subscribe_error(error: &SubscribeError, has_closed: bool, around: &mut Surroundings<'_>) {
    use sterna_client::OperationError;
    let is_stalled = matches!(error, SubscribeError::Failed(OperationError::Stalled));
    let is_explained = has_closed
        || around.may_refuse
        || is_stalled && around.promises.was_paused(around.client)
        || matches!(error, SubscribeError::Failed(OperationError::Closed))
        || matches!(error, SubscribeError::Rejected(_));
    around.findings.require(is_explained, "a subscribe failed without reason", || {
        format!("c{}: {error}", around.client)
    });
}
