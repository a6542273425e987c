//! A server that has no QoS 2, and answers such a PUBLISH with PUBACK.
//!
//! That is a protocol error, which ends the connection. In a session that lives on the messages would be sent again and
//! answered in the same way, for ever, and reach their subscribers each time: so they end with the connection.

use super::Connection;
use crate::error::OperationError;

impl Connection {
    /// PUBACK has come for this identifier: if it is that of a QoS 2 PUBLISH, all of those that were sent on this
    /// connection and are not answered end. Their identifiers stay reserved, as the server may know them after all.
    pub(super) fn end_downgraded(&mut self, packet_id: u16) {
        for packet_id in self.in_flight.downgraded(packet_id, self.attempt) {
            let Some(entry) = self.in_flight.table.get(packet_id) else { continue };
            let (token, is_awaited) = (entry.token, !entry.abandoned);
            self.abandon(packet_id);
            if is_awaited {
                self.publish_failed(token, OperationError::Downgraded);
            }
        }
    }
}
