//! Why JSON is no packet.

use serde_json::Value;
use sterna_core::packet::EncodeError;

/// Why a JSON value could not be turned into the bytes of a packet.
///
/// Fields are named by their path from the packet object, such as `will.payload_hex` or
/// `properties[2].receive_maximum`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// A field that the packet cannot do without is not there.
    #[error("field `{field}` is missing")]
    Missing {
        /// The path of the field.
        field: String,
    },
    /// A field that this packet does not have in this protocol version, or not together with its other fields.
    #[error("field `{field}` is unknown; known here: {known}")]
    Unknown {
        /// The path of the field.
        field: String,
        /// The fields that could stand in its place.
        known: String,
    },
    /// A field has a value that it cannot take.
    #[error("field `{field}`: expected {expected}, found {found}")]
    Value {
        /// The path of the field; `packet` for the whole object.
        field: String,
        /// What may stand there.
        expected: String,
        /// The JSON that stands there, shortened when it is long.
        found: String,
    },
    /// The packet is well described but may not be written.
    #[error("{field}: {error}")]
    Encode {
        /// The path of the field, or the name of the packet where the whole of it is at fault.
        field: String,
        /// What the encoder says.
        #[source]
        error: EncodeError,
    },
}

impl JsonError {
    pub(crate) fn value(field: &str, expected: impl Into<String>, found: &Value) -> Self {
        /// Enough to recognise the value, little enough for one line.
        const LONGEST: usize = 60;
        let mut text = found.to_string();
        if let Some((end, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(end);
            text.push('…');
        }
        Self::Value { field: field.to_owned(), expected: expected.into(), found: text }
    }

    pub(crate) fn encode(field: &str, error: EncodeError) -> Self {
        Self::Encode { field: field.to_owned(), error }
    }
}
