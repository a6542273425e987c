//! Write-ahead: what must be stored before a packet may leave, and what becomes of it when the store fails.
//!
//! Each accepted message of QoS 1 or 2 has a `Message` record, which never changes, and from its entry into the
//! in-flight window on a small `Flight` record. Changes gather in one batch until the driver takes it. A packet that
//! must not leave before a change names the batch that the change went into.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::Connection;
use super::flight::Stage;
use super::queue::Record;
use super::state::Phase;
use crate::bug::Bug;
use crate::error::{Cause, OperationError};
use crate::event::{Event, Token};
use crate::packet::{PacketType, ProtocolVersion, QoS, ReasonCode};
use crate::session::{
    Batch, Header, Key, PersistId, Session, StoreError, StoredFlight, StoredMessage, StoredStage,
};
use crate::time::Instant;

/// The header promises this many tokens at a time, so that it is rarely written.
const TOKENS: u64 = 1_024;

/// What is on its way to the store, and what waits for it.
#[derive(Debug)]
pub(super) struct Persistence {
    /// Changes that the driver has not taken.
    batch: Batch,
    /// The number that `batch` will have.
    next: PersistId,
    /// Everything up to here is stored.
    stored: PersistId,
    failure: Option<StoreError>,
    /// Accepted messages whose records are not stored.
    accepted: VecDeque<(PersistId, Token)>,
    /// PUBREL, PUBREC and PUBCOMP of this connection, in the order in which they are to be sent.
    replies: VecDeque<(PersistId, Reply)>,
    /// The last change of a received identifier.
    incoming: PersistId,
    /// Tokens below are promised in the stored header.
    promised: u64,
    /// The version in the stored header.
    version: Option<ProtocolVersion>,
    /// The time of day at the origin of our time, in microseconds since 1970.
    day: Option<u64>,
    /// The client has ended, and says so once everything is stored.
    closing: Option<Box<Cause>>,
    /// It is to be started again then.
    restart: bool,
}

type Reply = (PacketType, u16, ReasonCode);

/// What a reply that waits takes.
const REPLY: usize = size_of::<(PersistId, Reply)>();

impl Persistence {
    pub(super) fn new(session: &Session, now: Instant) -> Self {
        let header = session.header.as_ref();
        Self {
            batch: Batch::new(),
            next: PersistId(1),
            stored: PersistId(0),
            failure: None,
            accepted: VecDeque::new(),
            replies: VecDeque::new(),
            incoming: PersistId(0),
            promised: header.map_or(0, |header| header.next_token),
            version: header.and_then(|header| header.version),
            day: session.wall_clock_micros().map(|micros| micros.saturating_sub(now.as_micros())),
            closing: None,
            restart: false,
        }
    }

    fn take(&mut self, batch: &mut Batch) -> Option<PersistId> {
        batch.clear();
        if self.batch.is_empty() || self.failure.is_some() {
            return None;
        }
        core::mem::swap(&mut self.batch, batch);
        let id = self.next;
        self.next = PersistId(id.0 + 1);
        Some(id)
    }

    /// Whether the driver has changes to carry out.
    pub(super) fn has_output(&self) -> bool {
        !self.batch.is_empty() && self.failure.is_none()
    }

    /// Whether everything is stored.
    fn is_settled(&self) -> bool {
        self.batch.is_empty() && self.stored.0 + 1 == self.next.0
    }

    /// The next reply whose record is stored.
    fn next_reply(&mut self) -> Option<Reply> {
        let (_, reply) = *self.replies.front().filter(|(after, _)| *after <= self.stored)?;
        self.replies.pop_front();
        Some(reply)
    }

    /// The network connection is gone, and with it what was owed on it.
    pub(super) fn disconnected(&mut self) {
        self.replies = VecDeque::new();
    }

    pub(super) fn trim(&mut self) {
        self.accepted.shrink_to_fit();
        self.replies.shrink_to_fit();
    }
}

