//! What CONNECT has to say: what was configured.

use sterna_core::packet::{Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, Properties, ProtocolVersion, Will};

use super::super::choices::USER_PROPERTY;
use super::super::setup::ClientSetup;
use super::{Bench, Wire};

impl Wire {
    pub(super) fn sent_connect(&self, connect: &Connect<'_>, bench: &mut Bench<'_>) {
        let expected = format!("c{}", self.client);
        self.require(connect.client_id == expected, bench, "CONNECT has another client identifier", || {
            connect.client_id.to_owned()
        });
        let setup = &self.setup;
        let is_v5 = connect.version == ProtocolVersion::V5;
        let will = setup.will.then(|| setup.choices.will.will());
        let has_will = match (&connect.will, &will) {
            (None, None) => true,
            (Some(said), Some(will)) => {
                let expected = Will {
                    qos: will.qos,
                    retain: will.retain,
                    properties: will.properties.as_properties(),
                    topic: &will.topic,
                    payload: &will.payload,
                };
                *said == expected
            }
            _ => false,
        };
        let holds = has_will
            && connect.keep_alive == setup.keep_alive
            && connect.bridge == (setup.choices.bridge && !is_v5)
            && (!is_v5 || says(setup, connect.properties));
        self.require(holds, bench, "CONNECT says something else than was configured", || {
            format!("{connect:?}")
        });
    }
}

fn says(setup: &ClientSetup, properties: Properties<'_>) -> bool {
    let choices = &setup.choices;
    let has_user_property = properties.iter().any(|property| property == USER_PROPERTY);
    properties.session_expiry_interval().unwrap_or(0) == setup.session_expiry
        && properties.receive_maximum().unwrap_or(u16::MAX) == setup.receive_maximum
        && properties.maximum_packet_size().unwrap_or(PROTOCOL_MAXIMUM_PACKET_SIZE)
            == choices.maximum_packet_size
        && properties.topic_alias_maximum().unwrap_or(0) == setup.topic_alias_maximum
        && properties.request_response_information().unwrap_or(false) == choices.response_information
        && properties.request_problem_information().unwrap_or(true) == choices.problem_information
        && has_user_property == choices.user_properties
}
