//! A client begins with what a store has of its session.

use alloc::boxed::Box;
use core::time::Duration;

use super::Connection;
use super::flight::Stage;
use super::persistence::Persistence;
use crate::bug::Bug;
use crate::command::{Data, Publish};
use crate::config::{ClientId, Config, VersionPolicy};
use crate::event::Token;
use crate::packet::QoS;
use crate::session::{RestoreError, Session, SessionError, StoredFlight, StoredStage};
use crate::time::Instant;

impl Connection {
    /// A client that is not started, whose session a store keeps: it goes on with what the store has, and gives
    /// every change to [`poll_persist`](Self::poll_persist). With the session of an empty store it begins a new one.
    ///
    /// A random client identifier is drawn once, and found again in the store. A QoS 2 message that was handed over
    /// and whose acknowledgement was not stored comes again, with [`Message::duplicate`](crate::Message::duplicate).
    ///
    /// # Errors
    /// The options contradict each other, or the store's records contradict each other or belong to another client
    /// identifier.
    #[allow(clippy::needless_pass_by_value)] // One client alone goes on with a session.
    pub fn restore(config: Config, session: Session, now: Instant) -> Result<Self, RestoreError> {
        session.validate()?;
        let mut connection = Self::new(config, now)?;
        if let Some(header) = &session.header {
            if let ClientId::Given(configured) = &connection.config.client_id
                && !configured.is_empty()
                && *configured != header.client_id
            {
                let stored = header.client_id.clone();
                return Err(SessionError::OtherClient { stored, configured: configured.clone() }.into());
            }
            connection.client_id = header.client_id.clone();
            connection.next_token = connection.next_token.max(header.next_token);
            if let (Some(version), VersionPolicy::Automatic { .. }) =
                (header.version, connection.config.version)
                && connection.config.authentication.is_none()
            {
                connection.servers.spoke(version);
                connection.version = connection.servers.version();
            }
            // It was connected: the server may have the session.
            connection.session.known = header.version.is_some();
            connection.session.exists = header.version.is_some();
            // And the last CONNECT of the earlier process may never have been answered.
            connection.session.unanswered = 1;
        }
        for token in session.unsent() {
            let Some(record) = connection.restored_record(&session, token) else { continue };
            connection.queue.push(Token(token), record);
            connection.restore_expiry(&session, token, None);
        }
        for (token, flight) in &session.flights {
            connection.restore_flight(&session, *token, *flight);
        }
        for packet_id in &session.incoming {
            if connection.has_bug(Bug::ReceivedForgottenOnRestart) {
                break;
            }
            connection.received.restore(*packet_id);
        }
        let is_new = session.header.is_none();
        connection.persistence = Some(Box::new(Persistence::new(&session, now)));
        if is_new {
            connection.store_header();
        }
        Ok(connection)
    }

    fn restored_record(&mut self, session: &Session, token: u64) -> Option<super::queue::Record> {
        let message = session.message(token)?;
        let publish = Publish {
            retain: message.retain,
            properties: message.properties,
            ..Publish::new(message.topic, Data::Slice(message.payload)).qos(message.qos)
        };
        Some(self.queue.record(&publish))
    }

    fn restore_flight(&mut self, session: &Session, token: u64, flight: StoredFlight) {
        let abandoned = matches!(
            flight.stage,
            StoredStage::Abandoned { .. } | StoredStage::Released { abandoned: true, .. }
        );
        let stage = match flight.stage {
            StoredStage::Published => match self.restored_record(session, token) {
                Some(record) => Stage::Published(record),
                None => return,
            },
            StoredStage::Released { order, reason, .. } => {
                Stage::Released { order, reason, properties: None }
            }
            StoredStage::Abandoned { exactly_once } => {
                Stage::Abandoned { qos: if exactly_once { QoS::ExactlyOnce } else { QoS::AtLeastOnce } }
            }
        };
        self.in_flight.restore(flight.packet_id, Token(token), self.now, stage, abandoned);
        self.restore_expiry(session, token, Some(flight.packet_id));
    }

    /// A message's expiry goes on over the time that no process was there, if that is known. `sent`: the packet
    /// identifier that it may have been sent with.
    fn restore_expiry(&mut self, session: &Session, token: u64, sent: Option<u16>) {
        let Some(message) = session.message(token) else { return };
        let Some(interval) = message.properties.message_expiry_interval() else { return };
        let day = session.wall_clock_micros().filter(|_| message.accepted_at > 0);
        let passed = day.map_or(0, |day| day.saturating_sub(message.accepted_at));
        let left = Duration::from_secs(u64::from(interval)).saturating_sub(Duration::from_micros(passed));
        self.due.restore(Token(token), interval, self.now + left, sent);
    }
}
