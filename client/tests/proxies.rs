//! A pipe between the engine and the network: a proxy, played by the test.
#![cfg(feature = "proxy")]

mod world;

use std::time::Duration;

use sterna_client::{
    Cause, Client, ClientBuilder, ConnectError, LostKind, ProtocolVersion, Proxy, QoS, Transport,
};
use sterna_core::Timer;
use sterna_simulator::broker::Options;
use world::{Bench, Gate, World};

const V5: ProtocolVersion = ProtocolVersion::V5;

fn world(proxy: &str, gate: Gate) -> (World, Client) {
    let proxy = Proxy::parse(proxy).unwrap();
    let (mut world, client) = World::new(V5, Options::default(), |builder| builder.proxy(proxy));
    world.gate = Some(gate);
    world.known = vec!["proxy".to_owned(), "broker".to_owned()];
    (world, client)
}

/// Answers a request for a tunnel.
fn http(answer: &'static str) -> Gate {
    Box::new(move |request| {
        let request = std::str::from_utf8(request).unwrap();
        request.ends_with("\r\n\r\n").then(|| {
            assert!(request.starts_with("CONNECT broker:1883 HTTP/1.1\r\n"), "{request}");
            answer.as_bytes().to_vec()
        })
    })
}

fn lost(error: &ConnectError) -> &sterna_client::Lost {
    let ConnectError::Closed(Cause::Lost(lost)) = error else { panic!("{error}") };
    lost
}

// R: CON-15
#[test]
fn connect_follows_the_hand_shake_of_the_proxy() {
    let (mut world, client) = world("http://proxy:3128", http("HTTP/1.1 200 OK\r\n\r\n"));
    world.finish(client.connect()).unwrap();
    assert_eq!(world.resolved, ["proxy:3128"], "the server's name is the proxy's to resolve");
    world.write_limit = 10;
    world.finish(client.publish("a", vec![7; 100_000]).qos(QoS::ExactlyOnce)).unwrap();
    let mut stream = world.finish(client.subscribe("b")).unwrap();
    world.finish(client.publish("b", vec![8; 500_000])).unwrap();
    assert_eq!(world.finish(stream.next()).unwrap().payload().len(), 500_000);
    // A reconnect goes through it as well.
    world.cut();
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
    assert_eq!(world.resolved.len(), 2);
    world.finish(client.disconnect()).unwrap();
}

// R: SUB-07
#[test]
fn what_nobody_reads_stays_in_the_network() {
    let proxy = Proxy::parse("http://proxy:3128").unwrap();
    let (mut world, client) = World::new(V5, Options::default(), |builder| {
        builder.proxy(proxy).incoming_limit(10, 1 << 20).incoming_reserve(64 << 10)
    });
    world.gate = Some(http("HTTP/1.1 200 OK\r\n\r\n"));
    world.known.push("proxy".to_owned());
    world.finish(client.connect()).unwrap();
    let mut unread = world.finish(client.subscribe("a")).unwrap();
    world.flood("a", world::numbers(100_000));
    world.settle();
    let statistics = client.statistics();
    assert_eq!(statistics.backlog, 10);
    // What was read and not taken is at most one read beyond that.
    assert!(world.unread() > 500_000, "{} bytes stay there", world.unread());
    for n in 0..100_000 {
        assert_eq!(world.finish(unread.next()).unwrap().text(), Ok(&*n.to_string()));
    }
}

// R: CON-15
#[test]
fn a_proxy_that_refuses_says_why() {
    let (mut world, client) =
        world("http://proxy:3128", http("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    let error = world.finish(client.connect()).unwrap_err();
    assert_eq!(lost(&error).kind, LostKind::Proxy);
    assert!(error.to_string().contains("credentials"), "{error}");
}

// R: CON-05
#[test]
fn a_hand_shake_that_never_ends_meets_the_connect_time_out() {
    let (mut world, client) = world("http://proxy:3128", Box::new(|_| None));
    let begin = world.now;
    let error = world.finish(client.connect()).unwrap_err();
    assert!(matches!(error, ConnectError::Closed(Cause::Timeout(Timer::Connect))), "{error}");
    assert_eq!(world.now - begin, Duration::from_secs(30));
    assert_eq!(world.closes, 1);
}

// R: CON-15
#[test]
fn a_proxy_that_hangs_up_in_the_hand_shake_is_told_of() {
    let (mut world, client) = world("http://proxy:3128", Box::new(|_| None));
    let mut connecting = Box::pin(client.connect());
    assert!(world::poll(&mut connecting).is_pending());
    world.settle();
    world.cut();
    let error = world.finish(connecting).unwrap_err();
    assert_eq!(lost(&error).kind, LostKind::Proxy);
}

// R: CON-15
#[test]
fn a_proxy_that_wants_an_address_gets_it() {
    let gate: Gate = Box::new(|request| match request.len() {
        3 => Some(vec![5, 0]),
        13 => {
            assert_eq!(request[3..], [5, 1, 0, 1, 10, 0, 0, 0, 0x07, 0x5b], "the server's first address");
            Some(vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        }
        _ => None,
    });
    let (mut world, client) = world("socks5://proxy", gate);
    world.gate_answers = 2;
    world.finish(client.connect()).unwrap();
    assert_eq!(world.resolved, ["broker:1883", "proxy:1080"]);
    world.finish(client.publish("a", "x").qos(QoS::AtLeastOnce)).unwrap();
}

// R: CON-11, CON-15
#[test]
fn the_hook_chooses_the_proxy() {
    let (mut world, client) = World::new(V5, Options::default(), |builder| {
        builder.before_connect(|mut attempt| async move {
            attempt.transport.proxies = Proxy::parse("http://proxy:8080")?.into();
            Ok(attempt)
        })
    });
    world.gate = Some(http("HTTP/1.1 200 OK\r\n\r\n"));
    world.known = vec!["proxy".to_owned()];
    world.finish(client.connect()).unwrap();
    assert_eq!(world.resolved, ["proxy:8080"]);
}

// R: CON-01
#[test]
fn what_contradicts_itself_is_an_error_before_any_io() {
    let builder = |url: &str| ClientBuilder::new(url, Bench::default());
    #[cfg(feature = "tls")]
    {
        let tls = sterna_client::TlsOptions::new().alpn(["mqtt"]);
        let error = builder("mqtt://broker").tls(tls).build().unwrap_err();
        assert!(matches!(error, ConnectError::Transport(_)), "{error}");
    }
    #[cfg(feature = "websocket")]
    {
        let websocket = sterna_client::WebSocketOptions::new().header("a", "b");
        let error = builder("mqtt://broker").websocket(websocket).build().unwrap_err();
        assert!(matches!(error, ConnectError::Contradiction(_)), "{error}");
        let websocket = sterna_client::WebSocketOptions::new().header("a b", "b");
        let error = builder("ws://broker").websocket(websocket).build().unwrap_err();
        assert!(matches!(error, ConnectError::Transport(_)), "{error}");
    }
    #[cfg(all(unix, feature = "unix"))]
    {
        let socket =
            sterna_client::SocketOptions { keepalive: true, ..sterna_client::SocketOptions::default() };
        let error = builder("unix:///run/mqtt").socket(socket).build().unwrap_err();
        assert!(matches!(error, ConnectError::Contradiction(_)), "{error}");
    }
    assert!(Transport::Tcp.is_supported());
    builder("mqtt://broker").build().unwrap();
}
