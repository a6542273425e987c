//! Connecting, versions, refusals and ending.

use super::*;
use crate::command::Disconnect;
use crate::config::{CleanStart, ClientId, VersionPolicy};
use crate::connection::{State, Timer};
use crate::error::{OperationError, ProtocolError};

// R: CON-12
#[test]
fn a_new_client_waits_for_connect() {
    let mut rig = Rig::new(config());
    assert_eq!(rig.connection.state(), State::Idle);
    assert_eq!(rig.connection.poll_timeout(), None);
    assert!(rig.actions().is_empty() && rig.events().is_empty());
    rig.connection.connect(rig.now);
    rig.connection.connect(rig.now);
    let attempt = rig.dial();
    assert_eq!(rig.events(), [Event::Connecting { attempt }]);
    assert_eq!(rig.connection.state(), State::Connecting);
    rig.send_bytes(b"\x20\x03\x00\x00\x00");
    assert_eq!(rig.events(), [Event::Connected { attempt, session_present: false }]);
    assert_eq!(rig.connection.state(), State::Connected);
}

// R: CON-02
#[test]
fn a_server_of_3_1_1_is_met_at_once_and_remembered() {
    for refusal in [&b"\x20\x02\x00\x01"[..], b"\x20\x03\x00\x84\x00"] {
        let mut rig = Rig::new(config());
        rig.connection.connect(rig.now);
        rig.dial();
        assert!(rig.sent()[0].starts_with("Connect 5.0 clean=1 sterna"));
        rig.send_bytes(refusal);
        assert!(matches!(rig.closed_because(), Cause::Refused(_)));
        rig.version = ProtocolVersion::V3_1_1;
        rig.dial();
        assert!(rig.sent()[0].starts_with("Connect 3.1.1 clean=1 sterna"));
        rig.send_bytes(b"\x20\x02\x00\x00");
        assert_eq!(rig.connection.state(), State::Connected);
        rig.events();
        rig.lose();
        rig.next_deadline(Duration::from_secs(1));
        rig.dial();
        assert!(rig.sent()[0].starts_with("Connect 3.1.1"));
    }
}

// R: CON-02
#[test]
fn a_pinned_version_does_not_fall_back() {
    let mut rig = Rig::new(Config { version: VersionPolicy::Only(ProtocolVersion::V5), ..config() });
    rig.connection.connect(rig.now);
    rig.dial();
    rig.send_bytes(b"\x20\x02\x00\x01");
    assert!(matches!(rig.closed_because(), Cause::Refused(_)));
    assert_eq!(rig.connection.state(), State::Closed);
}

// R: CON-05
#[test]
fn connecting_has_a_deadline() {
    let mut rig = Rig::new(config());
    rig.connection.connect(rig.now);
    rig.dial();
    assert_eq!(rig.connection.poll_timeout(), Some((rig.now + Duration::from_secs(30), Timer::Connect)));
    rig.next_deadline(Duration::from_secs(30));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Connect));
}

// R: CON-03
#[test]
fn the_assigned_client_identifier_is_kept() {
    let mut rig = Rig::new(Config { client_id: ClientId::Given("".into()), ..config() });
    rig.connection.connect(rig.now);
    let assigned = properties(&[Property::AssignedClientIdentifier("anna")]);
    rig.accept(false, assigned.as_properties());
    assert_eq!(rig.connection.client_id(), "anna");
    rig.lose();
    rig.next_deadline(Duration::from_secs(1));
    rig.dial();
    assert_eq!(rig.sent(), ["Connect 5.0 clean=0 anna"]);
}

// R: CON-03
#[test]
fn an_empty_client_identifier_must_be_assigned_one() {
    let mut rig = Rig::new(Config { client_id: ClientId::Given("".into()), ..config() });
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.closed_because(), Cause::Protocol(ProtocolError::NoAssignedClientId));
    let config = Config { client_id: ClientId::Given("".into()), clean_start: CleanStart::Never, ..config() };
    assert!(config.validate().is_err());
}

// R: REC-10
#[test]
fn a_graceful_end_waits_for_what_is_pending() {
    let mut rig = Rig::connected(config());
    let token = rig.publish("t", QoS::AtLeastOnce);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.connection.state(), State::Disconnecting);
    rig.expect(&[PacketType::Publish]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert!(matches!(rig.events()[..], [Event::Published { token: done, result: Ok(_) }] if done == token));
    assert!(rig.actions().is_empty(), "the DISCONNECT has not left");
    rig.expect(&[PacketType::Disconnect]);
    assert_eq!(rig.closed_because(), Cause::Requested);
    assert_eq!(rig.connection.state(), State::Closed);
    assert_eq!(rig.connection.poll_timeout(), None);
}

// R: REC-10
#[test]
fn a_graceful_end_gives_up_in_time_and_resolves_everything() {
    let mut rig = Rig::connected(config());
    let token = rig.publish("t", QoS::AtLeastOnce);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.expect(&[PacketType::Publish]);
    rig.next_deadline(Duration::from_secs(10));
    rig.expect(&[PacketType::Disconnect]);
    let actions = rig.actions();
    let [Action::Close { attempt }] = actions[..] else { panic!("{actions:?}") };
    rig.connection.handle_disconnected(rig.now, attempt, eof());
    let failed = Event::Published { token, result: Err(OperationError::Closed) };
    let events = rig.events();
    assert!(events.contains(&failed), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Closed { cause: Cause::Requested }));
}

// R: REC-10
#[test]
fn ending_while_offline_ends_at_once() {
    let mut rig = Rig::connected(config());
    rig.lose();
    let token = rig.publish("t", QoS::AtMostOnce);
    rig.events();
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    let failed = Event::Published { token, result: Err(OperationError::Closed) };
    assert_eq!(rig.events(), [failed, Event::Closed { cause: Cause::Requested }]);
    assert_eq!(rig.connection.poll_timeout(), None);
}
