//! Several servers, and servers that send the client to others.

mod world;

use std::time::Duration;

use sterna_client::{
    Cause, Client, ClientBuilder, ConnectError, Event, Events, LostKind, ProtocolVersion, UrlError,
};
use sterna_core::packet::{Packet, PacketType};
use sterna_simulator::broker::{Options, Redirect};
use world::{Bench, World};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn world(configure: impl FnOnce(ClientBuilder<Bench>) -> ClientBuilder<Bench>) -> (World, Client) {
    World::new(V5, Options::default(), configure)
}

fn send_on(world: &mut World, permanent: bool, reference: &str) {
    let redirect = Redirect { permanent, reference: reference.to_owned() };
    let now = sterna_simulator::broker::Instant::from_micros(world.now.as_micros());
    world.broker.redirect(now, world.connection(), &redirect);
}

fn lost_because(world: &mut World, events: &mut Events) -> Cause {
    loop {
        if let Event::Disconnected { cause, .. } = world.finish(events.next()).expect("the client lives") {
            return cause;
        }
    }
}

// R: CON-10
#[test]
fn servers_are_tried_in_turn_each_with_its_own_address() {
    let (mut world, client) = world(|builder| {
        builder.server("tcp://second:1884").server("mqtt://third:1885").server("mqtt://last")
    });
    world.known = vec!["third".to_owned()];
    world.finish(client.connect()).expect("the third is there");
    assert_eq!(world.resolved, ["broker:1883", "second:1884", "third:1885"]);
    // And all of them once before the client gives up.
    let (mut world, client) = self::world(|builder| builder.server("mqtt://second").shuffle_servers(true));
    world.known.clear();
    let error = world.finish(client.connect()).expect_err("nobody is there");
    assert!(matches!(error, ConnectError::Closed(Cause::Lost(lost)) if lost.kind == LostKind::Resolve));
    world.resolved.sort();
    assert_eq!(world.resolved, ["broker:1883", "second:1883"]);
}

// R: CON-07, CON-10
#[test]
fn a_server_may_have_credentials_of_its_own() {
    let (mut world, client) = world(|builder| {
        builder.user_name("anna").password("a").server("mqtt://bob@second").server("mqtt://third")
    });
    let mut events = client.events();
    for (host, credentials) in [
        ("second", (Some("bob"), None)),
        ("third", (Some("anna"), Some(&b"a"[..]))),
        ("broker", (Some("anna"), Some(b"a"))),
    ] {
        world.known = vec![host.to_owned()];
        world.finish(client.connect()).expect("connected");
        let records = world.received(PacketType::Connect);
        let Packet::Connect(connect) = records[records.len() - 1].packet() else { panic!() };
        assert_eq!((connect.user_name, connect.password), credentials, "{host}");
        world.cut();
        lost_because(&mut world, &mut events);
    }
}

// R: CON-10
#[test]
fn a_further_server_has_no_client_of_its_own() {
    let bench = Bench::default();
    let build = |url: &str| ClientBuilder::new("mqtt://first", bench.clone()).server(url).build();
    assert!(matches!(build("mqtt://second?clientId=x"), Err(ConnectError::Url(UrlError::Query(_)))));
    assert!(matches!(build("second"), Err(ConnectError::Url(UrlError::NoScheme))));
}

// R: CON-13
#[test]
fn a_redirection_is_followed_where_that_is_allowed() {
    let (mut world, client) = world(|builder| builder.redirects(2));
    world.known.push("other".to_owned());
    world.finish(client.connect()).unwrap();
    send_on(&mut world, false, "nowhere other:1884");
    world.finish(client.publish("t", "x").qos(sterna_client::QoS::AtLeastOnce)).expect("sent there");
    assert_eq!(world.resolved, ["broker:1883", "nowhere:1883", "other:1884"]);
    // For one connection.
    world.pass(Duration::from_secs(20));
    world.cut();
    world.finish(client.connect()).unwrap();
    world.pass(Duration::from_secs(20));
    assert_eq!(world.resolved.last().map(String::as_str), Some("broker:1883"));
    // For good.
    send_on(&mut world, true, "other");
    for _ in 0..2 {
        world.pass(Duration::from_secs(20));
        assert_eq!(world.resolved.pop().as_deref(), Some("other:1883"));
        world.cut();
    }
}

// R: CON-13
#[test]
fn a_redirection_never_leaves_the_transport() {
    let (mut world, client) = world(|builder| builder.redirects(9));
    let mut events = client.events();
    world.finish(client.connect()).unwrap();
    send_on(&mut world, true, "ws://broker");
    assert!(matches!(lost_because(&mut world, &mut events), Cause::ServerDisconnected(_)));
    let Cause::Lost(lost) = lost_because(&mut world, &mut events) else { panic!() };
    assert_eq!(lost.kind, LostKind::Resolve);
    assert!(lost.detail.contains("ws://broker"), "{lost}");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.resolved, ["broker:1883", "broker:1883"], "back where it came from");
}

// R: CON-13
#[test]
fn without_the_option_it_is_a_refusal() {
    let options = Options {
        redirect: Some(Redirect { permanent: true, reference: "other".to_owned() }),
        ..Options::default()
    };
    let (mut world, client) = World::new(V5, options, |builder| builder.retry_first(true));
    let error = world.finish(client.connect()).expect_err("refused");
    assert!(matches!(error, ConnectError::Closed(Cause::Refused(_))), "{error}");
    assert_eq!(world.resolved, ["broker:1883"]);
}
