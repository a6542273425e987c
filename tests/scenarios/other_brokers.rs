//! Brokers of other makes on loopback ports of their own, for one test: what `./test --brokers` has installed.

use std::fs::{self, File};
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

/// How long a broker may take to start: a Java or Erlang machine on a busy computer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Where `./test --brokers` has put those that come from npm and `PyPI`.
const INSTALLED: &str = "STERNA_BROKERS";
/// CONNECT of MQTT 3.1.1, client identifier `probe`, Clean Session.
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x0a\x00\x05probe";
/// A CONNACK that accepts it.
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

/// Whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Make {
    /// aedes, from npm.
    Aedes,
    /// `RabbitMQ` with its MQTT and Web-MQTT plugins, from Debian.
    RabbitMq,
    /// NATS server, from Debian.
    Nats,
    /// Apache `ActiveMQ`, from Debian.
    ActiveMq,
    /// amqtt, from `PyPI`.
    Amqtt,
}

impl Make {
    pub(crate) const ALL: [Self; 5] = [Self::Aedes, Self::RabbitMq, Self::Nats, Self::ActiveMq, Self::Amqtt];

    /// Whether they are installed: only `./test --brokers` sees to that.
    pub(crate) fn are_installed() -> bool {
        std::env::var_os(INSTALLED).is_some()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aedes => "aedes",
            Self::RabbitMq => "rabbitmq",
            Self::Nats => "nats",
            Self::ActiveMq => "activemq",
            Self::Amqtt => "amqtt",
        }
    }

    /// Whether it speaks this version. None of them speaks 5.0.
    pub(crate) fn speaks(self, version: ProtocolVersion) -> bool {
        match version {
            ProtocolVersion::V3_1 => matches!(self, Self::Aedes | Self::RabbitMq | Self::ActiveMq),
            ProtocolVersion::V3_1_1 => true,
            ProtocolVersion::V5 => false,
        }
    }

    pub(crate) fn speaks_websocket(self) -> bool {
        self != Self::ActiveMq
    }
}

