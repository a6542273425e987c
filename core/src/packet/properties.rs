//! Property sets: validated once, then iterated lazily.

use alloc::vec::Vec;
use core::fmt;

use super::property::{Type, Value, pass, read, skip};
use super::wire::{
    Reader, check_length, check_string, integer_length, write_binary, write_integer, write_u16,
};
use super::{DecodeError, EncodeError, Property, PropertyId, PropertyOwner};
use crate::topic::{self, TopicError};

/// A validated property set in its wire form, without its length. Always empty on 3.x.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// The empty set.
    pub const EMPTY: Properties<'static> = Properties { bytes: &[] };

    /// Validates a set in its wire form, without its length.
    ///
    /// # Errors
    /// An unknown property, one that does not belong into `owner`, one that appears twice, a value out of its range, a
    /// string that is not well-formed or contains U+0000.
    pub fn parse(bytes: &'a [u8], owner: PropertyOwner) -> Result<Self, DecodeError> {
        Self::parse_seen(bytes, owner).map(|(properties, _)| properties)
    }

    /// As `parse`; also which properties there are, a [bit](PropertyId::bit) each.
    pub(super) fn parse_seen(bytes: &'a [u8], owner: PropertyOwner) -> Result<(Self, u64), DecodeError> {
        let mut reader = Reader::new(bytes);
        let mut seen = 0;
        while !reader.is_empty() {
            let property = match pass(&mut reader) {
                Some(property) => property,
                None => read(&mut reader)?.id(),
            };
            if !property.is_allowed_in(owner) {
                return Err(DecodeError::PropertyNotAllowed { property, owner });
            }
            if seen & property.bit() != 0 && !property.may_repeat(owner) {
                return Err(DecodeError::DuplicateProperty(property));
            }
            seen |= property.bit();
        }
        let alone = PropertyId::AuthenticationData.bit();
        if seen & (alone | PropertyId::AuthenticationMethod.bit()) == alone {
            return Err(DecodeError::AuthenticationDataAlone);
        }
        Ok((Self { bytes }, seen))
    }

    /// A set that was validated before.
    pub(crate) const fn from_validated(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The wire form, without its length.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// All of them, in the order of the wire.
    pub fn iter(&self) -> PropertyIter<'a> {
        PropertyIter { reader: Reader::new(self.bytes) }
    }

    /// The first with this identifier.
    pub fn get(&self, id: PropertyId) -> Option<Property<'a>> {
        let mut reader = Reader::new(self.bytes);
        loop {
            let mut here = reader;
            if skip(&mut reader)? == id {
                return read(&mut here).ok();
            }
        }
    }

    /// The identifiers of all of them, in the order of the wire.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PropertyId> + use<'a> {
        let mut reader = Reader::new(self.bytes);
        core::iter::from_fn(move || skip(&mut reader))
    }

    /// The names and values of the user properties, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::UserProperty { name, value } => Some((name, value)),
            _ => None,
        })
    }

    /// The subscription identifiers, in order.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.iter().filter_map(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(id),
            _ => None,
        })
    }

    /// Reads a set with its length.
    #[inline]
    pub(super) fn decode(reader: &mut Reader<'a>, owner: PropertyOwner) -> Result<Self, DecodeError> {
        Self::decode_seen(reader, owner).map(|(properties, _)| properties)
    }

    /// As `decode`; also which properties there are, a [bit](PropertyId::bit) each.
    #[inline]
    pub(super) fn decode_seen(
        reader: &mut Reader<'a>,
        owner: PropertyOwner,
    ) -> Result<(Self, u64), DecodeError> {
        if reader.skip_zero() {
            return Ok((Self::EMPTY, 0));
        }
        Self::decode_some(reader, owner)
    }

    fn decode_some(reader: &mut Reader<'a>, owner: PropertyOwner) -> Result<(Self, u64), DecodeError> {
        let length = reader.integer("property length")?;
        Self::parse_seen(reader.bytes(length as usize, "properties")?, owner)
    }

    /// What the set takes with its length.
    #[inline]
    pub(super) fn encoded_length(&self) -> usize {
        integer_length(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)) + self.bytes.len()
    }

    #[inline]
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            out.push(0);
        } else {
            self.encode_some(out);
        }
    }

    fn encode_some(&self, out: &mut Vec<u8>) {
        write_integer(self.bytes.len() as u32, out);
        out.extend_from_slice(self.bytes);
    }

    /// Checks that the set may be sent in a packet: by `owner`, or by `other` where the sender is not known.
    pub(super) fn check(&self, owner: PropertyOwner, other: PropertyOwner) -> Result<(), EncodeError> {
        let mut seen = 0;
        for property in self.ids() {
            if !property.is_allowed_in(owner) && !property.is_allowed_in(other) {
                return Err(EncodeError::PropertyNotAllowed { property, owner });
            }
            let repeats = property.may_repeat(owner) || property.may_repeat(other);
            if seen & property.bit() != 0 && !repeats {
                return Err(EncodeError::DuplicateProperty(property));
            }
            seen |= property.bit();
        }
        let alone = PropertyId::AuthenticationData.bit();
        if seen & (alone | PropertyId::AuthenticationMethod.bit()) == alone {
            return Err(EncodeError::AuthenticationDataAlone);
        }
        Ok(())
    }
}

