//! All samples of a run, and where they are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use crate::clients::{CLIENTS, COUNTED, Client, TOKIO};
use crate::counting::{self, Counter};
use crate::options::Options;
use crate::scenario::{self, Kind, SCENARIOS, Scenario};
use crate::statistics::Middle;
use crate::{many, measure};

/// How many clients are in one process.
const MANY: u64 = 10_000;

/// What a run has come to.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By scenario and client, one for each round.
    samples: BTreeMap<(String, &'static str), Vec<Value>>,
    /// What could not be measured, and why.
    pub(crate) failures: Vec<String>,
}

/// All clients in turn, again and again: what disturbs the machine for a while disturbs all of them.
pub(crate) fn measure(options: &Options) -> Results {
    let mut results = Results::default();
    let wanted = CLIENTS.iter().filter(|client| options.wants_client(client.name));
    let (there, missing): (Vec<&Client>, Vec<&Client>) =
        wanted.partition(|client| client.file(&options.programs).exists());
    for client in missing {
        results.failures.push(format!("{}: it is not installed", client.name));
    }
    for scenario in SCENARIOS.iter().filter(|scenario| options.wants_scenario(scenario.name)) {
        results.rounds(options, scenario, &there);
    }
    if options.wants_scenario("calls") {
        for scenario in scenario::counted().filter(|scenario| options.counts(scenario.name)) {
            results.calls(options, scenario, &there);
        }
    }
    if options.wants_scenario("instructions") {
        for scenario in scenario::counted().filter(|scenario| options.counts(scenario.name)) {
            results.instructions(options, scenario, &there);
        }
    }
    if options.wants_scenario("many") {
        for client in there.iter().filter(|client| client.name == TOKIO) {
            eprintln!("{MANY} clients: {}", client.name);
            results.take("many", client, many::measure(client, &options.programs, MANY));
        }
    }
    results
}

impl Results {
    fn take(&mut self, scenario: &str, client: &Client, outcome: Result<Value, String>) {
        match outcome {
            Ok(sample) => self.samples.entry((scenario.to_owned(), client.name)).or_default().push(sample),
            Err(error) => {
                let failure = format!("{}, {scenario}: {error}", client.name);
                eprintln!("FAILED: {failure}");
                self.failures.push(failure);
            }
        }
    }

    fn rounds(&mut self, options: &Options, scenario: &Scenario, clients: &[&Client]) {
        let amount = scenario::for_milliseconds(options.time);
        let in_memory = matches!(scenario.kind, Kind::Idle | Kind::Burst);
        let rounds = if in_memory { 1 } else { options.rounds };
        for round in 1..=rounds {
            eprintln!("{}: round {round} of {rounds}", scenario.title);
            for client in clients.iter().filter(|client| client.scenarios.contains(&scenario.name)) {
                let outcome = measure::sample(client, &options.programs, scenario, amount);
                self.take(scenario.name, client, outcome);
            }
        }
    }

    fn calls(&mut self, options: &Options, scenario: &Scenario, clients: &[&Client]) {
        let counter = match Counter::find() {
            Ok(counter) => counter,
            Err(error) => {
                self.failures.push(error);
                return;
            }
        };
        eprintln!("{}: system calls with {}", scenario.title, counter.name());
        let amount = scenario::for_milliseconds(options.time);
        for client in clients.iter().filter(|client| client.scenarios.contains(&scenario.name)) {
            let outcome = counter.calls(client, &options.programs, scenario, amount);
            self.take(&format!("{}-calls", scenario.name), client, outcome);
        }
    }

    fn instructions(&mut self, options: &Options, scenario: &Scenario, clients: &[&Client]) {
        eprintln!("{}: instructions with callgrind", scenario.title);
        let counted =
            |client: &&&Client| COUNTED.contains(&client.name) && client.scenarios.contains(&scenario.name);
        for client in clients.iter().filter(counted) {
            let outcome = counting::instructions(client, &options.programs, scenario);
            self.take(&format!("{}-instructions", scenario.name), client, outcome);
        }
    }

    /// What `number` makes of each round's sample.
    pub(crate) fn each(
        &self,
        scenario: &str,
        client: &str,
        number: impl Fn(&Value) -> Option<f64>,
    ) -> Vec<f64> {
        let samples = self.samples.iter().find(|((of, by), _)| of == scenario && *by == client);
        samples.into_iter().flat_map(|(_, samples)| samples).filter_map(number).collect()
    }

    pub(crate) fn middle(
        &self,
        scenario: &str,
        client: &str,
        number: impl Fn(&Value) -> Option<f64>,
    ) -> Option<Middle> {
        Middle::of(self.each(scenario, client, number))
    }

    /// How many times as much `client` has as `peer`, round by round.
    pub(crate) fn ratio(
        &self,
        scenario: &str,
        client: &str,
        peer: &str,
        number: fn(&Value) -> Option<f64>,
    ) -> Option<Middle> {
        let (ours, theirs) = (self.each(scenario, client, number), self.each(scenario, peer, number));
        Middle::of(ours.into_iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
    }

    pub(crate) fn write(&self, file: &Path, about: &str) -> io::Result<()> {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|((scenario, client), samples)| {
                json!({ "scenario": scenario, "client": client, "samples": samples })
            })
            .collect();
        let all = json!({ "about": about, "results": samples, "failures": self.failures });
        let text = serde_json::to_string_pretty(&all).map_err(io::Error::other)?;
        fs::write(file, text + "\n")
    }
}

/// A field of a sample.
pub(crate) fn field(name: &'static str) -> impl Fn(&Value) -> Option<f64> {
    move |sample| sample[name].as_f64()
}

/// Messages a second.
pub(crate) fn rate(sample: &Value) -> Option<f64> {
    Some(sample["messages"].as_f64()? / sample["seconds"].as_f64()?)
}

/// Microseconds of the processor a message.
pub(crate) fn cost(sample: &Value) -> Option<f64> {
    Some(sample["cpu"].as_f64()? * 1e6 / sample["messages"].as_f64()?)
}

/// Microseconds of half the round trips.
pub(crate) fn median_trip(sample: &Value) -> Option<f64> {
    Some(sample["p50"].as_f64()? * 1e6)
}

/// Microseconds of all but one in a hundred.
pub(crate) fn slow_trip(sample: &Value) -> Option<f64> {
    Some(sample["p99"].as_f64()? * 1e6)
}
