//! What `sterna sub` prints, beside what the real mosquitto_sub prints for the same messages.

#[path = "../../tests/support/mod.rs"]
mod shared;
mod support;

use std::process::{Command, Stdio};

use serde_json::Value;
use shared::mosquitto::Mosquitto;
use support::{Broker, Sterna, output, publish, publish_with, sterna, sterna_with, subscriber};

/// Messages of every kind, retained, so that each subscriber gets them.
fn messages(broker: &Mosquitto) {
    let url = broker.url();
    let all: [&[&str]; 4] = [
        &["-t", "m/plain", "-m", "Hello mqtt"],
        &["-t", "m/\u{e4}/long/topic/name", "-m", "{\"a\": [1, 2], \"b\": \"\u{20ac}\"}", "-q", "1"],
        &[
            "-t",
            "m/properties",
            "-m",
            "23",
            "-q",
            "1",
            "-V",
            "5",
            "-D",
            "publish",
            "content-type",
            "text/plain",
            "-D",
            "publish",
            "correlation-data",
            "x y",
            "-D",
            "publish",
            "response-topic",
            "r/t",
            "-D",
            "publish",
            "payload-format-indicator",
            "1",
            "-D",
            "publish",
            "user-property",
            "k",
            "v",
            "-D",
            "publish",
            "user-property",
            "l",
            "w",
        ],
        // The last one: it is printed when it has come, and by mosquitto_sub when its handshake is over.
        &["-t", "m/binary", "-s", "-q", "2"],
    ];
    for options in all {
        let arguments = [&["pub", &url, "-r"], options].concat();
        sterna_with(&arguments, b"\x01\xfe\"\\\n").expect(0);
    }
}

fn mosquitto_sub(broker: &Mosquitto, options: &[&str]) -> Vec<u8> {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-p", &broker.port().to_string(), "-t", "m/#", "-q", "2", "-C", "4", "-W", "60"]);
    let heard = output(command.args(options).env("TZ", "UTC"));
    assert!(heard.status.success(), "{options:?}: {heard:?}");
    heard.stdout
}

fn sterna_sub(broker: &Mosquitto, options: &[&str]) -> Vec<u8> {
    let url = broker.url();
    let arguments = ["sub", &url, "-t", "m/#", "-q", "2", "-C", "4", "-W", "60"];
    sterna(&[&arguments[..], options].concat()).expect(0).output
}

// R: CLI-02
#[test]
fn formats_are_those_of_mosquitto_sub() {
    let broker = Mosquitto::anonymous();
    messages(&broker);
    let formats = [
        "%t|%p|%x|%X|%l|%q|%r|%%|@@|\\\\",
        "%A|%C|%D|%E|%F|%P|%R|%S|%m",
        "[%60t][%-60t][%.5t][%-30.5t][%060t][%.0t]",
        "[%7l][%07l][%-7l][%-07l][%7m][%07m]",
        "[%90p][%-90p][%090p]",
        "[%20C][%-20C][%.4C][%5F][%05F][%05E][%5S][%05A][%10R][%-.2R][%9q][%09r][%30D][%30P]",
        "a\\tb\\nc\\rd\\ve\\af\\0g\\eh",
        "@Y-@m-@d @C @D @G @j @u @V @x @y @e @b @A @a @B @h @Z @z @% @t @n @U @W @w @g @F @E @O @Q @+",
    ];
    for version in ["311", "5"] {
        for format in formats {
            let options = ["-V", version, "-F", format];
            let (theirs, ours) = (mosquitto_sub(&broker, &options), sterna_sub(&broker, &options));
            assert_eq!(
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(&theirs),
                "{format}, MQTT {version}"
            );
        }
        for options in [&["-v"][..], &["-N"], &["-v", "-N"]] {
            let options = [options, &["-V", version]].concat();
            assert_eq!(sterna_sub(&broker, &options), mosquitto_sub(&broker, &options), "{options:?}");
        }
    }
    let options = ["-V", "5", "-F", "%S [%05S] %t", "-D", "subscribe", "subscription-identifier", "7"];
    assert_eq!(sterna_sub(&broker, &options), mosquitto_sub(&broker, &options));
}

