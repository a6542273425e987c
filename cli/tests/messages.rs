//! `sterna pub` and `sterna sub` with each other, by way of the test broker.

mod support;

use std::fs;
use std::path::Path;

use sterna_core::packet::{Packet, PacketType, ProtocolVersion, QoS};
use sterna_simulator::broker::Options;

use support::{Broker, Sterna, VERSIONS, publish, publish_with, sterna, subscriber};

// R: CLI-01
#[test]
fn each_version_and_quality_of_service_arrives() {
    for version in VERSIONS {
        for qos in ["0", "1", "2"] {
            let broker = Broker::start();
            let sub = subscriber(&broker, &["-t", "a/#", "-q", qos, "-V", version, "-C", "2"]);
            publish(&broker, &["-i", "pub", "-t", "a/b", "-m", "Hello mqtt", "-q", qos, "-V", version]);
            publish(&broker, &["-t", "a", "-m", "-7", "-q", qos, "-V", version]);
            assert_eq!(sub.end().expect(0).text(), "Hello mqtt\n-7\n", "MQTT {version}, QoS {qos}");

            let record = broker.wait_for("pub", PacketType::Publish, 1);
            assert_eq!(record.version.to_string().trim_end_matches(".0"), version);
            let Packet::Publish(publish) = record.packet() else { panic!("{record:?}") };
            assert_eq!((publish.qos as u8).to_string(), qos);
            broker.wait_for("pub", PacketType::Disconnect, 1);
            broker.wait_for("sub", PacketType::Disconnect, 1);
        }
    }
}

// R: CLI-01
#[test]
fn without_a_version_the_newest_that_the_server_speaks_is_used() {
    for newest in [ProtocolVersion::V5, ProtocolVersion::V3_1_1] {
        let broker = Broker::with(Options { maximum_version: newest, ..Options::default() });
        publish(&broker, &["-i", "pub", "-t", "a", "-m", "x", "-q", "1"]);
        assert_eq!(broker.wait_for("pub", PacketType::Publish, 1).version, newest);
    }
}

// R: CLI-01
#[test]
fn retained_messages_are_set_and_removed() {
    for version in VERSIONS {
        let broker = Broker::start();
        publish(&broker, &["-t", "a", "-m", "kept", "-r", "-q", "1", "-V", version]);
        let sub = subscriber(&broker, &["-t", "a", "-C", "1", "-V", version]);
        assert_eq!(sub.end().expect(0).text(), "kept\n");

        publish(&broker, &["-t", "a", "-n", "-r", "-q", "1", "-V", version]);
        let url = broker.url();
        let ended = sterna(&["sub", &url, "-t", "a", "-W", "1", "-V", version]).expect(27);
        assert_eq!((ended.text(), ended.error()), ("", "timed out after 1 s"));
    }
}

// R: CLI-01
#[test]
fn payloads_come_from_lines_standard_input_and_files() {
    let broker = Broker::start();
    let sub = subscriber(&broker, &["-t", "a", "-q", "2", "-C", "8", "-N", "-v"]);
    for qos in ["0", "1", "2"] {
        publish_with(&broker, &["-t", "a", "-l", "-q", qos], b"one\ntwo");
    }
    publish_with(&broker, &["-t", "a", "-s"], b"line\n\xFFline\n");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("payload");
    fs::write(&file, b"a\0file\n").expect("a file is written");
    publish(&broker, &["-t", "a", "-f", file.to_str().expect("a path in text")]);
    let lines = b"a onea two".repeat(3);
    assert_eq!(sub.end().expect(0).output, [&lines[..], b"a line\n\xFFline\na a\0file\n"].concat());

    let ended = sterna(&["pub", &broker.url(), "-t", "a", "-f", "/nonexistent"]).expect(1);
    assert!(ended.error().starts_with("/nonexistent: "), "{ended:?}");
}

