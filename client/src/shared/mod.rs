//! What the handles and the driver share, behind one lock.

mod authentication;
mod commands;
mod direct;
mod life;
mod reports;
mod requests;
mod streams;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::task::Waker;

use sterna_core::{
    Acknowledge, Cause, CleanStart, ClientId, Config, Instant, Publish, RestoreError, Sent, Session, State,
    Token, VersionPolicy,
};

use sterna_core::packet::QoS;

use self::authentication::Authentications;
pub(crate) use self::authentication::Work;
pub(crate) use self::direct::{BULK, Direct, Lent, Sleep, write_once};
use crate::completion::{Completions, Storing};
use crate::events::Broadcast;
use crate::inbox::{Inbox, Unclaimed};
use crate::lock::{Lock, Wakers};
use crate::machine::{Attached, Machine};
use crate::requests::Requests;
use crate::room::{Room, WaitId};
use crate::router::StreamId;
use crate::trace::Trace;

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
        if inner.has_to_tell() {
            self.tell(inner);
        }
        result
    }

    /// See [`Inner::send_unreported`].
    fn send_unreported(&self, publish: &Publish<'_>) -> Option<Sent> {
        self.with(|inner| inner.send_unreported(publish))
    }

    /// Releases the lock, then writes what its holder has to, and wakes whom it concerns.
    #[cold]
    fn tell<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) {
        if let Some(mut direct) = inner.send_away() {
            drop(inner);
            let count = direct.write();
            inner = self.lock();
            inner.come_back(direct, count);
        }
        let driver = inner.wakers.driver.take();
        let mut others = Vec::new();
        if !inner.wakers.others.is_empty() {
            std::mem::swap(&mut inner.wakers.others, &mut others);
        }
        let notes = inner.trace.take();
        drop(inner);
        notes.tell();
        driver.into_iter().chain(others).for_each(Waker::wake);
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

    /// See [`Inner::send_unreported`].
    #[inline]
    pub(crate) fn send_unreported(&self, publish: &Publish<'_>) -> Option<Sent> {
        self.0.send_unreported(publish)
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
    /// It was sent, and nobody has asked for its outcome.
    Sent(Sent),
}

/// A subscribe on its way.
#[derive(Debug)]
struct Subscribing {
    stream: StreamId,
    filters: Vec<Box<str>>,
}

/// A message that the store had.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) token: Token,
    pub(crate) topic: Option<Box<str>>,
    pub(crate) qos: QoS,
}

impl Restored {
    fn new(pending: sterna_core::Pending<'_>) -> Self {
        Self { token: pending.token, topic: pending.topic.map(Into::into), qos: pending.qos }
    }
}

/// Everything behind the lock.
#[allow(clippy::struct_excessive_bools)] // Independent facts about the driver and the client.
pub(crate) struct Inner {
    pub(crate) connection: Machine,
    /// The driver's last time: commands are given it, and the connection counts their deadlines from the driver's
    /// next call, so that it may be old.
    now: Instant,
    pub(crate) inbox: Inbox,
    pub(crate) completions: Completions,
    pub(crate) room: Room,
    pub(crate) events: Broadcast,
    pub(crate) authentications: Authentications,
    pub(crate) wakers: Wakers,
    pub(crate) trace: Trace,
    pub(crate) requests: Requests,
    subscribing: HashMap<Token, Subscribing>,
    unclaimed: Unclaimed,
    /// What a 3.x session is: persistent or not.
    keeps_session: bool,
    /// The driver, if it sleeps.
    driver: Option<Waker>,
    asleep: Arc<AtomicBool>,
    sleep: Sleep,
    /// The sending half of the connection.
    pub(crate) lent: Lent,
    /// Whoever has the lock takes that along when the lock is released, and writes.
    writes: bool,
    /// Somebody waits for what the driver has to write.
    awaited: bool,
    /// A command came since the driver last looked.
    dirty: bool,
    /// The driver does not read until messages are taken.
    paused: bool,
    /// Counts how often the client was connected, and closed.
    connections: u64,
    closings: u64,
    closed: Option<Cause>,
    /// There is a store.
    stores: bool,
    /// Why the client has closed, while the store lets go: only then is it said.
    releasing: Option<Cause>,
    /// What the store had and nobody has asked for yet.
    restored: Vec<Restored>,
    /// Tasks that wait for the next of these.
    watchers: Vec<Waker>,
    /// The last handle is gone.
    abandoned: bool,
    /// The engine is gone.
    dead: bool,
}

