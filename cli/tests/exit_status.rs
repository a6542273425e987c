//! What `sterna pub` and `sterna sub` say and exit with when they cannot do their work.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sterna_core::packet::{PacketType, ReasonCode};
use sterna_simulator::broker::{Credentials, Fault, OnReceive, Options};

use support::{Broker, VERSIONS, publish, sterna, sterna_with, subscriber};

fn refuse(broker: &Broker, packet: PacketType, reason: ReasonCode) {
    broker.model.with(|model, _| model.add_fault(Fault::receiving(packet, OnReceive::Answer(reason))));
}

// R: CLI-01
#[test]
fn a_refused_connection_gives_the_code_of_connack() {
    let v3 = [
        (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode::SERVER_UNAVAILABLE, 3),
        (ReasonCode::BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode::NOT_AUTHORIZED, 5),
    ];
    let v5 = v3.map(|(reason, _)| (reason, i32::from(reason.value())));
    let only_v5 = [(ReasonCode::BANNED, 0x8A), (ReasonCode::CONNECTION_RATE_EXCEEDED, 0x9F)];
    for (version, codes) in [("3.1", &v3[..]), ("3.1.1", &v3), ("5", &v5), ("5", &only_v5)] {
        for &(reason, status) in codes {
            let broker = Broker::start();
            refuse(&broker, PacketType::Connect, reason);
            let url = broker.url();
            for command in [&["pub", "-m", "x"][..], &["sub"]] {
                let arguments = [command, &[&url, "-t", "a", "-V", version]].concat();
                let ended = sterna(&arguments).expect(status);
                let said = ended.error();
                assert!(said.contains("refused") && said.contains(&reason.to_string()), "{said}");
            }
        }
    }
}

// R: CLI-01
#[test]
fn the_code_is_that_of_the_version_in_the_end() {
    let credentials = Credentials::default().allow("ann", "secret");
    for (maximum_version, status) in [
        (sterna_core::packet::ProtocolVersion::V3_1_1, [5, 4]),
        (sterna_core::packet::ProtocolVersion::V5, [135, 134]),
    ] {
        let broker =
            Broker::with(Options { maximum_version, credentials: credentials.clone(), ..Options::default() });
        let url = broker.url();
        let codes = [&[][..], &["-u", "ann", "-P", "wrong"]].map(|options| {
            sterna(&[&["pub", &url, "-t", "a", "-m", "x"], options].concat()).status.expect("it exits")
        });
        assert!(codes.iter().all(|code| status.contains(code)), "{maximum_version}: {codes:?}");
        publish(&broker, &["-u", "ann", "-P", "secret", "-t", "a", "-m", "x"]);
    }
}

