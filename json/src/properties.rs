//! Properties: a list of objects with one entry each, in the order of the wire.

use std::borrow::Cow;

use serde_json::{Map, Value};
use sterna_core::packet::{Properties, PropertiesBuf, Property, PropertyId};

use crate::fields::{Field, Fields};
use crate::{JsonError, binary};

/// The properties by the names that the specification gives them.
const PROPERTY_NAMES: [(PropertyId, &str); 27] = [
    (PropertyId::PayloadFormatIndicator, "payload_format_indicator"),
    (PropertyId::MessageExpiryInterval, "message_expiry_interval"),
    (PropertyId::ContentType, "content_type"),
    (PropertyId::ResponseTopic, "response_topic"),
    (PropertyId::CorrelationData, "correlation_data"),
    (PropertyId::SubscriptionIdentifier, "subscription_identifier"),
    (PropertyId::SessionExpiryInterval, "session_expiry_interval"),
    (PropertyId::AssignedClientIdentifier, "assigned_client_identifier"),
    (PropertyId::ServerKeepAlive, "server_keep_alive"),
    (PropertyId::AuthenticationMethod, "authentication_method"),
    (PropertyId::AuthenticationData, "authentication_data"),
    (PropertyId::RequestProblemInformation, "request_problem_information"),
    (PropertyId::WillDelayInterval, "will_delay_interval"),
    (PropertyId::RequestResponseInformation, "request_response_information"),
    (PropertyId::ResponseInformation, "response_information"),
    (PropertyId::ServerReference, "server_reference"),
    (PropertyId::ReasonString, "reason_string"),
    (PropertyId::ReceiveMaximum, "receive_maximum"),
    (PropertyId::TopicAliasMaximum, "topic_alias_maximum"),
    (PropertyId::TopicAlias, "topic_alias"),
    (PropertyId::MaximumQoS, "maximum_qos"),
    (PropertyId::RetainAvailable, "retain_available"),
    (PropertyId::UserProperty, "user_property"),
    (PropertyId::MaximumPacketSize, "maximum_packet_size"),
    (PropertyId::WildcardSubscriptionAvailable, "wildcard_subscription_available"),
    (PropertyId::SubscriptionIdentifierAvailable, "subscription_identifier_available"),
    (PropertyId::SharedSubscriptionAvailable, "shared_subscription_available"),
];

/// Describes a set of properties as a list of objects with one entry each, in the order of the wire.
///
/// Everything in it is shown, authentication data too.
pub fn properties_to_json(properties: Properties<'_>) -> Value {
    properties.iter().map(entry).collect()
}

/// The properties that a list of [`properties_to_json`] describes. Whether a packet may have them is not checked.
///
/// # Errors
/// The value is no such list, or a property has a value that it cannot take.
pub fn properties_from_json(value: &Value) -> Result<PropertiesBuf, JsonError> {
    let mut properties = PropertiesBuf::new();
    read_list(&Field { value, path: "properties".to_owned() }, &mut properties)?;
    Ok(properties)
}

/// Adds `properties` unless there are none.
pub(crate) fn insert(object: &mut Map<String, Value>, properties: Properties<'_>) {
    if !properties.is_empty() {
        object.insert("properties".to_owned(), properties_to_json(properties));
    }
}

fn entry(property: Property<'_>) -> Value {
    use Property as P;
    let id = property.id();
    let name = PROPERTY_NAMES.iter().find(|(known, _)| *known == id).map_or("", |(_, name)| name);
    let value: Value = match property {
        P::PayloadFormatIndicator(flag)
        | P::RequestProblemInformation(flag)
        | P::RequestResponseInformation(flag)
        | P::RetainAvailable(flag)
        | P::WildcardSubscriptionAvailable(flag)
        | P::SubscriptionIdentifierAvailable(flag)
        | P::SharedSubscriptionAvailable(flag) => u8::from(flag).into(),
        P::MaximumQoS(qos) => (qos as u8).into(),
        P::ServerKeepAlive(number)
        | P::ReceiveMaximum(number)
        | P::TopicAliasMaximum(number)
        | P::TopicAlias(number) => number.into(),
        P::MessageExpiryInterval(number)
        | P::SubscriptionIdentifier(number)
        | P::SessionExpiryInterval(number)
        | P::WillDelayInterval(number)
        | P::MaximumPacketSize(number) => number.into(),
        P::ContentType(text)
        | P::ResponseTopic(text)
        | P::AssignedClientIdentifier(text)
        | P::AuthenticationMethod(text)
        | P::ResponseInformation(text)
        | P::ServerReference(text)
        | P::ReasonString(text) => text.into(),
        P::UserProperty { name, value } => vec![name, value].into(),
        P::CorrelationData(bytes) | P::AuthenticationData(bytes) => {
            let mut object = Map::new();
            binary::insert(&mut object, name, bytes);
            return object.into();
        }
    };
    Value::from_iter([(name, value)])
}

