//! From JSON to the bytes of a packet.

use serde_json::Value;
use sterna_core::packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, FiltersBuf, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, PacketType,
    PropertiesBuf, ProtocolVersion, Publish, QoS, ReasonCode, ReasonCodes, RetainHandling, SubAck, Subscribe,
    SubscribeFilter, SubscribeOptions, TopicFiltersBuf, UnsubAck, Unsubscribe, Will,
};

use crate::fields::{Field, Fields};
use crate::write::{clean_name, protocol_level, protocol_name};
use crate::{JsonError, PACKET_NAMES, properties};

/// The bytes of the packet that `value` describes, in its shortest form.
///
/// `version` is what the packet is written for; a CONNECT that carries a `protocol_version` is written for that
/// one instead. Flags that are left out are not set, and numbers, properties, payload and client identifier that
/// are left out are 0 or empty; everything else must be there.
///
/// # Errors
///
/// A field is missing, unknown or has a value that does not fit; or the packet breaks a rule of the
/// specification, which the encoder refuses to write.
pub fn from_json(value: &Value, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let mut fields = Fields::of_packet(value)?;
    let name = fields.required("packet")?;
    let text = name.string()?;
    let Some(&(kind, _)) = PACKET_NAMES.iter().find(|(_, known)| *known == text) else {
        return Err(name.error("the name of a packet, such as PUBLISH"));
    };
    match kind {
        PacketType::Connect => read_connect(fields, version),
        PacketType::ConnAck => read_connack(fields, version),
        PacketType::Publish => read_publish(fields, version),
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            read_ack(fields, version, kind)
        }
        PacketType::Subscribe => read_subscribe(fields, version),
        PacketType::SubAck => read_suback(fields, version),
        PacketType::Unsubscribe => read_unsubscribe(fields, version),
        PacketType::UnsubAck => read_unsuback(fields, version),
        PacketType::PingReq => encode(fields, &Packet::PingReq, version),
        PacketType::PingResp => encode(fields, &Packet::PingResp, version),
        PacketType::Disconnect => {
            let (reason, properties) = read_reason(&mut fields, version)?;
            let properties = properties.as_properties();
            encode(fields, &Packet::Disconnect(Disconnect { reason, properties }), version)
        }
        PacketType::Auth => {
            let (reason, properties) = read_reason(&mut fields, version)?;
            encode(fields, &Packet::Auth(Auth { reason, properties: properties.as_properties() }), version)
        }
    }
}

/// The last step of every packet: no field is left over, and the encoder takes it.
fn encode(fields: Fields<'_>, packet: &Packet<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    fields.finish()?;
    let mut out = Vec::new();
    packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut out).map_err(|error| {
        let kind = packet.packet_type();
        let name = PACKET_NAMES.iter().find(|(known, _)| *known == kind).map_or("packet", |(_, name)| name);
        JsonError::encode(name, error)
    })?;
    Ok(out)
}

/// Properties, which are no field of a packet of 3.x.
fn read_properties(fields: &mut Fields<'_>, version: ProtocolVersion) -> Result<PropertiesBuf, JsonError> {
    if version == ProtocolVersion::V5 { properties::read(fields) } else { Ok(PropertiesBuf::new()) }
}

fn read_connect(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let version = read_version(&mut fields, version)?;
    let bridge = version != ProtocolVersion::V5 && fields.flag("bridge")?;
    let clean_start = fields.flag(clean_name(version))?;
    let keep_alive = fields.optional("keep_alive").map_or(Ok(0), |field| field.u16())?;
    let properties = read_properties(&mut fields, version)?;
    let client_id = fields.optional("client_identifier").map_or(Ok(""), |field| field.string())?;
    let mut will_fields = fields.optional("will").map(|field| field.object()).transpose()?;
    let user_name = fields.optional("user_name").map(|field| field.string()).transpose()?;
    let password = fields.binary("password")?;

    let (mut will_properties, mut will_payload) = (PropertiesBuf::new(), None);
    let mut will = None;
    if let Some(object) = &mut will_fields {
        let (qos, retain) = (object.qos()?, object.flag("retain")?);
        will_properties = read_properties(object, version)?;
        let topic = object.required("topic")?.string()?;
        will_payload = object.binary("payload")?;
        will = Some((qos, retain, topic));
    }
    if let Some(object) = will_fields {
        object.finish()?;
    }
    let will = will.map(|(qos, retain, topic)| Will {
        qos,
        retain,
        properties: will_properties.as_properties(),
        topic,
        payload: will_payload.as_deref().unwrap_or_default(),
    });
    let properties = properties.as_properties();
    let password = password.as_deref();
    let connect = Connect {
        version,
        bridge,
        clean_start,
        keep_alive,
        properties,
        client_id,
        will,
        user_name,
        password,
    };
    encode(fields, &Packet::Connect(connect), version)
}