// R: PUB-01
#[test]
fn ten_thousand_lines_arrive_in_order() {
    let broker = Broker::start();
    let sub = subscriber(&broker, &["-t", "a", "-q", "1", "-C", "10000"]);
    let lines: String = (0..10_000).map(|number| number.to_string() + "\n").collect();
    std::thread::scope(|scope| {
        // The subscriber's output is read meanwhile.
        scope.spawn(|| publish_with(&broker, &["-t", "a", "-l", "-q", "1"], lines.as_bytes()));
        assert_eq!(sub.end().expect(0).text(), lines);
    });
}

// R: CLI-02
#[test]
fn output_is_chosen() {
    let broker = Broker::start();
    for (topic, payload) in [("a/old", "1"), ("a/other/old", "2")] {
        publish(&broker, &["-t", topic, "-m", payload, "-r", "-q", "1"]);
    }
    let url = broker.url();
    let start = |id: &str, options: &[&str]| {
        let mut all = vec!["sub", &url, "-t", "a/#", "-i", id, "-W", "60"];
        all.extend(options);
        let sub = Sterna::start(&all);
        broker.wait_for(id, PacketType::Subscribe, 1);
        sub
    };
    let all = start("all", &["-v", "-C", "4"]);
    let fresh = start("fresh", &["-R", "-C", "2"]);
    let rest = start("rest", &["-T", "a/other/#", "-C", "2"]);
    let retained = start("retained", &["--retained-only"]);
    publish(&broker, &["-t", "a/other/new", "-m", "3", "-q", "1"]);
    publish(&broker, &["-t", "a/new", "-m", "4", "-q", "1"]);
    assert_eq!(all.end().expect(0).text(), "a/old 1\na/other/old 2\na/other/new 3\na/new 4\n");
    assert_eq!(fresh.end().expect(0).text(), "3\n4\n");
    assert_eq!(rest.end().expect(0).text(), "1\n4\n");
    assert_eq!(retained.end().expect(0).text(), "1\n2\n");
}

// R: CLI-02
#[test]
fn topics_are_unsubscribed() {
    let broker = Broker::start();
    let sub = subscriber(&broker, &["-t", "a", "-t", "b", "-U", "a", "-q", "1", "-C", "1", "-v"]);
    broker.wait_for("sub", PacketType::Unsubscribe, 1);
    publish(&broker, &["-t", "a", "-m", "x", "-q", "1"]);
    publish(&broker, &["-t", "b", "-m", "y", "-q", "1"]);
    assert_eq!(sub.end().expect(0).text(), "b y\n");
}

// R: CLI-01
#[test]
fn a_url_says_it_all() {
    let broker = Broker::with(Options {
        credentials: sterna_simulator::broker::Credentials::default().allow("ann", "a:b"),
        ..Options::default()
    });
    let address = broker.model.address();
    let url = format!("mqtt://ann:a%3Ab@{address}/a/#");
    let sub = Sterna::start(&["sub", &url, "-i", "sub", "-q", "1", "-C", "2", "-v", "-W", "60"]);
    broker.wait_for("sub", PacketType::Subscribe, 1);
    let url = format!("mqtt://ann:a%3Ab@{address}/a/b?c");
    sterna(&["pub", "-L", &url, "-m", "x", "-q", "1"]).expect(0);
    let port = broker.port();
    sterna(&[
        "pub",
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "-u",
        "ann",
        "-P",
        "a:b",
        "-t",
        "a",
        "-m",
        "y",
        "-q",
        "1",
    ])
    .expect(0);
    assert_eq!(sub.end().expect(0).text(), "a/b?c x\na y\n");
}

