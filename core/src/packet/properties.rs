//! The properties of MQTT 5.0: validated once, then iterated lazily.

use alloc::vec::Vec;
use core::fmt;

use super::error::{RESPONSE_TOPIC, USER_PROPERTY};
use super::wire::{
    Reader, check_length, check_string, integer_length, write_binary, write_integer, write_u16,
};
use super::{DecodeError, EncodeError, QoS};
use crate::topic::{self, TopicError};

/// Where a property set stands: the columns of the table property × packet. PUBLISH and DISCONNECT differ by sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // The names say it.
pub enum PropertyOwner {
    Connect,
    Will,
    ConnAck,
    PublishFromClient,
    PublishFromServer,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    DisconnectFromClient,
    DisconnectFromServer,
    Auth,
}

/// The columns as bits.
mod column {
    use super::PropertyOwner;

    pub(super) const CONNECT: u16 = 1 << PropertyOwner::Connect as u16;
    pub(super) const WILL: u16 = 1 << PropertyOwner::Will as u16;
    pub(super) const CONNACK: u16 = 1 << PropertyOwner::ConnAck as u16;
    pub(super) const PUBLISH_SERVER: u16 = 1 << PropertyOwner::PublishFromServer as u16;
    pub(super) const PUBLISH: u16 = 1 << PropertyOwner::PublishFromClient as u16 | PUBLISH_SERVER;
    pub(super) const ACKS: u16 = 1 << PropertyOwner::PubAck as u16
        | 1 << PropertyOwner::PubRec as u16
        | 1 << PropertyOwner::PubRel as u16
        | 1 << PropertyOwner::PubComp as u16
        | 1 << PropertyOwner::SubAck as u16
        | 1 << PropertyOwner::UnsubAck as u16;
    pub(super) const SUBSCRIBE: u16 = 1 << PropertyOwner::Subscribe as u16;
    pub(super) const DISCONNECT_CLIENT: u16 = 1 << PropertyOwner::DisconnectFromClient as u16;
    pub(super) const DISCONNECT_SERVER: u16 = 1 << PropertyOwner::DisconnectFromServer as u16;
    pub(super) const DISCONNECT: u16 = DISCONNECT_CLIENT | DISCONNECT_SERVER;
    pub(super) const AUTH: u16 = 1 << PropertyOwner::Auth as u16;
    pub(super) const ALL: u16 = 0xFFFF;
}

/// The data type of a property's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Flag,
    Two,
    Four,
    Integer,
    String,
    Pair,
    Binary,
}

/// Makes the identifiers, the values and the table from one list: identifier, name, value, type, reader of the value,
/// and the packets it belongs into (5.0, Table 2-4).
macro_rules! properties {
    ($($id:literal $name:ident $getter:ident $value:ty, $type:ident $columns:expr, $text:literal;)*) => {
        /// The identifiers of the properties.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // The names are the specification's.
        pub enum PropertyId {
            $($name = $id,)*
            UserProperty = 0x26,
        }

        /// One property with its value.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)] // The names are the specification's.
        pub enum Property<'a> {
            $($name($value),)*
            UserProperty { name: &'a str, value: &'a str },
        }

        impl Property<'_> {
            /// Its identifier.
            pub fn id(&self) -> PropertyId {
                match self {
                    $(Self::$name(_) => PropertyId::$name,)*
                    Self::UserProperty { .. } => PropertyId::UserProperty,
                }
            }
        }

        impl<'a> Properties<'a> {
            $(
                #[doc = concat!("The ", $text, ", if there is one.")]
                pub fn $getter(&self) -> Option<$value> {
                    match self.get(PropertyId::$name) {
                        Some(Property::$name(value)) => Some(value),
                        _ => None,
                    }
                }
            )*
        }

        impl PropertyId {
            /// Every property identifier.
            pub const ALL: &'static [Self] = &[$(Self::$name,)* Self::UserProperty];

            /// The property with this identifier on the wire.
            fn from_value(value: u32) -> Option<Self> {
                match value {
                    $($id => Some(Self::$name),)*
                    0x26 => Some(Self::UserProperty),
                    _ => None,
                }
            }

            /// The table property × packet: the type, the packets, and what it is called in messages.
            const fn row(self) -> (Type, u16, &'static str) {
                match self {
                    $(Self::$name => (Type::$type, { use column::*; $columns }, $text),)*
                    Self::UserProperty => (Type::Pair, column::ALL, USER_PROPERTY),
                }
            }
        }
    };
}

