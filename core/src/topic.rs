//! Topic names and topic filters: validation and matching.

use crate::text;

/// The longest topic name or filter in bytes [MQTT-4.7.3-3].
const LONGEST: usize = u16::MAX as usize;

/// Why a topic name or filter is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// [MQTT-4.7.3-1].
    #[error("a topic must have at least one character")]
    Empty,
    /// [MQTT-4.7.3-3].
    #[error("a topic takes at most 65,535 bytes")]
    TooLong,
    /// [MQTT-4.7.3-2].
    #[error("a topic must not contain U+0000")]
    Null,
    /// [MQTT-3.3.2-2].
    #[error("a topic name must not contain the wildcards + and #")]
    WildcardInName,
    /// [MQTT-4.7.1-1] of 5.0, [MQTT-4.7.1-2] of 3.1.1.
    #[error("# must stand alone in the last level of a topic filter")]
    MultiLevelWildcard,
    /// [MQTT-4.7.1-2] of 5.0, [MQTT-4.7.1-3] of 3.1.1.
    #[error("+ must fill a whole level of a topic filter")]
    SingleLevelWildcard,
    /// [MQTT-4.8.2-1].
    #[error("the name of a shared subscription must have at least one character")]
    ShareNameEmpty,
    /// [MQTT-4.8.2-2].
    #[error("a shared subscription is $share/name/filter, its name without wildcards")]
    Share,
}

/// Checks a topic name: not empty, at most 65,535 bytes, no wildcard, no U+0000.
///
/// ```
/// use sterna_core::topic::{TopicError, validate_name};
///
/// assert_eq!(validate_name("sport/tennis"), Ok(()));
/// assert_eq!(validate_name("sport/#"), Err(TopicError::WildcardInName));
/// ```
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn validate_name(name: &str) -> Result<(), TopicError> {
    if name.is_empty() {
        return Err(TopicError::Empty);
    }
    if name.len() > LONGEST {
        return Err(TopicError::TooLong);
    }
    if text::is_plain_name(name.as_bytes()) { Ok(()) } else { validate_closely(name) }
}

/// A look at every byte.
fn validate_closely(name: &str) -> Result<(), TopicError> {
    match name.bytes().find(|byte| matches!(byte, b'+' | b'#' | 0)) {
        None => Ok(()),
        Some(0) => Err(TopicError::Null),
        Some(_) => Err(TopicError::WildcardInName),
    }
}

/// Checks a topic filter: wildcards fill whole levels, `#` is the last one; and that `$share/…` is a shared
/// subscription with a name and a filter.
///
/// ```
/// use sterna_core::topic::{TopicError, validate_filter};
///
/// assert_eq!(validate_filter("sport/+/player1/#"), Ok(()));
/// assert_eq!(validate_filter("sport/tennis#"), Err(TopicError::MultiLevelWildcard));
/// assert_eq!(validate_filter("$share/group/sport/#"), Ok(()));
/// ```
///
/// # Errors
/// What is wrong with it.
pub fn validate_filter(filter: &str) -> Result<(), TopicError> {
    validate_plain_filter(filter)?;
    let Some(shared) = filter.strip_prefix("$share/") else { return Ok(()) };
    match shared.split_once('/') {
        Some(("", _)) => Err(TopicError::ShareNameEmpty),
        None if shared.is_empty() => Err(TopicError::ShareNameEmpty),
        None | Some((_, "")) => Err(TopicError::Share),
        Some((name, _)) if name.contains(['+', '#']) => Err(TopicError::Share),
        Some(_) => Ok(()),
    }
}

