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
fn each_scheme_has_its_transport_and_port() {
    for (scheme, transport, port) in [
        ("mqtt", Transport::Tcp, 1883),
        ("tcp", Transport::Tcp, 1883),
        ("mqtts", Transport::Tls, 8883),
        ("tls", Transport::Tls, 8883),
        ("ssl", Transport::Tls, 8883),
        ("ws", Transport::WebSocket, 80),
        ("wss", Transport::WebSocketTls, 443),
        ("WSS", Transport::WebSocketTls, 443),
    ] {
        let endpoint = Endpoint::parse(&format!("{scheme}://ann:pw@[::1]?clientId=c")).unwrap();
        assert_eq!((endpoint.transport, endpoint.port, &*endpoint.host), (transport, port, "::1"));
        assert_eq!(endpoint.credentials.unwrap().password.as_deref(), Some(&b"pw"[..]));
        assert_eq!(endpoint.client_id.as_deref(), Some("c"));
        assert_eq!(server(&format!("{scheme}://:9")), ("localhost".into(), 9));
    }
}

// R: CON-01
#[test]
fn another_transport_is_never_plain_tcp() {
    for scheme in ["mqtts", "ssl", "tls", "ws", "wss", "unix", "mqtt+unix", "WSS"] {
        let parsed = parse::parse_supported(&format!("{scheme}://host"), |kind| kind == Transport::Tcp);
        assert_eq!(parsed.err(), Some(UrlError::UnsupportedScheme(scheme.into())));
    }
    assert_eq!(Endpoint::parse("http://host"), Err(UrlError::UnknownScheme("http".into())));
    for url in ["", "host", "host:1883", "//host", "://host", "mqtt:host"] {
        assert_eq!(Endpoint::parse(url), Err(UrlError::NoScheme), "{url}");
    }
}

// R: CON-01
#[test]
fn a_websocket_has_path_and_query() {
    let path = |url: &str| Endpoint::parse(url).expect(url).path.to_string();
    assert_eq!(path("ws://host"), "/");
    assert_eq!(path("ws://host/"), "/");
    assert_eq!(path("ws://host/mqtt"), "/mqtt");
    assert_eq!(path("wss://host?a=b"), "/?a=b");
    assert_eq!(path("wss://host/a%20b/c d\u{e9}?x={1}&y=%7B#z"), "/a%20b/c%20d%C3%A9?x=%7B1%7D&y=%7B");
    // As in MQTT.js, the client identifier is also the server's to see.
    let endpoint = Endpoint::parse("ws://host/mqtt?token=t&clientId=a%26b").unwrap();
    assert_eq!(endpoint.client_id.as_deref(), Some("a&b"));
    assert_eq!(&*endpoint.path, "/mqtt?token=t&clientId=a%26b");
}

// R: CON-16
#[test]
fn a_unix_socket_has_a_path_alone() {
    for scheme in ["unix", "mqtt+unix", "MQTT+UNIX"] {
        let endpoint = Endpoint::parse(&format!("{scheme}://ann:pw@/run/a%20b%3F.sock?clientId=c")).unwrap();
        assert_eq!(endpoint.transport, Transport::Unix);
        assert_eq!((&*endpoint.path, &*endpoint.host, endpoint.port), ("/run/a b?.sock", "", 0));
        assert_eq!(&*endpoint.credentials.as_ref().unwrap().user_name, "ann");
        assert_eq!(endpoint.client_id.as_deref(), Some("c"));
        assert_eq!(endpoint.to_string(), "unix:///run/a%20b%3F.sock");
    }
    // What is shown is the same socket's URL again.
    for path in ["/run/a%23b", "/run/a%2541", "/run/a%0Ab", "/run/%C3%A9"] {
        let endpoint = Endpoint::parse(&format!("unix://{path}")).expect(path);
        assert_eq!(endpoint.to_string(), format!("unix://{path}"));
    }
    for url in ["unix://", "unix:///", "unix://host/path", "unix://run.sock", "unix:///a%00b"] {
        assert_eq!(Endpoint::parse(url), Err(UrlError::SocketPath), "{url}");
    }
    assert_eq!(Endpoint::parse("unix:///%FF"), Err(UrlError::Utf8("socket path")));
    assert_eq!(Endpoint::parse("unix:///a?b=c"), Err(UrlError::Query("b".into())));
}

// R: CON-07
#[test]
fn a_signature_in_the_query_is_not_shown() {
    let endpoint = Endpoint::parse("wss://anna:hunter2@host/mqtt?X-Amz-Signature=abc123").unwrap();
    assert_eq!(endpoint.to_string(), "wss://host:443/mqtt");
    for shown in [format!("{endpoint:?}"), endpoint.to_string()] {
        assert!(["anna", "hunter2", "abc123"].iter().all(|secret| !shown.contains(secret)), "{shown}");
    }
}

// R: CON-13
#[test]
fn a_redirection_stays_on_its_transport() {
    let from = |url: &str| Endpoint::parse(url).unwrap();
    let place = |url: &str, reference: &str| {
        let other = from(url).redirected(reference)?;
        Ok::<_, UrlError>((other.transport, other.host.to_string(), other.port, other.path.to_string()))
    };
    let tls = "mqtts://ann:pw@here:1";
    assert_eq!(place(tls, "there"), Ok((Transport::Tls, "there".into(), 8883, String::new())));
    assert_eq!(place(tls, "ssl://there:7"), Ok((Transport::Tls, "there".into(), 7, String::new())));
    assert_eq!(place(tls, "mqtt://there"), Err(UrlError::OtherTransport("mqtt".into())));
    assert_eq!(place(tls, "wss://there"), Err(UrlError::OtherTransport("wss".into())));

    let websocket = "wss://here/mqtt?token=t";
    let stays = "/mqtt?token=t";
    assert_eq!(place(websocket, "there"), Ok((Transport::WebSocketTls, "there".into(), 443, stays.into())));
    assert_eq!(
        place(websocket, "wss://there:9"),
        Ok((Transport::WebSocketTls, "there".into(), 9, stays.into()))
    );
    assert_eq!(place(websocket, "wss://b/other").unwrap().3, "/other");
    assert_eq!(place(websocket, "there/other"), Err(UrlError::Path("/other".into())));
    assert_eq!(place(websocket, "ws://there"), Err(UrlError::OtherTransport("ws".into())));

    assert_eq!(place("unix:///a", "unix:///b").unwrap().3, "/b");
    assert_eq!(place("unix:///a", "there"), Err(UrlError::OtherTransport("there".into())));
    assert_eq!(place("mqtt://here", "unix:///b"), Err(UrlError::OtherTransport("unix".into())));
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
    for reference in ["mqtts://there", "ws://there", "http://there", "there:0", "a/b", "::1:x", "a b", ""] {
        let refused = endpoint.redirected(reference);
        assert!(refused.is_err(), "{reference}: {refused:?}");
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
