//! Enhanced authentication: the authenticator takes the client's steps, for connections and re-authentications.

mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sterna_client::{
    AuthError, Authenticator, Cause, Client, ClientBuilder, ConnectError, Event, OperationError,
    ProtocolVersion, QoS, ReasonCode, ReauthenticateError,
};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Authentication, Options};
use world::{Bench, World, poll};

const V5: ProtocolVersion = ProtocolVersion::V5;
const METHOD: &str = "WATCHWORD";

/// Says what it is told to say, and notes what was said to it.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    heard: Vec<String>,
    refuses_step: bool,
    refuses_proof: bool,
    forgets: bool,
}

impl Script {
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().heard)
    }

    fn note(&self, what: &str, data: Option<&[u8]>) -> std::sync::MutexGuard<'_, Lines> {
        let mut lines = self.0.lock().unwrap();
        lines.heard.push(format!("{what} {}", String::from_utf8_lossy(data.unwrap_or(b"-"))));
        lines
    }
}

impl Authenticator for Script {
    fn start(&mut self) -> Option<Vec<u8>> {
        drop(self.note("start", None));
        Some(b"anna".to_vec())
    }

    fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
        let lines = self.note("step", challenge);
        if lines.refuses_step {
            // Not a client's to send: it leaves as an unspecified error.
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
        Ok((!lines.forgets).then(|| b"thunder".to_vec()))
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), ReasonCode> {
        let lines = self.note("finish", data);
        if lines.refuses_proof { Err(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR) } else { Ok(()) }
    }
}

fn options() -> Options {
    let exchange = Authentication::new(METHOD).step("anna", "flash").step("thunder", "proof");
    Options { authentication: Some(exchange), ..Options::default() }
}

fn world(configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>) -> (World, Client, Script) {
    let script = Script::default();
    let (world, client) =
        World::new(V5, options(), |builder| configure(builder.authentication(METHOD, script.clone())));
    (world, client, script)
}

fn connected() -> (World, Client, Script) {
    let (mut world, client, script) = world(|builder| builder);
    world.finish(client.connect()).expect("the exchange is passed");
    script.heard();
    (world, client, script)
}

const EXCHANGE: [&str; 3] = ["start -", "step flash", "finish proof"];

// R: CON-09
#[test]
fn every_connection_begins_with_an_exchange() {
    let (mut world, client, script) = world(ClientBuilder::persistent);
    let delivery = client.publish("t", "queued").qos(QoS::AtLeastOnce).send().unwrap();
    world.finish(client.connect()).expect("the exchange is passed");
    assert_eq!(script.heard(), EXCHANGE);
    world.finish(delivery).expect("sent after it");
    world.cut();
    world.finish(client.publish("t", "again").qos(QoS::AtLeastOnce)).expect("sent on the next connection");
    assert_eq!(script.heard(), EXCHANGE);
    let order: Vec<_> = world.broker.records().map(|record| record.packet().packet_type()).collect();
    let [connect, auth, publish] = [PacketType::Connect, PacketType::Auth, PacketType::Publish];
    assert_eq!(order, [connect, auth, publish, connect, auth, publish]);
}

// R: CON-09
#[test]
fn a_server_that_does_not_prove_itself_gets_nothing() {
    for refuses_proof in [false, true] {
        let (mut world, client, script) = world(|builder| builder);
        {
            let mut lines = script.0.lock().unwrap();
            lines.refuses_proof = refuses_proof;
            lines.refuses_step = !refuses_proof;
        }
        let mut events = client.events();
        drop(client.publish("t", "secret").qos(QoS::AtLeastOnce).send().unwrap());
        let Err(ConnectError::Closed(cause)) = world.finish(client.connect()) else { panic!("connected") };
        let reason = if refuses_proof {
            ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR
        } else {
            ReasonCode::UNSPECIFIED_ERROR
        };
        assert_eq!(cause, Cause::Authentication(reason));
        assert!(world.received(PacketType::Publish).is_empty());
        let mut next = Box::pin(events.next());
        assert!(matches!(world.finish(&mut next), Some(Event::Connecting { .. })));
        drop(next);
        let disconnected = world.finish(events.next());
        assert!(
            matches!(disconnected, Some(Event::Disconnected { .. })),
            "never connected: {disconnected:?}"
        );
        let Packet::Disconnect(disconnect) = world.received(PacketType::Disconnect)[0].packet() else {
            panic!()
        };
        assert_eq!(disconnect.reason, reason);
    }
}

