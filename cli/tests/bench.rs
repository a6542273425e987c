//! `sterna bench`.

mod support;

use std::path::PathBuf;

use serde_json::Value;
use sterna_core::packet::{PacketType, ReasonCode};
use sterna_simulator::broker::{Fault, OnReceive, OnSend};
use support::{Broker, Sterna, sterna};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn text(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).expect("it was written");
    std::fs::remove_file(path).expect("it is there");
    text
}

/// `bench sub`, which is subscribed when this returns.
fn subscribers(broker: &Broker, options: &[&str]) -> Sterna {
    let url = broker.url();
    let mut sub = Sterna::start(&[&["bench", "sub", &url, "-W", "60", "--json"], options].concat());
    sub.wait_to_say("subscribed");
    sub
}

// R: CLI-03
#[test]
fn what_is_published_is_received_and_checked() {
    for (version, qos) in [("3.1.1", "0"), ("5", "1"), ("5", "2")] {
        let broker = Broker::start();
        let options = ["-t", "b/#", "-n", "2", "-C", "600", "-q", qos, "-V", version, "--check"];
        let sub = subscribers(&broker, &options);
        let (svg, json) = (file("plot.svg"), file("result.json"));
        let published = sterna(&[
            "bench",
            "pub",
            &broker.url(),
            "-t",
            "b/{client}",
            "-n",
            "3",
            "--messages",
            "100",
            "-q",
            qos,
            "-V",
            version,
            "--plot",
            svg.to_str().expect("text"),
            "--result",
            json.to_str().expect("text"),
            "-W",
            "60",
        ])
        .expect(0);
        assert!(published.text().starts_with("300 messages in "), "{published:?}");
        let result: Value = serde_json::from_str(&text(&json)).expect("JSON");
        assert_eq!((&result["messages"], &result["failed"]), (&300.into(), &0.into()));
        assert_eq!(result["payload_bytes"], 300 * 64);
        assert_eq!(result["latency_microseconds"].is_object(), qos != "0");
        let counts = result["series"]["counts"].as_array().expect("a list");
        assert_eq!(counts.iter().filter_map(Value::as_u64).sum::<u64>(), 300);
        let svg = text(&svg);
        assert!(svg.starts_with("<svg") && svg.contains("messages a second"));
        assert_eq!(svg.contains("by percentile"), qos != "0");

        let heard: Value = serde_json::from_str(sub.end().expect(0).text()).expect("JSON");
        let check = serde_json::json!({ "checked": 600, "lost": 0, "duplicates": 0, "out_of_order": 0 });
        assert_eq!((&heard["messages"], &heard["check"]), (&600.into(), &check));
        let latency = &heard["latency_microseconds"];
        assert!(
            latency["min"].as_f64() <= latency["p99"].as_f64()
                && latency["p99"].as_f64() <= latency["max"].as_f64()
        );
    }
}

// R: CLI-03
#[test]
fn loss_is_found() {
    let broker = Broker::start();
    // The server keeps the third message to itself.
    let loss = Fault::sending(PacketType::Publish, OnSend::Discard).after(2).times(1);
    broker.model.with(|model, _| model.add_fault(loss));
    let sub = subscribers(&broker, &["-t", "b", "-C", "9", "--check"]);
    sterna(&["bench", "pub", &broker.url(), "-t", "b", "--messages", "10", "-W", "60"]).expect(0);
    let ended = sub.end().expect(1);
    let heard: Value = serde_json::from_str(ended.text()).expect("JSON");
    assert_eq!(heard["check"]["lost"], 1);
    assert_eq!(
        ended.errors.last().map(String::as_str),
        Some("sterna: something was lost, doubled or out of order")
    );
}

// R: CLI-03
#[test]
fn topics_and_payloads_have_places() {
    let broker = Broker::start();
    let url = broker.url();
    let heard = Sterna::start(&["sub", &url, "-t", "b/#", "-C", "4", "-v", "-i", "sub", "-W", "60"]);
    broker.wait_for("sub", PacketType::Subscribe, 1);
    let payload = "{\"client\": {client}, \"n\": {message}, \"r\": {random:1}}";
    sterna(&[
        "bench",
        "pub",
        &url,
        "-t",
        "b/{client}/{message}",
        "-n",
        "2",
        "--messages",
        "2",
        "--payload",
        payload,
    ])
    .expect(0);
    let heard = heard.end().expect(0);
    let mut lines: Vec<_> = heard.text().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines[3], "b/1/1 {\"client\": 1, \"n\": 1, \"r\": 0}");

    // A payload of one's own can be checked if it has the header.
    let sub = subscribers(&broker, &["-t", "b", "-C", "5", "--check", "-q", "1"]);
    let arguments =
        ["bench", "pub", &url, "-t", "b", "--payload", "<{header}>", "--messages", "5", "-q", "1"];
    sterna(&arguments).expect(0);
    let heard: Value = serde_json::from_str(sub.end().expect(0).text()).expect("JSON");
    assert_eq!(heard["check"]["checked"], 5);
}

