//! Subscribing and unsubscribing, and the set of subscriptions over reconnects.

use super::*;
use crate::error::{ProtocolError, ServerLimit, SubscribeError};

fn resubscribed(events: Vec<Event>) -> Vec<(String, u8)> {
    let resubscribed = |event| match event {
        Event::Resubscribed { filter, reason } => Some((filter.to_string(), reason.value())),
        _ => None,
    };
    events.into_iter().filter_map(resubscribed).collect()
}

/// A client whose server confirmed these filters.
fn subscribed(config: Config, filters: &[&str]) -> Rig {
    let mut rig = Rig::connected(config);
    rig.subscribe(filters);
    rig.sent();
    rig.suback(1, &vec![0; filters.len()]);
    rig.events();
    rig
}

// R: SUB-02
#[test]
fn each_filter_has_its_result_and_a_refused_one_is_dropped_alone() {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut rig = Rig::connected(config_of(version));
        let token = rig.subscribe(&["a", "b", "c"]);
        assert_eq!(rig.sent(), ["Subscribe 1 a b c"]);
        rig.suback(1, &[0, 0x80, 2]);
        assert_eq!(rig.granted(), [(token, Ok(vec![0, 0x80, 2]))]);
        rig.reconnect(false);
        assert_eq!(rig.sent(), ["Subscribe 2 a c"]);
    }
}

// R: SUB-02
#[test]
fn a_suback_with_the_wrong_count_is_a_protocol_error() {
    let mut rig = Rig::connected(config());
    rig.subscribe(&["a", "b"]);
    rig.sent();
    rig.suback(1, &[0]);
    let error = ProtocolError::AckCount { packet: PacketType::SubAck, expected: 2, actual: 1 };
    assert_eq!(rig.sent(), ["Disconnect 0x82"]);
    assert_eq!(rig.closed_because(), Cause::Protocol(error));
    assert_eq!(error.statement(ProtocolVersion::V5), "MQTT-3.8.4-6");
}

