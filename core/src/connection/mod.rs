//! The state machine of one client.

mod ahead;
mod authentication;
mod backlog;
mod commands;
mod deadlines;
mod downgrading;
mod due;
mod encoding;
mod ending;
mod flight;
mod handshake;
mod id_table;
mod inbound;
mod incoming;
mod inflight;
mod line;
mod losing;
mod outbound;
mod outgoing_aliases;
mod persistence;
mod planted;
mod queue;
mod quick;
mod random;
mod received;
mod reconnect;
mod restoring;
mod send_buffer;
mod servers;
mod splitting;
mod stalling;
mod state;
mod status;
mod subscriptions;
#[cfg(test)]
mod tests;
mod timer;
mod topic_alias;
mod unread;
mod unreported;
mod waiting;
mod window;
mod withdrawing;

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::BytesMut;
use heapless::Deque;

use self::authentication::Exchange;
use self::due::Due;
use self::ending::Ending;
use self::handshake::ServerSession;
use self::inflight::InFlights;
use self::outgoing_aliases::OutgoingAliases;
use self::persistence::Persistence;
use self::queue::Queue;
use self::quick::Quick;
use self::random::Random;
use self::received::Received;
use self::reconnect::Backoff;
use self::servers::Servers;
use self::splitting::Splits;
use self::stalling::HeldBack;
use self::state::Phase;
use self::subscriptions::Subscriptions;
use self::timer::Timers;
use self::topic_alias::IncomingAliases;
use self::unread::Unread;
use self::unreported::Unreported;
use crate::command::{Auth, ConnectOverrides, Disconnect, Publish, Subscribe, Unsubscribe};
use crate::config::{Acknowledge, ClientId, Config, VersionPolicy};
use crate::error::{
    AckError, AuthError, CancelError, Cause, ConfigError, DisconnectError, Lost, OperationError,
    PublishError, SubscribeError,
};
use crate::event::{Action, Attempt, Event, PacketInfo, Receipt, Sent, Token};
use crate::message::{Message, MessageId};
use crate::packet::{PacketType, PropertiesBuf, ProtocolVersion, ReasonCode};
use crate::server::Server;
use crate::session::{Batch, PersistId, StoreError};
use crate::time::Instant;

pub use self::backlog::Backlog;
pub use self::send_buffer::Transmit;
pub use self::status::{State, Statistics};
pub use self::timer::Timer;

/// Events about packets are dropped, and counted, beyond this many that nobody polled.
const PACKET_EVENTS: u16 = 1_024;
/// What an incoming message takes besides its packet, counted against the bounds.
const MESSAGE_OVERHEAD: usize = 128;

/// What [`Connection::handle_input`] wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingress {
    /// Every whole packet was taken.
    NeedData {
        /// How many more bytes the next packet needs at least. It is the peer's word: reserve no more than one
        /// read takes.
        missing: usize,
    },
    /// Stop reading. Call again, without new bytes, when messages were taken, bytes were written, changes were
    /// stored, or [`Event::Authenticate`] was answered.
    Paused,
}

/// Whether received messages share the memory of the input that they came in; see [`Connection::share_input`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sharing {
    /// They do, until many wait for the application: then small ones are copied out.
    #[default]
    Backlog,
    /// They all do: the driver bounds what they keep alive.
    Always,
    /// Only large ones do, from 8 KiB on.
    Never,
}