/// Checks a filter of a version that knows no shared subscriptions.
pub(crate) fn validate_plain_filter(filter: &str) -> Result<(), TopicError> {
    if filter.is_empty() {
        return Err(TopicError::Empty);
    }
    if filter.len() > LONGEST {
        return Err(TopicError::TooLong);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        for byte in level.bytes() {
            match byte {
                0 => return Err(TopicError::Null),
                b'#' if level.len() > 1 || levels.peek().is_some() => {
                    return Err(TopicError::MultiLevelWildcard);
                }
                b'+' if level.len() > 1 => return Err(TopicError::SingleLevelWildcard),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The share name and the filter proper of `$share/name/filter`; `None` for an ordinary filter.
///
/// ```
/// use sterna_core::topic::split_shared;
///
/// assert_eq!(split_shared("$share/group/sport/#"), Some(("group", "sport/#")));
/// assert_eq!(split_shared("sport/#"), None);
/// ```
pub fn split_shared(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

/// Whether the topic name `name` matches `filter` (of a shared subscription: its filter proper).
///
/// A leading wildcard does not match a name that begins with `$` [MQTT-4.7.2-1]; `#` matches the level above it as
/// well; nothing is normalised [MQTT-4.7.3-4].
///
/// ```
/// use sterna_core::topic::matches;
///
/// assert!(matches("sport/+/#", "sport/tennis"));
/// assert!(!matches("#", "$SYS/uptime"));
/// ```
pub fn matches(filter: &str, name: &str) -> bool {
    let filter = split_shared(filter).map_or(filter, |(_, filter)| filter);
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = name.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), names.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(level), Some(name)) if level == name => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R: PUB-06
    #[test]
    fn names() {
        let long = "x".repeat(65_535);
        for name in ["a", "/", "a//b", "$SYS", " ", "ä/ö", "\u{feff}", &long] {
            assert_eq!(validate_name(name), Ok(()), "{name}");
        }
        assert_eq!(validate_name(""), Err(TopicError::Empty));
        assert_eq!(validate_name(&"x".repeat(65_536)), Err(TopicError::TooLong));
        assert_eq!(validate_name("a\0"), Err(TopicError::Null));
        for name in ["a/#", "+", "a+b", "#a"] {
            assert_eq!(validate_name(name), Err(TopicError::WildcardInName), "{name}");
        }
    }

    // R: SUB-01
    #[test]
    fn filters() {
        for filter in [
            "#",
            "+",
            "+/+",
            "/+",
            "a/#",
            "+/tennis/#",
            "/",
            "$SYS/#",
            "$share/g/a/+",
            "$share/g//",
            "$shared",
        ] {
            assert_eq!(validate_filter(filter), Ok(()), "{filter}");
        }
        for filter in ["a#", "#/a", "a/#/b", "##", "+#"] {
            assert_eq!(
                validate_filter(filter).unwrap_err(),
                match filter {
                    "+#" => TopicError::SingleLevelWildcard,
                    _ => TopicError::MultiLevelWildcard,
                },
                "{filter}"
            );
        }
        for filter in ["a+", "+a", "a/b+/c", "++"] {
            assert_eq!(validate_filter(filter), Err(TopicError::SingleLevelWildcard), "{filter}");
        }
        assert_eq!(validate_filter(""), Err(TopicError::Empty));
        assert_eq!(validate_filter("a/\0"), Err(TopicError::Null));
        for filter in ["$share/", "$share//a"] {
            assert_eq!(validate_filter(filter), Err(TopicError::ShareNameEmpty), "{filter}");
        }
        for filter in ["$share/g", "$share/g/", "$share/+/a"] {
            assert_eq!(validate_filter(filter), Err(TopicError::Share), "{filter}");
        }
    }

    // R: SUB-05
    #[test]
    fn matching() {
        let yes = [
            ("a/b", "a/b"),
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+", "a"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("a/+/c", "a//c"),
            ("a/+", "a/"),
            ("$SYS/#", "$SYS/x"),
            ("$SYS/+", "$SYS/x"),
            ("/#", "/"),
            ("+/#", "a"),
            ("$share/g/a/#", "a/b"),
            ("a/$x", "a/$x"),
            ("+/$x", "a/$x"),
        ];
        for (filter, name) in yes {
            assert!(matches(filter, name), "{filter} {name}");
        }
        let no = [
            ("a", "A"),
            ("a", "a/"),
            ("a/", "a"),
            ("+", "/a"),
            ("+", "a/b"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("a/+", "a"),
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
            ("$share/g/#", "$SYS"),
            ("/#", "a"),
        ];
        for (filter, name) in no {
            assert!(!matches(filter, name), "{filter} {name}");
        }
    }
}
