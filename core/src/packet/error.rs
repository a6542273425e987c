//! Why bytes are no packet, and why a packet cannot be written.

use super::{PacketType, PropertyId, PropertyOwner, ProtocolVersion, ReasonCode, Sender};
use crate::topic::TopicError;

/// A malformed packet, or a protocol error that a single packet shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The version has no packet of this type.
    #[error("packet type {0} is reserved")]
    ReservedType(u8),
    /// The other side sends packets of this type.
    #[error("a {sender:?} must not send {packet:?}")]
    WrongSender {
        /// The packet.
        packet: PacketType,
        /// Who sent it.
        sender: Sender,
    },
    /// Reserved bits of the fixed header have another value.
    #[error("the fixed header of {packet:?} has flags {flags:#06b}")]
    Flags {
        /// The packet.
        packet: PacketType,
        /// The four bits.
        flags: u8,
    },
    /// A variable byte integer goes on after four bytes.
    #[error("a variable byte integer of more than four bytes")]
    IntegerTooLong,
    /// A variable byte integer takes more bytes than it needs.
    #[error("a variable byte integer takes more bytes than it needs")]
    IntegerNotMinimal,
    /// The packet is larger than the receiver takes.
    #[error("a packet of {size} bytes, the limit is {limit}")]
    TooLarge {
        /// The whole packet.
        size: u32,
        /// The receiver's Maximum Packet Size.
        limit: u32,
    },
    /// The packet ends within this field.
    #[error("the packet ends within its {0}")]
    Truncated(&'static str),
    /// Bytes follow the last field.
    #[error("{0} bytes follow the end of the packet")]
    TrailingBytes(usize),
    /// A string is not UTF-8.
    #[error("the {0} is not well-formed UTF-8")]
    Utf8(&'static str),
    /// A string contains U+0000.
    #[error("the {0} contains U+0000")]
    Null(&'static str),
    /// A topic name or filter is not valid.
    #[error("{field}: {error}")]
    Topic {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        error: TopicError,
    },
    /// Packet identifiers are not zero.
    #[error("packet identifier 0 in {packet:?}")]
    PacketIdZero {
        /// The packet.
        packet: PacketType,
        /// Who sent it.
        sender: Sender,
    },
    /// CONNECT: neither `MQTT` nor `MQIsdp`.
    #[error("unknown protocol name")]
    ProtocolName,
    /// CONNECT: no version has this level under its name.
    #[error("unknown protocol level {0}")]
    ProtocolLevel(u8),
    /// CONNECT: the reserved flag is set.
    #[error("the reserved flag of CONNECT is set")]
    ConnectReservedFlag,
    /// CONNECT: a Will QoS without a will.
    #[error("Will QoS without a will")]
    WillQoSWithoutWill,
    /// CONNECT: Will Retain without a will.
    #[error("Will Retain without a will")]
    WillRetainWithoutWill,
    /// CONNECT: Will QoS 3.
    #[error("Will QoS 3")]
    WillQoS,
    /// CONNECT of 3.x: a password without a user name.
    #[error("a password without a user name")]
    PasswordWithoutUserName,
    /// CONNACK: reserved bits are set.
    #[error("the acknowledge flags of CONNACK are {0:#04x}")]
    ConnAckFlags(u8),
    /// CONNACK: Session Present with a refusal.
    #[error("Session Present together with a refusal")]
    SessionPresentWithRefusal,
    /// CONNACK of 3.x: a reserved return code.
    #[error("return code {0} is reserved")]
    ReturnCode(u8),
    /// PUBLISH: QoS 3.
    #[error("QoS 3")]
    QoS,
    /// PUBLISH: DUP with QoS 0.
    #[error("DUP is set on a QoS 0 message")]
    DuplicateAtMostOnce,
    /// PUBLISH: neither a topic nor an alias for one.
    #[error("an empty topic without a Topic Alias")]
    TopicMissing,
    /// SUBSCRIBE: QoS 3 or Retain Handling 3.
    #[error("subscription options {0:#04x} ask for a QoS or Retain Handling of 3")]
    SubscribeOptions(u8),
    /// SUBSCRIBE: reserved bits are set.
    #[error("reserved bits in subscription options {0:#04x}")]
    SubscribeReserved(u8),
    /// SUBSCRIBE: No Local on a shared subscription.
    #[error("No Local on a shared subscription")]
    NoLocalOnShared,
    /// SUBSCRIBE or UNSUBSCRIBE without any topic filter.
    #[error("{0:?} without a topic filter")]
    NoFilters(PacketType),
    /// SUBACK or UNSUBACK without any reason code.
    #[error("{0:?} without a reason code")]
    NoReasonCodes(PacketType),
    /// A reason code that this packet, or its sender, must not use.
    #[error("{packet:?} with reason code {code:#04x}")]
    ReasonCode {
        /// The packet.
        packet: PacketType,
        /// The code.
        code: u8,
    },
    /// No property has this identifier.
    #[error("unknown property {0:#04x}")]
    UnknownProperty(u32),
    /// The property set ends within this property.
    #[error("the property set ends within {0:?}")]
    PropertyTruncated(PropertyId),
    /// A property that does not belong here.
    #[error("{property:?} does not belong into {owner:?}")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
        /// The property set.
        owner: PropertyOwner,
    },
    /// A property twice.
    #[error("{0:?} appears twice")]
    DuplicateProperty(PropertyId),
    /// A property with a value out of its range.
    #[error("{property:?} must not be {value}")]
    PropertyValue {
        /// The property.
        property: PropertyId,
        /// Its value.
        value: u32,
    },
    /// Authentication Data without an Authentication Method.
    #[error("Authentication Data without an Authentication Method")]
    AuthenticationDataAlone,
}

impl DecodeError {
    /// The statement of the specification that is broken, such as `MQTT-3.3.1-4` (numbered as in 5.0 or 3.1.1); or
    /// the section, such as `5.0 §2.1.4`, where no numbered statement says it.
    pub fn statement(&self, version: ProtocolVersion) -> &'static str {
        if version == ProtocolVersion::V5 { self.statement_of_5() } else { self.statement_of_3() }
    }

    /// What a DISCONNECT or CONNACK says about it: Malformed Packet, Protocol Error, or a code of its own.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::TooLarge { .. } => ReasonCode::PACKET_TOO_LARGE,
            Self::ProtocolName | Self::ProtocolLevel(_) => ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
            Self::PropertyValue { property: PropertyId::TopicAlias, .. } => ReasonCode::TOPIC_ALIAS_INVALID,
            Self::WrongSender { .. }
            | Self::Topic { .. }
            | Self::PacketIdZero { .. }
            | Self::SessionPresentWithRefusal
            | Self::TopicMissing
            | Self::SubscribeOptions(_)
            | Self::NoLocalOnShared
            | Self::NoFilters(_)
            | Self::NoReasonCodes(_)
            | Self::DuplicateProperty(_)
            | Self::PropertyValue { .. }
            | Self::AuthenticationDataAlone => ReasonCode::PROTOCOL_ERROR,
            Self::PropertyNotAllowed { property, owner } => match (property, owner) {
                (PropertyId::SubscriptionIdentifier, PropertyOwner::PublishFromClient)
                | (PropertyId::SessionExpiryInterval, PropertyOwner::DisconnectFromServer) => {
                    ReasonCode::PROTOCOL_ERROR
                }
                _ => ReasonCode::MALFORMED_PACKET,
            },
            _ => ReasonCode::MALFORMED_PACKET,
        }
    }

    fn statement_of_5(&self) -> &'static str {
        match self {
            Self::ReservedType(_) | Self::WrongSender { .. } => "5.0 §2.1.2",
            Self::Flags { packet, .. } => flags_statement(*packet).unwrap_or("MQTT-2.1.3-1"),
            Self::IntegerTooLong => "5.0 §1.5.5",
            Self::IntegerNotMinimal => "MQTT-1.5.5-1",
            Self::TooLarge { .. } => "MQTT-3.1.2-24",
            Self::Truncated(_) | Self::TrailingBytes(_) => "5.0 §2.1.4",
            Self::Utf8(field) | Self::Null(field) if *field == USER_PROPERTY => "MQTT-1.5.7-1",
            Self::Utf8(_) => "MQTT-1.5.4-1",
            Self::Null(_) => "MQTT-1.5.4-2",
            Self::Topic { field, error } => topic_statement(field, *error, ProtocolVersion::V5),
            Self::PacketIdZero { packet, sender } => match packet {
                PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
                    "MQTT-2.2.1-5"
                }
                PacketType::SubAck | PacketType::UnsubAck => "MQTT-2.2.1-6",
                _ if *sender == Sender::Server => "MQTT-2.2.1-4",
                _ => "MQTT-2.2.1-3",
            },
            Self::WillQoSWithoutWill => "MQTT-3.1.2-11",
            Self::WillRetainWithoutWill => "MQTT-3.1.2-13",
            Self::WillQoS => "MQTT-3.1.2-12",
            Self::ConnAckFlags(_) => "MQTT-3.2.2-1",
            Self::SessionPresentWithRefusal => "MQTT-3.2.2-6",
            Self::SubscribeOptions(_) => "5.0 §3.8.3.1",
            Self::SubscribeReserved(_) => "MQTT-3.8.3-5",
            Self::NoFilters(PacketType::Unsubscribe) => "MQTT-3.10.3-2",
            Self::NoFilters(_) => "MQTT-3.8.3-2",
            Self::NoReasonCodes(PacketType::UnsubAck) => "5.0 §3.11.3",
            Self::NoReasonCodes(_) => "MQTT-3.8.4-6",
            Self::ReasonCode { packet, .. } => reason_statement(*packet),
            Self::PropertyNotAllowed { property, owner } => match (property, owner) {
                (PropertyId::SubscriptionIdentifier, PropertyOwner::PublishFromClient) => "MQTT-3.3.4-6",
                (PropertyId::SessionExpiryInterval, PropertyOwner::DisconnectFromServer) => "MQTT-3.14.2-2",
                _ => "5.0 §2.2.2.2",
            },
            Self::PropertyValue { property: PropertyId::TopicAlias, .. } => "MQTT-3.3.2-8",
            Self::PropertyValue { property: PropertyId::SubscriptionIdentifier, .. } => "5.0 §3.8.2.1.2",
            _ => self.statement_of_both(),
        }
    }

    fn statement_of_3(&self) -> &'static str {
        match self {
            Self::ReservedType(_) | Self::WrongSender { .. } => "3.1.1 §2.2.1",
            Self::Flags { packet: PacketType::Auth, .. } => "MQTT-2.2.2-1",
            Self::Flags { packet, .. } => flags_statement(*packet).unwrap_or("MQTT-2.2.2-1"),
            Self::IntegerTooLong
            | Self::IntegerNotMinimal
            | Self::TooLarge { .. }
            | Self::Truncated(_)
            | Self::TrailingBytes(_) => "3.1.1 §2.2.3",
            Self::Utf8(_) => "MQTT-1.5.3-1",
            Self::Null(_) => "MQTT-1.5.3-2",
            Self::Topic { field, error } => topic_statement(field, *error, ProtocolVersion::V3_1_1),
            Self::PacketIdZero { packet: PacketType::SubAck | PacketType::UnsubAck, .. } => "MQTT-2.3.1-7",
            Self::PacketIdZero { .. } => "MQTT-2.3.1-1",
            Self::WillQoSWithoutWill => "MQTT-3.1.2-13",
            Self::WillRetainWithoutWill => "MQTT-3.1.2-15",
            Self::WillQoS => "MQTT-3.1.2-14",
            Self::ConnAckFlags(_) => "3.1.1 §3.2.2.1",
            Self::SessionPresentWithRefusal => "MQTT-3.2.2-4",
            Self::SubscribeOptions(_) | Self::SubscribeReserved(_) => "MQTT-3.8.3-4",
            Self::NoFilters(PacketType::Unsubscribe) => "MQTT-3.10.3-2",
            Self::NoFilters(_) => "MQTT-3.8.3-3",
            Self::NoReasonCodes(_) => "MQTT-3.8.4-5",
            Self::ReasonCode { .. } => "MQTT-3.9.3-2",
            _ => self.statement_of_both(),
        }
    }

    /// Statements that have one number in both versions, or exist in one of them only.
    fn statement_of_both(&self) -> &'static str {
        match self {
            Self::ProtocolName => "MQTT-3.1.2-1",
            Self::ProtocolLevel(_) => "MQTT-3.1.2-2",
            Self::ConnectReservedFlag => "MQTT-3.1.2-3",
            Self::PasswordWithoutUserName => "MQTT-3.1.2-22",
            Self::ReturnCode(_) => "3.1.1 §3.2.2.3",
            Self::QoS => "MQTT-3.3.1-4",
            Self::DuplicateAtMostOnce => "MQTT-3.3.1-2",
            Self::TopicMissing => "5.0 §3.3.2.1",
            Self::NoLocalOnShared => "MQTT-3.8.3-4",
            Self::AuthenticationDataAlone => "5.0 §3.1.2.11.10",
            _ => "5.0 §2.2.2.2",
        }
    }
}

