//! A connection beside which a recorder stands.

use std::ops::Deref;

use bytes::{Buf, BytesMut};
use sterna_core::packet::ReasonCode;
use sterna_core::{
    AckError, Action, Attempt, Auth, AuthError, Backlog, Batch, CancelError, Config, ConfigError,
    ConnectOverrides, Connection, Disconnect, DisconnectError, Event, Ingress, Instant, Lost, Message,
    MessageId, OperationError, PersistId, Publish, PublishError, Receipt, RestoreError, Sent, Session,
    Sharing, StoreError, Subscribe, SubscribeError, Timer, Token, Transmit, Unsubscribe,
};

use crate::data::Hex;
use crate::entry::{Connected, End, Entry, Input, MessageName, Output};
use crate::recorder::{Recorder, Way};

/// A [`Connection`], each call of which is recorded: it has the same methods, and what only reads it is there by `Deref`.
///
/// Without a recorder, and once a recording has ended, a call costs one branch more than that of a `Connection`.
/// Dropping it ends the recording, if nothing did before.
#[derive(Debug)]
pub struct Recorded {
    connection: Connection,
    tap: Option<Box<Tap>>,
}

/// What the recording is told, and what it was told last.
#[derive(Debug)]
struct Tap {
    way: Way,
    at: u64,
    /// The last entry was a `poll_transmit`: one more at the same time would do nothing.
    transmitted: bool,
    /// How many bytes the last `handle_input` left over.
    left_over: usize,
    /// The network connection that the last bytes were for.
    attempt: Option<Attempt>,
    backlog: Backlog,
    deadline: Option<(Instant, Timer)>,
    /// No more entries are taken.
    ended: bool,
}

impl Tap {
    fn new(recorder: Recorder, config: &Config, now: Instant) -> Self {
        let at = now.as_micros();
        Self {
            way: recorder.attach(config, at),
            at,
            transmitted: false,
            left_over: 0,
            attempt: None,
            backlog: Backlog::default(),
            deadline: None,
            ended: false,
        }
    }

    fn push(&mut self, input: Option<Input>, output: Option<Output>) {
        self.transmitted = false;
        self.ended |= !self.way.push(Entry { at: self.at, input, output });
    }

    /// A call that has a time.
    fn call(&mut self, now: Instant, input: Input, output: Option<Output>) {
        self.tell(now);
        self.push(Some(input), output);
    }

    /// Time never goes back: so does the connection count it.
    fn tell(&mut self, now: Instant) {
        self.at = self.at.max(now.as_micros());
    }

    fn poll(&mut self, output: Output) {
        self.push(None, Some(output));
    }
}

impl Recorded {
    /// As [`Connection::new`].
    ///
    /// # Errors
    /// As there.
    pub fn new(config: Config, now: Instant, recorder: Option<Recorder>) -> Result<Self, ConfigError> {
        config.validate()?;
        let tap = recorder.map(|recorder| Box::new(Tap::new(recorder, &config, now)));
        Ok(Self { connection: Connection::new(config, now)?, tap })
    }

    /// As [`Connection::restore`]. The recorder has been told the store's records.
    ///
    /// # Errors
    /// As there.
    pub fn restore(
        config: Config,
        session: Session,
        now: Instant,
        recorder: Option<Recorder>,
    ) -> Result<Self, RestoreError> {
        let recording = recorder.map(|recorder| (recorder, config.clone()));
        let connection = Connection::restore(config, session, now)?;
        let tap = recording.map(|(recorder, config)| Box::new(Tap::new(recorder, &config, now)));
        Ok(Self { connection, tap })
    }

    /// Nothing is carried out any more: what the connection still has to say is polled and recorded, and the end.
    pub fn end_recording(&mut self) {
        if self.tap().is_none() {
            return;
        }
        while self.poll_event().is_some() {}
        while self.poll_message().is_some() {}
        if let Some(tap) = self.tap() {
            tap.poll(Output::End(End::Closed));
        }
    }

