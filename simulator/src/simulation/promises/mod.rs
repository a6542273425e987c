//! What the application was promised, and what became of it: the reference that a run is held against. It knows
//! nothing of packets, only of messages by their numbers.

mod asking;
mod dropping;
mod fates;
mod losses;
mod outcomes;
mod requests;
mod undoing;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use sterna_client::{ProtocolVersion, QoS, QueuePolicy, ReasonCode, SessionLoss, VersionPolicy};

use super::authentication::Proof;
use asking::Asked;
use dropping::Drops;
pub(super) use losses::Loss;
use undoing::Undone;
use writing::{Place, Written};

use super::findings::Findings;
use super::setup::ClientSetup;

/// Where a message stands with its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Handed in; it may wait for room, and then it can be taken back.
    Offered,
    /// The client has it: it will be sent.
    Accepted,
    /// The client said that it is on the disk.
    Stored,
    /// The application knows how it ended.
    Resolved,
    /// It was not accepted, or was forgotten with its process: nobody may expect anything.
    Void,
}

/// What an application knows of a message when it hands it in.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
pub(super) struct Terms {
    /// It may be given up: it has a deadline, expires or is cancelled.
    pub(super) may_end: bool,
    /// Of QoS 0, it waits for another connection.
    pub(super) requeues: bool,
    /// It leaves at its own time.
    pub(super) has_no_order: bool,
    /// Of QoS 0, its outcome is not asked for at once.
    pub(super) is_asked_late: bool,
    /// Its number is its Content Type.
    pub(super) is_typed: bool,
    /// The request that it answers.
    pub(super) answers: Option<u32>,
}

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
struct Promise {
    publisher: usize,
    topic: &'static str,
    qos: QoS,
    standing: Standing,
    /// How often the broker took it over, and in which of the publisher's sessions last.
    taken: u32,
    session: u64,
    /// The publisher's sessions that had ended when it was handed in.
    sessions_before: u64,
    terms: Terms,
    /// The server lost the session while it was in flight.
    loss: Option<Loss>,
    /// It ended because it was cancelled, or its time had come.
    is_withdrawn: bool,
    /// It was cancelled before it can have left.
    is_revoked: bool,
    /// Of QoS 0, where all of it left.
    left: Option<Place>,
    /// The lost network connections of the publisher when it was handed in.
    losses_before: u64,
}

/// What concerns one client.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // Independent facts.
struct Account {
    /// Sessions at the broker that have ended.
    sessions_ended: u64,
    /// How many had ended when the client connected last: of the others it cannot know yet.
    sessions_known: u64,
    /// A process without a store went, and the next one took its session over: QoS 2 cannot hold.
    has_amnesia: bool,
    /// The client closed, or was refused for good: what waited has ended.
    has_closed: bool,
    /// The store of its present process has failed, or must seem to have.
    store_failed: bool,
    /// Some of its messages have an end of their own, or ended with an earlier process: their identifiers stay reserved.
    gives_up: bool,
    /// It speaks MQTT 3.1.
    is_deaf: bool,
    /// A server that closes at a CONNECT is taken for one that does not speak 5.0.
    falls_back: bool,
    /// Its queue drops messages.
    may_drop: bool,
    /// The application let go of streams, or has some that are acknowledged unread.
    is_loose: bool,
    /// It had a stream that drops what there is no room for.
    drops_messages: bool,
    /// Streams were dropped, and what they had was given to others out of its turn.
    has_rerouted: bool,
    /// Reading was held back.
    was_paused: bool,
    /// The broker lets messages of this publisher wait, or refuses them unheard: a later one may come first.
    loses_order: bool,
    /// Latest of QoS 0, and of QoS 1 and 2, that the broker took over.
    last_taken: [Option<u32>; 2],
    queued: BTreeMap<(u32, QoS), Queued>,
    /// Copies that each stream got in this life; those that count from earlier lives have no stream.
    handed: BTreeMap<(u64, u32, QoS), u32>,
    from_earlier_lives: BTreeMap<u32, u32>,
    acknowledged: BTreeMap<u32, u32>,
    /// The latest that each stream got, by the broker's order.
    latest: BTreeMap<(u64, QoS), u64>,
    done: BTreeSet<u32>,
    refused: BTreeSet<u32>,
    /// What it was told to do about them.
    session_loss: SessionLoss,
    keeps_nothing: bool,
    has_no_store: bool,
    /// Its clock jumped.
    has_jumped: bool,
    asked: Vec<Asked>,
    drops: Drops,
    undone: Undone,
    written: Written,
}

/// When the broker queued a message for a session, first and last, and how often.
#[derive(Debug, Clone, Copy)]
struct Queued {
    first: u64,
    last: u64,
    count: u32,
}

