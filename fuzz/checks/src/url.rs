//! URLs: what parses and is displayed parses again to the same endpoint, and no secret is shown.

use sterna_transport::{Credentials, Endpoint, Proxy};

/// UTF-8, in lines: a URL, a server reference, the URL of a proxy.
pub fn url(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let mut lines = input.split('\n');
    let (url, reference, proxy) =
        (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    if let Ok(proxy) = Proxy::parse(proxy) {
        let mut changed = proxy.clone();
        changed.credentials = other(proxy.credentials.as_ref());
        assert_eq!(format!("{proxy:?}"), format!("{changed:?}"), "the credentials are shown");
    }
    let Ok(endpoint) = Endpoint::parse(url) else { return };
    is_shown_without_secrets(&endpoint);
    is_read_again(&endpoint);
    let Ok(redirected) = endpoint.redirected(reference) else { return };
    assert_eq!(redirected.credentials, endpoint.credentials, "a redirect keeps the credentials");
    assert_eq!(redirected.transport, endpoint.transport, "a redirect keeps the transport");
    is_read_again(&redirected);
}

/// Display leaves out credentials and query; all else is there.
fn is_read_again(endpoint: &Endpoint) {
    let mut expected = endpoint.clone();
    (expected.credentials, expected.client_id) = (None, None);
    if endpoint.transport.is_websocket() {
        expected.path = endpoint.path.split('?').next().unwrap_or("").into();
    }
    let shown = endpoint.to_string();
    let again = Endpoint::parse(&shown).unwrap_or_else(|error| panic!("{shown} does not parse: {error}"));
    assert!(again == expected, "{shown} is another endpoint: {again:?}");
}

fn is_shown_without_secrets(endpoint: &Endpoint) {
    let mut changed = endpoint.clone();
    changed.credentials = other(endpoint.credentials.as_ref());
    assert_eq!(endpoint.to_string(), changed.to_string(), "the credentials are shown");
    assert_eq!(format!("{endpoint:?}"), format!("{changed:?}"), "the credentials are shown");
}

/// Other credentials, if there are any.
fn other(credentials: Option<&Credentials>) -> Option<Credentials> {
    let Credentials { user_name, password } = credentials?;
    Some(Credentials {
        user_name: format!("{user_name}!").into(),
        password: password.as_ref().map(|password| [&password[..], b"!"].concat().into()),
    })
}
