//! The lines of a recording behind its header: what went into the connection, and what came out.

use serde::{Deserialize, Serialize};

use crate::data::{Hex, PropertyList};
use crate::event::Event;
use crate::failure::Failure;

/// One call of a [`Connection`](sterna_core::Connection): one line of a recording.
///
/// With an input it is a handler or a command, and `output` is what that answered, if anything. Without one it is an output
/// that the driver polled. Polls that gave nothing are not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The time of the call, in microseconds since the client's origin; never earlier than that of the entry before. A poll
    /// that takes no time has that of the last call.
    pub at: u64,
    /// What was called.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// What came out.
    #[serde(rename = "out", default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

impl Entry {
    /// A handler or command, and its answer.
    pub fn input(at: u64, input: Input, output: Option<Output>) -> Self {
        Self { at, input: Some(input), output }
    }

    /// What was polled.
    pub fn output(at: u64, output: Output) -> Self {
        Self { at, input: None, output: Some(output) }
    }
}

/// What happened outside, or what the application wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// A record that the store had when the client was made. These come first.
    Stored(StoredRecord),
    /// `connect`
    Connect,
    /// `reconnect`
    Reconnect,
    /// `handle_connected`
    Connected(Connected),
    /// `handle_input`: bytes from the server, behind those that earlier calls left over.
    Received {
        /// The new bytes.
        bytes: Hex,
        /// What was left over is gone.
        #[serde(default, skip_serializing_if = "is_false")]
        cleared: bool,
    },
    /// `handle_written`
    Written {
        /// How many bytes the transport took.
        bytes: u64,
    },
    /// `handle_disconnected`
    Lost {
        /// The number of the network connection.
        attempt: u32,
        /// What failed: `resolve`, `hook`, `dial`, `proxy`, `tls`, `web_socket`, `eof` or `io`.
        kind: String,
        /// What the transport said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// `handle_persisted`
    Persisted {
        /// The number of the batch.
        batch: u64,
        /// Why it was not stored.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// `handle_timeout`: the driver tells the time.
    Timeout,
    /// `handle_backlog`
    Backlog(Backlog),
    /// `handle_dropped`
    Dropped {
        /// How many messages.
        messages: u64,
    },
    /// `publish`
    Publish(Publish),
    /// `subscribe`
    Subscribe(Subscribe),
    /// `unsubscribe`
    Unsubscribe(Unsubscribe),
    /// `cancel`
    Cancel {
        /// The operation.
        token: u64,
    },
    /// `acknowledge`
    Acknowledge {
        /// The message.
        message: MessageName,
        /// The reason code.
        #[serde(default, skip_serializing_if = "is_zero")]
        reason: u8,
    },
    /// `authenticate`
    Authenticate {
        /// The number of the network connection.
        attempt: u32,
        /// The step.
        auth: Auth,
    },
    /// `reauthenticate`
    Reauthenticate(Auth),
    /// `refuse_authentication`
    RefuseAuthentication {
        /// The number of the network connection.
        attempt: u32,
        /// The reason code.
        reason: u8,
    },
    /// `disconnect`
    Disconnect {
        /// Without waiting for what is pending.
        #[serde(default, skip_serializing_if = "is_false")]
        at_once: bool,
        /// The reason code.
        #[serde(default, skip_serializing_if = "is_zero")]
        reason: u8,
        /// Its properties.
        #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
        properties: PropertyList,
    },
}

/// A record of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRecord {
    /// Its key, as [`sterna_core::Key::to_bytes`] gives it.
    pub key: Hex,
    /// Its bytes.
    pub record: Hex,
}

/// There is a way to the server; what CONNECT has in the place of what is configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connected {
    /// The number of the network connection.
    pub attempt: u32,
    /// User name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// The initial data of enhanced authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_data: Option<Hex>,
    /// The User Properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_properties: Option<PropertyList>,
    /// The will, or that there is to be none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub will: Option<WillOverride>,
}

/// User name and password of one CONNECT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hex>,
}

/// The will of one CONNECT in the place of the configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WillOverride {
    /// None.
    None,
    /// This one.
    Will(Will),
}

/// A will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Will {
    /// Its topic name.
    pub topic: String,
    /// Its payload.
    pub payload: Hex,
    /// Its quality of service.
    #[serde(default)]
    pub qos: u8,
    /// Whether the server retains it.
    #[serde(default)]
    pub retain: bool,
    /// Its properties.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
}

