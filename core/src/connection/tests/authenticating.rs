//! Enhanced authentication and re-authentication.

use super::*;
use crate::command::{Auth, Disconnect};
use crate::config::{Authentication, Reconnect};
use crate::connection::{State, Timer};
use crate::error::{AuthError, ConfigError, ProtocolError, Refusal};
use crate::packet::{PropertyId, Publish as PublishPacket};

const METHOD: &str = "SCRAM-SHA-256";

pub(super) fn secure() -> Config {
    let authentication = Authentication { method: METHOD.into(), data: Some(Box::from(&b"hello"[..])) };
    let reconnect = Reconnect { first: true, ..Reconnect::default() };
    Config { authentication: Some(Box::new(authentication)), reconnect, ..config() }
}

fn answer(data: &[u8]) -> Auth<'_> {
    Auth { data: Some(data), properties: Properties::EMPTY }
}

fn method_and(data: &[u8]) -> PropertiesBuf {
    properties(&[Property::AuthenticationMethod(METHOD), Property::AuthenticationData(data)])
}

/// How an AUTH or CONNECT of the client looks, its data readable.
fn shown(packet: &Packet<'_>) -> Option<String> {
    let (name, properties) = match packet {
        Packet::Auth(auth) => (format!("Auth {:#04x}", auth.reason.value()), auth.properties),
        Packet::Connect(connect) => ("Connect".into(), connect.properties),
        _ => return None,
    };
    let method = properties.authentication_method()?;
    let data = properties.authentication_data().map(|data| String::from_utf8_lossy(data).into_owned());
    Some(format!("{name} {method} {}", data.unwrap_or_else(|| "-".into())))
}

impl Rig {
    /// A client that has sent CONNECT.
    pub(super) fn asking(config: Config) -> Self {
        let mut rig = Self::new(config);
        rig.connection.connect(rig.now);
        rig.dial();
        rig
    }

    /// A client that has authenticated itself.
    pub(super) fn authenticated(config: Config) -> Self {
        let mut rig = Self::asking(config);
        rig.send_connack(&method_and(b"proof"));
        rig.confirm();
        rig.sent();
        rig.events();
        rig
    }

    fn send_auth(&mut self, reason: ReasonCode, properties: &PropertiesBuf) {
        self.send(&Packet::Auth(packet::Auth { reason, properties: properties.as_properties() }));
    }

    pub(super) fn challenge(&mut self, data: &[u8]) {
        self.send_auth(ReasonCode::CONTINUE_AUTHENTICATION, &method_and(data));
    }

    fn send_connack(&mut self, properties: &PropertiesBuf) -> Ingress {
        let properties = properties.as_properties();
        self.send(&Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            properties,
        }))
    }

    pub(super) fn answer(&mut self, data: &[u8]) -> Result<(), AuthError> {
        let attempt = self.connection.attempt();
        self.connection.authenticate(self.now, attempt, answer(data))
    }

    /// Confirms that the server is the right one; the driver then calls again.
    fn confirm(&mut self) {
        self.answer(b"not sent").unwrap();
        self.connection.handle_input(self.now, &mut self.input);
    }

    /// The data that the application was asked to answer, and whether CONNACK brought it.
    fn asked(&mut self) -> Vec<(bool, String)> {
        let asked = |event| match event {
            Event::Authenticate { accepted, properties, .. } => {
                let data = properties.as_properties().authentication_data().unwrap_or_default();
                Some((accepted, String::from_utf8_lossy(data).into_owned()))
            }
            _ => None,
        };
        self.events().into_iter().filter_map(asked).collect()
    }

    /// What the client has sent for its authentication.
    fn spoken(&mut self) -> Vec<String> {
        self.pump();
        let wire = std::mem::take(&mut self.wire);
        let mut rest = &wire[..];
        let mut spoken = Vec::new();
        while let Some(header) =
            FixedHeader::parse(rest, ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap()
        {
            let body = &rest[usize::from(header.header_length)..header.packet_size()];
            let packet = Packet::decode(header, body, ProtocolVersion::V5, Sender::Client).unwrap();
            spoken.push(shown(&packet).unwrap_or_else(|| describe(&packet)));
            rest = &rest[header.packet_size()..];
        }
        spoken
    }

    /// The server has broken the protocol.
    fn broken(mut self, statement: &str) -> ProtocolError {
        assert_eq!(self.sent().last().map(String::as_str), Some("Disconnect 0x82"));
        let Cause::Protocol(error) = self.closed_because() else { panic!("not the server's fault") };
        assert_eq!(error.statement(ProtocolVersion::V5), statement);
        error
    }
}