/// The name of the field that both halves of a user property are reported under.
pub(super) const USER_PROPERTY: &str = "user property";
/// The names of the topic fields.
pub(super) const TOPIC_NAME: &str = "topic name";
pub(super) const WILL_TOPIC: &str = "will topic";
pub(super) const RESPONSE_TOPIC: &str = "response topic";
pub(super) const TOPIC_FILTER: &str = "topic filter";

fn flags_statement(packet: PacketType) -> Option<&'static str> {
    Some(match packet {
        PacketType::PubRel => "MQTT-3.6.1-1",
        PacketType::Subscribe => "MQTT-3.8.1-1",
        PacketType::Unsubscribe => "MQTT-3.10.1-1",
        PacketType::Disconnect => "MQTT-3.14.1-1",
        PacketType::Auth => "MQTT-3.15.1-1",
        _ => return None,
    })
}

fn reason_statement(packet: PacketType) -> &'static str {
    match packet {
        PacketType::ConnAck => "MQTT-3.2.2-8",
        PacketType::PubAck => "MQTT-3.4.2-1",
        PacketType::PubRec => "MQTT-3.5.2-1",
        PacketType::PubRel => "MQTT-3.6.2-1",
        PacketType::PubComp => "MQTT-3.7.2-1",
        PacketType::SubAck => "MQTT-3.9.3-2",
        PacketType::UnsubAck => "MQTT-3.11.3-2",
        PacketType::Auth => "MQTT-3.15.2-1",
        _ => "MQTT-3.14.2-1",
    }
}

