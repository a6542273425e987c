//! Reason codes, and which packet may carry which.

use core::fmt;

use super::{DecodeError, PacketType, ProtocolVersion, Sender};

/// A reason code of MQTT 5.0. The return codes of 3.x are translated into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(u8);

/// The columns of the table reason code × packet, as bits.
mod column {
    pub(super) const CONNACK: u16 = 1 << 0;
    pub(super) const PUBACK: u16 = 1 << 1;
    pub(super) const PUBREC: u16 = 1 << 2;
    pub(super) const PUBREL: u16 = 1 << 3;
    pub(super) const PUBCOMP: u16 = 1 << 4;
    pub(super) const SUBACK: u16 = 1 << 5;
    pub(super) const UNSUBACK: u16 = 1 << 6;
    pub(super) const DISCONNECT_CLIENT: u16 = 1 << 7;
    pub(super) const DISCONNECT_SERVER: u16 = 1 << 8;
    pub(super) const AUTH_CLIENT: u16 = 1 << 9;
    pub(super) const AUTH_SERVER: u16 = 1 << 10;

    pub(super) const ACKS: u16 = PUBACK | PUBREC;
    pub(super) const DISCONNECT: u16 = DISCONNECT_CLIENT | DISCONNECT_SERVER;
    pub(super) const AUTH: u16 = AUTH_CLIENT | AUTH_SERVER;
}

