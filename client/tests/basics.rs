//! One client against the broker, in each version: what everybody uses.

mod world;

use sterna_client::{
    Acker, Client, Connecting, Delivery, Disconnecting, Engine, Enqueuing, Events, Message, Messages,
    ProtocolVersion, Publishing, QoS, Subscribing, Subscription, Unsubscribing,
};
use sterna_simulator::broker::Options;
use world::World;

const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V3_1, ProtocolVersion::V3_1_1, ProtocolVersion::V5];

// R: PUB-01, SUB-01, REC-10
#[test]
fn publish_and_subscribe_at_each_qos() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut world, client) = World::connected(version, Options::default(), |builder| builder);
            let mut inbox = world.finish(client.subscribe("a/+").qos(QoS::ExactlyOnce)).unwrap();
            for n in 0..3 {
                let payload = format!("message {n}");
                world.finish(client.publish("a/b", payload).qos(qos)).unwrap();
            }
            for n in 0..3 {
                let message = world.finish(inbox.next()).unwrap();
                assert_eq!(message.topic(), "a/b");
                assert_eq!(message.text(), Ok(&*format!("message {n}")));
                assert_eq!(message.qos(), qos);
            }
            world.finish(client.disconnect()).unwrap();
            assert!(world.finish(inbox.next()).is_none());
        }
    }
}

#[test]
fn everything_goes_to_any_task() {
    fn spawns<T: Send + Unpin + 'static>() {}
    fn shared<T: Sync>() {}
    spawns::<Client>();
    shared::<Client>();
    spawns::<Publishing<'static>>();
    spawns::<Enqueuing<'static>>();
    spawns::<Delivery>();
    spawns::<Subscribing>();
    spawns::<Unsubscribing>();
    spawns::<Connecting>();
    spawns::<Disconnecting>();
    spawns::<Subscription>();
    spawns::<Messages>();
    spawns::<Events>();
    spawns::<Message>();
    shared::<Message>();
    spawns::<Acker>();
    spawns::<Engine>();
}
