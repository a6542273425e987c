//! Publishing: the flows of the three QoS, their order, the window, the bounds and the server's limits.

use super::*;
use crate::error::{PublishError, ServerLimit};
use crate::event::PacketInfo;
use crate::topic::TopicError;

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];

// R: PUB-01
#[test]
fn qos_0_completes_when_the_transport_has_taken_all_of_it() {
    for version in VERSIONS {
        let mut rig = Rig::connected(config_of(version));
        let token = rig.publish("t", QoS::AtMostOnce);
        rig.connection.poll_transmit(rig.now, &mut rig.transmit);
        let length = rig.transmit.remaining();
        rig.connection.handle_written(rig.now, length - 1);
        assert_eq!(rig.outcomes(), [], "one byte is missing");
        rig.connection.handle_written(rig.now, 1);
        assert_eq!(rig.outcomes(), [(token, Ok(0))]);
    }
}

// R: PUB-01
#[test]
fn qos_0_that_was_not_written_is_lost_with_the_connection() {
    let mut rig = Rig::connected(config());
    let written = rig.publish("a", QoS::AtMostOnce);
    rig.expect(&[PacketType::Publish]);
    let unwritten = rig.publish("b", QoS::AtMostOnce);
    rig.connection.poll_transmit(rig.now, &mut rig.transmit);
    rig.lose();
    assert_eq!(rig.outcomes(), [(written, Ok(0)), (unwritten, Err(OperationError::Lost))]);
}

// R: PUB-01
#[test]
fn qos_1_completes_at_puback() {
    for version in VERSIONS {
        let mut rig = Rig::connected(config_of(version));
        let token = rig.publish("t", QoS::AtLeastOnce);
        assert_eq!(rig.sent(), ["Publish 1 q1 t"]);
        assert_eq!((rig.connection.in_flight(), rig.outcomes()), (1, vec![]));
        rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
        assert_eq!(rig.outcomes(), [(token, Ok(0))]);
        assert_eq!(rig.connection.in_flight(), 0);
    }
}

// R: PUB-01
#[test]
fn qos_2_completes_at_pubcomp_with_the_reason_of_the_pubrec() {
    for version in VERSIONS {
        let mut rig = Rig::connected(config_of(version));
        let token = rig.publish("t", QoS::ExactlyOnce);
        assert_eq!(rig.sent(), ["Publish 1 q2 t"]);
        let v5 = version == ProtocolVersion::V5;
        let reason = if v5 { ReasonCode::NO_MATCHING_SUBSCRIBERS } else { ReasonCode::SUCCESS };
        rig.ack(PacketType::PubRec, 1, reason);
        assert_eq!(rig.sent(), ["PubRel 1 0x00"]);
        assert_eq!(rig.outcomes(), []);
        rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
        assert_eq!(rig.outcomes(), [(token, Ok(reason.value()))]);
    }
}

// R: PUB-01
#[test]
fn a_pubrec_that_comes_twice_is_answered_twice_and_completes_once() {
    let mut rig = Rig::connected(config());
    rig.publish("t", QoS::ExactlyOnce);
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.expect(&[PacketType::Publish, PacketType::PubRel, PacketType::PubRel]);
    rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes().len(), 1);
}

// R: PUB-01
#[test]
fn a_receipt_keeps_the_properties_of_the_acknowledgement() {
    let mut rig = Rig::connected(config());
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtLeastOnce);
    rig.sent();
    for (packet_id, reason) in [(1, ReasonCode::NO_MATCHING_SUBSCRIBERS), (2, ReasonCode::QUOTA_EXCEEDED)] {
        let reasons = properties(&[Property::ReasonString("because")]);
        rig.send(&Packet::PubAck(Ack { packet_id, reason, properties: reasons.as_properties() }));
    }
    let published = rig.published();
    let Ok(receipt) = &published[0].1 else { panic!("{published:?}") };
    assert_eq!(receipt.reason.value(), 0x10, "nobody was subscribed: a success");
    assert_eq!(receipt.properties.as_properties().reason_string(), Some("because"));
    let Err(OperationError::Refused(refusal)) = &published[1].1 else { panic!("{published:?}") };
    assert_eq!(refusal.reason, ReasonCode::QUOTA_EXCEEDED);
    assert_eq!(refusal.properties.as_properties().reason_string(), Some("because"));
}

