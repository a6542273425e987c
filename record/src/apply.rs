//! From entries back to calls of a connection.

use std::time::Duration;

use bytes::BytesMut;
use sterna_core::packet::{
    FiltersBuf, QoS, ReasonCode, RetainHandling, SubscribeFilter, SubscribeOptions, TopicFiltersBuf,
};
use sterna_core::{
    Attempt, ConnectOverrides, Connection, Data, Instant, Lost, MessageId, PersistId, StoreError, Token,
};

use crate::entry::{
    Auth, Backlog, Connected, Input, MessageName, Output, Publish, Subscribe, Unsubscribe, WillOverride,
};
use crate::failure::lost_kind;

/// What an entry says that no call can have.
pub(crate) type Unlawful = String;

fn reason(code: u8) -> Result<ReasonCode, Unlawful> {
    ReasonCode::from_value(code).ok_or_else(|| format!("{code} is no reason code"))
}

fn qos(number: u8) -> Result<QoS, Unlawful> {
    QoS::try_from(number).map_err(|number| format!("{number} is no QoS"))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn attempt(number: u32) -> Attempt {
    Attempt::from_number(number)
}

impl Input {
    /// Makes the call. `received`: what the server sent and earlier calls left over.
    ///
    /// # Errors
    /// There is no such call. Nothing was done.
    pub(crate) fn apply(
        &self,
        connection: &mut Connection,
        now: Instant,
        received: &mut BytesMut,
    ) -> Result<Option<Output>, Unlawful> {
        match self {
            Self::Stored(_) => return Err("a record of the store behind the others".into()),
            Self::Connect => connection.connect(now),
            Self::Reconnect => connection.reconnect(now),
            Self::Connected(connected) => {
                received.clear();
                connected.apply(connection, now)?;
            }
            Self::Received { bytes, cleared } => {
                if *cleared {
                    received.clear();
                }
                received.extend_from_slice(bytes);
                return Ok(Some(Output::ingress(connection.handle_input(now, received))));
            }
            Self::Written { bytes } => connection.handle_written(now, size(*bytes)),
            Self::Lost { attempt: number, kind, detail } => {
                let kind = lost_kind(kind).ok_or_else(|| format!("{kind:?} is no kind of a loss"))?;
                received.clear();
                connection.handle_disconnected(
                    now,
                    attempt(*number),
                    Lost { kind, detail: detail.as_str().into() },
                );
            }
            Self::Persisted { batch, error } => {
                let result = error.as_ref().map_or(Ok(()), |error| Err(StoreError(error.as_str().into())));
                connection.handle_persisted(now, PersistId::from_number(*batch), result);
            }
            Self::Timeout => connection.handle_timeout(now),
            Self::Backlog(backlog) => connection.handle_backlog(backlog.restore()),
            Self::Dropped { messages } => connection.handle_dropped(*messages),
            command => return command.apply_command(connection, now),
        }
        Ok(None)
    }

    fn apply_command(&self, connection: &mut Connection, now: Instant) -> Result<Option<Output>, Unlawful> {
        Ok(match self {
            Self::Publish(publish) => Some(publish.apply(connection, now)?),
            Self::Subscribe(subscribe) => Some(subscribe.apply(connection, now)?),
            Self::Unsubscribe(unsubscribe) => Some(unsubscribe.apply(connection, now)?),
            Self::Cancel { token } => Output::refusal(&connection.cancel(now, Token::from_sequence(*token))),
            Self::Acknowledge { message, reason: code } => {
                Output::refusal(&connection.acknowledge(now, message.restore(), reason(*code)?))
            }
            Self::Authenticate { attempt: number, auth } => {
                Output::refusal(&connection.authenticate(now, attempt(*number), auth.borrow()))
            }
            Self::Reauthenticate(auth) => Some(Output::token(&connection.reauthenticate(now, auth.borrow()))),
            Self::RefuseAuthentication { attempt: number, reason: code } => {
                Output::refusal(&connection.refuse_authentication(now, attempt(*number), reason(*code)?))
            }
            Self::Disconnect { at_once, reason: code, properties } => {
                let properties = properties.0.as_properties();
                let disconnect =
                    sterna_core::Disconnect { at_once: *at_once, reason: reason(*code)?, properties };
                Output::refusal(&connection.disconnect(now, disconnect))
            }
            _ => return Err("no command".into()),
        })
    }
}

impl MessageName {
    fn restore(self) -> MessageId {
        MessageId::from_parts(self.sequence, self.packet_identifier)
    }
}

impl Backlog {
    fn restore(self) -> sterna_core::Backlog {
        sterna_core::Backlog {
            messages: size(self.messages),
            bytes: size(self.bytes),
            expendable: self.expendable.map(size),
            starving: self.starving,
            bounded: size(self.bounded),
        }
    }
}

impl Auth {
    fn borrow(&self) -> sterna_core::Auth<'_> {
        sterna_core::Auth { data: self.data.as_deref(), properties: self.properties.0.as_properties() }
    }
}

