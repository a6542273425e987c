//! What is decided about a message only when it is encoded, against the current connection: how its topic is named,
//! and how long it is still good for.

use alloc::boxed::Box;
use bytes::Bytes;

use super::Connection;
use super::outgoing_aliases::{Naming, OutgoingAliases};
use crate::command::Publish;
use crate::config::TopicAliases;
use crate::error::PublishError;
use crate::event::Token;
use crate::packet::{self, EncodeError, PropertyId};

/// How a message differs from its record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changes {
    /// The topic alias that was given by hand, or zero.
    pub(super) alias: u16,
    /// The Message Expiry Interval in place of the record's.
    pub(super) expiry: Option<u32>,
}

impl Connection {
    /// A new connection knows no alias.
    pub(super) fn start_aliases(&mut self, maximum: u16) {
        if self.config.topic_alias != TopicAliases::Manual && maximum > 0 {
            self.outgoing_aliases.get_or_insert_default();
        }
        if let Some(aliases) = &mut self.outgoing_aliases {
            aliases.connected(maximum);
        }
    }

    /// A publish with an alias: an empty topic is resolved here, so that what is kept has its topic.
    pub(super) fn send_aliased(&mut self, publish: &Publish<'_>, alias: u16) -> Result<Token, PublishError> {
        if self.is_known_to_be_older() {
            return Err(PublishError::UnsupportedByVersion(PropertyId::TopicAlias));
        }
        if alias == 0 {
            let property = PropertyId::TopicAlias;
            return Err(PublishError::Encode(EncodeError::PropertyValue { property, value: 0 }));
        }
        let maximum = self.server.as_deref().filter(|_| self.phase.is_up());
        let maximum = maximum.map_or(0, |server| server.topic_alias_maximum);
        let aliases = self.outgoing_aliases.get_or_insert_with(|| {
            let mut aliases = Box::new(OutgoingAliases::default());
            aliases.connected(maximum);
            aliases
        });
        if publish.topic.is_empty() {
            let topic = aliases.declared(alias).ok_or(PublishError::UnknownAlias(alias))?;
            return self.send_named(&Publish { topic: &topic, ..publish.clone() });
        }
        let token = self.send_named(publish)?;
        if let Some(aliases) = &mut self.outgoing_aliases {
            aliases.declare(alias, publish.topic);
        }
        Ok(token)
    }

    /// Encodes a PUBLISH whose topic is given in full.
    #[allow(clippy::inline_always)] // Most of what a small message costs is calls.
    #[inline(always)]
    pub(super) fn encode_message(
        &mut self,
        packet: &packet::Publish<'_>,
        shared: Option<&Bytes>,
        changes: Changes,
    ) -> Result<(), EncodeError> {
        if self.outgoing_aliases.is_none() && changes.expiry.is_none() {
            return self.encode_publish(packet, shared);
        }
        self.encode_changed(packet, shared, changes)
    }

    fn encode_changed(
        &mut self,
        packet: &packet::Publish<'_>,
        shared: Option<&Bytes>,
        changes: Changes,
    ) -> Result<(), EncodeError> {
        let mut naming = self.naming(changes.alias, packet.topic);
        let mut result = self.encode_named(packet, shared, naming, changes.expiry);
        if matches!((naming, &result), (Naming::Declare(_), Err(EncodeError::PacketTooLarge { .. }))) {
            naming = Naming::Topic;
            result = self.encode_named(packet, shared, naming, changes.expiry);
        }
        result?;
        if let Some(aliases) = &mut self.outgoing_aliases {
            aliases.commit(naming, packet.topic);
        }
        Ok(())
    }

    fn naming(&self, alias: u16, topic: &str) -> Naming {
        let aliases = self.outgoing_aliases.as_deref();
        aliases.map_or(Naming::Topic, |aliases| aliases.plan(self.config.topic_alias, alias, topic))
    }

    fn encode_named(
        &mut self,
        packet: &packet::Publish<'_>,
        shared: Option<&Bytes>,
        naming: Naming,
        expiry: Option<u32>,
    ) -> Result<(), EncodeError> {
        if naming == Naming::Topic && expiry.is_none() {
            return self.encode_publish(packet, shared);
        }
        let (topic, alias) = match naming {
            Naming::Topic => (packet.topic, None),
            Naming::Declare(alias) => (packet.topic, Some(alias)),
            Naming::Alias(alias) => ("", Some(alias)),
        };
        // Taken out while it is encoded, since encoding needs the rest of the connection.
        let mut properties = self.scratch.take().unwrap_or_default();
        properties.rewrite(packet.properties, alias, expiry);
        let packet = packet::Publish { topic, properties: properties.as_properties(), ..*packet };
        let result = self.encode_publish(&packet, shared);
        self.scratch = Some(properties);
        result
    }

    /// What the packet takes in bytes if it is sent now, as far as that matters for `limit`.
    pub(super) fn smallest_size(&mut self, packet: &packet::Publish<'_>, alias: u16, limit: u32) -> u64 {
        let size = packet.size(self.version);
        let Naming::Alias(alias) = self.naming(alias, packet.topic) else { return size };
        if size <= u64::from(limit) {
            return size;
        }
        let scratch = self.scratch.get_or_insert_default();
        scratch.rewrite(packet.properties, Some(alias), None);
        let properties = scratch.as_properties();
        packet::Publish { topic: "", properties, ..*packet }.size(self.version)
    }
}
