//! Servers that break the protocol: each fault has one answer, and none does harm.

use super::*;
use crate::connection::{State, Timer};
use crate::error::ProtocolError;
use crate::packet::DecodeError;

/// Sends `bytes` to a connected client, which must answer with `code` (5.0) and close, name the statement, and
/// try again after a pause.
fn faulty(mut rig: Rig, bytes: &[u8], code: &str, statement: &str) -> ProtocolError {
    let version = rig.version;
    rig.sent();
    rig.send_bytes(bytes);
    let expected: Vec<_> =
        if version == ProtocolVersion::V5 { vec![format!("Disconnect {code}")] } else { vec![] };
    assert_eq!(rig.sent(), expected, "{bytes:?}");
    let Cause::Protocol(error) = rig.closed_because() else { panic!("{bytes:?} is not the server's fault") };
    assert_eq!(error.statement(version), statement, "{error}");
    assert_eq!(rig.connection.state(), State::Reconnecting);
    let (at, timer) = rig.connection.poll_timeout().unwrap();
    assert!(timer == Timer::Reconnect && at >= rig.now + Duration::from_millis(100));
    error
}

fn v5() -> Rig {
    Rig::connected(config_of(ProtocolVersion::V5))
}

fn v3() -> Rig {
    Rig::connected(config_of(ProtocolVersion::V3_1_1))
}

// R: CON-08
#[test]
fn garbage_is_malformed() {
    faulty(v5(), b"\x00\x00", "0x81", "5.0 §2.1.2");
    faulty(v3(), b"\xf0\x00", "", "3.1.1 §2.2.1");
    faulty(v5(), b"\xff\xff\xff\xff\xff", "0x81", "MQTT-3.15.1-1");
    faulty(v5(), b"\x30\xff\xff\xff\xff\x7f", "0x81", "5.0 §1.5.5");
}

#[test]
fn qos_3_and_bad_utf_8_are_malformed() {
    faulty(v5(), b"\x36\x06\x00\x01t\x00\x01\x00", "0x81", "MQTT-3.3.1-4");
    faulty(v3(), b"\x36\x05\x00\x01t\x00\x01", "", "MQTT-3.3.1-4");
    faulty(v5(), b"\x30\x04\x00\x01\xff\x00", "0x81", "MQTT-1.5.4-1");
    faulty(v3(), b"\x30\x03\x00\x01\xff", "", "MQTT-1.5.3-1");
    faulty(v5(), b"\x30\x06\x00\x03a\x00b\x00", "0x81", "MQTT-1.5.4-2");
}

#[test]
fn packets_out_of_turn_are_protocol_errors() {
    faulty(v5(), b"\x20\x03\x00\x00\x00", "0x82", "MQTT-3.2.0-2");
    faulty(v3(), b"\x20\x02\x00\x00", "", "MQTT-3.2.0-2");
    faulty(v5(), b"\xf0\x00", "0x82", "MQTT-4.12.0-6");
    faulty(v5(), b"\xc0\x00", "0x82", "5.0 §2.1.2");
    faulty(v3(), b"\xe0\x00", "", "3.1.1 §2.2.1");
}

#[test]
fn packets_before_connack_are_protocol_errors() {
    for bytes in [&b"\xd0\x00"[..], b"\x30\x04\x00\x01t\x00", b"\xe0\x00", b"\x40\x02\x00\x01"] {
        let reconnect = crate::config::Reconnect { first: true, ..crate::config::Reconnect::default() };
        let mut rig = Rig::new(Config { reconnect, ..config_of(ProtocolVersion::V5) });
        rig.connection.connect(rig.now);
        rig.dial();
        faulty(rig, bytes, "0x82", "MQTT-3.2.0-1");
    }
}

// R: SUB-06
#[test]
fn acknowledgements_of_the_wrong_kind_are_protocol_errors() {
    for (qos, wrong) in [(QoS::AtLeastOnce, &[0x50u8, 0x70][..]), (QoS::ExactlyOnce, &[0x40, 0x70])] {
        for header in wrong {
            let mut rig = v5();
            rig.publish("t", qos);
            faulty(rig, &[*header, 2, 0, 1], "0x82", "MQTT-2.2.1-5");
        }
    }
    let mut rig = v5();
    rig.subscribe(&["a"]);
    faulty(rig, b"\xb0\x04\x00\x01\x00\x00", "0x82", "MQTT-2.2.1-5");
    let mut rig = v3();
    rig.subscribe(&["a"]);
    faulty(rig, b"\x40\x02\x00\x01", "", "MQTT-2.3.1-6");
}