/// Which failures a run explains.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Excuses {
    /// The broker announces limits.
    pub(super) limits: bool,
    /// The broker refuses messages at times.
    pub(super) refusals: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Promises {
    messages: Vec<Promise>,
    accounts: Vec<Account>,
    excuses: Excuses,
    sequence: u64,
    /// What is known of each client's authentications.
    pub(super) proofs: Vec<Proof>,
    /// Messages that the application got, by QoS.
    pub(super) delivered: [u64; 3],
    pub(super) redelivered: u64,
    /// Requests that were answered, and those that ended otherwise.
    pub(super) requests: [u64; 2],
    /// Publishes that ended with their session, and those that were published again.
    pub(super) lost: [u64; 2],
    /// What the watched streams dropped.
    pub(super) dropped: u64,
    /// See [`Report::unasked`](super::Report::unasked).
    pub(super) unasked: [u64; 5],
}

impl Promises {
    pub(super) fn new(clients: &[ClientSetup], excuses: Excuses) -> Self {
        let drops =
            |setup: &ClientSetup| !matches!(setup.queue_policy, QueuePolicy::Wait | QueuePolicy::Reject);
        let account = |setup: &ClientSetup| Account {
            may_drop: drops(setup),
            is_deaf: setup.version == VersionPolicy::Only(ProtocolVersion::V3_1),
            falls_back: setup.version == VersionPolicy::Automatic { on_close: true },
            session_loss: setup.choices.session_loss,
            keeps_nothing: setup.choices.discard_on_close,
            has_no_store: !setup.has_store,
            ..Account::default()
        };
        Self {
            messages: Vec::new(),
            accounts: clients.iter().map(account).collect(),
            excuses,
            sequence: 0,
            proofs: vec![Proof::default(); clients.len()],
            delivered: [0; 3],
            redelivered: 0,
            requests: [0; 2],
            lost: [0; 2],
            dropped: 0,
            unasked: [0; 5],
        }
    }

    /// The application hands a message in; its number.
    pub(super) fn offer(&mut self, publisher: usize, topic: &'static str, qos: QoS, terms: Terms) -> u32 {
        self.accounts[publisher].gives_up |= terms.may_end && qos != QoS::AtMostOnce;
        let sessions_before = self.accounts[publisher].sessions_known;
        let (standing, taken, session) = (Standing::Offered, 0, 0);
        self.messages.push(Promise {
            publisher,
            topic,
            qos,
            standing,
            taken,
            session,
            sessions_before,
            terms,
            loss: None,
            is_withdrawn: false,
            is_revoked: false,
            left: None,
            losses_before: self.accounts[publisher].written.losses(),
        });
        self.messages.len() as u32 - 1
    }

    pub(super) fn stand(&mut self, number: u32, standing: Standing) {
        let message = &mut self.messages[number as usize];
        let is_unasked = message.terms.is_asked_late && standing == Standing::Accepted;
        message.standing = standing;
        self.unasked[0] += u64::from(is_unasked);
    }

    /// Nobody waits for the outcome any more.
    pub(super) fn abandoned(&mut self, number: u32) {
        let message = &mut self.messages[number as usize];
        if message.standing == Standing::Offered {
            message.standing = Standing::Void;
        }
    }

    /// Whether the application may have given this message up.
    pub(super) fn may_end(&self, number: Option<u32>) -> bool {
        number
            .and_then(|number| self.messages.get(number as usize))
            .is_some_and(|message| message.terms.may_end)
    }

