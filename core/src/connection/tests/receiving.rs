//! Receiving: acknowledgements, redelivery, exactly once, and topic aliases.

use super::*;
use crate::config::Acknowledge;
use crate::connection::Sharing;
use crate::error::{AckError, ProtocolError};
use crate::message::MessageId;

fn explicit() -> Config {
    Config { acknowledge: Acknowledge::Explicit, ..config() }
}

/// Takes the only message and gives what to acknowledge it by.
fn take_one(rig: &mut Rig) -> MessageId {
    let messages = rig.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    messages[0].id().unwrap()
}

fn acknowledge(rig: &mut Rig, id: MessageId) {
    rig.connection.acknowledge(rig.now, id, ReasonCode::SUCCESS).unwrap();
}

fn deliver_aliased(rig: &mut Rig, topic: &str, alias: u16, qos: QoS) -> Ingress {
    let set = properties(&[Property::TopicAlias(alias)]);
    rig.send(&Packet::Publish(packet::Publish {
        duplicate: false,
        qos,
        retain: false,
        topic,
        packet_id: if qos == QoS::AtMostOnce { 0 } else { 100 + alias + qos as u16 },
        properties: set.as_properties(),
        payload: b"",
    }))
}

// R: SUB-10
#[test]
fn a_message_has_all_that_the_packet_has() {
    let mut rig = Rig::connected(config());
    let set = properties(&[
        Property::ContentType("text"),
        Property::SubscriptionIdentifier(7),
        Property::UserProperty { name: "a", value: "b" },
    ]);
    rig.send(&Packet::Publish(packet::Publish {
        duplicate: true,
        qos: QoS::AtLeastOnce,
        retain: true,
        topic: "a/b",
        packet_id: 9,
        properties: set.as_properties(),
        payload: b"hello",
    }));
    let message = rig.connection.poll_message().unwrap();
    assert_eq!((message.topic(), message.text()), ("a/b", Ok("hello")));
    assert!(message.retain() && message.duplicate() && message.qos() == QoS::AtLeastOnce);
    assert_eq!(message.properties(), set.as_properties());
    assert_eq!(&message.payload_bytes()[..], b"hello");
}

