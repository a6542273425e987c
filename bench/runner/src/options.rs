//! The words that the runner is started with.

use std::path::PathBuf;

/// See `../run`, which has the documentation.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where the clients are.
    pub(crate) programs: PathBuf,
    /// Where the results go to, a file of JSON.
    pub(crate) results: PathBuf,
    pub(crate) rounds: usize,
    /// How long each sample takes, in milliseconds.
    pub(crate) time: u64,
    /// Only scenarios with one of these names; none: all.
    pub(crate) scenarios: Vec<String>,
    /// Only clients whose names have one of these in them; none: all.
    pub(crate) clients: Vec<String>,
}

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            programs: PathBuf::from("target/release"),
            results: PathBuf::from("results.json"),
            rounds: 5,
            time: 500,
            scenarios: Vec::new(),
            clients: Vec::new(),
        };
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let number = || value.parse::<u64>().map_err(|_| format!("{argument}: not a number"));
            match name {
                "--quick" => (options.rounds, options.time) = (3, 150),
                "--rounds" => options.rounds = number()?.max(1) as usize,
                "--time" => options.time = number()?.max(1),
                "--programs" => options.programs = value.into(),
                "--results" => options.results = value.into(),
                "--scenarios" => options.scenarios = words(value),
                "--clients" => options.clients = words(value),
                _ => return Err(format!("{argument}: no such option")),
            }
        }
        Ok(options)
    }

    pub(crate) fn wants_scenario(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == name)
    }

    pub(crate) fn wants_client(&self, name: &str) -> bool {
        self.clients.is_empty() || self.clients.iter().any(|wanted| name.contains(&**wanted))
    }
}

fn words(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}
