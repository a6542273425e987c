//! The life of a connection: keep alive, and what is told of it.

use std::time::Duration;

use sterna::protocol::Timer;
use sterna::protocol::packet::PacketType;
use sterna::{Cause, Event, QoS, State};
use sterna_simulator::broker::{Fault, OnSend, Options};

use crate::brokers::{Memory, Setup};
use crate::cell::{ANYWHERE, ON_TEST_BROKER, SMOKE};
use crate::tools::{connected, event, text};

scenarios! {
    SMOKE => connecting_and_disconnecting;
    ANYWHERE => keep_alive_holds, events_tell_the_whole_story;
    ON_TEST_BROKER => a_missing_pingresp_is_noticed, a_missing_ack_is_noticed;
}

// R: CON-12, REC-10
async fn connecting_and_disconnecting(setup: Setup) {
    let mut broker = setup.broker().await;
    let client = broker.builder("guest").build().expect("a client");
    assert_eq!(client.state(), State::Idle);
    client.connect().await.expect("connected");
    assert_eq!(client.state(), State::Connected);
    client.disconnect().await.expect("graceful");
    broker.disconnected("guest").await;
    client.connect().await.expect("connected again");
}

// R: CON-04, PUB-09
async fn keep_alive_holds(setup: Setup) {
    let broker = setup.broker().await;
    // A server closes after one and a half of it [MQTT-3.1.2-24].
    let builder = broker.builder("idle").keep_alive(setup.short_keep_alive()).packet_events(true);
    let client = builder.connect().await.expect("connected");
    let mut events = client.events();
    for _ in 0..3 {
        for wanted in [PacketType::PingReq, PacketType::PingResp] {
            event(&mut events, |event| match event {
                Event::PacketSent(info) | Event::PacketReceived(info) => {
                    assert_eq!(info.packet, wanted, "nothing else is sent by an idle client");
                    Some(())
                }
                other => panic!("{other:?}"),
            })
            .await;
        }
    }
    client.publish("still", "here").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    assert_eq!(client.statistics().connection.reconnects, 0);
}

// R: CON-04, REC-01
async fn a_missing_pingresp_is_noticed(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    let fault = Fault::sending(PacketType::PingResp, OnSend::Discard).times(1);
    broker.model().with(|model, _| model.add_fault(fault));
    let builder =
        broker.builder("c").keep_alive(Duration::from_secs(1)).ping_timeout(Duration::from_millis(200));
    let client = builder.connect().await.expect("connected");
    let mut events = client.events();
    let (cause, retry_in) = event(&mut events, |event| match event {
        Event::Disconnected { cause, retry_in, .. } => Some((cause.clone(), *retry_in)),
        _ => None,
    })
    .await;
    assert_eq!(cause, Cause::Timeout(Timer::Ping));
    assert!(retry_in.is_some());
    connected(&mut events).await;
    client.publish("still", "here").qos(QoS::AtLeastOnce).await.expect("acknowledged");
}

// R: REC-04, REC-08
async fn a_missing_ack_is_noticed(setup: Setup) {
    let broker = setup.test_broker(Options::default()).await;
    broker
        .model()
        .with(|model, _| model.add_fault(Fault::sending(PacketType::PubAck, OnSend::Discard).times(1)));
    let builder = broker.builder("c").ack_timeout(Duration::from_millis(200)).persistent();
    let client = builder.connect().await.expect("connected");
    let mut events = client.events();
    client.publish("acked", "late").qos(QoS::AtLeastOnce).await.expect("acknowledged the second time");
    event(&mut events, |event| match event {
        Event::Disconnected { cause, .. } => {
            assert_eq!(*cause, Cause::Timeout(Timer::Ack));
            Some(())
        }
        _ => None,
    })
    .await;
    let again = broker.model().wait_for("c", PacketType::Publish, 2).await;
    let sterna::protocol::packet::Packet::Publish(publish) = again.packet() else { unreachable!() };
    assert!(publish.duplicate, "the second copy says that it is one [MQTT-3.3.1-1]");
}

// R: REC-09
async fn events_tell_the_whole_story(setup: Setup) {
    let mut broker = setup.broker().await;
    let client = broker.builder("story").build().expect("a client");
    let mut events = client.events();
    assert_eq!(client.state(), State::Idle);
    client.connect().await.expect("connected");
    assert!(matches!(events.next().await, Some(Event::Connecting { attempt }) if attempt.number() == 1));
    let first = events.next().await;
    assert!(
        matches!(first, Some(Event::Connected { attempt, session_present: false }) if attempt.number() == 1),
        "{first:?}"
    );
    let mut stream = client.subscribe("story").await.expect("granted");

    broker.stop(Memory::Lost).await;
    let lost = events.next().await;
    assert!(
        matches!(&lost, Some(Event::Disconnected { attempt, retry_in: Some(_), .. }) if attempt.number() == 1),
        "{lost:?}"
    );
    assert_eq!(events.next().await, Some(Event::Offline));
    let second = events.next().await;
    assert!(matches!(second, Some(Event::Connecting { attempt }) if attempt.number() == 2), "{second:?}");
    broker.start().await;
    // Attempts may have failed in between; each is told of, with its end.
    loop {
        match events.next().await.expect("the client lives") {
            Event::Disconnected { retry_in, .. } => assert!(retry_in.is_some()),
            Event::Connecting { .. } => {}
            Event::Connected { session_present, .. } => break assert!(!session_present),
            other => panic!("{other:?}"),
        }
    }
    let again = events.next().await;
    assert!(
        matches!(&again, Some(Event::Resubscribed { filter, reason }) if &**filter == "story" && !reason.is_error()),
        "{again:?}"
    );
    client.publish("story", "goes on").await.expect("sent");
    assert_eq!(text(&mut stream).await, "goes on");

    client.disconnect().await.expect("graceful");
    let end = events.next().await;
    assert!(
        matches!(&end, Some(Event::Disconnected { cause: Cause::Requested, retry_in: None, .. })),
        "{end:?}"
    );
    assert_eq!(events.next().await, Some(Event::Offline));
    assert_eq!(events.next().await, Some(Event::Closed { cause: Cause::Requested }));
    assert!(stream.next().await.is_none(), "a closed client's streams end");
    drop((client, stream));
    assert_eq!(events.next().await, None);
}
