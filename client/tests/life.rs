//! Starting, ending, and what an idle client costs.

mod world;

use std::time::Duration;

use sterna_client::{Cause, ConnectError, Event, LostKind, ProtocolVersion, QoS, ReasonCode, State};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive, Options};
use world::{World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn drain(events: &mut sterna_client::Events) -> Vec<Event> {
    let mut seen = Vec::new();
    while let std::task::Poll::Ready(Some(event)) = poll(&mut Box::pin(events.next())) {
        seen.push(event);
    }
    seen
}

// R: CON-12, REC-09
#[test]
fn a_client_is_started_by_hand_and_can_be_started_again() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    let mut events = client.events();
    world.settle();
    assert_eq!(client.state(), State::Idle);
    assert_eq!(world.dialled.len(), 0);
    world.finish(client.connect()).unwrap();
    assert_eq!(client.state(), State::Connected);
    world.finish(client.disconnect()).unwrap();
    assert_eq!(client.state(), State::Closed);
    world.finish(client.disconnect()).unwrap();
    world.finish(client.connect()).unwrap();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    let seen = drain(&mut events);
    let connected = seen.iter().filter(|event| matches!(event, Event::Connected { .. })).count();
    let closed =
        seen.iter().filter(|event| matches!(event, Event::Closed { cause: Cause::Requested })).count();
    assert_eq!((connected, closed), (2, 1), "{seen:?}");
}

// R: CON-12, REC-02
#[test]
fn the_first_refusal_fails_connect_and_by_option_is_retried() {
    let refusal =
        || Fault::receiving(PacketType::Connect, OnReceive::Answer(ReasonCode::SERVER_BUSY)).times(2);
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    world.broker.add_fault(refusal());
    let error = world.finish(client.connect()).unwrap_err();
    let ConnectError::Closed(Cause::Refused(refused)) = error else { panic!("{error}") };
    assert_eq!(refused.reason, ReasonCode::SERVER_BUSY);

    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.retry_first(true));
    world.broker.add_fault(refusal());
    world.finish(client.connect()).unwrap();
    assert_eq!(world.dialled.len(), 3);
}

// R: CON-05
#[test]
fn addresses_that_do_not_answer_cost_a_quarter_of_a_second_each() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    world.dead_addresses = 2;
    let begin = world.now;
    world.finish(client.connect()).unwrap();
    assert_eq!(world.dialled.len(), 3);
    assert_eq!(world.now - begin, Duration::from_millis(500));
}

// R: CON-05
#[test]
fn addresses_that_refuse_cost_nothing_and_are_all_told() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    world.dead_addresses = 2;
    world.dead_addresses_refuse = true;
    let begin = world.now;
    world.finish(client.connect()).unwrap();
    assert_eq!((world.dialled.len(), world.now - begin), (3, Duration::ZERO));
    world.finish(client.disconnect()).unwrap();
    // Nobody is left.
    world.all_addresses_refuse = true;
    let error = world.finish(client.connect()).unwrap_err();
    let ConnectError::Closed(Cause::Lost(lost)) = error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Dial);
    assert_eq!(&*lost.detail, "10.0.0.0:1883: refused; 10.0.0.1:1883: refused; 10.0.0.2:1883: refused");
}

// R: CON-05
#[test]
fn the_connect_time_out_ends_all_dials() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| {
        builder.connect_timeout(Duration::from_secs(5)).retry_first(true)
    });
    world.dead_addresses = 3;
    world.no_address_answers = true;
    let mut connecting = Box::pin(client.connect());
    assert!(poll(&mut connecting).is_pending());
    world.pass(Duration::from_secs(4));
    assert_eq!((world.dialled.len(), world.closes), (4, 0));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.closes, 1, "the adapter drops them");
    world.no_address_answers = false;
    world.finish(connecting).unwrap();
}

// R: CON-05
#[test]
fn a_server_that_never_answers_is_a_time_out() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    world.broker.add_fault(Fault::receiving(PacketType::Connect, OnReceive::Discard));
    world.broker.options_mut().connect_timeout = Duration::from_secs(100);
    let begin = world.now;
    let error = world.finish(client.connect()).unwrap_err();
    assert!(matches!(error, ConnectError::Closed(Cause::Timeout(_))), "{error}");
    assert!(world.now - begin >= Duration::from_secs(30));
    assert!(world.now - begin <= Duration::from_secs(31));
}

