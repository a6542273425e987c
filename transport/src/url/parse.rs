//! Reading a URL.

use std::fmt::Display;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{Credentials, Endpoint, Transport, UrlError};

/// What cannot stand in an HTTP request's path as it is. `%` can: the path is percent-encoded already.
const UNLAWFUL_IN_REQUEST: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What cannot stand in the path of a socket's URL as it is.
const UNLAWFUL_IN_SOCKET_PATH: &AsciiSet = &UNLAWFUL_IN_REQUEST.add(b'%').add(b'#').add(b'?');

/// An endpoint, and whether its URL had a path.
pub(super) struct Parsed {
    pub(super) endpoint: Endpoint,
    pub(super) has_path: bool,
}

pub(super) fn parse(url: &str) -> Result<Parsed, UrlError> {
    parse_supported(url, Transport::is_supported)
}

pub(super) fn parse_supported(url: &str, is_supported: fn(Transport) -> bool) -> Result<Parsed, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
    if scheme.is_empty() {
        return Err(UrlError::NoScheme);
    }
    let transport = Transport::from_scheme(scheme).ok_or_else(|| UrlError::UnknownScheme(scheme.into()))?;
    if !is_supported(transport) {
        return Err(UrlError::UnsupportedScheme(scheme.into()));
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (credentials, server) = match authority.rsplit_once('@') {
        Some((credentials, server)) => (Some(parse_credentials(credentials)?), server),
        None => (None, authority),
    };
    let has_path = !matches!((path, query), ("" | "/", ""));
    let client_id = parse_client_id(query, transport)?;
    if transport == Transport::Unix {
        let path = parse_socket_path(server, path)?;
        let endpoint = Endpoint { transport, host: "".into(), port: 0, path, credentials, client_id };
        return Ok(Parsed { endpoint, has_path });
    }
    let (host, port) = parse_server(server)?;
    let port = port.unwrap_or(transport.default_port());
    let path = if transport.is_websocket() {
        request_target(path, query)
    } else if matches!(path, "" | "/") {
        "".into()
    } else {
        return Err(UrlError::Path(path.into()));
    };
    Ok(Parsed { endpoint: Endpoint { transport, host, port, path, credentials, client_id }, has_path })
}

fn decode(text: &str, part: &'static str) -> Result<Box<str>, UrlError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::Utf8(part))?;
    Ok(text.into_owned().into())
}

pub(crate) fn parse_credentials(text: &str) -> Result<Credentials, UrlError> {
    let (user_name, password) = match text.split_once(':') {
        Some((user_name, password)) => (user_name, Some(percent_decode_str(password).collect())),
        None => (text, None),
    };
    Ok(Credentials { user_name: decode(user_name, "user name")?, password })
}

/// Host and port as they stand in any URL.
pub(crate) fn parse_server(server: &str) -> Result<(Box<str>, Option<u16>), UrlError> {
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
        None | Some("") => None,
        Some(text) => match text.parse() {
            Ok(port) if port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Some(port),
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

fn parse_socket_path(server: &str, path: &str) -> Result<Box<str>, UrlError> {
    let path = decode(path, "socket path")?;
    if !server.is_empty() || path.len() < 2 || path.contains('\0') {
        return Err(UrlError::SocketPath);
    }
    Ok(path)
}

/// The path of a socket as it stands in its URL.
pub(super) fn encode_socket_path(path: &str) -> impl Display {
    utf8_percent_encode(path, UNLAWFUL_IN_SOCKET_PATH)
}

/// Path and query as they stand in an HTTP request.
fn request_target(path: &str, query: &str) -> Box<str> {
    let mut target: String = utf8_percent_encode(path, UNLAWFUL_IN_REQUEST).collect();
    if target.is_empty() {
        target.push('/');
    }
    if !query.is_empty() {
        target.push('?');
        target.extend(utf8_percent_encode(query, UNLAWFUL_IN_REQUEST));
    }
    target.into()
}

/// The query of a WebSocket is the server's to understand, `clientId` apart.
fn parse_client_id(query: &str, transport: Transport) -> Result<Option<Box<str>>, UrlError> {
    let mut client_id = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("clientId", value)) => client_id = Some(decode(value, "client identifier")?),
            _ if transport.is_websocket() => {}
            _ => return Err(UrlError::Query(pair.split('=').next().unwrap_or(pair).into())),
        }
    }
    Ok(client_id)
}
