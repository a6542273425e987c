//! SUBSCRIBE, UNSUBSCRIBE, retained messages and routing.

use sterna_core::packet::{FiltersBuf, Packet, Property, QoS, RetainHandling};

use super::*;

fn retain(lab: &mut Lab, id: u64, topic: &str, payload: &str) {
    lab.send(id, &Packet::Publish(Publish { retain: true, ..publish(topic, payload, 1, 1) }));
}

// R: SUB-02
#[test]
fn every_filter_has_its_result() {
    let unavailable = Options {
        wildcard_subscription_available: false,
        shared_subscription_available: false,
        maximum_qos: QoS::AtLeastOnce,
        maximum_subscriptions: 2,
        ..Options::default()
    };
    for (version, expected) in
        [(V4, "suback [01, 80, 80, 00, 80, 01]"), (V5, "suback [01, a2, 9e, 00, 97, 01]")]
    {
        let mut lab = Lab::with(unavailable.clone());
        lab.join(1, version, "a");
        let mut filters = FiltersBuf::default();
        for (filter, qos) in [
            ("a", QoS::ExactlyOnce),
            ("a/#", QoS::AtMostOnce),
            ("$share/g/a", QoS::AtMostOnce),
            ("b", QoS::AtMostOnce),
            ("c", QoS::AtMostOnce),
            ("a", QoS::AtLeastOnce),
        ] {
            let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
            filters.push(SubscribeFilter { filter, options }).expect("a valid filter");
        }
        let filters = filters.as_filters();
        let packet = Subscribe { packet_id: 1, properties: Properties::EMPTY, filters };
        assert_eq!(lab.send(1, &Packet::Subscribe(packet)), [expected]);
    }
    let mut lab = Lab::with(Options { subscription_identifiers_available: false, ..Options::default() });
    lab.join(1, V5, "a");
    let identifier = [Property::SubscriptionIdentifier(1)];
    assert_eq!(lab.subscribe_with(1, "a", SubscribeOptions::default(), &identifier), ["suback [a1]"]);
}

// R: SUB-04
#[test]
fn unsubscribing_ends_deliveries() {
    for (version, first, second) in
        [(V4, "unsuback []", "unsuback []"), (V5, "unsuback [00]", "unsuback [11]")]
    {
        let mut lab = Lab::new();
        lab.join(1, version, "a");
        lab.subscribe(1, "a/+", QoS::AtMostOnce);
        assert_eq!(lab.publish(1, "a/b", "x", 0, 0), ["publish q0 a/b=x"]);
        assert_eq!(lab.unsubscribe(1, "a/+"), [first]);
        assert_eq!(lab.unsubscribe(1, "a/+"), [second]);
        assert!(lab.publish(1, "a/b", "x", 0, 0).is_empty());
    }
}

#[test]
fn leading_wildcards_do_not_match_dollar_topics() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    for filter in ["#", "+/x", "$SYS/#"] {
        lab.subscribe(1, filter, QoS::AtMostOnce);
    }
    assert_eq!(lab.publish(1, "$SYS/x", "1", 0, 0), ["publish q0 $SYS/x=1"]);
    assert_eq!(lab.publish(1, "S/x", "1", 0, 0), ["publish q0 S/x=1"]);
}

// R: SUB-05
#[test]
fn overlapping_subscriptions_share_a_copy_or_have_their_own() {
    for (overlapping_copies, expected) in [
        (false, &["publish q1 #1 a/b=x [SubscriptionIdentifier(1), SubscriptionIdentifier(2)]"][..]),
        (
            true,
            &[
                "publish q0 a/b=x [SubscriptionIdentifier(1)]",
                "publish q1 #1 a/b=x [SubscriptionIdentifier(2)]",
            ][..],
        ),
    ] {
        let mut lab = Lab::with(Options { overlapping_copies, ..Options::default() });
        lab.join(1, V5, "a");
        for (filter, qos, identifier) in [("a/b", QoS::AtMostOnce, 1), ("a/#", QoS::AtLeastOnce, 2)] {
            let options = SubscribeOptions { qos, ..SubscribeOptions::default() };
            lab.subscribe_with(1, filter, options, &[Property::SubscriptionIdentifier(identifier)]);
        }
        let mut answer = lab.publish(1, "a/b", "x", 1, 1);
        assert_eq!(answer.pop().as_deref(), Some("puback #1 00"));
        assert_eq!(answer, expected);
    }
}

