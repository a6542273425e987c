//! Application messages, on their way from a publisher to subscribers.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use sterna_core::packet::{Properties, PropertiesBuf, Property, QoS};

use super::{ClientId, Instant};

/// An application message that the broker owns.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Those that are forwarded unaltered, in their order.
    pub(super) properties: PropertiesBuf,
    pub(super) expires_at: Option<Instant>,
    pub(super) publisher: ClientId,
}

impl Message {
    /// What it counts for in bounds.
    pub(super) fn size(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.as_properties().as_bytes().len()
    }

    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The Message Expiry Interval that is left, in seconds, rounded up [MQTT-3.3.2-6].
    pub(super) fn remaining_expiry(&self, now: Instant) -> Option<u32> {
        let left = (self.expires_at? - now).as_micros().div_ceil(1_000_000);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }
}

/// The end of an interval in seconds that starts `now`.
pub(super) fn seconds_after(now: Instant, seconds: u32) -> Instant {
    now + Duration::from_secs(u64::from(seconds))
}

/// The properties of a PUBLISH or will that subscribers get unaltered and in their order
/// [MQTT-3.3.2-4, -15, -16, -17, -18, -20].
pub(super) fn forwarded(properties: Properties<'_>) -> PropertiesBuf {
    let mut kept = PropertiesBuf::new();
    for property in properties {
        if matches!(
            property,
            Property::PayloadFormatIndicator(_)
                | Property::ContentType(_)
                | Property::ResponseTopic(_)
                | Property::CorrelationData(_)
                | Property::UserProperty { .. }
        ) {
            add(&mut kept, property);
        }
    }
    kept
}

/// Adds a property that is known to be valid and not there yet.
pub(super) fn add(properties: &mut PropertiesBuf, property: Property<'_>) {
    let added = properties.push(property);
    debug_assert!(added.is_ok(), "{property:?}: {added:?}");
}

/// One message for one session.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    /// The smaller of the message's and the granted one [MQTT-3.8.4-8].
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) identifiers: Vec<u32>,
}

/// The will of a session's connection.
#[derive(Debug, Clone)]
pub(super) struct Will {
    /// Its expiry starts when it is published.
    pub(super) message: Message,
    pub(super) expiry: Option<u32>,
    /// Seconds from the end of the connection to its publication.
    pub(super) delay: u32,
    /// When it is published, once the connection has ended.
    pub(super) due: Option<Instant>,
}

impl Will {
    pub(super) fn into_message(self, now: Instant) -> Message {
        Message { expires_at: self.expiry.map(|seconds| seconds_after(now, seconds)), ..self.message }
    }
}