/// Shows every property; authentication data is not shown.
impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for property in self {
            match property {
                Property::AuthenticationData(_) => {
                    list.entry(&format_args!("AuthenticationData(<redacted>)"))
                }
                property => list.entry(&property),
            };
        }
        list.finish()
    }
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertyIter<'a>;

    fn into_iter(self) -> PropertyIter<'a> {
        self.iter()
    }
}

/// The lazy iterator over a property set.
#[derive(Debug, Clone)]
pub struct PropertyIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        // The set was validated: an error cannot occur, and would end it.
        read(&mut self.reader).ok()
    }
}

/// A property set that is being made.
///
/// ```
/// use sterna_core::packet::{PropertiesBuf, Property};
///
/// let mut properties = PropertiesBuf::new();
/// properties.push(Property::MessageExpiryInterval(30))?;
/// properties.push(Property::UserProperty { name: "trace", value: "1" })?;
/// assert_eq!(properties.as_properties().message_expiry_interval(), Some(30));
/// # Ok::<(), sterna_core::packet::EncodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PropertiesBuf {
    bytes: Vec<u8>,
}

impl PropertiesBuf {
    /// An empty set.
    #[inline]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a property behind the others. Whether the packet may have it is checked when the packet is encoded.
    ///
    /// # Errors
    /// The value is out of its range, a string is too long or contains U+0000, or the property is there already and may
    /// not repeat.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), EncodeError> {
        let id = property.id();
        let (value_type, _, text) = id.row();
        let repeats = id.may_repeat(PropertyOwner::PublishFromServer);
        if !repeats && self.as_properties().get(id).is_some() {
            return Err(EncodeError::DuplicateProperty(id));
        }
        check(id, text, &property.value())?;
        self.bytes.push(id as u8);
        match property.value() {
            Value::Number(value) => match value_type {
                Type::Flag => self.bytes.push(value as u8),
                Type::Two => write_u16(value as u16, &mut self.bytes),
                Type::Four => self.bytes.extend_from_slice(&value.to_be_bytes()),
                _ => write_integer(value, &mut self.bytes),
            },
            Value::String(text) => write_binary(text.as_bytes(), &mut self.bytes),
            Value::Binary(data) => write_binary(data, &mut self.bytes),
            Value::Pair(name, value) => {
                write_binary(name.as_bytes(), &mut self.bytes);
                write_binary(value.as_bytes(), &mut self.bytes);
            }
        }
        Ok(())
    }

    /// Becomes `original` with a topic alias, and with this message expiry interval in place of its own. Its
    /// allocation is used again.
    pub(crate) fn rewrite(&mut self, original: Properties<'_>, alias: Option<u16>, expiry: Option<u32>) {
        self.bytes.clear();
        // What was valid before is valid again.
        if let Some(alias) = alias {
            let _ = self.push(Property::TopicAlias(alias));
        }
        let Some(expiry) = expiry else {
            self.bytes.extend_from_slice(original.bytes);
            return;
        };
        for property in original {
            let _ = self.push(match property {
                Property::MessageExpiryInterval(_) => Property::MessageExpiryInterval(expiry),
                property => property,
            });
        }
    }

    /// The set.
    #[inline]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