/// Reads the field `properties`, which may be left out.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<PropertiesBuf, JsonError> {
    let mut properties = PropertiesBuf::new();
    if let Some(list) = fields.optional("properties") {
        read_list(&list, &mut properties)?;
    }
    Ok(properties)
}

fn read_list(list: &Field<'_>, properties: &mut PropertiesBuf) -> Result<(), JsonError> {
    list.list()?.try_for_each(|entry| push(properties, &entry))
}

fn push(properties: &mut PropertiesBuf, entry: &Field<'_>) -> Result<(), JsonError> {
    let mut entries = entry.value.as_object().into_iter().flatten();
    let (Some((key, value)), None) = (entries.next(), entries.next()) else {
        return Err(entry.error("an object with one entry: a property and its value"));
    };
    let Some(id) = property_id(key) else {
        return Err(entry.error("an object with the name of a property"));
    };
    let field = Field { value, path: format!("{}.{key}", entry.path) };
    let mut bytes = Cow::default();
    let property = property(id, &field, &mut bytes)?;
    properties.push(property).map_err(|error| JsonError::encode(&field.path, error))
}

fn property_id(key: &str) -> Option<PropertyId> {
    let find = |name| PROPERTY_NAMES.iter().find(|(_, known)| *known == name).map(|(id, _)| *id);
    find(key).or_else(|| {
        let id = find(key.strip_suffix(binary::HEX_SUFFIX)?)?;
        matches!(id, PropertyId::CorrelationData | PropertyId::AuthenticationData).then_some(id)
    })
}

/// The property `id` with the value that `field` holds; binary data that the property points to is put into
/// `bytes`.
fn property<'a, 'v: 'a>(
    id: PropertyId,
    field: &Field<'v>,
    bytes: &'a mut Cow<'v, [u8]>,
) -> Result<Property<'a>, JsonError> {
    use PropertyId as I;
    if let I::CorrelationData | I::AuthenticationData = id {
        *bytes = field.binary()?;
    }
    Ok(match id {
        I::PayloadFormatIndicator => Property::PayloadFormatIndicator(field.zero_or_one()?),
        I::MessageExpiryInterval => Property::MessageExpiryInterval(field.u32()?),
        I::ContentType => Property::ContentType(field.string()?),
        I::ResponseTopic => Property::ResponseTopic(field.string()?),
        I::CorrelationData => Property::CorrelationData(bytes),
        I::SubscriptionIdentifier => Property::SubscriptionIdentifier(field.u32()?),
        I::SessionExpiryInterval => Property::SessionExpiryInterval(field.u32()?),
        I::AssignedClientIdentifier => Property::AssignedClientIdentifier(field.string()?),
        I::ServerKeepAlive => Property::ServerKeepAlive(field.u16()?),
        I::AuthenticationMethod => Property::AuthenticationMethod(field.string()?),
        I::AuthenticationData => Property::AuthenticationData(bytes),
        I::RequestProblemInformation => Property::RequestProblemInformation(field.zero_or_one()?),
        I::WillDelayInterval => Property::WillDelayInterval(field.u32()?),
        I::RequestResponseInformation => Property::RequestResponseInformation(field.zero_or_one()?),
        I::ResponseInformation => Property::ResponseInformation(field.string()?),
        I::ServerReference => Property::ServerReference(field.string()?),
        I::ReasonString => Property::ReasonString(field.string()?),
        I::ReceiveMaximum => Property::ReceiveMaximum(field.u16()?),
        I::TopicAliasMaximum => Property::TopicAliasMaximum(field.u16()?),
        I::TopicAlias => Property::TopicAlias(field.u16()?),
        I::MaximumQoS => Property::MaximumQoS(field.qos()?),
        I::RetainAvailable => Property::RetainAvailable(field.zero_or_one()?),
        I::UserProperty => user_property(field)?,
        I::MaximumPacketSize => Property::MaximumPacketSize(field.u32()?),
        I::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(field.zero_or_one()?),
        I::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(field.zero_or_one()?),
        I::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(field.zero_or_one()?),
    })
}

fn user_property<'v>(field: &Field<'v>) -> Result<Property<'v>, JsonError> {
    match field.value.as_array().map(Vec::as_slice) {
        Some([Value::String(name), Value::String(value)]) => Ok(Property::UserProperty { name, value }),
        _ => Err(field.error("a list of two strings: a name and a value")),
    }
}
