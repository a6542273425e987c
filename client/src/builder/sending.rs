//! What waits to be sent.

use sterna_core::{QueuePolicy, TopicAliases};

use super::{ClientBuilder, Runtime};

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// Which messages are sent with a topic alias (5.0), which saves sending their topics again and again. Default:
    /// those with [`Publishing::topic_alias`](crate::Publishing::topic_alias).
    pub fn topic_alias(mut self, topic_alias: TopicAliases) -> Self {
        self.config.topic_alias = topic_alias;
        self
    }

    /// How many topic filters one SUBSCRIBE or UNSUBSCRIBE has at most; a larger set goes out in several, as one does
    /// that is larger than the server's Maximum Packet Size. Default: 0, no bound.
    pub fn subscribe_batch(mut self, filters: usize) -> Self {
        self.config.subscribe_batch = filters;
        self
    }

    /// Our own bound on messages of QoS 1 and 2 in flight. Default: 1,024.
    pub fn in_flight_limit(mut self, in_flight_limit: u16) -> Self {
        self.config.in_flight_limit = in_flight_limit;
        self
    }

    /// Our own bound on QoS 2 messages in flight on 3.x, where a server cannot say how many it takes. Default 19; not
    /// zero. Mosquitto 2.0 closes the connection when there is one more than 20, and with 20 when one of QoS 1 comes.
    pub fn exactly_once_limit(mut self, exactly_once_limit: u16) -> Self {
        self.config.exactly_once_limit = exactly_once_limit;
        self
    }

    /// Bounds on operations that wait to be sent: how many, and how many bytes including those that wait to be
    /// acknowledged. Default: 65,536 and 64 MiB.
    pub fn queue_limit(mut self, operations: usize, bytes: usize) -> Self {
        self.config.queue_limit = operations;
        self.config.queue_bytes = bytes;
        self
    }

    /// What happens to a publish for which there is no room: by default it waits. Under every other policy nothing
    /// waits, and what is dropped ends with [`OperationError::Dropped`](crate::OperationError::Dropped). Subscribing and
    /// unsubscribing always wait for room.
    pub fn queue_policy(mut self, queue_policy: QueuePolicy) -> Self {
        self.config.queue_policy = queue_policy;
        self
    }

    /// Queue messages of QoS 0 while there is no connection. Default: on.
    pub fn queue_qos0(mut self, queue_qos0: bool) -> Self {
        self.config.queue_qos0 = queue_qos0;
        self
    }

    /// How many bytes may wait for the transport. Default: 256 KiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.config.send_buffer = bytes;
        self
    }

    /// How many [`requests`](crate::Client::request) may wait for their answers; more fail. Default: 1,024.
    pub fn request_limit(mut self, requests: usize) -> Self {
        self.request_limit = requests;
        self
    }

    /// Where the answers to [`requests`](crate::Client::request) come to, unless the server gives Response Information: the
    /// client identifier is put behind it as the last level. Default: `sterna/response`.
    pub fn response_prefix(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.response_prefix = prefix.into();
        self
    }
}