// R: SUB-06
#[test]
fn a_message_is_acknowledged_when_it_is_taken() {
    let mut rig = Rig::connected(config());
    rig.deliver("a", QoS::AtLeastOnce, 1, false);
    rig.deliver("b", QoS::ExactlyOnce, 2, false);
    rig.deliver("c", QoS::AtMostOnce, 0, false);
    assert_eq!(rig.sent(), [""; 0], "nothing was taken");
    assert_eq!(rig.topics(), ["a", "b", "c"]);
    assert_eq!(rig.sent(), ["PubAck 1 0x00", "PubRec 2 0x00"]);
    rig.ack(PacketType::PubRel, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubComp 2 0x00"]);
}

// R: SUB-06
#[test]
fn acknowledgements_by_hand_leave_in_the_order_of_arrival() {
    let mut rig = Rig::connected(explicit());
    for (packet_id, qos) in [(1, 1u8), (2, 2), (3, 1), (4, 2)] {
        rig.deliver("t", QoS::try_from(qos).unwrap(), packet_id, false);
    }
    let ids: Vec<_> = rig.messages().iter().filter_map(Message::id).collect();
    assert_eq!(rig.sent(), [""; 0]);
    acknowledge(&mut rig, ids[2]);
    acknowledge(&mut rig, ids[3]);
    assert_eq!(rig.sent(), [""; 0]);
    acknowledge(&mut rig, ids[0]);
    assert_eq!(rig.sent(), ["PubAck 1 0x00", "PubAck 3 0x00"]);
    acknowledge(&mut rig, ids[1]);
    assert_eq!(rig.sent(), ["PubRec 2 0x00", "PubRec 4 0x00"]);
    let again = rig.connection.acknowledge(rig.now, ids[0], ReasonCode::SUCCESS);
    assert_eq!(again, Err(AckError::Stale));
}

// R: SUB-06
#[test]
fn a_refusal_carries_its_reason_on_5_0_alone() {
    let mut rig = Rig::connected(explicit());
    rig.deliver("t", QoS::AtLeastOnce, 1, false);
    rig.deliver("t", QoS::ExactlyOnce, 2, false);
    let ids: Vec<_> = rig.messages().iter().filter_map(Message::id).collect();
    let wrong = rig.connection.acknowledge(rig.now, ids[0], ReasonCode::SESSION_TAKEN_OVER);
    assert_eq!(wrong, Err(AckError::Reason(ReasonCode::SESSION_TAKEN_OVER)));
    for id in ids {
        rig.connection.acknowledge(rig.now, id, ReasonCode::QUOTA_EXCEEDED).unwrap();
    }
    assert_eq!(rig.sent(), ["PubAck 1 0x97", "PubRec 2 0x97"]);
    rig.deliver("again", QoS::ExactlyOnce, 2, false);
    assert_eq!(rig.topics(), ["again"], "a refused PUBREC frees the identifier");

    let config = Config { acknowledge: Acknowledge::Explicit, ..config_of(ProtocolVersion::V3_1_1) };
    let mut rig = Rig::connected(config);
    rig.deliver("t", QoS::AtLeastOnce, 1, false);
    let id = take_one(&mut rig);
    let refused = rig.connection.acknowledge(rig.now, id, ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(refused, Err(AckError::UnsupportedByVersion));
    acknowledge(&mut rig, id);
    assert_eq!(rig.sent(), ["PubAck 1 0x00"]);
}

// R: SUB-06
#[test]
fn exactly_once_holds_on_one_connection() {
    let mut rig = Rig::connected(config());
    rig.deliver("t", QoS::ExactlyOnce, 5, false);
    rig.deliver("t", QoS::ExactlyOnce, 5, true);
    assert_eq!(rig.topics(), ["t"]);
    assert_eq!(rig.sent(), ["PubRec 5 0x00"]);
    rig.deliver("t", QoS::ExactlyOnce, 5, true);
    assert_eq!((rig.topics(), rig.sent()), (vec![], vec!["PubRec 5 0x00".into()]));
    rig.ack(PacketType::PubRel, 5, ReasonCode::SUCCESS);
    rig.deliver("next", QoS::ExactlyOnce, 5, false);
    assert_eq!(rig.topics(), ["next"]);
}

// R: SUB-06
#[test]
fn exactly_once_holds_over_reconnects_in_every_stage() {
    let mut rig = Rig::connected(config());
    rig.deliver("unread", QoS::ExactlyOnce, 1, false);
    rig.reconnect(true);
    rig.deliver("unread", QoS::ExactlyOnce, 1, true);
    assert_eq!(rig.topics(), ["unread"]);
    assert_eq!(rig.sent(), ["PubRec 1 0x00"]);
    rig.reconnect(true);
    rig.deliver("unread", QoS::ExactlyOnce, 1, true);
    assert_eq!((rig.topics(), rig.sent()), (vec![], vec!["PubRec 1 0x00".into()]));
    rig.reconnect(true);
    rig.ack(PacketType::PubRel, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubComp 1 0x00"]);
    rig.reconnect(true);
    rig.ack(PacketType::PubRel, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["PubComp 1 0x92"], "the PUBCOMP had not arrived");
}

// R: SUB-06
#[test]
fn a_message_is_never_pubacked_unless_it_came_on_this_connection() {
    let mut rig = Rig::connected(explicit());
    rig.deliver("a", QoS::AtLeastOnce, 1, false);
    rig.deliver("b", QoS::AtLeastOnce, 2, false);
    let ids: Vec<_> = rig.messages().iter().filter_map(Message::id).collect();
    rig.reconnect(true);
    acknowledge(&mut rig, ids[0]);
    assert_eq!(rig.sent(), [""; 0]);
    rig.deliver("a", QoS::AtLeastOnce, 1, true);
    assert_eq!((rig.topics(), rig.sent()), (vec![], vec!["PubAck 1 0x00".into()]));
    rig.deliver("b", QoS::AtLeastOnce, 2, true);
    assert_eq!(rig.topics(), [""; 0], "the copy that the application holds is still good");
    acknowledge(&mut rig, ids[1]);
    assert_eq!(rig.sent(), ["PubAck 2 0x00"]);
}

// R: SUB-06
#[test]
fn what_was_acknowledged_comes_again_if_the_puback_was_lost() {
    let mut rig = Rig::connected(config());
    rig.deliver("t", QoS::AtLeastOnce, 1, false);
    assert_eq!(rig.topics(), ["t"]);
    rig.reconnect(true);
    rig.deliver("t", QoS::AtLeastOnce, 1, true);
    let messages = rig.messages();
    assert!(messages.len() == 1 && messages[0].duplicate(), "at least once, and flagged");
}

// R: SUB-06
#[test]
fn a_lost_session_makes_identifiers_stale_and_forgets_exactly_once() {
    let mut rig = Rig::connected(explicit());
    rig.deliver("t", QoS::ExactlyOnce, 1, false);
    let id = take_one(&mut rig);
    rig.reconnect(false);
    assert_eq!(rig.connection.acknowledge(rig.now, id, ReasonCode::SUCCESS), Err(AckError::Stale));
    rig.deliver("new", QoS::ExactlyOnce, 1, false);
    assert_eq!(rig.topics(), ["new"]);
}

// R: SUB-06
#[test]
fn unknown_identifiers_have_their_specified_answers() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut rig = Rig::connected(config_of(version));
        rig.ack(PacketType::PubRec, 11, ReasonCode::SUCCESS);
        rig.ack(PacketType::PubRel, 12, ReasonCode::SUCCESS);
        let code = if version == ProtocolVersion::V5 { "0x92" } else { "0x00" };
        assert_eq!(rig.sent(), [format!("PubRel 11 {code}"), format!("PubComp 12 {code}")]);
        rig.ack(PacketType::PubAck, 13, ReasonCode::SUCCESS);
        rig.ack(PacketType::PubComp, 14, ReasonCode::SUCCESS);
        rig.suback(15, &[0]);
        if version == ProtocolVersion::V5 {
            rig.unsuback(16, &[0]);
        } else {
            rig.send_bytes(b"\xb0\x02\x00\x10");
        }
        assert_eq!(rig.sent(), [""; 0]);
        assert_eq!(rig.connection.statistics().unexpected_acks, 5);
        assert!(rig.actions().is_empty());
    }
}

// R: SUB-08
#[test]
fn more_than_the_receive_maximum_is_an_error() {
    let mut rig = Rig::connected(Config { receive_maximum: 2, ..explicit() });
    rig.deliver("t", QoS::AtLeastOnce, 1, false);
    rig.deliver("t", QoS::ExactlyOnce, 2, false);
    rig.deliver("t", QoS::AtMostOnce, 0, false);
    assert!(rig.actions().is_empty());
    rig.deliver("t", QoS::AtLeastOnce, 3, false);
    assert_eq!(rig.sent(), ["Disconnect 0x93"]);
    let error = ProtocolError::ReceiveMaximumExceeded(2);
    assert_eq!(rig.closed_because(), Cause::Protocol(error));
    assert_eq!(error.statement(ProtocolVersion::V5), "MQTT-3.3.4-9");
}

// R: SUB-08
#[test]
fn a_server_that_exceeds_the_receive_maximum_does_not_do_it_for_ever() {
    let mut rig = Rig::connected(Config { receive_maximum: 1, ..explicit() });
    rig.deliver("t", QoS::ExactlyOnce, 1, false);
    rig.deliver("t", QoS::ExactlyOnce, 2, false);
    rig.expect(&[PacketType::Disconnect]);
    rig.closed_because();
    rig.next_deadline(seconds(60));
    rig.dial();
    rig.pump();
    // CONNECT's properties: Session Expiry Interval and Topic Alias Maximum, no Receive Maximum.
    let length = rig.wire[12];
    assert_eq!(rig.wire[13..][..usize::from(length)], *b"\x11\0\0\x0e\x10\x22\0\x10");
    rig.sent();
    rig.send(&Packet::ConnAck(ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    }));
    for packet_id in 1..=3 {
        rig.deliver("t", QoS::ExactlyOnce, packet_id, packet_id == 1);
    }
    assert_eq!((rig.actions(), rig.messages().len()), (vec![], 3));
}