/// `protocol_version` and `protocol_name`: both may be left out, but they must agree.
fn read_version(fields: &mut Fields<'_>, default: ProtocolVersion) -> Result<ProtocolVersion, JsonError> {
    const VERSIONS: [ProtocolVersion; 3] =
        [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];
    let name = fields.optional("protocol_name");
    let level = fields.optional("protocol_version");
    let version = level.map_or(Ok(default), |field| {
        let level = field.u8().ok();
        let version = VERSIONS.into_iter().find(|&version| Some(protocol_level(version)) == level);
        version.ok_or_else(|| field.error("3, 4 or 5"))
    })?;
    let expected = protocol_name(version);
    match name {
        Some(name) if name.string()? != expected => Err(name.error(format!("\"{expected}\""))),
        _ => Ok(version),
    }
}

fn read_connack(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let session_present = fields.flag("session_present")?;
    let reason = if version == ProtocolVersion::V5 {
        fields.required("reason_code")?.reason_code()?
    } else {
        let field = fields.required("return_code")?;
        let code = field.u8()?;
        let mut reasons = (0..=u8::MAX).filter_map(ReasonCode::from_value);
        let reason = reasons.find(|reason| reason.connect_return_code() == Some(code));
        reason.ok_or_else(|| field.error("a return code from 0 to 5"))?
    };
    let properties = read_properties(&mut fields, version)?;
    let ack = ConnAck { session_present, reason, properties: properties.as_properties() };
    encode(fields, &Packet::ConnAck(ack), version)
}

fn read_publish(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let duplicate = fields.flag("dup")?;
    let qos = fields.qos()?;
    let retain = fields.flag("retain")?;
    let topic = fields.required("topic_name")?.string()?;
    // With QoS 0 there is no such field [MQTT-2.2.1-2]: given all the same, it is refused as unknown.
    let packet_id = if qos == QoS::AtMostOnce { 0 } else { read_packet_id(&mut fields)? };
    let properties = read_properties(&mut fields, version)?;
    let payload = fields.binary("payload")?.unwrap_or_default();
    let properties = properties.as_properties();
    let publish = Publish { duplicate, qos, retain, topic, packet_id, properties, payload: &payload };
    encode(fields, &Packet::Publish(publish), version)
}

fn read_packet_id(fields: &mut Fields<'_>) -> Result<u16, JsonError> {
    fields.required("packet_identifier")?.u16()
}

fn read_ack(
    mut fields: Fields<'_>,
    version: ProtocolVersion,
    kind: PacketType,
) -> Result<Vec<u8>, JsonError> {
    let packet_id = read_packet_id(&mut fields)?;
    let (reason, properties) = read_reason(&mut fields, version)?;
    let ack = Ack { packet_id, reason, properties: properties.as_properties() };
    let packet = match kind {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        _ => Packet::PubComp(ack),
    };
    encode(fields, &packet, version)
}

/// Reason code (0 when it is left out) and properties, of which 3.x has neither.
fn read_reason(
    fields: &mut Fields<'_>,
    version: ProtocolVersion,
) -> Result<(ReasonCode, PropertiesBuf), JsonError> {
    if version != ProtocolVersion::V5 {
        return Ok((ReasonCode::SUCCESS, PropertiesBuf::new()));
    }
    let reason =
        fields.optional("reason_code").map_or(Ok(ReasonCode::SUCCESS), |field| field.reason_code())?;
    Ok((reason, properties::read(fields)?))
}

