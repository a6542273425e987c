//! The process that is killed: this very program with a role. What it has to say is one line each.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sterna::{Client, ClientBuilder, ProtocolVersion, QoS, Reconnect, RedbStore, VersionPolicy};

use crate::{publisher, subscriber};

const ROLE: &str = "STERNA_CRASH_ROLE";

/// How a process is to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) kind: Kind,
    pub(crate) version: ProtocolVersion,
    /// How many lived before.
    pub(crate) generation: usize,
    pub(crate) url: String,
    pub(crate) store: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Publishes until it is killed.
    Publish,
    /// Sends what is left, and ends.
    Finish,
    /// Receives until it is killed, or until everything has come.
    Subscribe,
}

const KINDS: [(&str, Kind); 3] =
    [("publish", Kind::Publish), ("finish", Kind::Finish), ("subscribe", Kind::Subscribe)];

/// The role of this process; `None`: it is the test.
pub(crate) fn role() -> Option<Role> {
    let role = std::env::var(ROLE).ok()?;
    let mut parts = role.splitn(5, ' ');
    let mut part = || parts.next().expect("a role has five parts");
    let kind = part();
    Some(Role {
        kind: KINDS.iter().find(|(name, _)| *name == kind).expect("it is known").1,
        version: if part() == "5" { ProtocolVersion::V5 } else { ProtocolVersion::V3_1_1 },
        generation: part().parse().expect("it is a number"),
        url: part().to_owned(),
        store: part().into(),
    })
}

pub(crate) fn live(role: &Role) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match role.kind {
            Kind::Publish => publisher::publish(role).await,
            Kind::Finish => publisher::finish(role).await,
            Kind::Subscribe => subscriber::receive(role).await,
        }
    });
}

impl Role {
    fn to_variable(&self) -> String {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind).expect("it is listed").0;
        let version = if self.version == ProtocolVersion::V5 { "5" } else { "4" };
        format!("{kind} {version} {} {} {}", self.generation, self.url, self.store.display())
    }

    /// A client with the store, not connected yet.
    pub(crate) fn client(&self) -> Client {
        let store = RedbStore::open(&self.store).expect("a process that was killed leaves a whole store");
        builder(&self.url, self.version)
            .client_id("victim")
            .receive_maximum(u16::MAX)
            .store(store)
            .retry_first(true)
            .build()
            .expect("the session is this client's")
    }
}

/// Mosquitto handles no more than 20 at a time well, and after a reconnect it sends all that it has, whatever Receive
/// Maximum says (seen with 2.0.11: three thousand instead of twenty).
pub(crate) fn builder(url: &str, version: ProtocolVersion) -> ClientBuilder<sterna::tokio::Runtime> {
    sterna::tokio::builder(url)
        .version(VersionPolicy::Only(version))
        .reconnect(Reconnect { initial: Duration::from_millis(20), ..Reconnect::default() })
        .in_flight_limit(20)
        .receive_maximum(u16::MAX)
}

/// Says one line: all of it or, if the process is killed in it, less, which does not count.
pub(crate) fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("the test listens");
}

/// A running process.
pub(crate) struct Victim {
    process: Child,
    lines: JoinHandle<Vec<String>>,
}

impl Victim {
    pub(crate) fn start(role: &Role) -> Self {
        let program = std::env::current_exe().expect("this program has a name");
        let mut process = Command::new(program)
            .env(ROLE, role.to_variable())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started again");
        let mut output = BufReader::new(process.stdout.take().expect("it is a pipe"));
        let lines = std::thread::spawn(move || {
            let mut lines = Vec::new();
            let mut line = String::new();
            while output.read_line(&mut line).expect("it is text") > 0 {
                if let Some(whole) = line.strip_suffix('\n') {
                    lines.push(whole.to_owned());
                }
                line.clear();
            }
            lines
        });
        Self { process, lines }
    }

    /// Kills it with SIGKILL after `lifetime`, and gives what it had said.
    pub(crate) fn kill_after(mut self, lifetime: Duration) -> Vec<String> {
        std::thread::sleep(lifetime);
        let ended = self.process.try_wait().expect("the state of a child process is known");
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
        self.process.kill().expect("SIGKILL can be sent");
        self.process.wait().expect("a killed process ends");
        self.lines.join().expect("no panic")
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self, limit: Duration) -> Vec<String> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.process.try_wait().expect("the state of a child process is known") {
                assert!(status.success(), "it failed: {status}");
                return self.lines.join().expect("no panic");
            }
            if Instant::now() > end {
                let _ = self.process.kill();
                panic!("it did not end within {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The quality of service of a number: both take turns.
pub(crate) fn qos_of(number: usize) -> QoS {
    if number.is_multiple_of(2) { QoS::ExactlyOnce } else { QoS::AtLeastOnce }
}
