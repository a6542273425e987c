//! Runs a client against a sink of its own, and checks what it claims.

use std::path::Path;

use serde_json::Value;

use crate::clients::{CEILING, CLIENTS, Client};
use crate::process::{Output, Spinner};
use crate::scenario::{Amount, Kind, Scenario};
use crate::sink::Sink;

/// The processor of round trips.
const PROCESSOR: usize = 0;

/// One sample. Round trips have one of the raw socket's directly before them, which they are compared with.
pub(crate) fn sample(
    client: &Client,
    folder: &Path,
    scenario: &Scenario,
    amount: Amount,
) -> Result<Value, String> {
    match scenario.kind {
        Kind::Trip(_) => {
            let _spinner = Spinner::start(PROCESSOR)?;
            let trips = |client: &Client| {
                let words = ["taskset", "-c", &PROCESSOR.to_string()];
                run_under(client, folder, scenario, amount, &words)?.outcome()
            };
            let socket = CLIENTS.iter().find(|client| client.name == CEILING).ok_or("no ceiling")?;
            let socket = trips(socket)?;
            let mut outcome = if client.name == CEILING { socket.clone() } else { trips(client)? };
            outcome["socket"] = socket;
            Ok(outcome)
        }
        Kind::Idle | Kind::Burst => {
            let counting = client.counting_heap(folder);
            run_under(counting.as_ref().unwrap_or(client), folder, scenario, amount, &[])?.outcome()
        }
        _ => run_under(client, folder, scenario, amount, &[])?.outcome(),
    }
}

/// One run below another program; what both wrote.
pub(crate) fn run_under(
    client: &Client,
    folder: &Path,
    scenario: &Scenario,
    amount: Amount,
    words: &[&str],
) -> Result<Output, String> {
    let mut plan = scenario.plan(amount);
    plan.processor = scenario.is_trip().then_some(PROCESSOR);
    let sink = Sink::start(plan);
    let mut invocation = client.invocation(folder, scenario.work, sink.port);
    for argument in scenario.arguments(amount).into_iter().chain(scenario.transport.arguments()) {
        invocation = invocation.argument(argument);
    }
    if !words.is_empty() {
        invocation = invocation.under(words);
    }
    let output = invocation.run();
    let counts = sink.finish();
    // The client's own word comes first: the sink's may follow from it.
    let output = output?;
    scenario.check(&output.outcome()?, &counts?)?;
    Ok(output)
}
