//! QoS 0 by `send`, whose outcome nobody asks for, or only later.

mod world;

use std::task::Poll;
use std::time::Duration;

use sterna_client::{Client, Delivery, OperationError, ProtocolVersion, PublishError, Receipt, State};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::Options;
use world::{World, poll};

fn connected() -> (World, Client) {
    World::connected(ProtocolVersion::V5, Options::default(), |builder| builder)
}

fn ask(delivery: Delivery) -> Poll<Result<Receipt, PublishError>> {
    poll(&mut Box::pin(delivery))
}

fn failed(error: OperationError) -> Poll<Result<Receipt, PublishError>> {
    Poll::Ready(Err(PublishError::Failed(error)))
}

// R: PUB-01
#[test]
fn what_was_taken_succeeded_whenever_it_is_asked() {
    let (mut world, client) = connected();
    let early = client.publish("a", "1").send().unwrap();
    world.settle();
    let receipt = ask(early);
    assert!(matches!(receipt, Poll::Ready(Ok(_))), "{receipt:?}");
    let late = client.publish("a", "2").send().unwrap();
    world.settle();
    world.cut();
    world.pass(Duration::from_secs(60));
    assert_eq!(client.state(), State::Connected);
    let receipt = ask(late);
    assert!(matches!(receipt, Poll::Ready(Ok(_))), "{receipt:?}");
}

// R: PUB-01
#[test]
fn what_was_not_taken_is_lost_with_its_connection() {
    let (mut world, client) = connected();
    world.write_limit = 0;
    let unasked = client.publish("a", "1").send().unwrap();
    let mut asked = Box::pin(client.publish("a", "2").send().unwrap());
    world.settle();
    assert!(poll(&mut asked).is_pending());
    world.cut();
    world.write_limit = usize::MAX;
    world.pass(Duration::from_secs(60));
    assert_eq!(poll(&mut asked), failed(OperationError::Lost));
    assert_eq!(ask(unasked), failed(OperationError::Lost));
    assert!(world.received(PacketType::Publish).is_empty());
}

// R: PUB-01
#[test]
fn one_that_waits_is_woken_when_it_was_taken() {
    let (mut world, client) = connected();
    world.write_limit = 0;
    let first = client.publish("a", "1").send().unwrap();
    let mut second = Box::pin(client.publish("a", "2").send().unwrap());
    let mut first = Box::pin(first);
    // In the other order.
    assert!(poll(&mut second).is_pending() && poll(&mut first).is_pending());
    world.write_limit = usize::MAX;
    world.finish(&mut first).unwrap();
    world.finish(&mut second).unwrap();
}

// R: PUB-05
#[test]
fn it_can_be_cancelled_until_it_was_taken() {
    let (mut world, client) = connected();
    world.write_limit = 0;
    let cancelled = client.publish("a", "1").send().unwrap();
    let dropped = client.publish("a", "2").send().unwrap();
    cancelled.cancel().unwrap();
    dropped.cancel().unwrap();
    assert!(cancelled.cancel().is_err());
    drop(dropped);
    world.settle();
    assert_eq!(ask(cancelled), failed(OperationError::Cancelled));
    world.write_limit = usize::MAX;
    world.settle();
    let taken = client.publish("a", "3").send().unwrap();
    world.settle();
    assert!(taken.cancel().is_err());
    assert!(matches!(ask(taken), Poll::Ready(Ok(_))));
}

// R: PUB-01
#[test]
fn a_graceful_end_waits_until_it_was_taken() {
    let (mut world, client) = connected();
    world.write_limit = 0;
    drop(client.publish("a", "1").send().unwrap());
    let mut disconnecting = Box::pin(client.disconnect());
    assert!(poll(&mut disconnecting).is_pending());
    world.settle();
    assert_eq!(client.state(), State::Disconnecting);
    world.write_limit = usize::MAX;
    world.finish(disconnecting).unwrap();
    assert_eq!(world.received(PacketType::Publish).len(), 1);
}

#[test]
fn without_its_driver_it_has_ended() {
    let (mut world, client) = connected();
    world.write_limit = 0;
    let delivery = client.publish("a", "1").send().unwrap();
    world.engine = None;
    assert_eq!(ask(delivery), failed(OperationError::Closed));
}
