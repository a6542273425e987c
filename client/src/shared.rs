//! What the handles and the driver share, behind one lock.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::{Poll, Waker};

use sterna_core::packet::{ProtocolVersion, ReasonCode};
use sterna_core::{
    AckError, Acknowledge, Cause, CleanStart, Config, ConfigError, Connection, Disconnect, DisconnectError,
    Instant, Lost, LostKind, Message, MessageId, OperationError, Publish, PublishError, State, Subscribe,
    SubscribeError, Token, Unsubscribe,
};

use crate::completion::{Answer, Completions};
use crate::events::{Broadcast, Event};
use crate::inbox::{Inbox, Reroute, Unclaimed};
use crate::lock::{Lock, Wakers};
use crate::room::{Command, Rejection, Room, WaitId};
use crate::router::StreamId;

/// One client's state.
pub(crate) struct Shared {
    inner: Lock<Inner>,
    /// A hint, read without the lock: the driver sleeps.
    asleep: Arc<AtomicBool>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(inner: Inner) -> Arc<Self> {
        let asleep = inner.asleep.clone();
        Arc::new(Self { inner: Lock::new(inner), asleep })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Whether the driver sleeps, as far as can be told without the lock.
    pub(crate) fn seems_asleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed)
    }

    /// Does `work` under the lock and wakes whom it concerns after releasing it.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        let result = work(&mut inner);
        let mut others = Vec::new();
        let driver = inner.wakers.take(&mut others);
        drop(inner);
        driver.into_iter().chain(others).for_each(Waker::wake);
        result
    }
}

/// What keeps the client alive: when the last one goes, it disconnects gracefully.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Shared>);

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self(shared))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        self.0.with(work)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.with(Inner::abandon);
    }
}

/// Where an operation stands that a future waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// It waits for room.
    Waiting(WaitId),
    /// The connection has it.
    Accepted(Token),
}

/// A subscribe on its way.
#[derive(Debug)]
struct Subscribing {
    stream: StreamId,
    filters: Vec<Box<str>>,
}

/// Everything behind the lock.
#[allow(clippy::struct_excessive_bools)] // Independent facts about the driver and the client.
pub(crate) struct Inner {
    pub(crate) connection: Connection,
    /// The driver's last time: commands are given it, and the connection counts their deadlines from the driver's
    /// next call, so that it may be old.
    now: Instant,
    pub(crate) inbox: Inbox,
    pub(crate) completions: Completions,
    pub(crate) room: Room,
    pub(crate) events: Broadcast,
    pub(crate) wakers: Wakers,
    subscribing: HashMap<Token, Subscribing>,
    unclaimed: Unclaimed,
    /// What a 3.x session is: persistent or not.
    keeps_session: bool,
    /// The driver, if it sleeps.
    driver: Option<Waker>,
    asleep: Arc<AtomicBool>,
    /// A command came since the driver last looked.
    dirty: bool,
    /// The driver does not read until messages are taken.
    paused: bool,
    /// Counts how often the client was connected, and closed.
    connections: u64,
    closings: u64,
    closed: Option<Cause>,
    /// Tasks that wait for the next of these.
    watchers: Vec<Waker>,
    /// The last handle is gone.
    abandoned: bool,
    /// The engine is gone.
    dead: bool,
}

impl Inner {
    /// # Errors
    /// The configuration contradicts itself.
    pub(crate) fn new(mut config: Config, unclaimed: Unclaimed) -> Result<Self, ConfigError> {
        config.acknowledge = Acknowledge::Explicit;
        let keeps_session = config.clean_start == CleanStart::Never;
        let now = Instant::ZERO;
        Ok(Self {
            connection: Connection::new(config, now)?,
            now,
            inbox: Inbox::new(),
            completions: Completions::default(),
            room: Room::default(),
            events: Broadcast::default(),
            wakers: Wakers::default(),
            subscribing: HashMap::new(),
            unclaimed,
            keeps_session,
            driver: None,
            asleep: Arc::new(AtomicBool::new(false)),
            dirty: false,
            paused: false,
            connections: 0,
            closings: 0,
            closed: None,
            watchers: Vec::new(),
            abandoned: false,
            dead: false,
        })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether the last handle is gone and nothing is left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.abandoned && matches!(self.connection.state(), State::Idle | State::Closed)
    }