// R: CON-09
#[test]
fn an_exchange_goes_by_turns_and_ends_with_the_applications_word() {
    let mut rig = Rig::asking(secure());
    let queued = rig.publish("t", QoS::AtMostOnce);
    assert_eq!(rig.spoken(), ["Connect SCRAM-SHA-256 hello"]);
    for (challenge, reply) in [("who", "anna"), ("prove", "it")] {
        rig.challenge(challenge.as_bytes());
        assert_eq!(rig.asked(), [(false, challenge.into())]);
        assert_eq!(rig.connection.state(), State::Connecting);
        assert!(rig.spoken().is_empty(), "the answer is the application's");
        rig.answer(reply.as_bytes()).unwrap();
        assert_eq!(rig.answer(b"twice"), Err(AuthError::NotExpected));
        assert_eq!(rig.spoken(), [format!("Auth 0x18 SCRAM-SHA-256 {reply}")]);
    }
    rig.send_connack(&method_and(b"proof"));
    assert_eq!(rig.asked(), [(true, "proof".into())]);
    // Nothing is sent to, and nothing is taken from, a server that has not proved itself yet.
    assert_eq!(rig.deliver("early", QoS::AtMostOnce, 0, false), Ingress::Paused);
    assert!(rig.spoken().is_empty() && rig.topics().is_empty());
    assert_eq!(rig.connection.state(), State::Connecting);
    rig.confirm();
    assert_eq!(rig.spoken(), ["Publish 0 q0 t"]);
    assert_eq!(rig.topics(), ["early"]);
    let attempt = rig.connection.attempt();
    let events = rig.events();
    assert_eq!(events[0], Event::Connected { attempt, session_present: false });
    assert!(matches!(events[1], Event::Published { token, result: Ok(_) } if token == queued));
    let server = rig.connection.server().unwrap();
    assert_eq!(server.properties().authentication_data(), Some(&b"proof"[..]));
}

// R: CON-09
#[test]
fn each_connection_may_have_initial_data_of_its_own() {
    let mut rig = Rig::new(secure());
    rig.connection.connect(rig.now);
    let [Action::Connect { attempt, .. }] = rig.actions()[..] else { panic!() };
    let overrides = ConnectOverrides { authentication_data: Some(b"nonce 1"), ..ConnectOverrides::default() };
    rig.connection.handle_connected(rig.now, attempt, overrides);
    assert_eq!(rig.spoken(), ["Connect SCRAM-SHA-256 nonce 1"]);
    rig.challenge(b"who");
    rig.lose();
    assert_eq!(rig.answer(b"late"), Err(AuthError::NotExpected));
    rig.next_deadline(seconds(1));
    rig.dial();
    assert_eq!(rig.spoken(), ["Connect SCRAM-SHA-256 hello"]);
    rig.events();
    rig.challenge(b"who");
    let late = rig.connection.authenticate(rig.now, attempt, answer(b"to the first"));
    assert_eq!(late, Err(AuthError::NotExpected), "an answer to the connection before");
    rig.answer(b"anna").unwrap();
}

// R: CON-07, CON-10
#[test]
fn credentials_may_differ_from_connection_to_connection() {
    let mut rig = Rig::new(Config {
        user_name: Some("anna".into()),
        password: Some(Box::from(&b"pw"[..])),
        ..config()
    });
    rig.connection.connect(rig.now);
    let [Action::Connect { attempt, .. }] = rig.actions()[..] else { panic!() };
    let credentials = Some(crate::command::Credentials { user_name: Some("bob"), password: None });
    let overrides = ConnectOverrides { credentials, ..ConnectOverrides::default() };
    assert!(!format!("{overrides:?}").contains("bob"));
    rig.connection.handle_connected(rig.now, attempt, overrides);
    rig.pump();
    assert!(rig.wire.ends_with(b"\x00\x03bob"), "without the other's password");
}

