//! Which server, and which topic with it: the options that name it and the URL.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArguments {
    /// mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC], or mqtts:, ws: and wss: (with the path of the WebSocket in the
    /// place of the topic), unix:/PATH
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The argument URL, as an option. Others can see a password in it: see --password-file
    #[arg(short = 'L', long = "url", value_name = "URL", conflicts_with = "url")]
    url_option: Option<String>,
    /// The server's name or address [default: localhost]
    #[arg(short = 'h', long, visible_alias = "hostname", conflicts_with_all = ["url", "url_option"])]
    host: Option<String>,
    /// The server's TCP port [default: 1883, with TLS 8883, by WebSocket 80 and 443]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["url", "url_option"])]
    port: Option<u16>,
    /// The server's Unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["url", "url_option", "host", "port"])]
    unix: Option<PathBuf>,
    /// How to reach the host: mqtt, mqtts, ws or wss
    #[arg(long, value_name = "SCHEME", value_enum, conflicts_with_all = ["url", "url_option", "unix"])]
    protocol: Option<Scheme>,
    /// Encrypt with TLS; any option of TLS implies it
    #[arg(long, conflicts_with_all = ["url", "url_option", "unix", "protocol"])]
    tls: bool,
    /// Speak MQTT over WebSocket
    #[arg(long, conflicts_with_all = ["url", "url_option", "unix", "protocol"])]
    ws: bool,
    /// The path of the WebSocket [default: /]
    #[arg(long, visible_alias = "path", value_name = "PATH", conflicts_with_all = ["url", "url_option", "unix"])]
    ws_path: Option<String>,
    /// Another server of the same cluster, tried when the one before it fails; repeatable
    #[arg(long, value_name = "URL")]
    pub(super) server: Vec<String>,
    /// How many times in a row to follow a server that sends us to another (MQTT 5)
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(super) redirects: u8,
}

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scheme {
    #[value(alias = "tcp")]
    Mqtt,
    #[value(aliases = ["tls", "ssl"])]
    Mqtts,
    Ws,
    Wss,
}

impl Scheme {
    fn new(websocket: bool, encrypted: bool) -> Self {
        match (websocket, encrypted) {
            (false, false) => Self::Mqtt,
            (false, true) => Self::Mqtts,
            (true, false) => Self::Ws,
            (true, true) => Self::Wss,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }
}

/// The server's URL without its path where that is the topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) topic: Option<String>,
}

