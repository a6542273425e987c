//! PUBLISH in both directions.

use sterna_core::packet::{Packet, Property, QoS};

use super::*;

// R: PUB-01
#[test]
fn each_qos_goes_through_in_each_version() {
    for publisher in VERSIONS {
        for subscriber in VERSIONS {
            let mut lab = Lab::new();
            lab.join(1, publisher, "p");
            lab.join(2, subscriber, "s");
            lab.subscribe(2, "a/+", QoS::ExactlyOnce);
            assert!(lab.publish(1, "a/b", "zero", 0, 0).is_empty());
            assert_eq!(lab.publish(1, "a/b", "one", 1, 7), ["puback #7 00"]);
            assert_eq!(lab.publish(1, "a/b", "two", 2, 8), ["pubrec #8 00"]);
            assert_eq!(lab.send(1, &Packet::PubRel(ack(8))), ["pubcomp #8 00"]);
            assert_eq!(
                lab.received(2),
                ["publish q0 a/b=zero", "publish q1 #1 a/b=one", "publish q2 #2 a/b=two"]
            );
            assert!(lab.send(2, &Packet::PubAck(ack(1))).is_empty());
            assert_eq!(lab.send(2, &Packet::PubRec(ack(2))), ["pubrel #2 00"]);
            assert!(lab.send(2, &Packet::PubComp(ack(2))).is_empty());
        }
    }
}

#[test]
fn the_granted_qos_limits_the_delivery() {
    let mut lab = Lab::new();
    lab.join(1, V4, "a");
    lab.subscribe(1, "t", QoS::AtLeastOnce);
    lab.input(1, b"\x30\x04\0\x01t0");
    assert_eq!(lab.received(1), ["publish q0 t=0"]);
    assert_eq!(lab.publish(1, "t", "2", 2, 1), ["publish q1 #1 t=2", "pubrec #1 00"]);
}

#[test]
fn nobody_to_receive_is_said_in_5_0() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    assert_eq!(lab.publish(1, "t", "", 1, 1), ["puback #1 10"]);
    assert_eq!(lab.publish(1, "t", "", 2, 1), ["pubrec #1 10"]);
}

#[test]
fn a_qos_2_message_is_forwarded_once_until_it_is_released() {
    let mut lab = Lab::new();
    lab.join(1, V5, "p");
    lab.join(2, V5, "s");
    lab.subscribe(2, "t", QoS::AtMostOnce);
    for _ in 0..3 {
        assert_eq!(lab.publish(1, "t", "x", 2, 1), ["pubrec #1 00"]);
    }
    assert_eq!(lab.received(2), ["publish q0 t=x"]);
    assert_eq!(lab.send(1, &Packet::PubRel(ack(1))), ["pubcomp #1 00"]);
    assert_eq!(lab.send(1, &Packet::PubRel(ack(1))), ["pubcomp #1 92"]);
    lab.publish(1, "t", "y", 2, 1);
    assert_eq!(lab.received(2), ["publish q0 t=y"]);
}

#[test]
fn acknowledgements_for_nothing_are_answered_as_specified() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    assert!(lab.send(1, &Packet::PubAck(ack(5))).is_empty());
    assert!(lab.send(1, &Packet::PubComp(ack(5))).is_empty());
    assert_eq!(lab.send(1, &Packet::PubRec(ack(5))), ["pubrel #5 92"]);
    lab.subscribe(1, "t", QoS::AtLeastOnce);
    lab.publish(1, "t", "", 1, 1);
    assert_eq!(lab.send(1, &Packet::PubRec(ack(1))), ["disconnect 82", "closed"]);
}

#[test]
fn the_clients_receive_maximum_is_obeyed() {
    let mut lab = Lab::new();
    let window = properties(&[Property::ReceiveMaximum(2)]);
    lab.connect(2, Connect { properties: window.as_properties(), ..connect(V5, "s") });
    lab.subscribe(2, "t", QoS::ExactlyOnce);
    lab.join(1, V5, "p");
    for n in 1..=4 {
        lab.publish(1, "t", &n.to_string(), 2 - (n % 2) as u8, n);
    }
    lab.publish(1, "t", "now", 0, 0);
    assert_eq!(lab.received(2), ["publish q1 #1 t=1", "publish q2 #2 t=2", "publish q0 t=now"]);
    assert_eq!(lab.send(2, &Packet::PubRec(ack(2))), ["pubrel #2 00"]);
    assert_eq!(lab.send(2, &Packet::PubAck(ack(1))), ["publish q1 #3 t=3"]);
    // A PUBREC that refuses frees its place as well.
    assert_eq!(lab.send(2, &Packet::PubComp(ack(2))), ["publish q2 #4 t=4"]);
    let refusal = Ack { reason: ReasonCode::QUOTA_EXCEEDED, ..ack(4) };
    assert!(lab.send(2, &Packet::PubRec(refusal)).is_empty());
    lab.publish(1, "t", "5", 1, 9);
    assert_eq!(lab.received(2), ["publish q1 #5 t=5"]);
}

// R: SUB-08
#[test]
fn our_receive_maximum_is_enforced() {
    let mut lab = Lab::with(Options { receive_maximum: 2, ..Options::default() });
    lab.join(1, V5, "p");
    lab.publish(1, "t", "", 2, 1);
    lab.publish(1, "t", "", 2, 2);
    assert_eq!(lab.publish(1, "t", "", 2, 2), ["pubrec #2 00"]);
    assert_eq!(lab.publish(1, "t", "", 1, 3), ["disconnect 93", "closed"]);
}

