//! What a packet costs without a socket: Sterna's codec and core beside those of its peers, and what must not grow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use crate::callgrind::{Profile, Temporary};

/// `../counts`, whose scenarios are all Sterna's, and `../clients/codecs`, whose scenarios say whose they are.
const OURS: &str = "sterna-counts";
const THEIRS: &str = "bench-codecs";

/// Whose the scenarios of `../counts` are.
pub(crate) const STERNA: &str = "Sterna";

/// One step, counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Packet {
    pub(crate) who: String,
    pub(crate) what: String,
    /// Each a message.
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    /// How many instructions it is to have at most.
    pub(crate) target: Option<f64>,
}

impl Packet {
    pub(crate) fn json(&self) -> Value {
        json!({
            "who": self.who,
            "what": self.what,
            "instructions": self.instructions,
            "allocations": self.allocations,
            "target": self.target,
        })
    }
}

struct Step {
    program: PathBuf,
    /// What the program calls it.
    name: String,
    packet: Packet,
}

/// All of them, in the order of the programs; and what failed.
pub(crate) fn measure(folder: &Path) -> (Vec<Packet>, Vec<String>) {
    let mut steps = Vec::new();
    let mut failures = Vec::new();
    for program in [OURS, THEIRS] {
        match list(&folder.join(program), program == OURS) {
            Ok(listed) => steps.extend(listed),
            Err(error) => failures.push(format!("{program}: {error}")),
        }
    }
    let done = Mutex::new(BTreeMap::new());
    let waiting = Mutex::new(steps.into_iter().enumerate());
    // Counts do not depend on what else runs.
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some((number, step)) = waiting.lock().expect("no panic").next() else { break };
                    let counted = count(&step);
                    done.lock().expect("no panic").insert(number, (step, counted));
                }
            });
        }
    });
    let mut packets = Vec::new();
    for (step, counted) in done.into_inner().expect("no panic").into_values() {
        match counted {
            Ok((instructions, allocations)) => {
                packets.push(Packet { instructions, allocations, ..step.packet });
            }
            Err(error) => failures.push(format!("{}: {error}", step.name)),
        }
    }
    (packets, failures)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it ended with {}: {}", output.status, said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

/// A line for each: the name, and behind a tabulator the target, if there is one.
fn list(program: &Path, ours: bool) -> Result<Vec<Step>, String> {
    let text = run(Command::new(program).arg("--list"))?;
    let step = |line: &str| {
        let (name, target) = line.split_once('\t').unwrap_or((line, ""));
        let whose = if ours { None } else { name.split_once(": ") };
        let (who, what) = whose.unwrap_or((STERNA, name));
        Step {
            program: program.to_owned(),
            name: name.to_owned(),
            packet: Packet {
                who: who.to_owned(),
                what: what.to_owned(),
                instructions: 0.0,
                allocations: 0.0,
                target: target.parse().ok(),
            },
        }
    };
    Ok(text.lines().map(step).collect())
}

/// Instructions and allocations a message.
fn count(step: &Step) -> Result<(f64, f64), String> {
    let profile = Temporary::new("packet");
    let text = run(Command::new("valgrind")
        .args([
            "--quiet",
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*measured::measured*",
        ])
        .arg(format!("--callgrind-out-file={}", profile.0.display()))
        .arg(&step.program)
        .args(["--run", &step.name]))?;
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("{text}: no number"));
    let (messages, allocations) = text.trim().split_once(' ').ok_or("it said nothing")?;
    let messages = number(messages)?;
    Ok((Profile::read(&profile.0)?.instructions / messages, number(allocations)? / messages))
}
