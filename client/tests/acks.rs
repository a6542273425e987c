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
fn of_two_subscriptions_each_one_acknowledges_for_itself_alone() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.ack(AckMode::Manual));
    let mut all = world.finish(client.subscribe("#").qos(QoS::AtLeastOnce)).unwrap();
    let mut one = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    let (first, second) = (world.finish(all.next()).unwrap(), world.finish(one.next()).unwrap());
    let stale = Err(AckError::Rejected(sterna_core::AckError::Stale));
    assert_eq!((first.ack(), first.ack(), first.acker().unwrap().ack()), (Ok(()), stale, stale));
    world.settle();
    assert_eq!(world.acked(), 0, "the other one is at it");
    assert_eq!((second.ack(), second.ack()), (Ok(()), stale));
    world.settle();
    assert_eq!(world.acked(), 1);
}

// R: SUB-06
#[test]
fn a_reason_of_ones_own_at_qos_1_and_2() {
    let (mut world, client, mut stream) = queued(AckMode::Manual, 0);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for reason in [ReasonCode::SUCCESS, ReasonCode::NO_MATCHING_SUBSCRIBERS, ReasonCode::NOT_AUTHORIZED] {
            drop(client.publish("a", "x").qos(qos).send().unwrap());
            let message = world.finish(stream.next()).unwrap();
            // What is no reason code of an acknowledgement leaves it to be acknowledged.
            for wrong in [ReasonCode::GRANTED_QOS_1, ReasonCode::SERVER_BUSY] {
                let error = message.ack_with(wrong).unwrap_err();
                assert_eq!(error, AckError::Rejected(sterna_core::AckError::Reason(wrong)));
            }
            message.acker().unwrap().ack_with(reason).unwrap();
        }
    }
    let message_of = |error| matches!(error, AckError::Rejected(sterna_core::AckError::Reason(_)));
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    let message = world.finish(stream.next()).unwrap();
    assert!(
        message_of(message.reject(ReasonCode::NO_MATCHING_SUBSCRIBERS).unwrap_err()),
        "that is no refusal"
    );
    message.ack().unwrap();
    world.settle();
    let reasons = |packet| -> Vec<u8> {
        let reason = |packet| match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) => ack.reason.value(),
            other => panic!("{other:?}"),
        };
        world.received(packet).iter().map(|record| reason(record.packet())).collect()
    };
    assert_eq!(reasons(PacketType::PubAck), [0, 0x10, 0x87, 0]);
    assert_eq!(reasons(PacketType::PubRec), [0, 0x10, 0x87]);
}

// R: SUB-06
#[test]
fn one_owners_unlawful_reason_does_not_count_as_its_word() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.ack(AckMode::Manual));
    let mut streams = [(); 2].map(|()| world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap());
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    world.settle();
    let messages = streams.each_mut().map(|stream| stream.try_next().unwrap());
    assert!(messages[0].ack_with(ReasonCode::SERVER_BUSY).is_err());
    messages[0].ack().unwrap();
    world.settle();
    assert_eq!(world.acked(), 0);
    messages[1].ack_with(ReasonCode::NO_MATCHING_SUBSCRIBERS).unwrap();
    world.settle();
    assert_eq!(world.acked(), 1);
}

// R: SUB-06, CON-02
#[test]
fn a_reason_on_an_older_connection_is_an_error_and_the_message_stays_to_be_acknowledged() {
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1] {
        let (mut world, client) =
            World::connected(version, Options::default(), |builder| builder.ack(AckMode::Manual));
        let mut stream = world.finish(client.subscribe("a").qos(QoS::ExactlyOnce)).unwrap();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            drop(client.publish("a", "x").qos(qos).send().unwrap());
            let message = world.finish(stream.next()).unwrap();
            for result in [
                message.ack_with(ReasonCode::NO_MATCHING_SUBSCRIBERS),
                message.reject(ReasonCode::QUOTA_EXCEEDED),
            ] {
                assert_eq!(result, Err(AckError::Rejected(sterna_core::AckError::UnsupportedByVersion)));
            }
            message.ack_with(ReasonCode::SUCCESS).unwrap();
        }
        world.settle();
        assert_eq!(world.acked(), 2);
    }
}

// R: SUB-06
#[test]
fn what_may_have_been_handed_over_before_is_marked() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.persistent().ack(AckMode::Manual));
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    drop(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    assert!(!world.finish(stream.next()).unwrap().redelivered());
    // The process ends without a word, and without having acknowledged it.
    world.cut();
    world.engine = None;
    drop((stream, client));
    let (mut again, client) =
        World::new(V5, Options::default(), |builder| builder.persistent().ack(AckMode::Manual));
    std::mem::swap(&mut again.broker, &mut world.broker);
    again.connect_after(100);
    let mut stream = client.subscribe("a").qos(QoS::AtLeastOnce).send().unwrap();
    again.finish(client.connect()).unwrap();
    assert!(again.finish(stream.next()).unwrap().redelivered());
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

// R: SUB-06
#[test]
fn what_a_dropped_stream_leaves_goes_to_nobody_who_had_it() {
    let (mut world, client, stream) = queued(AckMode::OnNext, 0);
    let mut earlier =
        world.finish(client.subscribe("+").qos(QoS::ExactlyOnce).ack(AckMode::OnReceipt)).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.settle();
    assert_eq!(client.statistics().backlog, 2);
    drop(stream);
    world.settle();
    assert_eq!(earlier.try_next().unwrap().text(), Ok("x"));
    assert!(earlier.try_next().is_none(), "it had a copy of its own");
    assert_eq!(world.acked(), 1);
}

// R: SUB-06, SUB-07
#[test]
fn what_was_read_is_acknowledged_although_the_application_does_not_ask_again() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut stream = world.finish(client.subscribe("a").qos(QoS::AtLeastOnce)).unwrap();
    for n in 0..3 {
        world.finish(client.publish("a", n.to_string()).qos(QoS::AtLeastOnce)).unwrap();
    }
    world.settle();
    // The driver is awake while the application reads.
    drop(client.publish("b", "").send().unwrap());
    for n in 0..3 {
        assert_eq!(stream.try_next().unwrap().text(), Ok(&*n.to_string()));
    }
    world.settle();
    assert_eq!(world.acked(), 2, "all but the one at hand");
}
