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

const ALL: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1", "trip0", "trip1", "idle"];
const NO_TRIPS: &[&str] = &["pub0", "pub1", "pub2", "recv0", "recv1"];

const fn client(
    name: &'static str,
    program: &'static str,
    variant: &'static str,
    setting: &'static str,
) -> Client {
    Client { name, program, variant, setting, more: &[], scenarios: ALL }
}

/// In the order of the tables.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        scenarios: &["pub0", "pub1", "recv0", "recv1", "trip0", "trip1"],
        ..client("socket ceiling", "bench-plain", "ceiling", "default")
    },
    Client {
        scenarios: &["pub0", "recv0"],
        ..client("reference", "bench-plain", "reference", "default")
    },
    Client {
        scenarios: &["pub0", "recv0"],
        ..client("reference, current_thread", "bench-plain", "reference-current", "default")
    },
    client("Sterna, tokio", "bench-sterna", "tokio", "default"),
    Client { scenarios: NO_TRIPS, ..client("Sterna, tokio, best", "bench-sterna", "tokio", "best") },
    Client {
        more: &["version=4"],
        scenarios: NO_TRIPS,
        ..client("Sterna, tokio, 3.1.1", "bench-sterna", "tokio", "default")
    },
    client("Sterna, tokio current_thread", "bench-sterna", "tokio-current", "default"),
    Client {
        scenarios: NO_TRIPS,
        ..client("Sterna, tokio current_thread, best", "bench-sterna", "tokio-current", "best")
    },
    client("Sterna, smol", "bench-sterna", "smol", "default"),
    client("Sterna, async-std", "bench-sterna", "async-std", "default"),
    client("Sterna, blocking", "bench-sterna", "blocking", "default"),
    client("Sterna, blocking, on this thread", "bench-sterna", "blocking-here", "default"),
    client("rumqttc 0.25 v4, default", "bench-rumqttc", "v4", "default"),
    client("rumqttc 0.25 v4, best", "bench-rumqttc", "v4", "best"),
    client("rumqttc 0.25 v4, best, current_thread", "bench-rumqttc", "v4-current", "best"),
    client("rumqttc 0.25 v5, default", "bench-rumqttc", "v5", "default"),
    client("rumqttc 0.25 v5, best", "bench-rumqttc", "v5", "best"),
    client("rumqttc 0.25 v5, best, current_thread", "bench-rumqttc", "v5-current", "best"),
    client("ntex-mqtt 9.0, default", "bench-ntex", "v3", "default"),
    client("ntex-mqtt 9.0, best", "bench-ntex", "v3", "best"),
];

impl Client {
    /// The file that it is, in the folder where `./run` builds them.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        folder.join(self.program)
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