// R: CLI-03
#[test]
fn silence_is_an_end() {
    let broker = Broker::start();
    let sub = subscribers(&broker, &["-t", "b", "--idle", "0.2"]);
    sterna(&["bench", "pub", &broker.url(), "-t", "b", "--messages", "1"]).expect(0);
    let heard: Value = serde_json::from_str(sub.end().expect(0).text()).expect("JSON");
    assert_eq!(heard["messages"], 1);
}

// R: CLI-03
#[test]
fn connections_are_measured() {
    let broker = Broker::start();
    let html = file("plot.html");
    let arguments =
        ["bench", "conn", &broker.url(), "-n", "50", "-i", "c", "--connect-parallel", "5", "--json"];
    let plot = ["--plot", html.to_str().expect("text"), "-W", "60"];
    let ended = sterna(&[&arguments[..], &plot].concat()).expect(0);
    let result: Value = serde_json::from_str(ended.text()).expect("JSON");
    assert_eq!((&result["connections"], &result["settings"]["clients"]), (&50.into(), &50.into()));
    for number in 0..50 {
        broker.wait_for(&format!("c-{number}"), PacketType::Disconnect, 1);
    }
    let page = text(&html);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg") && page.contains("50 connections"));
}

// R: CLI-03
#[test]
fn a_rate_is_kept() {
    let broker = Broker::start();
    let arguments =
        ["bench", "pub", &broker.url(), "-t", "b", "-q", "1", "--rate", "100", "--messages", "21", "--json"];
    let result: Value = serde_json::from_str(sterna(&arguments).expect(0).text()).expect("JSON");
    // The last one is due after 0.2 seconds; a busy machine may be late.
    assert!(result["elapsed_seconds"].as_f64() >= Some(0.2), "{result}");
}

// R: CLI-03
#[test]
fn an_interrupt_prints_what_there_is() {
    let broker = Broker::start();
    let sub = subscribers(&broker, &["-t", "b"]);
    sub.signal("INT");
    let result: Value = serde_json::from_str(sub.end().expect(0).text()).expect("JSON");
    assert_eq!(result["messages"], 0);

    let publishing =
        Sterna::start(&["bench", "pub", &broker.url(), "-t", "b", "-i", "p", "--rate", "10", "--json"]);
    broker.wait_for("p-0", PacketType::Publish, 2);
    publishing.signal("INT");
    let result: Value = serde_json::from_str(publishing.end().expect(0).text()).expect("JSON");
    assert!(result["messages"].as_u64() >= Some(2), "{result}");
}

// R: CLI-03
#[test]
fn failures_are_failures() {
    let broker = Broker::start();
    let url = broker.url();
    let wrong: &[&[&str]] = &[
        &["conn", "-n", "0"],
        &["pub", "--messages", "1"],
        &["pub", "-t", "a/#"],
        &["pub", "-t", "a", "--payload", "{random:x}"],
        &["pub", "-t", "a", "--payload", "x", "--size", "5"],
        &["pub", "-t", "a", "--rate", "0"],
        &["pub", "-t", "a", "--plot", "plot.png"],
        &["sub"],
        &["sub", "-t", "a/#/b"],
    ];
    for arguments in wrong {
        let ended = sterna(&[&["bench"], *arguments, &[&url]].concat());
        assert_eq!(ended.status, Some(2), "{arguments:?}: {ended:?}");
    }
    let refusal = OnReceive::Answer(ReasonCode::NOT_AUTHORIZED);
    let refused = Fault::receiving(PacketType::Publish, refusal.clone()).times(1);
    broker.model.with(|model, _| model.add_fault(refused));
    let ended =
        sterna(&["bench", "pub", &url, "-t", "b", "-q", "1", "--messages", "3", "-W", "60"]).expect(1);
    assert!(ended.text().contains("2 messages") && ended.text().contains("1 failed"), "{ended:?}");
    broker.model.with(|model, _| model.add_fault(Fault::receiving(PacketType::Connect, refusal)));
    for kind in [&["conn"][..], &["pub", "-t", "a"], &["sub", "-t", "a"]] {
        sterna(&[&["bench"], kind, &[&url, "-V", "5"]].concat()).expect(135).error();
    }
}