// R: CLI-02
#[test]
fn a_thousand_lines_are_those_of_mosquitto_sub() {
    let broker = Mosquitto::anonymous();
    let (url, port) = (broker.url(), broker.port().to_string());
    let lines: String = (0..1_000).map(|number| number.to_string() + " \u{e4}\n").collect();
    // Not of QoS 2: with so many mosquitto_sub 2.0.11 loses its connection for a protocol error.
    for (version, qos) in [("311", "0"), ("311", "1"), ("5", "0"), ("5", "1")] {
        let format = ["-t", "m/#", "-q", qos, "-V", version, "-C", "1000", "-F", "%t %x %q", "-W", "60"];
        let id = format!("theirs-{version}-{qos}");
        let theirs = Command::new("mosquitto_sub")
            .args([&["-p", &port, "-i", &id], &format[..]].concat())
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub is installed");
        let mut ours = Sterna::start(&[&["sub", &url, "-d"], &format[..]].concat());
        ours.wait_to_say("subscribed to m/#");
        broker.wait_for_log(&format!("Sending SUBACK to {id}"));
        let publish = ["pub", &url, "-t", "m/lines", "-l", "-q", qos];
        std::thread::scope(|scope| {
            scope.spawn(|| sterna_with(&publish, lines.as_bytes()).expect(0));
            let theirs = scope.spawn(|| theirs.wait_with_output().expect("it ends"));
            let ours = ours.end().expect(0);
            assert_eq!(ours.text().lines().count(), 1_000);
            assert_eq!(ours.output, theirs.join().expect("it ends").stdout, "MQTT {version}, QoS {qos}");
        });
    }
}

// R: CLI-02
#[test]
fn chance_chooses() {
    let broker = Broker::start();
    for topic in ["a/1", "a/2"] {
        publish(&broker, &["-t", topic, "-m", topic, "-r", "-q", "1"]);
    }
    let url = broker.url();
    let arguments = ["sub", &url, "-t", "a/#", "-C", "2", "--random-filter"];
    sterna(&[&arguments[..], &["100", "-W", "60"]].concat()).expect(0);
    assert_eq!(sterna(&[&arguments[..], &["0", "-W", "1"]].concat()).expect(27).text(), "");
    sterna(&[&arguments[..], &["101"]].concat()).expect(2).error();
}

/// The objects without the time, which is another one, and that of the message that is no text, which theirs is no JSON
/// with.
fn objects(lines: &[u8]) -> Vec<Value> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut objects: Vec<Value> = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    for object in &mut objects {
        let time = object["tst"].take();
        let time = time.as_str().expect("a time").replace('Z', "");
        assert_eq!(time.len(), "2020-05-06T22:12:00.000000+0100".len(), "{time}");
    }
    objects
}

// R: CLI-02
#[test]
fn json_is_that_of_mosquitto_sub() {
    let broker = Mosquitto::anonymous();
    messages(&broker);
    for version in ["311", "5"] {
        let (theirs, ours) = (
            objects(&mosquitto_sub(&broker, &["-V", version, "-F", "%j"])),
            objects(&sterna_sub(&broker, &["-V", version, "-F", "%j"])),
        );
        let is_text = |object: &&Value| object["topic"] != "m/binary";
        assert_eq!(
            ours.iter().filter(is_text).collect::<Vec<_>>(),
            theirs.iter().filter(is_text).collect::<Vec<_>>()
        );
        let binary = ours.iter().find(|object| object["topic"] == "m/binary").expect("it is JSON");
        assert_eq!((&binary["payload_base64"], &binary["payload"]), (&Value::from("Af4iXAo="), &Value::Null));

        let json = |lines: &[u8]| objects(lines).into_iter().filter(|object| object["payload"].is_object());
        let ours: Vec<_> = json(&sterna_sub(&broker, &["-V", version, "-F", "%J"])).collect();
        let theirs: Vec<_> = json(&mosquitto_sub(&broker, &["-V", version, "-F", "%J"])).collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours[0]["payload"]["b"], "\u{20ac}");
    }
}

// R: CLI-02
#[test]
fn a_payload_that_is_no_json_is_told() {
    let broker = Broker::start();
    publish(&broker, &["-t", "a", "-m", "no json", "-r", "-q", "1"]);
    let ended = sterna(&["sub", &broker.url(), "-t", "a", "-C", "1", "-F", "x%J y", "-W", "60"]).expect(0);
    assert_eq!((ended.text(), ended.error()), ("x y\n", "topic a: the payload is not JSON"));
}

// R: CLI-02
#[test]
fn a_wrong_format_is_usage() {
    for format in ["%", "%z", "@", "\\", "\\z", "%10", "%-"] {
        let ended = sterna(&["sub", "mqtt://localhost/a", "-F", format]).expect(2);
        let theirs = output(Command::new("mosquitto_sub").args(["-t", "a", "-F", format]));
        assert!(!theirs.status.success(), "{format}: {theirs:?}");
        ended.error();
    }
}