properties! {
    0x01 PayloadFormatIndicator payload_format_indicator bool, Flag PUBLISH | WILL, "payload format indicator";
    0x02 MessageExpiryInterval message_expiry_interval u32, Four PUBLISH | WILL, "message expiry interval";
    0x03 ContentType content_type &'a str, String PUBLISH | WILL, "content type";
    0x08 ResponseTopic response_topic &'a str, String PUBLISH | WILL, "response topic";
    0x09 CorrelationData correlation_data &'a [u8], Binary PUBLISH | WILL, "correlation data";
    0x0B SubscriptionIdentifier subscription_identifier u32, Integer PUBLISH_SERVER | SUBSCRIBE, "subscription identifier";
    0x11 SessionExpiryInterval session_expiry_interval u32, Four CONNECT | CONNACK | DISCONNECT_CLIENT, "session expiry interval";
    0x12 AssignedClientIdentifier assigned_client_identifier &'a str, String CONNACK, "assigned client identifier";
    0x13 ServerKeepAlive server_keep_alive u16, Two CONNACK, "server keep alive";
    0x15 AuthenticationMethod authentication_method &'a str, String CONNECT | CONNACK | AUTH, "authentication method";
    0x16 AuthenticationData authentication_data &'a [u8], Binary CONNECT | CONNACK | AUTH, "authentication data";
    0x17 RequestProblemInformation request_problem_information bool, Flag CONNECT, "request problem information";
    0x18 WillDelayInterval will_delay_interval u32, Four WILL, "will delay interval";
    0x19 RequestResponseInformation request_response_information bool, Flag CONNECT, "request response information";
    0x1A ResponseInformation response_information &'a str, String CONNACK, "response information";
    0x1C ServerReference server_reference &'a str, String CONNACK | DISCONNECT_SERVER, "server reference";
    0x1F ReasonString reason_string &'a str, String CONNACK | ACKS | DISCONNECT | AUTH, "reason string";
    0x21 ReceiveMaximum receive_maximum u16, Two CONNECT | CONNACK, "receive maximum";
    0x22 TopicAliasMaximum topic_alias_maximum u16, Two CONNECT | CONNACK, "topic alias maximum";
    0x23 TopicAlias topic_alias u16, Two PUBLISH, "topic alias";
    0x24 MaximumQoS maximum_qos QoS, Flag CONNACK, "maximum QoS";
    0x25 RetainAvailable retain_available bool, Flag CONNACK, "retain available";
    0x27 MaximumPacketSize maximum_packet_size u32, Four CONNECT | CONNACK, "maximum packet size";
    0x28 WildcardSubscriptionAvailable wildcard_subscription_available bool, Flag CONNACK, "wildcard subscription available";
    0x29 SubscriptionIdentifierAvailable subscription_identifier_available bool, Flag CONNACK, "subscription identifier available";
    0x2A SharedSubscriptionAvailable shared_subscription_available bool, Flag CONNACK, "shared subscription available";
}

impl PropertyId {
    /// Whether it belongs into this property set.
    pub const fn is_allowed_in(self, owner: PropertyOwner) -> bool {
        self.row().1 >> owner as u16 & 1 == 1
    }

