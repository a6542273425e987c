//! Losing connections and making them again: the back-off, who is retried, and the session.

use super::*;
use crate::config::{CleanStart, ClientId, Reconnect, ServerClose};
use crate::connection::{State, Timer};
use crate::error::ProtocolError;
use crate::packet::Disconnect;

fn named() -> Config {
    Config { client_id: ClientId::Given("anna".into()), ..config() }
}

/// How long the client pauses after the network failed.
fn pause(rig: &mut Rig) -> Duration {
    rig.lose();
    let (at, timer) = rig.connection.poll_timeout().unwrap();
    assert_eq!(timer, Timer::Reconnect);
    at - rig.now
}

fn server_disconnects(rig: &mut Rig, reason: ReasonCode) -> Cause {
    rig.send(&Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY }));
    rig.closed_because()
}

fn refuse(rig: &mut Rig, reason: ReasonCode) -> Cause {
    rig.dial();
    rig.sent();
    rig.send(&Packet::ConnAck(ConnAck { session_present: false, reason, properties: Properties::EMPTY }));
    rig.closed_because()
}

// R: REC-01
#[test]
fn pauses_grow_until_a_connection_was_stable() {
    let mut rig = Rig::connected(config());
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        longest = longest.max(pause(&mut rig));
        rig.next_deadline(seconds(60));
        rig.accept(false, Properties::EMPTY);
        rig.advance(seconds(9));
    }
    assert!(longest > seconds(5), "{longest:?}");
    rig.advance(seconds(1));
    let first = pause(&mut rig);
    assert!(first <= seconds(1) && first >= Duration::from_millis(100), "{first:?}");
}

// R: REC-01
#[test]
fn a_failed_attempt_is_no_stable_connection() {
    let mut rig = Rig::connected(Config {
        reconnect: Reconnect { attempts: Some(3), ..Reconnect::default() },
        ..config()
    });
    pause(&mut rig);
    for _ in 0..2 {
        rig.next_deadline(seconds(60));
        rig.actions();
        rig.advance(seconds(29));
        pause(&mut rig);
    }
    rig.next_deadline(seconds(60));
    rig.actions();
    rig.lose();
    assert_eq!(rig.connection.state(), State::Closed);
}

// R: REC-01, REC-09
#[test]
fn without_reconnecting_the_first_loss_closes_and_resolves_everything() {
    let mut rig = Rig::connected(Config { reconnect: Reconnect::off(), ..config() });
    let attempt = rig.connection.attempt;
    let token = rig.publish("t", QoS::AtLeastOnce);
    rig.lose();
    let cause = Cause::Lost(eof());
    let closed = OperationError::Closed;
    assert_eq!(
        rig.events(),
        [
            Event::Disconnected { attempt, cause: cause.clone(), retry_at: None },
            Event::Offline,
            Event::Published { token, result: Err(closed) },
            Event::Closed { cause },
        ]
    );
    assert_eq!(rig.connection.state(), State::Closed);
    assert_eq!(rig.connection.poll_timeout(), None);
}

// R: REC-09
#[test]
fn a_loss_tells_why_and_when_the_next_attempt_begins() {
    let mut rig = Rig::connected(config());
    let attempt = rig.connection.attempt;
    rig.lose();
    let (at, _) = rig.connection.poll_timeout().unwrap();
    let lost = Event::Disconnected { attempt, cause: Cause::Lost(eof()), retry_at: Some(at) };
    assert_eq!(rig.events(), [lost, Event::Offline]);
    assert_eq!(rig.connection.state(), State::Reconnecting);
    rig.now = at;
    rig.connection.handle_timeout(at);
    let attempt = rig.dial();
    assert_eq!(rig.events(), [Event::Connecting { attempt }]);
}

// R: CON-12
#[test]
fn the_first_failure_closes_unless_it_is_to_be_retried() {
    for first in [false, true] {
        let reconnect = Reconnect { first, ..Reconnect::default() };
        let mut rig = Rig::new(Config { reconnect, ..config() });
        rig.connection.connect(rig.now);
        rig.actions();
        let lost = Lost { kind: LostKind::Dial, detail: "refused".into() };
        rig.connection.handle_disconnected(rig.now, rig.connection.attempt, lost);
        let state = if first { State::Reconnecting } else { State::Closed };
        assert_eq!(rig.connection.state(), state);
    }
}

