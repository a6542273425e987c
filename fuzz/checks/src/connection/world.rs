//! What is around a client: its driver, the time, a transport, a store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use sterna_core::packet::ReasonCode;
use sterna_core::{
    Action, Attempt, Batch, Config, ConnectOverrides, Connection, Event, Instant, Key, Lost, LostKind,
    MessageId, OperationError, PersistId, Session, StoreError, StoreOp, Token, Transmit,
};

/// How many bytes of messages may wait.
pub(super) const RESERVE: usize = 4 << 10;
/// How often a driver may be asked for something before it is an endless loop.
const PATIENCE: usize = 10_000;
/// How many messages are remembered for an acknowledgement.
const REMEMBERED: usize = 16;

/// Something of the changes of a batch that the store can carry out later.
type Changes = Vec<(Key, Option<Vec<u8>>)>;

pub(super) struct World {
    pub(super) connection: Connection,
    pub(super) now: Instant,
    /// Dialling, transport and store do their work at once.
    pub(super) is_prompt: bool,
    config: Config,
    dialling: Option<Attempt>,
    up: Option<Attempt>,
    input: BytesMut,
    transmit: Transmit,
    disk: Option<BTreeMap<Key, Vec<u8>>>,
    batches: VecDeque<(PersistId, Changes)>,
    messages: VecDeque<MessageId>,
    /// The operations that are not complete.
    open: BTreeSet<u64>,
    /// Those whose client was closed, and which go on when it is started again.
    kept: BTreeSet<u64>,
    /// The one that has ended last.
    ended: Option<u64>,
}

impl World {
    pub(super) fn new(config: Config, has_store: bool) -> Self {
        let now = Instant::ZERO;
        let disk = has_store.then(BTreeMap::new);
        let connection = begin(&config, disk.as_ref(), now);
        let mut world = Self {
            connection,
            now,
            is_prompt: true,
            config,
            dialling: None,
            up: None,
            input: BytesMut::new(),
            transmit: Transmit::new(),
            disk,
            batches: VecDeque::new(),
            messages: VecDeque::new(),
            open: BTreeSet::new(),
            kept: BTreeSet::new(),
            ended: None,
        };
        world.connection.connect(now);
        world.drive();
        world
    }

