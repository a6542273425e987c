//! The message that everything is counted with, and the packets of a server.

use sterna_core::packet::{
    Ack, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, Properties, PropertiesBuf, Property, ProtocolVersion, Publish,
    QoS, ReasonCode,
};

/// 20 bytes.
pub const TOPIC: &str = "sensors/house/0001/t";
/// 64 bytes: with the topic above the packet has 88 bytes on 3.1.1.
pub const PAYLOAD: &[u8] = &[b'x'; 64];
/// For the message with properties.
pub const LARGE_PAYLOAD: &[u8] = &[b'x'; 256];

/// Five properties, as those of a request.
pub fn five_properties() -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for property in [
        Property::MessageExpiryInterval(3_600),
        Property::ContentType("application/json"),
        Property::ResponseTopic("answers/client-17/0042"),
        Property::CorrelationData(b"0123456789abcdef"),
        Property::UserProperty {
            name: "traceparent",
            value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    ] {
        properties.push(property).expect("lawful");
    }
    properties
}

/// What a PUBLISH has besides topic, version and quality of service.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}

/// No properties, 64 bytes.
pub const PLAIN: Content<'static> = Content { properties: Properties::EMPTY, payload: PAYLOAD };

pub fn publish(qos: QoS, packet_id: u16, Content { properties, payload }: Content<'_>) -> Publish<'_> {
    Publish { duplicate: false, qos, retain: false, topic: TOPIC, packet_id, properties, payload }
}

pub fn encode(packet: &Packet<'_>, version: ProtocolVersion, out: &mut Vec<u8>) {
    packet.encode(version, PROTOCOL_MAXIMUM_PACKET_SIZE, out).expect("lawful");
}

/// An acknowledgement without reason and properties.
pub fn ack(packet_id: u16) -> Ack<'static> {
    Ack { packet_id, reason: ReasonCode::SUCCESS, properties: Properties::EMPTY }
}
