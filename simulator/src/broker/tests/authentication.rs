//! Enhanced authentication, and sending clients elsewhere.

use sterna_core::packet::Auth;

use super::*;
use crate::broker::{Authentication, Redirect};

fn lab() -> Lab {
    let exchange = Authentication::new("M").step("one", "two").step("three", "four");
    Lab::with(Options { authentication: Some(exchange), ..Options::default() })
}

fn said<'a>(method: &'a str, data: &'a [u8]) -> PropertiesBuf {
    properties(&[Property::AuthenticationMethod(method), Property::AuthenticationData(data)])
}

fn join(lab: &mut Lab, id: u64, method: &str, data: &[u8]) -> Vec<String> {
    let properties = said(method, data);
    lab.connect(id, Connect { properties: properties.as_properties(), ..connect(V5, "a") })
}

fn auth(lab: &mut Lab, reason: ReasonCode, method: &str, data: &[u8]) -> Vec<String> {
    let properties = said(method, data);
    lab.send(1, &Packet::Auth(Auth { reason, properties: properties.as_properties() }))
}

#[test]
fn an_exchange_is_passed_step_by_step_as_often_as_the_client_wants() {
    let (next, again) = (ReasonCode::CONTINUE_AUTHENTICATION, ReasonCode::REAUTHENTICATE);
    let mut lab = lab();
    assert!(join(&mut lab, 1, "M", b"one")[0].starts_with("auth 18"));
    assert!(auth(&mut lab, next, "M", b"three")[0].starts_with("connack 00 new"));
    for _ in 0..2 {
        assert!(auth(&mut lab, again, "M", b"one")[0].starts_with("auth 18"));
        assert!(auth(&mut lab, next, "M", b"three")[0].starts_with("auth 00"));
    }
    assert_eq!(lab.send(1, &Packet::PingReq), ["pingresp"]);
    assert!(auth(&mut lab, again, "M", b"wrong")[0].starts_with("disconnect 87"));
}

#[test]
fn who_does_not_pass_is_refused() {
    let next = ReasonCode::CONTINUE_AUTHENTICATION;
    assert!(join(&mut lab(), 1, "M", b"wrong")[0].starts_with("connack 87"));
    assert!(join(&mut lab(), 1, "N", b"one")[0].starts_with("connack 8c"));
    assert!(lab().connect(1, connect(V5, "a"))[0].starts_with("connack 87"));
    assert!(lab().connect(1, connect(V4, "a"))[0].starts_with("connack 87"));
    let mut begun = lab();
    join(&mut begun, 1, "M", b"one");
    assert!(auth(&mut begun, next, "M", b"wrong")[0].starts_with("connack 87"));
    let mut begun = lab();
    join(&mut begun, 1, "M", b"one");
    assert!(begun.send(1, &Packet::PingReq)[0].starts_with("connack 82"), "[MQTT-3.1.2-30]");
    let mut begun = lab();
    join(&mut begun, 1, "M", b"one");
    assert!(auth(&mut begun, ReasonCode::REAUTHENTICATE, "M", b"one")[0].starts_with("connack 82"));
    let mut begun = lab();
    join(&mut begun, 1, "M", b"one");
    assert_eq!(begun.send(1, &goodbye()), ["closed"]);
    assert!(!begun.broker.has_session("a"));
}

#[test]
fn clients_are_sent_elsewhere() {
    let redirect = Redirect { permanent: true, reference: "there:1".to_owned() };
    let mut lab = Lab::with(Options { redirect: Some(redirect.clone()), ..Options::default() });
    assert!(lab.connect(1, connect(V5, "a"))[0].starts_with("connack 9d"));
    lab.join(2, V4, "b");
    lab.broker.options_mut().redirect = None;
    lab.join(3, V5, "c");
    lab.broker.redirect(lab.now, ConnectionId(3), &Redirect { permanent: false, ..redirect });
    assert!(lab.received(3)[0].starts_with("disconnect 9c"));
}
