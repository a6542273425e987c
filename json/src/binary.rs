//! Binary data: readable text where it is text, hexadecimal digits where it is not.

use serde_json::{Map, Value};

/// The suffix of a field that holds hexadecimal digits.
pub(crate) const HEX_SUFFIX: &str = "_hex";

/// Adds `name` with the bytes as text, or `name_hex` where they are no UTF-8 or hold control characters other
/// than tab, line feed and carriage return.
pub(crate) fn insert(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_unreadable) => object.insert(name.to_owned(), text.into()),
        _ => object.insert(format!("{name}{HEX_SUFFIX}"), hex::encode(bytes).into()),
    };
}

fn is_unreadable(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}
