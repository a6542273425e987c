//! The binary as a user runs it, and a test broker in this process for it to talk to.
#![allow(dead_code, unreachable_pub)] // Each test file uses its part of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Options, Record, Sessions};
use sterna_simulator::{TestBroker, TestBrokerBuilder};
use tokio::runtime::Runtime;

/// The values of `-V`.
pub const VERSIONS: [&str; 3] = ["3.1", "3.1.1", "5"];

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test broker that is served in the background.
pub struct Broker {
    runtime: Runtime,
    pub model: TestBroker,
    /// Bound to the port and never listening, so that nobody else gets it while the broker is down.
    _reserved: Socket,
}

impl Broker {
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // The broker's listener sets it as well; two that do may share a port on which only one listens.
        reserved.set_reuse_address(true).expect("SO_REUSEADDR");
        reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = reserved.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
        let model = runtime.block_on(TestBroker::bind(address, options)).expect("the port is reserved");
        Self { runtime, model, _reserved: reserved }
    }

    pub fn url(&self) -> String {
        self.model.url()
    }

    pub fn port(&self) -> String {
        self.model.address().port().to_string()
    }

    /// Waits for the `count`th packet of this type from `client`.
    pub fn wait_for(&self, client: &str, packet: PacketType, count: usize) -> Record {
        let wait = async { tokio::time::timeout(PATIENCE, self.model.wait_for(client, packet, count)).await };
        self.runtime.block_on(wait).unwrap_or_else(|_| panic!("{client} sent no {packet:?} number {count}"))
    }

    pub fn take_down(&self, sessions: Sessions) {
        self.runtime.block_on(self.model.take_down(sessions));
    }

    pub fn bring_up(&self) {
        self.runtime.block_on(self.model.bring_up()).expect("the port is still free");
    }
}

/// A test broker of any transport that is served in the background.
pub struct Served {
    pub runtime: Runtime,
    pub model: TestBroker,
}

impl Served {
    pub fn start(builder: TestBrokerBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let model = runtime.block_on(builder.start()).expect("it starts");
        Self { runtime, model }
    }

    pub fn port(&self) -> String {
        self.model.address().port().to_string()
    }
}

/// A file of this test process alone, gone with the value.
pub struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    pub fn new(name: &str, content: &str) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("a file can be written");
        Self(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().expect("a path in text")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A running `sterna`, whose standard error is read line by line. Whatever happens it ends: with the value.
pub struct Sterna {
    child: Child,
    errors: Receiver<String>,
    said: Vec<String>,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub output: Vec<u8>,
    pub errors: Vec<String>,
}

impl Ended {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.output).expect("text")
    }

    /// # Panics
    /// With all that is known, if the exit status is another one.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        self
    }

    /// The one line that explains a failure.
    #[track_caller]
    pub fn error(&self) -> &str {
        assert_eq!(self.errors.len(), 1, "{self:?}");
        self.errors[0].strip_prefix("sterna: ").expect("it says who complains")
    }
}

impl Sterna {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, |command| command)
    }

    /// The same with what `change` says of its process.
    pub fn start_with(arguments: &[&str], change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
        // Whatever options whoever runs the tests has for themselves.
        command.env("STERNA_OPTIONS_FILE", "").env("TZ", "UTC");
        let mut child = change(&mut command)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, errors) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, errors, said: Vec::new() }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, input: &[u8]) {
        // It may have ended before it has read everything.
        let _ = self.child.stdin.as_mut().expect("it is still open").write_all(input);
    }

    pub fn close_input(&mut self) {
        self.child.stdin = None;
    }

    pub fn close_output(&mut self) {
        self.child.stdout = None;
    }

    /// Waits for a line on standard error that contains `text`.
    pub fn wait_to_say(&mut self, text: &str) {
        while !self.said.last().is_some_and(|line| line.contains(text)) {
            match self.errors.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("{error} before `{text}`: {:?}", self.said),
            }
        }
    }

    /// Reads so many lines of its standard output.
    pub fn read_lines(&mut self, count: usize) -> Vec<String> {
        let mut output = BufReader::with_capacity(1, self.child.stdout.as_mut().expect("a pipe"));
        let mut read = || {
            let mut line = String::new();
            output.read_line(&mut line).expect("standard output is text");
            line.trim_end_matches('\n').to_owned()
        };
        (0..count).map(|_| read()).collect()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    /// Waits until it has ended by itself.
    pub fn end(mut self) -> Ended {
        self.close_input();
        let mut output = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output).expect("standard output is read");
        }
        let status = self.child.wait().expect("it ends").code();
        let mut errors = std::mem::take(&mut self.said);
        errors.extend(self.errors.iter());
        Ended { status, output, errors }
    }
}

impl Drop for Sterna {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it to its end.
pub fn sterna(arguments: &[&str]) -> Ended {
    sterna_with(arguments, b"")
}

/// Runs it to its end with this on its standard input.
pub fn sterna_with(arguments: &[&str], input: &[u8]) -> Ended {
    let mut sterna = Sterna::start(arguments);
    sterna.write(input);
    sterna.end()
}

/// A `sterna sub` with the client identifier `sub`, which gives up after a minute, and is subscribed at the test broker
/// when this returns.
pub fn subscriber(broker: &Broker, arguments: &[&str]) -> Sterna {
    let url = broker.url();
    let mut all = vec!["sub", &url, "-i", "sub", "-W", "60"];
    all.extend(arguments);
    let sterna = Sterna::start(&all);
    broker.wait_for("sub", PacketType::Subscribe, 1);
    sterna
}

/// `sterna pub` to the test broker; it must succeed without a word.
#[track_caller]
pub fn publish(broker: &Broker, arguments: &[&str]) {
    publish_with(broker, arguments, b"");
}

/// The same with this on its standard input.
#[track_caller]
pub fn publish_with(broker: &Broker, arguments: &[&str], input: &[u8]) {
    let url = broker.url();
    let mut all = vec!["pub", &url, "-W", "60"];
    all.extend(arguments);
    let ended = sterna_with(&all, input).expect(0);
    assert!(ended.output.is_empty() && ended.errors.is_empty(), "{ended:?}");
}

/// Numbers of which some come twice: the first copies.
pub fn first_copies(lines: &[String]) -> Vec<u32> {
    let mut first = Vec::new();
    for number in lines.iter().map(|line| line.parse().expect("a number")) {
        if !first.contains(&number) {
            first.push(number);
        }
    }
    first
}

/// The output of a process of another program.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it runs")
}
