//! An incoming application message.

use alloc::string::String;
use alloc::sync::Arc;
use bytes::Bytes;
use core::fmt;
use core::str::Utf8Error;

use crate::packet::publish::{DUPLICATE, RETAIN};
use crate::packet::{Properties, QoS};

/// Names a received QoS 1 or 2 message until it is acknowledged. Small and copyable: an acknowledgement does not
/// need the message. It stays good when the server delivers the same message again on a later connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    pub(crate) sequence: u64,
    pub(crate) packet_id: u16,
}

impl MessageId {
    /// The message with this sequence number and packet identifier, such as one that was written down. Nothing is owed
    /// for one that was never received.
    pub const fn from_parts(sequence: u64, packet_id: u16) -> Self {
        Self { sequence, packet_id }
    }

    /// Counts the QoS 1 and 2 messages of one client.
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// The packet identifier that the server delivered it with first.
    pub const fn packet_id(self) -> u16 {
        self.packet_id
    }
}

/// A PUBLISH that the server sent: one reference-counted packet and offsets into it.
///
/// Cloning is cheap. A kept message keeps its packet's bytes alive, and perhaps its neighbours in the same read
/// buffer; see [`Message::detach`].
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The whole packet.
    pub(crate) packet: Bytes,
    pub(crate) parts: Parts,
}

/// What a message is besides its packet: where things stand in that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The topic, where the packet has only its alias.
    pub(crate) aliased: Option<Arc<String>>,
    /// Of its identifier; zero for QoS 0.
    pub(crate) sequence: u64,
    /// Where the payload begins, and the properties, which end there.
    pub(crate) payload: u32,
    pub(crate) properties: u32,
    /// Where the topic begins, and how long it is.
    pub(crate) topic_length: u16,
    /// Zero for QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) topic: u32,
}

impl Parts {
    #[inline]
    pub(crate) fn id(&self) -> Option<MessageId> {
        let Self { sequence, packet_id, .. } = *self;
        (packet_id != 0).then_some(MessageId { sequence, packet_id })
    }
}

// It is moved several times on its way to the application: one line of a processor's cache.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<Message>>() == 64);

impl Message {
    /// The topic name.
    pub fn topic(&self) -> &str {
        match &self.parts.aliased {
            Some(topic) => topic,
            // It was validated when the packet was decoded.
            None => core::str::from_utf8(self.topic_bytes()).unwrap_or_default(),
        }
    }

    /// The topic name's bytes, for comparing it: [`topic`](Self::topic) looks at each of them to give a `str`.
    #[inline]
    pub fn topic_bytes(&self) -> &[u8] {
        match &self.parts.aliased {
            Some(topic) => topic.as_bytes(),
            None => &self.packet[self.parts.topic as usize..][..usize::from(self.parts.topic_length)],
        }
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.packet[self.parts.payload as usize..]
    }

    /// The payload as a shared buffer: no copy.
    pub fn payload_bytes(&self) -> Bytes {
        self.packet.slice(self.parts.payload as usize..)
    }

    /// The payload as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        core::str::from_utf8(self.payload())
    }

    /// The quality of service that it was delivered with.
    pub fn qos(&self) -> QoS {
        QoS::from_bits(self.flags() >> 1).unwrap_or_default()
    }

    /// Whether it is a retained message, or, with Retain As Published, was published as one.
    pub fn retain(&self) -> bool {
        self.flags() & RETAIN != 0
    }

    /// Whether the server marked it as delivered before (DUP).
    pub fn duplicate(&self) -> bool {
        self.flags() & DUPLICATE != 0
    }

    /// Of the fixed header, where they were validated.
    fn flags(&self) -> u8 {
        self.packet.first().copied().unwrap_or_default()
    }

    /// Its properties; empty on 3.x.
    #[inline]
    pub fn properties(&self) -> Properties<'_> {
        Properties::from_validated(&self.packet[self.parts.properties as usize..self.parts.payload as usize])
    }

    /// What to acknowledge it by; `None` for QoS 0.
    #[inline]
    pub fn id(&self) -> Option<MessageId> {
        self.parts.id()
    }

    /// How many bytes it keeps: its packet, and the topic when that came by alias.
    #[inline]
    pub fn size(&self) -> usize {
        self.packet.len() + self.parts.aliased.as_ref().map_or(0, |topic| topic.len())
    }

    /// Copies the packet out of the read buffer that it shares with its neighbours, for keeping it long.
    pub fn detach(&mut self) {
        self.packet = Bytes::copy_from_slice(&self.packet);
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic())
            .field("payload", &self.payload_bytes())
            .field("qos", &self.qos())
            .field("retain", &self.retain())
            .field("duplicate", &self.duplicate())
            .field("properties", &self.properties())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