// R: PUB-02
#[test]
fn the_window_is_the_smaller_of_both_limits() {
    for (own, servers, expected) in [(2, 5, 2), (5, 2, 2)] {
        let config = Config { in_flight_limit: own, ..config() };
        let mut rig = Rig::connected_to(config, &[Property::ReceiveMaximum(servers)]);
        for _ in 0..4 {
            rig.publish("t", QoS::AtLeastOnce);
        }
        assert_eq!(rig.sent().len(), expected);
        assert_eq!(rig.connection.queued(), 4 - expected);
        rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
        assert_eq!(rig.sent(), ["Publish 3 q1 t"]);
    }
}

// R: PUB-02
#[test]
fn a_refused_message_frees_its_place_in_the_window() {
    for (qos, ack) in [(QoS::AtLeastOnce, PacketType::PubAck), (QoS::ExactlyOnce, PacketType::PubRec)] {
        let mut rig = Rig::connected_to(config(), &[Property::ReceiveMaximum(1)]);
        let refused = rig.publish("a", qos);
        rig.publish("b", qos);
        assert_eq!(rig.sent().len(), 1);
        rig.ack(ack, 1, ReasonCode::NOT_AUTHORIZED);
        let outcomes = rig.outcomes();
        assert!(matches!(&outcomes[..], [(token, Err(OperationError::Refused(refusal)))]
                if *token == refused && refusal.reason == ReasonCode::NOT_AUTHORIZED));
        let sent = rig.sent();
        assert!(sent.len() == 1 && sent[0].ends_with(" b"), "{sent:?}");
    }
}

// R: PUB-02
#[test]
fn a_qos_2_message_holds_its_place_until_pubcomp() {
    let mut rig = Rig::connected_to(config(), &[Property::ReceiveMaximum(1)]);
    rig.publish("a", QoS::ExactlyOnce);
    rig.publish("b", QoS::ExactlyOnce);
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.expect(&[PacketType::Publish, PacketType::PubRel]);
    rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 2 q2 b"]);
}

// R: PUB-02
#[test]
fn qos_0_overtakes_only_what_waits_for_the_window() {
    let mut rig = Rig::connected_to(config(), &[Property::ReceiveMaximum(1)]);
    rig.publish("a", QoS::AtLeastOnce);
    rig.publish("b", QoS::AtLeastOnce);
    rig.publish("c", QoS::AtMostOnce);
    rig.subscribe(&["s"]);
    assert_eq!(rig.sent(), ["Publish 1 q1 a", "Publish 0 q0 c", "Subscribe 2 s"]);
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 3 q1 b"]);
}

// R: PUB-02
#[test]
fn what_waited_offline_leaves_in_the_order_of_the_calls() {
    let mut rig = Rig::new(config());
    rig.publish("a", QoS::AtMostOnce);
    rig.publish("b", QoS::ExactlyOnce);
    rig.subscribe(&["s"]);
    rig.publish("c", QoS::AtLeastOnce);
    rig.publish("d", QoS::AtMostOnce);
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    let expected = ["Publish 0 q0 a", "Publish 1 q2 b", "Subscribe 2 s", "Publish 3 q1 c", "Publish 0 q0 d"];
    assert_eq!(rig.sent(), expected);
}

// R: PUB-02
#[test]
fn the_queue_is_bounded_by_count() {
    let mut rig = Rig::new(Config { queue_limit: 2, ..config() });
    rig.publish("t", QoS::AtMostOnce);
    rig.subscribe(&["s"]);
    assert!(!rig.connection.has_room());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let publish = Publish::new("t", "").qos(qos);
        assert_eq!(rig.connection.publish(rig.now, publish), Err(PublishError::Full));
    }
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert!(rig.connection.has_room());
}