// R: CLI-02
#[test]
fn payloads_are_encoded() {
    let broker = Broker::start();
    publish_with(&broker, &["-t", "a", "-s", "-r", "-q", "1"], b"\x1b[2J\xff");
    let url = broker.url();
    let heard = |options: &[&str]| {
        let arguments = ["sub", &url, "-t", "a", "-C", "1", "-W", "60"];
        sterna(&[&arguments[..], options].concat()).expect(0).output
    };
    assert_eq!(heard(&["--output", "raw"]), b"\x1b[2J\xff\n");
    assert_eq!(heard(&["--output", "hex", "-v"]), b"a 1b5b324aff\n");
    assert_eq!(heard(&["--output", "base64", "-N"]), b"G1sySv8=");
    assert_eq!(heard(&["--output", "text"]), b"\\u{1b}[2J\\xff\n");
    let object = &objects(&heard(&["--output", "json"]))[0];
    assert_eq!((&object["payload_base64"], &object["retain"]), (&"G1sySv8=".into(), &1.into()));

    publish(&broker, &["-t", "a", "-m", "{\"b\": [1]}", "-r", "-q", "1"]);
    let pretty = heard(&["--output", "pretty"]);
    assert!(String::from_utf8_lossy(&pretty).lines().count() > 5);
    let object: Value = serde_json::from_slice(&pretty).expect("JSON");
    assert_eq!(object["payload"]["b"][0], 1);
}

// R: CLI-02
#[test]
fn retained_messages_are_removed_and_it_ends() {
    let broker = Broker::start();
    for topic in ["a/1", "a/2", "a/keep", "a/3"] {
        publish(&broker, &["-t", topic, "-m", topic, "-r", "-q", "1"]);
    }
    let url = broker.url();
    let remove =
        ["sub", &url, "-t", "a/#", "-T", "a/keep", "--remove-retained", "--retained-only", "-W", "60"];
    assert_eq!(sterna(&remove).expect(0).text(), "a/1\na/2\na/3\n");
    let rest = sterna(&["sub", &url, "-t", "a/#", "-C", "1", "-W", "60"]).expect(0);
    assert_eq!(rest.text(), "a/keep\n");
}

// R: CLI-02
#[test]
fn it_ends_when_subscribed_on_request() {
    let broker = Broker::start();
    let url = broker.url();
    sterna(&["sub", &url, "-t", "a", "-q", "1", "-c", "-i", "later", "-E", "-W", "60"]).expect(0);
    publish(&broker, &["-t", "a", "-m", "kept", "-q", "1"]);
    let heard =
        sterna(&["sub", &url, "-t", "a", "-q", "1", "-c", "-i", "later", "-C", "1", "-W", "60"]).expect(0);
    assert_eq!(heard.text(), "kept\n");
}

// R: CLI-01
#[test]
fn a_message_is_repeated_and_lines_have_two_names() {
    let broker = Broker::start();
    let sub = subscriber(&broker, &["-t", "a", "-q", "1", "-C", "5"]);
    publish(&broker, &["-t", "a", "-m", "x", "--repeat", "3", "--repeat-delay", "0.01", "-q", "1"]);
    publish_with(&broker, &["-t", "a", "-M", "-q", "1"], b"one\ntwo\n");
    assert_eq!(sub.end().expect(0).text(), "x\nx\nx\none\ntwo\n");
}

// R: CLI-01
#[test]
fn a_second_signal_forces() {
    use std::io::{Read, Write};
    use std::time::{Duration, Instant};
    // A server that reads nothing behind CONNECT: DISCONNECT waits behind a message larger than what the sockets hold.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("mqtt://{}", listener.local_addr().expect("an address"));
    let mut publishing = Sterna::start(&["pub", &url, "-t", "a", "-s", "-V", "3.1.1", "-d"]);
    publishing.write(&vec![b'x'; 64_000_000]);
    publishing.close_input();
    let (mut client, _) = listener.accept().expect("a client");
    client.read_exact(&mut [0; 14]).expect("CONNECT");
    client.write_all(&[0x20, 2, 0, 0]).expect("CONNACK");
    publishing.wait_to_say("sent PUBLISH");
    let started = Instant::now();
    publishing.signal("INT");
    publishing.wait_to_say("disconnecting");
    publishing.signal("INT");
    publishing.end().expect(130);
    // Disconnecting would have taken ten.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}
