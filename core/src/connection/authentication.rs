//! Enhanced authentication (5.0 §4.12): the exchange of AUTH packets while connecting, and anew while connected.

use alloc::boxed::Box;

use super::Connection;
use super::state::{Input, Phase};
use super::timer::Timer;
use crate::bug::Bug;
use crate::command::Auth;
use crate::error::{AuthError, Cause, OperationError, ProtocolError, ServerLimit};
use crate::event::{Attempt, Event, Token};
use crate::packet::{
    self, ConnAck, EncodeError, Packet, PacketType, Properties, PropertiesBuf, Property, PropertyId,
    ReasonCode, Sender,
};

/// What an exchange has to remember besides the phase.
#[derive(Debug)]
pub(super) enum Exchange {
    /// CONNACK has accepted us, and the application has to confirm that the server is the right one.
    Accepted { session_present: bool, properties: PropertiesBuf },
    /// Re-authentication: who waits for it, and whether the next AUTH is ours.
    Again { token: Option<Token>, ours: bool },
}

impl Connection {
    // Commands

    pub(super) fn answer_challenge(&mut self, attempt: Attempt, auth: &Auth<'_>) -> Result<(), AuthError> {
        if attempt != self.attempt || !self.is_challenged() {
            return Err(AuthError::NotExpected);
        }
        if matches!(self.exchange.as_deref(), Some(Exchange::Accepted { .. })) {
            self.confirmed();
            return Ok(());
        }
        self.send_auth(ReasonCode::CONTINUE_AUTHENTICATION, auth)?;
        if let Some(Exchange::Again { ours, .. }) = self.exchange.as_deref_mut() {
            *ours = false;
        } else {
            self.phase = self.phase.next(Input::Answer).unwrap_or(self.phase);
        }
        Ok(())
    }

    pub(super) fn check_again(&self) -> Result<(), AuthError> {
        if self.config.authentication.is_none() {
            return Err(AuthError::NotConfigured);
        }
        if self.is_ending() {
            return Err(AuthError::Closed);
        }
        if self.phase != Phase::Connected {
            return Err(AuthError::Offline);
        }
        if self.exchange.is_some() {
            return Err(AuthError::InProgress);
        }
        Ok(())
    }

    pub(super) fn begin_again(&mut self, auth: &Auth<'_>) -> Result<Token, AuthError> {
        self.check_again()?;
        self.send_auth(ReasonCode::REAUTHENTICATE, auth)?;
        let token = self.take_token();
        self.exchange = Some(Box::new(Exchange::Again { token: Some(token), ours: false }));
        if !self.config.ack_timeout.is_zero() {
            self.timers.arm_in(Timer::Authenticate, self.config.ack_timeout);
        }
        Ok(token)
    }

    pub(super) fn refuse_server(&mut self, attempt: Attempt, reason: ReasonCode) -> Result<(), AuthError> {
        if !(reason.is_error() && reason.is_allowed_in(PacketType::Disconnect, Sender::Client)) {
            return Err(AuthError::Reason(reason));
        }
        let running = self.phase == Phase::Authenticating || self.phase.is_up();
        if attempt != self.attempt || !running || self.config.authentication.is_none() {
            return Err(AuthError::NotExpected);
        }
        self.send_disconnect(reason, &PropertiesBuf::new());
        self.fail(Cause::Authentication(reason));
        Ok(())
    }

    /// Whether the next step is the application's.
    fn is_challenged(&self) -> bool {
        match self.exchange.as_deref() {
            Some(Exchange::Again { ours, .. }) => *ours && self.phase.is_up(),
            _ => self.phase == Phase::Authenticating,
        }
    }