// R: SUB-08
#[test]
fn the_receive_maximum_counts_for_each_connection() {
    let mut rig = Rig::connected(Config { receive_maximum: 1, ..explicit() });
    rig.deliver("a", QoS::AtLeastOnce, 1, false);
    rig.reconnect(true);
    rig.deliver("b", QoS::AtLeastOnce, 2, false);
    assert!(rig.actions().is_empty(), "the first was not delivered again on this connection");
    assert_eq!(rig.topics(), ["a", "b"]);
}

// R: SUB-09
#[test]
fn topic_aliases_work_for_every_qos() {
    let mut rig = Rig::connected(config());
    for (alias, qos) in [(1, QoS::AtMostOnce), (2, QoS::AtLeastOnce), (3, QoS::ExactlyOnce)] {
        let topic = format!("topic/{alias}");
        deliver_aliased(&mut rig, &topic, alias, qos);
        assert_eq!(rig.topics(), [&*topic]);
        rig.ack(PacketType::PubRel, 103 + 2, ReasonCode::SUCCESS);
        deliver_aliased(&mut rig, "", alias, qos);
        assert_eq!(rig.topics(), [topic]);
    }
}

// R: SUB-09
#[test]
fn aliases_that_stand_for_nothing_are_errors() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for (alias, code, expected) in [
            (5, "0x82", ProtocolError::TopicAliasUnknown(5)),
            (17, "0x94", ProtocolError::TopicAliasTooHigh { alias: 17, maximum: 16 }),
        ] {
            let mut rig = Rig::connected(config());
            deliver_aliased(&mut rig, "", alias, qos);
            assert_eq!(rig.sent(), [format!("Disconnect {code}")]);
            assert_eq!(rig.closed_because(), Cause::Protocol(expected));
            assert_eq!(rig.topics(), [""; 0]);
        }
    }
    // Alias 0.
    let mut rig = Rig::connected(config());
    rig.send_bytes(b"\x30\x07\x00\x01t\x03\x23\x00\x00");
    assert_eq!(rig.sent(), ["Disconnect 0x94"]);
    // Neither topic nor alias.
    let mut rig = Rig::connected(config());
    rig.send_bytes(b"\x30\x03\x00\x00\x00");
    assert_eq!(rig.sent(), ["Disconnect 0x82"]);
}