// R: CLI-01
#[test]
fn no_server_is_a_failure_at_once() {
    // Bound and not listening: nobody else gets the port.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
    let port = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port();
    let url = format!("mqtt://127.0.0.1:{port}");
    let started = Instant::now();
    for command in [&["pub", "-m", "x"][..], &["sub"]] {
        let ended = sterna(&[command, &[&url, "-t", "a"]].concat()).expect(1);
        assert!(ended.error().starts_with("cannot connect"), "{ended:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

// R: CLI-01
#[test]
fn a_wrong_command_line_is_told_before_anything_is_sent() {
    let broker = Broker::start();
    let url = broker.url();
    let with_topic = format!("{url}/a");
    let wrong: &[&[&str]] = &[
        &["pub", &url, "-t", "a"],
        &["pub", &url, "-m", "x"],
        &["pub", &url, "-t", "a", "-m", "x", "-n"],
        &["pub", &url, "-t", "a/#", "-m", "x"],
        &["pub", &url, "-t", "", "-m", "x"],
        &["pub", &url, "-t", "a", "-m", "x", "-q", "3"],
        &["pub", &url, "-t", "a", "-m", "x", "-V", "4"],
        &["pub", &url, "-t", "a", "-m", "x", "-c"],
        &["pub", &url, "-t", "a", "-m", "x", "-x", "-1"],
        &["pub", &url, "-t", "a", "-m", "x", "-x", "5", "-V", "3.1.1"],
        &["pub", &url, "-t", "a", "-m", "x", "-D", "publish", "content-type", "b", "-V", "3.1"],
        &["pub", &url, "-t", "a", "-m", "x", "-D", "subscribe", "user-property", "k", "v"],
        &["pub", &url, "-t", "a", "-m", "x", "-P", "secret", "-V", "3.1.1"],
        &["pub", &url, "-t", "a", "-m", "x", "-i", "an identifier too long for MQTT 3.1", "-V", "3.1"],
        &["pub", &url, "-t", "a", "-m", "x", "-L", &url],
        &["pub", &url, "-t", "a", "-m", "x", "-h", "localhost"],
        &["pub", &url, "-t", "a", "-m", "x", "--will-payload", "y"],
        &["pub", &url, "-t", "a", "-m", "x", "--will-topic", "+"],
        &["pub", &with_topic, "-t", "a", "-m", "x"],
        &["pub", "-L", "http://localhost/a", "-m", "x"],
        &["pub", "localhost", "-t", "a", "-m", "x"],
        &["pub", "-h", "mqtt://localhost", "-t", "a", "-m", "x"],
        &["pub", "-p", "0", "-t", "a", "-m", "x"],
        &["sub", &url],
        &["sub", &url, "-t", "a/#/b"],
        &["sub", &url, "-t", "a", "-T", "#b"],
        &["sub", &url, "-t", "a", "-U", ""],
        &["sub", &url, "-t", "a", "-C", "0"],
        &["sub", &url, "-t", "a", "-W", "0"],
        &["sub", &url, "-t", "a", "-R", "--retained-only"],
        &["sub", &url, "-t", "a", "--nonsense"],
        &["nonsense"],
        &[],
    ];
    for arguments in wrong {
        let ended = sterna(arguments);
        assert_eq!(ended.status, Some(2), "{arguments:?}: {ended:?}");
        if !arguments.is_empty() {
            ended.error();
        }
        assert!(ended.output.is_empty(), "{arguments:?}: {ended:?}");
    }
    assert_eq!(broker.model.with(|model, _| model.records().count()), 0);
}

// R: CLI-01
#[test]
fn a_refused_publish_fails_and_says_why() {
    for qos in ["1", "2"] {
        let broker = Broker::start();
        refuse(&broker, PacketType::Publish, ReasonCode::NOT_AUTHORIZED);
        let ended = sterna(&["pub", &broker.url(), "-t", "a", "-m", "x", "-q", qos, "-W", "60"]).expect(1);
        assert_eq!(ended.error(), "publish failed: the server refused: Not authorized (0x87)");
    }
}

// R: CLI-01
#[test]
fn one_refused_line_of_many_fails_alone() {
    let broker = Broker::start();
    let sub = subscriber(&broker, &["-t", "a", "-q", "1", "-C", "2"]);
    let refusal = OnReceive::Answer(ReasonCode::QUOTA_EXCEEDED);
    broker
        .model
        .with(|model, _| model.add_fault(Fault::receiving(PacketType::Publish, refusal).after(1).times(1)));
    let arguments = ["pub", &broker.url(), "-t", "a", "-l", "-q", "1", "-W", "60"];
    let ended = sterna_with(&arguments, b"one\ntwo\nthree\n").expect(1);
    assert_eq!(
        ended.errors,
        ["sterna: line 2: the server refused: Quota exceeded (0x97)", "sterna: 1 of 3 lines failed"]
    );
    assert_eq!(sub.end().expect(0).text(), "one\nthree\n");
}

// R: CLI-01
#[test]
fn a_refused_subscription_fails_and_says_why() {
    for version in VERSIONS {
        let broker = Broker::start();
        refuse(&broker, PacketType::Subscribe, ReasonCode::NOT_AUTHORIZED);
        let arguments = ["sub", &broker.url(), "-t", "a", "-t", "b", "-V", version, "-W", "60"];
        let ended = sterna(&arguments).expect(1);
        let reason = if version == "5" { "Not authorized (0x87)" } else { "Unspecified error (0x80)" };
        assert_eq!(ended.error(), format!("the server refused the subscription: {reason}, {reason}"));
    }
}

// R: CLI-01
#[test]
fn a_subscription_that_is_refused_in_part_goes_on() {
    let broker = Broker::with(Options { wildcard_subscription_available: false, ..Options::default() });
    // The client knows from CONNACK that 5.0 refuses wildcards; on 3.1.1 the server says so itself.
    let mut sub = subscriber(&broker, &["-t", "a", "-t", "b/#", "-q", "1", "-C", "1", "-V", "3.1.1"]);
    sub.wait_to_say("the server refused the subscription to b/#");
    publish(&broker, &["-t", "a", "-m", "x", "-q", "1"]);
    assert_eq!(sub.end().expect(0).text(), "x\n");

    let ended = sterna(&["sub", &broker.url(), "-t", "b/#", "-V", "5", "-W", "60"]).expect(1);
    assert!(ended.error().contains("wildcard"), "{ended:?}");
}

// R: CLI-01
#[test]
fn a_server_that_says_nothing_is_given_up() {
    let broker = Broker::start();
    let silence = Fault::receiving(PacketType::Connect, OnReceive::Discard);
    broker.model.with(|model, _| model.add_fault(silence));
    for command in [&["pub", "-m", "x"][..], &["sub"]] {
        let ended = sterna(&[command, &[&broker.url(), "-t", "a", "-W", "1"]].concat()).expect(27);
        assert_eq!(ended.error(), "timed out after 1 s");
    }
}
