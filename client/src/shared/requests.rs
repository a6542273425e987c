//! Requests: the subscription that their answers come by.

use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;

use sterna_core::packet::{
    FiltersBuf, PropertiesBuf, Property, ProtocolVersion, QoS, SubscribeFilter, SubscribeOptions,
};
use sterna_core::{Instant, State, topic};

use super::Inner;
use crate::error::{RequestError, SubscribeError};
use crate::inbox::AckMode;
use crate::requests::{RequestId, ResponseTopic};
use crate::room::Command;
use crate::router::StreamId;
use crate::stream::OnFull;
use crate::unsubscribe::unsubscribe_detached;

impl Inner {
    /// A new request, whose time runs from now on.
    ///
    /// # Errors
    /// The client has closed, does not speak 5.0, or has too many that wait.
    pub(crate) fn open_request(&mut self, timeout: Duration) -> Result<RequestId, RequestError> {
        if self.dead || matches!(self.connection.state(), State::Disconnecting | State::Closed) {
            return Err(RequestError::Closed);
        }
        if self.connection.version() != ProtocolVersion::V5 {
            return Err(RequestError::UnsupportedByVersion);
        }
        let id = self.requests.open(timeout)?;
        self.touch();
        Ok(id)
    }

    /// Response Topic and Correlation Data for a request; `None` before the first CONNACK, which may tell the topic:
    /// then `waker` is woken when it is there.
    ///
    /// # Errors
    /// The server does not speak 5.0, or there cannot be such a topic.
    pub(crate) fn address_request(
        &mut self,
        id: RequestId,
        waker: &Waker,
    ) -> Result<Option<PropertiesBuf>, RequestError> {
        let Some(server) = self.connection.server() else {
            self.watch(waker);
            return Ok(None);
        };
        if server.version != ProtocolVersion::V5 {
            return Err(RequestError::UnsupportedByVersion);
        }
        let name = self.requests.topic_at(server, self.connection.client_id());
        let current = self.requests.topics.last();
        let current = current.filter(|topic| *topic.name == *name && !self.inbox.is_ended(topic.stream));
        let stream = match current {
            Some(topic) => topic.stream,
            None => match self.subscribe_to_responses(&name, id)? {
                Some(stream) => stream,
                // Refused here already: the request has ended.
                None => return Ok(None),
            },
        };
        let correlation = self.requests.address(id, stream);
        let mut properties = PropertiesBuf::new();
        properties
            .push(Property::ResponseTopic(&name))
            .and_then(|()| properties.push(Property::CorrelationData(&correlation)))
            .map_err(|error| RequestError::Publish(sterna_core::PublishError::Encode(error).into()))?;
        Ok(Some(properties))
    }

    /// Subscribes to `name` once for all requests, of which this is the first. SUBSCRIBE leaves before the request
    /// that is published next, on this connection and, where the session is lost, on later ones.
    fn subscribe_to_responses(
        &mut self,
        name: &str,
        id: RequestId,
    ) -> Result<Option<StreamId>, RequestError> {
        topic::validate_name(name).map_err(RequestError::ResponseTopic)?;
        let options = SubscribeOptions { qos: QoS::AtLeastOnce, ..SubscribeOptions::default() };
        let mut filters = FiltersBuf::default();
        filters
            .push(SubscribeFilter { filter: name, options })
            .map_err(|error| RequestError::Subscribe(sterna_core::SubscribeError::Encode(error).into()))?;
        let identifier = self.inbox.router().identifiers.draw();
        // It is emptied whenever messages came.
        let stream = self.open_stream(vec![(name.into(), identifier)], AckMode::OnReceipt, OnFull::Wait);
        self.requests.topics.push(ResponseTopic { name: name.into(), stream });
        for topic in self.requests.take_idle_topics() {
            let unwanted = self.release_filters(topic.stream);
            unsubscribe_detached(self, &unwanted);
            self.close_stream(topic.stream, &mut VecDeque::new(), false);
        }
        self.requests.address(id, stream);
        let command = Command::Subscribe { filters, properties: PropertiesBuf::new(), identifier, stream };
        self.submit(command, None, true)
            .map_err(|rejection| RequestError::Subscribe(SubscribeError::from(rejection)))?;
        let is_there = self.requests.topics.iter().any(|topic| topic.stream == stream);
        Ok(is_there.then_some(stream))
    }

    /// Hands the answers that came to those who wait for them.
    pub(super) fn take_responses(&mut self) {
        for index in 0..self.requests.topics.len() {
            let stream = self.requests.topics[index].stream;
            let mut batch = VecDeque::new();
            self.inbox.take(stream, &mut batch);
            for message in batch {
                self.requests.answer(message, &mut self.wakers);
            }
        }
    }

    /// The server does not have `filter` for `stream`. If answers were to come by it, none will.
    pub(super) fn lose_filter(&mut self, stream: StreamId, filter: &str, error: SubscribeError) {
        self.inbox.drop_filter(stream, filter, &mut self.wakers);
        self.fail_requests(stream, error);
    }

    /// A stream has lost its filter: it brings no responses, if it was for them.
    pub(super) fn fail_requests(&mut self, stream: StreamId, error: SubscribeError) {
        if let Some(index) = self.requests.topics.iter().position(|topic| topic.stream == stream) {
            self.requests.topics.remove(index);
            self.requests.fail(Some(stream), &RequestError::Subscribe(error), &mut self.wakers);
            self.close_stream(stream, &mut VecDeque::new(), false);
        }
    }

    /// Ends the requests whose time is up.
    pub(crate) fn advance_requests(&mut self, now: Instant) {
        self.requests.advance(now, &mut self.wakers);
    }
}
