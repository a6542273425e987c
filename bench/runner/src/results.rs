//! All samples of a run, and where they are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};

use crate::clients::{CLIENTS, Client};
use crate::measure;
use crate::options::Options;
use crate::scenario::{self, SCENARIOS, Scenario};
use crate::statistics::Middle;

/// What a run has come to.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By scenario and client, one for each round.
    samples: BTreeMap<(&'static str, &'static str), Vec<Value>>,
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
        let clients: Vec<_> =
            there.iter().copied().filter(|client| client.scenarios.contains(&scenario.name)).collect();
        results.rounds(options, scenario, &clients);
    }
    results
}

impl Results {
    fn rounds(&mut self, options: &Options, scenario: &Scenario, clients: &[&Client]) {
        let amount = scenario::for_milliseconds(options.time);
        for round in 1..=options.rounds {
            eprintln!("{}: round {round} of {}", scenario.title, options.rounds);
            for client in clients {
                match measure::sample(client, &options.programs, scenario, amount) {
                    Ok(sample) => self.samples.entry((scenario.name, client.name)).or_default().push(sample),
                    Err(error) => {
                        let failure = format!("{}, {}, round {round}: {error}", client.name, scenario.title);
                        eprintln!("FAILED: {failure}");
                        self.failures.push(failure);
                    }
                }
            }
        }
    }

    /// What `number` makes of each round's sample.
    pub(crate) fn each(&self, scenario: &str, client: &str, number: fn(&Value) -> Option<f64>) -> Vec<f64> {
        let samples = self.samples.iter().find(|((of, by), _)| *of == scenario && *by == client);
        samples.into_iter().flat_map(|(_, samples)| samples).filter_map(number).collect()
    }

    pub(crate) fn middle(
        &self,
        scenario: &str,
        client: &str,
        number: fn(&Value) -> Option<f64>,
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

    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|((scenario, client), samples)| {
                json!({ "scenario": scenario, "client": client, "samples": samples })
            })
            .collect();
        let text = serde_json::to_string_pretty(&json!({ "results": samples, "failures": self.failures }));
        fs::write(file, text.map_err(io::Error::other)? + "\n")
    }
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
