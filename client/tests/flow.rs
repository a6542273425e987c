//! Back-pressure: what nobody reads holds reading back, and never an answer.

mod world;

use std::time::Duration;

use sterna_client::{AckMode, Event, ProtocolVersion, QoS, State};
use sterna_core::packet::{Packet, PacketType, Properties, ReasonCodes, SubAck};
use sterna_simulator::broker::{Fault, OnReceive, Options};
use world::{World, numbers, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

// R: SUB-07
#[test]
fn a_qos_1_publish_awaited_in_the_receive_loop_under_a_flood() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.incoming_limit(16, 1 << 20).queue_limit(4, 1 << 20)
    });
    let mut inbox = world.finish(client.subscribe("a")).unwrap();
    world.flood("a", numbers(10_000));
    world.settle();
    for n in 0..10_000 {
        let message = world.finish(inbox.next()).unwrap();
        assert_eq!(message.text(), Ok(&*n.to_string()), "none is lost, and the order is kept");
        if n % 100 == 0 {
            // Its acknowledgement is behind everything that was not read yet.
            let receipt = world.finish(client.publish("b", "answer").qos(QoS::AtLeastOnce)).unwrap();
            assert!(!receipt.reason.is_error());
        }
    }
    assert_eq!(client.statistics().connection.dropped_messages, 0);
}

// R: SUB-07
#[test]
fn a_subscribe_with_a_hundred_thousand_retained_messages_before_its_suback() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    world.broker.add_fault(Fault::receiving(PacketType::Subscribe, OnReceive::Discard));
    let mut subscribe = Box::pin(client.subscribe("a"));
    assert!(poll(&mut subscribe).is_pending());
    world.settle();
    let subscribes = world.received(PacketType::Subscribe);
    let Packet::Subscribe(packet) = subscribes[0].packet() else { panic!() };
    let packet_id = packet.packet_id;
    world.flood("a", numbers(100_000));
    let reasons = ReasonCodes::new(&[0], PacketType::SubAck, V5).unwrap();
    world.send(&Packet::SubAck(SubAck { packet_id, properties: Properties::EMPTY, reasons }), V5);
    let mut stream = world.finish(subscribe).unwrap();
    for n in 0..100_000 {
        assert_eq!(world.finish(stream.next()).unwrap().text(), Ok(&*n.to_string()));
    }
}

// R: SUB-07, CON-04
#[test]
fn an_unread_stream_pauses_reading_and_goes_on_where_it_was() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.incoming_limit(10, 1 << 20));
    let mut events = client.events();
    let mut inbox = world.finish(client.subscribe("a")).unwrap();
    world.flood("a", numbers(50_000));
    world.settle();
    assert_eq!(client.statistics().backlog, 10);
    let read = client.statistics().connection.bytes_received;
    // It stays so for an hour, and the connection stays up: keep alive does not suffer.
    world.pass(Duration::from_secs(3_600));
    assert_eq!(client.statistics().connection.bytes_received, read);
    assert_eq!(client.state(), State::Connected);
    assert!(!matches!(
        poll(&mut Box::pin(events.next())),
        std::task::Poll::Ready(Some(Event::Disconnected { .. }))
    ));
    for n in 0..50_000 {
        assert_eq!(world.finish(inbox.next()).unwrap().text(), Ok(&*n.to_string()));
    }
}

// R: SUB-07
#[test]
fn messages_that_nobody_wants_do_not_pause_reading() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.incoming_limit(10, 1 << 20));
    let mut inbox = world.finish(client.subscribe("b")).unwrap();
    world.flood("a", numbers(1_000));
    world.flood("b", numbers(1));
    assert_eq!(world.finish(inbox.next()).unwrap().text(), Ok("0"));
    assert_eq!(client.statistics().unclaimed, 1_000);
}

// R: SUB-07
#[test]
fn a_thousand_messages_of_each_qos_through_a_small_window() {
    for mode in [AckMode::OnNext, AckMode::Manual, AckMode::OnReceipt] {
        let (mut world, client) = World::connected(V5, Options::default(), |builder| {
            builder.incoming_limit(3, 1 << 20).receive_maximum(5).in_flight_limit(7).ack(mode)
        });
        let mut inbox = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce)).unwrap();
        let qos = |n: usize| [QoS::AtLeastOnce, QoS::ExactlyOnce][n % 2];
        for n in 0..1_000 {
            drop(client.publish("a", n.to_string()).qos(qos(n)).send().unwrap());
        }
        for n in 0..1_000 {
            let message = world.finish(inbox.next()).unwrap();
            assert_eq!((message.text(), message.qos()), (Ok(&*n.to_string()), qos(n)));
            if mode == AckMode::Manual {
                message.ack().unwrap();
            }
        }
        world.finish(client.disconnect()).unwrap();
    }
}

// R: SUB-07
#[test]
fn a_full_socket_does_not_stop_reading() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut inbox = world.finish(client.subscribe("a")).unwrap();
    world.write_limit = 0;
    let delivery = client.publish("b", "x").send().unwrap();
    world.settle();
    world.flood("a", numbers(10));
    for _ in 0..10 {
        world.finish(inbox.next()).unwrap();
    }
    world.write_limit = 1;
    world.finish(delivery).unwrap();
}

#[test]
fn a_burst_wakes_a_sleeping_driver_once() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    world.wakes.take();
    let deliveries: Vec<_> =
        (0..100).map(|_| client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap()).collect();
    assert_eq!(world.wakes.take(), 1, "a driver that is awake is not woken again");
    for delivery in deliveries {
        world.finish(delivery).unwrap();
    }
}