impl Connection {
    pub(super) fn take_batch(&mut self, batch: &mut Batch) -> Option<PersistId> {
        if !self.may_store() {
            return None;
        }
        self.persistence.as_deref_mut()?.take(batch)
    }

    /// A client that has ended has let its store go: what the application acknowledges after that is stored when the client
    /// is started again, if it is.
    pub(super) fn may_store(&self) -> bool {
        self.phase != Phase::Closed || self.is_closing()
    }

    pub(super) fn persisted(&mut self, id: PersistId, result: Result<(), StoreError>) {
        let Some(persistence) = self.persistence.as_deref_mut() else { return };
        if persistence.failure.is_some() || id >= persistence.next {
            return;
        }
        if let Err(error) = result
            && !self.config.has_bug(Bug::StoreFailureIgnored)
        {
            return self.store_failed(error);
        }
        persistence.stored = persistence.stored.max(id);
        while let Some((_, token)) =
            persistence.accepted.front().filter(|(after, _)| *after <= persistence.stored)
        {
            self.events.push_back(Event::Stored { token: *token });
            persistence.accepted.pop_front();
        }
        self.send_replies();
        self.flush();
        self.finish_closing();
    }

    /// The client has ended, and its store does not answer: it counts as failed. What it is at cannot be called back, and
    /// may be stored after all.
    pub(super) fn store_timed_out(&mut self) {
        self.store_failed(StoreError("it did not answer in time".into()));
    }

    fn store_failed(&mut self, error: StoreError) {
        let Some(persistence) = self.persistence.as_deref_mut() else { return };
        persistence.failure = Some(error.clone());
        persistence.batch = Batch::new();
        match self.phase {
            Phase::Closed => self.finish_closing(),
            // There is to be no other connection, whatever this one is closed for.
            Phase::Closing => self.cause = Some(Box::new(Cause::Store(error))),
            phase if phase.has_transport() => self.fail(Cause::Store(error)),
            _ => self.close(Cause::Store(error)),
        }
    }

    /// Why the client cannot go on, if its store has failed.
    pub(super) fn store_failure(&self) -> Option<&StoreError> {
        self.persistence.as_deref()?.failure.as_ref()
    }

    /// Whether what belongs to this number is stored; always without a store.
    pub(super) fn is_stored(&self, id: PersistId) -> bool {
        self.persistence.as_deref().is_none_or(|persistence| id <= persistence.stored)
            || self.has_bug(Bug::StoredAfterSending)
    }

    // The end

    /// The client has ended: whether it has to wait for the store before it says so.
    pub(super) fn waits_for_store(&mut self, cause: &Cause) -> bool {
        let Some(persistence) = self.persistence.as_deref_mut() else { return false };
        if persistence.failure.is_some() || persistence.is_settled() {
            return false;
        }
        persistence.closing = Some(Box::new(cause.clone()));
        true
    }

    fn finish_closing(&mut self) {
        let Some(persistence) = self.persistence.as_deref_mut() else { return };
        if !persistence.is_settled() && persistence.failure.is_none() {
            return;
        }
        let Some(cause) = persistence.closing.take() else { return };
        let restart = core::mem::take(&mut persistence.restart);
        let failure = persistence.failure.clone();
        self.close(failure.map_or(*cause, Cause::Store));
        if restart {
            self.start();
        }
    }

    /// Whether the client has ended and only its store has not.
    pub(super) fn is_closing(&self) -> bool {
        self.persistence.as_deref().is_some_and(|persistence| persistence.closing.is_some())
    }

    /// A client that is closing is to be started once that is done, or is not.
    pub(super) fn restart_when_closed(&mut self, restart: bool) {
        if let Some(persistence) = self.persistence.as_deref_mut() {
            persistence.restart = restart;
        }
    }

