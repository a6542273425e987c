//! What is measured, and how it is seen that the client did what it claims.

use std::time::Duration;

use serde_json::Value;

use crate::sink::{Counts, Flood, Plan, Until};

/// How much of it: for a time, or a number of messages.
pub(crate) type Amount = Until;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Publish as fast as it goes, with this quality of service.
    Publish(u8),
    /// Receive as fast as it goes.
    Receive(u8),
    /// One message at a time: with QoS 0 until it comes back, with QoS 1 until it is acknowledged.
    Trip(u8),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
}

const fn scenario(name: &'static str, title: &'static str, kind: Kind) -> Scenario {
    Scenario { name, title, kind }
}

/// In the order of the tables.
pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("pub0", "pub QoS 0", Kind::Publish(0)),
    scenario("pub1", "pub QoS 1", Kind::Publish(1)),
    scenario("pub2", "pub QoS 2", Kind::Publish(2)),
    scenario("recv0", "recv QoS 0", Kind::Receive(0)),
    scenario("recv1", "recv QoS 1", Kind::Receive(1)),
    scenario("trip0", "round trip QoS 0", Kind::Trip(0)),
    scenario("trip1", "round trip QoS 1", Kind::Trip(1)),
];

impl Scenario {
    pub(crate) fn plan(&self, amount: Amount) -> Plan {
        let flood = match self.kind {
            Kind::Receive(qos) => Some(Flood { qos, until: amount, payload: 64, batch: 64 * 1_024 }),
            _ => None,
        };
        Plan { echo: self.kind == Kind::Trip(0), small: true, flood, processor: None }
    }

    /// The client's argument for that; of a flood it is the sink that knows.
    pub(crate) fn argument(&self, amount: Amount) -> Option<String> {
        match (self.kind, amount) {
            (Kind::Receive(_), _) => None,
            (_, Until::Time(time)) => Some(format!("time={}", time.as_millis())),
            (_, Until::Messages(messages)) => Some(format!("messages={messages}")),
        }
    }

    /// Compares what the client claims with what came to the sink.
    pub(crate) fn check(&self, outcome: &Value, counts: &Counts) -> Result<(), String> {
        let messages = outcome["messages"].as_u64().ok_or("it does not say how many messages")?;
        let same = |what: &str, came: u64, expected: u64| {
            if came == expected { Ok(()) } else { Err(format!("{came} {what}, not {expected}")) }
        };
        if messages == 0 {
            return Err("no message at all".into());
        }
        same("connections", counts.connected, 1)?;
        match self.kind {
            Kind::Publish(0) => {
                same("messages of QoS 0 came", counts.published[0], messages)?;
                same("messages of QoS 1 came, the one at the end", counts.published[1], 1)
            }
            Kind::Publish(2) => {
                same("messages of QoS 2 came", counts.published[2], messages)?;
                same("messages were released", counts.released, messages)
            }
            Kind::Publish(qos) | Kind::Trip(qos) => {
                same("messages came", counts.published[usize::from(qos)], messages)
            }
            Kind::Receive(qos) => {
                same("messages were received", messages, counts.flooded)?;
                // The one that ends the flood as well.
                let expected = if qos > 0 { messages + 1 } else { 0 };
                same("acknowledgements came", counts.acknowledged, expected)
            }
        }
    }
}

pub(crate) fn for_milliseconds(milliseconds: u64) -> Amount {
    Until::Time(Duration::from_millis(milliseconds))
}
