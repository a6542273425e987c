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
    for reference in ["mqtts://there", "ws://there", "http://there", "there:0", "a/b", "::1:x", "a b", ""] {
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