// R: CON-09, REC-02
#[test]
fn wrong_data_is_refused_for_good() {
    let (mut world, client, script) = world(|builder| builder.retry_first(true));
    script.0.lock().unwrap().forgets = true;
    let Err(ConnectError::Closed(Cause::Refused(refusal))) = world.finish(client.connect()) else {
        panic!("not refused")
    };
    assert_eq!(refusal.reason, ReasonCode::NOT_AUTHORIZED);
    assert_eq!(world.received(PacketType::Connect).len(), 1);
}

// R: CON-09
#[test]
fn a_client_authenticates_anew_while_it_works() {
    let (mut world, client, script) = connected();
    let mut again = Box::pin(client.reauthenticate());
    assert!(poll(&mut again).is_pending());
    world.finish(client.publish("t", "meanwhile").qos(QoS::AtLeastOnce)).unwrap();
    world.finish(again).expect("the exchange is passed");
    assert_eq!(script.heard(), EXCHANGE);
    world.finish(client.reauthenticate()).expect("as often as wanted");
    assert_eq!(script.heard(), EXCHANGE);
    // Two at once: the second is told so. And one that nobody waits for goes on.
    let (mut first, mut second) = (Box::pin(client.reauthenticate()), Box::pin(client.reauthenticate()));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    assert_eq!(world.finish(second), Err(AuthError::InProgress.into()));
    drop(first);
    world.settle();
    assert_eq!(script.heard(), EXCHANGE, "and the authenticator has heard of the first only");
    assert_eq!(client.statistics().connection.reconnects, 0);
}

/// Whatever has come of the first exchange when the second is asked for, and has not been read.
// R: CON-09
#[test]
fn one_exchange_ends_before_the_next_begins() {
    let mut begun = 0;
    for turns in 0..10 {
        let (mut world, client, script) = connected();
        let (mut first, mut second) = (Box::pin(client.reauthenticate()), Box::pin(client.reauthenticate()));
        assert!(poll(&mut first).is_pending());
        for _ in 0..turns {
            world.drive();
            world.serve();
        }
        assert!(poll(&mut second).is_pending());
        world.finish(first).expect("the exchange is passed");
        match world.finish(second) {
            Ok(()) => begun += 1,
            error => assert_eq!(error, Err(AuthError::InProgress.into())),
        }
        let exchanges = script.heard();
        assert!(exchanges.chunks(EXCHANGE.len()).all(|exchange| exchange == EXCHANGE), "{exchanges:?}");
        assert_eq!(client.statistics().connection.reconnects, 0);
    }
    assert!((1..10).contains(&begun), "{begun}");
}

// R: CON-09, REC-08
#[test]
fn a_reauthentication_that_fails_says_why() {
    let (mut world, client, script) = connected();
    script.0.lock().unwrap().forgets = true;
    let Err(ReauthenticateError::Failed(OperationError::Refused(refusal))) =
        world.finish(client.reauthenticate())
    else {
        panic!("not refused")
    };
    assert_eq!(refusal.reason, ReasonCode::NOT_AUTHORIZED);

    let (mut world, client, script) = connected();
    script.0.lock().unwrap().refuses_proof = true;
    let reason = ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR;
    assert_eq!(world.finish(client.reauthenticate()), Err(ReauthenticateError::Server(reason)));
    script.0.lock().unwrap().refuses_proof = false;
    world.pass(Duration::from_secs(2));
    assert_eq!(client.statistics().connection.reconnects, 1, "the connection was made anew");

    let (mut world, client, _) = connected();
    world.cut();
    world.settle();
    assert_eq!(world.finish(client.reauthenticate()), Err(AuthError::Offline.into()));
    let waiting = client.reauthenticate();
    let mut waiting = Box::pin(waiting);
    assert!(poll(&mut waiting).is_pending());
    world.engine = None;
    assert_eq!(world.finish(waiting), Err(OperationError::Closed.into()));
    assert_eq!(world.finish(client.reauthenticate()), Err(AuthError::Closed.into()));

    let (mut world, client) = World::connected(V5, Options::default(), |builder| builder);
    assert_eq!(world.finish(client.reauthenticate()), Err(AuthError::NotConfigured.into()));
}
