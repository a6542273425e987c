//! From bytes to the message, and on to its acknowledgement.

use sterna_core::packet::{Packet, ProtocolVersion, QoS};

use super::{Scenario, count, repeat};
use crate::client::Driven;
use crate::message::{self, Content, LARGE_PAYLOAD, PLAIN, ack, five_properties};

/// As many as one read of 16 KiB has.
const BATCH: u64 = 186;

pub fn scenarios() -> Vec<Scenario> {
    let (v3, v5) = (ProtocolVersion::V3_1_1, ProtocolVersion::V5);
    vec![
        Scenario::new("receive QoS 0, 3.1.1, 186 a read", move || qos_0(v3, BATCH, PLAIN)).at_most(450),
        Scenario::new("receive QoS 0, 3.1.1, one a read", move || qos_0(v3, 1, PLAIN)).at_most(450),
        Scenario::new("receive QoS 0, 5.0, 186 a read", move || qos_0(v5, BATCH, PLAIN)).at_most(450),
        Scenario::new("receive QoS 0, 5.0, one a read", move || qos_0(v5, 1, PLAIN)).at_most(450),
        Scenario::new("receive QoS 0, 5.0, five properties, one a read", move || {
            let properties = five_properties();
            qos_0(v5, 1, Content { properties: properties.as_properties(), payload: LARGE_PAYLOAD })
        })
        .at_most(1_400),
        Scenario::new("receive QoS 1 and acknowledge, 3.1.1, 186 a read", move || qos_1(v3, BATCH)),
        Scenario::new("receive QoS 1 and acknowledge, 5.0, 186 a read", move || qos_1(v5, BATCH)),
        Scenario::new("receive QoS 1 and acknowledge, 5.0, one a read", move || qos_1(v5, 1)),
        Scenario::new("receive QoS 2 to PUBCOMP, 5.0, 186 a read", move || qos_2(v5, BATCH)),
        Scenario::new("receive QoS 2 to PUBCOMP, 5.0, one a read", move || qos_2(v5, 1)),
    ]
}

/// `handle_input`, and the message taken and dropped.
fn qos_0(version: ProtocolVersion, batch: u64, content: Content<'_>) -> u64 {
    let mut driven = Driven::connected(version);
    let publish = Packet::Publish(message::publish(QoS::AtMostOnce, 0, content));
    repeat(batch, |counts| {
        for _ in 0..batch {
            driven.server_sends(&publish);
        }
        driven.arrive();
        take(&mut driven, batch, counts);
    })
}

/// With PUBACK, `poll_transmit` and `handle_written`.
fn qos_1(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    let mut last = 0_u16;
    repeat(batch, |counts| {
        for _ in 0..batch {
            last = last.checked_add(1).unwrap_or(1);
            driven.server_sends(&Packet::Publish(message::publish(QoS::AtLeastOnce, last, PLAIN)));
        }
        driven.arrive();
        take(&mut driven, batch, counts);
        write(&mut driven, counts);
    })
}

fn qos_2(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    let mut last = 0_u16;
    repeat(batch, |counts| {
        let mut ids = Vec::new();
        for _ in 0..batch {
            last = last.checked_add(1).unwrap_or(1);
            ids.push(last);
            driven.server_sends(&Packet::Publish(message::publish(QoS::ExactlyOnce, last, PLAIN)));
        }
        driven.arrive();
        take(&mut driven, batch, counts);
        write(&mut driven, counts);
        for id in ids {
            driven.server_sends(&Packet::PubRel(ack(id)));
        }
        driven.arrive();
        count(counts, || driven.read());
        write(&mut driven, counts);
    })
}

fn take(driven: &mut Driven, batch: u64, counts: bool) {
    count(counts, || {
        driven.read();
        for _ in 0..batch {
            drop(driven.expect_message());
        }
    });
}

fn write(driven: &mut Driven, counts: bool) {
    count(counts, || {
        driven.transmit();
        driven.written();
    });
}
