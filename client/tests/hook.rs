//! What an application does before each attempt to connect.

mod world;

use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sterna_client::{
    BoxError, Cause, Client, ClientBuilder, ConnectAttempt, ConnectError, LostKind, ProtocolVersion, QoS,
};
use sterna_core::packet::{Packet, PacketType, PropertiesBuf, Property};
use sterna_core::{Attempt, Timer, Will};
use sterna_simulator::broker::{Options, Redirect};
use world::{Bench, World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn world(configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>) -> (World, Client) {
    World::new(V5, Options::default(), configure)
}

fn lost(error: &ConnectError) -> &sterna_client::Lost {
    let ConnectError::Closed(Cause::Lost(lost)) = error else { panic!("{error}") };
    lost
}

/// User names of all CONNECTs.
fn user_names(world: &World) -> Vec<String> {
    let connects = world.received(PacketType::Connect);
    let name = |packet: Packet<'_>| match packet {
        Packet::Connect(connect) => connect.user_name.unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    connects.iter().map(|record| name(record.packet())).collect()
}

// R: CON-11
#[test]
fn every_attempt_asks_the_hook() {
    let seen: Arc<Mutex<Vec<(Attempt, String)>>> = Arc::default();
    let asked = seen.clone();
    let (mut world, client) = world(|builder| {
        builder.user_name("anna").redirects(3).server("mqtt://bob@second").before_connect(
            move |mut attempt| {
                let mut asked = asked.lock().unwrap();
                asked.push((attempt.attempt, attempt.endpoint.to_string()));
                let number = asked.len();
                attempt.user_name = attempt.user_name.map(|name| format!("{name} {number}").into());
                ready(Ok(attempt))
            },
        )
    });
    world.known = vec!["second".to_owned(), "other".to_owned()];
    world.finish(client.connect()).unwrap();
    let redirect = Redirect { permanent: false, reference: "other:1884".to_owned() };
    let now = sterna_simulator::broker::Instant::from_micros(world.now.as_micros());
    world.broker.redirect(now, world.connection(), &redirect);
    world.finish(client.publish("t", "x").qos(QoS::AtLeastOnce)).unwrap();
    world.pass(Duration::from_secs(20));
    world.cut();
    world.finish(client.publish("t", "x").qos(QoS::AtLeastOnce)).unwrap();
    let seen = seen.lock().unwrap();
    let urls: Vec<_> = seen.iter().map(|(_, url)| url.as_str()).collect();
    assert_eq!(urls[..3], ["mqtt://broker:1883", "mqtt://second:1883", "mqtt://other:1884"]);
    assert!(urls.len() >= 4, "a reconnect is an attempt as well: {urls:?}");
    assert!(seen.is_sorted_by_key(|(attempt, _)| *attempt), "{seen:?}");
    let names = user_names(&world);
    assert_eq!(names[..2], ["bob 2", "bob 3"], "the URL's own credentials are there to be changed");
}

// R: CON-11
#[test]
fn it_changes_where_the_attempt_goes_and_what_connect_says() {
    let (mut world, client) = world(|builder| {
        builder.user_name("anna").password("old").before_connect(|mut attempt| async move {
            attempt.set_url("tcp://bob:new@elsewhere:1999")?;
            let mut properties = PropertiesBuf::new();
            properties.push(Property::UserProperty { name: "token", value: "fresh" })?;
            attempt.user_properties = properties;
            attempt.will = Some(Box::new(Will {
                topic: "gone".into(),
                payload: b"bye".as_slice().into(),
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: PropertiesBuf::new(),
            }));
            Ok(attempt)
        })
    });
    world.known = vec!["elsewhere".to_owned()];
    world.finish(client.connect()).unwrap();
    assert_eq!(world.resolved, ["elsewhere:1999"]);
    let records = world.received(PacketType::Connect);
    let Packet::Connect(connect) = records[0].packet() else { panic!() };
    assert_eq!((connect.user_name, connect.password), (Some("bob"), Some(&b"new"[..])));
    let fresh = Property::UserProperty { name: "token", value: "fresh" };
    assert!(connect.properties.iter().any(|property| property == fresh));
    let will = connect.will.unwrap();
    assert_eq!((will.topic, will.payload, will.retain), ("gone", &b"bye"[..], true));
}

// R: CON-11
#[test]
fn its_error_is_a_failed_attempt_with_its_text() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let hook = move |attempt: ConnectAttempt| {
        let fails = counter.fetch_add(1, Ordering::Relaxed) < 2;
        ready(if fails { Err(BoxError::from("no token today")) } else { Ok(attempt) })
    };
    let (mut world, client) = world(|builder| builder.before_connect(hook.clone()));
    let error = world.finish(client.connect()).unwrap_err();
    assert_eq!(lost(&error).kind, LostKind::Hook);
    assert!(error.to_string().contains("no token today"), "{error}");
    assert_eq!(world.resolved.len(), 0, "nothing was begun");

    calls.store(0, Ordering::Relaxed);
    let (mut world, client) = self::world(|builder| builder.retry_first(true).before_connect(hook));
    world.finish(client.connect()).unwrap();
    assert_eq!((calls.load(Ordering::Relaxed), world.dialled.len()), (3, 1));
}

