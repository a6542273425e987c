//! The URL of a server.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// The port of `mqtt:` and `tcp:`.
const MQTT_PORT: u16 = 1883;

/// Why a URL does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme://`.
    #[error("a server URL needs a scheme, such as mqtt://")]
    NoScheme,
    /// A scheme that no build knows.
    #[error("unknown URL scheme `{0}`")]
    UnknownScheme(Box<str>),
    /// A scheme that is MQTT's, but whose transport is not part of this build. There is no falling back to an
    /// unencrypted connection.
    #[error("URL scheme `{0}` is not supported by this build")]
    UnsupportedScheme(Box<str>),
    /// The host name is not a host name.
    #[error("`{0}` is not a host name")]
    Host(Box<str>),
    /// An IPv6 address without its closing bracket, or with something but a port behind it.
    #[error("an IPv6 address stands in brackets: [::1]")]
    Brackets,
    /// The port is not a number of 1 to 65,535.
    #[error("`{0}` is not a port number")]
    Port(Box<str>),
    /// Percent-encoding that does not decode to UTF-8.
    #[error("the URL's {0} is not UTF-8")]
    Utf8(&'static str),
    /// A TCP connection has no path.
    #[error("the path `{0}` has no meaning for this scheme")]
    Path(Box<str>),
    /// A query parameter that means nothing here.
    #[error("unknown query parameter `{0}`")]
    Query(Box<str>),
}

/// User name and password of a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user_name: Box<str>,
    /// The password, if the URL has one.
    pub password: Option<Box<[u8]>>,
}

/// Shows neither.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(<redacted>)")
    }
}

/// Where a server is, and what its URL says besides.
///
/// ```
/// use sterna_transport::Endpoint;
///
/// let endpoint = Endpoint::parse("mqtt://ann:s%3Acret@[::1]:1884?clientId=thermometer")?;
/// assert_eq!((&*endpoint.host, endpoint.port), ("::1", 1884));
/// assert_eq!(endpoint.client_id.as_deref(), Some("thermometer"));
/// assert_eq!(endpoint.to_string(), "mqtt://[::1]:1884");
/// # Ok::<(), sterna_transport::UrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A host name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: Box<str>,
    /// The TCP port.
    pub port: u16,
    /// What stands before the `@`.
    pub credentials: Option<Credentials>,
    /// The query's `clientId`.
    pub client_id: Option<Box<str>>,
}

impl Endpoint {
    /// Reads `mqtt://user:password@host:port?clientId=id` or the same with `tcp:`. All but the scheme may be
    /// left out; the host is then `localhost` and the port 1883. User name, password and client identifier are
    /// percent-decoded.
    ///
    /// # Errors
    /// [`UrlError`]; a scheme that asks for encryption or another transport is never read as plain TCP.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => {}
            "mqtts" | "ssl" | "tls" | "ws" | "wss" | "unix" | "mqtt+unix" => {
                return Err(UrlError::UnsupportedScheme(scheme.into()));
            }
            "" => return Err(UrlError::NoScheme),
            _ => return Err(UrlError::UnknownScheme(scheme.into())),
        }
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if !matches!(path, "" | "/") {
            return Err(UrlError::Path(path.into()));
        }
        let (credentials, server) = match authority.rsplit_once('@') {
            Some((credentials, server)) => (Some(parse_credentials(credentials)?), server),
            None => (None, authority),
        };
        let (host, port) = parse_server(server)?;
        Ok(Self { host, port, credentials, client_id: parse_client_id(query)? })
    }
}

