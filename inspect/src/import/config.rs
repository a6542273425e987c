//! What a client was configured with, from its CONNECT.

use std::time::Duration;

use sterna_core::packet::{
    Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, PropertiesBuf, Property, ProtocolVersion, Will as PacketWill,
};
use sterna_core::{Authentication, CleanStart, ClientId, Config, VersionPolicy, Will};

/// Longer than any capture: deadlines that are the client's own choice are not in a CONNECT.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// The configuration with which Sterna sends the same CONNECT, but for the order of its properties.
pub(super) fn infer(connect: &Connect<'_>) -> Config {
    let v5 = connect.version == ProtocolVersion::V5;
    let mut config = Config::new(0);
    config.version = VersionPolicy::Only(connect.version);
    config.bridge = connect.bridge;
    config.client_id = ClientId::Given(connect.client_id.into());
    config.clean_start = if connect.clean_start { CleanStart::Always } else { CleanStart::Never };
    config.keep_alive = connect.keep_alive;
    config.user_name = connect.user_name.map(Into::into);
    config.password = connect.password.map(Into::into);
    config.will = connect.will.map(|will| Box::new(will_of(&will)));
    if v5 {
        let properties = connect.properties;
        config.session_expiry = properties.session_expiry_interval().unwrap_or(0);
        config.receive_maximum = properties.receive_maximum().unwrap_or(u16::MAX);
        config.maximum_packet_size = properties.maximum_packet_size().unwrap_or(PROTOCOL_MAXIMUM_PACKET_SIZE);
        config.topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
        config.request_response_information = properties.request_response_information().unwrap_or(false);
        config.request_problem_information = properties.request_problem_information().unwrap_or(true);
        config.authentication = properties.authentication_method().map(|method| {
            let data = properties.authentication_data().map(Into::into);
            Box::new(Authentication { method: method.into(), data })
        });
        config.user_properties = only_user_properties(connect);
    }
    config.connect_timeout = NEVER;
    config.ping_timeout = NEVER;
    config.ack_timeout = Duration::ZERO;
    config.write_timeout = Duration::ZERO;
    // The bounds are those that the server announces.
    config.in_flight_limit = u16::MAX;
    config.exactly_once_limit = u16::MAX;
    config
}

fn will_of(will: &PacketWill<'_>) -> Will {
    Will {
        topic: will.topic.into(),
        payload: will.payload.into(),
        qos: will.qos,
        retain: will.retain,
        properties: will.properties.into(),
    }
}

fn only_user_properties(connect: &Connect<'_>) -> PropertiesBuf {
    let mut only = PropertiesBuf::new();
    for (name, value) in connect.properties.user_properties() {
        // They were well-formed in the packet.
        let _ = only.push(Property::UserProperty { name, value });
    }
    only
}
