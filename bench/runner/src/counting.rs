//! What does not depend on how busy the machine is: system calls and instructions a message.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use crate::callgrind::{Profile, Temporary};
use crate::clients::Client;
use crate::measure::run_under;
use crate::scenario::{Amount, Scenario};
use crate::sink::Until;

/// Of two runs whose difference is counted: what starting takes is not in it.
const FEW: u64 = 10_000;
const MANY: u64 = 40_000;

/// Who counts system calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    /// The kernel's own trace point, which hardly disturbs.
    Perf,
    /// Stops the client at each call: what it would have done at the same time waits, and batches grow.
    Strace,
}

impl Counter {
    /// The better of those that work here.
    pub(crate) fn find() -> Result<Self, String> {
        let works = |words: &[&str]| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        if works(&["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"]) {
            Ok(Self::Perf)
        } else if works(&["strace", "-f", "-c", "true"]) {
            Ok(Self::Strace)
        } else {
            Err("system calls: neither perf nor strace works here".into())
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    /// How many the client makes for each message.
    pub(crate) fn calls(
        self,
        client: &Client,
        folder: &Path,
        scenario: &Scenario,
        amount: Amount,
    ) -> Result<Value, String> {
        let words: &[&str] = match self {
            Self::Perf => &["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter"],
            Self::Strace => &["strace", "-f", "-c"],
        };
        let output = run_under(client, folder, scenario, amount, words)?;
        let line = match self {
            Self::Perf => output.stderr.lines().find(|line| line.contains("raw_syscalls:sys_enter")),
            Self::Strace => output.stderr.lines().find(|line| line.trim_end().ends_with("total")),
        };
        let line = line.ok_or("no count")?;
        let number = match self {
            Self::Perf => line.split(',').next(),
            Self::Strace => line.split_whitespace().nth(3),
        };
        let calls: f64 = number.unwrap_or_default().parse().map_err(|_| format!("{line}: no count"))?;
        let messages = output.outcome()?["messages"].as_f64().ok_or("no messages")?;
        Ok(json!({ "messages": messages, "calls": calls, "calls_each": calls / messages }))
    }
}

/// How many instructions the client has for each message, the runtime and the C library with it, and how often it
/// allocates.
pub(crate) fn instructions(client: &Client, folder: &Path, scenario: &Scenario) -> Result<Value, String> {
    let count = |messages: u64| -> Result<Profile, String> {
        let profile = Temporary::new("client");
        let file = format!("--callgrind-out-file={}", profile.0.display());
        run_under(
            client,
            folder,
            scenario,
            Until::Messages(messages),
            &["valgrind", "--tool=callgrind", &file],
        )?;
        Profile::read(&profile.0)
    };
    // At the same time: the sink waits for the client anyway, which is so much slower here.
    let (few, many) = thread::scope(|scope| {
        let few = scope.spawn(|| count(FEW));
        let many = count(MANY);
        (few.join().expect("no panic"), many)
    });
    let (few, many) = (few?, many?);
    let each = |few: f64, many: f64| (many - few) / (MANY - FEW) as f64;
    Ok(json!({
        "instructions_each": each(few.instructions, many.instructions),
        "allocations_each": each(few.allocations, many.allocations),
    }))
}
