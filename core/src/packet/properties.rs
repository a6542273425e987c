use super::{EncodeError};
use alloc::vec::Vec;
/// The 27 property identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PropertyId { PayloadFormatIndicator = 0x01, MessageExpiryInterval = 0x02, ContentType = 0x03, ResponseTopic = 0x08,
    CorrelationData = 0x09, SubscriptionIdentifier = 0x0B, SessionExpiryInterval = 0x11, AssignedClientIdentifier = 0x12,
    ServerKeepAlive = 0x13, AuthenticationMethod = 0x15, AuthenticationData = 0x16, RequestProblemInformation = 0x17,
    WillDelayInterval = 0x18, RequestResponseInformation = 0x19, ResponseInformation = 0x1A, ServerReference = 0x1C,
    ReasonString = 0x1F, ReceiveMaximum = 0x21, TopicAliasMaximum = 0x22, TopicAlias = 0x23, MaximumQoS = 0x24,
    RetainAvailable = 0x25, UserProperty = 0x26, MaximumPacketSize = 0x27, WildcardSubscriptionAvailable = 0x28,
    SubscriptionIdentifierAvailable = 0x29, SharedSubscriptionAvailable = 0x2A }
/// Where a property set stands: the columns of the table property × packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PropertyOwner { Connect, Will, ConnAck, PublishFromClient, PublishFromServer, PubAck, PubRec, PubRel, PubComp, Subscribe, SubAck,
    Unsubscribe, UnsubAck, DisconnectFromClient, DisconnectFromServer, Auth }
/// One property with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Property<'a> {
    PayloadFormatIndicator(bool), MessageExpiryInterval(u32), ContentType(&'a str), ResponseTopic(&'a str), CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32), SessionExpiryInterval(u32), AssignedClientIdentifier(&'a str), ServerKeepAlive(u16),
    AuthenticationMethod(&'a str), AuthenticationData(&'a [u8]), RequestProblemInformation(bool), WillDelayInterval(u32),
    RequestResponseInformation(bool), ResponseInformation(&'a str), ServerReference(&'a str), ReasonString(&'a str), ReceiveMaximum(u16),
    TopicAliasMaximum(u16), TopicAlias(u16), MaximumQoS(super::QoS), RetainAvailable(bool), UserProperty { name: &'a str, value: &'a str },
    MaximumPacketSize(u32), WildcardSubscriptionAvailable(bool), SubscriptionIdentifierAvailable(bool), SharedSubscriptionAvailable(bool),
}
/// A validated property set in wire form (without its length). Always empty on 3.x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> { bytes: &'a [u8] }
impl<'a> Properties<'a> {
    /// The empty set.
    pub const EMPTY: Properties<'static> = Properties { bytes: &[] };
    /// Validates the wire form: known identifiers, allowed in `owner`, no duplicates (User Property, and Subscription Identifier from a server,
    /// may repeat), value ranges, strings.
    pub fn parse(bytes: &'a [u8], owner: PropertyOwner) -> Result<Self, super::DecodeError> { todo!() }
    pub fn is_empty(&self) -> bool { self.bytes.is_empty() }
    pub fn as_bytes(&self) -> &'a [u8] { self.bytes }
    pub fn iter(&self) -> PropertyIter<'a> { todo!() }
    /// The first property with this identifier.
    pub fn get(&self, id: PropertyId) -> Option<Property<'a>> { todo!() }
    // typed getters for each property: message_expiry_interval() -> Option<u32>, topic_alias() -> Option<u16>, response_topic(), reason_string(), …;
    // user_properties() -> impl Iterator<Item=(&'a str, &'a str)>; subscription_identifiers() -> impl Iterator<Item=u32>
}
/// The lazy iterator of a property set.
#[derive(Debug, Clone)]
pub struct PropertyIter<'a> { rest: &'a [u8] }
/// Builds a property set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PropertiesBuf { bytes: Vec<u8> }
impl PropertiesBuf {
    pub const fn new() -> Self { Self { bytes: Vec::new() } }
    /// Checks the value (ranges, string rules) and that it is no duplicate; whether the packet allows it is checked when it is encoded.
    pub fn push(&mut self, property: Property<'_>) -> Result<(), EncodeError> { todo!() }
    pub fn as_properties(&self) -> Properties<'_> { Properties { bytes: &self.bytes } }
    pub fn is_empty(&self) -> bool { self.bytes.is_empty() }
}
impl From<Properties<'_>> for PropertiesBuf { fn from(p: Properties<'_>) -> Self { Self { bytes: p.bytes.to_vec() } } }
