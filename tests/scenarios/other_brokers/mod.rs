//! Brokers of other makes on loopback ports of their own, for one test: what `./test --brokers` has installed.

mod commands;
mod make;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use socket2::{Domain, Socket, Type};
use sterna::ProtocolVersion;
use sterna_simulator::Identity;

pub(crate) use self::make::Make;

/// How long a broker may take to start: a Java or Erlang machine on a busy computer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Where `./test --brokers` has put those that come from npm, `PyPI` and crates.io.
const INSTALLED: &str = "STERNA_BROKERS";
/// CONNECT of MQTT 3.1.1, client identifier `probe`, Clean Session.
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05probe";
/// A CONNACK that accepts it.
const ACCEPTED: [u8; 4] = [CONNACK, 2, 0, 0];
/// The first byte of every CONNACK.
const CONNACK: u8 = 0x20;

/// What is asked of a broker besides letting everybody in over TCP and WebSocket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// TLS that shows this: also, or, with NATS, instead of TCP.
    pub(crate) identity: Option<Identity>,
    /// Nobody but this user, with this password.
    pub(crate) user: Option<(&'static str, &'static str)>,
    /// Narrow bounds of what it takes, as far as it has any.
    pub(crate) limited: bool,
    /// Narrow bounds of what it keeps, as far as it has any.
    pub(crate) quota: bool,
    /// The server to which it sends everybody.
    pub(crate) redirect: Option<String>,
}

/// A broker that lives as long as this value.
#[derive(Debug)]
pub(crate) struct OtherBroker {
    make: Make,
    wishes: Wishes,
    directory: PathBuf,
    ports: Ports,
    process: Option<Child>,
    /// Erlang's port mapper, if the broker needs one: left to itself it starts one that outlives it.
    mapper: Option<Child>,
}

/// Bound and never listening: so no other program gets them.
#[derive(Debug)]
struct Ports {
    mqtt: Port,
    web: Port,
    tls: Port,
    /// What else the broker listens to. For rumqttd the first two are those of 5.0, plain and with TLS.
    others: [Port; 3],
}

#[derive(Debug)]
struct Port {
    number: u16,
    _reserved: Socket,
}

impl Port {
    fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // The brokers set it as well; two that do may share a port on which only one listens.
        socket.set_reuse_address(true).expect("SO_REUSEADDR");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self { number: address.as_socket().expect("it is an IP address").port(), _reserved: socket }
    }
}

impl OtherBroker {
    /// Starts a broker for anybody and returns once it accepts a client.
    ///
    /// # Panics
    /// If it is not installed or does not come up; its log is in the message.
    pub(crate) fn start(make: Make) -> Self {
        Self::start_with(make, Wishes::default())
    }