/// What was handed over and waits for the application; see [`sterna_core::Backlog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backlog {
    /// How many messages wait.
    pub messages: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many of those bytes may be dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expendable: Option<u64>,
    /// Somebody waits for messages.
    #[serde(default, skip_serializing_if = "is_false")]
    pub starving: bool,
    /// How many messages wait besides.
    #[serde(default)]
    pub bounded: u64,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The topic name.
    pub topic: String,
    /// The payload.
    pub payload: Hex,
    /// The quality of service.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub qos: u8,
    /// Whether the server retains it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retain: bool,
    /// Its properties.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
    /// The topic alias to send it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_alias: Option<u16>,
    /// How long the application waits for its outcome, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
    /// Queued again if its connection is lost before it was written.
    #[serde(default, skip_serializing_if = "is_false")]
    pub requeue: bool,
    /// The payload was given away, and not lent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shared: bool,
}

/// Topic filters to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    /// The filters.
    pub filters: Vec<Filter>,
    /// The properties.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
    /// The Subscription Identifier, where the server takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<u32>,
    /// How long the application waits for its outcome, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
}

/// A topic filter and its options.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The topic filter.
    pub topic_filter: String,
    /// The highest quality of service.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub qos: u8,
    /// No messages of our own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_local: bool,
    /// The retain flag as it was published.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retain_as_published: bool,
    /// When retained messages are sent: 0, 1 or 2.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retain_handling: u8,
}

/// Topic filters to unsubscribe from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsubscribe {
    /// The filters.
    pub topic_filters: Vec<String>,
    /// The properties.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
    /// How long the application waits for its outcome, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
}

/// A step of enhanced authentication.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The Authentication Data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Hex>,
    /// Reason String and User Property.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
}

/// What a received message of QoS 1 or 2 is acknowledged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageName {
    /// The number of the message.
    pub sequence: u64,
    /// Its packet identifier.
    pub packet_identifier: u16,
}

/// What came out of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Output {
    /// Answer of a command: the operation's token.
    Token(u64),
    /// Answer of a command: it was refused.
    Refused(Failure),
    /// Answer of `received`: so many bytes are missing for the next packet.
    Missing(u64),
    /// Answer of `received`: reading stops.
    Paused,
    /// `poll_transmit`: bytes for the server; none where it only told the time.
    Transmit {
        /// The bytes: whole packets.
        bytes: Hex,
    },
    /// `poll_action`: make a network connection.
    Connect {
        /// Its number.
        attempt: u32,
        /// Which of the servers, from 0.
        server: u16,
        /// The server reference that it is to be made to instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redirect: Option<String>,
    },
    /// `poll_action`: close the network connection.
    Close {
        /// Its number.
        attempt: u32,
    },
    /// `poll_persist`: changes for the store.
    Persist {
        /// The number of the batch.
        batch: u64,
        /// The changes in their order.
        changes: Vec<Change>,
    },
    /// `poll_event`
    Event(Event),
    /// `poll_message`
    Message(Message),
    /// `poll_excess`, where it is not zero: so many bytes are to be dropped.
    Excess {
        /// The bytes.
        bytes: u64,
    },
    /// `poll_timeout`, where it differs from the time before: the next deadline.
    Deadline {
        /// When, in microseconds since the client's origin.
        at: u64,
        /// What for: `connect`, `ping`, `ack`, `authenticate`, `reconnect`, `drain`, `ack_blocked`, `keep_alive`, `write`,
        /// `operation` or `stalled`.
        timer: String,
    },
    /// `poll_timeout`, where it differs from the time before: nothing is due.
    NoDeadline,
    /// The last entry.
    End(End),
}

/// A change of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Keeps a record.
    Put(StoredRecord),
    /// Removes the record with this key.
    Delete(Hex),
}

/// A message that the server sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The topic name, also where only its alias was sent.
    pub topic: String,
    /// The payload.
    pub payload: Hex,
    /// The quality of service.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub qos: u8,
    /// Whether it is a retained one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub retain: bool,
    /// Whether the server marked it as sent before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub duplicate: bool,
    /// Its properties.
    #[serde(default, skip_serializing_if = "PropertyList::is_empty")]
    pub properties: PropertyList,
    /// What it is acknowledged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<MessageName>,
}

/// Why a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The client is gone. All that it still had to say was recorded.
    Closed,
    /// More came than could be written in time: what happened afterwards is missing.
    Overflow,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's convention.
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's convention.
fn is_zero(number: &u8) -> bool {
    *number == 0
}