// R: SUB-04
#[test]
fn each_filter_of_an_unsubscribe_has_its_result() {
    let mut rig = subscribed(config(), &["a"]);
    let token = rig.unsubscribe(&["a", "b"]);
    assert_eq!(rig.sent(), ["Unsubscribe 2 a b"]);
    rig.unsuback(2, &[0, 0x11]);
    assert_eq!(rig.granted(), [(token, Ok(vec![0, 0x11]))]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: SUB-04
#[test]
fn an_unsuback_of_3_x_has_no_codes() {
    let mut rig = Rig::connected(config_of(ProtocolVersion::V3_1_1));
    let token = rig.unsubscribe(&["a", "b"]);
    rig.sent();
    rig.send_bytes(b"\xb0\x02\x00\x01");
    assert_eq!(rig.granted(), [(token, Ok(vec![0, 0]))]);
}

// R: SUB-04
#[test]
fn an_unsuback_with_the_wrong_count_is_a_protocol_error() {
    let mut rig = Rig::connected(config());
    rig.unsubscribe(&["a", "b"]);
    rig.sent();
    rig.unsuback(1, &[0, 0, 0]);
    let error = ProtocolError::AckCount { packet: PacketType::UnsubAck, expected: 2, actual: 3 };
    assert_eq!(rig.closed_because(), Cause::Protocol(error));
}

// R: CON-08
#[test]
fn what_the_server_cannot_take_is_told_by_the_call() {
    for (property, filter, limit) in [
        (Property::WildcardSubscriptionAvailable(false), "a/+", ServerLimit::WildcardSubscriptionAvailable),
        (Property::WildcardSubscriptionAvailable(false), "#", ServerLimit::WildcardSubscriptionAvailable),
        (
            Property::SharedSubscriptionAvailable(false),
            "$share/g/a",
            ServerLimit::SharedSubscriptionAvailable,
        ),
        (Property::MaximumPacketSize(12), "abcdef", ServerLimit::MaximumPacketSize { size: 14, limit: 12 }),
    ] {
        let mut rig = Rig::connected_to(config(), &[property]);
        let filters = filters_buf(&[filter], SubscribeOptions::default());
        let subscribe = Subscribe::new(filters.as_filters());
        assert_eq!(rig.connection.subscribe(rig.now, subscribe), Err(SubscribeError::Limit(limit)));
        rig.subscribe(&["a"]);
        assert_eq!(rig.sent(), ["Subscribe 1 a"]);
    }
    let mut rig = Rig::connected_to(config(), &[Property::SubscriptionIdentifierAvailable(false)]);
    let (filters, set) = (
        filters_buf(&["a"], SubscribeOptions::default()),
        properties(&[Property::SubscriptionIdentifier(1)]),
    );
    let subscribe = Subscribe::new(filters.as_filters()).properties(set.as_properties());
    let limit = ServerLimit::SubscriptionIdentifierAvailable;
    assert_eq!(rig.connection.subscribe(rig.now, subscribe), Err(SubscribeError::Limit(limit)));
}

// R: CON-08
#[test]
fn a_waiting_subscribe_meets_the_limits_of_the_server_that_it_comes_to() {
    let mut rig = Rig::new(config());
    let token = rig.subscribe(&["a/#"]);
    rig.connection.connect(rig.now);
    let limits = properties(&[Property::WildcardSubscriptionAvailable(false)]);
    rig.accept(false, limits.as_properties());
    let limit = OperationError::Limit(ServerLimit::WildcardSubscriptionAvailable);
    assert_eq!(rig.granted(), [(token, Err(limit))]);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: SUB-01
#[test]
fn options_and_identifiers_need_5_0() {
    let mut rig = Rig::connected(config_of(ProtocolVersion::V3_1_1));
    let options = SubscribeOptions { no_local: true, ..SubscribeOptions::default() };
    let filters = filters_buf(&["a"], options);
    let subscribe = Subscribe::new(filters.as_filters());
    let result = rig.connection.subscribe(rig.now, subscribe);
    assert!(matches!(result, Err(SubscribeError::UnsupportedByVersion(_))), "{result:?}");
    let (filters, set) = (
        filters_buf(&["a"], SubscribeOptions::default()),
        properties(&[Property::SubscriptionIdentifier(1)]),
    );
    let subscribe = Subscribe::new(filters.as_filters()).properties(set.as_properties());
    let result = rig.connection.subscribe(rig.now, subscribe);
    assert!(matches!(result, Err(SubscribeError::UnsupportedByVersion(_))), "{result:?}");
}

// R: REC-03
#[test]
fn a_first_connect_subscribes_only_what_was_asked_for() {
    let mut rig = Rig::new(config());
    let token = rig.subscribe(&["a"]);
    rig.connection.connect(rig.now);
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 1 a"]);
    rig.suback(1, &[0]);
    assert_eq!(rig.granted(), [(token, Ok(vec![0]))]);
}

// R: REC-03
#[test]
fn a_resumed_session_is_not_subscribed_again() {
    let mut rig = subscribed(config(), &["a"]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: REC-03
#[test]
fn a_lost_session_is_subscribed_again_with_options_and_identifier() {
    let mut rig = Rig::connected(config());
    let options = SubscribeOptions { qos: QoS::ExactlyOnce, no_local: true, ..SubscribeOptions::default() };
    let (filters, set) =
        (filters_buf(&["a", "b"], options), properties(&[Property::SubscriptionIdentifier(9)]));
    let subscribe = Subscribe::new(filters.as_filters()).properties(set.as_properties());
    rig.connection.subscribe(rig.now, subscribe).unwrap();
    rig.pump();
    let first = std::mem::take(&mut rig.wire);
    rig.suback(1, &[2, 2]);
    rig.reconnect(false);
    rig.pump();
    // Behind the packet identifier all is the same.
    assert_eq!(rig.wire[4..], first[4..]);
    rig.events();
    rig.suback(2, &[2, 0x87]);
    assert_eq!(resubscribed(rig.events()), [("a".into(), 2), ("b".into(), 0x87)]);
    rig.wire.clear();
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Subscribe 3 a"], "the refused one was dropped alone");
}

// R: REC-03
#[test]
fn resubscribing_can_be_turned_off() {
    let mut rig = subscribed(Config { resubscribe: false, ..config() }, &["a"]);
    rig.lose();
    rig.subscribe(&["b"]);
    rig.next_deadline(seconds(2));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.sent(), ["Subscribe 2 b"]);
}

// R: REC-03
#[test]
fn offline_calls_end_in_the_right_set() {
    for session_present in [true, false] {
        let mut rig = subscribed(config(), &["a", "b"]);
        rig.lose();
        rig.unsubscribe(&["a"]);
        rig.subscribe(&["c"]);
        rig.unsubscribe(&["c"]);
        rig.subscribe(&["d"]);
        rig.next_deadline(seconds(2));
        rig.accept(session_present, Properties::EMPTY);
        let sent = rig.sent();
        if session_present {
            assert_eq!(sent, ["Unsubscribe 2 a", "Subscribe 3 c", "Unsubscribe 4 c", "Subscribe 5 d"]);
        } else {
            assert_eq!(sent, ["Subscribe 2 b", "Subscribe 3 c", "Unsubscribe 4 c", "Subscribe 5 d"]);
        }
    }
}

// R: REC-03
#[test]
fn an_offline_unsubscribe_whose_session_is_lost_completes_here() {
    let mut rig = subscribed(config(), &["a"]);
    rig.lose();
    let token = rig.unsubscribe(&["a"]);
    rig.next_deadline(seconds(2));
    rig.accept(false, Properties::EMPTY);
    assert_eq!(rig.granted(), [(token, Ok(vec![0x11]))]);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: REC-03
#[test]
fn calls_in_flight_at_a_loss_are_sent_again_under_a_new_identifier() {
    let mut rig = Rig::connected(config());
    let token = rig.subscribe(&["a"]);
    assert_eq!(rig.sent(), ["Subscribe 1 a"]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    rig.suback(2, &[1]);
    assert_eq!(rig.granted(), [(token, Ok(vec![1]))]);
}

// R: REC-03
#[test]
fn unsubscribing_in_the_middle_of_resubscribing_wins() {
    let mut rig = subscribed(config(), &["a"]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    rig.unsubscribe(&["a"]);
    assert_eq!(rig.sent(), ["Unsubscribe 3 a"]);
    rig.suback(2, &[0]);
    rig.unsuback(3, &[0]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: REC-03
#[test]
fn a_loss_in_the_middle_of_resubscribing_goes_on_with_the_rest() {
    let mut rig = subscribed(config(), &["a"]);
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), ["Subscribe 3 a"]);
    rig.suback(3, &[0]);
    rig.reconnect(true);
    assert_eq!(rig.sent(), [""; 0]);
}

// R: REC-03
#[test]
fn mqtt_3_1_always_subscribes_again() {
    let persistent = Config {
        client_id: crate::config::ClientId::Given("anna".into()),
        clean_start: crate::config::CleanStart::Never,
        ..config_of(ProtocolVersion::V3_1)
    };
    for config in [persistent, config_of(ProtocolVersion::V3_1)] {
        let mut rig = subscribed(config, &["a"]);
        rig.reconnect(false);
        assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    }
}

// R: REC-03
#[test]
fn what_the_next_server_cannot_take_is_dropped_alone_with_an_event() {
    let mut rig = subscribed(config(), &["a", "b/#", "$share/g/c", "a-rather-long-filter"]);
    let limits = [
        Property::WildcardSubscriptionAvailable(false),
        Property::SharedSubscriptionAvailable(false),
        Property::MaximumPacketSize(20),
    ];
    rig.reconnect_to(false, &limits);
    assert_eq!(rig.sent(), ["Subscribe 2 a"]);
    let mut dropped = resubscribed(rig.events());
    dropped.sort();
    assert_eq!(
        dropped,
        [("$share/g/c".into(), 0x9E), ("a-rather-long-filter".into(), 0x95), ("b/#".into(), 0xA2)]
    );
    rig.reconnect(false);
    assert_eq!(rig.sent(), ["Subscribe 4 a"]);
}

// R: REC-03
#[test]
fn large_sets_are_split_to_fit_the_servers_packet_size() {
    let mut rig = subscribed(config(), &["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"]);
    rig.reconnect_to(false, &[Property::MaximumPacketSize(45)]);
    assert_eq!(rig.sent(), ["Subscribe 2 aaaaaaaaaa bbbbbbbbbb", "Subscribe 3 cccccccccc"]);
}

// R: SUB-01
#[test]
fn the_latest_options_of_a_filter_hold() {
    let mut rig = subscribed(config(), &["a"]);
    let filters =
        filters_buf(&["a"], SubscribeOptions { qos: QoS::ExactlyOnce, ..SubscribeOptions::default() });
    let subscribe = Subscribe::new(filters.as_filters());
    rig.connection.subscribe(rig.now, subscribe).unwrap();
    rig.sent();
    rig.suback(2, &[2]);
    rig.reconnect(false);
    rig.pump();
    assert_eq!(rig.wire.last(), Some(&2), "the options byte asks for QoS 2");
}