    pub(super) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        // A deadline on the way is kept, as a driver does.
        for _ in 0..PATIENCE {
            let next = self.connection.poll_timeout().map(|(at, _)| at).filter(|at| *at <= end);
            let Some(at) = next else {
                self.now = end;
                return;
            };
            self.now = self.now.max(at);
            self.timeout();
            self.drive();
        }
        panic!("deadlines without end");
    }

    pub(super) fn pass_to_deadline(&mut self) {
        let next = self.connection.poll_timeout();
        self.now = next.map_or(self.now + Duration::from_secs(1), |(at, _)| self.now.max(at));
        self.timeout();
    }

    fn timeout(&mut self) {
        self.connection.handle_timeout(self.now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|(at, _)| at > self.now), "{next:?} was handled already");
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.up.is_some() {
            self.input.extend_from_slice(bytes);
        }
    }

    pub(super) fn lose(&mut self) {
        if let Some(attempt) = self.up.take().or_else(|| self.dialling.take()) {
            self.input.clear();
            self.transmit.clear();
            let lost = Lost { kind: LostKind::Eof, detail: "".into() };
            self.connection.handle_disconnected(self.now, attempt, lost);
        }
    }

    /// The end of dialling, if it is under way.
    pub(super) fn dialled(&mut self, succeeds: bool) {
        if !succeeds {
            if self.up.is_none() {
                self.lose();
            }
            return;
        }
        if let Some(attempt) = self.dialling.take() {
            self.up = Some(attempt);
            self.input.clear();
            self.connection.handle_connected(self.now, attempt, ConnectOverrides::default());
        }
    }

    pub(super) fn write(&mut self, bytes: usize) {
        let length = self.transmit.remaining().min(bytes);
        if length > 0 {
            self.transmit.advance(length);
            self.connection.handle_written(self.now, length);
        }
    }

    /// The end of the oldest batch, if there is one.
    pub(super) fn persisted(&mut self, succeeds: bool) {
        let Some((id, changes)) = self.batches.pop_front() else { return };
        if !succeeds {
            self.batches.clear();
            self.connection.handle_persisted(self.now, id, Err(StoreError("full".into())));
            return;
        }
        let disk = self.disk.as_mut().expect("no store, no batches");
        for (key, record) in changes {
            match record {
                Some(record) => drop(disk.insert(key, record)),
                None => drop(disk.remove(&key)),
            }
        }
        self.connection.handle_persisted(self.now, id, Ok(()));
    }

    /// An operation was accepted.
    pub(super) fn begun(&mut self, token: Token) {
        assert!(self.open.insert(token.sequence()), "{token:?} was given twice");
    }

    /// One that is under way, or else the one that has ended last. Others were never given to the application.
    pub(super) fn cancel(&mut self, number: u64) {
        let at = number as usize % (self.open.len() + 1);
        let sequence = self.open.iter().nth(at).or(self.ended.as_ref());
        if let Some(sequence) = sequence {
            let _ = self.connection.cancel(self.now, Token::from_sequence(*sequence));
        }
    }

    pub(super) fn acknowledge(&mut self, number: usize, reason: ReasonCode) {
        let known = self.messages.get(number % (self.messages.len() + 1)).copied();
        let id = known.unwrap_or(MessageId::from_parts(number as u64, 1));
        let _ = self.connection.acknowledge(self.now, id, reason);
    }

    pub(super) fn take_messages(&mut self, count: u8) {
        for _ in 0..count {
            let Some(message) = self.connection.poll_message() else { return };
            assert!(message.size() <= RESERVE + (1 << 10), "more was kept than may be");
            if let Some(id) = message.id() {
                self.messages.push_back(id);
                if self.messages.len() > REMEMBERED {
                    self.messages.pop_front();
                }
            }
        }
    }

    /// The process dies; the next one has the store, as far as it was written.
    pub(super) fn crash(&mut self) {
        if self.disk.is_none() {
            return;
        }
        self.connection = begin(&self.config, self.disk.as_ref(), self.now);
        (self.dialling, self.up) = (None, None);
        (self.input, self.transmit) = (BytesMut::new(), Transmit::new());
        self.batches.clear();
        self.messages.clear();
        self.kept.clear();
        self.ended = None;
        let pending = self.disk.as_ref().map(session);
        self.open =
            pending.iter().flat_map(Session::pending).map(|pending| pending.token.sequence()).collect();
        self.connection.connect(self.now);
    }

    /// What a driver does after each thing that happens.
    pub(super) fn drive(&mut self) {
        for _ in 0..PATIENCE {
            let mut is_busy = self.poll_store();
            is_busy |= self.connection.poll_transmit(self.now, &mut self.transmit);
            if self.is_prompt {
                self.write(usize::MAX);
                self.dialled(true);
            }
            is_busy |= self.read();
            is_busy |= self.poll_action();
            is_busy |= self.poll_events();
            if !is_busy {
                return;
            }
        }
        panic!("output without end");
    }

    fn read(&mut self) -> bool {
        let length = self.input.len();
        if self.up.is_none() || length == 0 {
            return false;
        }
        self.connection.handle_input(self.now, &mut self.input);
        assert!(self.input.len() <= length, "input has grown");
        self.input.len() < length
    }

    fn poll_store(&mut self) -> bool {
        let mut batch = Batch::new();
        let mut any = false;
        while let Some(id) = self.connection.poll_persist(&mut batch) {
            let changes = batch.iter().map(|op| match op {
                StoreOp::Put { key, record } => (key, Some(record.to_vec())),
                StoreOp::Delete { key } => (key, None),
            });
            self.batches.push_back((id, changes.collect()));
            any = true;
        }
        while self.is_prompt && !self.batches.is_empty() {
            self.persisted(true);
        }
        any
    }

    fn poll_action(&mut self) -> bool {
        match self.connection.poll_action() {
            Some(Action::Connect { attempt, .. }) => {
                assert!(self.up.is_none() && self.dialling.is_none(), "two connections at a time");
                self.dialling = Some(attempt);
            }
            Some(Action::Close { attempt }) => {
                assert!(self.up.or(self.dialling).is_none_or(|mine| mine == attempt), "another is closed");
                self.lose();
            }
            None => return false,
        }
        true
    }

    fn poll_events(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.connection.poll_event() {
            any = true;
            let token = match &event {
                Event::Published { token, .. }
                | Event::Subscribed { token, .. }
                | Event::Unsubscribed { token, .. }
                | Event::Reauthenticated { token, .. } => *token,
                _ => continue,
            };
            let token = token.sequence();
            assert!(self.open.remove(&token) || self.kept.remove(&token), "not under way: {event:?}");
            self.ended = Some(token);
            if let Event::Published { result: Err(OperationError::Kept), .. } = &event {
                self.kept.insert(token);
            }
        }
        any
    }

    /// The client is ended: nothing is left open.
    pub(super) fn end(mut self) {
        self.is_prompt = true;
        let disconnect = sterna_core::Disconnect { at_once: true, ..Default::default() };
        self.connection.disconnect(self.now, disconnect).expect("it is lawful");
        self.drive();
        self.lose();
        self.drive();
        assert!(self.open.is_empty(), "operations without an outcome: {:?}", self.open);
    }
}

fn session(disk: &BTreeMap<Key, Vec<u8>>) -> Session {
    let mut session = Session::new();
    for (key, record) in disk {
        session.load(*key, record).expect("what was written is read");
    }
    session
}

fn begin(config: &Config, disk: Option<&BTreeMap<Key, Vec<u8>>>, now: Instant) -> Connection {
    let config = config.clone();
    match disk {
        Some(disk) => Connection::restore(config, session(disk), now).expect("what was written is restored"),
        None => Connection::new(config, now).expect("the options are lawful"),
    }
}