/// `RabbitMQ` does this. Sent again in the session that lives on, the messages would be answered like that for ever.
// R: SUB-06, REC-04
#[test]
fn a_server_that_answers_qos_2_with_puback_does_so_once() {
    let mut rig = Rig::connected(Config {
        client_id: crate::config::ClientId::Given("anna".into()),
        clean_start: crate::config::CleanStart::Never,
        ..config_of(ProtocolVersion::V3_1_1)
    });
    let [one, two, three, four] = [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]
        .map(|qos| rig.publish("t", qos));
    rig.sent();
    rig.ack(PacketType::PubRec, 4, ReasonCode::SUCCESS);
    rig.sent();
    rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
    let downgraded = || Err(OperationError::Downgraded);
    assert_eq!(rig.outcomes(), [(two, downgraded()), (three, downgraded())]);
    let error = ProtocolError::WrongAck { packet: PacketType::PubAck, packet_id: 2 };
    assert_eq!(rig.closed_because(), Cause::Protocol(error));

    rig.next_deadline(seconds(60));
    rig.accept(true, Properties::EMPTY);
    assert_eq!(rig.sent(), ["PubRel 4 0x00", "Publish 1 q1 dup t"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubComp, 4, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(one, Ok(0)), (four, Ok(0))]);
    assert_eq!(rig.connection.queue.bytes(), 0);
    // Their identifiers are not used again in this session, and take no place in the window.
    for packet_id in 5..100 {
        let token = rig.publish("t", QoS::ExactlyOnce);
        assert_eq!(rig.sent(), [format!("Publish {packet_id} q2 t")]);
        rig.ack(PacketType::PubAck, packet_id, ReasonCode::SUCCESS);
        assert_eq!(rig.outcomes(), [(token, downgraded())]);
        rig.closed_because();
        rig.next_deadline(seconds(60));
        rig.accept(true, Properties::EMPTY);
        assert_eq!(rig.sent(), [""; 0]);
    }
}

// R: SUB-02
#[test]
fn subacks_with_the_wrong_count_are_protocol_errors() {
    let mut rig = v3();
    rig.subscribe(&["a", "b"]);
    faulty(rig, b"\x90\x03\x00\x01\x00", "", "MQTT-3.8.4-5");
    let mut rig = v5();
    rig.subscribe(&["a"]);
    faulty(rig, b"\x90\x05\x00\x01\x00\x00\x00", "0x82", "MQTT-3.8.4-6");
}

#[test]
fn properties_twice_and_where_they_do_not_belong() {
    faulty(v5(), b"\x30\x0e\x00\x01t\x0a\x02\x00\x00\x00\x01\x02\x00\x00\x00\x01", "0x82", "5.0 §2.2.2.2");
    faulty(v5(), b"\x30\x09\x00\x01t\x05\x11\x00\x00\x00\x01", "0x81", "5.0 §2.2.2.2");
}

// R: SUB-08
#[test]
fn a_packet_beyond_our_limit_is_refused_by_its_length_alone() {
    let mut rig = Rig::connected(Config { maximum_packet_size: 1 << 20, ..config_of(ProtocolVersion::V5) });
    rig.sent();
    let error = faulty(rig, b"\x30\xff\xff\xff\x7f", "0x95", "MQTT-3.1.2-24");
    assert!(matches!(
        error,
        ProtocolError::Decode(DecodeError::TooLarge { size: 268_435_460, limit: 1_048_576 })
    ));
}

// R: SUB-08
#[test]
fn memory_follows_what_was_received_not_what_was_announced() {
    let mut rig = v5();
    let ingress = rig.send_bytes(b"\x30\xff\xff\xff\x7f");
    assert_eq!(ingress, Ingress::NeedData { missing: 268_435_455 });
    for _ in 0..64 {
        rig.send_bytes(&[0; 1_024]);
    }
    assert!(rig.input.capacity() < 1 << 20, "{}", rig.input.capacity());
    assert_eq!(rig.connection.unread(), 0);
    assert!(rig.actions().is_empty());
}

