//! A real Mosquitto on a loopback port of its own, for one test.
//!
//! ```no_run
//! let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
//! let url = broker.url();
//! broker.stop();  // SIGTERM: state is saved
//! broker.start(); // the same port, the same data
//! ```
//! It ends with the value, and its files are removed; when the test panics its log is printed first.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// How long Mosquitto may take to start or to end: far more than it needs on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// When Mosquitto writes sessions, queued and retained messages to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Persistence {
    /// Never: a restart forgets everything.
    #[default]
    Off,
    /// On SIGTERM: [`Mosquitto::stop`] keeps everything, [`Mosquitto::kill`] forgets.
    OnExit,
    /// On SIGTERM and about each second change; what came after the last save is still lost with SIGKILL.
    OnChange,
}

/// How a broker is to be configured.
#[derive(Debug, Clone, Default)]
pub(crate) struct MosquittoOptions {
    persistence: Persistence,
    users: Vec<(String, String)>,
    lines: Vec<String>,
}

impl MosquittoOptions {
    pub(crate) fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }

    /// Adds a user. With at least one, everybody else and anonymous clients are refused.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// The longest keep alive, in seconds, that MQTT 5.0 clients may have: above it they get this as Server Keep
    /// Alive. Mosquitto leaves older clients alone.
    pub(crate) fn max_keepalive(self, seconds: u16) -> Self {
        self.line(&format!("max_keepalive {seconds}"))
    }

    /// Adds a line of `mosquitto.conf`. What is no listener option is global.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts the broker and returns once it takes connections.
    ///
    /// # Panics
    /// If Mosquitto is not installed or does not come up; its log is in the message.
    pub(crate) fn start(self) -> Mosquitto {
        Mosquitto::launch(&self)
    }

    fn write(&self, directory: &Path, port: u16) {
        let mut config = vec![
            // Started by root it would become the user `mosquitto`, who may not write here; others it leaves alone.
            "user root".to_owned(),
            "log_dest stderr".to_owned(),
            "log_type all".to_owned(),
            "set_tcp_nodelay true".to_owned(),
            // By default messages beyond a thousand are dropped without a word.
            "max_queued_messages 0".to_owned(),
        ];
        if self.persistence == Persistence::Off {
            config.push("persistence false".to_owned());
        } else {
            config.push("persistence true".to_owned());
            config.push(format!("persistence_location {}/", directory.display()));
        }
        match self.persistence {
            Persistence::Off | Persistence::OnExit => config.push("autosave_interval 0".to_owned()),
            Persistence::OnChange => {
                config.push("autosave_on_changes true".to_owned());
                config.push("autosave_interval 1".to_owned());
            }
        }
        config.push(format!("listener {port} {}", Ipv4Addr::LOCALHOST));
        config.push(format!("allow_anonymous {}", self.users.is_empty()));
        if !self.users.is_empty() {
            let passwords = directory.join("passwords");
            write_passwords(&passwords, &self.users);
            config.push(format!("password_file {}", passwords.display()));
        }
        config.extend(self.lines.iter().cloned());
        fs::write(config_file(directory), config.join("\n") + "\n")
            .expect("the configuration can be written");
    }
}

/// A Mosquitto that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    directory: PathBuf,
    port: u16,
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
        options.write(&directory, port);
        let mut broker = Self { directory, port, _reserved: reserved, process: None };
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
        format!("mqtt://{}", self.address())
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
        let program = find_program("mosquitto");
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
                && TcpStream::connect(self.address()).is_ok();
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

fn write_passwords(file: &Path, users: &[(String, String)]) {
    fs::write(file, "").expect("the password file can be written");
    for (name, password) in users {
        let output = Command::new(find_program("mosquitto_passwd"))
            .arg("-b")
            .arg(file)
            .args([name, password])
            .output()
            .expect("mosquitto_passwd runs");
        assert!(output.status.success(), "mosquitto_passwd: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Finds a program of Mosquitto's, also where Debian puts the broker and not every user's PATH looks.
fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is not installed; these tests need a real Mosquitto: apt-get install mosquitto")
        })
}
