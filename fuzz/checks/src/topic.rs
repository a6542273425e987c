//! Topic names and filters: validation and matching never panic and agree with a naive reading of section 4.7.

use sterna_core::topic::{matches, split_shared, validate_filter, validate_name};

const LONGEST: usize = 65_535;

/// UTF-8: a topic filter, a line feed, a topic name.
pub fn topic(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let Some((filter, name)) = input.split_once('\n') else { return };
    let matched = matches(filter, name);

    assert_eq!(validate_name(name).is_ok(), is_name(name), "name {name:?}");
    assert_eq!(validate_filter(filter).is_ok(), is_filter(filter), "filter {filter:?}");
    if is_name(name) && is_filter(filter) {
        assert_eq!(matched, reference_matches(filter, name), "filter {filter:?}, name {name:?}");
    }
}

fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && topic.len() <= LONGEST && !topic.contains('\0')
}

fn is_name(name: &str) -> bool {
    is_topic(name) && !name.contains(['+', '#'])
}

fn is_filter(filter: &str) -> bool {
    if !is_topic(filter) {
        return false;
    }
    match filter.strip_prefix("$share/") {
        None => are_filter_levels(filter),
        Some(shared) => match shared.split_once('/') {
            // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
            Some((share_name, filter)) => {
                !share_name.is_empty()
                    && !share_name.contains(['+', '#'])
                    && !filter.is_empty()
                    && are_filter_levels(filter)
            }
            None => false,
        },
    }
}

/// A wildcard fills its level, and `#` stands last. [MQTT-4.7.1-1] [MQTT-4.7.1-2]
fn are_filter_levels(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    levels.iter().enumerate().all(|(index, level)| match *level {
        "+" => true,
        "#" => index + 1 == levels.len(),
        _ => !level.contains(['+', '#']),
    })
}

fn reference_matches(filter: &str, name: &str) -> bool {
    let filter = split_shared(filter).map_or(filter, |(_, filter)| filter);
    // [MQTT-4.7.2-1]
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let name: Vec<&str> = name.split('/').collect();
    levels_match(&filter, &name)
}

fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter.split_first(), name.split_first()) {
        // `sport/#` matches `sport` too.
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((level, filter)), Some((part, name))) => {
            (*level == "+" || level == part) && levels_match(filter, name)
        }
        _ => false,
    }
}
