//! Requests that wait for their answers, and the response topics that the answers come to.

use std::collections::{BTreeSet, HashMap};
use std::task::{Poll, Waker};
use std::time::Duration;

use sterna_core::{Instant, Message, Server};

use crate::error::RequestError;
use crate::lock::{Wakers, register};
use crate::router::StreamId;

/// Names a request, and is half of its Correlation Data.
pub(crate) type RequestId = u64;

/// How long the Correlation Data is: a number of this client, then the request's.
const CORRELATION: usize = 16;

#[derive(Debug)]
struct Pending {
    waker: Option<Waker>,
    timeout: Duration,
    /// `None` until the driver's first look at it: a command has no exact time.
    deadline: Option<Instant>,
    /// The stream of its response topic, once it has one.
    stream: Option<StreamId>,
    outcome: Option<Result<Message, RequestError>>,
}

/// A topic that answers come to, and the stream that its subscription fills.
#[derive(Debug)]
pub(crate) struct ResponseTopic {
    pub(crate) name: Box<str>,
    pub(crate) stream: StreamId,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Requests {
    prefix: Box<str>,
    limit: usize,
    /// Tells our answers from those to others.
    nonce: u64,
    next: RequestId,
    pending: HashMap<RequestId, Pending>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    /// Those that the driver has not looked at.
    unsettled: Vec<RequestId>,
    /// The one in use is the last; the others have requests that wait.
    pub(crate) topics: Vec<ResponseTopic>,
    unmatched: u64,
}

impl Requests {
    pub(crate) fn new(prefix: Box<str>, limit: usize, seed: u64) -> Self {
        Self {
            prefix,
            limit,
            nonce: mix(seed),
            next: 0,
            pending: HashMap::new(),
            deadlines: BTreeSet::new(),
            unsettled: Vec::new(),
            topics: Vec::new(),
            unmatched: 0,
        }
    }

    /// How many answers came that no request waits for.
    pub(crate) fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Whether an answer is waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        !(self.deadlines.is_empty() && self.unsettled.is_empty())
    }

    /// A new request.
    pub(crate) fn open(&mut self, timeout: Duration) -> Result<RequestId, RequestError> {
        if self.pending.len() >= self.limit {
            return Err(RequestError::Full);
        }
        let id = self.next;
        self.next += 1;
        let pending = Pending { waker: None, timeout, deadline: None, stream: None, outcome: None };
        self.pending.insert(id, pending);
        self.unsettled.push(id);
        Ok(id)
    }

    /// Nobody waits for it any more.
    pub(crate) fn close(&mut self, id: RequestId) {
        self.pending_done(id);
        self.pending.remove(&id);
    }

    /// Gives memory back that is not needed now.
    pub(crate) fn release(&mut self) {
        self.pending.shrink_to_fit();
        self.unsettled.shrink_to_fit();
    }

    fn pending_done(&mut self, id: RequestId) {
        match self.pending.get_mut(&id).map(|pending| pending.deadline.take()) {
            Some(Some(deadline)) => {
                self.deadlines.remove(&(deadline, id));
            }
            Some(None) => self.unsettled.retain(|other| *other != id),
            None => {}
        }
    }

    pub(crate) fn poll(&mut self, id: RequestId, waker: &Waker) -> Poll<Result<Message, RequestError>> {
        let Some(pending) = self.pending.get_mut(&id) else { return Poll::Ready(Err(RequestError::Closed)) };
        if let Some(outcome) = pending.outcome.take() {
            self.close(id);
            return Poll::Ready(outcome);
        }
        register(&mut pending.waker, waker);
        Poll::Pending
    }

    /// The response topic at this server: below its Response Information, or else below the prefix, with the client
    /// identifier as its last part.
    pub(crate) fn topic_at(&self, server: &Server, client_id: &str) -> String {
        let information = server.properties().response_information();
        let basis = information.filter(|information| !information.is_empty()).unwrap_or(&self.prefix);
        // A topic name has no wildcards.
        let client_id = client_id.replace(['+', '#'], "_");
        format!("{}/{client_id}", basis.strip_suffix('/').unwrap_or(basis))
    }

    /// The request's answer comes to `stream`. Gives its Correlation Data.
    pub(crate) fn address(&mut self, id: RequestId, stream: StreamId) -> [u8; CORRELATION] {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.stream = Some(stream);
        }
        let mut correlation = [0; CORRELATION];
        correlation[..8].copy_from_slice(&self.nonce.to_be_bytes());
        correlation[8..].copy_from_slice(&id.to_be_bytes());
        correlation
    }

    /// Takes the topics that no request waits at, the one in use aside.
    pub(crate) fn take_idle_topics(&mut self) -> Vec<ResponseTopic> {
        let Some(current) = self.topics.pop() else { return Vec::new() };
        let waits =
            |topic: &ResponseTopic| self.pending.values().any(|pending| pending.stream == Some(topic.stream));
        let (kept, idle) = std::mem::take(&mut self.topics).into_iter().partition(waits);
        self.topics = kept;
        self.topics.push(current);
        idle
    }

    /// A message came to a response topic: an answer, or nobody's.
    pub(crate) fn answer(&mut self, message: Message, wakers: &mut Wakers) {
        match self.request_of(&message) {
            Some(id) => self.finish(id, Ok(message), wakers),
            None => self.unmatched += 1,
        }
    }

    fn request_of(&self, message: &Message) -> Option<RequestId> {
        let correlation = message.properties().correlation_data()?;
        let (nonce, id) = correlation.split_first_chunk::<8>()?;
        let id = RequestId::from_be_bytes(id.try_into().ok()?);
        let waits = self.pending.get(&id).is_some_and(|pending| pending.outcome.is_none());
        (u64::from_be_bytes(*nonce) == self.nonce && waits).then_some(id)
    }

    fn finish(&mut self, id: RequestId, outcome: Result<Message, RequestError>, wakers: &mut Wakers) {
        self.pending_done(id);
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.outcome = Some(outcome);
            wakers.push(pending.waker.take());
        }
    }

    /// No answer can come to `stream`, or, without one, to anybody.
    pub(crate) fn fail(&mut self, stream: Option<StreamId>, error: &RequestError, wakers: &mut Wakers) {
        let concerned =
            |pending: &Pending| pending.outcome.is_none() && (stream.is_none() || pending.stream == stream);
        let failed = self.pending.iter().filter(|(_, pending)| concerned(pending)).map(|(id, _)| *id);
        for id in failed.collect::<Vec<_>>() {
            self.finish(id, Err(error.clone()), wakers);
        }
    }

    /// The driver looks: requests that are new to it get their deadlines, and those whose time is up end.
    pub(crate) fn advance(&mut self, now: Instant, wakers: &mut Wakers) {
        for id in std::mem::take(&mut self.unsettled) {
            if let Some(pending) = self.pending.get_mut(&id) {
                let deadline = now + pending.timeout;
                pending.deadline = Some(deadline);
                self.deadlines.insert((deadline, id));
            }
        }
        while let Some(&(_, id)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.finish(id, Err(RequestError::TimedOut), wakers);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

/// Spreads the seed, so that clients with seeds in a row have nothing in common (SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
