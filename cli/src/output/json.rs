//! A message as JSON, with the names that mosquitto_sub gives.

use data_encoding::BASE64;
use serde_json::{Map, Value};
use sterna_client::Message;
use sterna_core::packet::Property;

use super::Occasion;

/// How the payload stands in the object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// As a string.
    Text,
    /// As the JSON that it has to be.
    Json,
    /// As JSON if it is, or else as a string.
    Any,
}

/// Appends the object. A payload that is to be a string and is no text stands as `payload_base64`.
///
/// # Errors
/// The payload is to be JSON, and is none: nothing is appended.
pub(super) fn print(
    message: &Message,
    occasion: &Occasion,
    payload: Payload,
    output: &mut Vec<u8>,
) -> Result<(), &'static str> {
    let value = object(message, occasion, payload)?;
    let text = if occasion.pretty { format!("{value:#}") } else { value.to_string() };
    output.extend_from_slice(text.as_bytes());
    Ok(())
}

fn object(message: &Message, occasion: &Occasion, payload: Payload) -> Result<Value, &'static str> {
    let mut object = Map::new();
    object.insert("tst".into(), occasion.moment.iso_micros().into());
    object.insert("topic".into(), message.topic().into());
    object.insert("qos".into(), (message.qos() as u8).into());
    object.insert("retain".into(), u8::from(message.retain()).into());
    object.insert("payloadlen".into(), message.payload().len().into());
    if let Some(id) = message.id() {
        object.insert("mid".into(), id.packet_id().into());
    }
    let properties = properties(message, occasion);
    if !properties.is_empty() {
        object.insert("properties".into(), properties.into());
    }
    let parsed = match payload {
        Payload::Text => None,
        Payload::Json | Payload::Any => serde_json::from_slice(message.payload()).ok(),
    };
    match (parsed, message.text()) {
        (Some(value), _) => object.insert("payload".into(), value),
        (None, _) if payload == Payload::Json => return Err("the payload is not JSON"),
        (None, Ok(text)) => object.insert("payload".into(), text.into()),
        (None, Err(_)) => object.insert("payload_base64".into(), BASE64.encode(message.payload()).into()),
    };
    Ok(object.into())
}

fn properties(message: &Message, occasion: &Occasion) -> Map<String, Value> {
    let mut object = Map::new();
    for property in message.properties() {
        let (name, value): (_, Value) = match property {
            Property::PayloadFormatIndicator(is_text) => {
                ("payload-format-indicator", u8::from(is_text).into())
            }
            Property::MessageExpiryInterval(seconds) => ("message-expiry-interval", seconds.into()),
            Property::ContentType(text) => ("content-type", text.into()),
            Property::ResponseTopic(text) => ("response-topic", text.into()),
            Property::CorrelationData(data) => match str::from_utf8(data) {
                Ok(text) => ("correlation-data", text.into()),
                Err(_) => ("correlation-data-base64", BASE64.encode(data).into()),
            },
            Property::SubscriptionIdentifier(identifier) if occasion.identified => {
                ("subscription-identifier", identifier.into())
            }
            Property::TopicAlias(alias) => ("topic-alias", alias.into()),
            Property::UserProperty { name, value } => {
                let pairs = object.entry("user-properties").or_insert_with(|| Map::new().into());
                if let Value::Object(pairs) = pairs {
                    push(pairs, name, value);
                }
                continue;
            }
            _ => continue,
        };
        object.insert(name.to_owned(), value);
    }
    object
}

/// A name may come several times, which JSON's objects do not allow: then it has a list.
fn push(pairs: &mut Map<String, Value>, name: &str, value: &str) {
    match pairs.get_mut(name) {
        Some(Value::Array(values)) => values.push(value.into()),
        Some(first) => *first = vec![first.take(), value.into()].into(),
        None => {
            pairs.insert(name.to_owned(), value.into());
        }
    }
}