/// An MQTT client as a pure state machine.
///
/// It lives as long as the client does, over many network connections. It does no I/O and reads no clock; the
/// driver feeds it and carries out what it asks for:
///
/// - **handlers** tell it what happened outside: [`handle_connected`](Self::handle_connected),
///   [`handle_input`](Self::handle_input), [`handle_written`](Self::handle_written),
///   [`handle_disconnected`](Self::handle_disconnected), [`handle_persisted`](Self::handle_persisted),
///   [`handle_timeout`](Self::handle_timeout). They never fail: a peer's fault comes back as
///   [`Event::Disconnected`] and [`Action::Close`].
/// - **commands** tell it what the user wants. They are valid at any time, bounded, and each has its own errors.
/// - **outputs** are drained by the driver after handlers and commands, in this order:
///   [`poll_persist`](Self::poll_persist), [`poll_transmit`](Self::poll_transmit),
///   [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event), [`poll_message`](Self::poll_message),
///   [`poll_timeout`](Self::poll_timeout). Commands may be called back to back without draining.
///
/// A handler's and `poll_transmit`'s `now` is the current time. A command's may be the driver's last one: its
/// deadlines count from the driver's next call. Time never goes back: an earlier `now` counts as the latest.
///
/// The crate's front page has a whole run as an example.
pub struct Connection {
    config: Config,
    phase: Phase,
    now: Instant,
    random: Random,
    timers: Timers,
    backoff: Backoff,
    actions: Deque<Action, 2>,
    events: VecDeque<Event>,
    packet_events: u16,
    statistics: Statistics,

    // The client
    version: ProtocolVersion,
    servers: Box<Servers>,
    client_id: Box<str>,
    session: ServerSession,
    subscriptions: Subscriptions,
    next_token: u64,
    queue: Queue,
    splits: Splits,
    due: Due,
    in_flight: InFlights,
    received: Received,
    persistence: Option<Box<Persistence>>,
    ending: Option<Box<Ending>>,

    // The network connection
    attempt: Attempt,
    server: Option<Box<Server>>,
    cause: Option<Box<Cause>>,
    exchange: Option<Box<Exchange>>,
    clean_start: bool,
    out: Transmit,
    /// Bytes given to `out`, and taken by the transport, on this connection.
    enqueued: u64,
    written: u64,
    quick: Quick,
    /// At most how many of the bytes that the transport has not taken are acknowledgements.
    replies: u64,
    /// When the transport last made progress, while it has bytes to take.
    writing_since: Option<Instant>,
    /// QoS 0 messages among the bytes enqueued, in the order of the calls.
    unwritten: VecDeque<Unwritten>,
    /// Once there was any.
    unreported: Option<Box<Unreported>>,
    ping: Option<Ping>,
    last_sent: Instant,
    last_received: Instant,
    aliases: IncomingAliases,
    /// Once one is wanted.
    outgoing_aliases: Option<Box<OutgoingAliases>>,
    /// The properties of the message that is being encoded, where they are not those of its call.
    scratch: Option<Box<PropertiesBuf>>,

    // Unread messages
    /// Once there was one.
    unread: Option<Box<Unread>>,
    sharing: Sharing,
    backlog: Backlog,
    /// How many bytes of it the driver is to drop.
    excess: usize,
    /// How many messages of earlier reads wait, here and outside.
    waiting_before: usize,
    paused: bool,
    /// Reading is held back, and operations wait.
    held_back: Option<Box<HeldBack>>,
    /// How much input was left over for the next call.
    left_over: usize,
    dropped: u64,
    /// The message that holds our receive window up; 0 is none.
    blocking: u64,
}

/// A QoS 0 message that the transport has not taken.
#[derive(Debug)]
struct Unwritten {
    /// Where it ends among the bytes enqueued.
    end: u64,
    token: Token,
    /// The application was told of its end already.
    withdrawn: bool,
}

/// A PINGREQ that was not answered yet.
#[derive(Debug, Clone, Copy)]
struct Ping {
    /// Where it ends among the bytes enqueued.
    end: u64,
}