impl ServerArguments {
    /// `implies_tls`: there are options of TLS.
    pub(super) fn target(&self, implies_tls: bool) -> Result<Target, Failure> {
        if let Some(url) = self.url.as_ref().or(self.url_option.as_ref()) {
            return Ok(split(url));
        }
        if let Some(path) = &self.unix {
            return Ok(Target { url: unix_url(path)?, topic: None });
        }
        let host = self.host.as_deref().unwrap_or("localhost");
        if host.contains('@') || host.contains("://") {
            // It may have a password: it is not repeated.
            return Err(Failure::Usage("--host takes a host name; for a URL: --url".to_owned()));
        }
        if host.is_empty() || host.contains(|c: char| "/?#%".contains(c)) {
            return Err(Failure::Usage(format!("`{host}` is not a host name")));
        }
        let websocket = self.ws || self.ws_path.is_some();
        let scheme = self.protocol.unwrap_or(Scheme::new(websocket, self.tls || implies_tls));
        if self.ws_path.is_some() && !matches!(scheme, Scheme::Ws | Scheme::Wss) {
            return Err(Failure::Usage("--ws-path needs --ws".to_owned()));
        }
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        let host = if is_bare_v6 { format!("[{host}]") } else { host.to_owned() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let mut url = format!("{}://{host}{port}", scheme.name());
        if let Some(path) = &self.ws_path {
            url += if path.starts_with('/') { "" } else { "/" };
            url += path;
        }
        Ok(Target { url, topic: None })
    }
}

fn unix_url(path: &std::path::Path) -> Result<String, Failure> {
    let path = std::path::absolute(path).map_err(|error| Failure::Usage(format!("--unix: {error}")))?;
    let path = path.to_str().ok_or_else(|| Failure::Usage("--unix: the path is not UTF-8".to_owned()))?;
    let encode = |byte: u8| {
        let is_plain = byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    Ok(format!("unix://{}", path.bytes().map(encode).collect::<String>()))
}

/// For TCP and TLS the path as it stands is the topic, `#` and `?` included; a query before any path belongs to the
/// server's part. For WebSocket and Unix sockets the path is theirs.
fn split(url: &str) -> Target {
    let whole = || Target { url: url.to_owned(), topic: None };
    let scheme = url.find("://").map_or("", |at| &url[..at]);
    if !["mqtt", "mqtts", "tcp", "tls", "ssl"].iter().any(|other| scheme.eq_ignore_ascii_case(other)) {
        return whole();
    }
    let authority = scheme.len() + 3;
    match url[authority..].find(['/', '?']).map(|at| authority + at) {
        Some(at) if url[at..].starts_with('/') => {
            let (server, path) = (&url[..at], &url[at + 1..]);
            Target { url: server.to_owned(), topic: (!path.is_empty()).then(|| path.to_owned()) }
        }
        _ => whole(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, Option<String>) {
        let target = split(url);
        (target.url, target.topic)
    }

    // R: CLI-01
    #[test]
    fn the_path_is_the_topic() {
        assert_eq!(
            parts("mqtt://u:p@host:1884/a/+/#"),
            ("mqtt://u:p@host:1884".into(), Some("a/+/#".into()))
        );
        assert_eq!(parts("mqtts://host//a?b"), ("mqtts://host".into(), Some("/a?b".into())));
        assert_eq!(parts("mqtt://host/"), ("mqtt://host".into(), None));
        assert_eq!(parts("mqtt://host"), ("mqtt://host".into(), None));
        assert_eq!(parts("mqtt://host?clientId=a/b"), ("mqtt://host?clientId=a/b".into(), None));
        assert_eq!(parts("host"), ("host".into(), None));
        for other in ["ws://host/mqtt", "wss://host/a?b", "unix:///run/mqtt.sock"] {
            assert_eq!(parts(other), (other.into(), None));
        }
    }

    #[derive(Debug, clap::Parser)]
    #[command(disable_help_flag = true)]
    struct Words {
        #[command(flatten)]
        server: ServerArguments,
    }

    fn target(words: &str) -> Result<String, Failure> {
        let words = ["sterna"].into_iter().chain(words.split(' '));
        let parsed = <Words as clap::Parser>::try_parse_from(words);
        let parsed = parsed.map_err(|error| Failure::Usage(error.to_string()))?;
        parsed.server.target(false).map(|target| target.url)
    }

    // R: CLI-01
    #[test]
    fn a_host_is_no_url() {
        assert_eq!(target("-h ::1 -p 1884").unwrap(), "mqtt://[::1]:1884");
        assert_eq!(target("-h [::1] -p 1884").unwrap(), "mqtt://[::1]:1884");
        assert_eq!(target("--hostname host").unwrap(), "mqtt://host");
        for host in ["user@host", "host/a", "mqtt://host", "a%b"] {
            assert!(matches!(target(&format!("-h {host}")), Err(Failure::Usage(_))), "{host}");
        }
    }

    // R: CLI-01
    #[test]
    fn a_transport_is_chosen() {
        assert_eq!(target("--tls -p 8884").unwrap(), "mqtts://localhost:8884");
        assert_eq!(target("--ws -h host").unwrap(), "ws://host");
        assert_eq!(target("--ws --tls --path mqtt").unwrap(), "wss://localhost/mqtt");
        assert_eq!(target("--protocol wss --ws-path /a?b").unwrap(), "wss://localhost/a?b");
        assert_eq!(target("--unix /run/a b".split_once(" b").unwrap().0).unwrap(), "unix:///run/a");
        for words in
            ["--ws --protocol ws", "--unix /a --ws", "mqtt://host --tls", "--protocol mqtt --path /a"]
        {
            assert!(matches!(target(words), Err(Failure::Usage(_))), "{words}");
        }
    }
}
