//! Subscription identifiers that a subscription does without where it must.

use super::*;

/// Each SUBSCRIBE that was sent: its filters, and the identifier.
fn subscribes(rig: &mut Rig) -> Vec<(String, Option<u32>)> {
    rig.pump();
    let (mut wire, version) = (std::mem::take(&mut rig.wire), rig.version);
    let mut found = Vec::new();
    while !wire.is_empty() {
        let header = FixedHeader::parse(&wire, version, PROTOCOL_MAXIMUM_PACKET_SIZE).unwrap().unwrap();
        let body = &wire[usize::from(header.header_length)..header.packet_size()];
        let packet = Packet::decode(header, body, version, Sender::Client).unwrap();
        let Packet::Subscribe(subscribe) = packet else { panic!("{packet:?}") };
        let filters: Vec<_> = subscribe.filters.iter().map(|filter| filter.filter).collect();
        found.push((filters.join(" "), subscribe.properties.subscription_identifiers().next()));
        wire.drain(..header.packet_size());
    }
    found
}

fn subscribe(rig: &mut Rig, filter: &str, own: &[Property<'_>], identifier: u32) -> Token {
    let (filters, own) = (filters_buf(&[filter], SubscribeOptions::default()), properties(own));
    let subscribe =
        Subscribe::new(filters.as_filters()).properties(own.as_properties()).identifier(identifier);
    rig.connection.subscribe(rig.now, subscribe).unwrap()
}

const WITHOUT: &[Property<'_>] = &[Property::SubscriptionIdentifierAvailable(false)];

// R: SUB-05
#[test]
fn an_identifier_is_sent_where_the_server_takes_it_and_left_out_elsewhere() {
    let mut rig = Rig::connected(config());
    subscribe(&mut rig, "a", &[], 3);
    subscribe(&mut rig, "b", &[Property::SubscriptionIdentifier(9)], 4);
    assert_eq!(subscribes(&mut rig), [("a".into(), Some(3)), ("b".into(), Some(9))]);
    rig.suback(1, &[0]);
    rig.suback(2, &[0]);
    rig.events();

    // The next server takes none: only the application's own is a reason to give a filter up.
    rig.reconnect_to(false, WITHOUT);
    assert_eq!(subscribes(&mut rig), [("a".into(), None)]);
    let refused = |event| match event {
        Event::Resubscribed { filter, reason } => Some((filter, reason)),
        _ => None,
    };
    let refused: Vec<_> = rig.events().into_iter().filter_map(refused).collect();
    assert_eq!(refused, [("b".into(), ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED)]);
    rig.suback(3, &[0]);
    subscribe(&mut rig, "c", &[], 5);
    assert_eq!(subscribes(&mut rig), [("c".into(), None)]);
    rig.suback(4, &[0]);

    // And the one after it does again.
    rig.reconnect(false);
    assert_eq!(subscribes(&mut rig), [("a".into(), Some(3)), ("c".into(), Some(5))]);
}

// R: SUB-05
#[test]
fn a_subscribe_that_waits_for_a_connection_is_decided_by_its_server() {
    let mut rig = Rig::new(config());
    subscribe(&mut rig, "a", &[], 3);
    rig.connection.connect(rig.now);
    rig.accept(false, properties(WITHOUT).as_properties());
    assert_eq!(subscribes(&mut rig), [("a".into(), None)]);
}

// R: SUB-05, CON-02
#[test]
fn older_versions_have_no_identifier() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1] {
        let mut rig = Rig::connected(config_of(version));
        subscribe(&mut rig, "a", &[], 3);
        assert_eq!(subscribes(&mut rig), [("a".into(), None)]);
    }
}

// R: SUB-05
#[test]
fn an_identifier_that_is_none_is_refused() {
    let mut rig = Rig::connected(config());
    let filters = filters_buf(&["a"], SubscribeOptions::default());
    for identifier in [0, 268_435_456] {
        let subscribe = Subscribe::new(filters.as_filters()).identifier(identifier);
        assert!(rig.connection.subscribe(rig.now, subscribe).is_err(), "{identifier}");
    }
}
