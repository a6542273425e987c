//! `sterna ping`.

mod support;

use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Fault, OnReceive};
use support::{Broker, Sterna, sterna};

/// The lines but for the numbers that nobody can know.
fn check(text: &str, count: usize) {
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), count + 2, "{text}");
    for (line, number) in lines[..count].iter().zip(1..) {
        assert!(line.starts_with(&format!("answer {number}: time=")) && line.ends_with(" ms"), "{line}");
    }
    assert_eq!(lines[count], format!("{count} sent, {count} answered, 0% missed"));
    let times = lines[count + 1]
        .strip_prefix("round trip min/avg/max/mdev = ")
        .and_then(|rest| rest.strip_suffix(" ms"));
    let times: Vec<f64> = times.expect(text).split('/').map(|time| time.parse().expect(text)).collect();
    assert!(times[0] <= times[1] && times[1] <= times[2] && times[3] >= 0.0, "{times:?}");
}

// R: CLI-03
#[test]
fn round_trips_are_measured() {
    let broker = Broker::start();
    let url = broker.url();
    for version in ["3.1", "3.1.1", "5"] {
        for (by, qos) in
            [("publish", "1"), ("publish", "2"), ("message", "0"), ("message", "1"), ("message", "2")]
        {
            let arguments =
                ["ping", &url, "--by", by, "-q", qos, "-C", "4", "--interval", "0", "--size", "100"];
            let ended = sterna(&[&arguments[..], &["-V", version, "-W", "60"]].concat()).expect(0);
            check(ended.text(), 4);
        }
    }
}

// R: CLI-03
#[test]
fn pingreq_is_measured() {
    let broker = Broker::start();
    let ended = sterna(&["ping", &broker.url(), "-C", "2", "-i", "pinger", "-W", "60"]).expect(0);
    check(ended.text(), 2);
    broker.wait_for("pinger", PacketType::PingReq, 2);
}

// R: CLI-03
#[test]
fn what_is_not_answered_is_missed() {
    let broker = Broker::start();
    let silence = Fault::receiving(PacketType::Publish, OnReceive::Discard);
    broker.model.with(|model, _| model.add_fault(silence));
    let arguments = ["ping", &broker.url(), "--by", "message", "-q", "0", "-C", "2", "--interval", "0"];
    let ended = sterna(&[&arguments[..], &["--answer-timeout", "0.05", "-W", "60"]].concat()).expect(1);
    assert_eq!(ended.text(), "2 sent, 0 answered, 100% missed\n");
    assert_eq!(ended.errors.last().map(String::as_str), Some("sterna: no answer"));
    sterna(&["ping", &broker.url(), "--by", "publish", "-q", "0"]).expect(2).error();
}

// R: CLI-03
#[test]
fn an_interrupt_prints_the_summary() {
    let broker = Broker::start();
    let mut ping = Sterna::start(&["ping", &broker.url(), "--by", "publish", "--interval", "0.01"]);
    ping.read_lines(1);
    ping.signal("INT");
    let ended = ping.end().expect(0);
    assert!(ended.text().contains("0% missed\nround trip min/avg/max/mdev = "), "{ended:?}");
}
