//! Several servers, and servers that send us to others.

use super::*;
use crate::config::{Reconnect, ServerClose};
use crate::connection::State;
use crate::error::{ConfigError, OperationError};

fn several(servers: u16) -> Config {
    Config { servers, ..config() }
}

impl Rig {
    /// The server that the client wants to be connected to now, and where it is to be found instead.
    fn target(&mut self) -> (u16, Option<String>) {
        let actions = self.actions();
        let [Action::Connect { attempt, server, redirect }] = &actions[..] else { panic!("{actions:?}") };
        self.connection.handle_connected(self.now, *attempt, ConnectOverrides::default());
        self.version = self.connection.version();
        (*server, redirect.as_deref().map(Into::into))
    }

    /// Connects to the target.
    fn up(&mut self) -> (u16, Option<String>) {
        let target = self.target();
        self.send(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties: Properties::EMPTY,
        }));
        self.sent();
        self.events();
        target
    }

    /// The server says, in CONNACK or DISCONNECT, that another is to be used.
    fn send_on(&mut self, moved: bool, connected: bool, reference: &str) {
        let reason = if moved { ReasonCode::SERVER_MOVED } else { ReasonCode::USE_ANOTHER_SERVER };
        let properties = properties(&[Property::ServerReference(reference)]);
        let properties = properties.as_properties();
        self.send(&if connected {
            Packet::Disconnect(packet::Disconnect { reason, properties })
        } else {
            Packet::ConnAck(ConnAck { session_present: false, reason, properties })
        });
        self.close();
    }

    /// Carries the Close out.
    fn close(&mut self) {
        assert!(matches!(self.actions()[..], [Action::Close { .. }]));
        self.lose();
        self.sent();
    }

    /// Lets a connection hold.
    fn hold(&mut self) {
        self.advance(seconds(11));
    }

    fn pause(&mut self) {
        assert!(self.actions().is_empty(), "there is a pause");
        self.next_deadline(seconds(60));
    }
}

fn to(server: u16) -> (u16, Option<String>) {
    (server, None)
}

fn at(server: u16, reference: &str) -> (u16, Option<String>) {
    (server, Some(reference.into()))
}

// R: CON-10
#[test]
fn the_first_round_goes_through_all_servers_without_a_pause() {
    let mut rig = Rig::new(several(3));
    rig.connection.connect(rig.now);
    for server in 0..2 {
        assert_eq!(rig.target(), to(server));
        rig.lose();
    }
    assert_eq!(rig.up(), to(2));
    // And without a connection it is one failure, which is the end by default.
    let mut rig = Rig::new(several(2));
    rig.connection.connect(rig.now);
    for server in 0..2 {
        assert_eq!(rig.connection.state(), State::Connecting);
        assert_eq!(rig.target(), to(server));
        rig.lose();
    }
    assert_eq!(rig.connection.state(), State::Closed);
    assert_eq!(several(0).validate(), Err(ConfigError::NoServer));
}

// R: CON-10, REC-01
#[test]
fn a_round_of_failures_is_followed_by_one_pause() {
    let reconnect = Reconnect { first: true, attempts: Some(2), ..Reconnect::default() };
    let mut rig = Rig::new(Config { reconnect, ..several(3) });
    rig.connection.connect(rig.now);
    for round in 0..3 {
        for server in 0..3 {
            assert_eq!(rig.target(), to(server));
            rig.lose();
        }
        if round < 2 {
            rig.pause();
        }
    }
    assert_eq!(rig.connection.state(), State::Closed);
}

// R: CON-10
#[test]
fn a_connection_that_held_is_made_again_to_the_same_server_first() {
    let mut rig = Rig::new(several(3));
    rig.connection.connect(rig.now);
    rig.target();
    rig.lose();
    assert_eq!(rig.up(), to(1));
    rig.hold();
    rig.lose();
    rig.pause();
    assert_eq!(rig.target(), to(1));
    rig.lose();
    assert_eq!(rig.target(), to(2));
    rig.lose();
    assert_eq!(rig.target(), to(0));
    rig.lose();
    rig.pause();
    assert_eq!(rig.up(), to(1));
    // One that did not hold, or that the server ended, moves on.
    rig.lose();
    rig.pause();
    assert_eq!(rig.up(), to(2));
    rig.hold();
    rig.send_bytes(b"\xe0\x02\x8b\x00");
    rig.close();
    rig.pause();
    assert_eq!(rig.up(), to(0));
    // On request it is the same again, at once.
    rig.connection.reconnect(rig.now);
    rig.sent();
    rig.close();
    assert_eq!(rig.up(), to(0));
}

// R: CON-10, REC-02
#[test]
fn a_refusal_for_now_moves_on_and_one_for_good_is_everybodys() {
    let mut rig = Rig::new(several(2));
    rig.connection.connect(rig.now);
    assert_eq!(rig.target(), to(0));
    rig.send_bytes(b"\x20\x03\x00\x89\x00");
    rig.close();
    assert_eq!(rig.target(), to(1));
    rig.send_bytes(b"\x20\x03\x00\x86\x00");
    rig.close();
    assert_eq!(rig.connection.state(), State::Closed);
}