    /// Whether CONNACK is there and waits for the application. Nothing behind it is read before.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.phase == Phase::Authenticating && self.exchange.is_some()
    }

    fn confirmed(&mut self) {
        let Some(Exchange::Accepted { session_present, properties }) = self.exchange.take().map(|it| *it)
        else {
            return;
        };
        let properties = properties.as_properties();
        let connack = ConnAck { session_present, reason: ReasonCode::SUCCESS, properties };
        if let Err(error) = self.accepted(&connack) {
            self.fail(Cause::Protocol(error));
        }
    }

    /// AUTH with the method of CONNECT [MQTT-4.12.0-3], [MQTT-4.12.1-1].
    fn send_auth(&mut self, reason: ReasonCode, auth: &Auth<'_>) -> Result<(), AuthError> {
        let Some(authentication) = self.config.authentication.as_deref() else {
            return Err(AuthError::NotConfigured);
        };
        let method = if self.has_bug(Bug::AuthMethodChanged) { "" } else { &*authentication.method };
        let mut needed = PropertiesBuf::new();
        needed
            .push(Property::AuthenticationMethod(method))
            .and_then(|()| auth.data.map_or(Ok(()), |data| needed.push(Property::AuthenticationData(data))))
            .map_err(AuthError::Encode)?;
        let mut properties = needed.clone();
        for property in auth.properties {
            if !matches!(property.id(), PropertyId::ReasonString | PropertyId::UserProperty) {
                return Err(AuthError::Property(property.id()));
            }
            properties.push(property).map_err(AuthError::Encode)?;
        }
        let full = packet::Auth { reason, properties: properties.as_properties() };
        let plain = packet::Auth { reason, properties: needed.as_properties() };
        // What only explains is left out if it is more than the server takes [MQTT-3.15.2-2], [MQTT-3.15.2-3].
        let sent = self.send(&Packet::Auth(full)).or_else(|error| match error {
            EncodeError::PacketTooLarge { .. } => self.send(&Packet::Auth(plain)),
            error => Err(error),
        });
        sent.map_err(|error| match error {
            EncodeError::PacketTooLarge { size, limit } => {
                AuthError::Limit(ServerLimit::MaximumPacketSize { size, limit })
            }
            error => AuthError::Encode(error),
        })
    }

    // What the server sends

    /// AUTH has come.
    pub(super) fn take_auth(&mut self, auth: &packet::Auth<'_>) -> Result<(), ProtocolError> {
        self.check_method(auth.properties)?;
        let attempt = self.attempt;
        let properties: PropertiesBuf = auth.properties.into();
        let continues = auth.reason == ReasonCode::CONTINUE_AUTHENTICATION;
        match (self.phase, self.exchange.as_deref_mut()) {
            (Phase::Handshaking, _) if !continues => return Err(ProtocolError::AuthReason(auth.reason)),
            (Phase::Handshaking, _) => {
                self.phase = self.phase.next(Input::Challenge).unwrap_or(self.phase);
            }
            (_, Some(Exchange::Again { ours: ours @ false, .. })) if continues => *ours = true,
            (_, Some(Exchange::Again { ours: false, token })) => {
                let token = token.take();
                self.exchange = None;
                self.timers.disarm(Timer::Authenticate);
                if let Some(token) = token {
                    self.report(Event::Reauthenticated { token, result: Ok(properties) });
                }
                self.finish_if_drained();
                return Ok(());
            }
            _ => return Err(ProtocolError::AuthOutOfTurn(PacketType::Auth)),
        }
        self.report(Event::Authenticate { attempt, accepted: false, properties });
        Ok(())
    }

    /// CONNACK accepts us. With enhanced authentication the application has the last word, since its data may be the
    /// server's proof of itself; whether it has to be waited for.
    pub(super) fn awaits_confirmation(&mut self, connack: &ConnAck<'_>) -> Result<bool, ProtocolError> {
        if self.phase == Phase::Authenticating {
            return Err(ProtocolError::AuthOutOfTurn(PacketType::ConnAck));
        }
        if self.config.authentication.is_none() && connack.properties.authentication_method().is_none() {
            return Ok(false);
        }
        self.check_method(connack.properties)?;
        let properties: PropertiesBuf = connack.properties.into();
        let session_present = connack.session_present;
        self.exchange =
            Some(Box::new(Exchange::Accepted { session_present, properties: properties.clone() }));
        self.phase = self.phase.next(Input::Challenge).unwrap_or(self.phase);
        self.report(Event::Authenticate { attempt: self.attempt, accepted: true, properties });
        Ok(true)
    }

    /// All AUTH packets and the CONNACK with success have CONNECT's method [MQTT-4.12.0-5], [MQTT-4.12.0-6].
    fn check_method(&self, properties: Properties<'_>) -> Result<(), ProtocolError> {
        match self.config.authentication.as_deref() {
            None => Err(ProtocolError::UnsolicitedAuth),
            Some(ours) if properties.authentication_method() == Some(&*ours.method) => Ok(()),
            Some(_) => Err(ProtocolError::AuthMethod),
        }
    }

    // Its end

    /// Whether somebody waits for a re-authentication.
    pub(super) fn is_reauthenticating(&self) -> bool {
        matches!(self.exchange.as_deref(), Some(Exchange::Again { token: Some(_), .. }))
    }

    pub(super) fn authentication_timed_out(&mut self) {
        if !self.paused {
            self.fail(Cause::Timeout(Timer::Authenticate));
            return;
        }
        // The answer may well be there, behind messages that the application does not read.
        if let Some(Exchange::Again { token, .. }) = self.exchange.as_deref_mut()
            && let Some(token) = token.take()
        {
            self.report(Event::Reauthenticated { token, result: Err(OperationError::Stalled) });
        }
        // If it is not, no other exchange could begin on this connection.
        self.timers.arm(Timer::Authenticate, self.now + self.config.ack_timeout);
        self.finish_if_drained();
    }

    /// The connection is gone, and with it the exchange.
    pub(super) fn end_exchange(&mut self, cause: &Cause) {
        let Some(exchange) = self.exchange.take() else { return };
        if let Exchange::Again { token: Some(token), .. } = *exchange {
            let error = match cause {
                Cause::ServerDisconnected(refusal) => OperationError::Refused(refusal.clone()),
                _ if self.ending.is_some() => OperationError::Closed,
                _ => OperationError::Lost,
            };
            self.report(Event::Reauthenticated { token, result: Err(error) });
        }
    }
}
