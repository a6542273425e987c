//! Ten thousand clients in one process: connecting, idle, and connecting again after the server was away.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::clients::Client;
use crate::sink::Many;

/// How long the server is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long they may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// After this, nothing moves any more.
const QUIET: Duration = Duration::from_secs(3);
/// What is counted together of the arrivals.
const SLICE: Duration = Duration::from_millis(100);
/// Files that a process has open besides its connections.
const OTHER_FILES: u64 = 200;

/// `again`: whether they connect again by themselves.
pub(crate) fn measure(client: &Client, folder: &Path, wanted: u64, again: bool) -> Result<Value, String> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .map_err(|error| error.to_string())?;
    let clients = wanted.min(limit.maximum.unwrap_or(u64::MAX) - OTHER_FILES);
    let sink = Many::start(0).map_err(|error| error.to_string())?;
    let port = sink.port;
    let invocation = client.invocation(folder, "many", port).argument(format!("clients={clients}"));
    let child = Command::new(&invocation.program)
        .args(&invocation.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut child = Running(child);
    let began = Instant::now();
    let arrived = wait(&sink, clients, &mut child)?;
    let connecting = (arrived[arrived.len() - 1] - began).as_secs_f64();
    thread::sleep(QUIET);
    let (resident, before) = child.usage()?;
    let resident = resident as f64 / clients as f64;
    let mut outcome = json!({ "clients": clients, "connecting": connecting, "resident": resident });
    sink.stop();
    if !again {
        return Ok(outcome);
    }
    thread::sleep(AWAY);
    let sink = Many::start(port).map_err(|error| error.to_string())?;
    let back = Instant::now();
    let arrived = wait(&sink, clients, &mut child)?;
    let (_, after) = child.usage()?;
    sink.stop();
    outcome["reconnecting"] = json!((arrived[arrived.len() - 1] - back).as_secs_f64());
    outcome["reconnecting_cpu"] = json!(after - before);
    outcome["slices"] = json!(slices(&arrived, back));
    Ok(outcome)
}

/// When each of them connected.
fn wait(sink: &Many, clients: u64, child: &mut Running) -> Result<Vec<Instant>, String> {
    let began = Instant::now();
    loop {
        let arrived = sink.connects.lock().expect("no panic").clone();
        if arrived.len() as u64 >= clients {
            return Ok(arrived);
        }
        if let Ok(Some(status)) = child.0.try_wait() {
            return Err(format!("it ended with {status} when {} had connected", arrived.len()));
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("only {} of {clients} connected", arrived.len()));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// How many came in each tenth of a second.
fn slices(arrived: &[Instant], began: Instant) -> Vec<u64> {
    let mut slices = Vec::new();
    for instant in arrived {
        let at = ((*instant - began).as_nanos() / SLICE.as_nanos()) as usize;
        if slices.len() <= at {
            slices.resize(at + 1, 0);
        }
        slices[at] += 1;
    }
    slices
}

/// Ends with this.
struct Running(Child);

impl Running {
    /// Bytes resident, and seconds of the processor.
    fn usage(&self) -> Result<(u64, f64), String> {
        let read = |name: &str| {
            std::fs::read_to_string(format!("/proc/{}/{name}", self.0.id()))
                .map_err(|error| error.to_string())
        };
        let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
        let statm = read("statm")?;
        let pages = number(statm.split(' ').nth(1).unwrap_or_default())?;
        let stat = read("stat")?;
        // After the name in brackets: user time is the 12th field, system time the 13th, in hundredths of a second.
        let mut times = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).map(number);
        let ticks = times.next().ok_or("no times")?? + times.next().ok_or("no times")??;
        Ok((pages * rustix::param::page_size() as u64, ticks as f64 / 100.0))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
