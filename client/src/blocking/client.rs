//! The handle.

use std::borrow::Cow;
use std::task::Poll;
use std::time::Duration;

use super::{Call, Events, Incoming, Messages, Operation, Waiter};
use crate as base;
use crate::{Data, IntoFilters, QoS, Server, State, Statistics};

/// A client whose calls block: [`base::Client`] without futures. Cloning gives another handle of the same client, for any
/// thread.
///
/// It reconnects by itself. Operations are valid at any time: without a connection they are queued, within bounds, and
/// every one of them ends. When the last handle is dropped (what its calls give are handles too), the client disconnects
/// gracefully; no drop waits for that.
#[derive(Debug, Clone)]
pub struct Client {
    // Dropped before the waiter, which may have the driver.
    client: base::Client,
    waiter: Waiter,
}

/// A publish of an earlier run that the store kept; see [`Client::pending`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Pending {
    /// The topic; `None` when the server has the message already, and only the last two packets of QoS 2 are missing.
    pub topic: Option<Box<str>>,
    /// The quality of service.
    pub qos: QoS,
    /// Wait for its receipt, or drop it.
    pub delivery: Call<base::Delivery>,
}

impl Client {
    pub(crate) fn new(client: base::Client, waiter: Waiter) -> Self {
        Self { client, waiter }
    }

    /// Publishes a message; see [`base::Client::publish`].
    ///
    /// ```
    /// # use sterna_client::{QoS, blocking::Client};
    /// # fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.publish("presence", "Hello mqtt").wait()?;
    /// let receipt = client.publish("presence", b"\x01\x02").qos(QoS::AtLeastOnce).retain(true).wait()?;
    /// println!("{:?}", receipt.reason);
    /// // Without waiting, for as long as there is room.
    /// client.publish("presence", "Hello again").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish<'a>(
        &self,
        topic: impl Into<Cow<'a, str>>,
        payload: impl Into<Data<'a>>,
    ) -> Call<base::Publishing<'a>> {
        self.call(self.client.publish(topic, payload))
    }

    /// Publishes a request (5.0) and waits for its answer; see [`base::Client::request`]. The other side answers with
    /// [`Message::respond`](base::Message::respond), whose publish can be [sent](base::Publishing::send), or waited for by
    /// [`call`](Self::call).
    pub fn request<'a>(
        &self,
        topic: impl Into<Cow<'a, str>>,
        payload: impl Into<Data<'a>>,
    ) -> Call<base::Requesting<'a>> {
        self.call(self.client.request(topic, payload))
    }

    /// Subscribes to one topic filter or many, with or without options of their own; see [`base::Client::subscribe`].
    ///
    /// ```
    /// # use sterna_client::{QoS, blocking::Client};
    /// # use std::time::Duration;
    /// # fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut presence = client.subscribe("presence").qos(QoS::AtLeastOnce).wait()?;
    /// if let Ok(message) = presence.recv_timeout(Duration::from_secs(1)) {
    ///     println!("{:?}", message.payload());
    /// }
    /// for message in presence {
    ///     println!("{:?}", message.payload());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, filters: impl IntoFilters) -> Call<base::Subscribing> {
        self.call(self.client.subscribe(filters))
    }

    /// Unsubscribes from topic filters, whoever subscribed to them; see [`base::Client::unsubscribe`].
    pub fn unsubscribe(&self, filters: impl IntoFilters) -> Call<base::Unsubscribing> {
        self.call(self.client.unsubscribe(filters))
    }

    /// The messages that no live subscription claims; see [`base::Client::messages`].
    pub fn messages(&self) -> Messages {
        Incoming::new(self.client.messages(), &self.waiter)
    }

    /// What happens from now on: connected, disconnected (why, and when the next attempt is), offline, closed.
    pub fn events(&self) -> Events {
        Incoming::new(self.client.events(), &self.waiter)
    }

    /// Connects a client that was started by hand or has closed; see [`base::Client::connect`].
    pub fn connect(&self) -> Call<base::Connecting> {
        self.call(self.client.connect())
    }

    /// Makes the network connection anew, at once, also when it is up.
    pub fn reconnect(&self) {
        self.client.reconnect();
    }

    /// Disconnects: waits for what is in flight up to the drain time-out, sends DISCONNECT and closes; see
    /// [`base::Client::disconnect`].
    pub fn disconnect(&self) -> Call<base::Disconnecting> {
        self.call(self.client.disconnect())
    }

    /// Authenticates anew on the connection that is up (5.0); see [`base::Client::reauthenticate`].
    pub fn reauthenticate(&self) -> Call<base::Reauthenticating> {
        self.call(self.client.reauthenticate())
    }

    /// The publishes that the store has from an earlier run; see [`base::Client::pending`].
    pub fn pending(&self) -> Vec<Pending> {
        let pending = self.client.pending().into_iter();
        pending.map(|it| Pending { topic: it.topic, qos: it.qos, delivery: self.call(it.delivery) }).collect()
    }

    /// Any of the client's futures, as a call that blocks.
    pub fn call<F: Operation>(&self, future: F) -> Call<F> {
        Call::new(future, &self.waiter)
    }

    /// Lets this time pass: with [`on_this_thread`](base::ClientBuilder::on_this_thread) the client is driven
    /// meanwhile, with a thread of its own it needs none of this. Nobody's messages are taken.
    pub fn run_for(&self, duration: Duration) {
        self.waiter.wait(Some(duration), |_| Poll::<()>::Pending);
    }

    /// Where the client stands.
    pub fn state(&self) -> State {
        self.client.state()
    }

    /// What the server announced in its CONNACK: the present connection's, or the last one's.
    pub fn server(&self) -> Option<Server> {
        self.client.server()
    }

    /// The client identifier, the server's once it assigned one.
    pub fn client_id(&self) -> String {
        self.client.client_id()
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        self.client.statistics()
    }

    /// The packet identifier that was sent last.
    pub fn last_packet_id(&self) -> Option<u16> {
        self.client.last_packet_id()
    }
}
