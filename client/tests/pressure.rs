//! Streams whose application does not keep up: what they lose, what they never hold up, and who is named.

mod world;

use std::task::Poll;
use std::time::Duration;

use sterna_client::{AckMode, Event, Events, OnFull, ProtocolVersion, QoS, State, Subscription};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::Options;
use world::{World, numbers, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;
const MANY: usize = 1 << 20;

fn texts(stream: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| stream.try_next()).map(|message| message.text().unwrap().to_owned()).collect()
}

fn events(events: &mut Events) -> Vec<Event> {
    std::iter::from_fn(|| match poll(&mut Box::pin(events.next())) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
    .collect()
}

/// How many messages were reported as dropped, by the filter of their stream.
fn lagging(events: &[Event], filter: &str) -> u64 {
    let of = |event: &Event| match event {
        Event::Lagging { filters, messages } if filters.iter().any(|other| **other == *filter) => *messages,
        _ => 0,
    };
    events.iter().map(of).sum()
}

// R: SUB-07
#[test]
fn a_bounded_stream_drops_the_oldest_or_the_newest_and_acknowledges_on_receipt() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.ack(AckMode::Manual));
    let mut listener = client.events();
    let oldest = OnFull::DropOldest { messages: 3, bytes: MANY };
    let newest = OnFull::DropNewest { messages: 3, bytes: MANY };
    let mut oldest = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce).on_full(oldest)).unwrap();
    let mut newest = world.finish(client.subscribe("+").qos(QoS::ExactlyOnce).on_full(newest)).unwrap();
    for n in 0..10 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][n % 3];
        world.finish(client.publish("a", n.to_string()).qos(qos)).unwrap();
    }
    world.settle();
    assert_eq!(world.acked(), 6, "whatever becomes of them");
    assert_eq!((oldest.dropped(), newest.dropped(), client.statistics().dropped), (7, 7, 14));
    let events = events(&mut listener);
    assert_eq!((lagging(&events, "a"), lagging(&events, "+")), (7, 7));
    assert_eq!(client.statistics().backlog, 6);
    // What is taken makes room for exactly so much, also while the application is at work.
    assert_eq!(oldest.try_next().unwrap().text(), Ok("7"));
    assert_eq!(newest.try_next().unwrap().text(), Ok("0"));
    for n in 10..12 {
        world.finish(client.publish("a", n.to_string())).unwrap();
    }
    world.settle();
    assert_eq!(texts(&mut oldest), ["9", "10", "11"]);
    assert_eq!(texts(&mut newest), ["1", "2", "10"]);
    assert_eq!((oldest.dropped(), newest.dropped()), (8, 8));
}

// R: SUB-07
#[test]
fn the_bound_on_bytes_holds_and_what_is_larger_goes_alone() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let bound = OnFull::DropOldest { messages: MANY, bytes: 4_096 };
    let mut stream = world.finish(client.subscribe("a").on_full(bound)).unwrap();
    for letter in ["a", "b", "c"] {
        world.finish(client.publish("a", letter.repeat(1_800))).unwrap();
    }
    world.finish(client.publish("a", "d".repeat(5_000))).unwrap();
    world.settle();
    let letters: Vec<_> = texts(&mut stream).iter().map(|text| text[..1].to_owned()).collect();
    assert_eq!(letters, ["b", "c"]);
    assert_eq!(stream.dropped(), 2);
}

// R: SUB-07
#[test]
fn a_bounded_stream_never_holds_reading_back() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.incoming_limit(4, 1 << 20));
    let bound = OnFull::DropOldest { messages: 100, bytes: MANY };
    let mut unread = world.finish(client.subscribe("a").on_full(bound)).unwrap();
    let mut other = world.finish(client.subscribe("b")).unwrap();
    world.flood("a", numbers(5_000));
    world.flood("b", numbers(4));
    world.settle();
    assert_eq!(texts(&mut other), ["0", "1", "2", "3"]);
    assert_eq!(client.statistics().backlog, 100);
    assert_eq!(texts(&mut unread).first().map(String::as_str), Some("4900"));
}

// R: SUB-07, CON-04
#[test]
fn an_unread_stream_does_not_hold_back_those_who_wait_for_others() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.incoming_limit(10, 1 << 20).incoming_reserve(64 << 10)
    });
    let mut listener = client.events();
    let mut unread = world.finish(client.subscribe("a")).unwrap();
    let mut awaited = world.finish(client.subscribe("b")).unwrap();
    world.flood("a", numbers(20_000));
    world.flood("b", ["here".to_owned()]);
    world.settle();
    let read = client.statistics().connection.bytes_received;
    assert_eq!(client.statistics().backlog, 10, "nobody waits for anything yet");
    assert_eq!(world.finish(awaited.next()).unwrap().text(), Ok("here"));
    assert!(client.statistics().connection.bytes_received > read);
    // What went lost is the unread stream's, and counted; the rest is there in order, the newest of it.
    let dropped = unread.dropped();
    assert!(dropped > 0 && awaited.dropped() == 0);
    assert_eq!(
        (client.statistics().dropped, client.statistics().connection.dropped_messages),
        (dropped, dropped)
    );
    let events = events(&mut listener);
    assert_eq!(lagging(&events, "a"), dropped);
    world.pass(Duration::from_secs(600));
    assert_eq!(client.state(), State::Connected);
    let rest = texts(&mut unread);
    let expected: Vec<_> = numbers(20_000).skip(usize::try_from(dropped).unwrap()).collect();
    assert_eq!(rest, expected);
}