/// Makes the constants and the table from one list.
macro_rules! reason_codes {
    ($($value:literal $name:ident $text:literal $columns:expr;)*) => {
        impl ReasonCode {
            $(#[doc = concat!($text, ".")] pub const $name: Self = Self($value);)*
        }

        /// Every code with its name and the packets that may carry it (5.0, Table 2-6 and the tables of the packets).
        const TABLE: &[(u8, &str, u16)] = &[$(($value, $text, { use column::*; $columns }),)*];
    };
}

reason_codes! {
    0x00 SUCCESS "Success" CONNACK | ACKS | PUBREL | PUBCOMP | SUBACK | UNSUBACK | DISCONNECT | AUTH_SERVER;
    0x01 GRANTED_QOS_1 "Granted QoS 1" SUBACK;
    0x02 GRANTED_QOS_2 "Granted QoS 2" SUBACK;
    0x04 DISCONNECT_WITH_WILL "Disconnect with will message" DISCONNECT_CLIENT;
    0x10 NO_MATCHING_SUBSCRIBERS "No matching subscribers" ACKS;
    0x11 NO_SUBSCRIPTION_EXISTED "No subscription existed" UNSUBACK;
    0x18 CONTINUE_AUTHENTICATION "Continue authentication" AUTH;
    0x19 REAUTHENTICATE "Re-authenticate" AUTH_CLIENT;
    0x80 UNSPECIFIED_ERROR "Unspecified error" CONNACK | ACKS | SUBACK | UNSUBACK | DISCONNECT;
    0x81 MALFORMED_PACKET "Malformed packet" CONNACK | DISCONNECT;
    0x82 PROTOCOL_ERROR "Protocol error" CONNACK | DISCONNECT;
    0x83 IMPLEMENTATION_SPECIFIC_ERROR "Implementation specific error" CONNACK | ACKS | SUBACK | UNSUBACK | DISCONNECT;
    0x84 UNSUPPORTED_PROTOCOL_VERSION "Unsupported protocol version" CONNACK;
    0x85 CLIENT_IDENTIFIER_NOT_VALID "Client identifier not valid" CONNACK;
    0x86 BAD_USER_NAME_OR_PASSWORD "Bad user name or password" CONNACK;
    0x87 NOT_AUTHORIZED "Not authorized" CONNACK | ACKS | SUBACK | UNSUBACK | DISCONNECT_SERVER;
    0x88 SERVER_UNAVAILABLE "Server unavailable" CONNACK;
    0x89 SERVER_BUSY "Server busy" CONNACK | DISCONNECT_SERVER;
    0x8A BANNED "Banned" CONNACK;
    0x8B SERVER_SHUTTING_DOWN "Server shutting down" DISCONNECT_SERVER;
    0x8C BAD_AUTHENTICATION_METHOD "Bad authentication method" CONNACK | DISCONNECT_SERVER;
    0x8D KEEP_ALIVE_TIMEOUT "Keep alive timeout" DISCONNECT_SERVER;
    0x8E SESSION_TAKEN_OVER "Session taken over" DISCONNECT_SERVER;
    0x8F TOPIC_FILTER_INVALID "Topic filter invalid" SUBACK | UNSUBACK | DISCONNECT_SERVER;
    0x90 TOPIC_NAME_INVALID "Topic name invalid" CONNACK | ACKS | DISCONNECT;
    0x91 PACKET_IDENTIFIER_IN_USE "Packet identifier in use" ACKS | SUBACK | UNSUBACK;
    0x92 PACKET_IDENTIFIER_NOT_FOUND "Packet identifier not found" PUBREL | PUBCOMP;
    0x93 RECEIVE_MAXIMUM_EXCEEDED "Receive maximum exceeded" DISCONNECT;
    0x94 TOPIC_ALIAS_INVALID "Topic alias invalid" DISCONNECT;
    0x95 PACKET_TOO_LARGE "Packet too large" CONNACK | DISCONNECT;
    0x96 MESSAGE_RATE_TOO_HIGH "Message rate too high" DISCONNECT;
    0x97 QUOTA_EXCEEDED "Quota exceeded" CONNACK | ACKS | SUBACK | DISCONNECT;
    0x98 ADMINISTRATIVE_ACTION "Administrative action" DISCONNECT;
    0x99 PAYLOAD_FORMAT_INVALID "Payload format invalid" CONNACK | ACKS | DISCONNECT;
    0x9A RETAIN_NOT_SUPPORTED "Retain not supported" CONNACK | DISCONNECT_SERVER;
    0x9B QOS_NOT_SUPPORTED "QoS not supported" CONNACK | DISCONNECT_SERVER;
    0x9C USE_ANOTHER_SERVER "Use another server" CONNACK | DISCONNECT_SERVER;
    0x9D SERVER_MOVED "Server moved" CONNACK | DISCONNECT_SERVER;
    0x9E SHARED_SUBSCRIPTIONS_NOT_SUPPORTED "Shared subscriptions not supported" SUBACK | DISCONNECT_SERVER;
    0x9F CONNECTION_RATE_EXCEEDED "Connection rate exceeded" CONNACK | DISCONNECT_SERVER;
    0xA0 MAXIMUM_CONNECT_TIME "Maximum connect time" DISCONNECT_SERVER;
    0xA1 SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED "Subscription identifiers not supported" SUBACK | DISCONNECT_SERVER;
    0xA2 WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED "Wildcard subscriptions not supported" SUBACK | DISCONNECT_SERVER;
}

impl ReasonCode {
    /// 0x00 in a DISCONNECT.
    pub const NORMAL_DISCONNECTION: Self = Self::SUCCESS;
    /// 0x00 in a SUBACK.
    pub const GRANTED_QOS_0: Self = Self::SUCCESS;

    /// The code with this number; `None` if the specification defines none.
    pub fn from_value(value: u8) -> Option<Self> {
        Self(value).row().map(|_| Self(value))
    }

    /// Its number on the wire.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether it tells of a failure: 0x80 and above.
    pub const fn is_error(self) -> bool {
        self.0 >= 0x80
    }

    /// Whether `sender` may use it in this packet.
    pub fn is_allowed_in(self, packet: PacketType, sender: Sender) -> bool {
        let column = match (packet, sender) {
            (PacketType::ConnAck, _) => column::CONNACK,
            (PacketType::PubAck, _) => column::PUBACK,
            (PacketType::PubRec, _) => column::PUBREC,
            (PacketType::PubRel, _) => column::PUBREL,
            (PacketType::PubComp, _) => column::PUBCOMP,
            (PacketType::SubAck, _) => column::SUBACK,
            (PacketType::UnsubAck, _) => column::UNSUBACK,
            (PacketType::Disconnect, Sender::Client) => column::DISCONNECT_CLIENT,
            (PacketType::Disconnect, Sender::Server) => column::DISCONNECT_SERVER,
            (PacketType::Auth, Sender::Client) => column::AUTH_CLIENT,
            (PacketType::Auth, Sender::Server) => column::AUTH_SERVER,
            _ => 0,
        };
        self.row().is_some_and(|(_, _, columns)| columns & column != 0)
    }

    /// The specification's name for it in this packet.
    pub fn name(self, packet: PacketType) -> &'static str {
        match (self, packet) {
            (Self::SUCCESS, PacketType::Disconnect) => "Normal disconnection",
            (Self::SUCCESS, PacketType::SubAck) => "Granted QoS 0",
            _ => self.row().map_or("Unknown", |(_, name, _)| name),
        }
    }

    /// The return code of a CONNACK of 3.x that it stands for: 0 to 5; `None` if there is none.
    pub fn connect_return_code(self) -> Option<u8> {
        RETURN_CODES.iter().position(|code| *code == self).map(|position| position as u8)
    }

    /// What a return code of a CONNACK of 3.x stands for.
    pub(super) fn from_return_code(code: u8) -> Result<Self, DecodeError> {
        RETURN_CODES.get(usize::from(code)).copied().ok_or(DecodeError::ReturnCode(code))
    }

    /// The code that a packet of 5.0 carries.
    pub(super) fn decode(value: u8, packet: PacketType, sender: Sender) -> Result<Self, DecodeError> {
        let code = Self(value);
        // Most packets carry Success.
        if (value == 0 && packet != PacketType::Auth) || code.is_allowed_in(packet, sender) {
            Ok(code)
        } else {
            Err(DecodeError::ReasonCode { packet, code: value })
        }
    }

    /// Whether either side may use it in this packet.
    pub(super) fn is_lawful_in(self, packet: PacketType) -> bool {
        self.is_allowed_in(packet, Sender::Client) || self.is_allowed_in(packet, Sender::Server)
    }

    fn row(self) -> Option<&'static (u8, &'static str, u16)> {
        TABLE.binary_search_by_key(&self.0, |row| row.0).ok().map(|index| &TABLE[index])
    }
}

