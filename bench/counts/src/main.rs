//! Counts what a message costs in instructions and allocations, scenario by scenario, and compares that with
//! `baseline.tsv`. See README.md.

mod baseline;
mod callgrind;
mod client;
// The client's router, which is not public, and what it needs.
#[allow(dead_code)]
#[path = "../../../client/src/identifiers.rs"]
mod identifiers;
mod measured;
mod message;
#[allow(dead_code)]
#[path = "../../../client/src/router/mod.rs"]
mod router;
mod scenarios;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::baseline::{Baseline, TOLERANCE};
use self::callgrind::Cost;
use self::scenarios::Scenario;

const USAGE: &str = "usage: sterna-counts [--bless] [FILTER]   compare with the baseline, or make it anew
       sterna-counts --profile NAME      count one, and say where its profile is
       sterna-counts --list              the names of all, and their targets";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool, Box<dyn Error>> {
    let scenarios = scenarios::all();
    let named =
        |name: &str| scenarios.iter().find(|scenario| scenario.name == name).ok_or("no such scenario");
    match *arguments {
        ["--list"] => scenarios.iter().for_each(|scenario| match scenario.target {
            Some(target) => println!("{}\t{target}", scenario.name),
            None => println!("{}", scenario.name),
        }),
        ["--run", name] => {
            let messages = (named(name)?.run)();
            println!("{messages} {}", scenarios::allocations());
        }
        ["--profile", name] => {
            let path = profile_path(&named(name)?.name);
            let cost = callgrind::count(name, &path)?;
            println!("{} instructions a message; callgrind_annotate {}", cost.instructions, path.display());
        }
        ["--bless"] => {
            let costs = count(&scenarios.iter().collect::<Vec<_>>(), &Baseline::default())?;
            Baseline::write(&baseline_path(), &costs.costs)?;
        }
        [] => return compare(&scenarios.iter().collect::<Vec<_>>()),
        [filter] if !filter.starts_with('-') => {
            let chosen: Vec<_> = scenarios.iter().filter(|scenario| scenario.name.contains(filter)).collect();
            return compare(&chosen);
        }
        _ => return Err(USAGE.into()),
    }
    Ok(true)
}

/// Whether nothing differs.
fn compare(scenarios: &[&Scenario]) -> Result<bool, Box<dyn Error>> {
    let baseline = Baseline::read(&baseline_path())?;
    let counted = count(scenarios, &baseline)?;
    if counted.differ == 0 {
        println!("Nothing differs from the baseline by more than {TOLERANCE} %.");
        return Ok(true);
    }
    println!("{} differ from the baseline.", counted.differ);
    if let Some(tools) = baseline.differing_tools() {
        println!("{tools}");
    }
    println!("If that is meant to be: sterna-counts --bless.");
    Ok(false)
}

struct Costs<'a> {
    costs: Vec<(&'a str, Cost)>,
    differ: usize,
}

/// Counts and prints them, beside what they were and what they are to be.
fn count<'a>(scenarios: &[&'a Scenario], baseline: &Baseline) -> Result<Costs<'a>, Box<dyn Error>> {
    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>8}  allocations in 1,000",
        "instructions a message", "before", "now", "%", "target"
    );
    let mut counted = Costs { costs: Vec::new(), differ: 0 };
    for scenario in scenarios {
        let path = profile_path(&scenario.name);
        let cost = callgrind::count(&scenario.name, &path)?;
        std::fs::remove_file(&path)?;
        let before = baseline.costs.get(&scenario.name);
        let change =
            before.map(|before| 100.0 * (cost.instructions as f64 / before.instructions as f64 - 1.0));
        let more_or_less = change.is_none_or(|change| change.abs() > TOLERANCE);
        let differs = more_or_less || before.is_some_and(|before| before.allocations != cost.allocations);
        counted.differ += usize::from(differs);
        let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        println!(
            "{:<44} {:>8} {:>8} {:>8} {:>8}  {}{}{}",
            scenario.name,
            text(before.map(|before| before.instructions)),
            cost.instructions,
            change.map(|change| format!("{change:+.1}")).unwrap_or_default(),
            text(scenario.target),
            cost.allocations,
            if scenario.target.is_some_and(|target| cost.instructions > target) {
                "  over its target"
            } else {
                ""
            },
            if differs { "  DIFFERS" } else { "" },
        );
        counted.costs.push((&scenario.name, cost));
    }
    Ok(counted)
}

fn baseline_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.tsv")
}

fn profile_path(name: &str) -> PathBuf {
    let name = format!("sterna-counts.{}.{}", name.replace([' ', '/', ','], "-"), std::process::id());
    std::env::temp_dir().join(name)
}