impl Connection {
    /// A client that is not started; [`connect`](Self::connect) starts it.
    ///
    /// # Errors
    /// The options contradict each other; see [`Config::validate`].
    pub fn new(config: Config, now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut random = Random::new(config.seed);
        let client_id = match &config.client_id {
            ClientId::Random => random.client_id(),
            ClientId::Given(id) => id.clone(),
        };
        let version = match config.version {
            VersionPolicy::Automatic { .. } => ProtocolVersion::V5,
            VersionPolicy::Only(version) => version,
        };
        let servers = Box::new(Servers::new(&config, version, &mut random));
        Ok(Self {
            config,
            phase: Phase::Idle,
            now,
            random,
            timers: Timers::default(),
            backoff: Backoff::default(),
            actions: Deque::new(),
            events: VecDeque::new(),
            packet_events: 0,
            statistics: Statistics::default(),
            version,
            servers,
            client_id,
            session: ServerSession::default(),
            subscriptions: Subscriptions::default(),
            next_token: subscriptions::AGAIN.0 + 1,
            queue: Queue::default(),
            splits: Splits::default(),
            due: Due::default(),
            in_flight: InFlights::new(),
            received: Received::new(),
            persistence: None,
            ending: None,
            attempt: Attempt(0),
            server: None,
            cause: None,
            exchange: None,
            clean_start: false,
            out: Transmit::new(),
            enqueued: 0,
            written: 0,
            quick: Quick::default(),
            replies: 0,
            writing_since: None,
            unwritten: VecDeque::new(),
            unreported: None,
            ping: None,
            last_sent: now,
            last_received: now,
            aliases: IncomingAliases::default(),
            outgoing_aliases: None,
            scratch: None,
            unread: None,
            sharing: Sharing::default(),
            backlog: Backlog::default(),
            excess: 0,
            waiting_before: 0,
            paused: false,
            held_back: None,
            left_over: 0,
            dropped: 0,
            blocking: 0,
        })
    }

    // Handlers: what happened outside.

    /// The network connection that [`Action::Connect`] asked for is there: CONNECT is sent
    /// [MQTT-3.1.0-1], with `overrides` in the place of what is configured. Ignored for another attempt.
    pub fn handle_connected(&mut self, now: Instant, attempt: Attempt, overrides: ConnectOverrides<'_>) {
        self.observe(now);
        self.transport_up(attempt, overrides);
    }

