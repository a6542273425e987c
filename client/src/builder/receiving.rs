//! What waits to be read.

use std::time::Duration;

use super::{ClientBuilder, Runtime};
use crate::inbox::{AckMode, Unclaimed};

impl<R: Runtime, M> ClientBuilder<R, M> {
    /// How many messages, and bytes of them, may wait for the application before reading pauses. What a stream
    /// has taken from the queue at once, to hand over one by one, comes on top: at most as much again. Default:
    /// 4,096 and 1 MiB.
    pub fn incoming_limit(mut self, messages: usize, bytes: usize) -> Self {
        self.config.incoming_limit = messages;
        self.config.incoming_bytes = bytes;
        self
    }

    /// Up to how many bytes reading goes on beyond that while an operation waits for the server, or somebody for
    /// messages of another stream. Then the oldest messages of QoS 0 are dropped where most of them wait. Default:
    /// 16 MiB.
    pub fn incoming_reserve(mut self, bytes: usize) -> Self {
        self.config.incoming_reserve = bytes;
        self
    }

    /// How long [`receive_maximum`](Self::receive_maximum) may be reached for want of one acknowledgement by the
    /// application until [`Event::AckBlocked`](crate::Event::AckBlocked) names it. Default: 10 s; zero is off.
    pub fn ack_blocked_after(mut self, duration: Duration) -> Self {
        self.config.ack_blocked_after = duration;
        self
    }

    /// Report every packet to [`Client::events`](crate::Client::events). Default: off.
    pub fn packet_events(mut self, packet_events: bool) -> Self {
        self.config.packet_events = packet_events;
        self
    }

    /// When messages are acknowledged, for streams that do not say otherwise. Default: [`AckMode::OnNext`].
    pub fn ack(mut self, mode: AckMode) -> Self {
        self.ack = mode;
        self
    }

    /// What becomes of messages that nobody claims. Default: [`Unclaimed::Hold`].
    pub fn unclaimed(mut self, unclaimed: Unclaimed) -> Self {
        self.unclaimed = unclaimed;
        self
    }
}