/// A broker that lives as long as this value.
#[derive(Debug)]
pub(crate) struct OtherBroker {
    make: Make,
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
    /// What else the broker insists on listening to.
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
    /// Starts a broker and returns once it accepts a client.
    ///
    /// # Panics
    /// If it is not installed or does not come up; its log is in the message.
    pub(crate) fn start(make: Make) -> Self {
        let ports = Ports {
            mqtt: Port::reserve(),
            web: Port::reserve(),
            others: [Port::reserve(), Port::reserve(), Port::reserve()],
        };
        let mut broker = Self { make, directory: new_directory(), ports, process: None, mapper: None };
        if make == Make::RabbitMq {
            broker.start_mapper();
        }
        let log = File::create(broker.directory.join("log")).expect("a log file");
        let mut command = broker.command();
        command
            .current_dir(&broker.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // It may have children of its own, which end with it.
            .process_group(0);
        broker.process =
            Some(command.spawn().unwrap_or_else(|error| panic!("{make:?} does not run: {error}")));
        broker.wait_until_it_accepts();
        broker
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://{}", self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.mqtt.number).into()
    }

    /// Where it listens for WebSockets, if it does.
    pub(crate) fn websocket_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.web.number).into()
    }

    /// Where it speaks MQTT over WebSocket, if it does.
    pub(crate) fn websocket_url(&self) -> String {
        let path = match self.make {
            Make::Aedes | Make::Amqtt | Make::ActiveMq => "",
            Make::Nats => "/mqtt",
            Make::RabbitMq => "/ws",
        };
        format!("ws://{}{path}", self.websocket_address())
    }

    fn command(&self) -> Command {
        match self.make {
            Make::Aedes => self.aedes(),
            Make::RabbitMq => self.rabbitmq(),
            Make::Nats => self.nats(),
            Make::ActiveMq => self.activemq(),
            Make::Amqtt => self.amqtt(),
        }
    }

    fn aedes(&self) -> Command {
        let script = self.write(
            "aedes.js",
            "const { Aedes } = require('aedes');\n\
             const { createServer } = require('aedes-server-factory');\n\
             Aedes.createBroker().then((broker) => {\n\
                 createServer(broker).listen(Number(process.argv[2]), '127.0.0.1');\n\
                 createServer(broker, { ws: true }).listen(Number(process.argv[3]), '127.0.0.1');\n\
             });\n",
        );
        let mut command = Command::new("node");
        command
            .arg(script)
            .args([self.ports.mqtt.number, self.ports.web.number].map(|port| port.to_string()));
        command.env("NODE_PATH", installed().join("node_modules"));
        command
    }

    fn rabbitmq(&self) -> Command {
        let [amqp, epmd, distribution] = self.ports.others.each_ref().map(|port| port.number);
        let config = self.write(
            "rabbitmq.conf",
            &format!(
                "listeners.tcp.1 = 127.0.0.1:{amqp}\n\
                 mqtt.listeners.tcp.1 = 127.0.0.1:{}\n\
                 mqtt.allow_anonymous = true\n\
                 web_mqtt.tcp.ip = 127.0.0.1\n\
                 web_mqtt.tcp.port = {}\n",
                self.ports.mqtt.number, self.ports.web.number
            ),
        );
        let plugins = self.write("enabled_plugins", "[rabbitmq_mqtt,rabbitmq_web_mqtt].\n");
        let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
        command
            .env("HOME", &self.directory)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", epmd.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_NODENAME", format!("sterna{}@localhost", self.ports.mqtt.number))
            .env("RABBITMQ_CONFIG_FILE", config)
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
            .env("RABBITMQ_MNESIA_BASE", self.directory.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", self.directory.join("logs"));
        command
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

    /// It refuses filters of QoS 1 once all those of a session may have 65,535 messages unacknowledged, 1,024 each if it is
    /// not told otherwise.
    fn nats(&self) -> Command {
        let config = self.write(
            "nats.conf",
            &format!(
                "server_name: sterna\n\
                 listen: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\" }}\n\
                 mqtt {{ host: \"127.0.0.1\", port: {}, max_ack_pending: 100 }}\n\
                 websocket {{ host: \"127.0.0.1\", port: {}, no_tls: true }}\n",
                self.ports.others[0].number,
                self.directory.join("data").display(),
                self.ports.mqtt.number,
                self.ports.web.number
            ),
        );
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(config);
        command
    }

    /// Debian's package lacks the MQTT library on its own class path, and its script wants to be a service.
    fn activemq(&self) -> Command {
        let jars = ["mqtt-client", "hawtbuf", "hawtdispatch", "hawtdispatch-transport"];
        let jars = jars.map(|jar| format!("/usr/share/java/{jar}.jar")).join(":");
        let mut command = Command::new("java");
        command
            .arg("-Xmx256m")
            .args(["-cp", &format!("/usr/share/activemq/lib/*:/usr/share/activemq/lib/optional/*:{jars}")])
            .arg("-Dactivemq.home=/usr/share/activemq")
            .arg(format!("-Dactivemq.base={}", self.directory.display()))
            .arg(format!("-Dactivemq.data={}", self.directory.join("data").display()))
            .arg("org.apache.activemq.console.command.ShellCommand")
            .arg("start")
            .arg(format!(
                "broker:(mqtt://127.0.0.1:{})?persistent=false&useJmx=false",
                self.ports.mqtt.number
            ));
        command
    }

    fn amqtt(&self) -> Command {
        let config = self.write(
            "amqtt.yaml",
            &format!(
                "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{}\n  \
                 web:\n    type: ws\n    bind: 127.0.0.1:{}\n\
                 plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n",
                self.ports.mqtt.number, self.ports.web.number
            ),
        );
        let mut command = Command::new(installed().join("python/bin/amqtt"));
        command.arg("-c").arg(config);
        command
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.directory.join(name);
        fs::write(&file, content).expect("a file of the broker's can be written");
        file
    }

    /// Some listen long before they can serve: only a CONNACK tells.
    fn wait_until_it_accepts(&mut self) {
        let start = Instant::now();
        while !self.accepts() {
            let process = self.process.as_mut().expect("it was started");
            let ended = process.try_wait().expect("the state of a child process is known");
            assert!(ended.is_none(), "{:?} ended with {ended:?} at its start", self.make);
            assert!(start.elapsed() < PATIENCE, "{:?} accepts nobody after {PATIENCE:?}", self.make);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether a client gets in, and whether there is a listener for WebSockets, which may begin later.
    fn accepts(&self) -> bool {
        if self.make.speaks_websocket() && TcpStream::connect(self.websocket_address()).is_err() {
            return false;
        }
        let Ok(mut stream) = TcpStream::connect(self.address()) else {
            return false;
        };
        let mut answer = [0; 4];
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(CONNECT).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == ACCEPTED
            // DISCONNECT
            && stream.write_all(&[0xE0, 0]).is_ok()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("log")).unwrap_or_default()).into_owned()
    }
}

impl Drop for OtherBroker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The whole group: some are started by a script.
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