// R: PUB-02
#[test]
fn the_bytes_of_what_waits_and_of_what_is_in_flight_are_bounded() {
    let mut rig = Rig::connected(Config { queue_bytes: 4_000, ..config() });
    let payload = [0; 1_000];
    let publish = Publish::new("t", &payload[..]).qos(QoS::AtLeastOnce);
    let accepted = (0..10).filter(|_| rig.connection.publish(rig.now, publish.clone()).is_ok()).count();
    assert_eq!(accepted, 4);
    rig.sent();
    assert!(!rig.connection.has_room(), "what is in flight is kept for sending it again");
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    assert!(rig.connection.has_room());
}

// R: PUB-02
#[test]
fn beyond_the_send_buffer_messages_are_queued() {
    let mut rig = Rig::connected(Config { send_buffer: 100, ..config() });
    for _ in 0..20 {
        rig.publish("t", QoS::AtMostOnce);
    }
    rig.publish("last", QoS::AtLeastOnce);
    assert_eq!(rig.connection.queued(), 13, "seven packets of 12 bytes and what goes beyond 100");
    let sent = rig.sent();
    assert_eq!(sent.len(), 21);
    assert_eq!(sent[20], "Publish 1 q1 last");
    assert_eq!(rig.outcomes().len(), 20);
}

// R: CON-08
#[test]
fn the_limits_of_the_server_are_told_by_the_call() {
    let limits = [Property::MaximumQoS(QoS::AtLeastOnce), Property::RetainAvailable(false)];
    let mut rig = Rig::connected_to(config(), &limits);
    let limited = |limit| Err(PublishError::Limit(limit));
    let publish = Publish::new("t", "").qos(QoS::ExactlyOnce);
    assert_eq!(rig.connection.publish(rig.now, publish), limited(ServerLimit::MaximumQoS));
    let publish = Publish::new("t", "").retain(true);
    assert_eq!(rig.connection.publish(rig.now, publish), limited(ServerLimit::RetainAvailable));
    assert_eq!(rig.sent(), [""; 0]);
}

// R: CON-08
#[test]
fn a_packet_may_be_exactly_as_large_as_the_server_takes() {
    let mut rig = Rig::connected_to(config(), &[Property::MaximumPacketSize(20)]);
    // Fixed header 2, topic 3, property length 1; and the packet identifier of QoS 1.
    for (qos, room) in [(QoS::AtMostOnce, 14), (QoS::AtLeastOnce, 12)] {
        let publish = |length: usize| Publish::new("t", vec![0; length]).qos(qos);
        rig.connection.publish(rig.now, publish(room)).unwrap();
        let limit = ServerLimit::MaximumPacketSize { size: 21, limit: 20 };
        assert_eq!(rig.connection.publish(rig.now, publish(room + 1)), Err(PublishError::Limit(limit)));
    }
    assert_eq!(rig.sent().len(), 2);
}

// R: CON-08
#[test]
fn waiting_messages_meet_the_limits_of_the_server_that_they_come_to() {
    let mut rig = Rig::new(config());
    let exact = rig.publish("a", QoS::ExactlyOnce);
    let retained = rig.connection.publish(rig.now, Publish::new("b", "").retain(true)).unwrap();
    let large = rig.connection.publish(rig.now, Publish::new("c", vec![0; 100])).unwrap();
    let good = rig.publish("d", QoS::AtLeastOnce);
    rig.connection.connect(rig.now);
    let limits = properties(&[
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::MaximumPacketSize(50),
    ]);
    rig.accept(false, limits.as_properties());
    assert_eq!(rig.sent(), ["Publish 2 q1 d"]);
    let limited = |limit| Err(OperationError::Limit(limit));
    assert_eq!(
        rig.outcomes(),
        [
            (exact, limited(ServerLimit::MaximumQoS)),
            (retained, limited(ServerLimit::RetainAvailable)),
            (large, limited(ServerLimit::MaximumPacketSize { size: 106, limit: 50 })),
        ]
    );
    rig.ack(PacketType::PubAck, 2, ReasonCode::SUCCESS);
    assert_eq!(rig.outcomes(), [(good, Ok(0))]);
}

