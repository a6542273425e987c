//! Where there is a choice among a few ways.

use alloc::boxed::Box;

use crate::packet::ProtocolVersion;

/// Which protocol version to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionPolicy {
    /// 5.0, and once 3.1.1 when the server's CONNACK refuses that version; the answer is kept for the server.
    Automatic {
        /// Also fall back when the server closes the connection without any CONNACK.
        on_close: bool,
    },
    /// This version and no other.
    Only(ProtocolVersion),
}

/// The client identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientId {
    /// `sterna` and 17 alphanumerics, drawn from [`Config::seed`](crate::Config::seed).
    Random,
    /// This one. Empty: the server assigns one (5.0), or the session is anonymous (3.1.1); then the session
    /// cannot be persistent.
    Given(Box<str>),
}

/// When CONNECT asks the server to forget an earlier session (Clean Start; Clean Session in 3.x).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CleanStart {
    /// On the first connection of this client; later connections resume. On 3.x, where a clean session ends
    /// with its connection, this is the same as [`CleanStart::Always`].
    FirstConnection,
    /// On every connection.
    Always,
    /// Never: the session is persistent. On 3.x this is Clean Session 0.
    Never,
}

/// Which outgoing messages have a topic alias (5.0). Whatever is chosen, an alias is never above the server's Topic
/// Alias Maximum [MQTT-3.2.2-17], and each connection starts without any: messages that wait keep their topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicAliases {
    /// Those with [`Publish::topic_alias`](crate::Publish::topic_alias) only.
    Manual,
    /// Also those whose topic has an alias already.
    Use,
    /// All: a topic without an alias is given the lowest vacant one, and if there is none, the one that was used
    /// least recently.
    Assign,
}

/// What happens to a publish for which the queue has no room. Only messages that were not sent are ever dropped, with
/// [`OperationError::Dropped`](crate::OperationError::Dropped); what is in flight, SUBSCRIBE and UNSUBSCRIBE never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueuePolicy {
    /// It waits in the client until there is room; the state machine itself answers
    /// [`Full`](crate::PublishError::Full).
    Wait,
    /// It is refused with [`Full`](crate::PublishError::Full).
    Reject,
    /// The messages that have waited longest are dropped until there is room, for SUBSCRIBE and UNSUBSCRIBE too.
    DropOldest,
    /// It is dropped itself.
    DropNewest,
    /// Of the messages that wait, each topic has only one, at the bound and below it: a newer one takes the place of the
    /// older, which is dropped. Beyond the bound, one for another topic is refused with
    /// [`Full`](crate::PublishError::Full).
    LatestPerTopic,
}

/// What becomes of messages in flight when the server has lost the session; see [`SessionLoss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// It is published again as a new message: the server may have taken it before, and then it comes twice.
    PublishAgain,
    /// It ends with [`SessionLost`](crate::OperationError::SessionLost): the server may have taken it, or not.
    Fail,
}

/// What becomes of a message whose PUBREC has come when the server has lost the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterPubRec {
    /// It ends with success: the server had taken it.
    Succeed,
    /// It ends with [`SessionLost`](crate::OperationError::SessionLost).
    Fail,
}

/// What becomes of messages in flight when the server has lost the session. What was never sent is simply sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLoss {
    /// QoS 1 without its PUBACK. Default: published again.
    pub at_least_once: InDoubt,
    /// QoS 2 without its PUBREC. Default: it fails.
    pub exactly_once: InDoubt,
    /// QoS 2 with its PUBREC. Default: success.
    pub after_pubrec: AfterPubRec,
}

impl Default for SessionLoss {
    fn default() -> Self {
        Self {
            at_least_once: InDoubt::PublishAgain,
            exactly_once: InDoubt::Fail,
            after_pubrec: AfterPubRec::Succeed,
        }
    }
}

/// When an incoming QoS 1 or 2 message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledge {
    /// As soon as [`poll_message`](crate::Connection::poll_message) hands it over.
    WhenPolled,
    /// When [`acknowledge`](crate::Connection::acknowledge) is called.
    Explicit,
}