impl Connected {
    fn apply(&self, connection: &mut Connection, now: Instant) -> Result<(), Unlawful> {
        let will = match &self.will {
            None => None,
            Some(WillOverride::None) => Some(None),
            Some(WillOverride::Will(will)) => {
                Some(Some(will.restore().ok_or_else(|| format!("{} is no QoS", will.qos))?))
            }
        };
        let overrides = ConnectOverrides {
            credentials: self.credentials.as_ref().map(|credentials| sterna_core::Credentials {
                user_name: credentials.user_name.as_deref(),
                password: credentials.password.as_deref(),
            }),
            authentication_data: self.authentication_data.as_deref(),
            user_properties: self.user_properties.as_ref().map(|properties| &properties.0),
            will: will.as_ref().map(Option::as_ref),
        };
        connection.handle_connected(now, attempt(self.attempt), overrides);
        Ok(())
    }
}

impl Publish {
    fn apply(&self, connection: &mut Connection, now: Instant) -> Result<Output, Unlawful> {
        let publish = sterna_core::Publish {
            topic: &self.topic,
            payload: if self.shared {
                Data::Bytes(self.payload.0.clone())
            } else {
                Data::Slice(&self.payload)
            },
            qos: qos(self.qos)?,
            retain: self.retain,
            properties: self.properties.0.as_properties(),
            topic_alias: self.topic_alias,
            deadline: self.deadline.map(Duration::from_micros),
            requeue: self.requeue,
        };
        Ok(Output::token(&connection.publish(now, publish)))
    }
}

impl Subscribe {
    fn apply(&self, connection: &mut Connection, now: Instant) -> Result<Output, Unlawful> {
        let mut filters = FiltersBuf::new();
        for filter in &self.filters {
            let retain_handling = match filter.retain_handling {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                number => return Err(format!("{number} is no retain handling")),
            };
            let options = SubscribeOptions {
                qos: qos(filter.qos)?,
                no_local: filter.no_local,
                retain_as_published: filter.retain_as_published,
                retain_handling,
            };
            let filter = SubscribeFilter { filter: &filter.topic_filter, options };
            filters.push(filter).map_err(|error| error.to_string())?;
        }
        let subscribe = sterna_core::Subscribe {
            filters: filters.as_filters(),
            properties: self.properties.0.as_properties(),
            identifier: self.identifier,
            deadline: self.deadline.map(Duration::from_micros),
        };
        Ok(Output::token(&connection.subscribe(now, subscribe)))
    }
}

impl Unsubscribe {
    fn apply(&self, connection: &mut Connection, now: Instant) -> Result<Output, Unlawful> {
        let mut filters = TopicFiltersBuf::new();
        for filter in &self.topic_filters {
            filters.push(filter).map_err(|error| error.to_string())?;
        }
        let unsubscribe = sterna_core::Unsubscribe {
            filters: filters.as_filters(),
            properties: self.properties.0.as_properties(),
            deadline: self.deadline.map(Duration::from_micros),
        };
        Ok(Output::token(&connection.unsubscribe(now, unsubscribe)))
    }
}