    /// Takes whole packets from the front of `input`, and leaves the rest there for the next call, to which the
    /// driver appends what it read.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) -> Ingress {
        self.observe(now);
        self.take_input(input)
    }

    /// The transport took `bytes` more of what [`poll_transmit`](Self::poll_transmit) gave.
    pub fn handle_written(&mut self, now: Instant, bytes: usize) {
        self.pass(now);
        self.settle();
        self.bytes_written(bytes);
    }

    /// The network connection is gone, could not be made, or was closed as [`Action::Close`] asked: to be called
    /// exactly once for each [`Action::Connect`]. Ignored for another attempt. `lost` is reported unless the
    /// reason is known here already.
    pub fn handle_disconnected(&mut self, now: Instant, attempt: Attempt, lost: Lost) {
        self.observe(now);
        self.transport_down(attempt, lost);
    }

    /// The store has carried out the batch of this number and all before it, or could not. A store that has failed
    /// ends the client: what it does not have completes with
    /// [`OperationError::Store`](crate::OperationError::Store), and it is not asked again.
    pub fn handle_persisted(&mut self, now: Instant, id: PersistId, result: Result<(), StoreError>) {
        self.observe(now);
        self.persisted(id, result);
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) gave has come. Calls without need do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.observe(now);
        self.deadlines();
    }

    /// What [`poll_message`](Self::poll_message) has handed over and still waits for the application. It counts
    /// against the bounds on incoming messages together with what was not polled. Nothing waits outside unless this
    /// says so.
    pub fn handle_backlog(&mut self, backlog: Backlog) {
        self.backlog = backlog;
    }

    /// The driver dropped so many messages of QoS 0 as [`poll_excess`](Self::poll_excess) asked for: they are
    /// counted and reported.
    pub fn handle_dropped(&mut self, messages: u64) {
        self.count_dropped(messages);
        self.report_dropped();
    }

    /// Whether the messages of the next inputs share their memory. A driver that knows which of its buffers are still
    /// used by messages can decide better than by how many wait; what comes out is the same.
    pub fn share_input(&mut self, sharing: Sharing) {
        self.sharing = sharing;
    }

    // Commands: what the user wants.

    /// Starts a client that is idle or closed, or ends the pause before the next attempt; otherwise it does
    /// nothing.
    pub fn connect(&mut self, now: Instant) {
        self.observe_coarse(now);
        self.start();
    }

    /// Connects at once: like [`connect`](Self::connect), and a connection that is up is closed and made anew.
    pub fn reconnect(&mut self, now: Instant) {
        self.observe_coarse(now);
        self.start_again();
    }

    /// Publishes a message. It is sent at once, or queued while there is no connection, no room in the in-flight
    /// window, or no room in the send buffer. Its fate is an [`Event::Published`]: for QoS 0 when the transport has
    /// taken it, for QoS 1 and 2 when the server has acknowledged it.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing was kept.
    #[allow(clippy::needless_pass_by_value)] // Like the other commands; a shared payload is given away.
    pub fn publish(&mut self, now: Instant, publish: Publish<'_>) -> Result<Token, PublishError> {
        let Some(token) = self.send_quickly(now, &publish) else { return self.send_publish(now, &publish) };
        self.remember_unwritten(token);
        Ok(token)
    }

    /// The quick way to publish at QoS 0, for a caller that mostly does not care for the outcome: the message is encoded
    /// at once, even if it waits for the transport then, and no event tells of it. What has become of it is there to be
    /// asked for, with [`report_sent`](Self::report_sent). `None`: nothing was done, and this message, or any now, needs
    /// [`publish`](Self::publish), which also says what is wrong with it.
    pub fn publish_unreported(&mut self, now: Instant, publish: &Publish<'_>) -> Option<Sent> {
        let Some(token) = self.send_quickly(now, publish) else { return self.send_unreported(now, publish) };
        self.remember_unreported(token);
        Some(Sent(token))
    }

    /// What has become of a message of [`publish_unreported`](Self::publish_unreported): its outcome, or `None` while the
    /// transport has not taken it. Then its fate is an [`Event::Published`] after all, and until then it can be
    /// [cancelled](Self::cancel). What the transport had not taken to within 4 KiB when its connection was lost is lost,
    /// and so is what failed many lost connections ago.
    pub fn report_sent(&mut self, sent: Sent) -> Option<Result<Receipt, OperationError>> {
        self.watch_sent(sent)
    }

    /// Gives memory back that was needed under load and is not now. A driver calls it when nothing has moved for a while;
    /// it changes nothing else.
    pub fn release_memory(&mut self) {
        self.forget_quick();
        self.trim();
    }

    /// Subscribes to topic filters; its fate is an [`Event::Subscribed`]. The filters become part of what a
    /// reconnect restores, each until it is refused or unsubscribed from.
    ///
    /// # Errors
    /// See [`SubscribeError`]; nothing was kept.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe<'_>) -> Result<Token, SubscribeError> {
        self.observe_coarse(now);
        self.send_subscribe(subscribe)
    }

    /// Unsubscribes from topic filters; its fate is an [`Event::Unsubscribed`].
    ///
    /// # Errors
    /// See [`SubscribeError`]; nothing was kept.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        unsubscribe: Unsubscribe<'_>,
    ) -> Result<Token, SubscribeError> {
        self.observe_coarse(now);
        self.send_unsubscribe(unsubscribe)
    }

    /// Ends an operation with [`OperationError::Cancelled`](crate::OperationError::Cancelled), at once. What was not
    /// sent is gone. What was sent is not sent again, whatever the server does with it; its packet identifier stays
    /// reserved until the acknowledgement or the end of the session, and a QoS 2 exchange is brought to its end. A
    /// subscribe that is cancelled is not made again by a reconnect. The cost grows with what is in flight.
    ///
    /// With a store, a crash soon after this may undo it: until the batch with the removal of the message's record is
    /// stored, which nothing waits for, the next process has the message again and sends it. It has its place among the
    /// others then: what was published after it and had been sent before the crash is sent again behind it.
    ///
    /// # Errors
    /// The token is not that of a publish, subscribe or unsubscribe that is under way; nothing happened.
    pub fn cancel(&mut self, now: Instant, token: Token) -> Result<(), CancelError> {
        self.observe_coarse(now);
        self.cancel_operation(token)
    }

    /// Acknowledges a received QoS 1 or 2 message; needed for each with [`Acknowledge::Explicit`]. Any order will
    /// do: PUBACKs leave in the order of the messages, PUBRECs too. While there is no connection it is remembered,
    /// and the server's redelivery is answered with it. A `reason` of 0x80 or above refuses the message, and
    /// another one below tells the server more than Success (5.0).
    ///
    /// # Errors
    /// See [`AckError`]; nothing is sent.
    pub fn acknowledge(&mut self, now: Instant, id: MessageId, reason: ReasonCode) -> Result<(), AckError> {
        self.observe_coarse(now);
        self.acknowledge_message(id, reason)
    }

    /// Whether [`acknowledge`](Self::acknowledge) takes this reason code now: every client-side code of PUBACK and PUBREC
    /// on 5.0, only Success on older versions.
    ///
    /// # Errors
    /// See [`AckError`]; never `Stale`.
    pub fn check_acknowledgement(&self, reason: ReasonCode) -> Result<(), AckError> {
        self.check_ack_reason(reason)
    }

    /// Answers [`Event::Authenticate`] of the network connection `attempt`: with the next AUTH, or, where the server
    /// has accepted, by confirming that; `auth` is not sent then. Nothing else is sent or read before
    /// [MQTT-3.1.2-30].
    ///
    /// # Errors
    /// See [`AuthError`]; nothing is sent.
    pub fn authenticate(&mut self, now: Instant, attempt: Attempt, auth: Auth<'_>) -> Result<(), AuthError> {
        self.observe_coarse(now);
        self.answer_challenge(attempt, &auth)
    }

    /// Begins a re-authentication on the connection that is up [MQTT-4.12.1-1]; `auth` is its first step. Other packets
    /// flow on. The server's AUTH is an [`Event::Authenticate`] each, and the end an [`Event::Reauthenticated`]; a
    /// server that refuses disconnects. It may take [`Config::ack_timeout`] in all, then the connection is made anew.
    ///
    /// # Errors
    /// See [`AuthError`]; nothing is sent.
    pub fn reauthenticate(&mut self, now: Instant, auth: Auth<'_>) -> Result<Token, AuthError> {
        self.observe_coarse(now);
        self.begin_again(&auth)
    }

    /// Whether a re-authentication can begin now, for who has to compute its first step.
    ///
    /// # Errors
    /// What [`reauthenticate`](Self::reauthenticate) would answer, whatever the step is.
    pub fn check_reauthenticate(&self) -> Result<(), AuthError> {
        self.check_again()
    }

    /// Gives an exchange of the network connection `attempt` up, such as when the server's proof of itself is wrong:
    /// sends DISCONNECT with `reason` and closes [MQTT-4.12.1-2]. The next attempt follows as after any other fault.
    /// Lawful while [`Event::Authenticate`] waits for its answer, and as long as the connection is up.
    ///
    /// # Errors
    /// See [`AuthError`]; nothing happens.
    pub fn refuse_authentication(
        &mut self,
        now: Instant,
        attempt: Attempt,
        reason: ReasonCode,
    ) -> Result<(), AuthError> {
        self.observe_coarse(now);
        self.refuse_server(attempt, reason)
    }

    /// Ends the client with [`Event::Closed`]: gracefully after what is pending, at most
    /// [`Config::drain_timeout`], or at once. Without a connection it ends at once. What is pending then completes
    /// with [`OperationError::Closed`](crate::OperationError::Closed). Called again, it can only hurry.
    ///
    /// With a store, it ends once that has everything: then what is pending completes with
    /// [`OperationError::Kept`](crate::OperationError::Kept). A store that does not answer within
    /// [`Config::store_patience`] has failed; what it is at cannot be called back, so that what completes with
    /// [`OperationError::Store`](crate::OperationError::Store) may be there after all.
    ///
    /// # Errors
    /// The properties or the reason are not lawful; nothing happened.
    pub fn disconnect(&mut self, now: Instant, disconnect: Disconnect<'_>) -> Result<(), DisconnectError> {
        self.observe_coarse(now);
        self.end(disconnect)
    }

    // Outputs, in the order in which a driver drains them.

    /// Moves all changes that wait for the store into `batch`, whose earlier contents are forgotten; `None` if there are
    /// none, as always for a client without a store. They are to be carried out in order and as one: all of them, or
    /// none; then [`handle_persisted`](Self::handle_persisted) is called. Batches may be on their way while others
    /// follow. Nothing that must not leave before it is stored is among the bytes to transmit.
    pub fn poll_persist(&mut self, batch: &mut Batch) -> Option<PersistId> {
        self.take_batch(batch)
    }

    /// Moves all waiting bytes behind what is left in `out`; whether there were any. Bytes of an earlier network
    /// connection in `out` are discarded.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Transmit) -> bool {
        self.pass(now);
        self.settle();
        self.transmit(out)
    }

    /// What the driver has to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if matches!(event, Event::PacketSent(_) | Event::PacketReceived(_)) {
            self.packet_events -= 1;
        }
        Some(event)
    }

    /// The next incoming message. With [`Acknowledge::WhenPolled`] it is acknowledged by this call.
    #[inline]
    pub fn poll_message(&mut self) -> Option<Message> {
        let unread = self.unread.as_deref_mut()?;
        if self.config.acknowledge != Acknowledge::WhenPolled {
            return unread.pop();
        }
        if let Some(id) = unread.next_id() {
            // Nothing is owed any more for a message whose session is gone.
            let _ = self.acknowledge_message(id, ReasonCode::SUCCESS);
        }
        self.unread.as_deref_mut()?.pop()
    }

    /// How many bytes of what was handed over must go: the reserve for unread messages is full. The driver, which
    /// said that so many are [`expendable`](Backlog::expendable), drops the oldest QoS 0 messages where most wait, and
    /// calls [`handle_dropped`](Self::handle_dropped). To be asked for after the messages were polled.
    ///
    /// Where the driver keeps several copies of a message, all of them count: it says before, with
    /// [`handle_backlog`](Self::handle_backlog), how many bytes there are now.
    pub fn poll_excess(&mut self) -> usize {
        match core::mem::take(&mut self.excess) {
            0 => 0,
            excess => excess.max(self.backlog.bytes.saturating_sub(self.config.incoming_reserve)),
        }
    }

    /// The earliest deadline, and what it is for.
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        let stored = self.timers.next(self.now);
        let keep_alive = self.keep_alive_deadline().map(|at| (at, Timer::KeepAlive));
        let write = self.write_deadline().map(|at| (at, Timer::Write));
        let due = self.due.next(self.now).filter(|_| self.phase != Phase::Closed);
        let due = due.map(|at| (at, Timer::Operation));
        let stall = self.stall_deadline().map(|at| (at, Timer::Stalled));
        [stored, keep_alive, write, due, stall].into_iter().flatten().min()
    }

    // What several files need.

    /// A driver's call: its time is the current one.
    #[inline]
    fn observe(&mut self, now: Instant) {
        self.observe_coarse(now);
        self.settle();
    }

    /// A command: its time may be an old one.
    #[inline]
    fn observe_coarse(&mut self, now: Instant) {
        self.pass(now);
        self.forget_quick();
    }

    #[inline]
    fn pass(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// What counts from the driver's next call counts from now.
    #[inline]
    fn settle(&mut self) {
        if self.timers.is_unsettled() || self.due.is_used() {
            self.settle_times();
        }
    }

    #[inline(never)]
    fn settle_times(&mut self) {
        self.timers.settle(self.now);
        self.due.settle(self.now);
    }

    fn act(&mut self, action: Action) {
        // A Connect and a Close: no third can come before the driver has reported the loss.
        let _ = self.actions.push_back(action);
    }

    fn report(&mut self, event: Event) {
        self.events.push_back(event);
    }

    #[inline]
    fn report_packet(&mut self, sent: bool, packet: PacketType, packet_id: u16, size: usize) {
        if self.config.packet_events {
            self.push_packet_event(sent, packet, packet_id, size);
        }
    }

    fn push_packet_event(&mut self, sent: bool, packet: PacketType, packet_id: u16, size: usize) {
        if self.packet_events >= PACKET_EVENTS {
            self.statistics.dropped_packet_events += 1;
            return;
        }
        self.packet_events += 1;
        let info = PacketInfo { packet, packet_id, size: size as u32 };
        self.events.push_back(if sent { Event::PacketSent(info) } else { Event::PacketReceived(info) });
    }
}
