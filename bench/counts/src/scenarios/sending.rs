//! From `publish` to bytes, and on to the outcome.

use sterna_core::Publish;
use sterna_core::packet::{Packet, ProtocolVersion, QoS};

use super::{Scenario, count, repeat};
use crate::client::{Driven, NOW};
use crate::message::{Content, LARGE_PAYLOAD, PAYLOAD, PLAIN, TOPIC, ack, five_properties};

/// 22 KiB.
const BATCH: u64 = 256;

pub fn scenarios() -> Vec<Scenario> {
    let (v3, v5) = (ProtocolVersion::V3_1_1, ProtocolVersion::V5);
    vec![
        Scenario::new("send QoS 0, 3.1.1, batch of 256", move || transmit(v3, BATCH, PLAIN)).at_most(300),
        Scenario::new("send QoS 0, 3.1.1, singly", move || transmit(v3, 1, PLAIN)).at_most(400),
        Scenario::new("send QoS 0, 5.0, batch of 256", move || transmit(v5, BATCH, PLAIN)).at_most(300),
        Scenario::new("send QoS 0, 5.0, singly", move || transmit(v5, 1, PLAIN)).at_most(400),
        Scenario::new("send QoS 0, 5.0, batch of 2048", move || transmit(v5, 2_048, PLAIN)).at_most(300),
        Scenario::new("send QoS 0 unreported, 3.1.1, batch of 256", move || unreported(v3, BATCH))
            .at_most(300),
        Scenario::new("send QoS 0 unreported, 5.0, batch of 256", move || unreported(v5, BATCH)).at_most(300),
        Scenario::new("send QoS 0 unreported, 5.0, singly", move || unreported(v5, 1)).at_most(400),
        Scenario::new("send QoS 0 unreported, waiting for the transport, 5.0, batch of 256", move || {
            waiting(v5, BATCH)
        }),
        Scenario::new("send QoS 0, 5.0, five properties, singly", move || {
            let properties = five_properties();
            transmit(v5, 1, Content { properties: properties.as_properties(), payload: LARGE_PAYLOAD })
        })
        .at_most(1_400),
        Scenario::new("send QoS 0 to its outcome, 5.0, batch of 256", move || complete_qos_0(v5, BATCH)),
        Scenario::new("send QoS 0 to its outcome, 5.0, singly", move || complete_qos_0(v5, 1)),
        Scenario::new("send QoS 1 to its outcome, 3.1.1, batch of 256", move || complete_qos_1(v3, BATCH)),
        Scenario::new("send QoS 1 to its outcome, 5.0, batch of 256", move || complete_qos_1(v5, BATCH)),
        Scenario::new("send QoS 1 to its outcome, 5.0, singly", move || complete_qos_1(v5, 1)),
        Scenario::new("send QoS 2 to its outcome, 5.0, batch of 256", move || complete_qos_2(v5, BATCH)),
        Scenario::new("send QoS 2 to its outcome, 5.0, singly", move || complete_qos_2(v5, 1)),
    ]
}

/// `publish` and `poll_transmit`.
fn transmit(version: ProtocolVersion, batch: u64, content: Content<'_>) -> u64 {
    let mut driven = Driven::connected(version);
    repeat(batch, |counts| {
        count(counts, || {
            for _ in 0..batch {
                driven.publish(QoS::AtMostOnce, content);
            }
            driven.transmit();
        });
        driven.written();
        for _ in 0..batch {
            driven.expect_published();
        }
    })
}

/// `publish_unreported` and `poll_transmit`: what the client does for a message whose outcome nobody asks for.
fn unreported(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    repeat(batch, |counts| {
        count(counts, || {
            for _ in 0..batch {
                let publish = Publish::new(TOPIC, PAYLOAD);
                driven.connection.publish_unreported(NOW, &publish).expect("sent at once");
            }
            driven.transmit();
        });
        driven.written();
    })
}

/// The same while the send buffer is full, and until the transport has taken all.
fn waiting(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected_with(version, |config| config.send_buffer = 1);
    repeat(batch, |counts| {
        count(counts, || {
            for _ in 0..batch {
                let publish = Publish::new(TOPIC, PAYLOAD);
                driven.connection.publish_unreported(NOW, &publish).expect("it is encoded");
            }
            while driven.transmit() {
                driven.written();
            }
        });
    })
}

/// `publish`, `poll_transmit`, `handle_written`, `poll_event`.
fn complete_qos_0(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    repeat(batch, |counts| {
        count(counts, || {
            for _ in 0..batch {
                driven.publish(QoS::AtMostOnce, PLAIN);
            }
            driven.transmit();
            driven.written();
            for _ in 0..batch {
                driven.expect_published();
            }
        });
    })
}

/// All calls of a driver, from `publish` to the outcome.
fn complete_qos_1(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    repeat(batch, |counts| {
        let mut ids = Vec::new();
        for _ in 0..batch {
            count(counts, || driven.publish(QoS::AtLeastOnce, PLAIN));
            ids.push(driven.last_id());
        }
        write(&mut driven, counts);
        for id in ids {
            driven.server_sends(&Packet::PubAck(ack(id)));
        }
        finish(&mut driven, batch, counts);
    })
}

fn complete_qos_2(version: ProtocolVersion, batch: u64) -> u64 {
    let mut driven = Driven::connected(version);
    repeat(batch, |counts| {
        let mut ids = Vec::new();
        for _ in 0..batch {
            count(counts, || driven.publish(QoS::ExactlyOnce, PLAIN));
            ids.push(driven.last_id());
        }
        write(&mut driven, counts);
        for id in &ids {
            driven.server_sends(&Packet::PubRec(ack(*id)));
        }
        driven.arrive();
        count(counts, || driven.read());
        write(&mut driven, counts);
        for id in ids {
            driven.server_sends(&Packet::PubComp(ack(id)));
        }
        finish(&mut driven, batch, counts);
    })
}

fn write(driven: &mut Driven, counts: bool) {
    count(counts, || {
        driven.transmit();
        driven.written();
    });
}

fn finish(driven: &mut Driven, batch: u64, counts: bool) {
    driven.arrive();
    count(counts, || {
        driven.read();
        for _ in 0..batch {
            driven.expect_published();
        }
    });
}
