//! Deadlines: keep alive, PINGRESP, writing, acknowledgements, and the ends of them.

use super::*;
use crate::command::Disconnect;
use crate::connection::{State, Timer};

fn deadline(rig: &Rig) -> Option<(Duration, Timer)> {
    rig.connection.poll_timeout().map(|(at, timer)| (at - rig.now, timer))
}

fn ping(rig: &mut Rig) {
    rig.next_deadline(seconds(60));
    assert_eq!(rig.sent(), ["PingReq"]);
}

// R: CON-04
#[test]
fn an_idle_clients_only_deadline_is_the_keep_alive() {
    let mut rig = Rig::connected(config());
    for _ in 0..3 {
        assert_eq!(deadline(&rig), Some((seconds(60), Timer::KeepAlive)));
        ping(&mut rig);
        assert_eq!(deadline(&rig), Some((seconds(10), Timer::Ping)));
        rig.advance(seconds(1));
        rig.send(&Packet::PingResp);
        rig.advance(seconds(0));
        assert_eq!(deadline(&rig), Some((seconds(59), Timer::KeepAlive)));
        rig.advance(seconds(59));
        rig.deliver("t", QoS::AtMostOnce, 0, false);
        ping(&mut rig);
        rig.send(&Packet::PingResp);
    }
}

// R: CON-04
#[test]
fn a_ping_is_due_when_nothing_was_received_in_spite_of_sending() {
    let mut rig = Rig::connected(config());
    for _ in 0..59 {
        rig.advance(seconds(1));
        rig.publish("t", QoS::AtMostOnce);
        rig.expect(&[PacketType::Publish]);
    }
    assert_eq!(deadline(&rig), Some((seconds(1), Timer::KeepAlive)));
    ping(&mut rig);
    rig.next_deadline(seconds(10));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Ping));
    assert_eq!(rig.connection.state(), State::Reconnecting);
}

// R: CON-04
#[test]
fn traffic_both_ways_needs_no_ping() {
    let mut rig = Rig::connected(config());
    for _ in 0..200 {
        rig.advance(seconds(50));
        rig.connection.handle_timeout(rig.now);
        rig.publish("t", QoS::AtLeastOnce);
        let sent = rig.sent();
        assert!(sent.len() == 1 && sent[0].starts_with("Publish"), "{sent:?}");
        let packet_id = rig.connection.last_packet_id().unwrap();
        rig.ack(PacketType::PubAck, packet_id, ReasonCode::SUCCESS);
    }
}

// R: CON-04
#[test]
fn the_servers_keep_alive_holds_for_that_connection() {
    let mut rig = Rig::connected_to(config(), &[Property::ServerKeepAlive(7)]);
    assert_eq!(deadline(&rig), Some((seconds(7), Timer::KeepAlive)));
    assert_eq!(rig.connection.server().unwrap().keep_alive, seconds(7));
    rig.reconnect(false);
    assert_eq!(deadline(&rig), Some((seconds(60), Timer::KeepAlive)));
}

// R: CON-04
#[test]
fn zero_turns_the_keep_alive_off() {
    for (own, servers) in [(0, None), (60, Some(0))] {
        let set: Vec<_> = servers.map(Property::ServerKeepAlive).into_iter().collect();
        let rig = Rig::connected_to(Config { keep_alive: own, ..config() }, &set);
        assert_eq!(deadline(&rig), None);
    }
}

// R: CON-04
#[test]
fn a_server_that_claims_to_take_nothing_is_pinged_all_the_same() {
    let mut rig = Rig::connected_to(config(), &[Property::MaximumPacketSize(1)]);
    ping(&mut rig);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(rig.sent(), ["Disconnect 0x00"]);
    assert_eq!(rig.closed_because(), Cause::Requested);
}

// R: CON-04
#[test]
fn the_pingresp_is_due_from_when_the_ping_was_written() {
    let mut rig = Rig::connected(config());
    rig.next_deadline(seconds(60));
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    assert_eq!(deadline(&rig), Some((seconds(30), Timer::Write)), "no deadline but the writing's");
    rig.advance(seconds(20));
    rig.connection.handle_written(rig.now, 2);
    assert_eq!(deadline(&rig), Some((seconds(10), Timer::Ping)));
}

// R: CON-04
#[test]
fn no_ping_is_due_while_bytes_wait() {
    let mut rig = Rig::connected(Config { write_timeout: Duration::ZERO, ..config() });
    rig.publish("t", QoS::AtMostOnce);
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    assert_eq!(deadline(&rig), None);
    rig.advance(seconds(600));
    rig.connection.handle_timeout(rig.now);
    let length = rig.transmit.remaining();
    rig.connection.handle_written(rig.now, length);
    assert_eq!(deadline(&rig).unwrap().1, Timer::KeepAlive);
}

// R: CON-04
#[test]
fn the_pingresp_is_not_due_while_we_hold_reading_back() {
    let mut rig = Rig::connected(Config { incoming_limit: 1, ..config() });
    ping(&mut rig);
    rig.deliver("a", QoS::AtMostOnce, 0, false);
    rig.send(&Packet::PingResp);
    rig.next_deadline(seconds(60));
    rig.expect(&[PacketType::PingReq]);
    assert_eq!(rig.deliver("b", QoS::AtMostOnce, 0, false), Ingress::Paused);
    assert_eq!(deadline(&rig), Some((seconds(60), Timer::KeepAlive)), "pinging goes on");
    rig.advance(seconds(30));
    assert_eq!(rig.topics(), ["a"]);
    rig.connection.handle_input(rig.now, &mut rig.input);
    assert_eq!(deadline(&rig), Some((seconds(10), Timer::Ping)), "it has its full time again");
}