// R: CON-09
#[test]
fn a_server_that_does_not_keep_to_the_exchange_breaks_the_protocol() {
    let other = properties(&[Property::AuthenticationMethod("PLAIN")]);
    let method = properties(&[Property::AuthenticationMethod(METHOD)]);
    let more = ReasonCode::CONTINUE_AUTHENTICATION;
    let none = PropertiesBuf::new();

    // Another method, or none.
    for wrong in [&other, &none] {
        let mut rig = Rig::asking(secure());
        rig.send_auth(more, wrong);
        assert_eq!(rig.broken("MQTT-4.12.0-5"), ProtocolError::AuthMethod);
        let mut rig = Rig::asking(secure());
        rig.send_connack(wrong);
        assert_eq!(rig.broken("MQTT-4.12.0-5"), ProtocolError::AuthMethod);
        let mut rig = Rig::authenticated(secure());
        rig.connection.reauthenticate(rig.now, answer(b"again")).unwrap();
        rig.send_auth(ReasonCode::SUCCESS, wrong);
        rig.broken("MQTT-4.12.0-5");
    }
    // AUTH that does not continue.
    let mut rig = Rig::asking(secure());
    rig.send_auth(ReasonCode::SUCCESS, &method);
    assert_eq!(rig.broken("MQTT-4.12.0-2"), ProtocolError::AuthReason(ReasonCode::SUCCESS));
    // The next step before ours.
    let mut rig = Rig::asking(secure());
    rig.challenge(b"who");
    rig.challenge(b"who?");
    assert_eq!(rig.broken("5.0 §4.12"), ProtocolError::AuthOutOfTurn(PacketType::Auth));
    let mut rig = Rig::asking(secure());
    rig.challenge(b"who");
    rig.send_connack(&method);
    assert_eq!(rig.broken("5.0 §4.12"), ProtocolError::AuthOutOfTurn(PacketType::ConnAck));
    let mut rig = Rig::asking(secure());
    rig.challenge(b"who");
    rig.deliver("t", QoS::AtMostOnce, 0, false);
    assert_eq!(rig.broken("MQTT-3.2.0-1"), ProtocolError::BeforeConnAck(PacketType::Publish));
    // AUTH without an exchange, and while ours is due.
    let mut rig = Rig::authenticated(secure());
    rig.challenge(b"who");
    rig.broken("5.0 §4.12");
    let mut rig = Rig::authenticated(secure());
    rig.connection.reauthenticate(rig.now, answer(b"again")).unwrap();
    rig.challenge(b"who");
    rig.send_auth(ReasonCode::SUCCESS, &method);
    rig.broken("5.0 §4.12");
}

// R: CON-09
#[test]
fn a_client_without_a_method_takes_none() {
    let first = Reconnect { first: true, ..Reconnect::default() };
    let plain = || Config { reconnect: first, ..config() };
    let mut rig = Rig::asking(plain());
    rig.challenge(b"who");
    assert_eq!(rig.broken("MQTT-4.12.0-6"), ProtocolError::UnsolicitedAuth);
    let mut rig = Rig::asking(plain());
    rig.send_connack(&method_and(b"proof"));
    assert_eq!(rig.broken("MQTT-4.12.0-6"), ProtocolError::UnsolicitedAuth);
    let mut rig = Rig::connected(plain());
    assert_eq!(rig.connection.reauthenticate(rig.now, Auth::default()), Err(AuthError::NotConfigured));
    assert_eq!(rig.answer(b""), Err(AuthError::NotExpected));
    let attempt = rig.connection.attempt();
    let refused = rig.connection.refuse_authentication(rig.now, attempt, ReasonCode::UNSPECIFIED_ERROR);
    assert_eq!(refused, Err(AuthError::NotExpected));
    assert!(rig.sent().is_empty() && rig.actions().is_empty());
}