#[test]
fn no_local_and_retain_as_published() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    lab.join(2, V5, "b");
    let no_local = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    lab.subscribe_with(1, "t", no_local, &[]);
    let as_published = SubscribeOptions { retain_as_published: true, ..SubscribeOptions::default() };
    lab.subscribe_with(2, "t", as_published, &[]);
    retain(&mut lab, 1, "t", "mine");
    assert_eq!(lab.received(2), ["publish q0 retain t=mine"]);
    retain(&mut lab, 2, "t", "theirs");
    assert_eq!(lab.received(1), ["publish q0 t=theirs"]);
}

#[test]
fn retained_messages_come_with_a_new_subscription() {
    for version in VERSIONS {
        let mut lab = Lab::new();
        lab.join(1, version, "p");
        for (topic, payload) in
            [("a/1", "old"), ("a/2", "gone"), ("a/1", "new"), ("a/2", ""), ("a/3", "three")]
        {
            retain(&mut lab, 1, topic, payload);
        }
        lab.publish(1, "a/1", "passing", 0, 0);
        lab.join(2, version, "s");
        assert_eq!(
            lab.subscribe(2, "a/#", QoS::ExactlyOnce),
            ["suback [02]", "publish q1 #1 retain a/1=new", "publish q1 #2 retain a/3=three"]
        );
        retain(&mut lab, 1, "a/3", "");
        assert_eq!(lab.received(2), ["publish q1 #3 a/3="]);
        // An identical subscription has them sent again [MQTT-3.8.4-3].
        assert_eq!(lab.subscribe(2, "a/#", QoS::AtMostOnce), ["suback [00]", "publish q0 retain a/1=new"]);
    }
}

#[test]
fn retain_handling_chooses() {
    let mut lab = Lab::new();
    lab.join(1, V5, "a");
    retain(&mut lab, 1, "t", "x");
    let with = |retain_handling| SubscribeOptions { retain_handling, ..SubscribeOptions::default() };
    assert_eq!(lab.subscribe_with(1, "t", with(RetainHandling::DoNotSend), &[]).len(), 1);
    assert_eq!(lab.subscribe_with(1, "t", with(RetainHandling::SendIfNew), &[]).len(), 1);
    lab.unsubscribe(1, "t");
    assert_eq!(lab.subscribe_with(1, "t", with(RetainHandling::SendIfNew), &[]).len(), 2);
    assert_eq!(lab.subscribe_with(1, "t", with(RetainHandling::SendAtSubscribe), &[]).len(), 2);
}

#[test]
fn retained_messages_expire_and_may_precede_the_suback() {
    let mut lab = Lab::with(Options { retained_before_suback: true, ..Options::default() });
    lab.join(1, V5, "a");
    let expiry = properties(&[Property::MessageExpiryInterval(5)]);
    let packet = Publish { retain: true, properties: expiry.as_properties(), ..publish("t", "x", 0, 0) };
    lab.send(1, &Packet::Publish(packet));
    lab.pass_seconds(3);
    assert_eq!(
        lab.subscribe(1, "t", QoS::AtMostOnce),
        ["publish q0 retain t=x [MessageExpiryInterval(2)]", "suback [00]"]
    );
    lab.pass_seconds(2);
    assert_eq!(lab.subscribe(1, "t", QoS::AtMostOnce), ["suback [00]"]);
}

#[test]
fn a_shared_subscription_takes_turns_among_the_connected() {
    let mut lab = Lab::new();
    let stays = properties(&[Property::SessionExpiryInterval(100)]);
    for (id, client) in [(1, "a"), (2, "b")] {
        lab.connect(id, Connect { properties: stays.as_properties(), ..connect(V5, client) });
        lab.subscribe(id, "$share/g/t/+", QoS::AtLeastOnce);
    }
    lab.join(3, V5, "p");
    retain(&mut lab, 3, "t/0", "retained");
    for n in 1..=3 {
        lab.publish(3, "t/x", &n.to_string(), 1, 1);
    }
    assert_eq!(lab.received(1), ["publish q1 #1 t/0=retained", "publish q1 #2 t/x=2"]);
    assert_eq!(lab.received(2), ["publish q1 #1 t/x=1", "publish q1 #2 t/x=3"]);
    lab.lose(1);
    for n in 4..=5 {
        lab.publish(3, "t/x", &n.to_string(), 1, 1);
    }
    assert_eq!(lab.received(2), ["publish q1 #3 t/x=4", "publish q1 #4 t/x=5"]);
    // What was sent to the one that left stays its own [MQTT-4.8.2-4].
    let again =
        lab.connect(1, Connect { clean_start: false, properties: stays.as_properties(), ..connect(V5, "a") });
    assert_eq!(again[1..], ["publish q1 #1 dup t/0=retained", "publish q1 #2 dup t/x=2"]);
}
