//! What a user does with a client, against real and built-in brokers: each scenario is written once and runs in every cell
//! of the matrix of runtimes, transports, protocol versions and brokers.
//!
//! A scenario is an `async fn` of a [`brokers::Setup`], which makes brokers and clients; `scenarios!` lists those of a
//! file (it stands first, since a macro is known from there on). Nothing sleeps in order to wait for something, and no
//! scenario can hang: each has [`LIMIT`].
//!
//! Without more, all scenarios run on tokio over TCP, those that are for another transport over that, and a few (the smoke
//! tests) in every cell. With `STERNA_MATRIX=1` in the environment all of them run everywhere, and a table tells how many
//! passed in each cell. With brokers of other makes installed (`./test --brokers`) they run on those instead, but for what
//! `differences.rs` lists. Arguments are those of any test: parts of the names, such as `tokio::tcp::v5` or `delivery::`.

/// Lists the scenarios of a file: `SCOPE => name, name; …`, where a [`Scope`](cell::Scope) says where they can run.
macro_rules! scenarios {
    ($($scope:expr => $($name:ident),+ $(,)?);+ $(;)?) => {
        pub(crate) const SCENARIOS: &[crate::Scenario] = &[$($(crate::Scenario {
            name: concat!(module_path!(), "::", stringify!($name)),
            scope: $scope,
            run: |setup| Box::pin($name(setup)),
        }),+),+];
    };
}

#[path = "../support/mod.rs"]
mod support;

mod authentication;
mod brokers;
mod cancel;
mod cell;
mod cuts;
mod declared;
mod delivery;
mod differences;
mod encryption;
mod hostile;
mod life;
mod operations;
#[allow(dead_code, reason = "the recordings use the rest")]
mod other_brokers;
mod outage;
mod points;
mod properties;
mod proxies;
mod proxy;
mod refused;
mod requests;
mod restart;
mod routing;
mod runtimes;
mod servers;
mod shutdown;
mod slow;
mod stored;
mod table;
mod tools;
mod volume;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};

use crate::brokers::Setup;
use crate::cell::{Cell, Kind, Scope};
use crate::other_brokers::Make;
use crate::table::Table;

/// How long one scenario may take, on a busy machine: far more than any needs.
const LIMIT: Duration = Duration::from_secs(60);

/// One of what is listed by `scenarios!`.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    /// With the path of its module, the crate's name first.
    name: &'static str,
    scope: Scope,
    run: fn(Setup) -> Pin<Box<dyn Future<Output = ()>>>,
}

impl Scenario {
    /// `file::name`.
    fn path(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, path)| path)
    }
}

const SCENARIOS: &[&[Scenario]] = &[
    authentication::SCENARIOS,
    cancel::SCENARIOS,
    cuts::SCENARIOS,
    declared::SCENARIOS,
    delivery::SCENARIOS,
    encryption::SCENARIOS,
    hostile::SCENARIOS,
    life::SCENARIOS,
    operations::SCENARIOS,
    outage::SCENARIOS,
    points::SCENARIOS,
    properties::SCENARIOS,
    proxies::SCENARIOS,
    refused::SCENARIOS,
    requests::SCENARIOS,
    restart::SCENARIOS,
    routing::SCENARIOS,
    servers::SCENARIOS,
    shutdown::SCENARIOS,
    slow::SCENARIOS,
    stored::SCENARIOS,
    volume::SCENARIOS,
];

fn main() -> ExitCode {
    support::network::isolate();
    let arguments = Arguments::from_args();
    let everything = std::env::var_os("STERNA_MATRIX").is_some_and(|value| value == "1");
    let table = Arc::new(Table::default());
    let others = Make::are_installed();
    let cells: Vec<Cell> = if others { Cell::others().collect() } else { Cell::all().collect() };
    let trials = cells.into_iter().flat_map(|cell| {
        let table = &table;
        SCENARIOS
            .iter()
            .copied()
            .flatten()
            .filter(move |scenario| scenario.scope.allows(cell))
            .filter(move |scenario| everything || others || scenario.scope.is_usual(cell))
            .filter(move |scenario| differences::suits(cell, scenario.path()))
            .map(move |scenario| trial(cell, *scenario, Arc::clone(table)))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if everything || others {
        println!("{table}");
    }
    if others {
        differences::not_asked().for_each(|line| println!("{line}"));
    }
    conclusion.exit_code()
}

fn trial(cell: Cell, scenario: Scenario, table: Arc<Table>) -> Trial {
    Trial::test(format!("{cell}::{}", scenario.path()), move || {
        let entry = table.begin(cell);
        run(cell, (scenario.run)(Setup { cell }));
        entry.passed();
        Ok(())
    })
}

/// Runs one scenario, with tokio for its brokers.
fn run(cell: Cell, scenario: impl Future<Output = ()>) {
    let harness = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let limit = match cell.kind {
        Kind::Other(_) => LIMIT + other_brokers::PATIENCE,
        Kind::Mosquitto | Kind::TestBroker => LIMIT,
    };
    let limited = async { tokio::time::timeout(limit, scenario).await };
    let result = cell.runtime.block_on(&harness, limited);
    // A client that hangs must not keep the test from failing.
    harness.shutdown_background();
    result.unwrap_or_else(|_| panic!("the scenario did not end within {limit:?}"));
}
