//! A real Mosquitto on a loopback port of its own, for one test.
//!
//! ```no_run
//! let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
//! let url = broker.url();
//! broker.stop();  // SIGTERM: state is saved
//! broker.start(); // the same port, the same data
//! ```
//! It ends with the value, and its files are removed; when the test panics its log is printed first.

mod options;

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use self::options::Listener;
pub(crate) use self::options::{MosquittoOptions, Persistence};
use super::folder::SocketPath;
use super::{network, program};

/// How long Mosquitto may take to start or to end: far more than it needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Mosquitto that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    directory: PathBuf,
    port: u16,
    listener: Listener,
    socket: Option<SocketPath>,
    /// Bound to the port and never listening: so no other program gets the port, and no client that reconnects while
    /// the broker is away gets it as its own source port and so connects to itself.
    _reserved: Socket,
    process: Option<Child>,
}

impl Mosquitto {
    /// A broker for anybody, without persistence.
    pub(crate) fn anonymous() -> Self {
        Self::options().start()
    }

    pub(crate) fn options() -> MosquittoOptions {
        MosquittoOptions::default()
    }

    fn launch(options: &MosquittoOptions) -> Self {
        let reserved = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Mosquitto sets it as well; two that do may share a port on which only one listens.
        reserved.set_reuse_address(true).expect("SO_REUSEADDR");
        reserved.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = reserved.local_addr().expect("a bound socket has an address");
        let port = address.as_socket().expect("it is an IP address").port();

        let directory = new_directory();
        let listener = options.listener();
        assert!(
            !listener.websockets || network::is_private(),
            "Mosquitto's WebSocket listener can be reached from everywhere: it needs a network of its own"
        );
        let socket = listener.needs_socket().then(SocketPath::new);
        options.write(&directory, port, socket.as_ref().map(SocketPath::path));
        let mut broker = Self { directory, port, listener, socket, _reserved: reserved, process: None };
        broker.start();
        broker
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        match &self.socket {
            Some(socket) if self.listener.unix => socket.url(),
            _ => self.listener.url(self.address()),
        }
    }

    fn takes_connections(&self) -> bool {
        match &self.socket {
            Some(socket) if self.listener.unix => UnixStream::connect(socket.path()).is_ok(),
            _ => TcpStream::connect(self.address()).is_ok(),
        }
    }

    /// Everything it has logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Waits until it has logged a line with `text` in it.
    ///
    /// # Panics
    /// If it does not.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let found = wait_for(|| self.log().contains(text).then_some(()));
        assert!(found.is_some(), "Mosquitto has not logged {text:?} within {PATIENCE:?}");
    }

    /// Starts it again on the same port with the same data; returns once it takes connections.
    ///
    /// # Panics
    /// If it runs already or does not come up.
    pub(crate) fn start(&mut self) {
        assert!(self.process.is_none(), "Mosquitto is running already");
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).expect("a log file");
        let earlier = self.log().len();
        let program = program::find("mosquitto");
        let process = Command::new(&program)
            .arg("-c")
            .arg(config_file(&self.directory))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        self.process = Some(process);
        let ended = wait_for(|| {
            let ended = self.exit_status();
            let ready = self.log().get(earlier..).is_some_and(|log| log.contains(" running"))
                && self.takes_connections();
            (ended.is_some() || ready).then_some(ended)
        });
        match ended {
            Some(None) => {}
            Some(Some(status)) => panic!("Mosquitto ended with {status} at its start"),
            None => panic!("Mosquitto takes no connections after {PATIENCE:?}"),
        }
    }

    /// Ends it with SIGTERM, as a service manager does, and waits until it is gone; its state is saved first.
    ///
    /// # Panics
    /// If it is not running or does not end.
    pub(crate) fn stop(&mut self) {
        let id = self.process.as_ref().expect("Mosquitto is running").id();
        // The shell's own `kill`: small systems have no program of that name, and std can send SIGKILL only.
        let sent = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGTERM could not be sent");
        let ended = wait_for(|| self.exit_status());
        assert!(ended.is_some(), "Mosquitto did not end within {PATIENCE:?} of SIGTERM");
        self.process = None;
    }

    /// Ends it with SIGKILL: it has no time to save anything.
    ///
    /// # Panics
    /// If it is not running.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("Mosquitto is running");
        process.kill().expect("SIGKILL can be sent");
        process.wait().expect("a killed process ends");
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.try_wait().expect("the state of a child process is known")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            eprintln!("The log of Mosquitto on port {}:\n{}", self.port, self.log());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Asks again and again, at growing intervals, until there is an answer or [`PATIENCE`] has passed.
fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() > PATIENCE {
            return answer;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn config_file(directory: &Path) -> PathBuf {
    directory.join("mosquitto.conf")
}

/// A folder below the target folder that no other broker of any running test has.
fn new_directory() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mosquitto-{}-{number}", std::process::id()));
    // A killed run of the same process id may have left one.
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a folder for Mosquitto can be made");
    directory
}