// R: REC-02
#[test]
fn permanent_refusals_stop_and_temporary_ones_are_retried() {
    let permanent = [
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::BANNED,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
    ];
    let temporary = [ReasonCode::SERVER_BUSY, ReasonCode::SERVER_UNAVAILABLE, ReasonCode::QUOTA_EXCEEDED];
    for reason in permanent.into_iter().chain(temporary) {
        let mut rig = Rig::connected(config());
        rig.lose();
        rig.next_deadline(seconds(2));
        let Cause::Refused(refusal) = refuse(&mut rig, reason) else { panic!() };
        assert_eq!(refusal.reason, reason);
        let state = if permanent.contains(&reason) { State::Closed } else { State::Reconnecting };
        assert_eq!(rig.connection.state(), state, "{reason}");
    }
}

// R: REC-02
#[test]
fn refusals_of_3_1_1_are_told_apart_as_well() {
    for (code, state) in
        [(3u8, State::Reconnecting), (4, State::Closed), (5, State::Closed), (2, State::Closed)]
    {
        let mut rig = Rig::connected(config_of(ProtocolVersion::V3_1_1));
        rig.lose();
        rig.next_deadline(seconds(2));
        rig.dial();
        rig.send_bytes(&[0x20, 2, 0, code]);
        assert!(matches!(rig.closed_because(), Cause::Refused(_)));
        assert_eq!(rig.connection.state(), state, "return code {code}");
    }
}

// R: REC-02
#[test]
fn a_servers_disconnect_stops_where_reconnecting_would_fight() {
    for (reason, state) in [
        (ReasonCode::SESSION_TAKEN_OVER, State::Closed),
        (ReasonCode::NOT_AUTHORIZED, State::Closed),
        (ReasonCode::ADMINISTRATIVE_ACTION, State::Closed),
        (ReasonCode::SERVER_SHUTTING_DOWN, State::Reconnecting),
        (ReasonCode::NORMAL_DISCONNECTION, State::Reconnecting),
    ] {
        let mut rig = Rig::connected(config());
        let cause = server_disconnects(&mut rig, reason);
        assert!(matches!(cause, Cause::ServerDisconnected(refusal) if refusal.reason == reason));
        assert_eq!(rig.connection.state(), state, "{reason}");
        assert_eq!(rig.sent(), [""; 0], "a DISCONNECT is not answered");
    }
}

// R: REC-02
#[test]
fn the_users_policy_decides() {
    let retry = |close| close == ServerClose::Disconnected(ReasonCode::SESSION_TAKEN_OVER);
    let config = Config { reconnect: Reconnect { retry, ..Reconnect::default() }, ..config() };
    let mut rig = Rig::connected(config.clone());
    server_disconnects(&mut rig, ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(rig.connection.state(), State::Reconnecting);
    let mut rig = Rig::connected(config);
    server_disconnects(&mut rig, ReasonCode::SERVER_SHUTTING_DOWN);
    assert_eq!(rig.connection.state(), State::Closed);
}

// R: REC-04
#[test]
fn messages_in_flight_are_sent_again_in_order_with_dup_after_connected() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut rig = Rig::connected(Config {
            clean_start: CleanStart::Never,
            client_id: ClientId::Given("anna".into()),
            ..config_of(version)
        });
        rig.publish("a", QoS::ExactlyOnce);
        rig.publish("b", QoS::AtLeastOnce);
        rig.publish("c", QoS::ExactlyOnce);
        rig.sent();
        rig.lose();
        rig.publish("d", QoS::AtLeastOnce);
        rig.publish("e", QoS::AtMostOnce);
        rig.next_deadline(seconds(2));
        rig.accept(true, Properties::EMPTY);
        assert!(
            rig.events().iter().any(|event| matches!(event, Event::Connected { session_present: true, .. }))
        );
        let expected = [
            "Publish 1 q2 dup a",
            "Publish 2 q1 dup b",
            "Publish 3 q2 dup c",
            "Publish 4 q1 d",
            "Publish 0 q0 e",
        ];
        assert_eq!(rig.sent(), expected);
    }
}

