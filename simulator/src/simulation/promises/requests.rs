//! Requests: each ends with its own answer, or for its own reason.

use sterna_client::{Message, QoS};

use super::super::findings::Findings;
use super::super::wire::number_of;
use super::Promises;

/// Where answers come to, with the client's own prefix and with the server's Response Information.
const RESPONSE_TOPICS: [[&str; 2]; 4] = [
    ["sterna/response/c0", "info/c0"],
    ["sterna/response/c1", "info/c1"],
    ["sterna/response/c2", "info/c2"],
    ["sterna/response/c3", "info/c3"],
];

pub(super) fn is_response_topic(client: usize, topic: &str) -> bool {
    RESPONSE_TOPICS.get(client).is_some_and(|topics| topics.contains(&topic))
}

impl Promises {
    /// The response topic `asked` of a request, if it is its client's.
    pub(in super::super) fn response_topic(&self, request: u32, asked: &str) -> Option<&'static str> {
        let message = self.messages.get(request as usize)?;
        RESPONSE_TOPICS.get(message.publisher)?.iter().copied().find(|topic| *topic == asked)
    }

    pub(super) fn is_answer(&self, number: u32) -> bool {
        self.messages.get(number as usize).is_some_and(|message| message.terms.answers.is_some())
    }

    /// Whether the broker had a subscriber each time that it took this message over.
    pub(in super::super) fn was_heard(&self, number: u32) -> bool {
        let is_known = |qos| self.accounts.iter().any(|account| account.queued.contains_key(&(number, qos)));
        let is_queued = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().any(is_known);
        is_queued && self.messages.get(number as usize).is_some_and(|message| message.taken < 2)
    }

    /// A request got an answer.
    pub(in super::super) fn answered(
        &mut self,
        client: usize,
        request: u32,
        answer: &Message,
        findings: &mut Findings,
    ) {
        self.delivered[answer.qos() as usize] += 1;
        let number = number_of(answer.payload());
        let message = number.and_then(|number| self.messages.get(number as usize));
        let is_own = message.is_some_and(|message| message.terms.answers == Some(request));
        findings.require(is_own, "a request got another's answer", || {
            format!("c{client}: message {request} got {number:?}, {message:?}")
        });
        let was_sent =
            number.is_some_and(|number| self.accounts[client].queued.contains_key(&(number, answer.qos())));
        findings.require(was_sent, "an answer came that the broker did not send", || {
            format!("c{client}: {number:?}")
        });
    }

    pub(in super::super) fn jumped(&mut self, client: usize) {
        self.accounts[client].has_jumped = true;
    }

    pub(in super::super) fn has_jumped(&self, client: usize) -> bool {
        self.accounts[client].has_jumped
    }

    /// Whether a message has the Content Type that it was published with; `has_types`: what came is of 5.0.
    pub(in super::super) fn check_type(
        &self,
        number: u32,
        content_type: Option<&str>,
        has_types: bool,
        findings: &mut Findings,
    ) {
        let is_typed = self.messages.get(number as usize).is_some_and(|message| message.terms.is_typed);
        let expected = format!("{number:08x}");
        let holds =
            content_type == Some(&*expected).filter(|_| is_typed) || (!has_types && content_type.is_none());
        findings.require(holds, "a message came with another Content Type", || {
            format!("{number}: {content_type:?}")
        });
    }
}