// R: PUB-06
#[test]
fn invalid_topics_are_refused_in_every_phase() {
    for mut rig in [Rig::new(config()), Rig::connected(config())] {
        for (topic, error) in [
            ("", TopicError::Empty),
            ("a/#", TopicError::WildcardInName),
            ("+/a", TopicError::WildcardInName),
            ("a\0", TopicError::Null),
        ] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
                let result = rig.connection.publish(rig.now, Publish::new(topic, "").qos(qos));
                assert_eq!(result, Err(PublishError::Topic(error)));
            }
        }
        assert_eq!(rig.connection.queued(), 0);
    }
}

// R: PUB-01
#[test]
fn properties_need_5_0() {
    let expiry = properties(&[Property::MessageExpiryInterval(9)]);
    let mut rig = Rig::connected(config_of(ProtocolVersion::V3_1_1));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let publish = Publish::new("t", "").qos(qos).properties(expiry.as_properties());
        let error = PublishError::UnsupportedByVersion(crate::packet::PropertyId::MessageExpiryInterval);
        assert_eq!(rig.connection.publish(rig.now, publish), Err(error));
    }
    // Before the version is known they wait, and complete when the server turns out to be older.
    let mut rig = Rig::new(config());
    let publish = Publish::new("t", "").properties(expiry.as_properties());
    let token = rig.connection.publish(rig.now, publish).unwrap();
    rig.connection.connect(rig.now);
    rig.dial();
    rig.sent();
    rig.send_bytes(b"\x20\x02\x00\x01");
    let Some(Action::Close { attempt }) = rig.connection.poll_action() else { panic!() };
    rig.connection.handle_disconnected(rig.now, attempt, eof());
    rig.version = ProtocolVersion::V3_1_1;
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.outcomes(), [(token, Err(OperationError::UnsupportedByVersion))]);
}

// R: PUB-01
#[test]
fn alias_and_subscription_identifier_are_not_the_applications() {
    let mut rig = Rig::connected(config());
    for property in
        [Property::TopicAlias(1), Property::SubscriptionIdentifier(1), Property::ReceiveMaximum(1)]
    {
        let set = properties(&[property]);
        let publish = Publish::new("t", "").properties(set.as_properties());
        assert_eq!(rig.connection.publish(rig.now, publish), Err(PublishError::Property(property.id())));
    }
}

// R: REC-08
#[test]
fn qos_0_without_a_connection_is_queued_unless_that_is_off() {
    let mut rig = Rig::new(Config { queue_qos0: false, ..config() });
    assert_eq!(rig.connection.publish(rig.now, Publish::new("t", "")), Err(PublishError::Offline));
    rig.publish("t", QoS::AtLeastOnce);
    assert_eq!(rig.connection.queued(), 1);
}

// R: PUB-09
#[test]
fn the_last_packet_identifier_is_readable() {
    let mut rig = Rig::connected(config());
    assert_eq!(rig.connection.last_packet_id(), None);
    rig.publish("t", QoS::AtMostOnce);
    assert_eq!(rig.connection.last_packet_id(), None);
    rig.publish("t", QoS::AtLeastOnce);
    rig.subscribe(&["s"]);
    assert_eq!(rig.connection.last_packet_id(), Some(2));
}

// R: PUB-09
#[test]
fn packets_can_be_observed_and_unpolled_events_are_bounded() {
    let mut rig = Rig::connected(Config { packet_events: true, ..config() });
    rig.publish("t", QoS::AtLeastOnce);
    rig.sent();
    rig.ack(PacketType::PubAck, 1, ReasonCode::SUCCESS);
    let events = rig.events();
    let sent = PacketInfo { packet: PacketType::Publish, packet_id: 1, size: 15 };
    let received = PacketInfo { packet: PacketType::PubAck, packet_id: 1, size: 4 };
    assert_eq!(events[0], Event::PacketSent(sent));
    assert_eq!(events[1], Event::PacketReceived(received));
    for _ in 0..2_000 {
        rig.publish("t", QoS::AtMostOnce);
    }
    assert_eq!(rig.connection.statistics().dropped_packet_events, 2_000 - 1_024);
    assert_eq!(rig.events().len(), 1_024);
}

