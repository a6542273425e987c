//! Where planted faults need more than a condition; see [`Bug`]. Nothing here happens unless one was chosen.

use alloc::vec::Vec;

use super::Connection;
use super::flight::Stage;
use crate::bug::Bug;
use crate::packet::{PacketType, QoS, ReasonCode};

impl Connection {
    pub(super) fn has_bug(&self, bug: Bug) -> bool {
        self.config.has_bug(bug)
    }

    /// The packet identifier that a new message is sent with, where `before` was given out last.
    pub(super) fn planted_id(&self, before: Option<u16>, packet_id: u16) -> u16 {
        let is_live = |id: &u16| self.in_flight.table.get(*id).is_some();
        before.filter(|_| self.has_bug(Bug::IdReusedWhileLive)).filter(is_live).unwrap_or(packet_id)
    }

    /// A message was sent for the first time.
    pub(super) fn planted_after_sending(&mut self, packet_id: u16, qos: QoS) {
        if qos == QoS::ExactlyOnce && self.has_bug(Bug::ReleaseBeforeReceived) {
            self.send_ack(PacketType::PubRel, packet_id, ReasonCode::SUCCESS);
        }
    }

    /// A session was resumed, and it is planned what is sent again.
    pub(super) fn planted_on_resuming(&mut self, releases: &mut [u16]) {
        if self.has_bug(Bug::ReleasesOutOfOrder) {
            releases.reverse();
        }
        if self.has_bug(Bug::OrderSwappedOnResend) {
            self.in_flight.reverse_planned();
        }
        if self.has_bug(Bug::InFlightLostOnReconnect) {
            self.in_flight.forget_planned(QoS::AtLeastOnce);
        }
    }

    /// The connection is gone, and what waits for the next one is not looked at yet.
    pub(super) fn planted_on_losing(&mut self) {
        if self.has_bug(Bug::AheadSentAgain) {
            self.queue.rewind_ahead();
        }
        if self.has_bug(Bug::UnreportedLossForgotten)
            && let Some(unreported) = self.unreported.as_deref_mut()
        {
            unreported.written(u64::MAX);
        }
    }

    /// What may be acknowledged, the latest first.
    pub(super) fn planted_acks(&mut self) {
        let mut releases = Vec::new();
        while let Some(release) = self.received.next_release() {
            releases.push(release);
        }
        for release in releases.into_iter().rev() {
            self.send_release(release);
        }
    }

    /// An operation was given up that the server may still answer.
    pub(super) fn planted_on_abandoning(&mut self, packet_id: u16) {
        if self.has_bug(Bug::AbandonedIdFreed)
            && let Some(entry) = self.in_flight.remove(packet_id, self.attempt)
        {
            if let Stage::Published(record) = entry.stage {
                self.queue.release(record);
            }
            self.in_flight.give_out_again(packet_id);
        }
    }
}
