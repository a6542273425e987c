//! Topic names and topic filters: validation and matching.

/// Why a topic name or filter is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    #[error("a topic must have at least one character")]
    Empty,
    #[error("a topic takes at most 65,535 bytes")]
    TooLong,
    #[error("a topic must not contain U+0000")]
    Null,
    #[error("a topic name must not contain the wildcards + and #")]
    WildcardInName,
    #[error("# must stand alone in the last level of a topic filter")]
    MultiLevelWildcard,
    #[error("+ must fill a whole level of a topic filter")]
    SingleLevelWildcard,
    #[error("a shared subscription is $share/name/filter, its name not empty and without wildcards")]
    Shared,
}
pub fn validate_name(name: &str) -> Result<(), TopicError> { todo!() }
pub fn validate_filter(filter: &str) -> Result<(), TopicError> { todo!() }
/// The share name and the filter proper of `$share/name/filter`; `None` for an ordinary filter.
pub fn split_shared(filter: &str) -> Option<(&str, &str)> { todo!() }
/// Whether `name` matches `filter` (of a shared subscription: its filter part), by the specification's rules for `$` topics.
pub fn matches(filter: &str, name: &str) -> bool { todo!() }