    // The driver

    /// The driver is awake and looks at everything.
    pub(crate) fn driver_awake(&mut self, now: Instant) {
        self.now = now;
        self.take_driver();
    }

    /// The driver looks at everything that commands did up to now.
    pub(crate) fn driver_looks(&mut self) {
        self.dirty = false;
    }

    fn take_driver(&mut self) -> Option<Waker> {
        let driver = self.driver.take();
        if driver.is_some() {
            self.asleep.store(false, Ordering::Relaxed);
        }
        driver
    }

    /// Puts the driver to sleep, unless a command came since it last looked.
    pub(crate) fn driver_sleeps(&mut self, waker: &Waker) -> bool {
        if !self.dirty {
            self.driver = Some(waker.clone());
            self.asleep.store(true, Ordering::Relaxed);
        }
        !self.dirty
    }

    /// A command changed something: the driver has to look.
    fn touch(&mut self) {
        self.dirty = true;
        if let Some(driver) = self.take_driver() {
            self.wakers.driver = Some(driver);
        }
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Distributes what the connection has to say. Whether any message came.
    pub(crate) fn drain(&mut self) -> bool {
        self.drain_events();
        let hold = self.holds_unclaimed();
        let mut any = false;
        while let Some(message) = self.connection.poll_message() {
            any = true;
            let acknowledged = self.inbox.deliver(message, hold, &mut self.wakers);
            self.settle_all(acknowledged);
        }
        self.fill_room();
        any
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: sterna_core::Event) {
        use sterna_core::Event as Core;
        let event = match event {
            Core::Published { token, result } => {
                return self.completions.complete(token, result.map(Answer::Receipt), &mut self.wakers);
            }
            Core::Subscribed { token, result } => {
                self.handle_subscribed(token, &result);
                return self.completions.complete(token, result.map(Answer::Granted), &mut self.wakers);
            }
            Core::Unsubscribed { token, result } => {
                return self.completions.complete(token, result.map(Answer::Granted), &mut self.wakers);
            }
            Core::Connecting { attempt } => Event::Connecting { attempt },
            Core::Connected { attempt, session_present } => {
                self.connections += 1;
                self.wakers.others.append(&mut self.watchers);
                Event::Connected { attempt, session_present }
            }
            Core::Disconnected { attempt, cause, retry_at } => {
                Event::Disconnected { attempt, cause, retry_in: retry_at.map(|at| at - self.now) }
            }
            Core::Offline => Event::Offline,
            Core::Closed { cause } => {
                self.closings += 1;
                self.closed = Some(cause.clone());
                self.wakers.others.append(&mut self.watchers);
                self.inbox.wake_all(&mut self.wakers);
                Event::Closed { cause }
            }
            Core::Resubscribed { filter, reason } => {
                if reason.is_error() {
                    for stream in self.inbox.streams_of(&filter) {
                        self.inbox.drop_filter(stream, &filter, &mut self.wakers);
                    }
                }
                Event::Resubscribed { filter, reason }
            }
            Core::Dropped { messages } => Event::Dropped { messages },
            Core::PacketSent(info) => Event::PacketSent(info),
            Core::PacketReceived(info) => Event::PacketReceived(info),
            _ => return,
        };
        self.events.send(event, &mut self.wakers);
    }

    /// A stream loses the filters that the server refused.
    fn handle_subscribed(&mut self, token: Token, result: &Result<sterna_core::Granted, OperationError>) {
        let Some(Subscribing { stream, filters }) = self.subscribing.remove(&token) else { return };
        for (index, filter) in filters.iter().enumerate() {
            let granted = result.as_ref().ok().and_then(|granted| granted.reasons.get(index));
            if granted.is_none_or(|reason| reason.is_error()) {
                self.inbox.drop_filter(stream, filter, &mut self.wakers);
            }
        }
    }

    /// The session outlives the connection: what nobody claims today may be claimed tomorrow.
    fn holds_unclaimed(&self) -> bool {
        let persistent = self.connection.server().is_none_or(|server| match server.version {
            ProtocolVersion::V5 => server.session_expiry > 0,
            ProtocolVersion::V3_1 | ProtocolVersion::V3_1_1 => self.keeps_session,
        });
        persistent && self.unclaimed == Unclaimed::Hold
    }

    /// Puts in what waits for room, as far as there is some.
    fn fill_room(&mut self) {
        while !self.room.is_empty()
            && (self.dead || self.has_room() || self.connection.state() == State::Closed)
        {
            let outcome = match self.room.front() {
                _ if self.dead => Err(Rejection::Publish(PublishError::Closed)),
                Some(command) => execute(&mut self.connection, self.now, command),
                None => return,
            };
            match outcome {
                Err(rejection) if rejection.is_full() => return,
                Ok(token) => {
                    self.dirty = true;
                    self.note_subscribe(token);
                    self.completions.expect(token);
                    if !self.room.admit(outcome, &mut self.wakers) {
                        self.completions.forget(token);
                    }
                }
                Err(_) => {
                    self.end_stream_of_front();
                    self.room.admit(outcome, &mut self.wakers);
                }
            }
        }
    }

    /// A subscribe that is not accepted leaves its stream without filters.
    fn end_stream_of_front(&mut self) {
        if let Some(Command::Subscribe { filters, stream, .. }) = self.room.front() {
            for filter in filters.as_filters().iter() {
                self.inbox.drop_filter(*stream, filter.filter, &mut self.wakers);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.connection.has_room()
    }

    fn note_subscribe(&mut self, token: Token) {
        if let Some(Command::Subscribe { filters, stream, .. }) = self.room.front() {
            let filters = filters.as_filters().iter().map(|filter| filter.filter.into()).collect();
            self.subscribing.insert(token, Subscribing { stream: *stream, filters });
        }
    }

    // Commands

    /// Publishes, or queues the publish when the connection has no room for it.
    pub(crate) fn publish(&mut self, publish: Publish<'_>) -> Result<Ticket, PublishError> {
        match self.try_publish(publish.clone()) {
            Ok(token) => Ok(Ticket::Accepted(token)),
            Err(PublishError::Full) => Ok(Ticket::Waiting(self.room.push(Command::publish(publish), false))),
            Err(error) => Err(error),
        }
    }

    /// Publishes if there is room now and nobody waits for it.
    pub(crate) fn try_publish(&mut self, publish: Publish<'_>) -> Result<Token, PublishError> {
        if self.dead {
            return Err(PublishError::Closed);
        }
        if !self.room.is_empty() {
            return Err(PublishError::Full);
        }
        let token = self.connection.publish(self.now, publish)?;
        self.completions.expect(token);
        self.touch();
        Ok(token)
    }

    /// A subscribe or unsubscribe. `detached`: nobody asks for its outcome.
    pub(crate) fn submit(&mut self, command: Command, detached: bool) -> Result<Ticket, Rejection> {
        if self.dead {
            return Err(Rejection::Subscribe(SubscribeError::Closed));
        }
        let first = self.room.is_empty();
        let id = self.room.push(command, detached);
        if first {
            self.fill_room();
        }
        self.touch();
        if detached {
            return Ok(Ticket::Waiting(id));
        }
        match self.room.poll(id, Waker::noop()) {
            Poll::Ready(outcome) => outcome.map(Ticket::Accepted),
            Poll::Pending => Ok(Ticket::Waiting(id)),
        }
    }

    /// The future of an operation is gone; whether the connection has accepted it.
    pub(crate) fn forget(&mut self, ticket: Ticket) -> bool {
        let token = match ticket {
            Ticket::Waiting(id) => self.room.leave(id),
            Ticket::Accepted(token) => Some(token),
        };
        if let Some(token) = token {
            self.completions.forget(token);
        }
        token.is_some()
    }

    /// One owner of the message is done with it; the last one's word acknowledges it.
    ///
    /// # Errors
    /// Nothing is owed any more, or the reason code cannot be sent.
    pub(crate) fn settle(&mut self, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
        let Some(reason) = self.inbox.settle(id, reason) else { return Ok(()) };
        let result = self.connection.acknowledge(self.now, id, reason);
        self.touch();
        result
    }

    /// Settles what needs no answer: an acknowledgement that is not owed any more is none that is missing.
    pub(crate) fn settle_all(&mut self, ids: impl IntoIterator<Item = MessageId>) {
        for id in ids {
            let _ = self.settle(id, ReasonCode::SUCCESS);
        }
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
        self.settle_all(acknowledged);
        self.taken();
    }

    /// A new stream of messages. See [`Inbox::open`].
    pub(crate) fn open_stream(&mut self, filters: Vec<Box<str>>, mode: crate::AckMode) -> StreamId {
        let (stream, acknowledged) = self.inbox.open(filters, mode);
        self.settle_all(acknowledged);
        stream
    }

    /// Ends a stream. Its messages that were not handed over go to others, or are done with. See
    /// [`Inbox::close`].
    pub(crate) fn close_stream(&mut self, stream: StreamId, batch: &mut VecDeque<Message>, reroute: bool) {
        self.subscribing.retain(|_, subscribing| subscribing.stream != stream);
        let reroute = reroute.then(|| Reroute { hold: self.holds_unclaimed() });
        let acknowledged = self.inbox.close(stream, batch, reroute, &mut self.wakers);
        self.settle_all(acknowledged);
        self.taken();
    }

    /// Takes every filter from `stream`; those that no other stream wants, which are to be unsubscribed.
    pub(crate) fn release_filters(&mut self, stream: StreamId) -> Vec<Box<str>> {
        let mut unwanted = self.inbox.filters(stream).to_vec();
        unwanted.retain(|filter| self.inbox.drop_filter(stream, filter, &mut self.wakers));
        for filter in &unwanted {
            self.forget_filter(filter);
        }
        unwanted
    }

    // The client's life

    /// Starts connecting, unless it is up or on its way.
    pub(crate) fn connect(&mut self) {
        // A close that was not reported yet belongs to the life before.
        self.drain_events();
        self.closed = None;
        self.connection.connect(self.now);
        self.touch();
    }

    pub(crate) fn reconnect(&mut self) {
        self.connection.reconnect(self.now);
        self.touch();
    }

    /// # Errors
    /// The options are not lawful; nothing happened.
    pub(crate) fn disconnect(&mut self, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        self.connection.disconnect(self.now, disconnect)?;
        self.touch();
        Ok(())
    }

    /// The last handle is gone.
    fn abandon(&mut self) {
        self.abandoned = true;
        if !self.dead && self.connection.state() != State::Closed {
            // Without options there is nothing to refuse.
            let _ = self.disconnect(Disconnect::default());
        }
        self.touch();
    }

    /// The engine is gone: nothing is carried out any more.
    pub(crate) fn die(&mut self) {
        self.dead = true;
        self.completions.close(&mut self.wakers);
        self.fill_room();
        if self.closed.is_none() {
            self.closings += 1;
            let lost = Lost { kind: LostKind::Io, detail: "the runtime dropped the client's driver".into() };
            self.closed = Some(Cause::Lost(lost));
        }
        self.wakers.others.append(&mut self.watchers);
        self.inbox.wake_all(&mut self.wakers);
        self.events.wake(&mut self.wakers);
    }

    /// How often the client was connected and closed.
    pub(crate) fn turns(&self) -> (u64, u64) {
        (self.connections, self.closings)
    }

    /// Why it closed, while it is closed.
    pub(crate) fn closed(&self) -> Option<&Cause> {
        self.closed.as_ref()
    }

    /// Has `waker` woken at the next connect or close.
    pub(crate) fn watch(&mut self, waker: &Waker) {
        if !self.watchers.iter().any(|known| known.will_wake(waker)) {
            self.watchers.push(waker.clone());
        }
    }
}

fn execute(connection: &mut Connection, now: Instant, command: &Command) -> Result<Token, Rejection> {
    Ok(match command {
        Command::Publish { topic, payload, qos, retain, properties } => connection.publish(
            now,
            Publish {
                topic,
                payload: payload.clone().into(),
                qos: *qos,
                retain: *retain,
                properties: properties.as_properties(),
            },
        )?,
        Command::Subscribe { filters, properties, .. } => connection.subscribe(
            now,
            Subscribe { filters: filters.as_filters(), properties: properties.as_properties() },
        )?,
        Command::Unsubscribe { filters, properties } => connection.unsubscribe(
            now,
            Unsubscribe { filters: filters.as_filters(), properties: properties.as_properties() },
        )?,
    })
}
