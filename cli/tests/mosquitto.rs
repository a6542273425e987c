//! Crosswise with the real mosquitto_pub and mosquitto_sub, by way of a real Mosquitto.

#[path = "../../tests/support/mod.rs"]
mod shared;
mod support;

use std::process::{Child, Command, Stdio};

use shared::mosquitto::{Mosquitto, Persistence};
use sterna_client::record::Recording;
use support::{Sterna, TemporaryFile, first_copies, output, sterna, sterna_with};

/// Their versions and ours.
const VERSIONS: [(&str, &str); 3] = [("mqttv31", "31"), ("mqttv311", "3.1.1"), ("mqttv5", "5")];
const QOS: [&str; 3] = ["0", "1", "2"];

// R: CLI-01
#[test]
fn sterna_hears_mosquitto_pub() {
    let broker = Mosquitto::anonymous();
    let (url, port) = (broker.url(), broker.port().to_string());
    for (theirs, ours) in VERSIONS {
        let arguments = ["sub", &url, "-t", "a/#", "-q", "2", "-V", ours, "-C", "3", "-v", "-d", "-W", "60"];
        let mut sub = Sterna::start(&arguments);
        sub.wait_to_say("subscribed to a/#: granted QoS 2");
        for qos in QOS {
            let mut command = Command::new("mosquitto_pub");
            command.args(["-p", &port, "-t", "a/b", "-m", qos, "-q", qos, "-V", theirs]);
            assert!(output(&mut command).status.success());
        }
        assert_eq!(sub.end().expect(0).text(), "a/b 0\na/b 1\na/b 2\n", "{theirs}");
    }
}

// R: CLI-01
#[test]
fn mosquitto_sub_hears_sterna() {
    let broker = Mosquitto::anonymous();
    let (url, port) = (broker.url(), broker.port().to_string());
    for (theirs, ours) in VERSIONS {
        let id = format!("heard-{ours}");
        let sub =
            mosquitto_sub(&["-p", &port, "-t", "a/#", "-q", "2", "-V", theirs, "-C", "4", "-v", "-i", &id]);
        // It is subscribed when the broker has said so.
        wait_for_log(&broker, &format!("Sending SUBACK to {id}"));
        for qos in QOS {
            sterna(&["pub", &url, "-t", "a/b", "-m", qos, "-q", qos, "-V", ours]).expect(0);
        }
        sterna_with(&["pub", &url, "-t", "a", "-q", "1", "-l"], b"line\n").expect(0);
        let heard = sub.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&heard.stdout), "a/b 0\na/b 1\na/b 2\na line\n", "{theirs}");
    }
}

// R: PUB-01
#[test]
fn a_thousand_lines_of_quality_of_service_2_arrive_once_and_in_order() {
    let broker = Mosquitto::anonymous();
    let url = broker.url();
    let lines: String = (0..1_000).map(|number| number.to_string() + "\n").collect();
    for (_, version) in VERSIONS {
        let arguments = ["sub", &url, "-t", "a", "-q", "2", "-C", "1000", "-V", version, "-W", "60", "-d"];
        let mut sub = Sterna::start(&arguments);
        sub.wait_to_say("subscribed to a");
        sterna_with(&["pub", &url, "-t", "a", "-q", "2", "-l", "-V", version], lines.as_bytes()).expect(0);
        assert_eq!(sub.end().expect(0).text(), lines, "MQTT {version}");
    }
}

// R: DET-01
#[test]
fn a_session_over_a_restart_replays_a_thousand_times() {
    for (_, version) in VERSIONS {
        let mut broker = Mosquitto::anonymous();
        let url = broker.url();
        let file = TemporaryFile::new(&format!("mosquitto-{version}.jsonl"), "");
        let sub = ["sub", &url, "-t", "a/#", "-q", "2", "-i", "sub", "-V", version, "-C", "4", "-v", "-d"];
        let mut sub = Sterna::start(&[&["record", file.path()], &sub[..], &["-W", "60"]].concat());
        sub.wait_to_say("subscribed to a/#: granted QoS 2");
        for qos in QOS {
            sterna(&["pub", &url, "-t", "a/b", "-m", qos, "-q", qos]).expect(0);
        }
        assert_eq!(sub.read_lines(3), ["a/b 0", "a/b 1", "a/b 2"]);
        broker.stop();
        sub.wait_to_say("next attempt in");
        broker.start();
        // Retained, it comes whenever the subscriber is back.
        sterna(&["pub", &url, "-t", "a/c", "-m", "back", "-q", "2", "-r"]).expect(0);
        assert_eq!(sub.end().expect(0).text(), "a/c back\n");

        let recording = Recording::load(file.path()).unwrap();
        assert!(recording.is_complete());
        for _ in 0..1_000 {
            recording.replay().unwrap();
        }
    }
}

