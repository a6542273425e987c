//! Which server, and which topic with it: the options that name it and the URL.

use clap::Args;

use crate::exit::Failure;

const MQTT_PORT: u16 = 1883;

#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArguments {
    /// mqtt://[USER[:PASSWORD]@]HOST[:PORT][/TOPIC]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The argument URL, as an option
    #[arg(short = 'L', long = "url", value_name = "URL", conflicts_with = "url")]
    url_option: Option<String>,
    /// The server's name or address [default: localhost]
    #[arg(short = 'h', long, conflicts_with_all = ["url", "url_option"])]
    host: Option<String>,
    /// The server's TCP port [default: 1883]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with_all = ["url", "url_option"])]
    port: Option<u16>,
}

/// The server's URL without its path, which is the topic.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) topic: Option<String>,
}

impl ServerArguments {
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        if let Some(url) = self.url.as_ref().or(self.url_option.as_ref()) {
            return Ok(split(url));
        }
        let host = self.host.as_deref().unwrap_or("localhost");
        if host.is_empty() || host.contains(|c: char| "/?#@%".contains(c)) {
            return Err(Failure::Usage(format!("`{host}` is not a host name")));
        }
        let port = self.port.unwrap_or(MQTT_PORT);
        let is_bare_v6 = host.contains(':') && !host.starts_with('[');
        let url =
            if is_bare_v6 { format!("mqtt://[{host}]:{port}") } else { format!("mqtt://{host}:{port}") };
        Ok(Target { url, topic: None })
    }
}

/// The path as it stands is the topic, `#` and `?` included; a query before any path belongs to the server's part.
fn split(url: &str) -> Target {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let (server, path) = match url[authority..].find(['/', '?']).map(|at| authority + at) {
        Some(at) if url[at..].starts_with('/') => (&url[..at], &url[at + 1..]),
        _ => (url, ""),
    };
    Target { url: server.to_owned(), topic: (!path.is_empty()).then(|| path.to_owned()) }
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
        assert_eq!(parts("mqtt://host//a?b"), ("mqtt://host".into(), Some("/a?b".into())));
        assert_eq!(parts("mqtt://host/"), ("mqtt://host".into(), None));
        assert_eq!(parts("mqtt://host"), ("mqtt://host".into(), None));
        assert_eq!(parts("mqtt://host?clientId=a/b"), ("mqtt://host?clientId=a/b".into(), None));
        assert_eq!(parts("host"), ("host".into(), None));
    }

    // R: CLI-01
    #[test]
    fn a_host_is_no_url() {
        let arguments = |host: &str| ServerArguments {
            url: None,
            url_option: None,
            host: Some(host.into()),
            port: Some(1884),
        };
        assert_eq!(arguments("::1").target().unwrap().url, "mqtt://[::1]:1884");
        assert_eq!(arguments("[::1]").target().unwrap().url, "mqtt://[::1]:1884");
        assert_eq!(arguments("host").target().unwrap().url, "mqtt://host:1884");
        for host in ["", "user@host", "host/a", "mqtt://host"] {
            assert!(matches!(arguments(host).target(), Err(Failure::Usage(_))), "{host}");
        }
    }
}