// R: SUB-09
#[test]
fn aliases_are_forgotten_with_the_connection() {
    let mut rig = Rig::connected(config());
    deliver_aliased(&mut rig, "t", 1, QoS::AtMostOnce);
    rig.reconnect(true);
    deliver_aliased(&mut rig, "", 1, QoS::AtMostOnce);
    assert_eq!(rig.closed_because(), Cause::Protocol(ProtocolError::TopicAliasUnknown(1)));
}

// R: SUB-06
#[test]
fn an_early_pubrel_and_a_reused_identifier_are_errors() {
    let mut rig = Rig::connected(explicit());
    rig.deliver("t", QoS::ExactlyOnce, 1, false);
    rig.ack(PacketType::PubRel, 1, ReasonCode::SUCCESS);
    let error = ProtocolError::WrongAck { packet: PacketType::PubRel, packet_id: 1 };
    assert_eq!(rig.closed_because(), Cause::Protocol(error));

    let mut rig = Rig::connected(explicit());
    rig.deliver("t", QoS::AtLeastOnce, 1, false);
    rig.deliver("other", QoS::AtLeastOnce, 1, false);
    assert_eq!(rig.closed_because(), Cause::Protocol(ProtocolError::PacketIdInUse(1)));
}

// R: SUB-06, REC-03
#[test]
fn on_3_1_a_message_without_dup_is_new_since_the_server_may_have_begun_anew() {
    for (version, topics) in [(ProtocolVersion::V3_1, vec!["new"]), (ProtocolVersion::V3_1_1, vec![])] {
        let mut rig = Rig::connected(Config {
            client_id: crate::config::ClientId::Given("anna".into()),
            clean_start: crate::config::CleanStart::Never,
            ..config_of(version)
        });
        rig.deliver("old", QoS::ExactlyOnce, 1, false);
        assert_eq!(rig.topics(), ["old"]);
        rig.reconnect(version != ProtocolVersion::V3_1);
        rig.deliver("old", QoS::ExactlyOnce, 1, true);
        assert_eq!(rig.topics(), [""; 0]);
        rig.reconnect(version != ProtocolVersion::V3_1);
        rig.deliver("new", QoS::ExactlyOnce, 1, false);
        assert_eq!(rig.topics(), topics);
    }
}

