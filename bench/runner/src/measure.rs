//! Runs a client against a sink of its own, and checks what it claims.

use std::path::Path;

use serde_json::Value;

use crate::clients::Client;
use crate::process::{Output, Spinner};
use crate::scenario::{Amount, Kind, Scenario};
use crate::sink::Sink;

/// The processor of round trips.
const PROCESSOR: usize = 0;

/// One sample.
pub(crate) fn sample(
    client: &Client,
    folder: &Path,
    scenario: &Scenario,
    amount: Amount,
) -> Result<Value, String> {
    let _spinner = if scenario.is_trip() { Some(Spinner::start(PROCESSOR)?) } else { None };
    let processor = PROCESSOR.to_string();
    let words = ["taskset", "-c", &processor];
    let under: &[&str] = if scenario.is_trip() { &words } else { &[] };
    let mut outcome = run_under(client, folder, scenario, amount, under)?.outcome()?;
    if matches!(scenario.kind, Kind::Idle | Kind::Burst)
        && let Some(counting) = client.counting_heap(folder)
    {
        outcome["heap"] = run_under(&counting, folder, scenario, amount, &[])?.outcome()?["heap"].take();
    }
    Ok(outcome)
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
