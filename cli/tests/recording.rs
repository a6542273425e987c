//! `sterna record` and `sterna replay`.

mod support;

use std::fs;

use sterna_client::record::{Recording, ReplayError};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::Sessions;

use support::{Broker, Sterna, TemporaryFile, publish, sterna};

// R: DET-01 CLI-01
#[test]
fn a_subscriber_is_recorded_over_a_restart_and_replayed_a_thousand_times() {
    let broker = Broker::start();
    let url = broker.url();
    let file = TemporaryFile::new("restart.jsonl", "");
    let record =
        ["record", file.path(), "sub", &url, "-i", "sub", "-t", "a/#", "-q", "2", "-C", "6", "-W", "60"];
    let mut sub = Sterna::start(&record);
    broker.wait_for("sub", PacketType::Subscribe, 1);
    publish(&broker, &["-t", "a/b", "-m", "before", "-q", "2"]);
    publish(&broker, &["-t", "a/c", "-m", "before", "-q", "1"]);
    assert_eq!(sub.read_lines(2), ["before", "before"]);
    broker.take_down(Sessions::Lose);
    sub.wait_to_say("next attempt in");
    broker.bring_up();
    broker.wait_for("sub", PacketType::Subscribe, 2);
    for n in 0..4 {
        publish(&broker, &["-t", "a/b", "-m", &n.to_string(), "-q", "1"]);
    }
    assert_eq!(sub.end().expect(0).text(), "0\n1\n2\n3\n");

    let recording = Recording::load(file.path()).unwrap();
    assert!(recording.is_complete());
    for _ in 0..1_000 {
        recording.replay().unwrap();
    }
    let replayed = sterna(&["replay", file.path()]).expect(0);
    assert!(replayed.text().ends_with("everything is the same\n"), "{replayed:?}");

    // One byte of what came out, changed.
    let text = fs::read_to_string(file.path()).unwrap();
    let line = text.lines().position(|line| line.contains(r#""out":{"transmit":{"bytes":"10"#)).unwrap();
    let changed = text.replacen(r#""out":{"transmit":{"bytes":"10"#, r#""out":{"transmit":{"bytes":"11"#, 1);
    let changed = TemporaryFile::new("changed.jsonl", &changed);
    let difference = sterna(&["replay", changed.path()]).expect(1);
    let said = difference.errors.join("\n");
    assert!(said.contains(&format!("line {}, ", line + 1)), "{said}");
    assert!(said.contains(r#"{"packet":"CONNECT""#) && said.contains("first at byte 0"), "{said}");
    let error = Recording::load(changed.path()).unwrap().replay().unwrap_err();
    assert!(matches!(error, ReplayError::Difference(difference) if difference.line == line as u64 + 1));
}

// R: DET-01 CLI-01
#[test]
fn the_state_can_be_looked_at_in_the_middle() {
    let broker = Broker::start();
    let file = TemporaryFile::new("until.jsonl", "");
    let url = broker.url();
    sterna(&["record", file.path(), "pub", &url, "-t", "a", "-m", "x", "-q", "2", "-W", "60"]).expect(0);
    let state = sterna(&["replay", file.path(), "--until", "2"]).expect(0);
    assert!(
        state.text().starts_with("after line 2, at ") && state.text().contains("in flight     0"),
        "{state:?}"
    );
    let recording = Recording::load(file.path()).unwrap();
    let in_flight = (2..recording.entries().len() as u64).find_map(|line| {
        let state = sterna(&["replay", file.path(), "--until", &line.to_string()]).expect(0);
        state.text().contains("in flight     1").then(|| state.text().to_owned())
    });
    assert!(in_flight.unwrap().contains(": connected, MQTT 5.0, network connection 1"));
}

// R: DET-01 CLI-01
#[test]
fn what_is_hidden_is_not_in_the_file() {
    let broker = Broker::start();
    let file = TemporaryFile::new("hidden.jsonl", "");
    let url = broker.url();
    let everything = ["record", file.path(), "--hide", "topics,payloads,usernames"];
    let command =
        ["pub", &url, "-t", "kitchen/kettle", "-m", "lukewarm", "-q", "1", "-u", "cook", "-P", "pepper"];
    sterna(&[&everything[..], &command].concat()).expect(0);
    let text = fs::read_to_string(file.path()).unwrap();
    for private in ["kitchen", "kettle", "lukewarm", "cook", "pepper"] {
        let digits = hex::encode(private);
        assert!(!text.contains(private) && !text.contains(&digits), "{private}");
    }
    sterna(&["replay", file.path()]).expect(0);
}

// R: DET-01 CLI-01
#[test]
fn what_cannot_be_recorded_or_replayed_is_said() {
    let file = TemporaryFile::new("nothing.jsonl", "nothing\n");
    let wrong = sterna(&["record", file.path(), "packet", "decode", "c000"]).expect(2);
    assert!(wrong.error().starts_with("only pub, sub,"), "{wrong:?}");
    assert_eq!(fs::read_to_string(file.path()).unwrap(), "nothing\n", "the file is not touched");
    sterna(&["record", file.path()]).expect(2);
    let bad = sterna(&["replay", file.path()]).expect(1);
    assert!(bad.error().contains("line 1: this is no recording"), "{bad:?}");
    sterna(&["replay", "/nowhere/at/all.jsonl"]).expect(1);
    sterna(&["record", "/nowhere/at/all.jsonl", "pub", "-t", "a", "-m", "b"]).expect(1);
}
