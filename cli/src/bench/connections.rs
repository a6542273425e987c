//! `sterna bench conn`.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, json};

use super::collector::Collector;
use super::load::{Load, end, run as run_load};
use super::options::{LoadOptions, ResultOptions};
use super::progress::{Goal, Progress};
use super::report::Report;
use crate::args::parse_seconds;
use crate::connect::ConnectArguments;
use crate::exit::Failure;
use crate::session::pause;

const EXAMPLES: &str = "\
Exit status: 0 all of them connected, 1 one could not, 2 wrong usage, 27 time is over, 130 or 143 a second Ctrl-C or SIGTERM; \
connection refused by the server: the code of its CONNACK. Ctrl-C ends it and prints what there is.

Examples:
  sterna bench conn -n 10000 --connect-rate 500
  sterna bench conn mqtts://localhost -n 1000 --connect-parallel 20 --hold 10 --plot connections.svg";

/// Connect many clients, and measure how long each takes: from resolving the name to CONNACK.
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true, after_help = EXAMPLES)]
pub(crate) struct ConnectionsArguments {
    #[command(flatten)]
    load: LoadOptions,
    /// Seconds to stay connected when all of them are
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    hold: Duration,
    #[command(flatten)]
    result: ResultOptions,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Carries out `sterna bench conn`.
pub(super) fn run(arguments: &ConnectionsArguments) -> Result<(), Failure> {
    arguments.result.check()?;
    let mut plan = arguments.connect.plan()?;
    if plan.topic.is_some() {
        return Err(Failure::Usage("bench conn has no topic".to_owned()));
    }
    let (timeout, quiet, farewell) = (plan.timeout, plan.quiet(), plan.take_farewell()?);
    let load = Arc::new(Load::new(plan, &arguments.load));
    run_load(timeout, async |mut stop| {
        let collector = Arc::new(Collector::start());
        let progress = Progress::start(collector.clone(), Goal::Count(arguments.load.clients.into()), quiet);
        let counter = collector.clone();
        let connecting = load.connect(move |time| counter.note(Some(time), 0));
        let sessions = tokio::select! {
            sessions = connecting => sessions?,
            () = stop.stopped() => Vec::new(),
        };
        drop(progress);
        let mut settings = Map::new();
        settings.insert("clients".into(), arguments.load.clients.into());
        settings.insert("connect_rate".into(), json!(arguments.load.connect_rate));
        settings.insert("connect_parallel".into(), arguments.load.connect_parallel.into());
        let report = Report {
            kind: "conn",
            unit: "connections",
            latency_of: "time to connect",
            settings,
            snapshot: collector.finish(),
            tally: None,
        };
        tokio::select! {
            () = pause(Some(arguments.hold)) => {}
            () = stop.stopped() => {}
        }
        report.give(&arguments.result)?;
        end(sessions, &farewell).await;
        Ok(())
    })
}