// R: REC-04
#[test]
fn resending_keeps_within_a_smaller_receive_maximum() {
    let mut rig = Rig::connected(named());
    for topic in ["a", "b", "c"] {
        rig.publish(topic, QoS::AtLeastOnce);
    }
    rig.sent();
    rig.lose();
    rig.publish("new", QoS::AtLeastOnce);
    rig.publish("overtakes", QoS::AtMostOnce);
    rig.next_deadline(seconds(2));
    rig.accept(true, properties(&[Property::ReceiveMaximum(1)]).as_properties());
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a", "Publish 0 q0 overtakes"]);
    for (acked, next) in [(1, "Publish 2 q1 dup b"), (2, "Publish 3 q1 dup c"), (3, "Publish 4 q1 new")] {
        rig.ack(PacketType::PubAck, acked, ReasonCode::SUCCESS);
        assert_eq!(rig.sent(), [next]);
    }
}

// R: REC-04
#[test]
fn resends_that_wait_for_the_window_survive_a_keep_alive() {
    let mut rig = Rig::connected(named());
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtLeastOnce);
    rig.sent();
    rig.reconnect_to(true, &[Property::ReceiveMaximum(1), Property::ServerKeepAlive(5)]);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a"]);
    rig.next_deadline(seconds(5));
    rig.expect(&[PacketType::PingReq]);
    rig.send(&Packet::PingResp);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 2 q1 dup b"]);
}

// R: REC-04
#[test]
fn a_resend_that_drops_again_is_sent_again() {
    let mut rig = Rig::connected(named());
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::ExactlyOnce);
    rig.sent();
    rig.reconnect_to(true, &[Property::ReceiveMaximum(1)]);
    rig.publish("c", QoS::AtLeastOnce);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a"]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Publish 1 q1 dup a", "Publish 2 q2 dup b", "Publish 3 q1 c"]);
}

