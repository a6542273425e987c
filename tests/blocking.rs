//! The blocking client on a real Mosquitto; the calls are those of an application.

mod support;

use std::time::Duration;

use sterna::blocking::{Runtime, Subscription};
use sterna::{Blocking, ClientBuilder, Event, ProtocolVersion, QoS, Reconnect, VersionPolicy};

use crate::support::mosquitto::{Mosquitto, Persistence};

/// A time-out that only a hang reaches.
const LIMIT: Duration = Duration::from_secs(60);

/// With a thread for the client, and without.
fn builders(url: &str) -> [ClientBuilder<Runtime, Blocking>; 2] {
    let reconnect = Reconnect { initial: Duration::from_millis(50), ..Reconnect::default() };
    let builder = || sterna::blocking::builder(url).reconnect(reconnect);
    [builder(), builder().on_this_thread()]
}

fn next_text(subscription: &mut Subscription) -> String {
    subscription.recv_timeout(LIMIT).unwrap().text().unwrap().to_owned()
}

// R: RUN-03
#[test]
fn every_quality_of_service_in_each_version() {
    let broker = Mosquitto::anonymous();
    for version in [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        for builder in builders(&broker.url()) {
            let client = builder.version(VersionPolicy::Only(version)).connect().unwrap();
            let mut inbox = client.subscribe("a/+").qos(QoS::ExactlyOnce).wait().unwrap();
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                client.publish("a/b", "x".repeat(200_000)).qos(qos).wait().unwrap();
                let message = inbox.recv_timeout(LIMIT).unwrap();
                assert_eq!((message.qos(), message.payload().len()), (qos, 200_000));
            }
            inbox.unsubscribe().wait().unwrap();
            client.disconnect().wait().unwrap();
        }
    }
}

// R: RUN-03, REC-01
#[test]
fn it_comes_back_after_a_restart_and_requests_are_answered() {
    let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
    for (index, builder) in builders(&broker.url()).into_iter().enumerate() {
        let client = builder.client_id(format!("blocking{index}")).persistent().connect().unwrap();
        let mut events = client.events();
        let mut inbox = client.subscribe("a").qos(QoS::ExactlyOnce).wait().unwrap();
        broker.stop();
        while events.recv_timeout(LIMIT).unwrap() != Event::Offline {}
        let delivery = client.publish("a", "while it was gone").qos(QoS::ExactlyOnce).send().unwrap();
        broker.start();
        delivery.wait_timeout(LIMIT).unwrap().unwrap();
        assert_eq!(next_text(&mut inbox), "while it was gone");

        let mut requests = client.subscribe("time").qos(QoS::AtLeastOnce).wait().unwrap();
        let asker = client.clone();
        let answer = std::thread::spawn(move || asker.request("time", "now").wait().unwrap());
        let request = requests.recv_timeout(LIMIT).unwrap();
        client.call(request.respond("half past ten").unwrap()).wait().unwrap();
        assert_eq!(answer.join().unwrap().text(), Ok("half past ten"));
        client.disconnect().wait().unwrap();
    }
}