// R: CON-09, REC-02
#[test]
fn a_server_may_refuse_at_any_step() {
    for challenged in [false, true] {
        let mut rig = Rig::asking(secure());
        if challenged {
            rig.challenge(b"who");
        }
        rig.send_bytes(b"\x20\x03\x00\x87\x00");
        assert!(matches!(rig.closed_because(), Cause::Refused(Refusal { reason, .. })
            if reason == ReasonCode::NOT_AUTHORIZED));
        assert_eq!(rig.connection.state(), State::Closed);
    }
}

// R: CON-02, CON-09
#[test]
fn enhanced_authentication_never_falls_back() {
    for refusal in [&b"\x20\x02\x00\x01"[..], b"\x20\x03\x00\x84\x00"] {
        let mut rig = Rig::asking(secure());
        rig.send_bytes(refusal);
        assert!(matches!(rig.closed_because(), Cause::Refused(_)));
        assert_eq!(rig.connection.state(), State::Closed);
    }
    let on_close = Config { version: VersionPolicy::Automatic { on_close: true }, ..secure() };
    let mut rig = Rig::asking(on_close);
    rig.lose();
    rig.next_deadline(seconds(1));
    rig.dial();
    assert!(rig.sent().last().unwrap().starts_with("Connect 5.0"));
    let pinned = Config { version: VersionPolicy::Only(ProtocolVersion::V3_1_1), ..secure() };
    let unsupported = ConfigError::UnsupportedByVersion(PropertyId::AuthenticationMethod);
    assert_eq!(pinned.validate(), Err(unsupported));
    let long = Authentication { method: "m".repeat(65_536).into(), data: None };
    let long = Config { authentication: Some(Box::new(long)), ..config() };
    assert_eq!(long.validate(), Err(ConfigError::Authentication));
}

// R: CON-05, CON-09
#[test]
fn the_time_for_connecting_covers_the_exchange() {
    for accepted in [false, true] {
        let mut rig = Rig::asking(secure());
        rig.advance(seconds(20));
        if accepted {
            rig.send_connack(&method_and(b"proof"));
        } else {
            rig.challenge(b"who");
        }
        rig.next_deadline(seconds(10));
        assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Connect));
    }
}

// R: CON-09
#[test]
fn a_server_without_proof_is_refused_by_us() {
    let mut rig = Rig::asking(secure());
    let queued = rig.publish("t", QoS::AtLeastOnce);
    rig.send_connack(&method_and(b"forged"));
    let attempt = rig.connection.attempt();
    let success = rig.connection.refuse_authentication(rig.now, attempt, ReasonCode::SUCCESS);
    assert_eq!(success, Err(AuthError::Reason(ReasonCode::SUCCESS)));
    let reason = ReasonCode::UNSPECIFIED_ERROR;
    rig.connection.refuse_authentication(rig.now, attempt, reason).unwrap();
    assert_eq!(
        rig.sent(),
        ["Connect 5.0 clean=1 ".to_owned() + rig.connection.client_id(), "Disconnect 0x80".into()]
    );
    assert_eq!(rig.closed_because(), Cause::Authentication(reason));
    assert_eq!(rig.connection.state(), State::Reconnecting);
    assert!(rig.outcomes().is_empty(), "{queued:?} waits for a server that can prove itself");
    assert_eq!(rig.answer(b""), Err(AuthError::NotExpected));
}