// R: SUB-07
#[test]
fn at_the_reserve_the_fullest_stream_pays_and_not_the_message_that_comes() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.incoming_limit(10, 1 << 20).incoming_reserve(32 << 10)
    });
    let mut full = world.finish(client.subscribe("full")).unwrap();
    let mut less = world.finish(client.subscribe("less")).unwrap();
    let mut awaited = world.finish(client.subscribe("awaited")).unwrap();
    assert!(poll(&mut Box::pin(awaited.next())).is_pending());
    world.flood("less", numbers(20));
    world.flood("full", numbers(2_000));
    world.flood("less", ["last".to_owned()]);
    world.flood("awaited", ["here".to_owned()]);
    world.settle();
    assert_eq!(world.finish(awaited.next()).unwrap().text(), Ok("here"));
    assert_eq!(texts(&mut less).len(), 21);
    assert!(full.dropped() > 0);
    assert_eq!(texts(&mut full).len() as u64 + full.dropped(), 2_000);
}

// R: SUB-07
#[test]
fn qos_1_that_nobody_reads_holds_up_qos_1_and_nothing_else() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.incoming_limit(2, 1 << 20).receive_maximum(5)
    });
    let mut unread = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    let mut awaited = world.finish(client.subscribe("b")).unwrap();
    for n in 0..20 {
        world.finish(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce)).unwrap();
    }
    world.finish(client.publish("b", "here")).unwrap();
    assert_eq!(world.finish(awaited.next()).unwrap().text(), Ok("here"));
    for n in 0..20 {
        assert_eq!(world.finish(unread.next()).unwrap().text(), Ok(&*n.to_string()));
    }
    assert_eq!((unread.dropped(), client.statistics().dropped), (0, 0));
}

// R: SUB-07
#[test]
fn the_message_that_holds_the_window_up_is_named_with_its_filter() {
    for version in [V5, ProtocolVersion::V3_1_1] {
        let (mut world, client) = World::connected(version, Options::default(), |builder| {
            builder.receive_maximum(3).ack(AckMode::Manual).ack_blocked_after(Duration::from_secs(5))
        });
        let mut listener = client.events();
        let mut stuck = world.finish(client.subscribe("stuck/+").qos(QoS::AtLeastOnce)).unwrap();
        let receipt = client.subscribe("#").qos(QoS::AtLeastOnce).ack(AckMode::OnReceipt);
        let _receipt = world.finish(receipt).unwrap();
        for n in 0..3 {
            world.finish(client.publish(format!("stuck/{n}"), "x").qos(QoS::AtLeastOnce)).unwrap();
        }
        let blocked = |world: &mut World, listener: &mut Events| {
            world.pass(Duration::from_secs(60));
            let found = events(listener).into_iter().filter_map(|event| match event {
                Event::AckBlocked { id, topic, filters } => Some((id, topic, filters)),
                _ => None,
            });
            found.collect::<Vec<_>>()
        };
        let named = blocked(&mut world, &mut listener);
        let [(id, topic, filters)] = &named[..] else { panic!("{named:?}") };
        assert_eq!((&**topic, filters), ("stuck/0", &vec!["stuck/+".into()].into_boxed_slice()));
        // The same once it was handed over.
        let first = stuck.try_next().unwrap();
        assert_eq!(first.id(), Some(*id));
        first.ack().unwrap();
        let second = stuck.try_next().unwrap();
        world.finish(client.publish("stuck/3", "x").qos(QoS::AtLeastOnce)).unwrap();
        let named = blocked(&mut world, &mut listener);
        let [(id, _, filters)] = &named[..] else { panic!("{named:?}") };
        assert_eq!((Some(*id), &*filters[0]), (second.id(), "stuck/+"));
    }
}

// R: SUB-07
#[test]
fn what_nobody_claims_is_named_without_a_filter() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.receive_maximum(1));
    let mut listener = client.events();
    drop(world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap());
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    world.pass(Duration::from_secs(20));
    let named: Vec<_> = events(&mut listener)
        .into_iter()
        .filter(|event| matches!(event, Event::AckBlocked { topic, .. } if &**topic == "a"))
        .collect();
    assert_eq!(named.len(), 1);
    assert_eq!(world.received(PacketType::PubAck).len(), 0);
    let mut rest = client.messages();
    assert!(rest.try_next().is_some());
}

// R: SUB-07
#[test]
fn the_reserve_holds_for_streams_that_share_their_messages() {
    const RESERVE: usize = 32 << 10;
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.incoming_limit(10, 1 << 20).incoming_reserve(RESERVE)
    });
    let streams: Vec<_> = (0..4).map(|_| world.finish(client.subscribe("a")).unwrap()).collect();
    let mut waits = world.finish(client.subscribe("b")).unwrap();
    // Somebody waits for another topic: reading goes on.
    let mut next = Box::pin(waits.next());
    assert!(poll(&mut next).is_pending());
    for _ in 0..20 {
        world.flood("a", numbers(1_000));
        world.settle();
        let waiting = client.statistics().backlog_bytes;
        assert!(waiting <= RESERVE + RESERVE / 4, "{waiting} bytes");
    }
    drop(streams);
}
