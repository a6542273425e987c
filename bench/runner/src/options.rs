//! The words that the runner is started with.

use std::path::PathBuf;

/// See `../run`, which has the documentation.
#[derive(Debug)]
pub(crate) struct Options {
    /// Where the clients are.
    pub(crate) programs: PathBuf,
    /// A folder for the results.
    pub(crate) results: PathBuf,
    /// The document whose tables are replaced, if any.
    pub(crate) document: Option<PathBuf>,
    /// What the run was made on.
    pub(crate) about: String,
    pub(crate) rounds: usize,
    /// How long each sample takes, in milliseconds.
    pub(crate) time: u64,
    /// Only scenarios with one of these names; none: all.
    scenarios: Vec<String>,
    /// Only clients whose names have one of these in them; none: all.
    clients: Vec<String>,
}

/// What takes long: not in a quick run, unless it is asked for.
const SLOW: &[&str] = &["burst", "codec", "instructions", "many"];

impl Options {
    pub(crate) fn parse(arguments: Vec<String>) -> Result<Self, String> {
        let mut options = Self {
            programs: PathBuf::from("target/release"),
            results: PathBuf::from("."),
            document: None,
            about: String::new(),
            rounds: 5,
            time: 500,
            scenarios: Vec::new(),
            clients: Vec::new(),
        };
        let mut quick = false;
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
            let number = || value.parse::<u64>().map_err(|_| format!("{argument}: not a number"));
            match name {
                "--quick" => {
                    (options.rounds, options.time) = (3, 150);
                    quick = true;
                }
                "--rounds" => options.rounds = number()?.max(1) as usize,
                "--time" => options.time = number()?.max(1),
                "--programs" => options.programs = value.into(),
                "--results" => options.results = value.into(),
                "--document" => options.document = Some(value.into()),
                "--about" => value.clone_into(&mut options.about),
                "--scenarios" => options.scenarios = words(value),
                "--clients" => options.clients = words(value),
                _ => return Err(format!("{argument}: no such option")),
            }
        }
        if quick && options.scenarios.is_empty() {
            let all = crate::scenario::SCENARIOS.iter().map(|scenario| scenario.name).chain(["calls"]);
            options.scenarios = all.filter(|name| !SLOW.contains(name)).map(str::to_owned).collect();
        }
        Ok(options)
    }

    pub(crate) fn wants_scenario(&self, name: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|wanted| wanted == name)
    }

    /// Whether to count something of this scenario: of those that were asked for, or of all where none was.
    pub(crate) fn counts(&self, name: &str) -> bool {
        self.wants_scenario(name)
            || !crate::scenario::counted().any(|scenario| self.wants_scenario(scenario.name))
    }

    pub(crate) fn wants_client(&self, name: &str) -> bool {
        self.clients.is_empty() || self.clients.iter().any(|wanted| name.contains(&**wanted))
    }
}

fn words(value: &str) -> Vec<String> {
    value.split(',').map(str::to_owned).collect()
}