// R: SUB-06, REC-03
#[test]
fn doubt_about_a_session_stays_with_its_messages() {
    let mut rig = Rig::connected(config());
    rig.deliver("old", QoS::ExactlyOnce, 1, false);
    rig.deliver("kept", QoS::ExactlyOnce, 2, false);
    assert_eq!(rig.topics(), ["old", "kept"]);
    rig.lose();
    rig.next_deadline(seconds(2));
    rig.dial();
    rig.expect(&[PacketType::Connect]);
    // The answer to the CONNECT is lost: whose session it is that is there is not known from here on.
    rig.reconnect(true);
    rig.reconnect(true);
    rig.deliver("kept", QoS::ExactlyOnce, 2, true);
    assert_eq!(rig.topics(), [""; 0], "DUP tells a repetition");
    rig.deliver("new", QoS::ExactlyOnce, 1, false);
    assert_eq!(rig.topics(), ["new"]);
}

// R: SUB-10
#[test]
fn messages_are_found_among_other_packets_and_over_several_reads() {
    const PINGRESP: &[u8] = b"\xd0\x00";
    for sharing in [Sharing::Backlog, Sharing::Always, Sharing::Never] {
        let mut rig = Rig::connected(config());
        rig.connection.share_input(sharing);
        let named = |name: u8| [b"\x30\x05\x00\x01", &[name][..], b"\x00", &[name - 32]].concat();
        let [first, second, third, fourth] = [b'a', b'b', b'c', b'd'].map(named);
        let large = packet::Publish {
            duplicate: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: "e",
            packet_id: 0,
            properties: Properties::EMPTY,
            payload: &[b'E'; 10_000],
        };
        let mut fifth = Vec::new();
        large.encode(ProtocolVersion::V5, PROTOCOL_MAXIMUM_PACKET_SIZE, &mut fifth).unwrap();
        let (begin, end) = fourth.split_at(3);
        rig.send_bytes(&[PINGRESP, &first, &second, PINGRESP, PINGRESP, &third, PINGRESP, begin].concat());
        assert_eq!(rig.input, begin, "what is not whole stays");
        rig.send_bytes(&[end, &first, &fifth, PINGRESP, &second].concat());
        assert!(rig.input.is_empty());
        assert_eq!(rig.connection.poll_message().unwrap().topic(), "a");
        rig.send_bytes(&[&third[..], PINGRESP].concat());
        let messages = rig.messages();
        let topics: String = messages.iter().map(Message::topic).collect();
        assert_eq!(topics, "bcdaebc");
        for message in messages {
            let name = message.topic().as_bytes()[0];
            assert!(message.payload().iter().all(|byte| *byte == name - 32), "{message:?}");
        }
    }
}