// R: CON-09
#[test]
fn reauthentication_runs_beside_the_traffic() {
    let mut rig = Rig::authenticated(secure());
    let token = rig.connection.reauthenticate(rig.now, answer(b"again")).unwrap();
    assert_eq!(rig.connection.reauthenticate(rig.now, answer(b"")), Err(AuthError::InProgress));
    rig.publish("t", QoS::AtMostOnce);
    assert_eq!(rig.spoken(), ["Auth 0x19 SCRAM-SHA-256 again", "Publish 0 q0 t"]);
    rig.challenge(b"prove");
    assert_eq!(rig.asked(), [(false, "prove".into())]);
    rig.deliver("meanwhile", QoS::AtMostOnce, 0, false);
    assert_eq!(rig.topics(), ["meanwhile"]);
    rig.answer(b"it").unwrap();
    assert_eq!(rig.answer(b"twice"), Err(AuthError::NotExpected));
    assert_eq!(rig.spoken(), ["Auth 0x18 SCRAM-SHA-256 it"]);
    rig.send_auth(ReasonCode::SUCCESS, &method_and(b"proof"));
    assert_eq!(rig.events(), [Event::Reauthenticated { token, result: Ok(method_and(b"proof")) }]);
    assert_eq!(rig.connection.state(), State::Connected);
    // And once more: the first has left nothing behind, its deadline included.
    rig.advance(seconds(59));
    rig.connection.handle_timeout(rig.now);
    let token = rig.connection.reauthenticate(rig.now, Auth::default()).unwrap();
    rig.advance(seconds(2));
    rig.connection.handle_timeout(rig.now);
    rig.send_auth(ReasonCode::SUCCESS, &method_and(b"ok"));
    assert!(
        matches!(rig.events()[..], [Event::Reauthenticated { token: done, result: Ok(_) }] if done == token)
    );
}

// R: CON-09, REC-08
#[test]
fn a_reauthentication_always_ends() {
    let ended = |rig: &mut Rig| {
        let ended = |event| match event {
            Event::Reauthenticated { result, .. } => Some(result),
            _ => None,
        };
        rig.events().into_iter().filter_map(ended).collect::<Vec<_>>()
    };
    let begun = || {
        let mut rig = Rig::authenticated(secure());
        rig.connection.reauthenticate(rig.now, Auth::default()).unwrap();
        rig.sent();
        rig
    };
    let mut rig = begun();
    rig.lose();
    assert_eq!(ended(&mut rig), [Err(OperationError::Lost)]);
    // The server refuses by disconnecting.
    let mut rig = begun();
    rig.send_bytes(b"\xe0\x02\x87\x00");
    rig.lose();
    let reason = ReasonCode::NOT_AUTHORIZED;
    let refusal = Refusal { reason, properties: PropertiesBuf::new() };
    assert_eq!(ended(&mut rig), [Err(OperationError::Refused(refusal))]);
    // No answer.
    let mut rig = begun();
    let (at, timer) = rig.connection.poll_timeout().unwrap();
    assert!(timer != Timer::Authenticate || at == rig.now + seconds(60));
    rig.advance(seconds(60));
    rig.connection.handle_timeout(rig.now);
    rig.lose();
    assert!(ended(&mut rig) == [Err(OperationError::Lost)]);
    // We give it up.
    let mut rig = begun();
    rig.challenge(b"forged");
    let attempt = rig.connection.attempt();
    rig.connection.refuse_authentication(rig.now, attempt, ReasonCode::UNSPECIFIED_ERROR).unwrap();
    assert_eq!(rig.sent(), ["Disconnect 0x80"]);
    rig.lose();
    assert_eq!(ended(&mut rig), [Err(OperationError::Lost)]);
    // The client ends: gracefully after it, or at once.
    let mut rig = begun();
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.connection.reauthenticate(rig.now, Auth::default()), Err(AuthError::Closed));
    assert!(rig.sent().is_empty());
    rig.challenge(b"prove");
    rig.answer(b"it").unwrap();
    rig.send_auth(ReasonCode::SUCCESS, &method_and(b""));
    assert_eq!(rig.sent(), ["Auth", "Disconnect 0x00"]);
    assert!(matches!(ended(&mut rig)[..], [Ok(_)]));
    let mut rig = begun();
    rig.connection.disconnect(rig.now, Disconnect { at_once: true, ..Disconnect::default() }).unwrap();
    rig.lose();
    assert_eq!(ended(&mut rig), [Err(OperationError::Closed)]);
}

