//! The application of one client: its operations and streams, each polled only when its waker said so.

mod publishing;
mod requests;
mod subscribing;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sterna_client::{
    Client, Connecting, Delivery, Disconnecting, Enqueuing, Message, Publishing, Reauthenticating,
    Requesting, State, Subscribing, Unsubscribing,
};

use self::subscribing::check_subscribe_error;
use super::findings::Findings;
use super::plan::{Acking, Reading};
use super::promises::{Promises, Standing};
use super::setup::ClientSetup;
use super::stream::{Flag, Habits, NEVER, Source, Stream};
use super::unasked::Asking;

enum Operation {
    Publish(Publishing<'static>),
    Enqueue(Enqueuing<'static>),
    Deliver(Delivery),
    /// And how long it may take.
    Request(Box<Requesting<'static>>, u64),
    Subscribe(Subscribing, Habits),
    Unsubscribe(Unsubscribing),
    Connect(Connecting),
    Disconnect(Disconnecting),
    Authenticate(Reauthenticating),
}

struct Task {
    operation: Operation,
    flag: Arc<Flag>,
    waker: Waker,
    number: Option<u32>,
    /// When the application loses its patience.
    drop_at: Option<u64>,
    since: u64,
    /// It is cancelled rather than dropped.
    cancels: bool,
    asking: Asking,
    /// When the outcome of what the client has is asked for.
    ask_at: Option<u64>,
    /// It was on the disk.
    is_stored: bool,
    /// The stream that comes of it may end: its filter was unsubscribed.
    may_end: bool,
}

/// What all of it touches besides itself.
pub(super) struct Surroundings<'a> {
    pub(super) now: u64,
    pub(super) client: usize,
    pub(super) findings: &'a mut Findings,
    pub(super) promises: &'a mut Promises,
    /// A subscription may be refused in this run.
    pub(super) may_refuse: bool,
    pub(super) setup: &'a ClientSetup,
    /// The client knows that its store has failed.
    pub(super) store_failed: bool,
}

/// See the module. It ends with its process.
pub(super) struct Application {
    pub(super) client: Client,
    tasks: Vec<Task>,
    streams: Vec<Stream>,
    next_key: u64,
    /// The topics that aliases were given to by hand.
    aliases: BTreeMap<u16, &'static str>,
    /// Messages that the application still has of streams that it let go of.
    orphans: Vec<(u64, Message)>,
    /// The client closed, and every stream ends.
    has_closed: bool,
    /// The client was told to disconnect: what comes now may be refused.
    is_ending: bool,
    /// Nothing is put off any more.
    hurries: bool,
}

impl Application {
    pub(super) fn new(client: Client, life: u64) -> Self {
        Self {
            client,
            tasks: Vec::new(),
            streams: Vec::new(),
            next_key: life << 32,
            aliases: BTreeMap::new(),
            orphans: Vec::new(),
            has_closed: false,
            is_ending: false,
            hurries: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.tasks.is_empty() && self.orphans.is_empty() && self.streams.iter().all(Stream::is_idle)
    }

    /// How many streams there may be: each can have a copy of the message that reached the bound.
    pub(super) fn streams(&self) -> usize {
        self.tasks.len() + self.streams.len()
    }

    /// What is still waited for, for people.
    pub(super) fn waiting(&self) -> String {
        let tasks: Vec<_> =
            self.tasks.iter().map(|task| (task.operation.name(), task.number, task.since)).collect();
        let streams: Vec<_> = self
            .streams
            .iter()
            .map(|stream| (stream.key, stream.habits, stream.last, stream.owed.len()))
            .collect();
        format!("{tasks:?} {streams:?}")
    }

    /// When something is due by itself.
    pub(super) fn next(&self, now: u64) -> Option<u64> {
        let tasks = self.tasks.iter().flat_map(|task| task.drop_at.into_iter().chain(task.ask_at));
        let streams = self.streams.iter().flat_map(|stream| {
            let waits = matches!(stream.habits.reading, Reading::Every(_)) && stream.flag.is_raised();
            let reads = waits.then_some(stream.next_read);
            reads.into_iter().chain(stream.owed.iter().map(|(at, _)| *at).filter(|at| *at != NEVER))
        });
        let orphans = self.orphans.iter().map(|(at, _)| *at).filter(|at| *at != NEVER);
        tasks.chain(streams).chain(orphans).map(|at| at.max(now + 1)).min()
    }

    fn start(&mut self, operation: Operation, number: Option<u32>, drop_after: Option<u64>, now: u64) {
        let flag = Flag::raised();
        let waker = Waker::from(flag.clone());
        let drop_at = drop_after.map(|after| now + after);
        self.tasks.push(Task {
            operation,
            flag,
            waker,
            number,
            drop_at,
            since: now,
            is_stored: false,
            cancels: false,
            asking: Asking::AtOnce,
            ask_at: None,
            may_end: self.is_ending,
        });
    }

    pub(super) fn connect(&mut self, around: &mut Surroundings<'_>) {
        self.has_closed = false;
        self.is_ending = false;
        let connecting = self.client.connect();
        self.start(Operation::Connect(connecting), None, None, around.now);
        self.poll_task(self.tasks.len() - 1, around);
    }

    /// A re-authentication begins.
    pub(super) fn start_again(
        &mut self,
        again: Reauthenticating,
        drop_after: Option<u64>,
        around: &mut Surroundings<'_>,
    ) {
        self.start(Operation::Authenticate(again), None, drop_after, around.now);
        self.poll_task(self.tasks.len() - 1, around);
    }

    /// What an earlier process left in the store is awaited like everything else.
    pub(super) fn await_restored(&mut self, around: &mut Surroundings<'_>) {
        for pending in self.client.pending() {
            self.start(Operation::Deliver(pending.delivery), None, None, around.now);
        }
    }

    pub(super) fn disconnect(&mut self, at_once: bool, around: &mut Surroundings<'_>) {
        self.is_ending = true;
        self.streams.iter_mut().for_each(|stream| stream.may_end = true);
        self.tasks.iter_mut().for_each(|task| task.may_end = true);
        let disconnecting = self.client.disconnect();
        let disconnecting = if at_once { disconnecting.at_once() } else { disconnecting };
        self.start(Operation::Disconnect(disconnecting), None, None, around.now);
        self.poll_task(self.tasks.len() - 1, around);
    }

    /// The application does everything that it put off.
    pub(super) fn hurry(&mut self, now: u64) {
        self.hurries = true;
        self.set_reading(Reading::Eager, now);
        self.set_acking(Acking::AtOnce);
        for task in &mut self.tasks {
            task.drop_at = None;
            task.ask_at = task.ask_at.map(|_| now);
        }
        let owed = self.streams.iter_mut().flat_map(|stream| &mut stream.owed);
        for (at, _) in owed.chain(&mut self.orphans) {
            *at = now;
        }
    }

    /// The client has closed: the application lets go of its streams, and acknowledges what it has of them in its own time.
    pub(super) fn closed(&mut self, around: &mut Surroundings<'_>) {
        around.promises.closed(around.client);
        around.promises.reroute(around.client);
        self.has_closed = true;
        self.aliases.clear();
        for mut stream in self.streams.drain(..) {
            self.orphans.append(&mut stream.owed);
        }
    }

    /// Live subscriptions, whose filters the broker must have.
    pub(super) fn filters(&self) -> impl Iterator<Item = &'static str> {
        let live = self.streams.iter().filter(|stream| !stream.may_end);
        live.filter_map(|stream| stream.habits.filter)
    }

    /// How many messages its first subscription has dropped.
    pub(super) fn dropped(&self) -> Option<u64> {
        self.streams.iter().find_map(|stream| match &stream.source {
            Source::Subscription(subscription) => Some(subscription.dropped()),
            Source::Unclaimed(_) => None,
        })
    }

    /// Does what wakers and clocks ask for; whether there was anything.
    pub(super) fn run(&mut self, around: &mut Surroundings<'_>) -> bool {
        let mut any = false;
        let mut index = 0;
        while index < self.tasks.len() {
            let task = &mut self.tasks[index];
            if task.drop_at.is_some_and(|at| at <= around.now) {
                if let (Operation::Deliver(delivery), true) = (&task.operation, task.cancels) {
                    let state = self.client.state();
                    // It may be too late, or done.
                    if delivery.cancel().is_ok()
                        && let Some(number) = task.number
                    {
                        around.promises.cancelled(number, state);
                    }
                    task.drop_at = None;
                    task.flag.raise();
                    continue;
                }
                self.give_up(index, around);
                any = true;
                continue;
            }
            if task.ask_at.take_if(|at| *at <= around.now).is_some() {
                task.flag.raise();
            }
            if task.flag.is_raised() {
                any = true;
                if self.poll_task(index, around) {
                    continue;
                }
            }
            index += 1;
        }
        while let Some(index) = self.orphans.iter().position(|(at, _)| *at <= around.now) {
            let (_, message) = self.orphans.remove(index);
            let _ = message.ack();
            any = true;
        }
        self.has_closed |= self.client.state() == State::Closed;
        let mut index = 0;
        while index < self.streams.len() {
            let (moved, ended) = self.run_stream(index, around);
            any |= moved;
            if ended {
                let mut stream = self.streams.remove(index);
                self.orphans.append(&mut stream.owed);
            } else {
                index += 1;
            }
        }
        any
    }

    /// The oldest operation that the client must have ended by now, if all that it waited for was read after `since`,
    /// and it may wait no longer than `patience`.
    pub(super) fn hangs(&self, now: u64, since: u64, patience: u64) -> Option<&'static str> {
        let is_late = |task: &&Task| {
            matches!(task.operation, Operation::Subscribe(..) | Operation::Unsubscribe(_))
                && task.since.max(since) + patience < now
        };
        self.tasks.iter().find(is_late).map(|task| task.operation.name())
    }

    /// Drops a future before it is ready.
    fn give_up(&mut self, index: usize, around: &mut Surroundings<'_>) {
        let task = self.tasks.remove(index);
        if let Some(number) = task.number {
            around.promises.abandoned(number);
        }
        if matches!(task.operation, Operation::Subscribe(..)) {
            around.promises.reroute(around.client);
        }
        if let Operation::Subscribe(_, Habits { filter: Some(filter), .. }) = task.operation {
            self.forget(filter);
        }
    }

    /// The client has a message. Its outcome is asked for now, or later, or never: then its task is removed; whether it was.
    fn put_off(&mut self, index: usize, around: &mut Surroundings<'_>) -> bool {
        let task = &mut self.tasks[index];
        let asking = if self.hurries { Asking::AtOnce } else { task.asking };
        match asking {
            Asking::AtOnce => return false,
            Asking::After(after) => task.ask_at = Some(around.now + after),
            Asking::CancelAfter(after) => {
                task.ask_at = Some(around.now + after);
                (task.drop_at, task.cancels) = (task.ask_at, true);
            }
            Asking::Never => {
                self.tasks.remove(index);
                return true;
            }
        }
        task.flag.take();
        false
    }

    /// Polls one task; whether it is done and was removed.
    fn poll_task(&mut self, index: usize, around: &mut Surroundings<'_>) -> bool {
        let task = &mut self.tasks[index];
        task.flag.take();
        let mut cx = Context::from_waker(&task.waker);
        let number = task.number.unwrap_or_default();
        match &mut task.operation {
            Operation::Publish(future) => {
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                around.promises.resolved(number, &result, around.findings);
            }
            Operation::Deliver(future) => {
                if !task.is_stored && task.number.is_some() {
                    let stored = std::pin::pin!(future.stored()).poll(&mut cx);
                    task.is_stored = stored.is_ready();
                    if around.setup.has_store && matches!(stored, Poll::Ready(Ok(()))) {
                        around.promises.stand(number, Standing::Stored);
                    }
                }
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                if task.number.is_some() {
                    around.promises.resolved(number, &result, around.findings);
                }
            }
            Operation::Enqueue(future) => {
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                match result {
                    Ok(delivery) => {
                        around.promises.stand(number, Standing::Accepted);
                        task.operation = Operation::Deliver(delivery);
                        task.flag.raise();
                        return self.put_off(index, around);
                    }
                    Err(error) => around.promises.resolved::<()>(number, &Err(error), around.findings),
                }
            }
            Operation::Request(future, _) => {
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                self.answered(index, result, around);
            }
            Operation::Subscribe(future, habits) => {
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                let (habits, may_end) = (*habits, task.may_end);
                match result {
                    Ok(subscription) => self.open(Source::Subscription(subscription), habits, may_end),
                    Err(error) => {
                        around.promises.loosen(around.client);
                        check_subscribe_error(&error, self.has_closed, around);
                    }
                }
            }
            Operation::Unsubscribe(future) => {
                let Poll::Ready(_) = Pin::new(future).poll(&mut cx) else { return false };
            }
            Operation::Connect(future) => {
                let Poll::Ready(_) = Pin::new(future).poll(&mut cx) else { return false };
            }
            Operation::Disconnect(future) => {
                let Poll::Ready(_) = Pin::new(future).poll(&mut cx) else { return false };
            }
            Operation::Authenticate(future) => {
                let Poll::Ready(result) = Pin::new(future).poll(&mut cx) else { return false };
                super::authentication::judge(&result, around);
            }
        }
        self.tasks.remove(index);
        true
    }
}

impl Operation {
    fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Enqueue(_) => "enqueue",
            Self::Deliver(_) => "delivery",
            Self::Request(..) => "request",
            Self::Subscribe(..) => "subscribe",
            Self::Unsubscribe(_) => "unsubscribe",
            Self::Connect(_) => "connect",
            Self::Disconnect(_) => "disconnect",
            Self::Authenticate(_) => "re-authentication",
        }
    }
}