    pub(super) fn topic_of(&self, number: u32) -> Option<&'static str> {
        self.messages.get(number as usize).map(|message| message.topic)
    }

    /// How many messages of each QoS were handed in.
    pub(super) fn offered(&self) -> [u64; 3] {
        let mut count = [0; 3];
        for message in &self.messages {
            count[message.qos as usize] += 1;
        }
        count
    }

    // What the broker did

    pub(super) fn session_ended(&mut self, client: usize) {
        let account = &mut self.accounts[client];
        account.sessions_ended += 1;
        // MQTT 3.1 does not say so, and the identifiers of the old session are taken for those of the new one.
        account.is_loose |= account.is_deaf;
    }

    pub(super) fn taken(&mut self, publisher: usize, number: u32, qos: QoS, findings: &mut Findings) {
        let Some(message) = self.messages.get_mut(number as usize) else {
            return findings.violated("the broker got a message that nobody published", number);
        };
        let account = &mut self.accounts[publisher];
        let is_same = message.publisher == publisher && message.qos == qos;
        findings.require(is_same, "a message was changed", || {
            format!("{number}: {message:?}, {publisher} {qos:?}")
        });
        message.taken += 1;
        let again = message.taken > 1;
        let same_session = message.session == account.sessions_ended;
        message.session = account.sessions_ended;
        if again {
            let is_lawful = match qos {
                QoS::AtMostOnce => false,
                QoS::AtLeastOnce => true,
                QoS::ExactlyOnce => !same_session || account.has_amnesia,
            };
            findings.require(is_lawful, "published twice", || format!("message {number}, {qos:?}"));
            return;
        }
        if account.loses_order || message.terms.has_no_order {
            return;
        }
        let last = &mut account.last_taken[usize::from(qos != QoS::AtMostOnce)];
        findings.require(
            last.is_none_or(|last| last < number || account.undone.explains(number, last)),
            "published out of order [MQTT-4.6.0-1]",
            || format!("message {number} after {last:?}"),
        );
        *last = (*last).max(Some(number));
    }

    pub(super) fn queued(&mut self, client: usize, number: u32, qos: QoS) {
        self.sequence += 1;
        let sequence = self.sequence;
        let queued = self.accounts[client].queued.entry((number, qos));
        let queued = queued.or_insert(Queued { first: sequence, last: sequence, count: 0 });
        queued.last = sequence;
        queued.count += 1;
    }

    // What the application got and did

    pub(super) fn handed(
        &mut self,
        client: usize,
        (stream, in_order): (u64, bool),
        number: u32,
        (qos, topic): (QoS, &str),
        findings: &mut Findings,
    ) {
        self.delivered[qos as usize] += 1;
        let account = &mut self.accounts[client];
        let Some(queued) = account.queued.get(&(number, qos)).copied() else {
            return findings
                .violated("a message came that the broker did not send", format!("c{client}: {number}"));
        };
        let is_right = self.messages.get(number as usize).is_some_and(|message| message.topic == topic);
        findings.require(is_right, "a message came with another topic", || format!("{number}: {topic}"));
        let handed = account.handed.entry((stream, number, qos)).or_default();
        *handed += 1;
        self.redelivered += u64::from(*handed > 1);
        account.drops.handed(number);
        let earlier = account.from_earlier_lives.get(&number).copied().unwrap_or(0);
        // A refusal may be lost, and the message comes again.
        let is_bound = qos != QoS::AtLeastOnce && !account.refused.contains(&number);
        let most = if is_bound { queued.count } else { u32::MAX };
        let copies = *handed + if qos == QoS::ExactlyOnce { earlier } else { 0 };
        findings.require(copies <= most, "delivered twice [MQTT-4.3.3-10]", || {
            format!("c{client}, stream {stream}: message {number} of {qos:?}, {copies} of {most} copies")
        });
        // What the application had before comes again for streams that it opened since.
        let is_old = account.done.contains(&number);
        if *handed > 1 || is_old || !in_order || account.has_rerouted {
            return;
        }
        let latest = account.latest.entry((stream, qos)).or_default();
        findings.require(queued.last >= *latest, "delivered out of order [MQTT-4.6.0-5]", || {
            format!("c{client}, stream {stream}: message {number} of {qos:?}")
        });
        *latest = (*latest).max(queued.first);
    }

    /// The application is done with a message: it asked for the next one, acknowledged it or let go of its stream.
    pub(super) fn done(&mut self, client: usize, number: u32, refused: bool) {
        let account = &mut self.accounts[client];
        account.done.insert(number);
        if refused {
            account.refused.insert(number);
        }
    }

    /// The client told the broker that it is responsible from now on.
    pub(super) fn acknowledged(
        &mut self,
        client: usize,
        (number, qos, duplicate): (u32, QoS, bool),
        reason: ReasonCode,
        findings: &mut Findings,
    ) {
        let is_answer = self.is_answer(number);
        let account = &mut self.accounts[client];
        if reason.is_error() {
            let holds = account.refused.contains(&number);
            return findings
                .require(holds, "refused, but not by the application", || format!("c{client}: {number}"));
        }
        // A session may have begun without the client's knowing: then a copy of its first messages looks like a copy of
        // those of the session before, which had the same identifiers.
        let is_ambiguous = duplicate && account.sessions_ended > 0;
        // Who asked is done with the answer when it is there.
        let holds = account.is_loose || is_ambiguous || is_answer || account.done.contains(&number);
        findings.require(holds, "acknowledged before the application was done with it", || {
            format!("c{client}: message {number} of {qos:?}")
        });
        let is_first = qos == QoS::AtLeastOnce || account.has_no_store;
        if let Some(message) = self.messages.get(number as usize).filter(|_| is_first) {
            account.drops.acknowledged(number, message.topic);
        }
        if qos == QoS::ExactlyOnce {
            *account.acknowledged.entry(number).or_default() += 1;
        }
    }

    /// After the troubles: what was accepted has arrived.
    pub(super) fn check_end(&self, findings: &mut Findings) {
        for (number, message) in self.messages.iter().enumerate() {
            let account = &self.accounts[message.publisher];
            let is_owed = matches!(message.standing, Standing::Accepted | Standing::Stored);
            let may_fail = message.terms.may_end
                || account.may_drop
                || account.has_closed
                || account.has_amnesia
                || account.was_paused
                || self.excuses.limits
                || self.excuses.refusals
                || (losses::may_fail(message.qos, None, account.session_loss)
                    && account.sessions_ended > message.sessions_before);
            let arrived = if message.qos == QoS::AtMostOnce {
                message.left.is_some() || account.written.losses() > message.losses_before
            } else {
                message.taken > 0
            };
            if is_owed && !may_fail {
                findings
                    .require(arrived, "an accepted message was lost", || format!("{number}: {message:?}"));
            }
        }
    }
}