    /// Starts a broker and returns once it serves.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub(crate) fn start_with(make: Make, wishes: Wishes) -> Self {
        let ports = Ports {
            mqtt: Port::reserve(),
            web: Port::reserve(),
            tls: Port::reserve(),
            others: [Port::reserve(), Port::reserve(), Port::reserve()],
        };
        let directory = new_directory();
        let mut broker = Self { make, wishes, directory, ports, process: None, mapper: None };
        if make == Make::RabbitMq {
            broker.start_mapper();
        }
        broker.launch();
        broker
    }

    /// Starts it, again or for the first time, at the same addresses and in the same folder; returns once it serves.
    ///
    /// # Panics
    /// If it does not come up.
    pub(crate) fn launch(&mut self) {
        let log = self.directory.join("log");
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let mut command = self.command();
        command
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // It may have children of its own, which end with it.
            .process_group(0);
        let process = command.spawn().unwrap_or_else(|error| panic!("{:?} does not run: {error}", self.make));
        self.process = Some(process);
        self.wait_until_it_serves();
    }

    /// Ends it with SIGTERM, as a service manager does, and waits until it is gone.
    ///
    /// # Panics
    /// If it is not running or does not end.
    pub(crate) fn stop(&mut self) {
        let process = self.process.as_mut().expect("it is running");
        // The whole group: some are started by a script.
        kill_process_group(Pid::from_child(process), Signal::TERM).expect("SIGTERM can be sent");
        let start = Instant::now();
        while process.try_wait().expect("the state of a child process is known").is_none() {
            assert!(start.elapsed() < PATIENCE, "{:?} does not end within {PATIENCE:?}", self.make);
            thread::sleep(Duration::from_millis(20));
        }
        self.process = None;
    }

    pub(crate) fn url(&self, version: ProtocolVersion) -> String {
        format!("mqtt://{}", self.address(version))
    }

    pub(crate) fn address(&self, version: ProtocolVersion) -> SocketAddr {
        let [first, ..] = &self.ports.others;
        let port = if self.has_ports_of_v5(version) { first } else { &self.ports.mqtt };
        (Ipv4Addr::LOCALHOST, port.number).into()
    }

    /// Where it speaks MQTT over TLS, if that is asked of it.
    pub(crate) fn tls_url(&self, version: ProtocolVersion) -> String {
        let [_, second, _] = &self.ports.others;
        let port = if self.has_ports_of_v5(version) { second } else { &self.ports.tls };
        format!("mqtts://{}:{}", Ipv4Addr::LOCALHOST, port.number)
    }

    fn has_ports_of_v5(&self, version: ProtocolVersion) -> bool {
        self.make == Make::Rumqttd && version == ProtocolVersion::V5
    }

    /// Where it listens for WebSockets, if it does.
    pub(crate) fn websocket_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.web.number).into()
    }

    /// Where it speaks MQTT over WebSocket, if it does.
    pub(crate) fn websocket_url(&self) -> String {
        let path = match self.make {
            Make::Aedes | Make::Amqtt | Make::ActiveMq | Make::Rumqttd => "",
            Make::Nats | Make::Mqttv5 => "/mqtt",
            Make::RabbitMq => "/ws",
        };
        format!("ws://{}{path}", self.websocket_address())
    }

    /// Starts Erlang's port mapper and returns once it listens.
    fn start_mapper(&mut self) {
        let port = self.ports.others[1].number;
        let mut command = Command::new("epmd");
        command.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mapper = command.spawn().unwrap_or_else(|error| panic!("epmd does not run: {error}"));
        let mapper = self.mapper.insert(mapper);
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = mapper.try_wait().expect("the state of a child process is known");
            assert!(ended.is_none(), "epmd ended with {ended:?} at its start");
            assert!(start.elapsed() < PATIENCE, "epmd does not listen after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Some listen long before they can serve: only a CONNACK tells.
    fn wait_until_it_serves(&mut self) {
        let start = Instant::now();
        while !self.serves() {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("the state of a child process is known");
            assert!(ended.is_none(), "{:?} ended with {ended:?} at its start", self.make);
            assert!(start.elapsed() < PATIENCE, "{:?} serves nobody after {PATIENCE:?}", self.make);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether it answers a client, and has all its other listeners, which may begin later.
    fn serves(&self) -> bool {
        let listens = |port: &Port| TcpStream::connect((Ipv4Addr::LOCALHOST, port.number)).is_ok();
        let others = [
            self.make.has_websocket().then_some(&self.ports.web),
            self.wishes.identity.is_some().then_some(&self.ports.tls),
        ];
        if !others.into_iter().flatten().all(listens) {
            return false;
        }
        // With TLS it has no listener for others; it opens this one last.
        let only_tls = self.make == Make::Nats && self.wishes.identity.is_some();
        only_tls || self.answers()
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address(ProtocolVersion::V3_1_1)) else {
            return false;
        };
        let lets_anybody_in = self.wishes.user.is_none() && self.wishes.redirect.is_none();
        let mut answer = [0; 4];
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(CONNECT).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && if lets_anybody_in { answer == ACCEPTED } else { answer[0] == CONNACK }
            // DISCONNECT, which the refused cannot send
            && (stream.write_all(&[0xE0, 0]).is_ok() || !lets_anybody_in)
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for OtherBroker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = kill_process_group(Pid::from_child(&process), Signal::KILL);
            let _ = process.wait();
        }
        if let Some(mut mapper) = self.mapper.take() {
            let _ = mapper.kill();
            let _ = mapper.wait();
        }
        if thread::panicking() {
            eprintln!("The log of {:?}:\n{}", self.make, self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn installed() -> PathBuf {
    std::env::var_os(INSTALLED).map_or_else(
        || panic!("{INSTALLED} names the folder of the installed brokers: run ./test --brokers"),
        PathBuf::from,
    )
}

/// A folder below the target folder that no other broker of any running test has.
fn new_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broker-{}-{number}", std::process::id()));
    // A killed run of the same process id may have left one.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a folder for the broker can be made");
    directory
}