    /// The recording, while there is one.
    fn tap(&mut self) -> Option<&mut Tap> {
        if self.tap.as_ref().is_some_and(|tap| tap.ended) {
            self.tap = None;
        }
        self.tap.as_deref_mut()
    }

    /// Makes a call that gives nothing.
    fn call(&mut self, now: Instant, input: impl FnOnce() -> Input, call: impl FnOnce(&mut Connection)) {
        if let Some(tap) = self.tap() {
            tap.call(now, input(), None);
        }
        call(&mut self.connection);
    }

    /// Makes a call that gives something.
    fn ask<T>(
        &mut self,
        now: Instant,
        input: impl FnOnce() -> Input,
        call: impl FnOnce(&mut Connection) -> T,
        output: impl FnOnce(&T) -> Option<Output>,
    ) -> T {
        let input = self.tap().map(|_| input());
        let answer = call(&mut self.connection);
        if let (Some(tap), Some(input)) = (self.tap(), input) {
            tap.call(now, input, output(&answer));
        }
        answer
    }

    /// Takes an output.
    fn poll<T>(
        &mut self,
        poll: impl FnOnce(&mut Connection) -> Option<T>,
        output: impl FnOnce(&T, &Connection) -> Output,
    ) -> Option<T> {
        let polled = poll(&mut self.connection)?;
        if self.tap().is_some() {
            let output = output(&polled, &self.connection);
            if let Some(tap) = self.tap() {
                tap.poll(output);
            }
        }
        Some(polled)
    }

    /// See [`Connection::handle_connected`].
    pub fn handle_connected(&mut self, now: Instant, attempt: Attempt, overrides: ConnectOverrides<'_>) {
        if let Some(tap) = self.tap() {
            tap.left_over = 0;
            tap.call(now, Input::Connected(Connected::new(attempt, &overrides)), None);
        }
        self.connection.handle_connected(now, attempt, overrides);
    }

    /// See [`Connection::handle_input`].
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> Ingress {
        let Some(tap) = self.tap() else { return self.connection.handle_input(now, input) };
        // The driver may have thrown away what was left over.
        let cleared = input.len() < tap.left_over;
        let new = if cleared { 0 } else { tap.left_over };
        let received = Input::Received { bytes: Hex::copy(&input[new..]), cleared };
        let ingress = self.connection.handle_input(now, input);
        if let Some(tap) = self.tap() {
            tap.left_over = input.len();
            tap.call(now, received, Some(Output::ingress(ingress)));
        }
        ingress
    }

    /// See [`Connection::handle_written`].
    pub fn handle_written(&mut self, now: Instant, bytes: usize) {
        let input = || Input::Written { bytes: bytes as u64 };
        self.call(now, input, |connection| connection.handle_written(now, bytes));
    }

    /// See [`Connection::handle_disconnected`].
    pub fn handle_disconnected(&mut self, now: Instant, attempt: Attempt, lost: Lost) {
        if let Some(tap) = self.tap() {
            tap.left_over = 0;
            tap.call(now, Input::lost(attempt, &lost), None);
        }
        self.connection.handle_disconnected(now, attempt, lost);
    }

    /// See [`Connection::handle_persisted`].
    pub fn handle_persisted(&mut self, now: Instant, id: PersistId, result: Result<(), StoreError>) {
        if let Some(tap) = self.tap() {
            tap.call(now, Input::persisted(id, &result), None);
        }
        self.connection.handle_persisted(now, id, result);
    }

