//! All samples of a run, and where they are kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io, thread};

use serde_json::{Value, json};

use crate::clients::{CLIENTS, COUNTED, Client, MANY};
use crate::counting::{self, Counter};
use crate::options::Options;
use crate::packets::{self, Packet};
use crate::scenario::{self, Kind, SCENARIOS, Scenario};
use crate::statistics::Middle;
use crate::targets::{self, Target};
use crate::{many, measure};

/// How many clients are in one process.
pub(crate) const TEN_THOUSAND: u64 = 10_000;

/// What a run has come to.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// By scenario and client, one for each round.
    samples: BTreeMap<(String, &'static str), Vec<Value>>,
    /// What packets cost without a socket.
    pub(crate) packets: Vec<Packet>,
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
    if options.wants_scenario("codec") {
        eprintln!("Packets without a socket, with callgrind");
        let (packets, failures) = packets::measure(&options.programs);
        results.packets = packets;
        results.failures.extend(failures);
    }
    if options.wants_scenario("many") {
        for &(name, again) in MANY {
            let Some(client) = there.iter().find(|client| client.name == name) else { continue };
            eprintln!("{TEN_THOUSAND} clients: {name}");
            results.take("many", client, 1, many::measure(client, &options.programs, TEN_THOUSAND, again));
        }
    }
    results
}

impl Results {
    fn take(&mut self, scenario: &str, client: &Client, round: usize, outcome: Result<Value, String>) {
        match outcome {
            Ok(mut sample) => {
                sample["round"] = json!(round);
                self.samples.entry((scenario.to_owned(), client.name)).or_default().push(sample);
            }
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
            let clients = clients.iter().filter(|client| client.scenarios.contains(&scenario.name));
            let sample = |&client| (client, measure::sample(client, &options.programs, scenario, amount));
            // Idle ones wait most of the time, and what they have does not depend on what else runs.
            let outcomes: Vec<_> = if scenario.kind == Kind::Idle {
                thread::scope(|scope| {
                    let started: Vec<_> = clients.map(|client| scope.spawn(move || sample(client))).collect();
                    started.into_iter().map(|started| started.join().expect("no panic")).collect()
                })
            } else {
                clients.map(sample).collect()
            };
            for (client, outcome) in outcomes {
                self.take(scenario.name, client, round, outcome);
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
            self.take(&format!("{}-calls", scenario.name), client, 1, outcome);
        }
    }

    fn instructions(&mut self, options: &Options, scenario: &Scenario, clients: &[&Client]) {
        eprintln!("{}: instructions with callgrind", scenario.title);
        let counted =
            |client: &&&Client| COUNTED.contains(&client.name) && client.scenarios.contains(&scenario.name);
        for client in clients.iter().filter(counted) {
            let outcome = counting::instructions(client, &options.programs, scenario);
            self.take(&format!("{}-instructions", scenario.name), client, 1, outcome);
        }
    }

    fn samples(&self, scenario: &str, client: &str) -> &[Value] {
        let samples = self.samples.iter().find(|((of, by), _)| of == scenario && *by == client);
        samples.map_or(&[], |(_, samples)| samples)
    }

    /// Of what `number` makes of each round's sample.
    pub(crate) fn middle(
        &self,
        scenario: &str,
        client: &str,
        number: impl Fn(&Value) -> Option<f64>,
    ) -> Option<Middle> {
        Middle::of(self.samples(scenario, client).iter().filter_map(number))
    }

    /// How many times as much `client` has as `peer`, round by round.
    pub(crate) fn ratio(
        &self,
        scenario: &str,
        client: &str,
        peer: &str,
        number: fn(&Value) -> Option<f64>,
    ) -> Option<Middle> {
        let theirs = self.samples(scenario, peer);
        Middle::of(self.samples(scenario, client).iter().filter_map(|ours| {
            let theirs = theirs.iter().find(|theirs| theirs["round"] == ours["round"])?;
            Some(number(ours)? / number(theirs)?)
        }))
    }

    /// What a packet costs without a socket.
    pub(crate) fn packet(&self, who: &str, what: &str) -> Option<&Packet> {
        self.packets.iter().find(|packet| packet.who == who && packet.what == what)
    }

    pub(crate) fn write(&self, file: &Path, about: &str) -> io::Result<()> {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|((scenario, client), samples)| {
                json!({ "scenario": scenario, "client": client, "samples": samples })
            })
            .collect();
        let packets: Vec<Value> = self.packets.iter().map(Packet::json).collect();
        let targets: Vec<Value> = targets::all(self).iter().map(Target::json).collect();
        let all = json!({
            "about": about,
            "results": samples,
            "packets": packets,
            "targets": targets,
            "failures": self.failures,
        });
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

/// What was measured of a round trip, as times the raw socket's directly before.
pub(crate) fn beside_socket(sample: &Value, number: fn(&Value) -> Option<f64>) -> Option<f64> {
    Some(number(sample)? / number(&sample["socket"])?)
}

/// The most clients that connected in a tenth of a second.
pub(crate) fn herd(sample: &Value) -> Option<f64> {
    sample["slices"].as_array()?.iter().filter_map(Value::as_f64).max_by(f64::total_cmp)
}

/// Microseconds of half the round trips.
pub(crate) fn median_trip(sample: &Value) -> Option<f64> {
    Some(sample["p50"].as_f64()? * 1e6)
}

/// Microseconds of all but one in a hundred.
pub(crate) fn slow_trip(sample: &Value) -> Option<f64> {
    Some(sample["p99"].as_f64()? * 1e6)
}
