use super::{PacketType, ProtocolVersion};
/// A reason code of MQTT 5.0; 3.x codes are translated into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)] // Debug/Display: "Not authorized (0x87)"
pub struct ReasonCode(u8);
impl ReasonCode {
    // all 43 as associated consts, aliases included: SUCCESS, NORMAL_DISCONNECTION, GRANTED_QOS_0, GRANTED_QOS_1, GRANTED_QOS_2,
    // DISCONNECT_WITH_WILL, NO_MATCHING_SUBSCRIBERS, NO_SUBSCRIPTION_EXISTED, CONTINUE_AUTHENTICATION, REAUTHENTICATE,
    // UNSPECIFIED_ERROR, MALFORMED_PACKET, PROTOCOL_ERROR, IMPLEMENTATION_SPECIFIC_ERROR, UNSUPPORTED_PROTOCOL_VERSION,
    // CLIENT_IDENTIFIER_NOT_VALID, BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED, SERVER_UNAVAILABLE, SERVER_BUSY, BANNED,
    // SERVER_SHUTTING_DOWN, BAD_AUTHENTICATION_METHOD, KEEP_ALIVE_TIMEOUT, SESSION_TAKEN_OVER, TOPIC_FILTER_INVALID,
    // TOPIC_NAME_INVALID, PACKET_IDENTIFIER_IN_USE, PACKET_IDENTIFIER_NOT_FOUND, RECEIVE_MAXIMUM_EXCEEDED, TOPIC_ALIAS_INVALID,
    // PACKET_TOO_LARGE, MESSAGE_RATE_TOO_HIGH, QUOTA_EXCEEDED, ADMINISTRATIVE_ACTION, PAYLOAD_FORMAT_INVALID,
    // RETAIN_NOT_SUPPORTED, QOS_NOT_SUPPORTED, USE_ANOTHER_SERVER, SERVER_MOVED, SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
    // CONNECTION_RATE_EXCEEDED, MAXIMUM_CONNECT_TIME, SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED, WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    pub const SUCCESS: Self = Self(0x00);
    /// `None` for a number that the specification does not define.
    pub const fn from_value(value: u8) -> Option<Self> { todo!() }
    pub const fn value(self) -> u8 { self.0 }
    /// 0x80 and above.
    pub const fn is_error(self) -> bool { self.0 >= 0x80 }
    /// Whether the specification lets `sender` use this code in this packet (the table reason code × packet; DISCONNECT and AUTH differ by sender).
    pub fn is_allowed_in(self, packet: PacketType, sender: super::Sender) -> bool { todo!() }
    /// The specification's name for it, which depends on the packet for 0x00.
    pub fn name(self, packet: PacketType) -> &'static str { todo!() }
    /// The CONNACK return code of 3.x that this stands for: 0 to 5; `None` if it has none.
    pub fn connect_return_code(self) -> Option<u8> { todo!() }
}
/// The validated reason codes of a SUBACK or UNSUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonCodes<'a> { bytes: &'a [u8] }
impl<'a> ReasonCodes<'a> {
    /// Validates `bytes` for `packet` (SUBACK or UNSUBACK) in `version`.
    pub fn new(bytes: &'a [u8], packet: PacketType, version: ProtocolVersion) -> Option<Self> { todo!() }
    pub fn len(&self) -> usize { self.bytes.len() }
    pub fn is_empty(&self) -> bool { self.bytes.is_empty() }
    pub fn iter(&self) -> impl Iterator<Item = ReasonCode> + use<'a> { core::iter::empty() }
}