// R: CLI-01
#[test]
fn a_wrong_password_gives_mosquittos_code() {
    let broker = Mosquitto::options().user("tern", "secret").start();
    let url = broker.url();
    for (version, status) in [("3.1", 5), ("3.1.1", 5), ("5", 135)] {
        let arguments = ["pub", &url, "-t", "a", "-m", "x", "-V", version, "-u", "tern"];
        let ended = sterna(&[&arguments[..], &["-P", "wrong"]].concat()).expect(status);
        assert!(ended.error().contains("refused"), "{ended:?}");
        sterna(&[&arguments[..], &["-P", "secret"]].concat()).expect(0);
    }
}

// R: CLI-01
#[test]
fn exit_statuses_stand_beside_mosquittos() {
    /// The subcommand, the words that are the same for both, mosquitto's status, and ours.
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], i32, i32);
    let broker = Mosquitto::options().user("tern", "secret").start();
    let port = broker.port().to_string();
    let here = ["-p", &port, "-u", "tern", "-P", "secret"];
    let wrong = ["-p", &port, "-u", "tern", "-P", "wrong"];
    let table: &[Row<'_>] = &[
        ("pub", &here, &["-t", "a", "-m", "x", "-q", "2"], 0, 0),
        ("pub", &wrong, &["-t", "a", "-m", "x", "-V", "311"], 5, 5),
        ("pub", &wrong, &["-t", "a", "-m", "x", "-V", "5"], 135, 135),
        ("pub", &["-p", "1"], &["-t", "a", "-m", "x"], 1, 1),
        ("pub", &here, &["-t", "a/#", "-m", "x"], 1, 2),
        ("pub", &here, &["-t", "a", "-m", "x", "--nonsense"], 1, 2),
        ("sub", &here, &["-t", "a", "-E"], 0, 0),
        ("sub", &here, &["-t", "a", "-W", "1"], 27, 27),
        ("sub", &wrong, &["-t", "a", "-V", "311"], 5, 5),
        ("sub", &wrong, &["-t", "a", "-V", "5"], 135, 135),
        ("sub", &["-p", "1"], &["-t", "a"], 1, 1),
        ("sub", &here, &["-t", "a/#/b"], 1, 2),
    ];
    for (command, server, options, theirs, ours) in table {
        let mut mosquitto = Command::new(format!("mosquitto_{command}"));
        let ended = output(mosquitto.args(*server).args(*options));
        assert_eq!(ended.status.code(), Some(*theirs), "mosquitto_{command} {options:?}");
        sterna(&[&[*command, "-h", "localhost"], *server, *options].concat()).expect(*ours);
    }
}

// R: REC-01 CLI-01
#[test]
fn a_restart_with_persistence_loses_nothing() {
    for (_, version) in VERSIONS {
        let mut broker = Mosquitto::options().persistence(Persistence::OnExit).start();
        let url = broker.url();
        let sub = ["sub", &url, "-c", "-i", "logger", "-t", "a", "-q", "1", "-V", version, "-W", "60", "-d"];
        let mut sub = Sterna::start(&sub);
        sub.wait_to_say("subscribed to a");
        let lines = ["pub", &url, "-i", "meter", "-t", "a", "-l", "-q", "1", "-V", version, "-W", "60"];
        let mut lines = Sterna::start(&lines);
        let mut write = |numbers: std::ops::Range<u32>| {
            numbers.for_each(|number| lines.write(format!("{number}\n").as_bytes()));
        };
        write(0..100);
        let mut heard = sub.read_lines(1);
        write(100..200);
        broker.stop();
        write(200..300);
        broker.start();
        write(300..400);
        lines.close_input();
        lines.end().expect(0);
        while heard.last().is_none_or(|last| last != "399") {
            heard.extend(sub.read_lines(1));
        }
        sub.signal("INT");
        sub.end().expect(0);
        assert_eq!(first_copies(&heard), (0..400).collect::<Vec<_>>(), "MQTT {version}");
    }
}

fn mosquitto_sub(arguments: &[&str]) -> Child {
    let mut command = Command::new("mosquitto_sub");
    command.args(["-W", "60"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().expect("mosquitto_sub is installed")
}

fn wait_for_log(broker: &Mosquitto, text: &str) {
    let started = std::time::Instant::now();
    while !broker.log().contains(text) {
        assert!(started.elapsed().as_secs() < 60, "Mosquitto never logged `{text}`:\n{}", broker.log());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