#[test]
fn what_follows_a_fault_is_not_read() {
    let mut rig = v5();
    rig.sent();
    rig.send_bytes(b"\x00\x00\x30\x04\x00\x01t\x00\x40\x02\x00\x09");
    assert!(rig.input.is_empty());
    assert_eq!((rig.topics(), rig.connection.statistics().unexpected_acks), (vec![], 0));
    assert_eq!(rig.sent(), ["Disconnect 0x81"]);
    rig.send_bytes(b"\x30\x04\x00\x01t\x00");
    assert_eq!(rig.topics(), [""; 0]);
}

#[test]
fn a_flood_that_asks_for_answers_is_paused_while_they_are_not_taken() {
    let limits = Config {
        send_buffer: 1_000,
        receive_maximum: 10,
        in_flight_limit: 10,
        ..config_of(ProtocolVersion::V5)
    };
    let mut rig = Rig::connected(limits);
    rig.sent();
    let flood: Vec<u8> = (1..=10_000u16).flat_map(|id| [0x50, 2, (id >> 8) as u8, id as u8]).collect();
    assert_eq!(rig.send_bytes(&flood), Ingress::Paused);
    assert!(rig.connection.unsent() < 1_100, "{}", rig.connection.unsent());
    assert!(rig.input.len() > 35_000, "the rest was not taken");
    // As the answers are taken, reading goes on; all are answered in the end.
    let mut answers = 0;
    while !rig.input.is_empty() {
        answers += rig.sent().len();
        rig.connection.handle_input(rig.now, &mut rig.input);
    }
    answers += rig.sent().len();
    assert_eq!((answers, rig.connection.statistics().unexpected_acks), (10_000, 10_000));
    // PINGRESPs ask for nothing, and leave nothing behind.
    let pings: Vec<u8> = [0xd0, 0].repeat(10_000);
    assert_eq!(rig.send_bytes(&pings), Ingress::NeedData { missing: 1 });
    assert!(rig.events().is_empty() && rig.actions().is_empty());
}

/// It writes all that it has for us before it reads anything.
// R: REC-08
#[test]
fn the_answers_that_a_lawful_server_leaves_unread_do_not_stop_reading() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let limits = Config {
            send_buffer: 1,
            receive_maximum: 200,
            write_timeout: Duration::ZERO,
            ..config_of(version)
        };
        let mut rig = Rig::connected(limits);
        for _ in 0..100 {
            rig.publish("p", QoS::ExactlyOnce);
        }
        for packet_id in 1..=200 {
            let ingress = rig.deliver("t", QoS::AtLeastOnce, packet_id, false);
            assert_eq!(ingress, Ingress::NeedData { missing: 1 }, "{version:?}: {packet_id}");
            rig.messages();
        }
        assert!(rig.connection.unsent() > 800);
    }
}

#[test]
fn our_own_unwritten_messages_do_not_stop_reading() {
    let mut rig = Rig::connected(Config { send_buffer: 100, ..config() });
    rig.connection.publish(rig.now, Publish::new("large", vec![0; 100_000])).unwrap();
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    // The server writes first and reads later.
    assert_eq!(rig.deliver("t", QoS::AtLeastOnce, 1, false), Ingress::NeedData { missing: 1 });
    assert_eq!(rig.topics(), ["t"]);
}

#[test]
fn every_fault_of_a_connack_is_an_answer_not_a_panic() {
    for (bytes, statement) in [
        (&b"\x20\x03\x02\x00\x00"[..], "MQTT-3.2.2-1"),
        (b"\x20\x03\x01\x87\x00", "MQTT-3.2.2-6"),
        (b"\x20\x06\x00\x00\x03\x21\x00\x00", "5.0 §2.2.2.2"),
    ] {
        let mut rig = Rig::new(config_of(ProtocolVersion::V5));
        rig.connection.connect(rig.now);
        rig.dial();
        rig.send_bytes(bytes);
        let Cause::Protocol(error) = rig.closed_because() else { panic!("{bytes:?}") };
        assert_eq!(error.statement(ProtocolVersion::V5), statement, "{error}");
        assert_eq!(rig.connection.state(), State::Closed, "the first connection is not retried");
    }
}
