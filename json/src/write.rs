//! From a packet to JSON.

use serde_json::{Map, Value, json};
use sterna_core::packet::{
    Ack, ConnAck, Connect, Packet, Properties, ProtocolVersion, Publish, ReasonCode, SubAck, Subscribe,
    UnsubAck, Unsubscribe, Will,
};

use crate::{PACKET_NAMES, binary, properties};

/// Describes `packet`, which was decoded with (or is to be encoded for) `version`, as a JSON object.
///
/// Everything in it is shown, a password too.
pub fn to_json(packet: &Packet<'_>, version: ProtocolVersion) -> Value {
    let kind = packet.packet_type();
    let mut object = Map::new();
    for (_, name) in PACKET_NAMES.iter().filter(|(known, _)| *known == kind) {
        object.insert("packet".to_owned(), (*name).into());
    }
    match packet {
        Packet::Connect(connect) => write_connect(&mut object, connect),
        Packet::ConnAck(ack) => write_connack(&mut object, ack, version),
        Packet::Publish(publish) => write_publish(&mut object, publish),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            write_ack(&mut object, ack, version);
        }
        Packet::Subscribe(subscribe) => write_subscribe(&mut object, subscribe, version),
        Packet::SubAck(ack) => write_suback(&mut object, ack, version),
        Packet::Unsubscribe(unsubscribe) => write_unsubscribe(&mut object, unsubscribe),
        Packet::UnsubAck(ack) => write_unsuback(&mut object, ack, version),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            write_reason(&mut object, disconnect.reason, disconnect.properties, version);
        }
        Packet::Auth(auth) => write_reason(&mut object, auth.reason, auth.properties, version),
    }
    object.into()
}

fn put(object: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    object.insert(name.to_owned(), value.into());
}

fn write_connect(object: &mut Map<String, Value>, connect: &Connect<'_>) {
    put(object, "protocol_name", protocol_name(connect.version));
    put(object, "protocol_version", protocol_level(connect.version));
    if connect.bridge {
        put(object, "bridge", true);
    }
    put(object, clean_name(connect.version), connect.clean_start);
    put(object, "keep_alive", connect.keep_alive);
    properties::insert(object, connect.properties);
    put(object, "client_identifier", connect.client_id);
    if let Some(will) = &connect.will {
        put(object, "will", write_will(will));
    }
    if let Some(user_name) = connect.user_name {
        put(object, "user_name", user_name);
    }
    if let Some(password) = connect.password {
        binary::insert(object, "password", password);
    }
}

fn write_will(will: &Will<'_>) -> Map<String, Value> {
    let mut object = Map::new();
    put(&mut object, "qos", will.qos as u8);
    put(&mut object, "retain", will.retain);
    properties::insert(&mut object, will.properties);
    put(&mut object, "topic", will.topic);
    binary::insert(&mut object, "payload", will.payload);
    object
}

/// The protocol name in a CONNECT.
pub(crate) fn protocol_name(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::V3_1 { "MQIsdp" } else { "MQTT" }
}

/// The protocol version number, once called level, in a CONNECT.
pub(crate) fn protocol_level(version: ProtocolVersion) -> u8 {
    match version {
        ProtocolVersion::V3_1 => 3,
        ProtocolVersion::V3_1_1 => 4,
        ProtocolVersion::V5 => 5,
    }
}

/// What the flag to start without an old session is called.
pub(crate) fn clean_name(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::V5 { "clean_start" } else { "clean_session" }
}

fn write_connack(object: &mut Map<String, Value>, ack: &ConnAck<'_>, version: ProtocolVersion) {
    put(object, "session_present", ack.session_present);
    match ack.reason.connect_return_code() {
        Some(code) if version != ProtocolVersion::V5 => put(object, "return_code", code),
        _ => put(object, "reason_code", ack.reason.value()),
    }
    properties::insert(object, ack.properties);
}

fn write_publish(object: &mut Map<String, Value>, publish: &Publish<'_>) {
    put(object, "dup", publish.duplicate);
    put(object, "qos", publish.qos as u8);
    put(object, "retain", publish.retain);
    put(object, "topic_name", publish.topic);
    if publish.packet_id != 0 {
        put(object, "packet_identifier", publish.packet_id);
    }
    properties::insert(object, publish.properties);
    binary::insert(object, "payload", publish.payload);
}

fn write_ack(object: &mut Map<String, Value>, ack: &Ack<'_>, version: ProtocolVersion) {
    put(object, "packet_identifier", ack.packet_id);
    write_reason(object, ack.reason, ack.properties, version);
}

/// Reason code and properties, of which 3.x has neither.
fn write_reason(
    object: &mut Map<String, Value>,
    reason: ReasonCode,
    properties: Properties<'_>,
    version: ProtocolVersion,
) {
    if version == ProtocolVersion::V5 {
        put(object, "reason_code", reason.value());
        properties::insert(object, properties);
    }
}

fn write_subscribe(object: &mut Map<String, Value>, subscribe: &Subscribe<'_>, version: ProtocolVersion) {
    put(object, "packet_identifier", subscribe.packet_id);
    properties::insert(object, subscribe.properties);
    let filters = subscribe.filters.iter().map(|entry| {
        let options = entry.options;
        if version == ProtocolVersion::V5 {
            json!({
                "topic_filter": entry.filter,
                "qos": options.qos as u8,
                "no_local": options.no_local,
                "retain_as_published": options.retain_as_published,
                "retain_handling": options.retain_handling as u8,
            })
        } else {
            json!({ "topic_filter": entry.filter, "qos": options.qos as u8 })
        }
    });
    put(object, "topic_filters", filters.collect::<Value>());
}

fn write_suback(object: &mut Map<String, Value>, ack: &SubAck<'_>, version: ProtocolVersion) {
    put(object, "packet_identifier", ack.packet_id);
    properties::insert(object, ack.properties);
    let name = if version == ProtocolVersion::V5 { "reason_codes" } else { "return_codes" };
    put(object, name, ack.reasons.iter().map(ReasonCode::value).collect::<Value>());
}

fn write_unsubscribe(object: &mut Map<String, Value>, unsubscribe: &Unsubscribe<'_>) {
    put(object, "packet_identifier", unsubscribe.packet_id);
    properties::insert(object, unsubscribe.properties);
    put(object, "topic_filters", unsubscribe.filters.iter().collect::<Value>());
}

fn write_unsuback(object: &mut Map<String, Value>, ack: &UnsubAck<'_>, version: ProtocolVersion) {
    put(object, "packet_identifier", ack.packet_id);
    if version == ProtocolVersion::V5 {
        properties::insert(object, ack.properties);
        put(object, "reason_codes", ack.reasons.iter().map(ReasonCode::value).collect::<Value>());
    }
}