    /// Whether it may appear more than once: User Property, and Subscription Identifier in a PUBLISH.
    const fn may_repeat(self, owner: PropertyOwner) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => matches!(owner, PropertyOwner::PublishFromServer),
            _ => false,
        }
    }

    /// Whether a number is in the range of this property's value.
    const fn takes(self, value: u32) -> bool {
        match self {
            Self::ReceiveMaximum
            | Self::MaximumPacketSize
            | Self::TopicAlias
            | Self::SubscriptionIdentifier => value != 0,
            _ => !matches!(self.row().0, Type::Flag) || value <= 1,
        }
    }

    /// The bit that stands for it in a set.
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Reads one property: its identifier, its value in range, its strings well-formed.
fn read<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
    let id = reader.integer("property identifier")?;
    let id = PropertyId::from_value(id).ok_or(DecodeError::UnknownProperty(id))?;
    let (value_type, _, text) = id.row();
    let cut = |error| match error {
        DecodeError::Truncated(_) => DecodeError::PropertyTruncated(id),
        error => error,
    };
    let property = match value_type {
        Type::Pair => {
            let name = reader.string(text).map_err(cut)?;
            Property::UserProperty { name, value: reader.string(text).map_err(cut)? }
        }
        Type::String => string_property(id, reader.string(text).map_err(cut)?),
        Type::Binary => {
            let data = reader.binary(text).map_err(cut)?;
            if id == PropertyId::CorrelationData {
                Property::CorrelationData(data)
            } else {
                Property::AuthenticationData(data)
            }
        }
        number => {
            let value = match number {
                Type::Flag => u32::from(reader.u8(text).map_err(cut)?),
                Type::Two => u32::from(reader.u16(text).map_err(cut)?),
                Type::Four => reader.u32(text).map_err(cut)?,
                _ => reader.integer(text).map_err(cut)?,
            };
            if !id.takes(value) {
                return Err(DecodeError::PropertyValue { property: id, value });
            }
            number_property(id, value)
        }
    };
    if let Property::ResponseTopic(topic) = property {
        let checked = topic::validate_name(topic);
        checked.map_err(|error| DecodeError::Topic { field: RESPONSE_TOPIC, error })?;
    }
    Ok(property)
}

fn string_property(id: PropertyId, text: &str) -> Property<'_> {
    match id {
        PropertyId::ContentType => Property::ContentType(text),
        PropertyId::ResponseTopic => Property::ResponseTopic(text),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text),
        PropertyId::ResponseInformation => Property::ResponseInformation(text),
        PropertyId::ServerReference => Property::ServerReference(text),
        _ => Property::ReasonString(text),
    }
}

fn number_property(id: PropertyId, value: u32) -> Property<'static> {
    let (flag, two) = (value != 0, value as u16);
    match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(value),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(value),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(value),
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(two),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(value),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(two),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(two),
        PropertyId::TopicAlias => Property::TopicAlias(two),
        PropertyId::MaximumQoS => Property::MaximumQoS(if flag { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag),
        PropertyId::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
        PropertyId::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(flag),
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
        _ => Property::MaximumPacketSize(value),
    }
}

/// A property's value by its type, for writing.
enum Value<'a> {
    Number(u32),
    String(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Property<'a> {
    fn value(&self) -> Value<'a> {
        match *self {
            Self::PayloadFormatIndicator(flag)
            | Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => Value::Number(u32::from(flag)),
            Self::MaximumQoS(qos) => Value::Number(qos as u32),
            Self::ServerKeepAlive(two)
            | Self::ReceiveMaximum(two)
            | Self::TopicAliasMaximum(two)
            | Self::TopicAlias(two) => Value::Number(u32::from(two)),
            Self::MessageExpiryInterval(number)
            | Self::SubscriptionIdentifier(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number)
            | Self::MaximumPacketSize(number) => Value::Number(number),
            Self::ContentType(text)
            | Self::ResponseTopic(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => Value::String(text),
            Self::CorrelationData(data) | Self::AuthenticationData(data) => Value::Binary(data),
            Self::UserProperty { name, value } => Value::Pair(name, value),
        }
    }
}

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
        let mut reader = Reader::new(bytes);
        let mut seen = 0;
        while !reader.is_empty() {
            let property = read(&mut reader)?.id();
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
        Ok(Self { bytes })
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
        self.iter().find(|property| property.id() == id)
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
        let length = reader.integer("property length")?;
        if length == 0 {
            return Ok(Self::EMPTY);
        }
        Self::parse(reader.bytes(length as usize, "properties")?, owner)
    }

    /// What the set takes with its length.
    pub(super) fn encoded_length(&self) -> usize {
        integer_length(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)) + self.bytes.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        write_integer(self.bytes.len() as u32, out);
        out.extend_from_slice(self.bytes);
    }

    /// Checks that the set may be sent in a packet: by `owner`, or by `other` where the sender is not known.
    pub(super) fn check(&self, owner: PropertyOwner, other: PropertyOwner) -> Result<(), EncodeError> {
        let mut seen = 0;
        for property in self.iter().map(|property| property.id()) {
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

    /// The set.
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
