//! Proxies, as their answers read on the wire.

use std::net::IpAddr;

use bytes::BytesMut;
use sterna_transport::{
    Endpoint, Pipe, Proxies, Proxy, ProxyError, Subprotocol, TransportError, TransportOptions,
};

use crate::support::{Split, give, sent};

fn through(proxy: &str) -> TransportOptions {
    let mut options = TransportOptions::default();
    options.proxies = Proxy::parse(proxy).expect(proxy).into();
    options
}

fn new(proxy: &str, url: &str, address: Option<&str>) -> Result<Pipe, ProxyError> {
    let address: Option<IpAddr> = address.map(|address| address.parse().unwrap());
    let endpoint = Endpoint::parse(url).unwrap();
    match Pipe::new(&endpoint, &through(proxy), Subprotocol::Mqtt, address) {
        Ok(pipe) => Ok(pipe.expect("a proxy is a layer")),
        Err(TransportError::Proxy(error)) => Err(error),
        Err(other) => panic!("{other:?}"),
    }
}

/// Plays this exchange, each answer split in each way: what we say, and what the proxy says to it. After it the bytes of
/// both sides pass untouched.
fn play(proxy: &str, url: &str, address: Option<&str>, exchange: &[(&[u8], &[u8])]) {
    for mut split in Split::ALL {
        let mut pipe = new(proxy, url, address).unwrap();
        let mut plain = BytesMut::new();
        for (index, (request, answer)) in exchange.iter().enumerate() {
            assert!(pipe.is_handshaking());
            let said = sent(&mut pipe, b"");
            assert_eq!(said.escape_ascii().to_string(), request.escape_ascii().to_string());
            // The server may speak at once, in the same segment.
            let is_last = index + 1 == exchange.len();
            let answer = if is_last { [answer, &b"hello"[..]].concat() } else { answer.to_vec() };
            for part in split.cut(&answer) {
                give(&mut pipe, part, &mut plain).unwrap();
            }
        }
        assert!(!pipe.is_handshaking());
        assert_eq!(&plain[..], b"hello");
        assert_eq!(sent(&mut pipe, b"CONNECT"), b"CONNECT");
        give(&mut pipe, b"more", &mut plain).unwrap();
        assert_eq!(&plain[..], b"hellomore");
        assert!(pipe.handle_eof().is_ok());
    }
}

