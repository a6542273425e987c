use super::{EncodeError, Properties, QoS, ReasonCodes};
use alloc::vec::Vec;
/// SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> { pub packet_id: u16, pub properties: Properties<'a>, pub filters: Filters<'a> }
/// SUBACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubAck<'a> { pub packet_id: u16, pub properties: Properties<'a>, pub reasons: ReasonCodes<'a> }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling { #[default] SendAtSubscribe = 0, SendIfNew = 1, DoNotSend = 2 }
/// The subscription options byte; all but `qos` are 5.0 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SubscribeOptions { pub qos: QoS, pub no_local: bool, pub retain_as_published: bool, pub retain_handling: RetainHandling }
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscribeFilter<'a> { pub filter: &'a str, pub options: SubscribeOptions }
/// A validated, never empty list of topic filters with options in wire form (filter string, option byte, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filters<'a> { bytes: &'a [u8] }
impl<'a> Filters<'a> {
    pub fn iter(&self) -> impl Iterator<Item = SubscribeFilter<'a>> + use<'a> { core::iter::empty() }
}
/// Builds `Filters`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FiltersBuf { bytes: Vec<u8> }
impl FiltersBuf {
    /// Refuses an invalid filter (`topic::validate_filter`) and No Local on a shared subscription [MQTT-3.8.3-4].
    pub fn push(&mut self, filter: SubscribeFilter<'_>) -> Result<(), EncodeError> { todo!() }
    pub fn is_empty(&self) -> bool { self.bytes.is_empty() }
    pub fn as_filters(&self) -> Filters<'_> { todo!() }
}