fn check(id: PropertyId, text: &'static str, value: &Value<'_>) -> Result<(), EncodeError> {
    match *value {
        Value::Number(value) => {
            let too_large =
                id == PropertyId::SubscriptionIdentifier && value > super::MAXIMUM_REMAINING_LENGTH;
            if too_large || !id.takes(value) {
                return Err(EncodeError::PropertyValue { property: id, value });
            }
            Ok(())
        }
        Value::String(topic) if id == PropertyId::ResponseTopic => match topic::validate_name(topic) {
            Err(TopicError::Null) => Err(EncodeError::Null(text)),
            checked => checked.map_err(EncodeError::Topic),
        },
        Value::String(string) => check_string(text, string),
        Value::Binary(data) => check_length(text, data),
        Value::Pair(name, value) => {
            check_string(text, name)?;
            check_string(text, value)
        }
    }
}

impl fmt::Debug for PropertiesBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_properties().fmt(f)
    }
}

impl From<Properties<'_>> for PropertiesBuf {
    fn from(properties: Properties<'_>) -> Self {
        Self { bytes: properties.bytes.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::QoS;
    use alloc::format;

    /// How many properties each packet may have, counted in the specification's Table 2-4.
    #[test]
    fn each_packet_has_its_properties() {
        use PropertyOwner::{
            Auth, ConnAck, Connect, DisconnectFromClient, DisconnectFromServer, PubAck, PubComp, PubRec,
            PubRel, PublishFromClient, PublishFromServer, SubAck, Subscribe, UnsubAck, Unsubscribe, Will,
        };
        let counts = [
            (Connect, 9),
            (Will, 7),
            (ConnAck, 17),
            (PublishFromClient, 7),
            (PublishFromServer, 8),
            (PubAck, 2),
            (PubRec, 2),
            (PubRel, 2),
            (PubComp, 2),
            (Subscribe, 2),
            (SubAck, 2),
            (Unsubscribe, 1),
            (UnsubAck, 2),
            (DisconnectFromClient, 3),
            (DisconnectFromServer, 3),
            (Auth, 4),
        ];
        for (owner, expected) in counts {
            let count = PropertyId::ALL.iter().filter(|id| id.is_allowed_in(owner)).count();
            assert_eq!(count, expected, "{owner:?}");
        }
        assert_eq!(PropertyId::ALL.len(), 27);
    }

    #[test]
    fn values_out_of_range_and_duplicates_are_refused() {
        let mut properties = PropertiesBuf::new();
        for property in [
            Property::ReceiveMaximum(0),
            Property::TopicAlias(0),
            Property::MaximumPacketSize(0),
            Property::SubscriptionIdentifier(0),
            Property::SubscriptionIdentifier(268_435_456),
            Property::MaximumQoS(QoS::ExactlyOnce),
        ] {
            assert!(
                matches!(properties.push(property), Err(EncodeError::PropertyValue { .. })),
                "{property:?}"
            );
        }
        assert_eq!(
            properties.push(Property::ResponseTopic("a/#")),
            Err(EncodeError::Topic(TopicError::WildcardInName))
        );
        assert_eq!(properties.push(Property::ContentType("\0")), Err(EncodeError::Null("content type")));
        let long = alloc::vec![0; 65_536];
        assert!(matches!(
            properties.push(Property::CorrelationData(&long)),
            Err(EncodeError::TooLong { .. })
        ));
        assert!(properties.is_empty(), "a refused property leaves nothing behind");
        properties.push(Property::TopicAlias(1)).unwrap();
        let duplicate = EncodeError::DuplicateProperty(PropertyId::TopicAlias);
        assert_eq!(properties.push(Property::TopicAlias(2)), Err(duplicate));
        properties.push(Property::UserProperty { name: "a", value: "b" }).unwrap();
        properties.push(Property::UserProperty { name: "a", value: "c" }).unwrap();
        let all: Vec<_> = properties.as_properties().user_properties().collect();
        assert_eq!(all, [("a", "b"), ("a", "c")]);
    }

    // R: CON-07
    #[test]
    fn authentication_data_is_not_shown() {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::AuthenticationMethod("SCRAM")).unwrap();
        properties.push(Property::AuthenticationData(b"secret")).unwrap();
        let shown = format!("{properties:?}");
        assert!(shown.contains("SCRAM") && shown.contains("redacted") && !shown.contains("115"), "{shown}");
    }
}
