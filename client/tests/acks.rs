//! When messages are acknowledged.

mod world;

use sterna_client::{AckError, AckMode, Client, ProtocolVersion, QoS, ReasonCode, Subscription};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::Options;
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

/// A client with a subscription in `mode`, and `count` messages queued in it.
fn queued(mode: AckMode, count: usize) -> (World, Client, Subscription) {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.ack(mode));
    let stream = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce)).unwrap();
    for n in 0..count {
        world.finish(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce)).unwrap();
    }
    world.settle();
    (world, client, stream)
}

// R: SUB-06
#[test]
fn asking_for_the_next_message_acknowledges_the_one_before() {
    let (mut world, client, mut stream) = queued(AckMode::OnNext, 3);
    let message = world.finish(stream.next()).unwrap();
    assert_eq!(message.ack(), Err(AckError::Automatic));
    assert!(message.acker().is_none());
    world.settle();
    assert_eq!(world.acked(), 0, "it may still be at work on it");
    // The driver sleeps: the acknowledgement leaves at once, and not with the end of the batch.
    assert_eq!(stream.try_next().unwrap().text(), Ok("1"));
    world.settle();
    assert_eq!(world.acked(), 1);
    drop(stream);
    world.settle();
    assert_eq!(world.acked(), 2, "dropping the stream is the end of the work");
    drop(client);
}

// R: SUB-06
#[test]
fn an_automatic_acknowledgement_is_not_lost_with_a_cancelled_next() {
    let (mut world, _client, mut stream) = queued(AckMode::OnNext, 1);
    world.finish(stream.next()).unwrap();
    {
        let mut next = Box::pin(stream.next());
        assert!(poll(&mut next).is_pending());
    }
    world.settle();
    assert_eq!(world.acked(), 1);
}

// R: SUB-06
#[test]
fn a_panic_while_handling_a_message_does_not_acknowledge_it() {
    let (mut world, client, mut stream) = queued(AckMode::OnNext, 1);
    world.finish(stream.next()).unwrap();
    let handler = std::thread::spawn(move || {
        let _stream = stream;
        std::panic::resume_unwind(Box::new("the handler's fault"));
    });
    assert!(handler.join().is_err());
    world.settle();
    assert_eq!(world.acked(), 0);
    drop(client);
}

// R: SUB-06
#[test]
fn by_hand_in_any_order_and_only_once() {
    let (mut world, client, mut stream) = queued(AckMode::Manual, 3);
    let messages: Vec<_> = std::iter::from_fn(|| stream.try_next()).collect();
    let acker = messages[2].acker().unwrap();
    acker.ack().unwrap();
    world.settle();
    assert_eq!(world.acked(), 0, "acknowledgements keep the order of the messages");
    messages[0].reject(ReasonCode::QUOTA_EXCEEDED).unwrap();
    assert!(matches!(messages[0].ack(), Err(AckError::Rejected(sterna_core::AckError::Stale))));
    messages[1].ack().unwrap();
    assert!(acker.ack().is_err());
    world.settle();
    let reasons: Vec<_> = world
        .received(PacketType::PubAck)
        .iter()
        .map(|record| match record.packet() {
            Packet::PubAck(ack) => ack.reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reasons, [ReasonCode::QUOTA_EXCEEDED, ReasonCode::SUCCESS, ReasonCode::SUCCESS]);
    world.finish(client.publish("a", "QoS 0")).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().ack(), Ok(()), "nothing is owed");
}

// R: SUB-06
#[test]
fn on_receipt_nothing_has_to_be_read() {
    let (world, _client, mut stream) = queued(AckMode::OnReceipt, 3);
    assert_eq!(world.acked(), 3);
    assert_eq!(stream.try_next().unwrap().ack(), Err(AckError::Automatic));
}

// R: SUB-05, SUB-06
#[test]
fn a_message_of_several_streams_is_acknowledged_by_the_last() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let options = |mode| client.subscribe("a").qos(QoS::AtLeastOnce).ack(mode);
    let mut next = world.finish(options(AckMode::OnNext)).unwrap();
    let mut manual = world.finish(options(AckMode::Manual)).unwrap();
    let mut receipt = world.finish(options(AckMode::OnReceipt)).unwrap();
    let dropped = world.finish(options(AckMode::OnNext)).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert!(receipt.try_next().is_some());
    assert!(next.try_next().is_some());
    assert!(next.try_next().is_none());
    drop(dropped);
    world.settle();
    assert_eq!(world.acked(), 0);
    manual.try_next().unwrap().reject(ReasonCode::UNSPECIFIED_ERROR).unwrap();
    world.settle();
    let acks = world.received(PacketType::PubAck);
    let [ack] = &acks[..] else { panic!("{acks:?}") };
    let Packet::PubAck(ack) = ack.packet() else { panic!() };
    assert_eq!(ack.reason, ReasonCode::UNSPECIFIED_ERROR);
}