/// The return codes of a CONNACK of 3.x (3.1.1, Table 3.1), by their number.
const RETURN_CODES: [ReasonCode; 6] = [
    ReasonCode::SUCCESS,
    ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
    ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
    ReasonCode::SERVER_UNAVAILABLE,
    ReasonCode::BAD_USER_NAME_OR_PASSWORD,
    ReasonCode::NOT_AUTHORIZED,
];

/// As in `Not authorized (0x87)`.
impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#04x})", self.name(PacketType::ConnAck), self.0)
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The validated reason codes of a SUBACK or UNSUBACK, one for each topic filter.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ReasonCodes<'a> {
    bytes: &'a [u8],
}

impl<'a> ReasonCodes<'a> {
    /// The codes of a SUBACK or UNSUBACK of `version`; `None` if one of them is not lawful there, or there is none
    /// although there must be, or one although there must be none.
    pub fn new(bytes: &'a [u8], packet: PacketType, version: ProtocolVersion) -> Option<Self> {
        Self::decode(bytes, packet, version).ok()
    }

    pub(super) fn decode(
        bytes: &'a [u8],
        packet: PacketType,
        version: ProtocolVersion,
    ) -> Result<Self, DecodeError> {
        let v5 = version == ProtocolVersion::V5;
        if packet == PacketType::UnsubAck && !v5 {
            return if bytes.is_empty() {
                Ok(Self { bytes })
            } else {
                Err(DecodeError::TrailingBytes(bytes.len()))
            };
        }
        if bytes.is_empty() {
            return Err(DecodeError::NoReasonCodes(packet));
        }
        let lawful = |code: u8| {
            if v5 {
                ReasonCode(code).is_allowed_in(packet, Sender::Server)
            } else {
                matches!(code, 0..=2 | 0x80)
            }
        };
        match bytes.iter().find(|code| !lawful(**code)) {
            None => Ok(Self { bytes }),
            Some(code) => Err(DecodeError::ReasonCode { packet, code: *code }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none, as in an UNSUBACK of 3.x.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// In the order of the topic filters.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReasonCode> + use<'a> {
        self.bytes.iter().map(|code| ReasonCode(*code))
    }

    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for ReasonCodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_table_is_sorted_and_has_all_codes() {
        assert!(TABLE.windows(2).all(|rows| rows[0].0 < rows[1].0));
        assert_eq!(TABLE.len(), 43);
        assert_eq!((0..=u8::MAX).filter_map(ReasonCode::from_value).count(), 43);
    }

    /// How many codes each packet may carry, counted in the specification's tables of the packets; for DISCONNECT from a
    /// server with Bad authentication method, which only Table 2-6 has.
    #[test]
    fn each_packet_has_its_codes() {
        let counts = [
            (PacketType::ConnAck, Sender::Server, 22),
            (PacketType::PubAck, Sender::Client, 9),
            (PacketType::PubRec, Sender::Client, 9),
            (PacketType::PubRel, Sender::Client, 2),
            (PacketType::PubComp, Sender::Client, 2),
            (PacketType::SubAck, Sender::Server, 12),
            (PacketType::UnsubAck, Sender::Server, 7),
            (PacketType::Disconnect, Sender::Client, 14),
            (PacketType::Disconnect, Sender::Server, 29),
            (PacketType::Auth, Sender::Client, 2),
            (PacketType::Auth, Sender::Server, 2),
            (PacketType::Publish, Sender::Client, 0),
        ];
        for (packet, sender, expected) in counts {
            let codes = (0..=u8::MAX).filter_map(ReasonCode::from_value);
            let count = codes.filter(|code| code.is_allowed_in(packet, sender)).count();
            assert_eq!(count, expected, "{packet:?} from a {sender:?}");
        }
    }

    #[test]
    fn names_and_return_codes() {
        assert_eq!(ReasonCode::NOT_AUTHORIZED.to_string(), "Not authorized (0x87)");
        assert_eq!(ReasonCode::SUCCESS.name(PacketType::SubAck), "Granted QoS 0");
        assert_eq!(ReasonCode::NORMAL_DISCONNECTION.name(PacketType::Disconnect), "Normal disconnection");
        for code in 0..=5 {
            assert_eq!(ReasonCode::from_return_code(code).unwrap().connect_return_code(), Some(code));
        }
        assert_eq!(ReasonCode::from_return_code(6), Err(DecodeError::ReturnCode(6)));
        assert_eq!(ReasonCode::BANNED.connect_return_code(), None);
    }
}
