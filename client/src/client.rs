//! The handle.

use std::borrow::Cow;
use std::sync::Arc;

use sterna_core::{Data, Server, State};

use crate::authentication::Reauthenticating;
use crate::events::Events;
use crate::filter::IntoFilters;
use crate::inbox::AckMode;
use crate::lifecycle::{Connecting, Disconnecting};
use crate::publish::{Delivery, Pending, Publishing};
use crate::request::Requesting;
use crate::shared::Handle;
use crate::subscription::{Messages, Subscribing};
use crate::unsubscribe::Unsubscribing;

/// A client: the handle for publishing and subscribing. Cloning gives another handle of the same client, for any
/// task or thread.
///
/// It reconnects by itself. Operations are valid at any time: without a connection they are queued, within
/// bounds, and every one of them ends. When the last handle is dropped (a [`Subscription`](crate::Subscription),
/// a [`Delivery`](crate::Delivery) and every other future of the client are handles too), the client disconnects
/// gracefully.
#[derive(Debug, Clone)]
pub struct Client {
    handle: Arc<Handle>,
    ack: AckMode,
}

/// Counters since the client was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// What the connection counts.
    pub connection: sterna_core::Statistics,
    /// Messages that were dropped because nobody claimed them.
    pub unclaimed: u64,
    /// Messages that streams have dropped because the application did not keep up: by their
    /// [`OnFull`](crate::OnFull), or, of QoS 0, because unread messages filled the reserve.
    pub dropped: u64,
    /// Messages at a response topic that no request waits for: too late, answered already, or not this client's.
    pub unmatched_responses: u64,
    /// Messages that wait for the application now.
    pub backlog: usize,
    /// What those messages take, in bytes.
    pub backlog_bytes: usize,
    /// Operations that wait to be sent now.
    pub queued: usize,
    /// Operations that wait for the server's answer now.
    pub in_flight: usize,
}

impl Client {
    pub(crate) fn new(handle: Arc<Handle>, ack: AckMode) -> Self {
        Self { handle, ack }
    }

