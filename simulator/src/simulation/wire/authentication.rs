//! The rules for AUTH.

use sterna_core::packet::{Auth, Connect, Properties, ReasonCode};

use super::{Bench, Phase, Wire};

/// The exchanges of one network connection.
#[derive(Debug, Default)]
pub(super) struct Exchanging {
    /// The method of CONNECT.
    method: Option<String>,
    /// The server's steps that were read, and not answered.
    challenges: u32,
    /// A re-authentication was begun then, and the server has not ended it.
    again_since: Option<u64>,
}

impl Wire {
    pub(super) fn sent_method(&mut self, connect: &Connect<'_>, bench: &mut Bench<'_>) {
        let method = connect.properties.authentication_method();
        let is_right = method == self.method;
        self.require(is_right, bench, "CONNECT has another authentication method", || format!("{method:?}"));
        if let Some(connection) = &mut self.connection {
            connection.exchange.method = method.map(Into::into);
        }
    }

    pub(super) fn sent_auth(&mut self, auth: &Auth<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let exchange = &mut connection.exchange;
        let has_method = exchange.method.is_some() && exchange.is_of(auth.properties);
        let is_due = match auth.reason {
            ReasonCode::CONTINUE_AUTHENTICATION if exchange.challenges > 0 => {
                exchange.challenges -= 1;
                true
            }
            ReasonCode::REAUTHENTICATE if connection.phase == Phase::Open => {
                exchange.again_since.replace(bench.now).is_none()
            }
            _ => false,
        };
        self.require(has_method, bench, "AUTH has another method than CONNECT [MQTT-4.12.0-5]", || {
            format!("{auth:?}")
        });
        self.require(is_due, bench, "AUTH comes at the wrong time [MQTT-4.12.0-3]", || format!("{auth:?}"));
    }

    pub(super) fn received_auth(&mut self, auth: &Auth<'_>, bench: &mut Bench<'_>) {
        let Some(connection) = &mut self.connection else { return };
        let exchange = &mut connection.exchange;
        let is_due = connection.phase == Phase::Connecting || exchange.again_since.is_some();
        if exchange.method.is_none() || !exchange.is_of(auth.properties) || !is_due {
            return; // nothing may answer it
        }
        if auth.reason == ReasonCode::CONTINUE_AUTHENTICATION {
            exchange.challenges += 1;
        } else if exchange.again_since.take().is_some() {
            bench.promises.proofs[self.client].accepted += 1;
        }
    }

    /// Whether a re-authentication takes longer than it may.
    pub(super) fn is_authentication_late(&self, now: u64) -> bool {
        let since = self.connection.as_ref().and_then(|connection| connection.exchange.again_since);
        self.ack_timeout > 0 && since.is_some_and(|since| now.saturating_sub(since) > self.ack_timeout)
    }
}

impl Exchanging {
    fn is_of(&self, properties: Properties<'_>) -> bool {
        properties.authentication_method() == self.method.as_deref()
    }
}