impl Inner {
    /// With the session of a store and a recorder, if there are any.
    ///
    /// # Errors
    /// The configuration contradicts itself or the session.
    pub(crate) fn new(
        mut config: Config,
        session: Option<Session>,
        unclaimed: Unclaimed,
        requests: Requests,
        recorder: Attached,
    ) -> Result<Self, RestoreError> {
        config.acknowledge = Acknowledge::Explicit;
        // Falling back to 3.1.1 keeps the session as well; see `Config::clean_start`.
        let falls_back = matches!(config.version, VersionPolicy::Automatic { .. });
        let is_named = matches!(&config.client_id, ClientId::Given(id) if !id.is_empty());
        let keeps_session = match config.clean_start {
            CleanStart::Never => true,
            CleanStart::FirstConnection => falls_back && is_named && config.session_expiry > 0,
            CleanStart::Always => false,
        };
        let now = Instant::ZERO;
        let stores = session.is_some();
        let restored: Vec<_> = session.iter().flat_map(Session::pending).map(Restored::new).collect();
        let mut completions = Completions::default();
        for message in &restored {
            completions.expect(message.token, Storing::Stored);
        }
        let packet_events = config.packet_events;
        config.packet_events |= Trace::wants_packets();
        let connection = recorder.machine(config, session, now)?;
        let trace = Trace::new(connection.client_id(), packet_events, !restored.is_empty());
        Ok(Self {
            connection,
            now,
            inbox: Inbox::new(),
            completions,
            room: Room::default(),
            events: Broadcast::default(),
            authentications: Authentications::default(),
            wakers: Wakers::default(),
            trace,
            requests,
            subscribing: HashMap::new(),
            unclaimed,
            keeps_session,
            driver: None,
            asleep: Arc::new(AtomicBool::new(false)),
            sleep: Sleep::Light,
            lent: Lent::No,
            writes: false,
            awaited: false,
            dirty: false,
            paused: false,
            connections: 0,
            closings: 0,
            closed: None,
            stores,
            releasing: None,
            restored,
            watchers: Vec::new(),
            abandoned: false,
            dead: false,
        })
    }

    /// Where the client stands. It has closed when its store has let go.
    pub(crate) fn state(&self) -> State {
        match self.connection.state() {
            State::Closed if self.releasing.is_some() => State::Disconnecting,
            state => state,
        }
    }

    /// Whether somebody is to be woken, or something to be told or written, once the lock is released.
    fn has_to_tell(&self) -> bool {
        !self.wakers.is_empty() || self.trace.has_notes() || self.writes
    }

    /// What the store had, the first time.
    pub(crate) fn take_restored(&mut self) -> Vec<Restored> {
        std::mem::take(&mut self.restored)
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether the last handle is gone and nothing is left to do.
    pub(crate) fn is_finished(&self) -> bool {
        self.abandoned && matches!(self.state(), State::Idle | State::Closed)
    }

    /// The driver is awake and looks at everything.
    pub(crate) fn driver_awake(&mut self, now: Instant) {
        self.now = now;
        self.take_driver();
        for (command, rejection) in self.room.look(now, &mut self.wakers) {
            self.end_stream_of(&command, rejection);
        }
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
    pub(crate) fn driver_sleeps(&mut self, waker: &Waker, sleep: Sleep) -> bool {
        let before = std::mem::replace(&mut self.sleep, sleep);
        // It was not told of what was published meanwhile.
        let missed = before != Sleep::Light && sleep == Sleep::Light && self.connection.has_output();
        if self.dirty || missed {
            return false;
        }
        self.driver = Some(waker.clone());
        self.asleep.store(true, Ordering::Relaxed);
        true
    }

    /// Nothing has moved for a while: what was needed under load goes back.
    pub(crate) fn rest(&mut self) {
        self.connection.release_memory();
        self.completions.rest();
        self.inbox.rest();
        self.room.release();
        self.requests.release();
        self.subscribing.shrink_to_fit();
        self.watchers.shrink_to_fit();
        self.wakers.others.shrink_to_fit();
    }

    /// Something moves again.
    pub(crate) fn stir(&mut self) {
        self.completions.stir();
        self.inbox.stir();
    }

    /// Something changed: the driver has to look.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
        if let Some(driver) = self.take_driver() {
            self.wakers.driver = Some(driver);
        }
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        let held_back = paused && self.connection.is_held_back();
        self.room.stall(held_back.then(|| self.now + self.connection.stall_timeout()));
        if held_back {
            self.inbox.wake_subscribers(&mut self.wakers);
        }
    }
}
