//! A process of this program's that has clients and nothing else, and what the system says of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The environment variables by which it knows what it is to do, and where.
pub(crate) const ROLE: &str = "STERNA_FOOTPRINT_ROLE";
pub(crate) const URL: &str = "STERNA_FOOTPRINT_URL";
/// The one by which it knows whom to trust, if the server speaks TLS.
pub(crate) const AUTHORITY: &str = "STERNA_FOOTPRINT_AUTHORITY";

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// How often one of its threads waited in the kernel or was made to wait.
    pub(crate) switches: u64,
    /// Processor time, in clock ticks.
    pub(crate) ticks: u64,
    /// Bytes in memory now.
    pub(crate) resident: u64,
}

impl Process {
    pub(crate) fn start(role: &str, url: &str, authority: Option<&str>) -> Self {
        let program = std::env::current_exe().expect("this program has a file");
        let mut child = Command::new(program)
            .env(ROLE, role)
            .env(URL, url)
            .envs(authority.map(|authority| (AUTHORITY, authority)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, output }
    }

    /// Waits until it says `expected`.
    pub(crate) fn line(&mut self, expected: &str) {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line can be read");
        assert_eq!(line.trim_end(), expected, "what the process says");
    }

    /// Has it go on, where it waits.
    pub(crate) fn go_on(&mut self) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(b"\n").expect("it listens");
    }

    pub(crate) fn usage(&self) -> Usage {
        let folder = format!("/proc/{}", self.child.id());
        let read = |name: &str| fs::read_to_string(format!("{folder}/{name}")).expect("the process is there");
        let status = read("status");
        let tasks = fs::read_dir(format!("{folder}/task")).expect("the process is there");
        let switches = tasks
            .map(|task| {
                let status = task.expect("a thread").path().join("status");
                let status = fs::read_to_string(status).expect("the thread is there");
                field(&status, "voluntary_ctxt_switches:") + field(&status, "nonvoluntary_ctxt_switches:")
            })
            .sum();
        // After the program's name, in brackets: user time is the 12th field, system time the 13th.
        let stat = read("stat");
        let times = stat.rsplit_once(')').expect("a name in brackets").1.split_whitespace().skip(11);
        let ticks = times.take(2).map(|time| time.parse::<u64>().expect("a number")).sum();
        Usage { switches, ticks, resident: field(&status, "VmRSS:") * 1_024 }
    }
}

impl Process {
    /// Its usage, once it waits: after saying something it has to get there.
    pub(crate) fn usage_at_rest(&self) -> Usage {
        let mut usage = self.usage();
        for _ in 0..100 {
            thread::sleep(Duration::from_millis(50));
            let later = self.usage();
            if later.switches == usage.switches {
                return later;
            }
            usage = later;
        }
        panic!("the process does not come to rest");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Allows this process, and those that it starts, as many open files as the system lets it have; how many these are.
pub(crate) fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    allowed.unwrap_or(u64::MAX)
}

/// The number that follows `name` at the beginning of a line.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.split_whitespace().next().expect(name).parse().expect(name)
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, and is {value:?}")))
}