fn read_subscribe(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let packet_id = read_packet_id(&mut fields)?;
    let properties = read_properties(&mut fields, version)?;
    let list = fields.required("topic_filters")?;
    let mut filters = FiltersBuf::default();
    for entry in list.list()? {
        let mut object = entry.object()?;
        let filter = object.required("topic_filter")?.string()?;
        let mut options = SubscribeOptions { qos: object.qos()?, ..SubscribeOptions::default() };
        if version == ProtocolVersion::V5 {
            options.no_local = object.flag("no_local")?;
            options.retain_as_published = object.flag("retain_as_published")?;
            if let Some(field) = object.optional("retain_handling") {
                options.retain_handling = read_retain_handling(&field)?;
            }
        }
        object.finish()?;
        let filter = SubscribeFilter { filter, options };
        filters.push(filter).map_err(|error| JsonError::encode(&entry.path, error))?;
    }
    if filters.is_empty() {
        return Err(list.error("at least one topic filter"));
    }
    let properties = properties.as_properties();
    let subscribe = Subscribe { packet_id, properties, filters: filters.as_filters() };
    encode(fields, &Packet::Subscribe(subscribe), version)
}

fn read_retain_handling(field: &Field<'_>) -> Result<RetainHandling, JsonError> {
    match field.value.as_u64() {
        Some(0) => Ok(RetainHandling::SendAtSubscribe),
        Some(1) => Ok(RetainHandling::SendIfNew),
        Some(2) => Ok(RetainHandling::DoNotSend),
        _ => Err(field.error("0, 1 or 2")),
    }
}

fn read_suback(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let packet_id = read_packet_id(&mut fields)?;
    let properties = read_properties(&mut fields, version)?;
    let name = if version == ProtocolVersion::V5 { "reason_codes" } else { "return_codes" };
    let list = fields.required(name)?;
    let codes = list.list()?.map(|code| code.u8()).collect::<Result<Vec<_>, _>>()?;
    let reasons = ReasonCodes::new(&codes, PacketType::SubAck, version)
        .ok_or_else(|| list.error("at least one code, and only codes of a SUBACK"))?;
    let ack = SubAck { packet_id, properties: properties.as_properties(), reasons };
    encode(fields, &Packet::SubAck(ack), version)
}

fn read_unsubscribe(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let packet_id = read_packet_id(&mut fields)?;
    let properties = read_properties(&mut fields, version)?;
    let list = fields.required("topic_filters")?;
    let mut filters = TopicFiltersBuf::default();
    for entry in list.list()? {
        filters.push(entry.string()?).map_err(|error| JsonError::encode(&entry.path, error))?;
    }
    if filters.is_empty() {
        return Err(list.error("at least one topic filter"));
    }
    let properties = properties.as_properties();
    let unsubscribe = Unsubscribe { packet_id, properties, filters: filters.as_filters() };
    encode(fields, &Packet::Unsubscribe(unsubscribe), version)
}

fn read_unsuback(mut fields: Fields<'_>, version: ProtocolVersion) -> Result<Vec<u8>, JsonError> {
    let packet_id = read_packet_id(&mut fields)?;
    let properties = read_properties(&mut fields, version)?;
    let mut codes = Vec::new();
    let mut list = None;
    if version == ProtocolVersion::V5 {
        let field = fields.required("reason_codes")?;
        codes = field.list()?.map(|code| code.u8()).collect::<Result<Vec<_>, _>>()?;
        list = Some(field);
    }
    let reasons = ReasonCodes::new(&codes, PacketType::UnsubAck, version).ok_or_else(|| match &list {
        Some(list) => list.error("at least one code, and only codes of an UNSUBACK"),
        None => JsonError::Missing { field: "reason_codes".to_owned() },
    })?;
    let ack = UnsubAck { packet_id, properties: properties.as_properties(), reasons };
    encode(fields, &Packet::UnsubAck(ack), version)
}