impl Endpoint {
    /// Where this server has sent us: a server reference (5.0 §4.11), as `host`, `host:port` or a URL; an IPv6 address
    /// may stand without brackets if there is no port. Credentials stay those of this endpoint, and so does the scheme:
    /// what was meant for an encrypted connection never goes over another.
    ///
    /// ```
    /// use sterna_transport::Endpoint;
    ///
    /// let endpoint = Endpoint::parse("mqtt://ann@here:1884")?;
    /// let other = endpoint.redirected("[2001:db8::2]:1885")?;
    /// assert_eq!((&*other.host, other.port), ("2001:db8::2", 1885));
    /// assert_eq!(other.credentials, endpoint.credentials);
    /// assert!(endpoint.redirected("wss://other").is_err());
    /// # Ok::<(), sterna_transport::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// [`UrlError`]: it does not name a server, or one of another scheme.
    pub fn redirected(&self, reference: &str) -> Result<Self, UrlError> {
        let named = if reference.contains("://") {
            Self::parse(reference)?
        } else if reference.parse::<std::net::Ipv6Addr>().is_ok() {
            Self::parse(&format!("mqtt://[{reference}]"))?
        } else {
            Self::parse(&format!("mqtt://{reference}"))?
        };
        Ok(Self { host: named.host, port: named.port, ..self.clone() })
    }
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

/// The URL without its credentials and query.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

fn decode(text: &str, part: &'static str) -> Result<Box<str>, UrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Utf8(part))?;
    Ok(text.into_owned().into())
}

fn parse_credentials(text: &str) -> Result<Credentials, UrlError> {
    let (user_name, password) = match text.split_once(':') {
        Some((user_name, password)) => (user_name, Some(percent_decode_str(password).collect())),
        None => (text, None),
    };
    Ok(Credentials { user_name: decode(user_name, "user name")?, password })
}

fn parse_server(server: &str) -> Result<(Box<str>, u16), UrlError> {
    let (host, port) = if let Some(rest) = server.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Brackets)?;
        let address: std::net::Ipv6Addr = host.parse().map_err(|_| UrlError::Host(host.into()))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(UrlError::Brackets),
        };
        (address.to_string().into(), port)
    } else {
        let (host, port) = match server.split_once(':') {
            Some((_, port)) if port.contains(':') => return Err(UrlError::Brackets),
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        };
        (parse_host(host)?, port)
    };
    let port = match port {
        None | Some("") => MQTT_PORT,
        Some(text) => match text.parse() {
            Ok(port) if port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => port,
            _ => return Err(UrlError::Port(text.into())),
        },
    };
    Ok((host, port))
}

fn parse_host(host: &str) -> Result<Box<str>, UrlError> {
    if host.is_empty() {
        return Ok("localhost".into());
    }
    let host = decode(host, "host")?;
    // Anything but white space, control characters and delimiters: what names exist is the resolver's to say.
    let lawful = |c: char| !c.is_whitespace() && !c.is_control() && !"/?#@:[]\\<>^|%\"`".contains(c);
    if host.chars().all(lawful) { Ok(host) } else { Err(UrlError::Host(host)) }
}

