//! What a user does with a client, against real and built-in brokers: each scenario is written once and runs for
//! every protocol version and every broker.
//!
//! A scenario is an `async fn` of a [`brokers::Setup`], which makes brokers and clients; `scenarios!` makes the tests
//! of it (it stands first, since a macro is known from there on). Nothing sleeps in order to wait for something, and no scenario can hang: each has [`LIMIT`].

/// Makes the tests of the scenarios named: one for each protocol version and broker, `v5::mosquitto::NAME` and so on.
/// After `only NAME:` come those that need that broker, or those that only newer or older versions have.
macro_rules! scenarios {
    (only mosquitto: $($name:ident),+ $(,)?) => {
        mod real { scenarios!(@versions [V3_1 V3_1_1 V5] [Mosquitto] [$($name)+]); }
    };
    (only test_broker: $($name:ident),+ $(,)?) => {
        mod scripted { scenarios!(@versions [V3_1 V3_1_1 V5] [TestBroker] [$($name)+]); }
    };
    (only v3: $($name:ident),+ $(,)?) => {
        mod older { scenarios!(@versions [V3_1 V3_1_1] [Mosquitto TestBroker] [$($name)+]); }
    };
    (only v5: $($name:ident),+ $(,)?) => {
        mod newer { scenarios!(@versions [V5] [Mosquitto TestBroker] [$($name)+]); }
    };
    ($($name:ident),+ $(,)?) => {
        mod every { scenarios!(@versions [V3_1 V3_1_1 V5] [Mosquitto TestBroker] [$($name)+]); }
    };
    (@versions [$($version:ident)+] $kinds:tt $names:tt) => {
        $( scenarios!(@version $version $kinds $names); )+
    };
    (@version V3_1 $kinds:tt $names:tt) => { mod v3_1 { scenarios!(@kinds V3_1 $kinds $names); } };
    (@version V3_1_1 $kinds:tt $names:tt) => { mod v3_1_1 { scenarios!(@kinds V3_1_1 $kinds $names); } };
    (@version V5 $kinds:tt $names:tt) => { mod v5 { scenarios!(@kinds V5 $kinds $names); } };
    (@kinds $version:ident [$($kind:ident)+] $names:tt) => {
        $( scenarios!(@kind $version $kind $names); )+
    };
    (@kind $version:ident Mosquitto $names:tt) => {
        mod mosquitto { scenarios!(@tests $version Mosquitto $names); }
    };
    (@kind $version:ident TestBroker $names:tt) => {
        mod test_broker { scenarios!(@tests $version TestBroker $names); }
    };
    (@tests $version:ident $kind:ident [$($name:ident)+]) => {
        $(
            #[test]
            fn $name() {
                let kind = crate::brokers::Kind::$kind;
                let version = sterna::ProtocolVersion::$version;
                crate::run(super::super::super::$name(crate::brokers::Setup { kind, version }));
            }
        )+
    };
}

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod brokers;
mod cancel;
mod delivery;
mod hostile;
mod life;
mod operations;
mod outage;
mod properties;
mod refused;
mod requests;
mod restart;
mod routing;
mod servers;
mod slow;
mod stored;
mod tools;
mod volume;

use std::future::Future;
use std::time::Duration;

/// How long one scenario may take, on a busy machine: far more than any needs.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs one test on a runtime of its own.
fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let result = runtime.block_on(async { tokio::time::timeout(LIMIT, scenario).await });
    // A client that hangs must not keep the test from failing.
    runtime.shutdown_background();
    result.unwrap_or_else(|_| panic!("the scenario did not end within {LIMIT:?}"));
}
