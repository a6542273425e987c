//! The command `sterna-simulator`: runs of the simulation by seed, and soaking.
// Seconds and hours are told to people.
#![allow(clippy::cast_precision_loss)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sterna_simulator::simulation::{Failure, Report, explain, run, shrink};

const USAGE: &str = "Usage:
  sterna-simulator soak [--minutes N] [--seeds N] [--from SEED] [--threads N] [--go-on]
  sterna-simulator run --seed SEED [--shrink] [--trace]

soak runs seed after seed on all cores, until the time is over or that many were run. It stops at the first failure,
unless it is to go on. run repeats one of them exactly; --shrink leaves out what the failure does not need.";

/// The options by their names; those without a value have an empty one.
fn options() -> Result<(String, BTreeMap<String, String>), String> {
    let mut arguments = std::env::args().skip(1).peekable();
    let command = arguments.next().ok_or("no command")?;
    let mut options = BTreeMap::new();
    while let Some(option) = arguments.next() {
        let name = option.strip_prefix("--").ok_or_else(|| format!("unknown argument: {option}"))?;
        let value = arguments.next_if(|value| !value.starts_with("--")).unwrap_or_default();
        options.insert(name.to_owned(), value);
    }
    Ok((command, options))
}

fn number(options: &BTreeMap<String, String>, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = options.get(name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| format!("--{name} needs a number, not \"{value}\""))
}

fn main() -> ExitCode {
    // A panic in a run is one of its findings, and is printed with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = options().and_then(|(command, options)| match command.as_str() {
        "soak" => soak(&options),
        "run" => repeat(&options),
        _ => Err(format!("unknown command: {command}")),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// What the threads of a soak share.
struct Soak {
    next: AtomicU64,
    end: u64,
    deadline: Option<Instant>,
    stops: AtomicBool,
    goes_on: bool,
    total: Mutex<Report>,
    failures: Mutex<Vec<Failure>>,
}

fn soak(options: &BTreeMap<String, String>) -> Result<bool, String> {
    let minutes = number(options, "minutes")?;
    let seeds = number(options, "seeds")?;
    let first = number(options, "from")?.unwrap_or(0);
    let threads = number(options, "threads")?
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64);
    let minutes = if minutes.is_none() && seeds.is_none() { Some(1) } else { minutes };
    let begin = Instant::now();
    let soak = Soak {
        next: AtomicU64::new(first),
        end: seeds.map_or(u64::MAX, |seeds| first.saturating_add(seeds)),
        deadline: minutes.map(|minutes| begin + Duration::from_secs(60 * minutes)),
        stops: AtomicBool::new(false),
        goes_on: options.contains_key("go-on"),
        total: Mutex::default(),
        failures: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&soak));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    let report = soak.total.into_inner().unwrap_or_default();
    let mut failures = soak.failures.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure| failure.seed);
    println!("{report}");
    let hours = report.simulated as f64 / 3.6e9;
    println!(
        "{seconds:.1} s: {:.0} seeds a second, {:.1} simulated hours a second",
        report.runs as f64 / seconds,
        hours / seconds
    );
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for failure in &failures {
        kinds.entry(failure.violation.check).or_insert((failure.seed, 0)).1 += 1;
    }
    for (check, (seed, count)) in kinds {
        println!("FAILED {count} times, first with seed {seed}: {check}");
    }
    println!("{} failed", failures.len());
    Ok(failures.is_empty())
}

fn work(soak: &Soak) {
    let mut report = Report::default();
    while !soak.stops.load(Ordering::Relaxed) {
        let seed = soak.next.fetch_add(1, Ordering::Relaxed);
        if seed >= soak.end || soak.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        match run(seed) {
            Ok(of_seed) => report.add(&of_seed),
            Err(failure) => {
                println!(
                    "seed {seed}: {}\n  rerun: sterna-simulator run --seed {seed} --shrink",
                    failure.violation
                );
                soak.stops.store(!soak.goes_on, Ordering::Relaxed);
                if let Ok(mut failures) = soak.failures.lock() {
                    failures.push(*failure);
                }
            }
        }
    }
    if let Ok(mut total) = soak.total.lock() {
        total.add(&report);
    }
}

fn repeat(options: &BTreeMap<String, String>) -> Result<bool, String> {
    let seed = number(options, "seed")?.ok_or("--seed is missing")?;
    if options.contains_key("shrink") {
        let lines = shrink(seed);
        let fails = lines.is_some();
        let lines = lines.unwrap_or_else(|| vec![format!("seed {seed} does not fail")]);
        println!("{}", lines.join("\n"));
        return Ok(!fails);
    }
    let (result, lines) = explain(seed);
    if options.contains_key("trace") {
        println!("{}", lines.join("\n"));
    }
    match &result {
        Ok(report) => println!("{report}"),
        Err(failure) => println!("seed {seed}: {}", failure.violation),
    }
    Ok(result.is_ok())
}
