//! A server that has no QoS 2, and answers such a PUBLISH with PUBACK.
//!
//! That is a protocol error, which ends the connection. In a session that lives on the messages would be sent again and
//! answered in the same way, for ever, and reach their subscribers each time: so they end with the connection.

use super::Connection;
use super::inflight::Stage;
use crate::error::OperationError;

impl Connection {
    /// PUBACK has come for this identifier: if it is that of a QoS 2 PUBLISH, all of those that were sent on this
    /// connection and are not answered end.
    pub(super) fn end_downgraded(&mut self, packet_id: u16) {
        for packet_id in self.in_flight.downgraded(packet_id, self.attempt) {
            let Some(entry) = self.in_flight.remove(packet_id, self.attempt) else { continue };
            self.forget_stage(entry.token, &entry.stage);
            if let Stage::Published(record) = entry.stage {
                self.queue.release(record);
                self.publish_failed(entry.token, OperationError::Downgraded);
            }
        }
    }
}