// R: CON-11
#[test]
fn what_no_connect_can_have_is_its_error() {
    let (mut world, client) = world(|builder| {
        builder.before_connect(|mut attempt| {
            attempt.user_name = Some("a\0b".into());
            ready(Ok(attempt))
        })
    });
    let error = world.finish(client.connect()).unwrap_err();
    assert_eq!(lost(&error).kind, LostKind::Hook);
    assert!(error.to_string().contains("user name"), "{error}");
}

/// Never ready, and tells when it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Future for Waiting {
    type Output = Result<ConnectAttempt, BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// R: CON-05, CON-11
#[test]
fn a_hook_that_never_ends_meets_the_connect_time_out() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let drops = dropped.clone();
    let (mut world, client) = world(|builder| {
        let builder = builder.connect_timeout(Duration::from_secs(7));
        builder.before_connect(move |_| Waiting(drops.clone()))
    });
    let begin = world.now;
    let error = world.finish(client.connect()).unwrap_err();
    assert!(matches!(error, ConnectError::Closed(Cause::Timeout(Timer::Connect))), "{error}");
    assert_eq!(world.now - begin, Duration::from_secs(7));
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

// R: CON-11
#[test]
fn closing_the_client_drops_what_the_hook_is_at() {
    for drop_client in [false, true] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let drops = dropped.clone();
        let (mut world, client) = world(|builder| builder.before_connect(move |_| Waiting(drops.clone())));
        let mut connecting = Box::pin(client.connect());
        assert!(poll(&mut connecting).is_pending());
        world.settle();
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
        drop(connecting);
        if drop_client {
            drop(client);
            world.settle();
            assert!(world.engine.is_none());
        } else {
            // There is nothing to say goodbye to.
            let _ = world.finish(client.disconnect());
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }
}

// R: CON-11
#[test]
fn a_hook_that_can_go_on_wakes_the_driver() {
    let slot: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
    let shared = slot.clone();
    let (mut world, client) = world(|builder| {
        builder.before_connect(move |attempt| {
            let shared = shared.clone();
            async move {
                poll_fn(|cx| {
                    let mut slot = shared.lock().unwrap();
                    slot.1 = Some(cx.waker().clone());
                    if slot.0 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                Ok(attempt)
            }
        })
    });
    let mut connecting = Box::pin(client.connect());
    assert!(poll(&mut connecting).is_pending());
    world.settle();
    world.wakes.take();
    let waker = slot.lock().unwrap().1.clone().expect("it waits");
    // Woken for nothing, it goes on waiting.
    waker.wake_by_ref();
    assert_eq!(world.wakes.take(), 1);
    world.settle();
    assert!(poll(&mut connecting).is_pending());
    slot.lock().unwrap().0 = true;
    waker.wake_by_ref();
    waker.wake();
    assert_eq!(world.wakes.take(), 1, "once is enough");
    world.finish(connecting).unwrap();
}

// R: CON-11
#[test]
fn the_hook_may_use_the_client_itself() {
    let slot: Arc<Mutex<Option<Client>>> = Arc::default();
    let shared = slot.clone();
    let (mut world, client) = world(|builder| {
        builder.before_connect(move |attempt| {
            let queued =
                shared.lock().unwrap().as_ref().map(|client| client.publish("a", "x").send().is_ok());
            assert_eq!(queued, Some(true));
            ready(Ok(attempt))
        })
    });
    *slot.lock().unwrap() = Some(client.clone());
    world.finish(client.connect()).unwrap();
    world.settle();
    assert_eq!(world.received(PacketType::Publish).len(), 1);
    slot.lock().unwrap().take();
}

// R: CON-11
#[test]
fn a_reconnect_that_is_asked_for_begins_the_hook_anew() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let (mut world, client) = world(|builder| {
        builder.retry_first(true).connect_timeout(Duration::from_secs(1)).before_connect(move |attempt| {
            let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if first { pending().await } else { Ok(attempt) } }
        })
    });
    world.finish(client.connect()).unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}