// R: CON-09
#[test]
fn an_answer_behind_unread_messages_is_still_found() {
    let mut rig = Rig::authenticated(Config { incoming_limit: 2, incoming_reserve: 400, ..secure() });
    let token = rig.connection.reauthenticate(rig.now, Auth::default()).unwrap();
    // The reserve is read into while a re-authentication waits for the server.
    for _ in 0..2 {
        rig.deliver("t", QoS::AtMostOnce, 0, false);
    }
    let reserve = PublishPacket {
        duplicate: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "t",
        packet_id: 0,
        properties: Properties::EMPTY,
        payload: b"dropped, or in the reserve",
    };
    for _ in 0..10 {
        rig.send(&Packet::Publish(reserve));
    }
    rig.send_auth(ReasonCode::SUCCESS, &method_and(b""));
    assert!(rig.events().contains(&Event::Reauthenticated { token, result: Ok(method_and(b"")) }));
    // Where QoS 1 fills it, the operation ends, and the connection stays.
    let mut rig = Rig::authenticated(Config { incoming_limit: 2, incoming_reserve: 400, ..secure() });
    let token = rig.connection.reauthenticate(rig.now, Auth::default()).unwrap();
    for packet_id in 1..10 {
        rig.deliver("t", QoS::AtLeastOnce, packet_id, false);
    }
    rig.send_auth(ReasonCode::SUCCESS, &method_and(b""));
    rig.advance(seconds(60));
    rig.connection.handle_timeout(rig.now);
    let stalled = Event::Reauthenticated { token, result: Err(OperationError::Stalled) };
    assert!(rig.events().contains(&stalled));
    while !rig.topics().is_empty() {
        rig.connection.handle_input(rig.now, &mut rig.input);
    }
    assert_eq!(rig.connection.state(), State::Connected);
    rig.connection.reauthenticate(rig.now, Auth::default()).expect("the late answer has ended the first");
}

// R: CON-09
#[test]
fn what_explains_is_left_out_where_it_does_not_fit() {
    let mut rig = Rig::asking(secure());
    let limited = properties(&[Property::AuthenticationMethod(METHOD), Property::MaximumPacketSize(40)]);
    rig.send_connack(&limited);
    rig.confirm();
    rig.sent();
    let explained = properties(&[Property::ReasonString("because the token has expired by now")]);
    let long = [b'x'; 40];
    let too_long = Auth { data: Some(&long), properties: Properties::EMPTY };
    assert!(matches!(rig.connection.reauthenticate(rig.now, too_long), Err(AuthError::Limit(_))));
    let unlawful = properties(&[Property::AuthenticationData(b"x"), Property::AuthenticationMethod("x")]);
    let unlawful = Auth { data: None, properties: unlawful.as_properties() };
    let refused = rig.connection.reauthenticate(rig.now, unlawful);
    assert_eq!(refused, Err(AuthError::Property(PropertyId::AuthenticationData)));
    let auth = Auth { data: Some(b"x"), properties: explained.as_properties() };
    rig.connection.reauthenticate(rig.now, auth).unwrap();
    assert_eq!(rig.spoken(), ["Auth 0x19 SCRAM-SHA-256 x"]);
}

// R: CON-09
#[test]
fn data_is_never_shown() {
    let config = secure();
    let shown = format!("{config:?} {:?} {:?}", answer(b"hello"), config.authentication);
    assert!(shown.contains(METHOD) && !shown.contains("hello") && !shown.contains("104"), "{shown}");
    let mut rig = Rig::asking(config);
    rig.challenge(b"hello");
    let shown = format!("{:?}", rig.events());
    assert!(shown.contains(METHOD) && !shown.contains("104, 101"), "{shown}");
}

// R: CON-09, REC-08
#[test]
fn an_exchange_that_stalled_does_not_block_the_next_one_for_ever() {
    let mut rig = Rig::authenticated(Config { incoming_limit: 2, incoming_reserve: 400, ..secure() });
    rig.connection.reauthenticate(rig.now, Auth::default()).unwrap();
    for packet_id in 1..10 {
        rig.deliver("t", QoS::AtLeastOnce, packet_id, false);
    }
    rig.advance(seconds(60));
    rig.connection.handle_timeout(rig.now);
    while !rig.topics().is_empty() {
        rig.connection.handle_input(rig.now, &mut rig.input);
    }
    assert_eq!(rig.connection.check_reauthenticate(), Err(AuthError::InProgress), "it may still be answered");
    rig.advance(seconds(60));
    rig.connection.handle_timeout(rig.now);
    assert_eq!(rig.closed_because(), Cause::Timeout(crate::connection::Timer::Authenticate));
}