#[test]
fn what_connack_ruled_out_ends_the_connection() {
    let options = Options { maximum_qos: QoS::AtLeastOnce, retain_available: false, ..Options::default() };
    let mut lab = Lab::with(options);
    lab.join(1, V5, "p");
    assert_eq!(lab.publish(1, "t", "", 2, 1), ["disconnect 9b", "closed"]);
    lab.join(2, V5, "p");
    let retained = Publish { retain: true, ..publish("t", "", 0, 0) };
    assert_eq!(lab.send(2, &Packet::Publish(retained)), ["disconnect 9a", "closed"]);
}

#[test]
fn what_is_too_large_for_a_client_counts_as_sent() {
    let mut lab = Lab::new();
    let limit = properties(&[Property::MaximumPacketSize(20)]);
    lab.connect(2, Connect { properties: limit.as_properties(), ..connect(V5, "s") });
    lab.subscribe(2, "t", QoS::AtLeastOnce);
    lab.join(1, V5, "p");
    for payload in ["far too long for this client", "short"] {
        assert_eq!(lab.publish(1, "t", payload, 1, 1), ["puback #1 00"]);
    }
    assert_eq!(lab.received(2), ["publish q1 #2 t=short"]);
}

// R: SUB-09
#[test]
fn topic_aliases_of_the_client_are_resolved() {
    let mut lab = Lab::with(Options { topic_alias_maximum: 2, ..Options::default() });
    lab.join(2, V5, "s");
    lab.subscribe(2, "#", QoS::AtMostOnce);
    lab.join(1, V5, "p");
    let send = |lab: &mut Lab, topic, alias| {
        let properties = properties(&[Property::TopicAlias(alias)]);
        let publish = Publish { properties: properties.as_properties(), ..publish(topic, "x", 0, 0) };
        lab.send(1, &Packet::Publish(publish))
    };
    send(&mut lab, "a", 2);
    send(&mut lab, "", 2);
    send(&mut lab, "b", 2);
    send(&mut lab, "", 2);
    assert_eq!(lab.received(2), ["publish q0 a=x", "publish q0 a=x", "publish q0 b=x", "publish q0 b=x"]);
    assert_eq!(send(&mut lab, "", 1), ["disconnect 82", "closed"]);
    lab.join(1, V5, "p");
    assert_eq!(
        send(&mut lab, "", 2),
        ["disconnect 82", "closed"],
        "an alias must not outlive its connection"
    );
    lab.join(1, V5, "p");
    assert_eq!(send(&mut lab, "a", 3), ["disconnect 94", "closed"]);
}

#[test]
fn topic_aliases_to_the_client_stay_within_both_maxima() {
    let mut lab = Lab::with(Options { outgoing_topic_aliases: 9, ..Options::default() });
    let maximum = properties(&[Property::TopicAliasMaximum(1)]);
    lab.connect(2, Connect { properties: maximum.as_properties(), ..connect(V5, "s") });
    lab.subscribe(2, "#", QoS::AtMostOnce);
    lab.join(1, V4, "p");
    for topic in ["a", "a", "b"] {
        lab.publish(1, topic, "x", 0, 0);
    }
    assert_eq!(
        lab.received(2),
        ["publish q0 a=x [TopicAlias(1)]", "publish q0 =x [TopicAlias(1)]", "publish q0 b=x"]
    );
}

#[test]
fn properties_are_forwarded_in_order_and_expiry_counts_down() {
    let mut lab = Lab::new();
    let persistent = properties(&[Property::SessionExpiryInterval(1000)]);
    let subscriber = Connect { properties: persistent.as_properties(), ..connect(V5, "s") };
    lab.connect(2, subscriber);
    lab.subscribe(2, "t", QoS::AtLeastOnce);
    lab.lose(2);
    lab.join(1, V5, "p");
    let list = properties(&[
        Property::UserProperty { name: "b", value: "1" },
        Property::MessageExpiryInterval(10),
        Property::PayloadFormatIndicator(true),
        Property::ResponseTopic("r"),
        Property::UserProperty { name: "a", value: "2" },
        Property::CorrelationData(b"c"),
        Property::ContentType("text"),
    ]);
    let packet = Publish { properties: list.as_properties(), ..publish("t", "x", 1, 1) };
    lab.send(1, &Packet::Publish(packet));
    lab.pass_seconds(4);
    let again = lab.connect(2, Connect { clean_start: false, ..subscriber });
    assert_eq!(
        again[1],
        "publish q1 #1 t=x [UserProperty { name: \"b\", value: \"1\" }, PayloadFormatIndicator(true), \
         ResponseTopic(\"r\"), UserProperty { name: \"a\", value: \"2\" }, CorrelationData([99]), \
         ContentType(\"text\"), MessageExpiryInterval(6)]"
    );
    lab.send(2, &Packet::PubAck(ack(1)));
    lab.lose(2);
    lab.send(1, &Packet::Publish(packet));
    lab.pass_seconds(10);
    assert_eq!(
        lab.connect(2, Connect { clean_start: false, ..subscriber }).len(),
        1,
        "an expired message is deleted"
    );
}