// R: CON-04
#[test]
fn waiting_bytes_must_make_progress() {
    let mut rig = Rig::connected(config());
    rig.publish("topic", QoS::AtMostOnce);
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    rig.advance(seconds(29));
    rig.connection.handle_written(rig.now, 1);
    assert_eq!(deadline(&rig), Some((seconds(30), Timer::Write)));
    rig.next_deadline(seconds(30));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Write));
}

// R: REC-08
#[test]
fn the_oldest_operation_must_be_acknowledged_in_time() {
    let mut rig = Rig::connected(Config { keep_alive: 0, ..config() });
    rig.publish("a", QoS::AtLeastOnce);
    rig.sent();
    rig.advance(seconds(30));
    rig.publish("b", QoS::AtLeastOnce);
    rig.sent();
    rig.advance(seconds(20));
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.next_deadline(seconds(10));
    assert!(rig.actions().is_empty(), "the second was sent 30 s later");
    assert_eq!(deadline(&rig), Some((seconds(30), Timer::Ack)));
    rig.next_deadline(seconds(30));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Ack));
    rig.next_deadline(seconds(2));
    rig.accept(true, Properties::EMPTY);
}

// R: REC-08
#[test]
fn an_operation_counts_from_when_the_driver_took_it_not_from_an_old_time() {
    let mut rig = Rig::connected(Config { keep_alive: 0, ..config() });
    let old = rig.now;
    rig.connection.publish(old, Publish::new("a", "").qos(QoS::AtLeastOnce)).unwrap();
    rig.sent();
    // The driver slept until shortly before the deadline; the next call carries the driver's last time.
    rig.connection.publish(old, Publish::new("b", "").qos(QoS::AtLeastOnce)).unwrap();
    rig.advance(seconds(60));
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.connection.handle_timeout(rig.now);
    assert!(rig.actions().is_empty(), "the second has not even been taken by the driver");
    rig.sent();
    assert_eq!(deadline(&rig), Some((seconds(60), Timer::Ack)));
}

// R: REC-08
#[test]
fn a_pubrec_is_progress_and_the_pubcomp_has_its_own_time() {
    let mut rig = Rig::connected(Config { keep_alive: 0, ..config() });
    rig.publish("a", QoS::ExactlyOnce);
    rig.sent();
    rig.advance(seconds(50));
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.sent();
    rig.next_deadline(seconds(10));
    assert!(rig.actions().is_empty());
    rig.next_deadline(seconds(50));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Ack));
}

// R: REC-08
#[test]
fn operations_whose_answer_cannot_be_read_end_stalled() {
    let limits = Config { incoming_limit: 1, incoming_bytes: 1, incoming_reserve: 400, ..config() };
    let mut rig = Rig::connected(Config { keep_alive: 0, ..limits });
    let publish = rig.publish("p", QoS::AtLeastOnce);
    let subscribe = rig.subscribe(&["s"]);
    rig.sent();
    let paused = (1..10).find(|id| rig.deliver("t", QoS::AtLeastOnce, *id, false) == Ingress::Paused);
    assert!(paused.is_some(), "the reserve is full");
    rig.next_deadline(seconds(60));
    assert!(rig.actions().is_empty(), "the connection is not to blame");
    let events = rig.events();
    let stalled = OperationError::Stalled;
    assert!(
        events.contains(&Event::Published { token: publish, result: Err(stalled.clone()) }),
        "{events:?}"
    );
    assert!(events.contains(&Event::Subscribed { token: subscribe, result: Err(stalled) }), "{events:?}");
    // The late answers are taken, and free the identifiers.
    while rig.connection.poll_message().is_some() {
        rig.connection.handle_input(rig.now, &mut rig.input);
    }
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.suback(2, &[0]);
    rig.unsuback(3, &[0]);
    assert_eq!((rig.events(), rig.connection.in_flight()), (vec![], 0));
}

// R: REC-08
#[test]
fn an_answer_that_waits_for_our_own_replies_to_leave_is_the_connections_fault() {
    let limits = Config {
        keep_alive: 0,
        send_buffer: 1,
        write_timeout: Duration::ZERO,
        ..config_of(ProtocolVersion::V5)
    };
    let mut rig = Rig::connected(Config { receive_maximum: 1, in_flight_limit: 1, ..limits });
    rig.publish("p", QoS::AtLeastOnce);
    rig.sent();
    // The server takes nothing any more: the PUBCOMPs stay here, and nothing is read until they have left.
    assert_eq!(rig.send_bytes(&b"\x62\x02\x00\x09".repeat(4)), Ingress::Paused);
    rig.next_deadline(seconds(60));
    assert_eq!(rig.closed_because(), Cause::Timeout(Timer::Ack));
    assert_eq!(rig.outcomes(), [], "the next connection sends it again");
}

// R: REC-10
#[test]
fn a_graceful_end_while_connecting_has_its_deadline() {
    let mut rig = Rig::new(config());
    rig.publish("t", QoS::AtLeastOnce);
    rig.connection.connect(rig.now);
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    assert_eq!(deadline(&rig), Some((seconds(10), Timer::Drain)));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Publish 1 q1 t"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Disconnect 0x00"]);
    assert_eq!(rig.closed_because(), Cause::Requested);
}

// R: REC-10
#[test]
fn a_disconnect_that_cannot_be_written_is_given_up() {
    let mut rig = Rig::connected(config());
    rig.connection.disconnect(rig.now, Disconnect::default()).unwrap();
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    rig.next_deadline(seconds(10));
    assert_eq!(rig.closed_because(), Cause::Requested);
    assert_eq!(rig.connection.state(), State::Closed);
}
