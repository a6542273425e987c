use super::{EncodeError, Properties, ReasonCodes};
use alloc::vec::Vec;
/// UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> { pub packet_id: u16, pub properties: Properties<'a>, pub filters: TopicFilters<'a> }
/// UNSUBACK; on 3.x there are no reason codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubAck<'a> { pub packet_id: u16, pub properties: Properties<'a>, pub reasons: ReasonCodes<'a> }
/// A validated, never empty list of topic filters in wire form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicFilters<'a> { bytes: &'a [u8] }
impl<'a> TopicFilters<'a> { pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> { core::iter::empty() } }
/// Builds `TopicFilters`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicFiltersBuf { bytes: Vec<u8> }
impl TopicFiltersBuf {
    pub fn push(&mut self, filter: &str) -> Result<(), EncodeError> { todo!() }
    pub fn is_empty(&self) -> bool { self.bytes.is_empty() }
    pub fn as_filters(&self) -> TopicFilters<'_> { todo!() }
}