    /// What a message that was not acknowledged ends with when the client does.
    pub(super) fn closing_error(&self, token: Token) -> OperationError {
        match self.persistence.as_deref() {
            None => OperationError::Closed,
            Some(Persistence { failure: Some(error), accepted, .. })
                if accepted.front().is_some_and(|(_, first)| *first <= token) =>
            {
                OperationError::Store(error.clone())
            }
            Some(_) => OperationError::Kept,
        }
    }

    // Records

    /// Puts a change into the batch, and gives the batch's number; 0, which is always stored, without a store.
    fn change(&mut self, change: impl FnOnce(&mut Batch)) -> PersistId {
        match self.persistence.as_deref_mut() {
            Some(persistence) if persistence.failure.is_none() => {
                change(&mut persistence.batch);
                persistence.next
            }
            _ => PersistId(0),
        }
    }

    /// The client identifier, the version or the tokens that may be given out have changed, or may have.
    pub(super) fn store_header(&mut self) {
        let Some(persistence) = self.persistence.as_deref_mut() else { return };
        persistence.promised = persistence.promised.max(self.next_token + TOKENS);
        if self.session.known {
            persistence.version = Some(self.version);
        }
        let header = Header {
            version: persistence.version,
            next_token: persistence.promised,
            client_id: self.client_id.clone(),
        };
        self.change(|batch| batch.put(Key::Header, |out| header.write(out)));
    }

    /// The version that the store knows of.
    pub(super) fn stored_version(&self) -> Option<ProtocolVersion> {
        self.persistence.as_deref()?.version
    }

    /// Tokens are never given out twice, over restarts either: the next promise is made long before it is needed, and
    /// is stored by then.
    #[inline]
    pub(super) fn promise_token(&mut self) {
        let needed = self.next_token + TOKENS / 2;
        if self.persistence.as_deref().is_some_and(|persistence| needed >= persistence.promised) {
            self.store_header();
        }
    }

    /// A message of QoS 1 or 2 was accepted.
    pub(super) fn store_message(&mut self, token: Token, record: &Record) {
        let Some(persistence) = self.persistence.as_deref_mut() else { return };
        let packet = record.packet(0, false);
        let message = StoredMessage {
            qos: record.qos,
            retain: record.retain,
            accepted_at: persistence.day.map_or(0, |day| day.saturating_add(self.now.as_micros())),
            topic: packet.topic,
            properties: packet.properties,
            payload: packet.payload,
        };
        persistence.batch.put_new(Key::Message(token.0), |out| message.write(out));
        persistence.accepted.push_back((persistence.next, token));
    }

    /// A message enters the in-flight window. If it has left it before, that is stored earlier, or in the same batch.
    pub(super) fn store_admission(&mut self, token: Token, packet_id: u16) -> PersistId {
        let flight = StoredFlight { packet_id, stage: StoredStage::Published };
        self.change(|batch| batch.put_new(Key::Flight(token.0), |out| flight.write(out)))
    }

    /// A message in the in-flight window moves on.
    pub(super) fn store_flight(&mut self, token: Token, packet_id: u16, stage: StoredStage) -> PersistId {
        let flight = StoredFlight { packet_id, stage };
        self.change(|batch| batch.put(Key::Flight(token.0), |out| flight.write(out)))
    }

    /// A message is not to be sent any more: it was taken by the server, or given up.
    #[inline]
    pub(super) fn forget_message(&mut self, token: Token) {
        if self.persistence.is_some() {
            self.delete_message(token);
        }
    }

    fn delete_message(&mut self, token: Token) {
        if let Some(Persistence { accepted, .. }) = self.persistence.as_deref_mut()
            && let Ok(index) = accepted.binary_search_by_key(&token, |(_, accepted)| *accepted)
        {
            accepted.remove(index);
        }
        self.change(|batch| batch.delete(Key::Message(token.0)));
    }

    /// A message's packet identifier is free.
    pub(super) fn forget_flight(&mut self, token: Token) {
        self.change(|batch| batch.delete(Key::Flight(token.0)));
    }

