//! Costs that must not grow: the same step with little and with much around it.

use std::collections::VecDeque;

use sterna_core::packet::{
    FiltersBuf, Packet, ProtocolVersion, QoS, ReasonCode, SubscribeFilter, SubscribeOptions,
};
use sterna_core::{Acknowledge, Config, Subscribe};

use super::{Scenario, count, repeat};
use crate::client::{Driven, NOW};
use crate::message::{self, PLAIN, ack};

const VERSION: ProtocolVersion = ProtocolVersion::V5;

type Run = fn(usize) -> u64;

pub fn scenarios() -> Vec<Scenario> {
    let curves: [(&str, &[usize], Run); 7] = [
        ("send QoS 1, acknowledged in order, in flight", &[1, 100, 10_000, 65_535], |many| {
            in_flight(many, false)
        }),
        ("send QoS 1, acknowledged in disorder, in flight", &[1, 100, 10_000, 65_535], |many| {
            in_flight(many, true)
        }),
        ("receive QoS 1, unacknowledged", &[1, 100, 10_000, 65_535], unacknowledged),
        ("receive QoS 0, subscriptions", &[1, 100, 10_000], subscriptions),
        ("queue QoS 1 offline, queued", &[1, 1_000, 1_000_000], queued),
        ("send what waited, queued", &[1_000, 100_000], drained),
        ("send QoS 0 to its outcome, messages before", &[1_000, 300_000], aged),
    ];
    let mut scenarios = Vec::new();
    for (name, sizes, run) in curves {
        scenarios
            .extend(sizes.iter().map(|size| Scenario::new(format!("{name}: {size}"), move || run(*size))));
    }
    scenarios
}

fn without_bounds(config: &mut Config) {
    config.in_flight_limit = u16::MAX;
    config.receive_maximum = u16::MAX;
    config.queue_limit = usize::MAX;
    config.queue_bytes = usize::MAX;
    config.send_buffer = 64 << 20;
    config.incoming_limit = usize::MAX;
    config.incoming_bytes = usize::MAX;
}

/// Picks numbers that look random and are the same each time.
struct Pick(u64);

impl Pick {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// With so many in flight one is acknowledged and another one sent: the oldest, or any.
fn in_flight(many: usize, any: bool) -> u64 {
    let mut driven = Driven::connected_with(VERSION, without_bounds);
    let mut ids = VecDeque::new();
    for _ in 0..many {
        driven.publish(QoS::AtLeastOnce, PLAIN);
        ids.push_back(driven.last_id());
        driven.transmit();
        driven.written();
    }
    let mut pick = Pick(1);
    repeat(1, |counts| {
        if any {
            let at = pick.below(ids.len());
            ids.swap(0, at);
        }
        let id = ids.pop_front().expect("in flight");
        driven.server_sends(&Packet::PubAck(ack(id)));
        driven.arrive();
        count(counts, || {
            driven.read();
            driven.expect_published();
            driven.publish(QoS::AtLeastOnce, PLAIN);
            driven.transmit();
            driven.written();
        });
        ids.push_back(driven.last_id());
    })
}

/// With so many messages that the application has not acknowledged, one is, and another one comes.
fn unacknowledged(many: usize) -> u64 {
    let mut driven = Driven::connected_with(VERSION, |config| {
        without_bounds(config);
        config.acknowledge = Acknowledge::Explicit;
    });
    let mut waiting = VecDeque::new();
    let mut last = 0_u16;
    let come = |driven: &mut Driven, last: &mut u16| {
        *last = last.checked_add(1).unwrap_or(1);
        driven.server_sends(&Packet::Publish(message::publish(QoS::AtLeastOnce, *last, PLAIN)));
        driven.arrive();
    };
    for _ in 0..many {
        come(&mut driven, &mut last);
        driven.read();
        waiting.extend(driven.expect_message().id());
    }
    repeat(1, |counts| {
        let id = waiting.pop_front().expect("one waits");
        count(counts, || {
            driven.connection.acknowledge(NOW, id, ReasonCode::SUCCESS).expect("owed");
            driven.transmit();
            driven.written();
        });
        come(&mut driven, &mut last);
        let message = count(counts, || {
            driven.read();
            driven.expect_message()
        });
        waiting.extend(message.id());
    })
}

fn subscriptions(many: usize) -> u64 {
    let mut driven = Driven::connected_with(VERSION, without_bounds);
    let mut filters = FiltersBuf::default();
    for number in 0..many {
        let filter = format!("building/{}/room/{number}", number % 50);
        filters
            .push(SubscribeFilter { filter: &filter, options: SubscribeOptions::default() })
            .expect("lawful");
    }
    driven.connection.subscribe(NOW, Subscribe::new(filters.as_filters())).expect("accepted");
    let publish = Packet::Publish(message::publish(QoS::AtMostOnce, 0, PLAIN));
    repeat(1, |counts| {
        driven.server_sends(&publish);
        driven.arrive();
        count(counts, || {
            driven.read();
            drop(driven.expect_message());
        });
    })
}

/// Without a connection; so many wait already.
fn queued(many: usize) -> u64 {
    let mut driven = Driven::started(VERSION, without_bounds);
    for _ in 0..many {
        driven.publish(QoS::AtLeastOnce, PLAIN);
    }
    repeat(1, |counts| count(counts, || driven.publish(QoS::AtLeastOnce, PLAIN)))
}

/// What waited is sent as acknowledgements free places.
fn drained(many: usize) -> u64 {
    let mut driven = Driven::started(VERSION, |config| {
        without_bounds(config);
        config.in_flight_limit = 100;
    });
    for _ in 0..many + 2_000 {
        driven.publish(QoS::AtLeastOnce, PLAIN);
    }
    driven.connect();
    let mut next = 0_u16;
    repeat(1, |counts| {
        next += 1;
        driven.server_sends(&Packet::PubAck(ack(next)));
        driven.arrive();
        count(counts, || {
            driven.read();
            driven.expect_published();
            driven.transmit();
            driven.written();
        });
    })
}

/// So many messages were sent on the connection.
fn aged(many: usize) -> u64 {
    let mut driven = Driven::connected(VERSION);
    let mut send = |counts: bool| {
        count(counts, || {
            driven.publish(QoS::AtMostOnce, PLAIN);
            driven.transmit();
            driven.written();
            driven.expect_published();
        });
    };
    for _ in 0..many {
        send(false);
    }
    repeat(1, send)
}
