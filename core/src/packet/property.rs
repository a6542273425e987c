//! The single properties of MQTT 5.0: identifiers, values, and the table property × packet.

use super::error::{RESPONSE_TOPIC, USER_PROPERTY};
use super::wire::Reader;
use super::{DecodeError, Properties, QoS};
use crate::{text, topic};

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
pub(super) enum Type {
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
            pub(super) const fn row(self) -> (Type, u16, &'static str) {
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
    pub(super) const fn may_repeat(self, owner: PropertyOwner) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => matches!(owner, PropertyOwner::PublishFromServer),
            _ => false,
        }
    }

    /// Whether a number is in the range of this property's value.
    pub(super) const fn takes(self, value: u32) -> bool {
        match self {
            Self::ReceiveMaximum
            | Self::MaximumPacketSize
            | Self::TopicAlias
            | Self::SubscriptionIdentifier => value != 0,
            _ => !matches!(self.row().0, Type::Flag) || value <= 1,
        }
    }

    /// The bit that stands for it in a set.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// A property's value as it stands in the packet.
enum Raw<'a> {
    Number(u32),
    Text(&'a [u8]),
    Pair(&'a [u8], &'a [u8]),
    Binary,
}

/// Reads one property without a look at what is in it; `None` at the end, or if it is cut off or unknown.
#[allow(clippy::inline_always)] // Its two callers use different parts of it.
#[inline(always)]
fn read_raw<'a>(reader: &mut Reader<'a>) -> Option<(PropertyId, Raw<'a>)> {
    // No identifier takes more than one byte.
    let id = PropertyId::from_value(reader.u8("").ok()?.into())?;
    let value = match id.row().0 {
        Type::Flag => Raw::Number(reader.u8("").ok()?.into()),
        Type::Two => Raw::Number(reader.u16("").ok()?.into()),
        Type::Four => Raw::Number(reader.u32("").ok()?),
        Type::Integer => Raw::Number(reader.integer("").ok()?),
        Type::String => Raw::Text(reader.binary("").ok()?),
        Type::Pair => Raw::Pair(reader.binary("").ok()?, reader.binary("").ok()?),
        Type::Binary => {
            reader.binary("").ok()?;
            Raw::Binary
        }
    };
    Some((id, value))
}

/// Passes over one property of a set that was validated; `None` at its end.
#[inline]
pub(super) fn skip(reader: &mut Reader<'_>) -> Option<PropertyId> {
    read_raw(reader).map(|(id, _)| id)
}

/// Passes over one property if a quick look shows that [`read`] would take it. `None`: that is not clear, and nothing
/// was read.
#[inline]
pub(super) fn pass(reader: &mut Reader<'_>) -> Option<PropertyId> {
    let mut rest = *reader;
    let (id, value) = read_raw(&mut rest)?;
    let is_clear = match value {
        Raw::Number(value) => id.takes(value),
        Raw::Text(topic) if id == PropertyId::ResponseTopic => {
            !topic.is_empty() && text::is_plain_name(topic)
        }
        Raw::Text(text) => text::is_plain(text),
        Raw::Pair(name, value) => text::is_plain(name) && text::is_plain(value),
        Raw::Binary => true,
    };
    is_clear.then(|| *reader = rest).map(|()| id)
}

/// Reads one property: its identifier, its value in range, its strings well-formed.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
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
pub(super) enum Value<'a> {
    Number(u32),
    String(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Property<'a> {
    pub(super) fn value(&self) -> Value<'a> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_passes_quickly_is_what_can_be_read(
            mut bytes in proptest::collection::vec(prop_oneof![0u8..8, any::<u8>(), Just(b'a'), Just(b'+')], 1..40),
            id in proptest::sample::select(PropertyId::ALL),
        ) {
            bytes[0] = id as u8;
            let (mut quick, mut slow, mut skipped) = (Reader::new(&bytes), Reader::new(&bytes), Reader::new(&bytes));
            let read = read(&mut slow);
            match pass(&mut quick) {
                Some(id) => {
                    prop_assert_eq!(read.map(|property| property.id()), Ok(id));
                    prop_assert_eq!(quick.rest(), slow.rest());
                }
                None => prop_assert_eq!(quick.rest().len(), bytes.len()),
            }
            if let Ok(property) = read {
                prop_assert_eq!(skip(&mut skipped), Some(property.id()));
                prop_assert_eq!(skipped.rest(), slow.rest());
            }
        }
    }
}