    /// Publishes a message. The result is a builder for QoS, RETAIN and properties, and a future.
    ///
    /// ```
    /// # use sterna_client::{Client, PublishError, QoS};
    /// # async fn example(client: Client) -> Result<(), PublishError> {
    /// client.publish("presence", "Hello mqtt").await?;
    /// let receipt = client.publish("presence", b"\x01\x02").qos(QoS::AtLeastOnce).retain(true).await?;
    /// println!("{:?}", receipt.reason);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The topic and the payload may be borrowed, or owned: then the future is `'static` and can be spawned.
    ///
    /// # Errors
    /// Of the future: [`PublishError`](crate::PublishError); topic names are checked before anything is sent.
    ///
    /// # Cancel safety
    /// See [`Publishing`].
    pub fn publish<'a>(
        &self,
        topic: impl Into<Cow<'a, str>>,
        payload: impl Into<Data<'a>>,
    ) -> Publishing<'a> {
        Publishing::new(self.handle.clone(), topic.into(), payload.into())
    }

    /// Publishes a request (5.0) and waits for its answer: the response topic is made and subscribed to by the client,
    /// once for all requests, and an answer is told from others by its Correlation Data. The other side answers with
    /// [`Message::respond`](crate::Message::respond).
    ///
    /// ```
    /// # use sterna_client::{Client, RequestError};
    /// # use std::time::Duration;
    /// # async fn example(client: Client) -> Result<(), RequestError> {
    /// let answer = client.request("time/now", "").timeout(Duration::from_secs(5)).await?;
    /// println!("{:?}", answer.payload());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The response topic is the server's Response Information, if it gave one (see
    /// [`request_response_information`](crate::ClientBuilder::request_response_information)), or else the
    /// [`response_prefix`](crate::ClientBuilder::response_prefix), and the client identifier behind it. A request
    /// waits for the first connection, and goes on waiting over reconnects. An answer that comes too late, twice or
    /// for somebody else is counted and dropped.
    ///
    /// # Errors
    /// Of the future: [`RequestError`](crate::RequestError).
    ///
    /// # Cancel safety
    /// See [`Requesting`].
    pub fn request<'a>(
        &self,
        topic: impl Into<Cow<'a, str>>,
        payload: impl Into<Data<'a>>,
    ) -> Requesting<'a> {
        Requesting::new(self.handle.clone(), topic.into(), payload.into())
    }

    /// Subscribes to one topic filter or many, with or without options of their own.
    ///
    /// ```
    /// # use sterna_client::{Client, SubscribeError, QoS};
    /// # async fn example(client: Client) -> Result<(), SubscribeError> {
    /// let mut presence = client.subscribe("presence").qos(QoS::AtLeastOnce).await?;
    /// let mut rooms = client.subscribe([("room/+/light", QoS::AtMostOnce), ("room/#", QoS::ExactlyOnce)]).await?;
    /// while let Some(message) = presence.next().await {
    ///     println!("{}: {:?}", message.topic(), message.payload());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A message goes to every live subscription with a filter that matches it. Several subscriptions may have the
    /// same filter: at the server it is one, with the options of the last, and a retained message may come again.
    ///
    /// # Errors
    /// Of the future: [`SubscribeError`](crate::SubscribeError). If the server refuses some of the filters, the
    /// others are subscribed: see [`Subscription::reasons`](crate::Subscription::reasons).
    ///
    /// # Cancel safety
    /// See [`Subscribing`].
    pub fn subscribe(&self, filters: impl IntoFilters) -> Subscribing {
        Subscribing::new(self.handle.clone(), filters.into_filters(), self.ack)
    }

    /// Unsubscribes from topic filters, whoever subscribed to them: subscriptions that have no other filter end.
    ///
    /// # Errors
    /// Of the future: [`SubscribeError`](crate::SubscribeError).
    ///
    /// # Cancel safety
    /// See [`Unsubscribing`].
    pub fn unsubscribe(&self, filters: impl IntoFilters) -> Unsubscribing {
        Unsubscribing::filters(self.handle.clone(), filters.into_filters())
    }

    /// The messages that no live subscription claims: those of subscriptions that were dropped, and those that
    /// the server's session kept from an earlier run. Several such streams get a copy each.
    pub fn messages(&self) -> Messages {
        Messages::new(self.handle.clone(), self.ack)
    }

    /// What happens from now on: connected, disconnected (why, and when the next attempt is), offline, closed.
    pub fn events(&self) -> Events {
        Events::new(self.handle.shared().clone())
    }

    /// Connects a client that was started by hand or has closed, and ends the pause between two attempts.
    /// Awaiting it waits until the client is connected.
    ///
    /// # Errors
    /// Of the future: [`ConnectError::Closed`](crate::ConnectError::Closed) when the client gave up.
    ///
    /// # Cancel safety
    /// Dropping the future after its first poll does not stop connecting.
    pub fn connect(&self) -> Connecting {
        Connecting::new(self.handle.clone())
    }

    /// Makes the network connection anew, at once, also when it is up.
    pub fn reconnect(&self) {
        self.handle.with(crate::shared::Inner::reconnect);
    }

    /// The publishes that the store has from an earlier run, in the order in which they were accepted: once they are
    /// asked for, later calls give none. They are sent in any case; until they are asked for, their outcomes are kept.
    pub fn pending(&self) -> Vec<Pending> {
        let restored = self.handle.with(crate::shared::Inner::take_restored);
        let deliver = |message: crate::shared::Restored| Pending {
            topic: message.topic,
            qos: message.qos,
            delivery: Delivery::restored(self.handle.clone(), message.token),
        };
        restored.into_iter().map(deliver).collect()
    }

    /// Authenticates anew on the connection that is up (5.0), with the authenticator of
    /// [`authentication`](crate::ClientBuilder::authentication): such as before a token expires. Messages flow on.
    ///
    /// # Errors
    /// Of the future: [`ReauthenticateError`](crate::ReauthenticateError). A server that refuses disconnects.
    ///
    /// # Cancel safety
    /// Dropping the future before its first poll does nothing, after it the re-authentication goes on.
    pub fn reauthenticate(&self) -> Reauthenticating {
        Reauthenticating::new(self.handle.clone())
    }

    /// Disconnects: waits for what is in flight up to the drain time-out, sends DISCONNECT and closes. The
    /// future is ready when the client has closed; then every operation is resolved and every stream ends.
    ///
    /// With a store, that is when it has everything and its file is released. For each of the two it has the
    /// [drain time-out](crate::ClientBuilder::drain_timeout), and at least a second; a store that hangs for longer ends
    /// the client with [`Cause::Store`](crate::Cause::Store), and what it has not confirmed with
    /// [`OperationError::Store`](crate::OperationError::Store). What it is at cannot be called back: it may be stored
    /// after all, and the file stays in use until the store returns.
    ///
    /// What a stream still has can be read after that, and be acknowledged: the server is told once it has sent the
    /// message again, after [`connect`](Self::connect). This client does not hand it over a second time; a new one that
    /// goes on with the session does, as long as it is not acknowledged.
    ///
    /// # Errors
    /// Of the future: [`DisconnectError`](crate::DisconnectError). The client is closed even then, unless the
    /// options were not the connection's.
    ///
    /// # Cancel safety
    /// Dropping the future before its first poll does nothing, after it nothing stops disconnecting.
    pub fn disconnect(&self) -> Disconnecting {
        Disconnecting::new(self.handle.clone())
    }

    /// Where the client stands.
    pub fn state(&self) -> State {
        self.handle.with(|inner| inner.state())
    }

    /// What the server announced in its CONNACK: the present connection's, or the last one's.
    pub fn server(&self) -> Option<Server> {
        self.handle.with(|inner| inner.connection.server().cloned())
    }

    /// The client identifier, the server's once it assigned one.
    pub fn client_id(&self) -> String {
        self.handle.with(|inner| inner.connection.client_id().to_owned())
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        self.handle.with(|inner| Statistics {
            connection: inner.connection.statistics(),
            unclaimed: inner.inbox.unclaimed(),
            dropped: inner.inbox.dropped(),
            unmatched_responses: inner.requests.unmatched(),
            backlog: inner.inbox.waiting(),
            backlog_bytes: inner.inbox.backlog().bytes,
            queued: inner.connection.queued(),
            in_flight: inner.connection.in_flight(),
        })
    }

    /// The packet identifier that was sent last.
    pub fn last_packet_id(&self) -> Option<u16> {
        self.handle.with(|inner| inner.connection.last_packet_id())
    }
}
