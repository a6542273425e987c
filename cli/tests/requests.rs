//! `sterna request` and `sterna respond`, with each other and with mosquitto_rr.

#[path = "../../tests/support/mod.rs"]
mod shared;
mod support;

use std::process::Command;

use shared::mosquitto::Mosquitto;
use sterna_core::packet::PacketType;
use support::{Broker, Sterna, output, sterna, sterna_with};

/// A responder with the client identifier `responder`, which is subscribed when this returns.
fn responder(broker: &Broker, arguments: &[&str]) -> Sterna {
    let url = broker.url();
    let sterna = Sterna::start(&[&["respond", &url, "-i", "responder", "-W", "60"], arguments].concat());
    broker.wait_for("responder", PacketType::Subscribe, 1);
    sterna
}

// R: CLI-03
#[test]
fn a_command_answers() {
    let broker = Broker::start();
    let answering = responder(
        &broker,
        &["-t", "up/+", "-C", "2", "--", "sh", "-c", "tr a-z A-Z; printf ' %s' \"$MQTT_TOPIC\""],
    );
    let url = broker.url();
    let answer = sterna(&["request", &url, "-t", "up/1", "-m", "hello", "-W", "60"]).expect(0);
    assert_eq!(answer.text(), "HELLO up/1\n");
    let answer =
        sterna_with(&["request", &url, "-t", "up/2", "-s", "-N", "-v", "-q", "2", "-W", "60"], b"a\nb")
            .expect(0);
    assert!(
        answer.text().starts_with("sterna/response/") && answer.text().ends_with(" A\nB up/2"),
        "{answer:?}"
    );
    answering.end().expect(0);
}

// R: CLI-03
#[test]
fn a_fixed_payload_answers() {
    for version in ["3.1", "3.1.1", "5"] {
        let broker = Broker::start();
        let answering =
            responder(&broker, &["-t", "ask", "-e", "answer", "-m", "yes", "-C", "1", "-V", version]);
        let arguments =
            ["request", &broker.url(), "-t", "ask", "-e", "answer", "-n", "-V", version, "-W", "60"];
        assert_eq!(sterna(&arguments).expect(0).text(), "yes\n", "MQTT {version}");
        answering.end().expect(0);
    }
}

// R: CLI-03
#[test]
fn a_request_that_nobody_answers_fails() {
    let broker = Broker::start();
    let url = broker.url();
    let ended = sterna(&["request", &url, "-t", "ask", "-n", "-W", "60"]).expect(1);
    assert_eq!(ended.error(), "nobody is subscribed to the topic of the request");
    let ended = sterna(&["request", &url, "-t", "ask", "-e", "answer", "-n", "-W", "1"]).expect(27);
    assert_eq!(ended.error(), "timed out after 1 s");
    for wrong in [&["-t", "ask", "-n", "-V", "3.1.1"][..], &["-t", "ask"], &["-n"], &["-t", "a/+", "-n"]] {
        sterna(&[&["request", &url], wrong].concat()).expect(2).error();
    }
    for wrong in [&["-t", "ask"][..], &["-m", "x"], &["-t", "ask", "-m", "x", "--", "date"]] {
        sterna(&[&["respond", &url], wrong].concat()).expect(2).error();
    }
}

// R: CLI-03
#[test]
fn a_command_that_fails_answers_nothing() {
    let broker = Broker::start();
    let answering = responder(&broker, &["-t", "ask", "-C", "2", "--", "sh", "-c", "read word; $word"]);
    let url = broker.url();
    // Without a response topic; and with one, and a command that fails.
    sterna(&["pub", &url, "-t", "ask", "-m", "true", "-q", "1"]).expect(0);
    sterna(&["request", &url, "-t", "ask", "-m", "false", "-W", "1"]).expect(27);
    let ended = answering.end().expect(1);
    assert!(
        ended.errors[0].contains("not answered") && ended.errors[1].contains("exit status: 1"),
        "{ended:?}"
    );
    assert_eq!(ended.errors[2], "sterna: 2 of 2 requests were not answered");
}

// R: CLI-03
#[test]
fn so_many_are_answered_at_a_time() {
    let broker = Broker::start();
    // Each waits until the other is there too.
    let folder =
        std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parallel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let script = "touch \"$0/$$\"; while [ \"$(ls \"$0\" | wc -l)\" -lt 2 ]; do sleep 0.01; done; echo both";
    let folder_name = folder.to_str().expect("text");
    let answering = responder(
        &broker,
        &["-t", "ask", "-C", "2", "--parallel", "2", "--", "sh", "-c", script, folder_name],
    );
    let url = broker.url();
    let ask = || Sterna::start(&["request", &url, "-t", "ask", "-n", "-N", "-W", "60"]);
    let (first, second) = (ask(), ask());
    assert_eq!((first.end().expect(0).text(), second.end().expect(0).text()), ("both\n", "both\n"));
    answering.end().expect(0);
    std::fs::remove_dir_all(folder).expect("it is removed");
}

// R: CLI-03
#[test]
fn mosquitto_rr_is_answered_and_answers_are_had() {
    let broker = Mosquitto::anonymous();
    let (url, port) = (broker.url(), broker.port().to_string());
    for version in ["311", "5"] {
        let arguments =
            ["respond", &url, "-t", "ask", "-e", "answer", "-C", "1", "-d", "-W", "60", "--", "cat"];
        let mut answering = Sterna::start(&arguments);
        answering.wait_to_say("subscribed to ask");
        let mut command = Command::new("mosquitto_rr");
        command.args(["-p", &port, "-V", version, "-t", "ask", "-e", "answer", "-m", "hello", "-W", "60"]);
        let answer = output(&mut command);
        assert_eq!(String::from_utf8_lossy(&answer.stdout), "hello\n", "{answer:?}");
        answering.end().expect(0);
    }
}