// R: CON-02, CON-10
#[test]
fn each_server_keeps_its_version() {
    let mut rig = Rig::new(several(2));
    rig.connection.connect(rig.now);
    assert_eq!(rig.target(), to(0));
    rig.send_bytes(b"\x20\x02\x00\x01");
    rig.close();
    assert_eq!((rig.up(), rig.version), (to(0), ProtocolVersion::V3_1_1));
    rig.lose();
    rig.pause();
    assert_eq!((rig.up(), rig.version), (to(1), ProtocolVersion::V5));
    rig.lose();
    rig.pause();
    assert_eq!((rig.up(), rig.version), (to(0), ProtocolVersion::V3_1_1));
}

// R: CON-10, REC-06
#[test]
fn all_servers_are_one_cluster_with_one_session() {
    let mut rig = Rig::new(several(2));
    rig.connection.connect(rig.now);
    assert_eq!(rig.up(), to(0));
    rig.publish("t", QoS::AtLeastOnce);
    rig.sent();
    rig.lose();
    rig.pause();
    assert_eq!(rig.target(), to(1));
    assert!(rig.sent()[0].starts_with("Connect 5.0 clean=0"));
    rig.send_bytes(b"\x20\x03\x01\x00\x00");
    assert_eq!(rig.sent(), ["Publish 1 q1 dup t"]);
}

// R: CON-13
#[test]
fn without_the_option_a_redirection_is_a_refusal() {
    let mut rig = Rig::new(config());
    rig.connection.connect(rig.now);
    rig.target();
    rig.send_on(true, false, "other");
    assert_eq!(rig.connection.state(), State::Closed);
    let mut rig = Rig::new(config());
    rig.connection.connect(rig.now);
    rig.up();
    rig.send_on(false, true, "other");
    rig.pause();
    assert_eq!(rig.target(), to(0));
}

// R: CON-13
#[test]
fn another_server_is_used_for_one_connection() {
    let mut rig = Rig::new(Config { redirects: 2, ..config() });
    rig.connection.connect(rig.now);
    assert_eq!(rig.target(), to(0));
    rig.send_on(false, false, "a:1 b:2");
    assert_eq!(rig.target(), at(0, "a:1"));
    rig.lose();
    assert_eq!(rig.up(), at(0, "b:2"));
    // DISCONNECT redirects as well.
    rig.send_on(false, true, "c");
    assert_eq!(rig.up(), at(0, "c"));
    rig.hold();
    rig.lose();
    rig.pause();
    assert_eq!(rig.up(), to(0));
    // That ends on request as well.
    rig.send_on(false, true, "d");
    assert_eq!(rig.up(), at(0, "d"));
    rig.connection.reconnect(rig.now);
    rig.sent();
    rig.close();
    assert_eq!(rig.target(), to(0));
}

// R: CON-13
#[test]
fn a_server_that_moved_is_found_there_from_then_on() {
    let mut rig = Rig::new(Config { redirects: 1, ..config() });
    rig.connection.connect(rig.now);
    rig.target();
    rig.send_on(true, false, "new");
    assert_eq!(rig.up(), at(0, "new"));
    for _ in 0..2 {
        rig.hold();
        rig.lose();
        rig.pause();
        assert_eq!(rig.up(), at(0, "new"));
    }
    // It may move again, since the connection held.
    rig.hold();
    rig.send_on(true, true, "newer");
    assert_eq!(rig.up(), at(0, "newer"));
}

// R: CON-13, REC-02
#[test]
fn a_circle_of_redirections_ends_at_the_limit() {
    let mut rig = Rig::new(Config { redirects: 3, ..config() });
    rig.connection.connect(rig.now);
    rig.up();
    for _ in 0..3 {
        rig.send_on(false, true, "round");
        assert_eq!(rig.up(), at(0, "round"));
    }
    rig.send_on(false, true, "round");
    rig.pause();
    assert_eq!(rig.target(), to(0));
    // The user's policy decides about it, as about every refusal.
    let retry = |close| !matches!(close, ServerClose::Refused(ReasonCode::USE_ANOTHER_SERVER));
    let reconnect = Reconnect { first: true, retry, ..Reconnect::default() };
    let mut rig = Rig::new(Config { redirects: 1, reconnect, ..config() });
    rig.connection.connect(rig.now);
    rig.target();
    rig.send_on(false, false, "round");
    rig.target();
    let token = rig.publish("t", QoS::AtMostOnce);
    rig.send_on(false, false, "round");
    assert_eq!(rig.outcomes(), [(token, Err(OperationError::Closed))]);
    assert_eq!(rig.connection.state(), State::Closed);
}
