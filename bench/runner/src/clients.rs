//! Who is measured, and with which settings.

use std::path::{Path, PathBuf};

use crate::process::Invocation;

/// One row of the tables.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    program: &'static str,
    variant: &'static str,
    setting: &'static str,
    /// More arguments.
    more: &'static [&'static str],
    /// What it can do; the names of scenarios.
    pub(crate) scenarios: &'static [&'static str],
}

const FLOWS: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1"];
/// What a peer does.
const PEER: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle"];
const STERNA: &[&str] =
    &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle", "burst", "large-pub", "large-recv"];
const STERNA_BLOCKING: &[&str] = PEER;
const SECURE: &[&str] =
    &["tls-pub", "tls-pub-one", "tls-recv", "tls-recv-one", "ws-pub", "ws-pub-one", "ws-recv", "ws-recv-one"];

const fn client(
    name: &'static str,
    program: &'static str,
    variant: &'static str,
    setting: &'static str,
) -> Client {
    Client { name, program, variant, setting, more: &[], scenarios: PEER }
}

const fn sterna(name: &'static str, variant: &'static str, setting: &'static str) -> Client {
    Client { scenarios: STERNA, ..client(name, "bench-sterna", variant, setting) }
}

/// Sterna on its main runtime.
pub(crate) const TOKIO: &str = "Sterna, tokio";
pub(crate) const CURRENT: &str = "Sterna, tokio current_thread";
/// What TLS and WebSocket are compared with.
pub(crate) const BARE: &str = "bare streams";
pub(crate) const SECURED: &str = "Sterna, tokio, secured";
pub(crate) const CEILING: &str = "socket ceiling";
pub(crate) const REFERENCE: &str = "reference";

/// In the order of the tables.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        scenarios: &["pub0", "pub1", "recv0", "recv1", "trip0", "trip1"],
        ..client(CEILING, "bench-plain", "ceiling", "default")
    },
    Client { scenarios: &["pub0", "recv0"], ..client(REFERENCE, "bench-plain", "reference", "default") },
    Client {
        scenarios: &["pub0", "recv0"],
        ..client("reference, current_thread", "bench-plain", "reference-current", "default")
    },
    sterna(TOKIO, "tokio", "default"),
    Client { scenarios: FLOWS, ..sterna("Sterna, tokio, best", "tokio", "best") },
    Client { more: &["version=4"], scenarios: FLOWS, ..sterna("Sterna, tokio, 3.1.1", "tokio", "default") },
    sterna(CURRENT, "tokio-current", "default"),
    Client { scenarios: FLOWS, ..sterna("Sterna, tokio current_thread, best", "tokio-current", "best") },
    sterna("Sterna, smol", "smol", "default"),
    sterna("Sterna, async-std", "async-std", "default"),
    Client { scenarios: STERNA_BLOCKING, ..sterna("Sterna, blocking", "blocking", "default") },
    Client {
        scenarios: STERNA_BLOCKING,
        ..sterna("Sterna, blocking, on this thread", "blocking-here", "default")
    },
    client("rumqttc 0.25 v4, default", "bench-rumqttc", "v4", "default"),
    client("rumqttc 0.25 v4, best", "bench-rumqttc", "v4", "best"),
    client("rumqttc 0.25 v4, best, current_thread", "bench-rumqttc", "v4-current", "best"),
    client("rumqttc 0.25 v5, default", "bench-rumqttc", "v5", "default"),
    client("rumqttc 0.25 v5, best", "bench-rumqttc", "v5", "best"),
    client("rumqttc 0.25 v5, best, current_thread", "bench-rumqttc", "v5-current", "best"),
    client("ntex-mqtt 9.0, default", "bench-ntex", "v3", "default"),
    client("ntex-mqtt 9.0, best", "bench-ntex", "v3", "best"),
    client("libmosquitto, default", "bench-mosquitto", "c", "default"),
    client("libmosquitto, best", "bench-mosquitto", "c", "best"),
    client("MQTT.js 5.16", "bench-mqttjs", "js", "default"),
    client("gneiss-mqtt 0.5", "bench-gneiss", "tokio", "default"),
    client("gneiss-mqtt 0.5, current_thread", "bench-gneiss", "current", "best"),
    client("mqtt-endpoint-tokio 0.6, default", "bench-mqtt-endpoint", "tokio", "default"),
    client("mqtt-endpoint-tokio 0.6, best", "bench-mqtt-endpoint", "tokio", "best"),
    Client { scenarios: SECURE, ..client(BARE, "bench-bare", "bare", "default") },
    Client { scenarios: SECURE, ..sterna(SECURED, "tokio", "default") },
];

/// Whose instructions are counted: each run is some fifty times slower under callgrind.
pub(crate) const COUNTED: &[&str] =
    &[TOKIO, CURRENT, "rumqttc 0.25 v4, best", "ntex-mqtt 9.0, default", "ntex-mqtt 9.0, best"];

/// The ratios that the targets are about: scenario, ours, theirs, and the least that is wanted.
pub(crate) const TARGETS: &[(&str, &str, &str, f64)] = &[
    ("pub0", TOKIO, "ntex-mqtt 9.0, best", 1.5),
    ("pub0", CURRENT, "ntex-mqtt 9.0, best", 2.0),
    ("pub0", TOKIO, "rumqttc 0.25 v4, best", 8.0),
    ("pub0", TOKIO, REFERENCE, 0.75),
    ("pub1", TOKIO, "ntex-mqtt 9.0, default", 4.0),
    ("pub1", TOKIO, "ntex-mqtt 9.0, best", 4.0),
    ("pub1", TOKIO, "rumqttc 0.25 v4, best", 5.0),
    ("pub2", TOKIO, "rumqttc 0.25 v4, best", 4.0),
    ("recv0", TOKIO, "rumqttc 0.25 v4, best", 3.0),
    ("recv1", TOKIO, "rumqttc 0.25 v4, best", 1.5),
];

impl Client {
    /// The file that it is, in the folder where `./run` builds them.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        folder.join(self.program)
    }

    /// The same program with an allocator that counts; the one itself where it counts anyway.
    pub(crate) fn counting_heap(&self, folder: &Path) -> Option<Self> {
        let program = match self.program {
            "bench-sterna" => "bench-sterna-heap",
            "bench-rumqttc" => "bench-rumqttc-heap",
            "bench-ntex" => "bench-ntex-heap",
            "bench-gneiss" => "bench-gneiss-heap",
            "bench-mqtt-endpoint" => "bench-mqtt-endpoint-heap",
            _ => return None,
        };
        let client = Self { program, ..self.clone() };
        client.file(folder).exists().then_some(client)
    }

    /// How it is started for one scenario.
    pub(crate) fn invocation(&self, folder: &Path, scenario: &str, port: u16) -> Invocation {
        let mut invocation = Invocation::new(self.file(folder))
            .argument(format!("variant={}", self.variant))
            .argument(format!("setting={}", self.setting))
            .argument(format!("scenario={scenario}"))
            .argument(format!("port={port}"));
        for &word in self.more {
            invocation = invocation.argument(word);
        }
        invocation
    }
}