fn parse_client_id(query: &str) -> Result<Option<Box<str>>, UrlError> {
    let mut client_id = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("clientId", value)) => client_id = Some(decode(value, "client identifier")?),
            _ => return Err(UrlError::Query(pair.split('=').next().unwrap_or(pair).into())),
        }
    }
    Ok(client_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> (String, u16) {
        let endpoint = Endpoint::parse(url).expect(url);
        (endpoint.host.into(), endpoint.port)
    }

    // R: CON-01
    #[test]
    fn host_and_port_have_defaults() {
        assert_eq!(server("mqtt://example.org"), ("example.org".into(), 1883));
        assert_eq!(server("tcp://example.org:1884/"), ("example.org".into(), 1884));
        assert_eq!(server("MQTT://"), ("localhost".into(), 1883));
        assert_eq!(server("mqtt://:1999"), ("localhost".into(), 1999));
        assert_eq!(server("mqtt://127.0.0.1:"), ("127.0.0.1".into(), 1883));
        assert_eq!(server("mqtt://[::1]"), ("::1".into(), 1883));
        assert_eq!(server("mqtt://[2001:DB8::2]:8000"), ("2001:db8::2".into(), 8000));
    }

    // R: CON-01
    #[test]
    fn credentials_and_client_id_are_decoded() {
        let endpoint = Endpoint::parse("mqtt://a%40b:p%3A%FFx:y@host?clientId=a%20b").unwrap();
        let credentials = endpoint.credentials.clone().unwrap();
        assert_eq!(&*credentials.user_name, "a@b");
        assert_eq!(credentials.password.as_deref(), Some(&b"p:\xFFx:y"[..]));
        assert_eq!(endpoint.client_id.as_deref(), Some("a b"));
        assert_eq!(&*endpoint.host, "host");

        let endpoint = Endpoint::parse("mqtt://ann@host").unwrap();
        assert_eq!(endpoint.credentials.unwrap().password, None);
    }

    // R: CON-07
    #[test]
    fn debug_and_display_hide_credentials() {
        let endpoint = Endpoint::parse("mqtt://anna:hunter2@host").unwrap();
        for shown in [format!("{endpoint:?}"), endpoint.to_string()] {
            assert!(!shown.contains("anna") && !shown.contains("hunter2"), "{shown}");
        }
    }

    // R: CON-01
    #[test]
    fn another_transport_is_never_plain_tcp() {
        for scheme in ["mqtts", "ssl", "tls", "ws", "wss", "unix", "mqtt+unix", "WSS"] {
            let error = Endpoint::parse(&format!("{scheme}://host")).unwrap_err();
            assert_eq!(error, UrlError::UnsupportedScheme(scheme.into()));
        }
        assert_eq!(Endpoint::parse("http://host"), Err(UrlError::UnknownScheme("http".into())));
        for url in ["", "host", "host:1883", "//host", "://host", "mqtt:host"] {
            assert_eq!(Endpoint::parse(url), Err(UrlError::NoScheme), "{url}");
        }
    }

    // R: CON-13
    #[test]
    fn a_reference_names_a_place_and_nothing_else() {
        let endpoint = Endpoint::parse("mqtt://ann:pw@here:1884?clientId=c").unwrap();
        let place = |reference: &str| {
            let other = endpoint.redirected(reference).unwrap();
            assert_eq!((&other.credentials, &other.client_id), (&endpoint.credentials, &endpoint.client_id));
            other.to_string()
        };
        assert_eq!(place("there"), "mqtt://there:1883");
        assert_eq!(place("10.0.0.1:8883"), "mqtt://10.0.0.1:8883");
        assert_eq!(place("[::1]:9"), "mqtt://[::1]:9");
        assert_eq!(place("::1"), "mqtt://[::1]:1883");
        assert_eq!(place("tcp://there:7/"), "mqtt://there:7");
        assert_eq!(place("mqtt://bob:other@there?clientId=d"), "mqtt://there:1883");
        for reference in ["mqtts://there", "ws://there", "http://there", "there:0", "a/b", "::1:x", "a b", ""]
        {
            let refused = endpoint.redirected(reference);
            assert!(refused.is_err() || reference.is_empty(), "{reference}: {refused:?}");
        }
    }

    // R: CON-01
    #[test]
    fn what_cannot_be_meant_is_an_error() {
        assert_eq!(Endpoint::parse("mqtt://host:0"), Err(UrlError::Port("0".into())));
        assert_eq!(Endpoint::parse("mqtt://host:+1"), Err(UrlError::Port("+1".into())));
        assert_eq!(Endpoint::parse("mqtt://host:65536"), Err(UrlError::Port("65536".into())));
        assert_eq!(Endpoint::parse("mqtt://::1"), Err(UrlError::Brackets));
        assert_eq!(Endpoint::parse("mqtt://[::1"), Err(UrlError::Brackets));
        assert_eq!(Endpoint::parse("mqtt://[::1]1883"), Err(UrlError::Brackets));
        assert_eq!(Endpoint::parse("mqtt://[host]"), Err(UrlError::Host("host".into())));
        assert_eq!(Endpoint::parse("mqtt://a b"), Err(UrlError::Host("a b".into())));
        assert_eq!(Endpoint::parse("mqtt://host/mqtt"), Err(UrlError::Path("/mqtt".into())));
        assert_eq!(Endpoint::parse("mqtt://%FF@host"), Err(UrlError::Utf8("user name")));
        assert_eq!(Endpoint::parse("mqtt://host?clientid=x"), Err(UrlError::Query("clientid".into())));
    }
}