// R: CLI-01
#[test]
fn a_session_is_kept_only_on_request() {
    for version in VERSIONS {
        let broker = Broker::start();
        let url = broker.url();
        let sub = |options: &[&str]| {
            let mut all = vec!["sub", &url, "-i", "s", "-t", "a", "-q", "1", "-V", version, "-W", "60"];
            all.extend(options);
            sterna(&all)
        };
        // Subscribed, and gone with the first message.
        publish(&broker, &["-t", "a", "-m", "retained", "-r", "-q", "1"]);
        sub(&["-C", "1"]).expect(0);
        assert!(!broker.model.with(|model, _| model.has_session("s")), "MQTT {version}");
        sub(&["-C", "1", "-c"]).expect(0);
        assert!(broker.model.with(|model, _| model.has_session("s")), "MQTT {version}");
        publish(&broker, &["-t", "a", "-n", "-r", "-q", "1"]);
        publish(&broker, &["-t", "a", "-m", "while away", "-q", "1"]);
        let ended = sub(&["-C", "2", "-c"]).expect(0);
        assert_eq!(ended.text(), "\nwhile away\n", "MQTT {version}");

        // Whatever the session is subscribed to is printed, also without asking for it again.
        publish(&broker, &["-t", "a", "-m", "unasked", "-q", "1"]);
        let ended =
            sterna(&["sub", &url, "-i", "s", "-c", "-U", "b", "-C", "1", "-v", "-V", version, "-W", "60"]);
        assert_eq!(ended.expect(0).text(), "a unasked\n", "MQTT {version}");
    }
}

// R: CLI-01
#[test]
fn properties_and_the_will_are_sent() {
    let broker = Broker::start();
    let options =
        ["-t", "a", "-m", "x", "-D", "publish", "user-property", "k", "v", "-D", "publish", "content-type"];
    publish(&broker, &[&options[..], &["text/plain", "-i", "pub", "-q", "1", "-x", "30"]].concat());
    let record = broker.wait_for("pub", PacketType::Publish, 1);
    let Packet::Publish(publish) = record.packet() else { panic!("{record:?}") };
    assert_eq!(publish.properties.content_type(), Some("text/plain"));
    assert_eq!(publish.properties.user_properties().collect::<Vec<_>>(), [("k", "v")]);
    let record = broker.wait_for("pub", PacketType::Connect, 1);
    let Packet::Connect(connect) = record.packet() else { panic!("{record:?}") };
    assert_eq!(connect.properties.session_expiry_interval(), Some(30));

    for version in VERSIONS {
        let broker = Broker::start();
        let will = ["--will-topic", "w", "--will-payload", "gone", "--will-qos", "1", "--will-retain"];
        let mut dying = subscriber(&broker, &[&["-t", "x", "-V", version, "-d"][..], &will].concat());
        dying.wait_to_say("subscribed to x");
        drop(dying); // killed: without DISCONNECT
        let heard = sterna(&["sub", &broker.url(), "-t", "w", "-q", "1", "-C", "1", "-W", "60"]).expect(0);
        assert_eq!(heard.text(), "gone\n", "MQTT {version}");
        let record = broker.wait_for("sub", PacketType::Connect, 1);
        let Packet::Connect(connect) = record.packet() else { panic!("{record:?}") };
        let will = connect.will.expect("CONNECT has the will");
        assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
    }
}

// R: CLI-02
#[test]
fn a_closed_pipe_ends_it_quietly() {
    let broker = Broker::start();
    let mut sub = subscriber(&broker, &["-t", "a"]);
    sub.close_output();
    publish(&broker, &["-t", "a", "-m", "x"]);
    let ended = sub.end().expect(0);
    assert!(ended.errors.is_empty(), "{ended:?}");
    broker.wait_for("sub", PacketType::Disconnect, 1);
}

// R: CLI-01
#[test]
fn signals_end_it_gracefully() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let broker = Broker::start();
        let sub = subscriber(&broker, &["-t", "a"]);
        sub.signal(signal);
        sub.end().expect(0);
        broker.wait_for("sub", PacketType::Disconnect, 1);

        let mut lines = Sterna::start(&["pub", &broker.url(), "-i", "pub", "-t", "a", "-l", "-q", "1"]);
        lines.write(b"one\n");
        broker.wait_for("pub", PacketType::Publish, 1);
        lines.signal(signal);
        // Its input is open until it has ended.
        broker.wait_for("pub", PacketType::Disconnect, 1);
        assert_eq!(lines.end().expect(128 + number).error(), "interrupted before it was done");
    }
}
