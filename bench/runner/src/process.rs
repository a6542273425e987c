//! The clients as processes.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::Value;

/// How long a client may take beyond what it was told to: under callgrind, one round trip after the other, it needs half of it.
const PATIENCE: Duration = Duration::from_secs(90);

/// How much is shown of what a program says of its failure.
const ENOUGH: usize = 300;

/// A program with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
}

impl Invocation {
    pub(crate) fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Run by another program, such as `taskset -c 0`.
    pub(crate) fn under(self, words: &[&str]) -> Self {
        let mut arguments: Vec<String> = words[1..].iter().map(|&word| word.to_owned()).collect();
        arguments.push(self.program.display().to_string());
        arguments.extend(self.arguments);
        Self { program: words[0].into(), arguments }
    }

    /// Runs it to its end; what it wrote.
    pub(crate) fn run(&self) -> Result<Output, String> {
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            // Of a panic the message is enough.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let stdout = read_all(child.stdout.take().expect("it is piped"));
        let stderr = read_all(child.stderr.take().expect("it is piped"));
        let status = wait(&mut child)?;
        let stdout = stdout.join().map_err(|_| "its output cannot be read")?;
        let stderr = stderr.join().map_err(|_| "its output cannot be read")?;
        if !status.success() {
            let beginning: String = stderr.trim().chars().take(ENOUGH).collect();
            return Err(format!("{} ended with {status}: {beginning}", self.program.display()));
        }
        Ok(Output { stdout, stderr })
    }
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn wait(child: &mut Child) -> Result<ExitStatus, String> {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if began.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// What a program wrote.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The line of JSON that a client ends with.
    pub(crate) fn outcome(&self) -> Result<Value, String> {
        let line = self.stdout.lines().last().ok_or("it said nothing")?;
        serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))
    }
}

/// Has this thread run on one processor.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("this processor is ours");
}

/// Keeps a processor awake with work that gives way to everything else: without, it falls asleep between two messages, and
/// a round trip takes either 6 or 45 µs.
#[derive(Debug)]
pub(crate) struct Spinner(Child);

impl Spinner {
    pub(crate) fn start(processor: usize) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let words = ["chrt", "--idle", "0", "taskset", "-c", &processor.to_string()].map(str::to_owned);
        let child = Command::new(&words[0])
            .args(&words[1..])
            .arg(own)
            .arg("spin")
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("chrt: {error}"))?;
        Ok(Self(child))
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the spinner does, until it is ended or whoever started it is gone.
pub(crate) fn spin() {
    let parent = rustix::process::getppid();
    while rustix::process::getppid() == parent {
        for _ in 0..1_000_000 {
            std::hint::spin_loop();
        }
    }
}