// R: PUB-03
#[test]
fn identifiers_of_publish_and_subscribe_never_meet() {
    let mut rig = Rig::connected(config());
    rig.publish("a", QoS::AtLeastOnce);
    rig.subscribe(&["s"]);
    rig.publish("b", QoS::ExactlyOnce);
    rig.unsubscribe(&["s"]);
    let expected = ["Publish 1 q1 a", "Subscribe 2 s", "Publish 3 q2 b", "Unsubscribe 4 s"];
    assert_eq!(rig.sent(), expected);
}

// R: PUB-03
#[test]
fn when_all_identifiers_are_in_use_operations_wait_and_qos_0_goes_on() {
    let config = Config { in_flight_limit: u16::MAX, ack_timeout: Duration::ZERO, ..config() };
    let mut rig = Rig::connected(config);
    for _ in 0..u16::MAX {
        rig.publish("t", QoS::AtLeastOnce);
        rig.pump();
    }
    rig.sent();
    rig.publish("waits", QoS::AtLeastOnce);
    rig.subscribe(&["s"]);
    rig.publish("goes", QoS::AtMostOnce);
    assert_eq!(rig.sent(), ["Publish 0 q0 goes"]);
    rig.ack(PacketType::PubAck, 700, ReasonCode::SUCCESS);
    rig.ack(PacketType::PubAck, 900, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 700 q1 waits", "Subscribe 900 s"]);
}

// R: REC-04
#[test]
fn what_is_sent_again_never_waits_behind_operations_without_an_identifier() {
    let config = Config { in_flight_limit: u16::MAX, ack_timeout: Duration::ZERO, ..config() };
    let mut rig = Rig::connected(config);
    rig.subscribe(&["s"]);
    rig.suback(1, &[0]);
    for _ in 0..u16::MAX {
        rig.publish("t", QoS::AtLeastOnce);
        rig.pump();
    }
    rig.sent();
    rig.connection.subscriptions.unconfirm(true);
    rig.reconnect(true);
    let sent = rig.sent();
    assert_eq!(sent.len(), usize::from(u16::MAX));
    assert!(sent.iter().all(|packet| packet.contains(" dup ")));
}

// R: PUB-02
#[test]
fn on_3_few_messages_of_qos_2_are_in_flight() {
    let version = VersionPolicy::Only(ProtocolVersion::V3_1_1);
    let mut rig = Rig::connected(Config { version, exactly_once_limit: 2, ..config() });
    for _ in 0..3 {
        rig.publish("a", QoS::ExactlyOnce);
    }
    rig.publish("b", QoS::AtLeastOnce);
    rig.publish("c", QoS::AtMostOnce);
    assert_eq!(rig.sent(), ["Publish 1 q2 a", "Publish 2 q2 a", "Publish 0 q0 c"], "the order is kept");
    rig.ack(PacketType::PubRec, 1, ReasonCode::SUCCESS);
    rig.expect(&[PacketType::PubRel]);
    rig.ack(PacketType::PubComp, 1, ReasonCode::SUCCESS);
    assert_eq!(rig.sent(), ["Publish 3 q2 a", "Publish 4 q1 b"]);
}

#[test]
fn a_publish_that_is_only_queued_gives_the_driver_nothing_to_do() {
    let mut rig = Rig::connected(Config { in_flight_limit: 1, ..config() });
    rig.pump();
    assert!(!rig.connection.has_output());
    rig.publish("a", QoS::AtLeastOnce);
    assert!(rig.connection.has_output());
    rig.pump();
    rig.publish("b", QoS::AtLeastOnce);
    assert!(!rig.connection.has_output(), "the window is full");
    rig.lose();
    rig.events();
    rig.publish("c", QoS::AtMostOnce);
    assert!(!rig.connection.has_output(), "there is no connection");
}