fn topic_statement(field: &str, error: TopicError, version: ProtocolVersion) -> &'static str {
    let v5 = version == ProtocolVersion::V5;
    match error {
        TopicError::Empty => "MQTT-4.7.3-1",
        TopicError::Null => "MQTT-4.7.3-2",
        TopicError::TooLong => "MQTT-4.7.3-3",
        TopicError::WildcardInName if field == TOPIC_NAME => "MQTT-3.3.2-2",
        TopicError::WildcardInName if field == RESPONSE_TOPIC => "MQTT-3.3.2-14",
        TopicError::WildcardInName => {
            if v5 {
                "MQTT-4.7.0-1"
            } else {
                "MQTT-4.7.1-1"
            }
        }
        TopicError::MultiLevelWildcard => {
            if v5 {
                "MQTT-4.7.1-1"
            } else {
                "MQTT-4.7.1-2"
            }
        }
        TopicError::SingleLevelWildcard => {
            if v5 {
                "MQTT-4.7.1-2"
            } else {
                "MQTT-4.7.1-3"
            }
        }
        TopicError::ShareNameEmpty => "MQTT-4.8.2-1",
        TopicError::Share => "MQTT-4.8.2-2",
    }
}

/// Why a packet cannot be encoded; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The whole packet would be larger than the peer takes [MQTT-3.1.2-24], [MQTT-3.2.2-15].
    #[error("a packet of {size} bytes exceeds the limit of {limit}")]
    PacketTooLarge {
        /// What it would take.
        size: u64,
        /// What the peer takes.
        limit: u32,
    },
    /// Strings and binary data take at most 65,535 bytes.
    #[error("the {field} has {length} bytes, 65,535 is the most")]
    TooLong {
        /// Which one.
        field: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A string contains U+0000 [MQTT-1.5.4-2].
    #[error("the {0} contains U+0000")]
    Null(&'static str),
    /// A topic name or filter is not valid.
    #[error(transparent)]
    Topic(TopicError),
    /// A packet identifier is missing, or there is one on QoS 0.
    #[error("packet identifier {packet_id} in {packet:?}")]
    PacketId {
        /// The packet.
        packet: PacketType,
        /// The identifier.
        packet_id: u16,
    },
    /// DUP is never set on QoS 0 [MQTT-3.3.1-2].
    #[error("DUP on a QoS 0 message")]
    DuplicateAtMostOnce,
    /// 5.0 allows an empty topic only with a Topic Alias.
    #[error("an empty topic without a Topic Alias")]
    TopicMissing,
    /// Only 5.0 has this.
    #[error("{0} needs MQTT 5.0")]
    UnsupportedByVersion(&'static str),
    /// The bridge flag exists in 3.x only.
    #[error("the bridge flag does not exist in MQTT 5.0")]
    BridgeOnV5,
    /// [MQTT-3.1.2-22] of 3.1.1.
    #[error("a password without a user name needs MQTT 5.0")]
    PasswordWithoutUserName,
    /// [MQTT-3.1.3-7] of 3.1.1.
    #[error("an empty client identifier needs a clean session")]
    EmptyClientId,
    /// MQTT 3.1 takes 1 to 23 bytes.
    #[error("MQTT 3.1 takes client identifiers of 1 to 23 bytes, not {0}")]
    ClientIdLength(usize),
    /// [MQTT-3.8.3-4].
    #[error("No Local on a shared subscription")]
    NoLocalOnShared,
    /// [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    #[error("{0:?} without a topic filter")]
    NoFilters(PacketType),
    /// SUBACK and UNSUBACK answer at least one filter.
    #[error("{0:?} without a reason code")]
    NoReasonCodes(PacketType),
    /// This packet does not have this reason code.
    #[error("{packet:?} with reason code {code:#04x}")]
    ReasonCode {
        /// The packet.
        packet: PacketType,
        /// The code.
        code: u8,
    },
    /// [MQTT-3.2.2-6].
    #[error("Session Present together with a refusal")]
    SessionPresentWithRefusal,
    /// This property does not belong into this packet.
    #[error("{property:?} does not belong into {owner:?}")]
    PropertyNotAllowed {
        /// The property.
        property: PropertyId,
        /// The property set.
        owner: PropertyOwner,
    },
    /// A property twice.
    #[error("{0:?} appears twice")]
    DuplicateProperty(PropertyId),
    /// A property with a value out of its range.
    #[error("{property:?} must not be {value}")]
    PropertyValue {
        /// The property.
        property: PropertyId,
        /// Its value.
        value: u32,
    },
    /// Authentication Data without an Authentication Method.
    #[error("Authentication Data without an Authentication Method")]
    AuthenticationDataAlone,
}
