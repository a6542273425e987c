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
const PEER: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle", "burst"];
const STERNA: &[&str] =
    &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle", "burst", "large-pub", "large-recv"];
const STERNA_BLOCKING: &[&str] = WITHOUT_BURST;
const WITHOUT_BURST: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle"];
const LAYERED: &[&str] = &[
    "tcp-pub-88",
    "tcp-pub-64k",
    "tcp-recv-88",
    "tcp-recv-64k",
    "tls-pub-88",
    "tls-pub-64k",
    "tls-recv-88",
    "tls-recv-64k",
    "ws-pub-88",
    "ws-pub-64k",
    "ws-recv-88",
    "ws-recv-64k",
    "wss-pub-88",
    "wss-pub-64k",
    "wss-recv-88",
    "wss-recv-64k",
];
/// Over TCP there is no layer.
const LAYERS_ONLY: &[&str] = LAYERED.split_at(4).1;

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
/// The layers of Sterna in its place, and the whole client.
pub(crate) const LAYERS: &str = "Sterna's layers alone";
pub(crate) const SECURED: &str = "Sterna, tokio, layered";
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
    Client { scenarios: WITHOUT_BURST, ..client("libmosquitto, default", "bench-mosquitto", "c", "default") },
    Client { scenarios: WITHOUT_BURST, ..client("libmosquitto, best", "bench-mosquitto", "c", "best") },
    client("MQTT.js 5.16", "bench-mqttjs", "js", "default"),
    client("gneiss-mqtt 0.5", "bench-gneiss", "tokio", "default"),
    client("gneiss-mqtt 0.5, current_thread", "bench-gneiss", "current", "best"),
    client("mqtt-endpoint-tokio 0.6, default", "bench-mqtt-endpoint", "tokio", "default"),
    client("mqtt-endpoint-tokio 0.6, best", "bench-mqtt-endpoint", "tokio", "best"),
    Client { scenarios: LAYERED, ..client(BARE, "bench-bare", "bare", "default") },
    Client { scenarios: LAYERS_ONLY, ..client(LAYERS, "bench-bare", "layers", "default") },
    Client { more: &["version=4"], scenarios: LAYERED, ..sterna(SECURED, "tokio", "default") },
];

/// Whose instructions are counted: each run is some fifty times slower under callgrind.
pub(crate) const COUNTED: &[&str] = &[
    TOKIO,
    CURRENT,
    "rumqttc 0.25 v4, default",
    "rumqttc 0.25 v4, best",
    "ntex-mqtt 9.0, default",
    "ntex-mqtt 9.0, best",
    BARE,
    LAYERS,
    SECURED,
];

/// Ten thousand of whom are in one process, and whether they connect again by themselves.
pub(crate) const MANY: &[(&str, bool)] = &[
    (TOKIO, true),
    ("rumqttc 0.25 v4, default", true),
    ("rumqttc 0.25 v5, best", true),
    ("ntex-mqtt 9.0, default", false),
    ("MQTT.js 5.16", true),
    ("gneiss-mqtt 0.5", true),
    ("mqtt-endpoint-tokio 0.6, default", false),
];

/// What is not measured as it is of others, or not at all, and why: who, what, why.
pub(crate) const NOTES: &[(&str, &str, &str)] = &[
    (
        "socket ceiling, reference",
        "most",
        "they have no session: no QoS 2, and of the reference no acknowledgements either.",
    ),
    (
        "ntex-mqtt 9.0",
        "pub QoS 2",
        "one message at a time. It keeps the receiver of a PUBCOMP in one place for the whole connection \
         (`MqttSharedQueues::rx` in its `src/v3/shared.rs`): of two messages under way the second release fails with \
         `UnexpectedRelease`.",
    ),
    (
        "ntex-mqtt 9.0",
        "recv",
        "it hands messages over in another order than they came: a PUBLISH whose payload is split between two reads \
         is handled by one task, those behind it by others (`call_service` in its `src/io.rs`). All are counted, \
         their order is not looked at.",
    ),
    (
        "ntex-mqtt 9.0, mqtt-endpoint-tokio 0.6",
        "10,000 clients",
        "neither connects again by itself; connecting is measured.",
    ),
    (
        "rumqttc 0.25",
        "10,000 clients",
        "it connects again when the application polls the event loop after an error; here that waits a second first. \
         v5 with its defaults would need some 130 GiB.",
    ),
    (
        "libmosquitto",
        "burst, 10,000 clients",
        "not measured: each client needs a thread of its own, or a loop of the application's.",
    ),
    (
        "Sterna, blocking",
        "burst, 10,000 clients",
        "not measured: the engine and its buffers are those of the other runtimes.",
    ),
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
