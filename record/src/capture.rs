//! From the calls of a connection to entries: arguments and answers as the format has them.

use bytes::Buf;
use sterna_core::packet::{Filters, TopicFilters};
use sterna_core::{
    Action, Attempt, Batch, ConnectOverrides, Data, Lost, PersistId, StoreError, StoreOp, Timer, Token,
};

use crate::config::micros;
use crate::data::Hex;
use crate::entry::{
    Auth, Backlog, Change, Connected, Credentials, Filter, Input, Message, MessageName, Output, Publish,
    StoredRecord, Subscribe, Unsubscribe, Will, WillOverride,
};
use crate::failure::{Failure, lost_kind_name, timer_name};

impl MessageName {
    pub(crate) fn new(id: sterna_core::MessageId) -> Self {
        Self { sequence: id.sequence(), packet_identifier: id.packet_id() }
    }
}

impl Connected {
    pub(crate) fn new(attempt: Attempt, overrides: &ConnectOverrides<'_>) -> Self {
        Self {
            attempt: attempt.number(),
            credentials: overrides.credentials.map(|credentials| Credentials {
                user_name: credentials.user_name.map(Into::into),
                password: credentials.password.map(Hex::copy),
            }),
            authentication_data: overrides.authentication_data.map(Hex::copy),
            user_properties: overrides.user_properties.map(Into::into),
            will: overrides.will.map(|will| match will {
                None => WillOverride::None,
                Some(will) => WillOverride::Will(Will::new(will)),
            }),
        }
    }
}

impl Backlog {
    pub(crate) fn new(backlog: &sterna_core::Backlog) -> Self {
        Self {
            messages: backlog.messages as u64,
            bytes: backlog.bytes as u64,
            expendable: backlog.expendable.map(|bytes| bytes as u64),
            starving: backlog.starving,
            bounded: backlog.bounded as u64,
        }
    }
}

impl Publish {
    pub(crate) fn new(publish: &sterna_core::Publish<'_>) -> Self {
        let (payload, shared) = match &publish.payload {
            Data::Slice(slice) => (Hex::copy(slice), false),
            Data::Bytes(bytes) => (Hex::keep(bytes), true),
        };
        Self {
            topic: publish.topic.into(),
            payload,
            qos: publish.qos as u8,
            retain: publish.retain,
            properties: publish.properties.into(),
            topic_alias: publish.topic_alias,
            deadline: publish.deadline.map(micros),
            requeue: publish.requeue,
            shared,
        }
    }
}

impl Subscribe {
    pub(crate) fn new(subscribe: &sterna_core::Subscribe<'_>) -> Self {
        Self {
            filters: filters(subscribe.filters),
            properties: subscribe.properties.into(),
            identifier: subscribe.identifier,
            deadline: subscribe.deadline.map(micros),
        }
    }
}

fn filters(filters: Filters<'_>) -> Vec<Filter> {
    let filters = filters.iter().map(|filter| Filter {
        topic_filter: filter.filter.into(),
        qos: filter.options.qos as u8,
        no_local: filter.options.no_local,
        retain_as_published: filter.options.retain_as_published,
        retain_handling: filter.options.retain_handling as u8,
    });
    filters.collect()
}

impl Unsubscribe {
    pub(crate) fn new(unsubscribe: &sterna_core::Unsubscribe<'_>) -> Self {
        Self {
            topic_filters: topic_filters(unsubscribe.filters),
            properties: unsubscribe.properties.into(),
            deadline: unsubscribe.deadline.map(micros),
        }
    }
}

fn topic_filters(filters: TopicFilters<'_>) -> Vec<String> {
    filters.iter().map(Into::into).collect()
}

impl Auth {
    pub(crate) fn new(auth: &sterna_core::Auth<'_>) -> Self {
        Self { data: auth.data.map(Hex::copy), properties: auth.properties.into() }
    }
}

impl Input {
    pub(crate) fn lost(attempt: Attempt, lost: &Lost) -> Self {
        let (kind, detail) = (lost_kind_name(lost.kind), lost.detail.to_string());
        Self::Lost { attempt: attempt.number(), kind, detail }
    }

    pub(crate) fn persisted(id: PersistId, result: &Result<(), StoreError>) -> Self {
        Self::Persisted { batch: id.number(), error: result.as_ref().err().map(ToString::to_string) }
    }
}

impl Message {
    pub(crate) fn new(message: &sterna_core::Message) -> Self {
        Self {
            topic: message.topic().into(),
            payload: Hex::keep(&message.payload_bytes()),
            qos: message.qos() as u8,
            retain: message.retain(),
            duplicate: message.duplicate(),
            properties: message.properties().into(),
            id: message.id().map(MessageName::new),
        }
    }
}

impl StoredRecord {
    pub(crate) fn new(key: sterna_core::Key, record: &[u8]) -> Self {
        Self { key: Hex::copy(&key.to_bytes()), record: Hex::copy(record) }
    }
}

impl Output {
    pub(crate) fn token<E: std::error::Error>(result: &Result<Token, E>) -> Self {
        match result {
            Ok(token) => Self::Token(token.sequence()),
            Err(error) => Self::Refused(Failure::named(error)),
        }
    }

    /// Of a command that gives nothing.
    pub(crate) fn refusal<E: std::error::Error>(result: &Result<(), E>) -> Option<Self> {
        result.as_ref().err().map(|error| Self::Refused(Failure::named(error)))
    }

    pub(crate) fn ingress(ingress: sterna_core::Ingress) -> Self {
        match ingress {
            sterna_core::Ingress::NeedData { missing } => Self::Missing(missing as u64),
            sterna_core::Ingress::Paused => Self::Paused,
        }
    }

    pub(crate) fn action(action: &Action) -> Self {
        match action {
            Action::Connect { attempt, server, redirect } => Self::Connect {
                attempt: attempt.number(),
                server: *server,
                redirect: redirect.as_deref().map(Into::into),
            },
            Action::Close { attempt } => Self::Close { attempt: attempt.number() },
        }
    }

    pub(crate) fn persist(id: PersistId, batch: &Batch) -> Self {
        let changes = batch.iter().map(|op| match op {
            StoreOp::Put { key, record } => Change::Put(StoredRecord::new(key, record)),
            StoreOp::Delete { key } => Change::Delete(Hex::copy(&key.to_bytes())),
        });
        Self::Persist { batch: id.number(), changes: changes.collect() }
    }

    /// What `transmit` has behind the first `skipped` bytes.
    pub(crate) fn transmit(transmit: &sterna_core::Transmit, skipped: usize) -> Self {
        let mut bytes = Vec::with_capacity(transmit.remaining().saturating_sub(skipped));
        let mut skip = skipped;
        for chunk in transmit.chunks() {
            let start = skip.min(chunk.len());
            skip -= start;
            bytes.extend_from_slice(&chunk[start..]);
        }
        Self::Transmit { bytes: bytes.into() }
    }

    pub(crate) fn deadline(deadline: Option<(sterna_core::Instant, Timer)>) -> Self {
        match deadline {
            Some((at, timer)) => Self::Deadline { at: at.as_micros(), timer: timer_name(timer) },
            None => Self::NoDeadline,
        }
    }
}
