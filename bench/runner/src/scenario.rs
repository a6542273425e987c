//! What is measured, and how it is seen that the client did what it claims.

use std::time::Duration;

use serde_json::Value;

use crate::sink::{Counts, Flood, Plan, Transport, Until};

/// How much of it: for a time, or a number of messages.
pub(crate) type Amount = Until;

/// How many idle clients share what they have in memory.
const IDLE_CLIENTS: u64 = 100;
/// How many of them have a burst, and how many messages each.
const BURST_CLIENTS: u64 = 50;
const BURST: u64 = 10_000;
/// Bytes of the large payload.
pub(crate) const LARGE: usize = 64 * 1_024 * 1_024;
/// How much is sent at once where that is not what is measured.
const BATCH: usize = 64 * 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Publish as fast as it goes, with this quality of service.
    Publish(u8),
    /// Receive as fast as it goes.
    Receive(u8),
    /// One message at a time: with QoS 0 until it comes back, with QoS 1 until it is acknowledged.
    Trip(u8),
    /// What clients have in memory that do nothing.
    Idle,
    /// What they have two seconds after each has published and received some thousand messages.
    Burst,
    /// What one large payload costs in memory.
    PublishLarge,
    ReceiveLarge,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What the clients call it.
    pub(crate) work: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    pub(crate) transport: Transport,
    /// Whether it is about what lies between MQTT and the socket.
    pub(crate) layered: bool,
    /// How many bytes the sink sends at once.
    batch: usize,
}

const fn scenario(name: &'static str, title: &'static str, kind: Kind) -> Scenario {
    Scenario { name, work: name, title, kind, transport: Transport::Tcp, layered: false, batch: BATCH }
}

/// Publishing for the comparison of layers: one message at a time, or as many as 64 KiB hold.
const fn layered_pub(
    transport: Transport,
    name: &'static str,
    title: &'static str,
    single: bool,
) -> Scenario {
    let work = if single { "single0" } else { "pub0" };
    Scenario { name, work, title, kind: Kind::Publish(0), transport, layered: true, batch: BATCH }
}

/// The same for receiving.
const fn layered_recv(
    transport: Transport,
    name: &'static str,
    title: &'static str,
    batch: usize,
) -> Scenario {
    Scenario { name, work: "recv0", title, kind: Kind::Receive(0), transport, layered: true, batch }
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
    scenario("idle", "idle", Kind::Idle),
    scenario("burst", "after a burst", Kind::Burst),
    scenario("large-pub", "pub 64 MiB", Kind::PublishLarge),
    scenario("large-recv", "recv 64 MiB", Kind::ReceiveLarge),
    layered_pub(Transport::Tcp, "tcp-pub-88", "TCP, pub, 88 bytes at once", true),
    layered_pub(Transport::Tcp, "tcp-pub-64k", "TCP, pub, 64 KiB at once", false),
    layered_recv(Transport::Tcp, "tcp-recv-88", "TCP, recv, 88 bytes at once", 1),
    layered_recv(Transport::Tcp, "tcp-recv-64k", "TCP, recv, 64 KiB at once", BATCH),
    layered_pub(Transport::Tls, "tls-pub-88", "TLS, pub, 88 bytes at once", true),
    layered_pub(Transport::Tls, "tls-pub-64k", "TLS, pub, 64 KiB at once", false),
    layered_recv(Transport::Tls, "tls-recv-88", "TLS, recv, 88 bytes at once", 1),
    layered_recv(Transport::Tls, "tls-recv-64k", "TLS, recv, 64 KiB at once", BATCH),
    layered_pub(Transport::WebSocket, "ws-pub-88", "WebSocket, pub, 88 bytes at once", true),
    layered_pub(Transport::WebSocket, "ws-pub-64k", "WebSocket, pub, 64 KiB at once", false),
    layered_recv(Transport::WebSocket, "ws-recv-88", "WebSocket, recv, 88 bytes at once", 1),
    layered_recv(Transport::WebSocket, "ws-recv-64k", "WebSocket, recv, 64 KiB at once", BATCH),
    layered_pub(Transport::WebSocketTls, "wss-pub-88", "WebSocket over TLS, pub, 88 bytes at once", true),
    layered_pub(Transport::WebSocketTls, "wss-pub-64k", "WebSocket over TLS, pub, 64 KiB at once", false),
    layered_recv(Transport::WebSocketTls, "wss-recv-88", "WebSocket over TLS, recv, 88 bytes at once", 1),
    layered_recv(Transport::WebSocketTls, "wss-recv-64k", "WebSocket over TLS, recv, 64 KiB at once", BATCH),
];

/// Those whose system calls and instructions are counted.
pub(crate) fn counted() -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().filter(|scenario| scenario.flows())
}

impl Scenario {
    /// Whether it has a rate.
    pub(crate) fn flows(&self) -> bool {
        matches!(self.kind, Kind::Publish(_) | Kind::Receive(_))
    }

    pub(crate) fn is_trip(&self) -> bool {
        matches!(self.kind, Kind::Trip(_))
    }

    pub(crate) fn plan(&self, amount: Amount) -> Plan {
        let flood = |qos, until, payload| Some(Flood { qos, until, payload, batch: self.batch });
        let flood = match self.kind {
            Kind::Receive(qos) => flood(qos, amount, 64),
            Kind::Burst => flood(0, Until::Messages(BURST), 64),
            Kind::ReceiveLarge => flood(1, Until::Messages(1), LARGE),
            _ => None,
        };
        Plan {
            echo: self.kind == Kind::Trip(0),
            small: self.kind != Kind::PublishLarge,
            flood,
            processor: None,
            transport: self.transport,
        }
    }

    /// The client's arguments for that; of a flood it is the sink that knows.
    pub(crate) fn arguments(&self, amount: Amount) -> Vec<String> {
        match self.kind {
            Kind::Publish(_) | Kind::Trip(_) => vec![match amount {
                Until::Time(time) => format!("time={}", time.as_millis()),
                Until::Messages(messages) => format!("messages={messages}"),
            }],
            Kind::Receive(_) => Vec::new(),
            Kind::Idle => vec![format!("clients={IDLE_CLIENTS}")],
            Kind::Burst => vec![format!("clients={BURST_CLIENTS}")],
            Kind::PublishLarge | Kind::ReceiveLarge => vec![format!("size={LARGE}")],
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
        let connections = match self.kind {
            Kind::Idle => IDLE_CLIENTS + 1,
            Kind::Burst => BURST_CLIENTS + 1,
            _ => 1,
        };
        same("connections", counts.connected, connections)?;
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
            Kind::Idle => Ok(()),
            Kind::Burst => {
                same("messages came", counts.published[0], BURST * BURST_CLIENTS)?;
                same("messages were sent", counts.flooded, BURST * BURST_CLIENTS)
            }
            Kind::PublishLarge => {
                let enough = counts.published[1] == 1 && counts.bytes > LARGE as u64;
                if enough { Ok(()) } else { Err("the message did not come".into()) }
            }
            Kind::ReceiveLarge => same("acknowledgements came", counts.acknowledged, 2),
        }
    }
}

pub(crate) fn for_milliseconds(milliseconds: u64) -> Amount {
    Until::Time(Duration::from_millis(milliseconds))
}