    /// An entry has left the in-flight table for good.
    #[inline]
    pub(super) fn forget_stage(&mut self, token: Token, stage: &Stage) {
        if self.persistence.is_some() {
            self.delete_stage(token, stage);
        }
    }

    fn delete_stage(&mut self, token: Token, stage: &Stage) {
        match stage {
            Stage::Controlled(_) => {}
            Stage::Published(_) => {
                self.forget_message(token);
                self.forget_flight(token);
            }
            Stage::Released { .. } | Stage::Abandoned { .. } => self.forget_flight(token),
        }
    }

    /// The application was told of the end of a message that may have been sent: only its packet identifier stays
    /// reserved.
    pub(super) fn store_abandoned(&mut self, token: Token, packet_id: u16, qos: QoS) {
        self.forget_message(token);
        let exactly_once = qos == QoS::ExactlyOnce;
        self.store_flight(token, packet_id, StoredStage::Abandoned { exactly_once });
    }

    /// The application has acknowledged a QoS 2 message: it is not delivered again [MQTT-4.3.3-10].
    pub(super) fn store_incoming(&mut self, packet_id: u16) {
        let id = self.change(|batch| batch.put(Key::Incoming(packet_id), |_| {}));
        self.incoming_changed(id);
    }

    /// A received identifier is free for another message.
    pub(super) fn forget_incoming(&mut self, packet_id: u16) {
        let id = self.change(|batch| batch.delete(Key::Incoming(packet_id)));
        self.incoming_changed(id);
    }

    fn incoming_changed(&mut self, id: PersistId) {
        if let Some(persistence) = self.persistence.as_deref_mut() {
            persistence.incoming = id;
        }
    }

    /// The session has ended at the server: so have the identifiers that it used.
    pub(super) fn forget_received(&mut self) {
        if self.persistence.is_some() {
            for packet_id in self.received.completing() {
                self.forget_incoming(packet_id);
            }
        }
    }

    // Replies

    /// Sends PUBREL once what belongs to `after` is stored.
    pub(super) fn reply_pubrel(&mut self, after: PersistId, packet_id: u16, reason: ReasonCode) {
        let after = if self.has_bug(Bug::ReleasedBeforeStored) { PersistId(0) } else { after };
        self.reply(after, (PacketType::PubRel, packet_id, reason));
    }

    /// Sends PUBREC or PUBCOMP once the last change of a received identifier is stored: its own or a later one.
    pub(super) fn reply_incoming(&mut self, packet: PacketType, packet_id: u16, reason: ReasonCode) {
        let is_early = match packet {
            PacketType::PubComp => self.has_bug(Bug::CompletedBeforeStored),
            _ => self.has_bug(Bug::ReceivedBeforeStored),
        };
        let stored = self.persistence.as_deref().filter(|_| !is_early);
        let after = stored.map_or(PersistId(0), |persistence| persistence.incoming);
        self.reply(after, (packet, packet_id, reason));
    }

    fn reply(&mut self, after: PersistId, reply: Reply) {
        match self.persistence.as_deref_mut() {
            // Replies keep their order [MQTT-4.6.0-3], [MQTT-4.6.0-4].
            Some(persistence) if after > persistence.stored || !persistence.replies.is_empty() => {
                persistence.replies.push_back((after, reply));
            }
            _ => self.send_reply(reply),
        }
    }

    /// The bytes of the replies that wait for the store.
    pub(super) fn waiting_replies(&self) -> u64 {
        self.persistence.as_deref().map_or(0, |persistence| (persistence.replies.len() * REPLY) as u64)
    }

    fn send_replies(&mut self) {
        while self.phase.is_up() {
            let Some(reply) = self.persistence.as_deref_mut().and_then(Persistence::next_reply) else {
                return;
            };
            self.send_reply(reply);
        }
    }

    fn send_reply(&mut self, (packet, packet_id, reason): Reply) {
        if packet == PacketType::PubRel {
            self.in_flight.touch_release(packet_id, self.now);
        }
        self.send_ack(packet, packet_id, reason);
    }
}