// R: REC-10
#[test]
fn dropping_the_last_handle_disconnects_gracefully() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let inbox = world.finish(client.subscribe("a")).unwrap();
    let delivery = client.publish("b", "x").qos(QoS::ExactlyOnce).send().unwrap();
    drop(client);
    world.settle();
    assert!(world.received(PacketType::Disconnect).is_empty(), "a subscription is a handle");
    drop(inbox);
    world.settle();
    assert!(world.received(PacketType::Disconnect).is_empty(), "a delivery is a handle");
    drop(delivery);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.received(PacketType::Disconnect).len(), 1);
    assert!(world.engine.is_none(), "the engine is finished");
}

// R: REC-10
#[test]
fn dropping_a_client_that_never_connected_finishes_its_engine() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder);
    world.settle();
    assert!(world.engine.is_some());
    drop(client);
    world.settle();
    assert!(world.engine.is_none());
}

// R: REC-10
#[test]
fn what_was_sent_before_the_last_handle_went_is_delivered() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder.in_flight_limit(1));
    for _ in 0..5 {
        drop(client.publish("a", "x").qos(QoS::ExactlyOnce).send().unwrap());
    }
    drop(client);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.received(PacketType::PubRel).len(), 5);
    assert!(world.engine.is_none());
}

#[test]
fn an_idle_client_is_awake_at_its_deadlines_and_never_between() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.keep_alive(Duration::from_secs(60)));
    world.pass(Duration::from_secs(30));
    world.polls = 0;
    world.wakes.take();
    world.pass(Duration::from_secs(600));
    let pings = world.received(PacketType::PingReq).len();
    assert_eq!(pings, 10);
    assert_eq!(world.wakes.take(), 0);
    // A ping is a wake-up to send it, one for its answer, and the two looks at whether buffers are idle.
    assert!(world.polls <= pings * 8, "{} polls for {pings} pings", world.polls);
    drop(client);
}

#[test]
fn a_client_without_keep_alive_needs_no_timer_at_all() {
    let (mut world, client) =
        World::connected(V5, Options::default(), |builder| builder.keep_alive(Duration::ZERO));
    world.pass(Duration::from_secs(30));
    assert_eq!(world.engine.as_ref().unwrap().deadline(), None);
    drop(client);
}

#[test]
fn time_that_passed_while_the_driver_slept_fires_no_new_deadline() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| {
        builder.keep_alive(Duration::ZERO).drain_timeout(Duration::from_secs(5))
    });
    let mut events = client.events();
    world.pass(Duration::from_secs(86_400));
    // The acknowledgement's deadline starts now, not a day ago.
    let discard = world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let mut delivery = Box::pin(client.publish("a", "x").qos(QoS::AtLeastOnce).send().unwrap());
    world.pass(Duration::from_secs(59));
    assert!(poll(&mut delivery).is_pending());
    assert_eq!(drain(&mut events), []);
    world.broker.remove_fault(discard);
    world.pass(Duration::from_secs(10));
    assert!(poll(&mut delivery).is_ready(), "sent again on the next connection");
    drain(&mut events);

    world.pass(Duration::from_secs(86_400));
    // So does the time for draining.
    world.broker.add_fault(Fault::receiving(PacketType::Publish, OnReceive::Discard));
    let pending = client.publish("a", "y").qos(QoS::AtLeastOnce).send().unwrap();
    let mut disconnect = Box::pin(client.disconnect());
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(4));
    assert!(poll(&mut disconnect).is_pending());
    world.pass(Duration::from_secs(2));
    assert!(poll(&mut disconnect).is_ready());
    drop(pending);
    // And that for connecting.
    world.pass(Duration::from_secs(86_400));
    world.finish(client.connect()).unwrap();
}

// R: REC-01, REC-09
#[test]
fn a_loss_is_told_with_its_cause_and_the_time_of_the_next_attempt() {
    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    let mut events = client.events();
    world.cut();
    world.settle();
    let seen = drain(&mut events);
    let [Event::Disconnected { cause, retry_in, .. }, Event::Offline] = &seen[..] else { panic!("{seen:?}") };
    assert!(matches!(cause, Cause::Lost(lost) if lost.kind == LostKind::Eof));
    let retry_in = retry_in.expect("it will be tried again");
    assert_eq!(client.state(), State::Reconnecting);
    world.pass(retry_in + Duration::from_micros(1));
    assert_eq!(client.state(), State::Connected);
    client.reconnect();
    world.pass(Duration::from_secs(1));
    assert_eq!((client.state(), world.dialled.len()), (State::Connected, 3));
    assert_eq!(client.statistics().connection.reconnects, 2);
}