// R: REC-04
#[test]
fn pubrels_go_first_in_pubrec_order_and_outside_the_window() {
    let mut rig = Rig::connected(named());
    for topic in ["a", "b", "c", "d"] {
        rig.publish(topic, QoS::ExactlyOnce);
    }
    rig.sent();
    rig.ack(PacketType::PubRec, 3, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.sent();
    rig.reconnect_to(true, &[Property::ReceiveMaximum(1)]);
    assert_eq!(rig.sent(), ["PubRel 3 0x00", "PubRel 1 0x00", "Publish 2 q2 dup b"]);
    rig.ack(PacketType::PubComp, 3, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), [""; 0], "it was not in this connection's window");
    rig.ack(PacketType::PubComp, 1, ReasonCode::PACKET_IDENTIFIER_NOT_FOUND);
    assert_eq!(rig.outcomes().len(), 2, "an unknown identifier had completed before");
    rig.ack(PacketType::PubRec, 2, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubComp, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubRel 2 0x00", "Publish 4 q2 dup d"]);
}

// R: CON-08
#[test]
fn what_no_longer_fits_completes_and_is_not_sent_again() {
    let mut rig = Rig::connected(named());
    let exact = rig.publish("a", QoS::ExactlyOnce);
    let good = rig.publish("b", QoS::AtLeastOnce);
    rig.sent();
    rig.reconnect_to(true, &[Property::MaximumQoS(QoS::AtLeastOnce)]);
    assert_eq!(rig.sent(), ["Publish 2 q1 dup b"]);
    rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
    let limit = crate::error::ServerLimit::MaximumQoS;
    assert_eq!(rig.outcomes(), [(exact, Err(OperationError::Limit(limit))), (good, Ok(0))]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: REC-05
#[test]
fn a_lost_session_sends_qos_1_again_as_new_and_ends_qos_2() {
    let mut rig = Rig::connected(named());
    let first = rig.publish("a", QoS::AtLeastOnce);
    let unknown = rig.publish("b", QoS::ExactlyOnce);
    let delivered = rig.publish("c", QoS::ExactlyOnce);
    let last = rig.publish("d", QoS::AtLeastOnce);
    rig.sent();
    rig.ack(PacketType::PubRec, 3, ReasonCode::NO_MATCHING_SUBSCRIBERS);
    rig.sent();
    rig.lose();
    let unsent = rig.publish("e", QoS::ExactlyOnce);
    rig.next_deadline(seconds(2));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 5 q1 a", "Publish 6 q1 d", "Publish 7 q2 e"]);
    assert_eq!(rig.outcomes(), [(unknown, Err(OperationError::SessionLost)), (delivered, Ok(0x10))]);
    for packet_id in [5, 6] {
        rig.ack(PacketType::PubAck, packet_id, ReasonCode::SUCCESS);
    }
    rig.ack(PacketType::PubRec, 7, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubComp, 7, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(first, Ok(0)), (last, Ok(0)), (unsent, Ok(0))]);
}

// R: REC-06
#[test]
fn clean_start_is_asked_for_on_the_first_connection_only() {
    let mut rig = Rig::new(named());
    rig.connection.connect(rig.now);
    rig.dial();
    assert_eq!(rig.sent(), ["Connect 5.0 clean=1 anna"]);
    rig.send_bytes(b"\x20\x03\x00\x00\x00");
    rig.lose();
    rig.next_deadline(seconds(2));
    rig.dial();
    assert_eq!(rig.sent(), ["Connect 5.0 clean=0 anna"]);
}

// R: REC-06
#[test]
fn an_expired_session_is_not_offered() {
    for (elapsed, clean) in [(3_600, 0), (3_601, 1)] {
        let mut rig = Rig::connected(named());
        rig.lose();
        rig.advance(seconds(elapsed));
        rig.connection.handle_timeout(rig.now);
        rig.dial();
        assert_eq!(rig.sent(), [format!("Connect 5.0 clean={clean} anna")], "after {elapsed} s");
    }
    let mut rig = Rig::connected_to(named(), &[Property::SessionExpiryInterval(5)]);
    rig.lose();
    rig.advance(seconds(6));
    rig.connection.handle_timeout(rig.now);
    rig.dial();
    assert_eq!(rig.sent(), ["Connect 5.0 clean=1 anna"], "the server's interval holds");
}

// R: REC-06
#[test]
fn a_session_that_cannot_be_there_is_a_protocol_error() {
    let unexpected = Cause::Protocol(ProtocolError::UnexpectedSession);
    let never = Config { clean_start: CleanStart::Never, ..named() };
    let random = Config { clean_start: CleanStart::Never, ..config() };
    let strict = Config { strict_session: true, ..never.clone() };
    for (config, accepted) in [(never, true), (random, false), (strict, false), (named(), false)] {
        let mut rig = Rig::new(config);
        rig.connection.connect(rig.now);
        rig.accept(true, Properties::EMPTY);
        if accepted {
            assert_eq!(rig.connection.state(), State::Connected);
        } else {
            assert_eq!(rig.sent(), ["Disconnect 0x82"]);
            assert_eq!(rig.closed_because(), unexpected);
        }
    }
}

// R: CON-12
#[test]
fn reconnect_connects_at_once() {
    let mut rig = Rig::connected(config());
    rig.connection.reconnect(rig.now);
    assert_eq!(rig.sent(), ["Disconnect 0x00"], "so that the server does not publish the will");
    assert_eq!(rig.closed_because(), Cause::Requested);
    let attempt = rig.dial();
    rig.lose();
    rig.connection.reconnect(rig.now);
    assert!(rig.dial() > attempt, "no pause");
}

#[test]
fn what_concerns_an_earlier_attempt_is_ignored() {
    let mut rig = Rig::connected(config());
    let old = rig.connection.attempt;
    rig.reconnect(false);
    rig.connection.handle_disconnected(rig.now, old, eof());
    rig.connection.handle_connected(rig.now, old, ConnectOverrides::default());
    assert_eq!(rig.connection.state(), State::Connected);
}

// R: REC-03
#[test]
fn a_session_that_an_unanswered_connect_may_have_begun_is_subscribed_again() {
    let mut rig = Rig::connected(named());
    rig.subscribe(&["a"]);
    rig.sent();
    rig.suback(1, &[0]);
    rig.lose();
    rig.next_deadline(seconds(2));
    rig.dial();
    rig.expect(&[PacketType::Connect]);
    // The server had lost the session; its CONNACK, which says so, is lost as well.
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    rig.suback(2, &[0]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), [""; 0]);
    // A refusal is an answer, and begins nothing.
    rig.lose();
    rig.next_deadline(seconds(60));
    refuse(&mut rig, ReasonCode::SERVER_BUSY);
    rig.next_deadline(seconds(60));
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), [""; 0]);
}
