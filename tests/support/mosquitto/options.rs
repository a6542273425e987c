//! How a Mosquitto is to be configured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use super::super::program;
use super::{Mosquitto, config_file};

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
    listener: Listener,
    tls: Option<Tls>,
}

/// All of it in PEM.
#[derive(Debug, Clone)]
struct Tls {
    certificate: String,
    key: String,
    client_authority: Option<String>,
}

/// What it listens on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Listener {
    pub(super) tls: bool,
    pub(super) websockets: bool,
    pub(super) unix: bool,
}

impl Listener {
    /// Mosquitto 2.0.11 does not start with WebSocket listeners alone, so there is one on a Unix socket beside them.
    pub(super) fn needs_socket(self) -> bool {
        self.unix || self.websockets
    }

    pub(super) fn url(self, address: SocketAddr) -> String {
        let (scheme, path) = match (self.websockets, self.tls) {
            (false, false) => ("mqtt", ""),
            (false, true) => ("mqtts", ""),
            (true, false) => ("ws", "/mqtt"),
            (true, true) => ("wss", "/mqtt"),
        };
        format!("{scheme}://{address}{path}")
    }
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

    /// Listens with TLS; all of it is PEM. With an authority only clients with a certificate of it are let in.
    pub(crate) fn tls(mut self, certificate: &str, key: &str, client_authority: Option<&str>) -> Self {
        self.listener.tls = true;
        let client_authority = client_authority.map(str::to_owned);
        self.tls = Some(Tls { certificate: certificate.to_owned(), key: key.to_owned(), client_authority });
        self
    }

    /// Listens for WebSocket, on all interfaces: Mosquitto 2.0 cannot help it. See [`network`](super::super::network).
    pub(crate) fn websockets(mut self) -> Self {
        self.listener.websockets = true;
        self
    }

    /// Listens on a Unix socket instead.
    pub(crate) fn unix(mut self) -> Self {
        self.listener.unix = true;
        self
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

    pub(super) fn listener(&self) -> Listener {
        self.listener
    }

    pub(super) fn write(&self, directory: &Path, port: u16, socket: Option<&Path>) {
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
        if let Some(path) = socket {
            config.push(format!("listener 0 {}", path.display()));
        }
        if !self.listener.unix {
            config.push(format!("listener {port} {}", Ipv4Addr::LOCALHOST));
        }
        if self.listener.websockets {
            config.push("protocol websockets".to_owned());
        }
        if let Some(tls) = &self.tls {
            write_tls(&mut config, directory, tls);
        }
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

fn write_tls(config: &mut Vec<String>, directory: &Path, tls: &Tls) {
    let mut write = |option: &str, name: &str, pem: &str| {
        let path = directory.join(name);
        fs::write(&path, pem).expect("a file for a certificate can be written");
        config.push(format!("{option} {}", path.display()));
    };
    write("certfile", "certificate.pem", &tls.certificate);
    write("keyfile", "key.pem", &tls.key);
    if let Some(authority) = &tls.client_authority {
        write("cafile", "authority.pem", authority);
        config.push("require_certificate true".to_owned());
    }
}

fn write_passwords(file: &Path, users: &[(String, String)]) {
    fs::write(file, "").expect("the password file can be written");
    for (name, password) in users {
        let output = Command::new(program::find("mosquitto_passwd"))
            .arg("-b")
            .arg(file)
            .args([name, password])
            .output()
            .expect("mosquitto_passwd runs");
        assert!(output.status.success(), "mosquitto_passwd: {}", String::from_utf8_lossy(&output.stderr));
    }
}