/// What an exchange ends with: all but the last answer are accepted.
fn refusal(proxy: &str, answers: &[&[u8]]) -> ProxyError {
    let refusals = Split::ALL.map(|mut split| {
        let mut pipe = new(proxy, "mqtt://broker.example", None).unwrap();
        for answer in answers {
            sent(&mut pipe, b"");
            for part in split.cut(answer) {
                match give(&mut pipe, part, &mut BytesMut::new()) {
                    Ok(()) => {}
                    Err(TransportError::Proxy(error)) => return error,
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        panic!("{answers:x?} are accepted")
    });
    let [first, rest @ ..] = refusals;
    assert!(rest.iter().all(|other| *other == first), "splitting changes nothing: {first:?} {rest:?}");
    first
}

// R: CON-15
#[test]
fn http_connects() {
    let plain = &b"CONNECT broker.example:1883 HTTP/1.1\r\nHost: broker.example:1883\r\n\r\n"[..];
    let ok = &b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"[..];
    play("http://proxy", "mqtt://broker.example", None, &[(plain, ok)]);
    play("http://proxy", "mqtt://broker.example", None, &[(plain, b"HTTP/1.0 200 OK\r\n\r\n")]);
    let six = &b"CONNECT [::1]:99 HTTP/1.1\r\nHost: [::1]:99\r\n\r\n"[..];
    play("http://proxy", "mqtt://[::1]:99", None, &[(six, b"HTTP/1.1 204 \r\n\r\n")]);
    // RFC 7617's own example.
    let basic = &b"CONNECT h:1883 HTTP/1.1\r\nHost: h:1883\r\n\
                   Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"[..];
    play("http://Aladdin:open%20sesame@proxy", "mqtt://h", None, &[(basic, ok)]);
}

// R: CON-15
#[test]
fn http_refusals_say_why() {
    let refused = |answer: &[u8]| refusal("http://a:b@proxy", &[answer]);
    assert_eq!(refused(b"HTTP/1.1 407 Authenticate\r\nA: b\r\n\r\n"), ProxyError::Authentication);
    let error = refused(b"HTTP/1.1 403 Not here\r\n\r\n");
    assert_eq!(error, ProxyError::Refused { status: 403, reason: "Not here".into() });
    assert_eq!(error.to_string(), "the proxy refuses to connect: 403 Not here");
    assert!(matches!(refused(b"HTTP/1.1 101 Switching\r\n\r\n"), ProxyError::Refused { status: 101, .. }));
    assert!(matches!(refused(b"\x05\x00\r\n\r\n"), ProxyError::Answer(_)));
    assert!(matches!(refused(b"HTTP/1.1 OK\r\n\r\n"), ProxyError::Answer(_)));
    assert!(matches!(refused(&vec![b'x'; 20_000]), ProxyError::Answer(_)));
}

// R: CON-15
#[test]
fn socks5_connects() {
    let url = "mqtt://broker.example";
    let named = &b"\x05\x01\x00\x03\x0ebroker.example\x07\x5b"[..];
    let four = &b"\x05\x00\x00\x01\x7f\0\0\x01\x04\x38"[..];
    let six = &b"\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x04\x38"[..];
    let domain = &b"\x05\x00\x00\x03\x04host\x04\x38"[..];
    for bound in [four, six, domain] {
        play("socks5h://proxy", url, None, &[(b"\x05\x01\x00", b"\x05\x00"), (named, bound)]);
    }
    // Resolved here.
    let address = &b"\x05\x01\x00\x01\x0a\x00\x00\x07\x07\x5b"[..];
    play("socks5://proxy", url, Some("10.0.0.7"), &[(b"\x05\x01\x00", b"\x05\x00"), (address, four)]);
    // Nothing to resolve.
    play("socks5://proxy", "mqtt://10.0.0.7", None, &[(b"\x05\x01\x00", b"\x05\x00"), (address, four)]);
    let address = &b"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x07\x5b"[..];
    play("socks5h://proxy", "mqtt://[::1]", None, &[(b"\x05\x01\x00", b"\x05\x00"), (address, four)]);
}

// R: CON-15
#[test]
fn socks5_tells_who_we_are_if_asked() {
    let named = &b"\x05\x01\x00\x03\x01h\x07\x5b"[..];
    let bound = &b"\x05\x00\x00\x01\0\0\0\0\0\0"[..];
    let greeting = &b"\x05\x02\x00\x02"[..];
    let proxy = "socks5h://ann:p%00w@proxy";
    let login = (&b"\x01\x03ann\x03p\x00w"[..], &b"\x01\x00"[..]);
    play(proxy, "mqtt://h", None, &[(greeting, b"\x05\x02"), login, (named, bound)]);
    play(proxy, "mqtt://h", None, &[(greeting, b"\x05\x00"), (named, bound)]);
}

// R: CON-15
#[test]
fn socks5_refusals_say_why() {
    let (open, known) = ("socks5h://proxy", "socks5h://a:b@proxy");
    assert_eq!(refusal(open, &[b"\x05\xff"]), ProxyError::Authentication);
    assert_eq!(refusal(known, &[b"\x05\x02", b"\x01\x01"]), ProxyError::Authentication);
    let error = refusal(open, &[b"\x05\x00", b"\x05\x05\x00\x01\0\0\0\0\0\0"]);
    assert_eq!(error, ProxyError::Reply(5));
    assert_eq!(error.to_string(), "the proxy cannot connect: connection refused");
    // Without the address that it ought to have.
    assert_eq!(refusal(open, &[b"\x05\x00", b"\x05\x02"]), ProxyError::Reply(2));
    for answers in
        [&[&b"\x04\x00"[..]][..], &[b"\x05\x02"], &[b"\x05\x00", b"\x01"], &[b"HTTP/1.1 400\r\n\r\n"]]
    {
        assert!(matches!(refusal(open, answers), ProxyError::Answer(_)), "{answers:x?}");
    }
    assert!(matches!(refusal(known, &[b"\x05\x02", b"\x05\x00"]), ProxyError::Answer(_)));
    assert!(matches!(refusal(open, &[b"\x05\x00", b"\x05\x00\x00\x07"]), ProxyError::Answer(_)));
}

// R: CON-15
#[test]
fn a_proxy_that_goes_away_is_named() {
    for proxy in ["http://proxy", "socks5h://proxy"] {
        let cut = new(proxy, "mqtt://h", None).unwrap().handle_eof();
        assert!(matches!(cut, Err(TransportError::Proxy(ProxyError::Cut))), "{cut:?}");
    }
}

// R: CON-15
#[test]
fn what_cannot_be_said_is_refused_before_anything_is_sent() {
    assert_eq!(new("socks5://proxy", "mqtt://h", None).err(), Some(ProxyError::Unresolved));
    let long = "h".repeat(256);
    let refused = new("socks5h://proxy", &format!("mqtt://{long}"), None).err();
    assert_eq!(refused, Some(ProxyError::ServerName(long.as_str().into())));
    let parse = |url: &str| Proxy::parse(url).unwrap_err();
    assert_eq!(parse(&format!("socks5://{long}:pw@proxy")), ProxyError::Credentials);
    assert_eq!(parse("socks5://ann@proxy"), ProxyError::Credentials);
    assert_eq!(parse("http://a%3Ab:c@proxy"), ProxyError::Credentials);
    assert_eq!(parse("https://proxy"), ProxyError::Scheme("https".into()));
    assert_eq!(parse("socks4://proxy"), ProxyError::Scheme("socks4".into()));
    for url in ["proxy", "http://proxy/path", "http://proxy?x", "http://proxy:0", "http://[::1"] {
        assert!(matches!(parse(url), ProxyError::Url(_)), "{url}");
    }
}

// R: CON-15
#[test]
fn the_route_leads_to_the_proxy() {
    let endpoint = Endpoint::parse("mqtts://broker.example").unwrap();
    let route = |options: &TransportOptions| {
        let route = options.route(&endpoint);
        (route.host.to_string(), route.port, route.resolve_server)
    };
    assert_eq!(route(&TransportOptions::default()), ("broker.example".into(), 8883, false));
    assert_eq!(route(&through("http://proxy/")), ("proxy".into(), 80, false));
    assert_eq!(route(&through("socks5h://[::1]:9")), ("::1".into(), 9, false));
    assert_eq!(route(&through("SOCKS5://proxy")), ("proxy".into(), 1080, true));
    let socket = Endpoint::parse("unix:///socket").unwrap();
    let options = through("http://proxy");
    assert!(Pipe::new(&socket, &options, Subprotocol::Mqtt, None).unwrap().is_none());
}

fn selected(variables: &[(&str, &str)], url: &str) -> Option<String> {
    let value =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let proxies = Proxies::from_environment(value).unwrap();
    proxies.select(&Endpoint::parse(url).expect(url)).map(|proxy| proxy.host.to_string())
}

// R: CON-15
#[test]
fn the_environment_names_proxies() {
    let variables = [("ALL_PROXY", "socks5://all"), ("HTTPS_PROXY", "secure:3128"), ("https_proxy", "")];
    assert_eq!(selected(&variables, "mqtt://h").as_deref(), Some("all"));
    assert_eq!(selected(&variables, "ws://h").as_deref(), Some("all"));
    assert_eq!(selected(&variables, "mqtts://h").as_deref(), Some("secure"));
    assert_eq!(selected(&variables, "wss://h").as_deref(), Some("secure"));
    assert_eq!(selected(&variables, "unix:///s"), None);
    assert_eq!(selected(&variables[..1], "wss://h").as_deref(), Some("all"));
    let both = [("all_proxy", "http://small"), ("ALL_PROXY", "http://capital")];
    assert_eq!(selected(&both, "mqtt://h").as_deref(), Some("small"));
    assert_eq!(selected(&[], "mqtt://h"), None);
    let bad = Proxies::from_environment(|name| (name == "ALL_PROXY").then(|| "ftp://x".into()));
    assert_eq!(bad, Err(ProxyError::Scheme("ftp".into())));
}

// R: CON-15
#[test]
fn the_environment_names_exceptions() {
    let excepted = |exceptions: &str, url: &str| {
        selected(&[("ALL_PROXY", "http://p"), ("no_proxy", exceptions)], url).is_none()
    };
    for (exceptions, url) in [
        ("*", "mqtt://any"),
        ("example.org", "mqtt://example.org"),
        ("other, .example.org ,", "mqtt://Sub.EXAMPLE.org"),
        ("example.org:1883", "mqtt://example.org"),
        ("example.org", "mqtt://example.org."),
        ("127.0.0.1", "mqtt://127.0.0.1:99"),
        ("10.0.0.0/8", "mqtt://10.9.8.7"),
        ("::1", "mqtt://[::1]"),
        ("[::1]:99", "mqtt://[::1]:99"),
        ("fd00::/8", "mqtt://[fd12::1]"),
        ("0.0.0.0/0", "mqtt://1.2.3.4"),
        ("::/0", "mqtt://[fd12::1]"),
    ] {
        assert!(excepted(exceptions, url), "{exceptions} {url}");
    }
    for (exceptions, url) in [
        ("", "mqtt://localhost"),
        (",:,[", "mqtt://localhost"),
        ("example.org", "mqtt://badexample.org"),
        ("sub.example.org", "mqtt://example.org"),
        ("example.org:99", "mqtt://example.org"),
        ("10.0.0.0/8", "mqtt://11.0.0.1"),
        ("10.0.0.0/33", "mqtt://10.0.0.0"),
        ("0.0.0.0/0", "mqtt://[::1]"),
    ] {
        assert!(!excepted(exceptions, url), "{exceptions} {url}");
    }
}

// R: CON-07
#[test]
fn credentials_are_not_shown() {
    let options = through("http://anna:hunter2@proxy");
    let pipe = new("http://anna:hunter2@proxy", "mqtt://h", None).unwrap();
    for shown in [format!("{options:?}"), format!("{pipe:?}")] {
        assert!(!shown.contains("anna") && !shown.contains("hunter2"), "{shown}");
    }
}