    /// See [`Connection::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.call(now, || Input::Timeout, |connection| connection.handle_timeout(now));
    }

    /// See [`Connection::handle_backlog`].
    pub fn handle_backlog(&mut self, backlog: Backlog) {
        if let Some(tap) = self.tap()
            && tap.backlog != backlog
        {
            tap.backlog = backlog;
            tap.push(Some(Input::Backlog(crate::entry::Backlog::new(&backlog))), None);
        }
        self.connection.handle_backlog(backlog);
    }

    /// See [`Connection::handle_dropped`].
    pub fn handle_dropped(&mut self, messages: u64) {
        if let Some(tap) = self.tap() {
            tap.push(Some(Input::Dropped { messages }), None);
        }
        self.connection.handle_dropped(messages);
    }

    /// See [`Connection::connect`].
    pub fn connect(&mut self, now: Instant) {
        self.call(now, || Input::Connect, |connection| connection.connect(now));
    }

    /// See [`Connection::reconnect`].
    pub fn reconnect(&mut self, now: Instant) {
        self.call(now, || Input::Reconnect, |connection| connection.reconnect(now));
    }

    /// See [`Connection::publish`].
    ///
    /// # Errors
    /// As there.
    pub fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<Token, PublishError> {
        let Some(_) = self.tap() else { return self.connection.publish(now, publish) };
        let input = Input::Publish(crate::entry::Publish::new(&publish));
        self.ask(
            now,
            || input,
            |connection| connection.publish(now, publish),
            |result| Some(Output::token(result)),
        )
    }

    /// See [`Connection::publish_unreported`]. While there is a recording, every message is reported.
    pub fn publish_unreported(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Sent> {
        match self.tap() {
            Some(_) => None,
            None => self.connection.publish_unreported(now, publish),
        }
    }

    /// See [`Connection::report_sent`].
    pub fn report_sent(&mut self, sent: Sent) -> Option<Result<Receipt, OperationError>> {
        self.connection.report_sent(sent)
    }

    /// See [`Connection::release_memory`]: no input, since nothing follows from it.
    pub fn release_memory(&mut self) {
        self.connection.release_memory();
    }

    /// See [`Connection::share_input`]: no input, since nothing follows from it.
    pub fn share_input(&mut self, sharing: Sharing) {
        self.connection.share_input(sharing);
    }

    /// See [`Connection::subscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe<'_>) -> Result<Token, SubscribeError> {
        self.ask(
            now,
            || Input::Subscribe(crate::entry::Subscribe::new(&subscribe)),
            |connection| connection.subscribe(now, subscribe),
            |result| Some(Output::token(result)),
        )
    }

    /// See [`Connection::unsubscribe`].
    ///
    /// # Errors
    /// As there.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        unsubscribe: Unsubscribe<'_>,
    ) -> Result<Token, SubscribeError> {
        self.ask(
            now,
            || Input::Unsubscribe(crate::entry::Unsubscribe::new(&unsubscribe)),
            |connection| connection.unsubscribe(now, unsubscribe),
            |result| Some(Output::token(result)),
        )
    }

    /// See [`Connection::cancel`].
    ///
    /// # Errors
    /// As there.
    pub fn cancel(&mut self, now: Instant, token: Token) -> Result<(), CancelError> {
        let input = || Input::Cancel { token: token.sequence() };
        self.ask(now, input, |connection| connection.cancel(now, token), Output::refusal)
    }

    /// See [`Connection::acknowledge`].
    ///
    /// # Errors
    /// As there.
    pub fn acknowledge(&mut self, now: Instant, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
        let input = || Input::Acknowledge { message: MessageName::new(id), reason: reason.value() };
        self.ask(now, input, |connection| connection.acknowledge(now, id, reason), Output::refusal)
    }

    /// See [`Connection::authenticate`].
    ///
    /// # Errors
    /// As there.
    pub fn authenticate(&mut self, now: Instant, attempt: Attempt, auth: Auth<'_>) -> Result<(), AuthError> {
        let input =
            || Input::Authenticate { attempt: attempt.number(), auth: crate::entry::Auth::new(&auth) };
        self.ask(now, input, |connection| connection.authenticate(now, attempt, auth), Output::refusal)
    }

    /// See [`Connection::reauthenticate`].
    ///
    /// # Errors
    /// As there.
    pub fn reauthenticate(&mut self, now: Instant, auth: Auth<'_>) -> Result<Token, AuthError> {
        self.ask(
            now,
            || Input::Reauthenticate(crate::entry::Auth::new(&auth)),
            |connection| connection.reauthenticate(now, auth),
            |result| Some(Output::token(result)),
        )
    }

    /// See [`Connection::refuse_authentication`].
    ///
    /// # Errors
    /// As there.
    pub fn refuse_authentication(
        &mut self,
        now: Instant,
        attempt: Attempt,
        reason: ReasonCode,
    ) -> Result<(), AuthError> {
        let input = || Input::RefuseAuthentication { attempt: attempt.number(), reason: reason.value() };
        let call = |connection: &mut Connection| connection.refuse_authentication(now, attempt, reason);
        self.ask(now, input, call, Output::refusal)
    }

    /// See [`Connection::disconnect`].
    ///
    /// # Errors
    /// As there.
    pub fn disconnect(&mut self, now: Instant, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        let input = || Input::Disconnect {
            at_once: disconnect.at_once,
            reason: disconnect.reason.value(),
            properties: disconnect.properties.into(),
        };
        self.ask(now, input, |connection| connection.disconnect(now, disconnect), Output::refusal)
    }

    /// See [`Connection::poll_persist`].
    pub fn poll_persist(&mut self, batch: &mut Batch) -> Option<PersistId> {
        let id = self.connection.poll_persist(batch)?;
        if let Some(tap) = self.tap() {
            tap.poll(Output::persist(id, batch));
        }
        Some(id)
    }

    /// See [`Connection::poll_transmit`].
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        if self.tap().is_none() {
            return self.connection.poll_transmit(now, out);
        }
        let Some(tap) = self.tap.as_deref_mut() else { return false };
        let attempt = Some(self.connection.attempt());
        // Bytes of an earlier network connection are discarded.
        let before = if tap.attempt == attempt { out.remaining() } else { 0 };
        tap.attempt = attempt;
        let any = self.connection.poll_transmit(now, out);
        let again = tap.transmitted && tap.at >= now.as_micros();
        if any || !again {
            tap.tell(now);
            tap.poll(Output::transmit(out, if any { before } else { out.remaining() }));
            tap.transmitted = true;
        }
        any
    }

    /// See [`Connection::poll_action`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.poll(Connection::poll_action, |action, _| Output::action(action))
    }

    /// See [`Connection::poll_event`].
    pub fn poll_event(&mut self) -> Option<Event> {
        self.poll(Connection::poll_event, |event, connection| {
            Output::Event(crate::event::Event::new(event, connection.version()))
        })
    }

    /// See [`Connection::poll_message`].
    pub fn poll_message(&mut self) -> Option<Message> {
        self.poll(Connection::poll_message, |message, _| Output::Message(crate::entry::Message::new(message)))
    }

    /// See [`Connection::poll_excess`].
    pub fn poll_excess(&mut self) -> usize {
        let excess = self.connection.poll_excess();
        if excess > 0
            && let Some(tap) = self.tap()
        {
            tap.poll(Output::Excess { bytes: excess as u64 });
        }
        excess
    }

    /// See [`Connection::poll_timeout`].
    pub fn poll_timeout(&mut self) -> Option<(Instant, Timer)> {
        let deadline = self.connection.poll_timeout();
        if let Some(tap) = self.tap()
            && tap.deadline != deadline
        {
            tap.deadline = deadline;
            let transmitted = tap.transmitted;
            tap.poll(Output::deadline(deadline));
            // Asking changes nothing.
            tap.transmitted = transmitted;
        }
        deadline
    }
}

impl Deref for Recorded {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// Ends the recording.
impl Drop for Recorded {
    fn drop(&mut self) {
        self.end_recording();
    }
}
